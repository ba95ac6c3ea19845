#include "tests/unit/daemon/committer/store/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/store/access_tag.h"
#include "shared/store/environment.h"
#include "shared/store/index.h"
#include "shared/store/keys.h"
#include "shared/store/store_scan.h"
#include "shared/store/store_search.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

static const char *const search_collections =
    "'things': {'unique': ['u'], 'index': ['a', 'b', 'c', 'c.b', 'd.b.c', 'd.0']}";

static uint64_t seed = 20240607;

static unsigned chance(unsigned below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % below;
}

static const char *const scalars[] = {"null",
                                      "true",
                                      "false",
                                      "0",
                                      "-0.0",
                                      "1",
                                      "2",
                                      "3",
                                      "1.5",
                                      "-7",
                                      "15e-1",
                                      "1e300",
                                      "1e400",
                                      "-1e400",
                                      "9007199254740992",
                                      "9007199254740993",
                                      "9007199254740993.5",
                                      "0.1",
                                      "0.10000000000000000000000000000001",
                                      "\"\"",
                                      "\"a\"",
                                      "\"b\"",
                                      "\"ab\"",
                                      "\"\\u0001\"",
                                      "\"a\\u0001\"",
                                      "\"\xc3\xa9\"",
                                      "\"\\u00e9\"",
                                      "\"d7\""};

/** Strings around the length at which keys are cut. */
static void append_long(struct buffer *out)
{
    buffer_append_byte(out, '"');
    size_t length = KEY_TEXT_MOST - 2 + chance(5);
    memset(buffer_reserve(out, length), 'x', length);
    out->length += length;
    if (chance(2))
        buffer_append_byte(out, (char)('a' + chance(3)));
    buffer_append_byte(out, '"');
}

static void append_scalar(struct buffer *out)
{
    unsigned pick = chance(sizeof scalars / sizeof scalars[0] + 3);
    if (pick < sizeof scalars / sizeof scalars[0])
        buffer_append_text(out, scalars[pick]);
    else
        append_long(out);
}

static void append_value(struct buffer *out)
{
    unsigned kind = chance(10);
    if (kind < 6) {
        append_scalar(out);
    } else if (kind < 9) {
        buffer_append_byte(out, '[');
        unsigned count = chance(40) == 0 ? 1001 : chance(5);
        for (unsigned i = 0; i < count; i++) {
            if (i)
                buffer_append_byte(out, ',');
            append_scalar(out);
        }
        buffer_append_byte(out, ']');
    } else {
        buffer_append_text(out, chance(2) ? Q("{'b':1}") : Q("[[1],{'b':2}]"));
    }
}

/** What paths lead into: an object or several in a list, each with the field 'b'. */
static void append_nested(struct buffer *out, unsigned depth)
{
    bool list = chance(2);
    unsigned count = list ? chance(4) : 1;
    buffer_append_text(out, list ? "[" : "");
    for (unsigned i = 0; i < count; i++) {
        quoted_append(out, "%s{'%c':", i ? "," : "", depth ? 'b' : 'c');
        if (depth && chance(3))
            append_nested(out, depth - 1);
        else
            append_value(out);
        buffer_append_byte(out, '}');
    }
    buffer_append_text(out, list ? "]" : "");
}

static void append_document(struct buffer *out)
{
    static const char *const fields[] = {"a", "b", "c"};
    buffer_clear(out);
    buffer_append_byte(out, '{');
    const char *comma = "";
    for (size_t i = 0; i < 3; i++)
        if (chance(5)) {
            quoted_append(out, "%s'%s':", comma, fields[i]);
            append_value(out);
            comma = ",";
        }
    if (chance(2)) {
        quoted_append(out, "%s'd':", comma);
        append_nested(out, 1);
        comma = ",";
    }
    if (chance(3) == 0)
        quoted_append(out, "%s'u':%u", comma, chance(1000000));
    buffer_append_byte(out, '}');
    buffer_append_byte(out, '\0');
}

