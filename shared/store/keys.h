#ifndef SHARED_STORE_KEYS_H
#define SHARED_STORE_KEYS_H

#include <stdbool.h>

#include "shared/base/slice.h"
#include "shared/json/json.h"

/*
 * Keys of the indexes: the value, so encoded that byte order is the order of values, and the document's id
 * after it.
 *
 *   u8 kind, and then by kind:
 *     many         nothing: the document's array has more than KEY_ELEMENTS_MOST elements; it may match
 *                  anything
 *     false, true  nothing
 *     number       8 bytes of the nearest double, made so that they sort; 0x00 for an integer that the double
 *                  is exactly, otherwise 0x01 and 16 bytes of hash of the exact value
 *     string       the characters and 0x00; over KEY_TEXT_MOST bytes: the first so many, 0x01, 16 bytes of
 *                  hash
 *
 * KEY_IN_ARRAY is added to the kind for elements of arrays, which a search treats with more care (a document
 * may have several). Equal values have equal keys and others have different ones: 3.0 and 3 share one,
 * 9007199254740993 and 9007199254740992 do not.
 */
enum {
    KEY_MOST = 511, /* of LMDB */
    KEY_HASH = 16,
    KEY_TEXT_MOST = KEY_MOST - 256 - 1 - 1 - KEY_HASH,
    KEY_VALUE_MOST = 1 + KEY_TEXT_MOST + 1 + KEY_HASH,
    KEY_ELEMENTS_MOST = 1000
};

enum key_kind {
    KEY_MANY = 0x02,
    KEY_FALSE = 0x10,
    KEY_TRUE,
    KEY_NUMBER = 0x20,
    KEY_STRING = 0x30,
    KEY_IN_ARRAY = 0x40
};

struct key_value {
    size_t length;
    unsigned char bytes[KEY_VALUE_MOST];
};

/** The key of a scalar. False for what is not indexed: null, arrays, objects, nothing. */
bool key_value_of(struct key_value *key, struct json_value scalar);

/** The least bytes that the key of a number or string not below @value can have; false for other types. */
bool key_lower_bound(struct key_value *key, struct json_value value);

/** Bytes above all keys of numbers or strings not above @value, below those of greater ones as far as bytes
 * tell. */
bool key_upper_bound(struct key_value *key, struct json_value value);

/** The first bytes after everything that starts with @key. */
void key_successor(struct key_value *key);

/** Parts an index key; false when it is malformed. */
bool key_split(struct slice key, struct slice *value, struct slice *id);

enum { KEY_ONCE = 32 };

/** The key of a remembered answer: a hash, since the three together may be longer than a key. @former: the
 * sequence number of the removal of the one who had the user's name before; 0: nobody had. */
void key_once(unsigned char out[KEY_ONCE], struct slice user, uint64_t former, struct slice method,
              struct slice key);

#endif
