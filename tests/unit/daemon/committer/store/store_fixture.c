#include "store_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/memory.h"
#include "shared/store/bytes.h"
#include "shared/store/environment.h"
#include "shared/store/index.h"
#include "shared/store/store_scan.h"
#include "shared/store/store_search.h"
#include "tests/unit/quoted.h"

const char *const plain_collections =
    "'viruses': {'projector': ['name', 'abbreviation'], 'sync_filter': {'archived': {'$ne': "
    "true}},"
    "  'unique': ['name'], 'index': ['abbreviation', 'tags']},"
    "'plain': {},"
    "'jobs': {'rights': {'owner': 'user', 'group': 'group', 'group_read': 'group_read',"
    "  'all_read': 'all_read'}}";

struct config *fixture_config(const char *directory, const char *collections)
{
    char message[CONFIG_MESSAGE];
    struct buffer text = {0};
    struct config *config = config_defaults();
    quoted_append(&text, "{'collections': {%s}}", collections);
    if (!config_read_text(config, "test", text.data, text.length, message))
        fail_msg("%s", message);
    buffer_free(&text);
    free(config->data);
    config->data = memory_copy(directory, strlen(directory));
    config->map_bytes = UINT64_C(1) << 30;
    return config;
}

bool fixture_open_as(struct fixture *fixture, const struct config *config, const struct store_run *run,
                     char message[STORE_MESSAGE])
{
    fixture->writer = store_write_open(config, run, message);
    fixture->store = fixture->writer ? store_write_reader(fixture->writer) : NULL;
    return fixture->writer != NULL;
}

static void open_store(struct fixture *fixture)
{
    char message[STORE_MESSAGE];
    struct store_run run = {.epoch = ++fixture->epoch};
    if (!fixture_open_as(fixture, fixture->config, &run, message))
        fail_msg("%s", message);
}

void fixture_open(struct fixture *fixture, const char *collections)
{
    *fixture = (struct fixture){0};
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/dispatchd-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    fixture->config = fixture_config(fixture->directory, collections);
    open_store(fixture);
}