static void append_condition(struct buffer *out)
{
    static const char *const operators[] = {"$eq", "$gt", "$gte", "$lt", "$lte", "$ne"};
    unsigned kind = chance(10);
    if (kind < 3) {
        append_scalar(out);
    } else if (kind < 5) {
        buffer_append_text(out, Q("{'$in':["));
        for (unsigned i = 0, count = chance(4); i < count; i++) {
            if (i)
                buffer_append_byte(out, ',');
            append_scalar(out);
        }
        buffer_append_text(out, "]}");
    } else if (kind < 8) {
        quoted_append(out, "{'%s':", chance(2) ? "$gt" : "$gte");
        unsigned lower = 3 + chance(25), upper = 3 + chance(25);
        quoted_append(out, "%s,'%s':%s}", scalars[lower], chance(2) ? "$lt" : "$lte", scalars[upper]);
    } else {
        quoted_append(out, "{'%s':", operators[chance(6)]);
        buffer_append_format(out, "%s}", scalars[3 + chance(25)]);
    }
}

static void append_query(struct buffer *out)
{
    static const char *const fields[] = {"a", "b", "c", "u", "_id", "c.b", "d.b.c", "d.0"};
    buffer_clear(out);
    buffer_append_byte(out, '{');
    unsigned first = chance(8);
    quoted_append(out, "'%s':", fields[first]);
    append_condition(out);
    if (chance(2)) {
        quoted_append(out, ",'$and':[{'%s':", fields[chance(8)]);
        append_condition(out);
        buffer_append_text(out, "}]");
    }
    buffer_append_byte(out, '}');
}

/** What matches, by looking at everything; ids in order, joined. */
static size_t scan_matches(struct fixture *f, const struct json_query *query, struct buffer *ids)
{
    struct json json = {0};
    struct store_scan scan;
    struct slice id;
    struct store_record record;
    size_t count = 0;
    store_scan_start(&scan, fixture_collection(f, "things"), (struct slice){0}, (struct slice){0});
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    store_scan_resume(f->store, &scan);
    while (store_scan_step(&scan, &id, &record) == STORE_STEP) {
        assert_true(json_parse(&json, record.full.data, record.full.length));
        if (json_query_matches(query, json_root(&json))) {
            buffer_append_slice(ids, id);
            buffer_append_byte(ids, '\n');
            count++;
        }
    }
    store_scan_pause(&scan);
    store_end(f->store);
    store_scan_free(&scan);
    json_free(&json);
    return count;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/** Another search for the same query goes on where this one stands. */
static struct store_search *begin_behind(struct fixture *f, const struct json_query *query,
                                         struct store_search *before)
{
    struct store_search *search = store_search_start(f->store, fixture_collection(f, "things"), query);
    struct buffer position = {0};
    buffer_append_slice(&position, store_search_position(before));
    store_search_free(before);
    store_search_after(search, buffer_slice(&position));
    buffer_free(&position);
    return search;
}

/** The same through a search that is paused after every @pause steps, and perhaps begun anew there; nothing may
 * come twice. */
static size_t search_matches(struct fixture *f, const struct json_query *query, unsigned pause,
                             struct buffer *out, bool *indexed)
{
    char *ids[1000];
    size_t count = 0, met = 0;
    struct json json = {0};
    struct slice id;
    struct store_record record;
    struct store_search *search = store_search_start(f->store, fixture_collection(f, "things"), query);
    *indexed = store_search_index(search) != NULL;
    for (bool more = true; more;) {
        assert_int_equal(store_begin(f->store), ERROR_NONE);
        store_search_resume(f->store, search);
        for (unsigned i = 0; more && i < pause; i++) {
            more = store_search_step(search, &id, &record) == STORE_STEP;
            if (!more)
                break;
            met++;
            assert_true(json_parse(&json, record.full.data, record.full.length));
            if (json_query_matches(query, json_root(&json))) {
                assert_true(count < 1000);
                ids[count++] = memory_copy(id.data, id.length);
            }
        }
        store_search_pause(search);
        store_end(f->store);
        if (more && chance(2))
            search = begin_behind(f, query, search);
    }
    store_search_free(search);
    json_free(&json);
    qsort(ids, count, sizeof ids[0], by_bytes);
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || strcmp(ids[i - 1], ids[i]) != 0);
        buffer_append_text(out, ids[i]);
        buffer_append_byte(out, '\n');
    }
    for (size_t i = 0; i < count; i++)
        free(ids[i]);
    return met;
}

