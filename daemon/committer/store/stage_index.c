#include "daemon/committer/store/stage_index.h"

#include "daemon/committer/store/index_write.h"
#include "shared/store/keys.h"
#include "shared/store/set_work.h"

static void add_key(struct stage *stage, struct staged *staged, MDB_dbi dbi, struct slice value, bool added)
{
    struct arena *arena = &stage->writer->arena;
    struct staged_key *key = arena_allocate(arena, sizeof *key);
    *key = (struct staged_key){staged->keys, dbi, added, arena_copy(arena, value)};
    staged->keys = key;
}

/** The value without what tells arrays from scalars: both kinds exclude each other. In @bytes. */
static struct slice plain_value(char bytes[KEY_VALUE_MOST], struct slice value)
{
    memcpy(bytes, value.data, value.length);
    bytes[0] = (char)((unsigned char)bytes[0] & ~(unsigned)KEY_IN_ARRAY);
    return slice_of(bytes, value.length);
}

static void set_holder(struct stage *stage, MDB_dbi dbi, struct slice value, struct slice holder)
{
    struct arena *arena = &stage->writer->arena;
    char bytes[KEY_VALUE_MOST];
    struct slice plain = plain_value(bytes, value), *kept = staging_find(&stage->writer->uniques, dbi, plain);
    if (kept) {
        *kept = holder;
        return;
    }
    kept = arena_allocate(arena, sizeof *kept);
    *kept = holder;
    staging_put(&stage->writer->uniques, dbi, arena_copy(arena, plain), kept);
}

static enum error_code claim_value(struct stage *stage, const struct store_index *index, struct slice value,
                                   struct slice id)
{
    char bytes[KEY_VALUE_MOST];
    const struct slice *kept = staging_find(&stage->writer->uniques, index->dbi, plain_value(bytes, value));
    struct slice holder = {0};
    if (kept) {
        holder = *kept;
    } else {
        int rc = index_holder(stage->writer->txn, index->dbi, value, id, &holder);
        if (rc && rc != MDB_NOTFOUND)
            return stage_failed(stage, "an index cannot be read", rc);
    }
    if (holder.data && !slice_equal(holder, id))
        return stage_refuse(stage, ERROR_EXISTS,
                            "Field \"%s\" must be unique in %s: another document has this value",
                            index->field.data, stage->collection->config->name);
    set_holder(stage, index->dbi, value, id);
    return ERROR_NONE;
}

/** Stages the difference between two sorted lists of values. Values are freed first, then claimed. */
static enum error_code stage_keys(struct stage *stage, struct staged *staged, const struct store_index *index)
{
    const struct index_keys *old = &stage->writer->old_keys, *next = &stage->writer->new_keys;
    size_t i = 0, k = 0;
    while (i < old->count || k < next->count) {
        int order = i == old->count    ? 1
                    : k == next->count ? -1
                                       : slice_compare(old->items[i], next->items[k]);
        if (order < 0) {
            add_key(stage, staged, index->dbi, old->items[i], false);
            if (index->unique)
                set_holder(stage, index->dbi, old->items[i], (struct slice){0});
        } else if (order > 0) {
            add_key(stage, staged, index->dbi, next->items[k], true);
        }
        i += order <= 0;
        k += order >= 0;
    }
    if (!index->unique)
        return ERROR_NONE;
    if (index_keys_are_many(next))
        return stage_refuse(stage, ERROR_TOO_LARGE, "Field \"%s\" is unique and may have at most %d elements",
                            index->field.data, KEY_ELEMENTS_MOST);
    enum error_code code = ERROR_NONE;
    for (struct staged_key *key = staged->keys; !code && key; key = key->next)
        if (key->dbi == index->dbi && key->added)
            code = claim_value(stage, index, key->value, staged->id);
    return code;
}

/* What it is to put or remove the entry of a value. */
static uint64_t key_work(const struct stage *stage, struct slice value)
{
    return SET_WORK_KEY + SET_WORK_KEY_BYTE * (uint64_t)(value.length + stage->change->id.length);
}

/** What stays of two lists is found in one pass; the rest is put or removed, one by one. */
static enum error_code charge_keys(struct stage *stage)
{
    const struct index_keys *old = &stage->writer->old_keys, *next = &stage->writer->new_keys;
    size_t i = 0, k = 0;
    uint64_t units = SET_WORK_KEY_LOOKED_AT * (uint64_t)(old->count + next->count);
    while (i < old->count || k < next->count) {
        int order = i == old->count    ? 1
                    : k == next->count ? -1
                                       : slice_compare(old->items[i], next->items[k]);
        if (order)
            units += key_work(stage, order < 0 ? old->items[i] : next->items[k]);
        i += order <= 0;
        k += order >= 0;
    }
    return stage_charge(stage, units);
}

enum error_code stage_indexes(struct stage *stage, struct staged *staged, struct json_value next)
{
    if (stage->collection->index_count == 0)
        return ERROR_NONE;
    struct json_value old = {0};
    if (stage->there) {
        enum error_code code = stage_need_old(stage);
        if (code)
            return code;
        old = json_root(&stage->writer->old);
    }
    for (size_t i = 0; i < stage->collection->index_count; i++) {
        const struct store_index *index = &stage->collection->indexes[i];
        index_keys_of(&stage->writer->old_keys, index, old);
        index_keys_of(&stage->writer->new_keys, index, next);
        enum error_code code = charge_keys(stage);
        if (!code)
            code = stage_keys(stage, staged, index);
        if (code)
            return code;
    }
    return ERROR_NONE;
}
