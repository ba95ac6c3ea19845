#include "shared/store/store_search.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/store/environment.h"
#include "shared/store/first_keys.h"
#include "shared/store/index.h"
#include "shared/store/keys.h"
#include "shared/store/read.h"

/*
 * A search walks disjoint ranges in byte order: of ids in the collection itself (by `_id`, or from the first
 * to the last one), or of keys in an index. Where it stands is a key, so it can go on in any later snapshot.
 *
 * In an index a document has one key, unless its field is an array; then it may be met several times, and is
 * given only where the first of its keys within the ranges is met. That needs no memory of what was given; to
 * remember which key that is for the documents met last saves parsing them again.
 */

/* Units of work (store_search_some()). */
enum { UNITS_ENTRY = 8, UNITS_LOOKUP = 40, UNIT_PARSED_BYTES = 8, UNITS_KEY = 8 };

/* A document that is larger is parsed in steps, each of so many units at least. When it changes meanwhile that
 * begins anew, but not for ever. */
enum { LARGE_BYTES = 16 * 1024, UNITS_PARSED_LEAST = 256, PARSED_ANEW_MOST = 3 };

struct search_range {
    struct slice from, stop; /* included, excluded (absent: no end) */
};

struct store_search {
    struct store *store;
    unsigned collection;
    const struct store_index *index; /* NULL: the collection itself */
    const char *name;                /* of the index; "_id"; NULL */
    struct search_range *ranges;
    size_t range_count;
    struct buffer bytes; /* of the ranges */
    size_t range;        /* where it stands */
    struct buffer position;
    bool started;    /* ->position has been given, or passed over */
    bool positioned; /* the cursor stands there */
    bool failed;     /* something could not be read */
    MDB_cursor *cursor;
    struct json document;
    struct json_parsing *parsing; /* of the document of the entry where it stands; that is looked at again */
    struct buffer parsed_id;
    uint64_t parsed_version;
    unsigned parsed_anew; /* times that it was another one before it was parsed */
    bool again;           /* the next entry is the one where it stands, if that is there still */
    struct index_keys keys;
    struct first_keys first_keys;
    uint64_t units, taken;                                /* of this step: left, and taken */
    bool (*sees)(const void *argument, struct slice tag); /* NULL: all of it */
    const void *argument;
};

/* ---- ranges ---- */

/* While ranges are made the bytes move, so the slices hold offsets until fix_ranges(). */

static struct slice keep_bytes(struct store_search *search, const void *bytes, size_t length)
{
    size_t offset = search->bytes.length;
    buffer_append(&search->bytes, bytes, length);
    return (struct slice){(const char *)(uintptr_t)(offset + 1), length};
}

static void fix_slice(const struct store_search *search, struct slice *slice)
{
    if (slice->data)
        slice->data = buffer_slice(&search->bytes).data + ((uintptr_t)slice->data - 1);
}

static void add_range(struct store_search *search, struct slice from, struct slice stop)
{
    /* Grown by doubling: the count is a power of two when the room is used up. */
    if ((search->range_count & (search->range_count - 1)) == 0)
        search->ranges = memory_resize(search->ranges, search->range_count ? search->range_count * 2 : 1,
                                       sizeof *search->ranges);
    search->ranges[search->range_count++] = (struct search_range){from, stop};
}

static int by_start(const void *a, const void *b)
{
    const struct search_range *left = a, *right = b;
    return slice_compare(left->from, right->from);
}

/** Ends the making: sorted, equal ones once. Ranges of different values never overlap. */
static void fix_ranges(struct store_search *search)
{
    for (size_t i = 0; i < search->range_count; i++) {
        fix_slice(search, &search->ranges[i].from);
        fix_slice(search, &search->ranges[i].stop);
    }
    if (search->range_count < 2)
        return;
    qsort(search->ranges, search->range_count, sizeof *search->ranges, by_start);
    size_t kept = 1;
    for (size_t i = 1; i < search->range_count; i++)
        if (!slice_equal(search->ranges[i].from, search->ranges[kept - 1].from))
            search->ranges[kept++] = search->ranges[i];
    search->range_count = kept;
}

static struct slice keep_key(struct store_search *search, struct key_value key, unsigned kind_bits)
{
    key.bytes[0] = (unsigned char)(key.bytes[0] | kind_bits);
    return keep_bytes(search, key.bytes, key.length);
}

/** The keys between two bounds, of scalars and of elements. */
static void add_key_range(struct store_search *search, struct key_value from, struct key_value stop)
{
    for (unsigned bits = 0; bits <= KEY_IN_ARRAY; bits += KEY_IN_ARRAY)
        add_range(search, keep_key(search, from, bits), keep_key(search, stop, bits));
}

