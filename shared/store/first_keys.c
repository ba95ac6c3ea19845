#include "shared/store/first_keys.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/base/random.h"

/* Each document has one of the few slots side by side that its hash says. */
enum { SLOTS_FIRST = 256, WAYS = 8, TAKEN_AFTER = 8 };

struct first_key {
    uint64_t document, key; /* 0: free */
};

static uint64_t hash_text(const struct first_keys *keys, struct slice text)
{
    unsigned char bytes[crypto_shorthash_BYTES];
    uint64_t value;
    _Static_assert(sizeof bytes == sizeof value && sizeof keys->secret == crypto_shorthash_KEYBYTES,
                   "hashes fit");
    crypto_shorthash(bytes, (const unsigned char *)text.data, text.length, keys->secret);
    memcpy(&value, bytes, sizeof value);
    return value;
}

/* Of this version: another is another document. Never 0. */
static uint64_t hash_document(const struct first_keys *keys, struct slice id, uint64_t version)
{
    uint64_t of_both[2] = {hash_text(keys, id), version};
    return hash_text(keys, slice_of((const char *)of_both, sizeof of_both)) | 1;
}

static struct first_key *ways_of(const struct first_keys *keys, uint64_t document)
{
    assert(keys->capacity >= WAYS);
    return &keys->slots[(document >> 1) % (keys->capacity / WAYS) * WAYS];
}

bool first_keys_find(const struct first_keys *keys, struct slice id, uint64_t version, struct slice key,
                     bool *same)
{
    if (!keys->count)
        return false;
    uint64_t document = hash_document(keys, id, version);
    const struct first_key *slot = ways_of(keys, document);
    for (unsigned i = 0; i < WAYS; i++)
        if (slot[i].document == document) {
            *same = slot[i].key == hash_text(keys, key);
            return true;
        }
    return false;
}

/* False: all its slots are taken. */
static bool put_key(struct first_keys *keys, struct first_key new)
{
    struct first_key *slot = ways_of(keys, new.document);
    for (unsigned i = 0; i < WAYS; i++)
        if (!slot[i].document) {
            slot[i] = new;
            keys->count++;
            return true;
        }
    return false;
}

/* A search that meets more documents in turn than there is room for finds some of them, if these stay; those
 * that it does not meet any more go in the end. */
static void replace_key(struct first_keys *keys, struct first_key new)
{
    struct first_key *slot = ways_of(keys, new.document);
    if (++keys->refused % TAKEN_AFTER == 0)
        slot[keys->refused / TAKEN_AFTER % WAYS] = new;
}

static void grow_keys(struct first_keys *keys)
{
    struct first_keys larger = *keys;
    larger.count = 0;
    larger.capacity = keys->capacity ? keys->capacity * 4 : SLOTS_FIRST;
    larger.slots = memory_zeroed(larger.capacity, sizeof *larger.slots);
    for (size_t i = 0; i < keys->capacity; i++) {
        /* A document's set has no more of them than the one it comes from. */
        [[maybe_unused]] bool put = !keys->slots[i].document || put_key(&larger, keys->slots[i]);
        assert(put);
    }
    free(keys->slots);
    *keys = larger;
}

void first_keys_add(struct first_keys *keys, struct slice id, uint64_t version, struct slice key)
{
    if (!keys->capacity) {
        random_bytes(keys->secret, sizeof keys->secret);
        grow_keys(keys);
    }
    struct first_key new = {hash_document(keys, id, version), hash_text(keys, key)};
    bool done = put_key(keys, new);
    if (!done && keys->capacity < FIRST_KEYS_MOST) {
        grow_keys(keys);
        done = put_key(keys, new);
    }
    if (!done)
        replace_key(keys, new);
}

void first_keys_free(struct first_keys *keys)
{
    free(keys->slots);
    *keys = (struct first_keys){0};
}
