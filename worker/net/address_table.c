#include "worker/net/address_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shared/base/memory.h"
#include "shared/base/random.h"
#include "shared/ipc/address_counts.h"

enum { FIRST_BUCKETS = 64, PREFIX_BYTES = 8 };

struct entry {
    struct entry *next;
    uint64_t key; /* the address, or the network of an IPv6 address */
    uint32_t family;
    uint32_t count;
};

struct address_table {
    struct entry **buckets;
    size_t bucket_count; /* a power of two */
    size_t size;
    struct address_counts *counts;
    unsigned slot;
    uint64_t seed; /* so that nobody can choose addresses that meet in one bucket */
};

struct address_table *address_table_create(struct address_counts *counts, unsigned slot)
{
    struct address_table *table = memory_zeroed(1, sizeof *table);
    table->bucket_count = FIRST_BUCKETS;
    table->buckets = memory_zeroed(table->bucket_count, sizeof(struct entry *));
    table->seed = random_number() | 1;
    table->counts = counts;
    table->slot = slot;
    return table;
}

void address_table_free(struct address_table **table)
{
    if (!*table)
        return;
    for (size_t i = 0; i < (*table)->bucket_count; i++) {
        for (struct entry *entry = (*table)->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            free(entry);
        }
    }
    free((*table)->buckets);
    free(*table);
    *table = NULL;
}

/* Multiplying and folding with a secret odd number: the mixing step of splitmix64. */
static struct entry **address_bucket(const struct address_table *table, uint64_t key)
{
    uint64_t mixed = (key ^ table->seed) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 31) * table->seed;
    return &table->buckets[(mixed ^ mixed >> 32) & (table->bucket_count - 1)];
}

uint64_t address_table_key(int family, const uint8_t address[16])
{
    uint64_t key = 0;
    memcpy(&key, address, family == AF_INET ? 4 : PREFIX_BYTES);
    return key;
}

static struct entry **find_address(const struct address_table *table, int family, uint64_t key)
{
    struct entry **place = address_bucket(table, key);
    while (*place && ((*place)->key != key || (*place)->family != (uint32_t)family))
        place = &(*place)->next;
    return place;
}

static void grow_addresses(struct address_table *table)
{
    struct address_table larger = *table;
    larger.bucket_count = table->bucket_count * 2;
    larger.buckets = memory_zeroed(larger.bucket_count, sizeof(struct entry *));
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct entry *entry = table->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            struct entry **bucket = address_bucket(&larger, entry->key);
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(table->buckets);
    *table = larger;
}

static void tell_others(struct address_table *table, const struct entry *entry)
{
    if (table->counts)
        address_counts_set(table->counts, table->slot, (int)entry->family, entry->key, entry->count);
}

void address_table_remove(struct address_table *table, int family, const uint8_t address[16])
{
    if (family != AF_INET && family != AF_INET6)
        return;
    struct entry **place = find_address(table, family, address_table_key(family, address));
    struct entry *entry = *place;
    if (!entry)
        return;
    entry->count--;
    tell_others(table, entry);
    if (entry->count > 0)
        return;
    *place = entry->next;
    free(entry);
    table->size--;
}

bool address_table_add(struct address_table *table, int family, const uint8_t address[16], uint64_t most)
{
    if (family != AF_INET && family != AF_INET6)
        return true;
    uint64_t key = address_table_key(family, address);
    struct entry *entry = *find_address(table, family, key);
    if (entry && entry->count >= most)
        return false;
    if (!entry) {
        if (most == 0)
            return false;
        if (table->size >= table->bucket_count)
            grow_addresses(table);
        struct entry **bucket = address_bucket(table, key);
        entry = memory_zeroed(1, sizeof *entry);
        *entry = (struct entry){.next = *bucket, .key = key, .family = (uint32_t)family};
        *bucket = entry;
        table->size++;
    }
    entry->count++;
    tell_others(table, entry);
    if (!table->counts ||
        address_counts_others(table->counts, table->slot, family, key) + entry->count <= most)
        return true;
    address_table_remove(table, family, address);
    return false;
}

size_t address_table_size(const struct address_table *table)
{
    return table->size;
}