static void use_index(struct store_search *search, const struct store_index *index,
                      const struct json_query_bounds *bounds)
{
    search->index = index;
    search->name = index->field.data;
    struct key_value from = {.length = 1, .bytes = {KEY_MANY}}, stop = from;
    key_successor(&stop);
    add_range(search, keep_key(search, from, 0), keep_key(search, stop, 0));
    if (bounds->equal) {
        for (size_t i = 0; i < bounds->equal_count; i++)
            if (key_value_of(&from, bounds->equal[i])) {
                stop = from;
                key_successor(&stop);
                add_key_range(search, from, stop);
            }
        return;
    }
    /* An open end is that of all numbers, or of all strings. */
    struct json_value given = bounds->lower.json ? bounds->lower : bounds->upper;
    struct key_value kind = {.length = 1,
                             .bytes = {json_type(given) == JSON_NUMBER ? KEY_NUMBER : KEY_STRING}};
    if (!key_lower_bound(&from, bounds->lower))
        from = kind;
    if (!key_upper_bound(&stop, bounds->upper)) {
        stop = kind;
        key_successor(&stop);
    }
    add_key_range(search, from, stop);
}

static void use_ids(struct store_search *search, const struct json_query_bounds *bounds)
{
    search->name = "_id";
    struct buffer scratch = {0};
    for (size_t i = 0; bounds->equal && i < bounds->equal_count; i++) {
        buffer_clear(&scratch);
        struct slice id = json_string(bounds->equal[i], &scratch);
        if (id.length == 0 || id.length > STORE_ID_BYTES)
            continue;
        struct slice from = keep_bytes(search, id.data, id.length),
                     stop = keep_bytes(search, id.data, id.length);
        buffer_append_byte(&search->bytes, '\0'); /* no id lies between an id and itself with a NUL after */
        stop.length++;
        add_range(search, from, stop);
    }
    if (!bounds->equal && json_type(bounds->lower.json ? bounds->lower : bounds->upper) == JSON_STRING) {
        struct slice from = {0}, stop = {0}, id = json_string(bounds->lower, &scratch);
        from = keep_bytes(search, id.data, id.length < STORE_ID_BYTES ? id.length : STORE_ID_BYTES);
        buffer_clear(&scratch);
        id = json_string(bounds->upper, &scratch);
        if (id.data) {
            stop = keep_bytes(search, id.data, id.length);
            buffer_append_byte(&search->bytes, '\0');
            stop.length++;
        }
        add_range(search, from, stop);
    }
    buffer_free(&scratch);
}

/* ---- planning ---- */

/** How good an index is for what the query says: fewer candidates first; 0: of no use. */
static unsigned index_worth(const struct json_query_bounds *bounds, bool unique)
{
    if (!bounds->equal)
        return bounds->lower.json && bounds->upper.json ? 20 : 10;
    unsigned many = bounds->equal_count > 40 ? 40 : (unsigned)bounds->equal_count;
    unsigned score = unique ? 150 - many : 100 - many;
    for (size_t i = 0; i < bounds->equal_count; i++) {
        enum json_type type = json_type(bounds->equal[i]);
        if (type == JSON_NULL || type == JSON_ARRAY || type == JSON_OBJECT || type == JSON_NONE)
            return 0; /* not in the index */
        if (type == JSON_TRUE || type == JSON_FALSE)
            score = 15; /* hardly better than half of all documents */
    }
    return score;
}

static void plan_search(struct store_search *search, const struct json_query *query)
{
    const struct store_collection *collection = &search->store->collections[search->collection];
    struct json_query_bounds bounds, best_bounds = {0};
    const struct store_index *best = NULL;
    unsigned best_worth = 0;
    bool by_id = query && json_query_bounds(query, SLICE("_id"), &bounds);
    if (by_id && bounds.equal) {
        use_ids(search, &bounds);
        return;
    }
    for (size_t i = 0; query && i < collection->index_count; i++) {
        struct json_query_bounds other;
        if (!json_query_bounds(query, collection->indexes[i].field, &other))
            continue;
        unsigned score = index_worth(&other, collection->indexes[i].unique);
        if (score > best_worth) {
            best = &collection->indexes[i];
            best_bounds = other;
            best_worth = score;
        }
    }
    if (by_id && best_worth < index_worth(&bounds, true))
        use_ids(search, &bounds);
    else if (best)
        use_index(search, best, &best_bounds);
    else
        add_range(search, (struct slice){0}, (struct slice){0});
}

