/* What a document may be: its id, its size and depth, its unique values; and whom it is for. */

#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/store/access_tag.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

static void ids_are_checked(void **state)
{
    struct fixture *f = *state;
    char longest[300];
    memset(longest, 'x', sizeof longest);
    longest[STORE_ID_BYTES] = '\0';
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", longest, ANY, "{}"), ERROR_NONE);
    assert_non_null(document(f, "plain", longest));
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", longest, ANY, "{}"), ERROR_EXISTS);
    longest[STORE_ID_BYTES] = 'x';
    longest[STORE_ID_BYTES + 1] = '\0';
    static const char *const bad[] = {"", "a\nb", "a\x7f", "\xff", "\xc2\x80", "\xed\xa0\x80"};
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", longest, ANY, "{}"), ERROR_INVALID);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", bad[i], ANY, "{}"), ERROR_INVALID);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "nowhere", "a", ANY, "{}"), ERROR_UNKNOWN_COLLECTION);
    struct store_record record;
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_int_equal(store_get(f->store, 0, slice_text(""), &record), ERROR_NOT_FOUND);
    assert_int_equal(store_get(f->store, 0, slice_of(longest, 257), &record), ERROR_NOT_FOUND);
    store_end(f->store);
}

static void bodies_are_checked(void **state)
{
    struct fixture *f = *state;
    const char *const bad[] = {
        "", "null", "[]", "{", Q("{'a':1}x"), Q("{'a':1,'a':2}"), Q("{'a':'\\u0000'}")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "a", ANY, bad[i]), ERROR_INVALID);
    char deep[300] = "{\"a\":";
    memset(deep + 5, '[', 64);
    memset(deep + 69, ']', 64);
    deep[133] = '}';
    deep[134] = '\0';
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "a", ANY, deep), ERROR_INVALID);
}

/* {"a":[[...]]}, with @levels of lists around @inner. */
static const char *nested(unsigned levels, const char *inner)
{
    static char text[300];
    size_t length = (size_t)snprintf(text, sizeof text, "%s", Q("{'a':"));
    for (unsigned i = 0; i < levels; i++)
        text[length++] = '[';
    length += (size_t)snprintf(text + length, sizeof text - length, "%s", inner);
    for (unsigned i = 0; i < levels; i++)
        text[length++] = ']';
    text[length++] = '}';
    text[length] = '\0';
    return text;
}

static void deep_documents_are_refused(void **state)
{
    struct fixture *f = *state;
    enum { MOST = JSON_DEPTH_DOCUMENT - 1 };
    static const enum change_operation with_all[] = {CHANGE_INSERT, CHANGE_REPLACE, CHANGE_MERGE};
    static const char *const collections[] = {"plain", "viruses"}; /* what looks inside parses anyway */
    for (size_t c = 0; c < 2; c++) {
        for (size_t i = 0; i < 3; i++) {
            char id[] = {(char)('a' + i), '\0'};
            unsigned flags = with_all[i] == CHANGE_MERGE ? CHANGE_UPSERT : 0;
            for (unsigned over = 1; over < 4; over++)
                assert_int_equal(
                    run_one(f, with_all[i], flags, collections[c], id, ANY, nested(MOST + over, "")),
                    ERROR_INVALID);
            assert_int_equal(run_one(f, with_all[i], flags, collections[c], id, ANY, nested(MOST, "")),
                             ERROR_NONE);
            assert_int_equal(run_one(f, CHANGE_MERGE, 0, collections[c], id, ANY, nested(MOST + 1, "")),
                             ERROR_INVALID);
            assert_non_null(strstr(f->result.message, "57 levels"));
            assert_int_equal(run_one(f, CHANGE_PATCH, 0, collections[c], id, ANY,
                                     Q("[{'op':'copy','from':'/a','path':'/a/-'}]")),
                             ERROR_INVALID);
            assert_int_equal(run_one(f, CHANGE_PATCH, 0, collections[c], id, ANY,
                                     Q("[{'op':'copy','from':'/a','path':'/b'}]")),
                             ERROR_NONE);
        }
    }
}

