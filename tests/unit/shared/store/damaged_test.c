/* What cannot be read is an error, and not the end of what can be. */
#include "tests/unit/daemon/committer/store/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/store/store_scan.h"
#include "shared/store/store_search.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

static void open_documents(struct fixture *f)
{
    fixture_open(f, plain_collections);
    for (char id[] = "a"; id[0] <= 'e'; id[0]++) {
        char text[64];
        quoted_print(text, sizeof text, "{'name':'%s','tags':['x','y']}", id);
        assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", id, ANY, text), ERROR_NONE);
    }
}

/* Steps through all of it; the first letters of the ids, and how it ended. */
static enum store_step scan_all(struct fixture *f, char *ids)
{
    struct store_scan scan;
    struct slice id;
    struct store_record record;
    enum store_step step;
    store_scan_start(&scan, fixture_collection(f, "viruses"), (struct slice){0}, (struct slice){0});
    store_scan_resume(f->store, &scan);
    while ((step = store_scan_step(&scan, &id, &record)) == STORE_STEP)
        *ids++ = id.data[0];
    *ids = '\0';
    assert_int_equal(store_scan_step(&scan, &id, &record), step);
    store_scan_pause(&scan);
    store_scan_resume(f->store, &scan);
    assert_int_equal(store_scan_step(&scan, &id, &record), step);
    store_scan_free(&scan);
    return step;
}

static enum store_step search_all(struct fixture *f, const char *query, char *ids, const char **index)
{
    char message[JSON_QUERY_MESSAGE];
    struct json json = {0};
    struct slice id;
    struct store_record record;
    enum store_step step;
    assert_true(json_parse(&json, query, strlen(query)));
    struct json_query *compiled = json_query_compile(json_root(&json), message);
    struct store_search *search = store_search_start(f->store, fixture_collection(f, "viruses"), compiled);
    *index = store_search_index(search);
    store_search_resume(f->store, search);
    while ((step = store_search_step(search, &id, &record)) == STORE_STEP)
        *ids++ = id.data[0];
    *ids = '\0';
    assert_int_equal(store_search_step(search, &id, &record), step);
    store_search_pause(search);
    store_search_resume(f->store, search);
    assert_int_equal(store_search_step(search, &id, &record), step);
    store_search_free(search);
    json_query_free(compiled);
    json_free(&json);
    return step;
}

static void a_damaged_record_is_not_the_end_of_a_scan(void **state)
{
    (void)state;
    struct fixture f;
    char ids[16];
    open_documents(&f);
    damage_record(f.store, fixture_collection(&f, "viruses"), "c");
    assert_int_equal(store_begin(f.store), ERROR_NONE);
    assert_int_equal(scan_all(&f, ids), STORE_FAILED);
    assert_string_equal(ids, "ab");
    struct store_record record;
    assert_int_equal(store_get(f.store, fixture_collection(&f, "viruses"), SLICE("c"), &record),
                     ERROR_INTERNAL);
    assert_int_equal(store_get(f.store, fixture_collection(&f, "viruses"), SLICE("d"), &record), ERROR_NONE);
    assert_int_equal(store_get(f.store, fixture_collection(&f, "viruses"), SLICE("z"), &record),
                     ERROR_NOT_FOUND);
    store_end(f.store);
    fixture_close(&f);
}

static void a_damaged_record_is_not_the_end_of_a_search(void **state)
{
    (void)state;
    const struct {
        const char *query, *index, *ids;
    } cases[] = {
        {Q("{'z':1}"), NULL, "ab"},
        {Q("{'_id':{'$in':['b','c','d']}}"), "_id", "b"},
        {Q("{'name':{'$gt':'a'}}"), "name", "ab"}, /* "a" is a candidate */
        {Q("{'tags':{'$in':['x','y']}}"), "tags", "ab"},
    };
    struct fixture f;
    char ids[16];
    const char *index;
    open_documents(&f);
    damage_record(f.store, fixture_collection(&f, "viruses"), "c");
    assert_int_equal(store_begin(f.store), ERROR_NONE);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(search_all(&f, cases[i].query, ids, &index), STORE_FAILED);
        assert_string_equal(ids, cases[i].ids);
        assert_true(index == cases[i].index || strcmp(index, cases[i].index) == 0);
    }
    assert_int_equal(search_all(&f, Q("{'name':{'$lt':'bb'}}"), ids, &index), STORE_END);
    assert_string_equal(ids, "ab");
    store_end(f.store);
    fixture_close(&f);
}

static void a_text_that_is_no_json_is_damaged(void **state)
{
    (void)state;
    struct fixture f;
    struct json json = {0};
    struct store_record record;
    open_documents(&f);
    unsigned viruses = fixture_collection(&f, "viruses");
    damage_text(f.store, viruses, "c");
    assert_int_equal(store_begin(f.store), ERROR_NONE);
    assert_int_equal(store_get(f.store, viruses, SLICE("b"), &record), ERROR_NONE);
    assert_true(store_record_parse(f.store, viruses, SLICE("b"), &record, &json));
    assert_int_equal(store_get(f.store, viruses, SLICE("c"), &record), ERROR_NONE);
    assert_false(store_record_parse(f.store, viruses, SLICE("c"), &record, &json));
    store_end(f.store);
    json_free(&json);
    fixture_close(&f);
}

static void a_damaged_entry_is_not_the_end_of_the_change_log(void **state)
{
    (void)state;
    struct fixture f;
    struct store_log_entry entry;
    open_documents(&f);
    damage_log(f.store, 3);
    assert_int_equal(store_begin(f.store), ERROR_NONE);
    assert_int_equal(store_log_next(f.store, 1, &entry), STORE_STEP);
    assert_int_equal(entry.seq, 2);
    assert_int_equal(store_log_next(f.store, 2, &entry), STORE_FAILED);
    assert_int_equal(store_log_next(f.store, 3, &entry), STORE_STEP);
    assert_int_equal(store_log_next(f.store, 5, &entry), STORE_END);
    store_end(f.store);
    fixture_close(&f);
}

static size_t lines_with(const char *path, const char *text)
{
    char line[2048];
    size_t count = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        count += strstr(line, text) != NULL;
    fclose(file);
    return count;
}

/* Who asks again and again does not fill the log. */
static void it_is_said_once_a_minute(void **state)
{
    (void)state;
    struct fixture f;
    char ids[16], path[128];
    struct store_record record;
    open_documents(&f);
    unsigned viruses = fixture_collection(&f, "viruses");
    snprintf(path, sizeof path, "%s/log", f.directory);
    assert_true(log_open(path, LOG_LEVEL_NOTICE));
    damage_record(f.store, viruses, "c");
    damage_record(f.store, viruses, "e");
    assert_int_equal(store_begin(f.store), ERROR_NONE);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(scan_all(&f, ids), STORE_FAILED);
        assert_int_equal(store_get(f.store, viruses, SLICE("e"), &record), ERROR_INTERNAL);
    }
    store_end(f.store);
    log_flush();
    assert_int_equal(lines_with(path, "document c of viruses cannot be read"), 1);
    assert_int_equal(lines_with(path, "document e of viruses cannot be read"), 1);
    assert_int_equal(lines_with(path, ""), 2);
    assert_true(log_open("stderr", LOG_LEVEL_NOTICE));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_record_is_not_the_end_of_a_scan),
        cmocka_unit_test(a_damaged_record_is_not_the_end_of_a_search),
        cmocka_unit_test(a_text_that_is_no_json_is_damaged),
        cmocka_unit_test(a_damaged_entry_is_not_the_end_of_the_change_log),
        cmocka_unit_test(it_is_said_once_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