static void searches_equal_scans(void **state)
{
    (void)state;
    enum { DOCUMENTS = 400, QUERIES = 1500 };
    struct fixture f;
    struct buffer text = {0}, expected = {0}, found = {0};
    struct json json = {0};
    fixture_open(&f, search_collections);
    for (int i = 0; i < DOCUMENTS; i++) {
        char id[16];
        snprintf(id, sizeof id, "d%u", chance(300));
        append_document(&text);
        enum error_code code = run_one(&f, CHANGE_REPLACE, 0, "things", id, ANY, text.data);
        assert_true(code == ERROR_NONE || code == ERROR_EXISTS);
        if (chance(10) == 0)
            assert_int_equal(run_one(&f, CHANGE_REMOVE, CHANGE_SKIP_MISSING, "things", "d7", ANY, NULL),
                             ERROR_NONE);
    }
    check_indexes(&f);
    size_t with_index = 0, narrower = 0;
    for (int i = 0; i < QUERIES; i++) {
        char message[JSON_QUERY_MESSAGE];
        append_query(&text);
        assert_true(json_parse(&json, text.data, text.length));
        struct json_query *query = json_query_compile(json_root(&json), message);
        if (!query)
            fail_msg("%.*s: %s", (int)text.length, text.data, message);
        buffer_clear(&expected);
        buffer_clear(&found);
        bool indexed;
        scan_matches(&f, query, &expected);
        size_t met = search_matches(&f, query, 1 + chance(20), &found, &indexed);
        if (!slice_equal(buffer_slice(&expected), buffer_slice(&found)))
            fail_msg("%.*s\n expected %.*s\n found %.*s", (int)text.length, text.data, (int)expected.length,
                     expected.data, (int)found.length, found.data ? found.data : "");
        with_index += indexed;
        narrower += indexed && met < 100;
        json_query_free(query);
    }
    assert_true(with_index > QUERIES / 3);
    assert_true(narrower > QUERIES / 4);
    json_free(&json);
    buffer_free(&text);
    buffer_free(&expected);
    buffer_free(&found);
    fixture_close(&f);
}

static void the_best_index_is_used(void **state)
{
    (void)state;
    const struct {
        const char *query, *index;
    } cases[] = {{"{}", NULL},
                 {Q("{'z':1}"), NULL},
                 {Q("{'a':1}"), "a"},
                 {Q("{'a':null}"), NULL},
                 {Q("{'a':{'$ne':1}}"), NULL},
                 {Q("{'a':{'$in':[1,null]}}"), NULL},
                 {Q("{'a':{'$gt':1},'b':2}"), "b"},
                 {Q("{'a':{'$gt':1},'b':{'$gt':1,'$lt':3}}"), "b"},
                 {Q("{'a':{'$in':[1,2,3]},'b':{'$in':[1,2]}}"), "b"},
                 {Q("{'a':1,'u':5}"), "u"},
                 {Q("{'a':1,'_id':'x'}"), "_id"},
                 {Q("{'_id':{'$gt':'x'}}"), "_id"},
                 {Q("{'_id':{'$gt':'x'},'a':5}"), "a"},
                 {Q("{'a':true,'b':'x'}"), "b"}};
    struct fixture f;
    fixture_open(&f, search_collections);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *index;
        search_count(&f, "things", cases[i].query, &index);
        if (cases[i].index != index && (!cases[i].index || !index || strcmp(cases[i].index, index) != 0))
            fail_msg("%s: %s", cases[i].query, index ? index : "a scan");
    }
    fixture_close(&f);
}

static void scans_go_on_where_they_stopped(void **state)
{
    (void)state;
    struct fixture f;
    struct store_scan scan;
    struct slice id;
    struct store_record record;
    fixture_open(&f, search_collections);
    unsigned things = fixture_collection(&f, "things");
    for (char name[] = "a"; name[0] <= 'h'; name[0]++)
        assert_int_equal(run_one(&f, CHANGE_INSERT, 0, "things", name, ANY, "{}"), ERROR_NONE);
    store_scan_start(&scan, things, SLICE("b"), SLICE("g"));
    char seen[16] = "";
    for (int i = 0; i < 12; i++) {
        assert_int_equal(store_begin(f.store), ERROR_NONE);
        store_scan_resume(f.store, &scan);
        if (store_scan_step(&scan, &id, &record) == STORE_STEP)
            strncat(seen, id.data, 1);
        store_scan_pause(&scan);
        store_end(f.store);
        /* What is after the position is seen, what is before it is not; the position itself may go. */
        if (i == 1) {
            assert_int_equal(run_one(&f, CHANGE_REMOVE, 0, "things", "c", ANY, NULL), ERROR_NONE);
            assert_int_equal(run_one(&f, CHANGE_INSERT, 0, "things", "bb", ANY, "{}"), ERROR_NONE);
            assert_int_equal(run_one(&f, CHANGE_REMOVE, 0, "things", "e", ANY, NULL), ERROR_NONE);
        }
    }
    assert_string_equal(seen, "bcdf");
    store_scan_free(&scan);
    fixture_close(&f);
}