void fixture_reopen(struct fixture *fixture, const char *collections)
{
    store_write_close(&fixture->writer);
    if (collections) {
        uint64_t map_bytes = fixture->config->map_bytes;
        config_free(fixture->config);
        fixture->config = fixture_config(fixture->directory, collections);
        fixture->config->map_bytes = map_bytes;
    }
    open_store(fixture);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

void fixture_close(struct fixture *fixture)
{
    store_write_close(&fixture->writer);
    config_free(fixture->config);
    buffer_free(&fixture->set);
    nftw(fixture->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

struct fixture *fixture_new(const char *collections)
{
    struct fixture *fixture = memory_zeroed(1, sizeof *fixture);
    fixture_open(fixture, collections);
    return fixture;
}

int fixture_set_up(void **state)
{
    *state = fixture_new(plain_collections);
    return 0;
}

int fixture_tear_down(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

unsigned fixture_collection(const struct fixture *fixture, const char *name)
{
    const struct config_collection *collection = config_collection(fixture->config, slice_text(name));
    assert_non_null(collection);
    return collection->index;
}

void set_begin(struct fixture *fixture, enum change_answer answer)
{
    buffer_clear(&fixture->set);
    struct change_bounds bounds =
        fixture->config ? change_bounds_of(&fixture->config->limits) : CHANGE_UNBOUNDED;
    change_set_begin(&fixture->set, bounds, answer,
                     answer == ANSWER_LITERAL ? SLICE("\"done\"") : (struct slice){0});
}

void set_add(struct fixture *fixture, enum change_operation operation, unsigned flags, const char *collection,
             const char *id, int64_t version, const char *body)
{
    struct change change = {operation,      flags,           version, slice_text(collection),
                            slice_text(id), slice_text(body)};
    change_set_add(&fixture->set, &change);
}

enum error_code set_apply(struct fixture *fixture)
{
    return change_set_apply(fixture->writer, buffer_slice(&fixture->set), 1000, &fixture->result);
}

enum error_code set_run(struct fixture *fixture)
{
    assert_int_equal(store_write_begin(fixture->writer), ERROR_NONE);
    enum error_code code = set_apply(fixture);
    if (code)
        store_write_abort(fixture->writer);
    else
        code = store_write_commit(fixture->writer);
    return code;
}

enum error_code run_one(struct fixture *fixture, enum change_operation operation, unsigned flags,
                        const char *collection, const char *id, int64_t version, const char *body)
{
    set_begin(fixture, ANSWER_ID_VERSION);
    set_add(fixture, operation, flags, collection, id, version, body);
    return set_run(fixture);
}

static const char *text_of(struct fixture *fixture, const char *collection, const char *id, bool full)
{
    static char text[8192];
    struct store_record record;
    assert_int_equal(store_begin(fixture->store), ERROR_NONE);
    enum error_code code =
        store_get(fixture->store, fixture_collection(fixture, collection), slice_text(id), &record);
    if (!code)
        snprintf(text, sizeof text, "%.*s", full ? (int)record.full.length : (int)record.minimal.length,
                 full ? record.full.data : record.minimal.data);
    store_end(fixture->store);
    return code ? NULL : text;
}

const char *document(struct fixture *fixture, const char *collection, const char *id)
{
    return text_of(fixture, collection, id, true);
}

const char *minimal(struct fixture *fixture, const char *collection, const char *id)
{
    return text_of(fixture, collection, id, false);
}

uint64_t stored_version(struct fixture *fixture, const char *collection, const char *id)
{
    struct store_record record;
    char head[512];
    assert_int_equal(store_begin(fixture->store), ERROR_NONE);
    assert_int_equal(
        store_get(fixture->store, fixture_collection(fixture, collection), slice_text(id), &record),
        ERROR_NONE);
    int length = snprintf(head, sizeof head, "{\"_id\":\"%s\",\"_version\":%llu", id,
                          (unsigned long long)record.version);
    const struct slice texts[] = {record.full, record.minimal};
    for (size_t i = 0; i < 2; i++) {
        assert_true(texts[i].length > (size_t)length);
        assert_memory_equal(texts[i].data, head, (size_t)length);
        assert_non_null(strchr(",}", texts[i].data[length]));
    }
    store_end(fixture->store);
    return record.version;
}

uint64_t stored_count(struct store *store, unsigned collection)
{
    uint64_t count = 0;
    assert_int_equal(store_count(store, collection, &count), ERROR_NONE);
    return count;
}

size_t search_count(struct fixture *fixture, const char *collection, const char *query, const char **index)
{
    char message[JSON_QUERY_MESSAGE];
    struct json json = {0}, full = {0};
    assert_true(json_parse(&json, query, strlen(query)));
    struct json_query *compiled = json_query_compile(json_root(&json), message);
    assert_non_null(compiled);
    json_free(&json);
    assert_int_equal(store_begin(fixture->store), ERROR_NONE);
    struct store_search *search =
        store_search_start(fixture->store, fixture_collection(fixture, collection), compiled);
    if (index)
        *index = store_search_index(search);
    store_search_resume(fixture->store, search);
    struct slice id;
    struct store_record record;
    size_t count = 0;
    enum store_step step;
    while ((step = store_search_step(search, &id, &record)) == STORE_STEP) {
        assert_true(json_parse(&full, record.full.data, record.full.length));
        count += json_query_matches(compiled, json_root(&full));
    }
    assert_int_equal(step, STORE_END);
    store_search_pause(search);
    store_search_free(search);
    store_end(fixture->store);
    json_free(&full);
    json_query_free(compiled);
    return count;
}

static size_t index_entries(struct store *store, MDB_dbi dbi)
{
    MDB_stat status;
    assert_int_equal(mdb_stat(store->snapshot, dbi, &status), 0);
    return status.ms_entries;
}

static void check_index(struct store *store, unsigned collection, const struct store_index *index)
{
    struct index_keys keys = {0};
    struct json json = {0};
    struct store_scan scan;
    struct slice id;
    struct store_record record;
    size_t expected = 0;
    store_scan_start(&scan, collection, (struct slice){0}, (struct slice){0});
    store_scan_resume(store, &scan);
    enum store_step step;
    while ((step = store_scan_step(&scan, &id, &record)) == STORE_STEP) {
        assert_true(json_parse(&json, record.full.data, record.full.length));
        index_keys_of(&keys, index, json_root(&json));
        for (size_t i = 0; i < keys.count; i++) {
            char bytes[512];
            memcpy(bytes, keys.items[i].data, keys.items[i].length);
            memcpy(bytes + keys.items[i].length, id.data, id.length);
            MDB_val key = {keys.items[i].length + id.length, bytes}, value;
            assert_int_equal(mdb_get(store->snapshot, index->dbi, &key, &value), 0);
            expected++;
        }
    }
    assert_int_equal(step, STORE_END);
    store_scan_free(&scan);
    assert_int_equal(index_entries(store, index->dbi), expected);
    index_keys_free(&keys);
    json_free(&json);
}

void check_indexes(struct fixture *fixture)
{
    assert_int_equal(store_begin(fixture->store), ERROR_NONE);
    for (unsigned i = 0; i < fixture->store->collection_count; i++)
        for (size_t k = 0; k < fixture->store->collections[i].index_count; k++)
            check_index(fixture->store, i, &fixture->store->collections[i].indexes[k]);
    store_end(fixture->store);
}

/* Stores what @change makes of the value that @key has in a database. */
static void damage(struct store *store, MDB_dbi dbi, MDB_val key, void (*change)(struct buffer *value))
{
    MDB_txn *txn;
    MDB_val value;
    struct buffer bytes = {0};
    assert_int_equal(mdb_txn_begin(store->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_get(txn, dbi, &key, &value), 0);
    buffer_append(&bytes, value.mv_data, value.mv_size);
    change(&bytes);
    value = store_val(buffer_slice(&bytes));
    assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    buffer_free(&bytes);
}

static void claim_length(struct buffer *record)
{
    bytes_put_32(record->data + 4, UINT32_MAX); /* of the minimal document */
}

static void break_text(struct buffer *record)
{
    record->data[record->length - 1] = '?';
}

static void cut(struct buffer *entry)
{
    entry->length = 3;
}

void damage_record(struct store *store, unsigned collection, const char *id)
{
    damage(store, store->collections[collection].dbi, store_val(slice_text(id)), claim_length);
}

void damage_text(struct store *store, unsigned collection, const char *id)
{
    damage(store, store->collections[collection].dbi, store_val(slice_text(id)), break_text);
}

void damage_log(struct store *store, uint64_t seq)
{
    char key[8];
    bytes_put_64_big(key, seq);
    damage(store, store->log, (MDB_val){sizeof key, key}, cut);
}
