#ifndef SHARED_JSON_KEY_SET_H
#define SHARED_JSON_KEY_SET_H

#include "shared/json/json.h"

/*
 * A set of keys of one object, compared unescaped, for objects with many members. The hash (SipHash-1-3) is
 * keyed with a random number, so that nobody can make up keys that collide. Only for the files of
 * shared/json.
 */

enum { JSON_KEY_SET_FROM = 16 }; /* objects with more members are worth a set */

struct json_key_slot {
    uint32_t hash;
    uint32_t key; /* node of the key plus one; 0: free */
};

struct json_key_set {
    const struct json *json;
    struct json_key_slot *slots;
    uint32_t mask;
};

/** An empty set with room for @count keys of @json. json_key_set_free() at the end. */
void json_key_set_init(struct json_key_set *set, const struct json *json, uint32_t count);

/** A set of all keys of @object. */
void json_key_set_of(struct json_key_set *set, struct json_value object);

/** Adds the key at node @key. False when an equal one was there. */
bool json_key_set_add(struct json_key_set *set, uint32_t key);

/** The value of the member with the same key as @key, which may be of another text; absent when there is
 * none. */
struct json_value json_key_set_find(const struct json_key_set *set, struct json_value key);

void json_key_set_free(struct json_key_set *set);

#endif