static void keys_sort_like_their_values(void **state)
{
    (void)state;
    static const char *const numbers[] = {"-1e400",
                                          "-1e300",
                                          "-9007199254740994",
                                          "-2",
                                          "-1.5",
                                          "-1",
                                          "-1e-400",
                                          "0",
                                          "1e-400",
                                          "0.000001",
                                          "0.1",
                                          "1",
                                          "1.0000001",
                                          "2",
                                          "10",
                                          "123456789012345678901234567890",
                                          "1e300",
                                          "1e400"};
    size_t count = sizeof numbers / sizeof numbers[0];
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            struct json left = {0}, right = {0};
            struct key_value low, high, key;
            assert_true(json_parse(&left, numbers[i], strlen(numbers[i])));
            assert_true(json_parse(&right, numbers[k], strlen(numbers[k])));
            assert_true(key_lower_bound(&low, json_root(&left)));
            assert_true(key_upper_bound(&high, json_root(&left)));
            assert_true(key_value_of(&key, json_root(&right)));
            struct slice bytes = slice_of((char *)key.bytes, key.length);
            if (k >= i)
                assert_true(slice_compare(slice_of((char *)low.bytes, low.length), bytes) <= 0);
            if (k <= i)
                assert_true(slice_compare(bytes, slice_of((char *)high.bytes, high.length)) < 0);
            json_free(&left);
            json_free(&right);
        }
}

