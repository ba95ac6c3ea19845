#include "worker/output/viewer.h"

#include <assert.h>
#include <stdlib.h>

#include "shared/base/buffer.h"
#include "shared/base/memory.h"
#include "shared/store/access_tag.h"
#include "worker/output/sight.h"

#define VIEWER_MAGIC UINT32_C(0x76696577) /* "view" */

enum { BITS = 64, BUCKETS_LEAST = 64 };

/* Small, as there may be one for each user. */
struct viewer {
    uint32_t magic;
    uint32_t references;
    struct viewer *next; /* in its bucket */
    struct viewer_table *table;
    uint64_t serial; /* never used again, unlike the address */
    uint64_t hash;
    uint64_t collections[COLLECTION_LIMIT / BITS];
    bool everything;
    struct slice user;
    struct slice *groups; /* sorted, no two equal; they and ->user point into ->key */
    size_t group_count;
    size_t key_length;
    char key[];
};

struct viewer_table {
    const struct config *config;
    bool some_have_rights;   /* a collection whose documents have owners exists */
    struct viewer **buckets; /* a power of two */
    size_t bucket_count;
    size_t viewers;
    uint64_t last_serial;
    struct buffer key; /* while a viewer is looked up */
    struct sight *sight;
};

static bool has_bit(const uint64_t *bits, uint64_t bit)
{
    return bits[bit / BITS] >> (bit % BITS) & 1;
}

static void set_bit(uint64_t *bits, uint64_t bit, bool value)
{
    uint64_t mask = UINT64_C(1) << (bit % BITS);
    bits[bit / BITS] = value ? bits[bit / BITS] | mask : bits[bit / BITS] & ~mask;
}

struct viewer_table *viewer_table_create(const struct config *config)
{
    struct viewer_table *table = memory_zeroed(1, sizeof *table);
    table->config = config;
    assert(config->collection_count <= COLLECTION_LIMIT);
    for (size_t i = 0; i < config->collection_count; i++)
        table->some_have_rights |= config->collections[i].has_rights;
    table->sight = sight_create();
    table->bucket_count = BUCKETS_LEAST;
    table->buckets = memory_zeroed(BUCKETS_LEAST, sizeof *table->buckets);
    return table;
}

static void viewer_free(struct viewer *viewer)
{
    viewer->magic = 0;
    free(viewer->groups);
    free(viewer);
}

void viewer_table_free(struct viewer_table **table)
{
    if (!*table)
        return;
    for (size_t i = 0; i < (*table)->bucket_count; i++) {
        struct viewer *next;
        for (struct viewer *viewer = (*table)->buckets[i]; viewer; viewer = next) {
            next = viewer->next;
            viewer_free(viewer);
        }
    }
    sight_free(&(*table)->sight);
    buffer_free(&(*table)->key);
    free((*table)->buckets);
    free(*table);
    *table = NULL;
}