/* Documents that were stored when more bytes were allowed: who makes them shorter may change them. */
static void larger_documents_may_become_smaller(void **state)
{
    struct fixture *f = *state;
    char body[6000] = "{\"x\":\"", *end = body + strlen(body);
    memset(end, 'y', 5000);
    snprintf(end + 5000, 100, "%s", Q("','z':[1,2,3]}"));
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "a", ANY, body), ERROR_NONE);
    f->config->limits.document_bytes = 1000;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "b", ANY, body), ERROR_TOO_LARGE);
    assert_int_equal(run_one(f, CHANGE_INSERT, CHANGE_SKIP_SAME, "plain", "a", ANY, body), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'z':[1,2,4]}")), ERROR_TOO_LARGE);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'w':1}")), ERROR_TOO_LARGE);
    assert_int_equal(
        run_one(f, CHANGE_PATCH, 0, "plain", "a", ANY, Q("[{'op':'add','path':'/w','value':1}]")),
        ERROR_TOO_LARGE);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'z':[1]}")), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_PATCH, 0, "plain", "a", ANY, Q("[{'op':'remove','path':'/z/0'}]")),
                     ERROR_NONE);
    assert_int_equal(
        run_one(f, CHANGE_PATCH, 0, "plain", "a", ANY, Q("[{'op':'replace','path':'/z','value':0}]")),
        ERROR_NONE);
    /* Even where a set may be less work than it takes to read it. */
    f->config->limits.document_bytes = 20;
    f->config->limits.change_work = 2560;
    assert_int_equal(run_one(f, CHANGE_PATCH, 0, "plain", "a", ANY, Q("[{'op':'remove','path':'/x'}]")),
                     ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'y':1}")), ERROR_TOO_LARGE);
    assert_int_equal(run_one(f, CHANGE_REMOVE, 0, "plain", "a", ANY, ""), ERROR_NONE);
}

static void large_documents_are_refused(void **state)
{
    struct fixture *f = *state;
    f->config->limits.document_bytes = 1000;
    struct buffer body = {0};
    buffer_append_text(&body, Q("{'x':'"));
    memset(buffer_reserve(&body, 964), 'y', 964);
    body.length += 964;
    buffer_append_text(&body, Q("'}"));
    buffer_append_byte(&body, '\0');
    /* {"_id":"a","_version":0,"x":"..."} with 964 characters has 994 bytes */
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "a", ANY, body.data), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "aaaaaaaa", ANY, body.data), ERROR_TOO_LARGE);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'z':1234}")), ERROR_TOO_LARGE);
    assert_int_equal(
        run_one(f, CHANGE_PATCH, 0, "plain", "a", ANY, Q("[{'op':'copy','from':'/x','path':'/y'}]")),
        ERROR_TOO_LARGE);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'x':1}")), ERROR_NONE);
    buffer_free(&body);
}

static void tags_say_who_may_see(void **state)
{
    struct fixture *f = *state;
    struct store_record record;
    struct access_tag tag;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "in", ANY, "{}"), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "out", ANY, Q("{'archived':true}")), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "jobs", "j", ANY,
                             Q("{'user':'ann','group':'l\\u0061b','group_read':true,'all_read':1}")),
                     ERROR_NONE);
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_int_equal(store_get(f->store, fixture_collection(f, "viruses"), SLICE("in"), &record), ERROR_NONE);
    assert_true(access_tag_read(record.tag, &tag));
    assert_int_equal(tag.flags, ACCESS_IN_SYNC | ACCESS_ALL_READ);
    assert_int_equal(store_get(f->store, fixture_collection(f, "viruses"), SLICE("out"), &record),
                     ERROR_NONE);
    assert_true(access_tag_read(record.tag, &tag));
    assert_int_equal(tag.flags, ACCESS_ALL_READ);
    assert_int_equal(store_get(f->store, fixture_collection(f, "jobs"), SLICE("j"), &record), ERROR_NONE);
    assert_true(access_tag_read(record.tag, &tag));
    assert_int_equal(tag.flags, ACCESS_IN_SYNC | ACCESS_GROUP_READ);
    assert_true(slice_equal(tag.owner, SLICE("ann")));
    assert_true(slice_equal(tag.group, SLICE("lab")));
    for (size_t i = 0; i < record.tag.length; i++)
        assert_true(i == 1 || !access_tag_read(slice_of(record.tag.data, i), &tag));
    store_end(f->store);
}

