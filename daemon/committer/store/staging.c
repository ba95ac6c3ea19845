#include "daemon/committer/store/staging.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/base/random.h"

enum { SMALLEST_SIZE = 64 };

struct staging_slot {
    uint64_t round;
    uint64_t hash;
    uint32_t space;
    struct slice key;
    void *value;
};

static uint64_t mix_hash(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_of(const struct staging *table, uint32_t space, struct slice key)
{
    uint64_t hash = table->secret ^ space ^ (uint64_t)key.length << 32;
    size_t at = 0;
    for (; key.length - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, key.data + at, 8);
        hash = mix_hash(hash ^ word, table->secret | 1);
    }
    uint64_t word = 0;
    if (key.length > at)
        memcpy(&word, key.data + at, key.length - at);
    return mix_hash(hash ^ word, UINT64_C(0x9E3779B97F4A7C15));
}

static struct staging_slot *slot_of(const struct staging *table, uint64_t hash, uint32_t space,
                                    struct slice key)
{
    for (size_t at = hash & (table->size - 1);; at = (at + 1) & (table->size - 1)) {
        struct staging_slot *slot = &table->slots[at];
        if (slot->round != table->round)
            return slot;
        if (slot->hash == hash && slot->space == space && slice_equal(slot->key, key))
            return slot;
    }
}

void staging_clear(struct staging *table)
{
    table->round++;
    table->count = 0;
}

void *staging_find(const struct staging *table, uint32_t space, struct slice key)
{
    if (table->count == 0)
        return NULL;
    const struct staging_slot *slot = slot_of(table, hash_of(table, space, key), space, key);
    return slot->round == table->round ? slot->value : NULL;
}

static void grow_staging(struct staging *table)
{
    struct staging old = *table;
    table->size = old.size ? old.size * 2 : SMALLEST_SIZE;
    table->slots = memory_zeroed(table->size, sizeof *table->slots);
    if (!table->round)
        table->round = 1;
    if (!old.size)
        table->secret = random_number();
    for (size_t i = 0; i < old.size; i++)
        if (old.slots[i].round == old.round)
            *slot_of(table, old.slots[i].hash, old.slots[i].space, old.slots[i].key) = old.slots[i];
    free(old.slots);
}

void staging_put(struct staging *table, uint32_t space, struct slice key, void *value)
{
    if (table->count >= table->size / 2)
        grow_staging(table);
    uint64_t hash = hash_of(table, space, key);
    struct staging_slot *slot = slot_of(table, hash, space, key);
    if (slot->round != table->round)
        table->count++;
    *slot = (struct staging_slot){table->round, hash, space, key, value};
}

void staging_free(struct staging *table)
{
    free(table->slots);
    *table = (struct staging){0};
}