struct store_search *store_search_start(struct store *store, unsigned collection,
                                        const struct json_query *query)
{
    struct store_search *search = memory_zeroed(1, sizeof *search);
    search->store = store;
    search->collection = collection;
    plan_search(search, query);
    fix_ranges(search);
    return search;
}

const char *store_search_index(const struct store_search *search)
{
    return search->name;
}

/* ---- walking ---- */

void store_search_resume(struct store *store, struct store_search *search)
{
    const struct store_collection *collection = &store->collections[search->collection];
    search->positioned = false;
    int rc = mdb_cursor_open(store->snapshot, search->index ? search->index->dbi : collection->dbi,
                             &search->cursor);
    if (rc) {
        store_unreadable(store, rc, "%s", collection->config->name);
        search->cursor = NULL;
        search->failed = true;
    }
}

void store_search_pause(struct store_search *search)
{
    if (search->cursor)
        mdb_cursor_close(search->cursor);
    search->cursor = NULL;
}

void store_search_free(struct store_search *search)
{
    if (!search)
        return;
    store_search_pause(search);
    free(search->ranges);
    buffer_free(&search->bytes);
    buffer_free(&search->position);
    json_parsing_free(&search->parsing);
    json_free(&search->document);
    buffer_free(&search->parsed_id);
    index_keys_free(&search->keys);
    first_keys_free(&search->first_keys);
    free(search);
}

void store_search_limit(struct store_search *search, bool (*sees)(const void *argument, struct slice tag),
                        const void *argument)
{
    search->sees = sees;
    search->argument = argument;
}

void store_search_after(struct store_search *search, struct slice position)
{
    buffer_clear(&search->position);
    buffer_append_slice(&search->position, position);
    while (search->range < search->range_count && search->ranges[search->range].stop.data &&
           slice_compare(position, search->ranges[search->range].stop) >= 0)
        search->range++;
    search->started = search->range < search->range_count &&
                      slice_compare(position, search->ranges[search->range].from) >= 0;
}

struct slice store_search_position(const struct store_search *search)
{
    return buffer_slice(&search->position);
}

/** The next entry after where the search stands, in the current range or at its start. */
static int move_on(struct store_search *search, MDB_val *key, MDB_val *value)
{
    if (search->positioned)
        return mdb_cursor_get(search->cursor, key, value, MDB_NEXT);
    struct slice from =
        search->started ? buffer_slice(&search->position) : search->ranges[search->range].from;
    if (from.length == 0)
        return mdb_cursor_get(search->cursor, key, value, MDB_FIRST);
    *key = store_val(from);
    int rc = mdb_cursor_get(search->cursor, key, value, MDB_SET_RANGE);
    if (!rc && search->started && !search->again && slice_equal(store_slice(*key), from))
        rc = mdb_cursor_get(search->cursor, key, value, MDB_NEXT);
    return rc;
}

static void spend_units(struct store_search *search, uint64_t units)
{
    search->taken += units;
    search->units -= units < search->units ? units : search->units;
}

/** The next entry of the present range, if @inside; if not, the next call looks at the next range. */
static int next_entry(struct store_search *search, MDB_val *key, MDB_val *value, bool *inside)
{
    *inside = false;
    if (search->range == search->range_count)
        return MDB_NOTFOUND;
    spend_units(search, search->positioned ? UNITS_ENTRY : UNITS_LOOKUP);
    int rc = move_on(search, key, value);
    if (search->again && (rc || !slice_equal(store_slice(*key), buffer_slice(&search->position))))
        json_parsing_free(&search->parsing); /* that entry has gone */
    search->again = false;
    if (rc)
        return rc;
    const struct search_range *range = &search->ranges[search->range];
    *inside = !range->stop.data || slice_compare(store_slice(*key), range->stop) < 0;
    search->positioned = search->started = *inside;
    if (*inside) {
        buffer_clear(&search->position);
        buffer_append_slice(&search->position, store_slice(*key));
    } else {
        search->range++;
    }
    return 0;
}

static bool in_ranges(const struct store_search *search, struct slice value)
{
    size_t low = 0, high = search->range_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(search->ranges[middle].from, value) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && slice_compare(value, search->ranges[low - 1].stop) < 0;
}

/* Whether what was parsed in part is this document still. */
static bool is_being_parsed(const struct store_search *search, struct slice id,
                            const struct store_record *record)
{
    return search->parsing && search->parsed_version == record->version &&
           search->document.length == record->full.length &&
           slice_equal(buffer_slice(&search->parsed_id), id);
}

static void begin_parsing(struct store_search *search, struct slice id, const struct store_record *record)
{
    search->parsed_anew = search->parsing ? search->parsed_anew + 1 : 0;
    json_parsing_free(&search->parsing);
    search->parsing = json_parsing_create(&search->document, record->full, true);
    search->parsed_version = record->version;
    buffer_clear(&search->parsed_id);
    buffer_append_slice(&search->parsed_id, id);
}