static void unique_fields_are_unique(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *value;
        bool taken;
    } cases[] = {{Q("'TMV'"), false},
                 {Q("'TMV'"), true},
                 {Q("'T\\u004dV'"), true},
                 {Q("'TMV2'"), false},
                 {"null", false},
                 {"null", false},
                 {"9007199254740992", false},
                 {"9007199254740993", false},
                 {"9007199254740993", true},
                 {"9007199254740993.0", true},
                 {"-9007199254740993", false},
                 {"1.5", false},
                 {"15e-1", true},
                 {"1.50000000000000000000000000001", false},
                 {"0", false},
                 {"-0.0e5", true},
                 {"1e400", false},
                 {"1e401", false},
                 {"10e399", true},
                 {"true", false},
                 {"true", true},
                 {Q("['TMV']"), true},
                 {Q("['a','b','a']"), false},
                 {Q("['b']"), true},
                 {Q("'a'"), true},
                 {"{}", false},
                 {"{}", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char id[16], body[128];
        snprintf(id, sizeof id, "v%zu", i);
        quoted_print(body, sizeof body, "{'name':%s}", cases[i].value);
        enum error_code code = run_one(f, CHANGE_INSERT, 0, "viruses", id, ANY, body);
        if (code != (cases[i].taken ? ERROR_EXISTS : ERROR_NONE))
            fail_msg("%s: %s", body, error_code_name(code));
        assert_true(!cases[i].taken || strstr(f->result.message, Q("'name'")));
    }
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "no1", ANY, "{}"), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "no2", ANY, "{}"), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "viruses", "no1", ANY, Q("{'name':'TMV'}")), ERROR_EXISTS);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "viruses", "v0", ANY, Q("{'name':['TMV','TMV']}")),
                     ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "viruses", "no1", ANY, Q("{'name':'TMV'}")), ERROR_EXISTS);
    assert_int_equal(run_one(f, CHANGE_REMOVE, 0, "viruses", "v0", ANY, NULL), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "viruses", "no1", ANY, Q("{'name':'TMV'}")), ERROR_NONE);
    check_indexes(f);
}

static void long_unique_values_differ_in_their_ends(void **state)
{
    struct fixture *f = *state;
    char id[] = "a", body[1000] = "{\"name\":\"";
    memset(body + 9, 'x', 600);
    memcpy(body + 609, Q("1'}"), 4);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", id, ANY, body), ERROR_NONE);
    id[0] = 'b';
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", id, ANY, body), ERROR_EXISTS);
    body[609] = '2';
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", id, ANY, body), ERROR_NONE);
    check_indexes(f);
    char *elements = memory_allocate(9000);
    size_t used = (size_t)snprintf(elements, 9000, "{\"name\":[");
    for (int i = 0; i < 1001; i++)
        used += (size_t)snprintf(elements + used, 9000 - used, "%s%d", i ? "," : "", i);
    snprintf(elements + used, 9000 - used, "]}");
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "many", ANY, elements), ERROR_TOO_LARGE);
    free(elements);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(ids_are_checked),
        with_store(bodies_are_checked),
        with_store(deep_documents_are_refused),
        with_store(larger_documents_may_become_smaller),
        with_store(large_documents_are_refused),
        with_store(tags_say_who_may_see),
        with_store(unique_fields_are_unique),
        with_store(long_unique_values_differ_in_their_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