static int compare_slices(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static void append_counted(struct buffer *out, struct slice slice)
{
    uint64_t length = slice.length;
    buffer_append(out, &length, sizeof length);
    buffer_append_slice(out, slice);
}

static struct slice take_counted(const char **at)
{
    uint64_t length;
    memcpy(&length, *at, sizeof length);
    struct slice slice = slice_of(*at + sizeof length, length);
    *at += sizeof length + length;
    return slice;
}

/* A key begins with the bits of the collections. Of internal ones nobody is told. */
static void append_collections(struct viewer_table *table, const bool collections[COLLECTION_LIMIT])
{
    const struct config *config = table->config;
    uint64_t bits[COLLECTION_LIMIT / BITS] = {0};
    for (size_t i = 0; i < config->collection_count; i++)
        set_bit(bits, i, collections[i] && config_collection_is_told(&config->collections[i]));
    buffer_clear(&table->key);
    buffer_append(&table->key, bits, sizeof bits);
}

/* Equal rights have equal keys: collections, everything, user, groups. What decides nothing is left out, so
 * that as many connections as possible share a viewer. */
static void make_key(struct viewer_table *table, const struct viewer_rights *rights)
{
    struct buffer *key = &table->key;
    append_collections(table, rights->collections);
    bool owners_matter = table->some_have_rights && !rights->everything;
    buffer_append_byte(key, !owners_matter);
    if (!owners_matter)
        return;
    append_counted(key, rights->user);
    struct slice *groups = memory_allocate(rights->group_count * sizeof *groups);
    if (rights->group_count) {
        memcpy(groups, rights->groups, rights->group_count * sizeof *groups);
        qsort(groups, rights->group_count, sizeof *groups, compare_slices);
    }
    for (size_t i = 0; i < rights->group_count; i++)
        if (groups[i].length > 0 && (i == 0 || !slice_equal(groups[i], groups[i - 1])))
            append_counted(key, groups[i]);
    free(groups);
}

static struct viewer *viewer_create(struct viewer_table *table, struct slice key, uint64_t hash)
{
    struct viewer *viewer = memory_zeroed(1, sizeof *viewer + key.length);
    viewer->magic = VIEWER_MAGIC;
    viewer->references = 1;
    viewer->table = table;
    viewer->serial = ++table->last_serial;
    viewer->hash = hash;
    viewer->key_length = key.length;
    memcpy(viewer->key, key.data, key.length);

    const char *at = viewer->key, *end = viewer->key + key.length;
    memcpy(viewer->collections, at, sizeof viewer->collections);
    at += sizeof viewer->collections;
    viewer->everything = *at++ != 0;
    if (viewer->everything)
        return viewer;
    viewer->user = take_counted(&at);
    const char *groups = at;
    for (; at < end; viewer->group_count++)
        (void)take_counted(&at);
    viewer->groups = memory_allocate(viewer->group_count * sizeof *viewer->groups);
    for (size_t i = 0; i < viewer->group_count; i++)
        viewer->groups[i] = take_counted(&groups);
    return viewer;
}

static uint64_t viewer_hash(struct slice key)
{
    uint64_t hash = slice_hash(key);
    return hash ^ hash >> 32;
}

static struct viewer **viewer_bucket(struct viewer_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static void grow_viewers(struct viewer_table *table)
{
    struct viewer **old = table->buckets;
    size_t old_count = table->bucket_count;
    table->bucket_count *= 2;
    table->buckets = memory_zeroed(table->bucket_count, sizeof *table->buckets);
    for (size_t i = 0; i < old_count; i++) {
        struct viewer *next;
        for (struct viewer *viewer = old[i]; viewer; viewer = next) {
            next = viewer->next;
            struct viewer **bucket = viewer_bucket(table, viewer->hash);
            viewer->next = *bucket;
            *bucket = viewer;
        }
    }
    free(old);
}

static struct viewer *get_by_key(struct viewer_table *table)
{
    struct slice key = buffer_slice(&table->key);
    uint64_t hash = viewer_hash(key);
    for (struct viewer *viewer = *viewer_bucket(table, hash); viewer; viewer = viewer->next)
        if (viewer->hash == hash && slice_equal(slice_of(viewer->key, viewer->key_length), key)) {
            viewer->references++;
            return viewer;
        }
    if (table->viewers == table->bucket_count)
        grow_viewers(table);
    struct viewer *viewer = viewer_create(table, key, hash);
    struct viewer **bucket = viewer_bucket(table, hash);
    viewer->next = *bucket;
    *bucket = viewer;
    table->viewers++;
    return viewer;
}

struct viewer *viewer_get(struct viewer_table *table, const struct viewer_rights *rights)
{
    make_key(table, rights);
    return get_by_key(table);
}

struct viewer *viewer_keep(struct viewer *viewer)
{
    assert(viewer->magic == VIEWER_MAGIC && viewer->references > 0);
    viewer->references++;
    return viewer;
}

void viewer_put(struct viewer_table *table, struct viewer *viewer)
{
    assert(viewer->magic == VIEWER_MAGIC && viewer->table == table && viewer->references > 0);
    if (--viewer->references > 0)
        return;
    struct viewer **link = viewer_bucket(table, viewer->hash);
    while (*link != viewer)
        link = &(*link)->next;
    *link = viewer->next;
    table->viewers--;
    viewer_free(viewer);
}

static bool rights_may_read(const struct viewer *viewer, const struct access_tag *tag)
{
    if (viewer->everything || (tag->flags & ACCESS_ALL_READ))
        return true;
    if (viewer->user.length > 0 && slice_equal(tag->owner, viewer->user))
        return true;
    return (tag->flags & ACCESS_GROUP_READ) && tag->group.length > 0 &&
           bsearch(&tag->group, viewer->groups, viewer->group_count, sizeof tag->group, compare_slices);
}

bool viewer_sees_collection(const struct viewer *viewer, unsigned collection)
{
    return collection < COLLECTION_LIMIT && has_bit(viewer->collections, collection);
}

bool viewer_differs(const struct viewer *viewer, const struct viewer *other, unsigned collection)
{
    bool sees = viewer_sees_collection(viewer, collection);
    if (viewer_sees_collection(other, collection) != sees)
        return true;
    size_t bits = sizeof viewer->collections;
    return sees && viewer->table->config->collections[collection].has_rights &&
           !slice_equal(slice_of(viewer->key + bits, viewer->key_length - bits),
                        slice_of(other->key + bits, other->key_length - bits));
}

bool viewer_reads(const struct viewer *viewer, unsigned collection, struct slice tag)
{
    struct access_tag opened;
    return collection < viewer->table->config->collection_count && access_tag_read(tag, &opened) &&
           rights_may_read(viewer, &opened);
}

bool viewer_holds(const struct viewer *viewer, unsigned collection, struct slice tag)
{
    struct access_tag opened;
    return viewer_sees_collection(viewer, collection) && access_tag_read(tag, &opened) &&
           (opened.flags & ACCESS_IN_SYNC) && rights_may_read(viewer, &opened);
}

uint64_t viewer_serial(const struct viewer *viewer)
{
    assert(viewer->magic == VIEWER_MAGIC);
    return viewer->serial;
}

struct sight *viewer_sight(const struct viewer *viewer)
{
    return viewer->table->sight;
}