static void keys_of_paths_follow_arrays(void **state)
{
    (void)state;
    const struct {
        const char *path, *document;
        size_t keys;
    } cases[] = {{"a.b", Q("{'a':{'b':1}}"), 1},
                 {"a.b", Q("{'a':[{'b':1},{'b':2},3,{'c':1}]}"), 2},
                 {"a.b", Q("{'a':[{'b':[1,2]},{'b':[2,3]}]}"), 3},
                 {"a.0", Q("{'a':[7,8]}"), 1},
                 {"a.0.b", Q("{'a':[{'b':1},{'b':2}]}"), 1},
                 {"a.0", Q("{'a':{'0':7}}"), 1},
                 {"a.9", Q("{'a':[7,8]}"), 0},
                 {"a.b", Q("{'a':5}"), 0},
                 {"a", Q("{'a':[[1]]}"), 0},
                 {"a", Q("{'a':[null,true,true]}"), 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct json json = {0};
        struct index_keys list = {0};
        struct store_index index = {.field = slice_text(cases[i].path)};
        assert_true(json_parse(&json, cases[i].document, strlen(cases[i].document)));
        index_keys_of(&list, &index, json_root(&json));
        if (list.count != cases[i].keys)
            fail_msg("%s in %s: %zu keys", cases[i].path, cases[i].document, list.count);
        index_keys_free(&list);
        json_free(&json);
    }
}

static bool sees_owner(const void *argument, struct slice tag)
{
    struct access_tag read;
    return access_tag_read(tag, &read) && slice_equal(read.owner, slice_text(argument));
}

/* A document that may not be read is not looked into, not even to find out whether it was met before: it
 * comes with each of its entries, whatever else it has. */
static void what_is_hidden_is_not_looked_into(void **state)
{
    (void)state;
    struct fixture f;
    struct json json = {0};
    char message[JSON_QUERY_MESSAGE];
    const char *const query = Q("{'tags':{'$gte':'a'}}");
    fixture_open(&f, "'d': {'index': ['tags'], 'rights': {'owner': 'user'}}");
    assert_int_equal(run_one(&f, CHANGE_INSERT, 0, "d", "anns", CHANGE_ANY_VERSION,
                             Q("{'user':'ann','tags':['a','b','c']}")),
                     ERROR_NONE);
    assert_int_equal(run_one(&f, CHANGE_INSERT, 0, "d", "bobs", CHANGE_ANY_VERSION,
                             Q("{'user':'bob','tags':['a','b','c']}")),
                     ERROR_NONE);
    assert_true(json_parse(&json, query, strlen(query)));
    struct json_query *compiled = json_query_compile(json_root(&json), message);
    assert_int_equal(store_begin(f.store), ERROR_NONE);
    struct store_search *search = store_search_start(f.store, fixture_collection(&f, "d"), compiled);
    store_search_limit(search, sees_owner, "bob");
    store_search_resume(f.store, search);
    struct slice id;
    struct store_record record;
    unsigned anns = 0, bobs = 0;
    while (store_search_step(search, &id, &record) == STORE_STEP)
        ++*(slice_equal(id, SLICE("anns")) ? &anns : &bobs);
    assert_int_equal(bobs, 1);
    assert_int_equal(anns, 3);
    store_search_pause(search);
    store_search_free(search);
    store_end(f.store);
    json_query_free(compiled);
    json_free(&json);
    fixture_close(&f);
}

/* A document of which nobody knows which of its keys came first is parsed in steps, whatever becomes of it
 * meanwhile. */
static void large_documents_are_parsed_in_steps(void **state)
{
    (void)state;
    enum { CHANGED_NEVER, CHANGED_AT_TIMES, CHANGED_ALWAYS, REMOVED, WAYS };
    struct fixture f;
    struct json json = {0};
    char message[JSON_QUERY_MESSAGE];
    const char *const text = Q("{'a':{'$gte':2}}");
    fixture_open(&f, search_collections);
    assert_true(json_parse(&json, text, strlen(text)));
    struct json_query *query = json_query_compile(json_root(&json), message);
    assert_non_null(query);
    struct buffer large = {0};
    buffer_append_text(&large, Q("{'a':[1,2,3,4],'p':[0"));
    for (unsigned i = 0; i < 30000; i++)
        buffer_append_text(&large, ",0");
    buffer_append_text(&large, Q("],'n':0}"));
    buffer_append_byte(&large, '\0');
    for (unsigned way = 0; way < WAYS; way++) {
        assert_int_equal(run_one(&f, CHANGE_REPLACE, 0, "things", "d1", ANY, large.data), ERROR_NONE);
        assert_int_equal(run_one(&f, CHANGE_REPLACE, 0, "things", "d2", ANY, Q("{'a':[2,3]}")), ERROR_NONE);
        struct store_search *search = store_search_start(f.store, fixture_collection(&f, "things"), query);
        unsigned given[3] = {0}, steps = 0;
        for (bool more = true; more; steps++) {
            struct slice id;
            struct store_record record;
            uint64_t units = 4000;
            assert_true(steps < 1000);
            assert_int_equal(store_begin(f.store), ERROR_NONE);
            store_search_resume(f.store, search);
            more = store_search_some(search, &id, &record, &units) == STORE_STEP;
            assert_true(units < 20000 || (way == CHANGED_ALWAYS && steps > 3));
            if (more && id.data)
                given[id.data[1] - '0']++;
            store_search_pause(search);
            store_end(f.store);
            if (way == CHANGED_ALWAYS || (way == CHANGED_AT_TIMES && steps == 4)) {
                large.data[large.length - 3]++; /* 'n' */
                if (large.data[large.length - 3] > '9')
                    large.data[large.length - 3] = '0';
                assert_int_equal(run_one(&f, CHANGE_REPLACE, 0, "things", "d1", ANY, large.data), ERROR_NONE);
            }
            if (way == REMOVED && steps == 4)
                assert_int_equal(run_one(&f, CHANGE_REMOVE, 0, "things", "d1", ANY, NULL), ERROR_NONE);
        }
        assert_true(steps > 5);
        assert_int_equal(given[1], way == REMOVED ? 0 : 1);
        assert_int_equal(given[2], 1);
        store_search_free(search);
    }
    json_query_free(query);
    json_free(&json);
    buffer_free(&large);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_hidden_is_not_looked_into),
        cmocka_unit_test(large_documents_are_parsed_in_steps),
        cmocka_unit_test(keys_sort_like_their_values),
        cmocka_unit_test(keys_of_paths_follow_arrays),
        cmocka_unit_test(the_best_index_is_used),
        cmocka_unit_test(scans_go_on_where_they_stopped),
        cmocka_unit_test(searches_equal_scans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