/** Parses it into ->document, as far as the step goes. */
static enum json_parsed parse_document(struct store_search *search, struct slice id,
                                       const struct store_record *record)
{
    if (!is_being_parsed(search, id, record))
        begin_parsing(search, id, record);
    search->document.text = record->full.data;
    uint64_t units = search->units > UNITS_PARSED_LEAST ? search->units : UNITS_PARSED_LEAST;
    if (record->full.length <= LARGE_BYTES || search->parsed_anew > PARSED_ANEW_MOST)
        units = UINT64_MAX;
    enum json_parsed parsed = json_parsing_go_on(search->parsing, &units);
    spend_units(search, units);
    if (parsed != JSON_PARSED_MORE)
        json_parsing_free(&search->parsing);
    return parsed;
}

/** The first of the document's keys, which is parsed, that the search meets. */
static struct slice first_key(struct store_search *search)
{
    index_keys_of(&search->keys, search->index, json_root(&search->document));
    spend_units(search, search->document.count / 2 + search->keys.count * UNITS_KEY);
    for (size_t i = 0; i < search->keys.count; i++)
        if (in_ranges(search, search->keys.items[i]))
            return search->keys.items[i];
    return (struct slice){0};
}

/** Whether @value is that key: *@first. False: that is not known yet, the entry is to be looked at again. */
static bool is_first(struct store_search *search, struct slice value, struct slice id,
                     const struct store_record *record, bool *first)
{
    *first = true; /* when it is not JSON too: who looks at it will see */
    if (!((unsigned char)value.data[0] & KEY_IN_ARRAY))
        return true;
    if (first_keys_find(&search->first_keys, id, record->version, value, first))
        return true;
    enum json_parsed parsed = parse_document(search, id, record);
    if (parsed != JSON_PARSED_ALL)
        return parsed == JSON_PARSED_NOT;
    struct slice key = first_key(search);
    if (!key.data)
        return true;
    first_keys_add(&search->first_keys, id, record->version, key);
    *first = slice_equal(key, value);
    return true;
}

/** The document of an entry of the index. False: that cannot be read, or there is none. */
static bool read_indexed(struct store_search *search, struct slice key, struct slice *value, struct slice *id,
                         struct store_record *record)
{
    enum error_code code = ERROR_NOT_FOUND;
    if (key_split(key, value, id))
        code = store_get(search->store, search->collection, *id, record);
    if (code == ERROR_NOT_FOUND)
        store_unreadable(search->store, 0, "the index %s of %s", search->name,
                         search->store->collections[search->collection].config->name);
    return code == ERROR_NONE;
}

/** Reads what an entry stands for; *@given: it is to be given here. False: it cannot be read. */
static bool read_candidate(struct store_search *search, MDB_val key, MDB_val entry, struct slice *id,
                           struct store_record *record, bool *given)
{
    struct slice value;
    *given = true;
    if (!search->index) {
        *id = store_slice(key);
        if (record_read(store_slice(entry), record))
            return true;
        store_unreadable_document(search->store, 0, search->collection, *id);
        return false;
    }
    spend_units(search, UNITS_LOOKUP);
    if (!read_indexed(search, store_slice(key), &value, id, record))
        return false;
    bool known = true;
    if (!search->sees || search->sees(search->argument, record->tag))
        known = is_first(search, value, *id, record, given);
    *given = *given && known;
    if (known)
        json_parsing_free(&search->parsing);
    return true;
}

enum store_step store_search_some(struct store_search *search, struct slice *id, struct store_record *record,
                                  uint64_t *units)
{
    MDB_val key, value;
    int rc = 0;
    bool given = false, inside;
    search->units = *units;
    search->taken = 0;
    search->again = search->parsing;
    search->positioned = search->positioned && !search->again;
    while (search->units && !search->failed && !given && !(rc = next_entry(search, &key, &value, &inside)))
        search->failed = inside && !read_candidate(search, key, value, id, record, &given);
    *units = search->taken;
    if (rc == MDB_NOTFOUND)
        return STORE_END;
    if (rc)
        store_unreadable(search->store, rc, "%s",
                         search->store->collections[search->collection].config->name);
    search->failed |= rc != 0;
    if (!given)
        *id = (struct slice){0};
    return search->failed ? STORE_FAILED : STORE_STEP;
}

enum store_step store_search_step(struct store_search *search, struct slice *id, struct store_record *record)
{
    uint64_t units = UINT64_MAX;
    return store_search_some(search, id, record, &units);
}
