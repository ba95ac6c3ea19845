/* An id and a version stand for one content: where the versions of a document begin. */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

static int setup(void **state)
{
    struct fixture *f = memory_zeroed(1, sizeof *f);
    fixture_open(f, plain_collections);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    free(f);
    return 0;
}

static void insert(struct fixture *f, const char *collection, const char *id)
{
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, collection, id, ANY, Q("{'n':1}")), ERROR_NONE);
}

static void change(struct fixture *f, const char *collection, const char *id, int number)
{
    char body[32];
    quoted_print(body, sizeof body, "{'n':%d}", number);
    assert_int_equal(run_one(f, CHANGE_REPLACE, 0, collection, id, ANY, body), ERROR_NONE);
}

static void removal(struct fixture *f, const char *collection, const char *id)
{
    assert_int_equal(run_one(f, CHANGE_REMOVE, 0, collection, id, ANY, NULL), ERROR_NONE);
}

static uint64_t version(struct fixture *f, const char *collection, const char *id)
{
    struct store_record record;
    char head[512];
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_int_equal(store_get(f->store, fixture_collection(f, collection), slice_text(id), &record),
                     ERROR_NONE);
    /* What is said of the version in the texts is the same. */
    int length = snprintf(head, sizeof head, "{\"_id\":\"%s\",\"_version\":%llu", id,
                          (unsigned long long)record.version);
    assert_memory_equal(record.full.data, head, (size_t)length);
    assert_memory_equal(record.minimal.data, head, (size_t)length);
    store_end(f->store);
    return record.version;
}

static void versions_begin_above_what_was_removed(void **state)
{
    struct fixture *f = *state;
    insert(f, "plain", "a");
    insert(f, "plain", "b");
    assert_int_equal(version(f, "plain", "b"), 0);
    for (int i = 2; i < 14; i++)
        change(f, "plain", "a", i);
    assert_int_equal(version(f, "plain", "a"), 12);
    removal(f, "plain", "b");
    insert(f, "plain", "b");
    assert_int_equal(version(f, "plain", "b"), 1);
    removal(f, "plain", "a");
    insert(f, "plain", "c");
    insert(f, "plain", "a");
    assert_int_equal(version(f, "plain", "a"), 13);
    assert_int_equal(version(f, "plain", "c"), 13); /* whoever had this id before */
    removal(f, "plain", "b");                       /* a lower one lowers nothing */
    insert(f, "plain", "d");
    assert_int_equal(version(f, "plain", "d"), 13);
    insert(f, "jobs", "a"); /* of another collection */
    assert_int_equal(version(f, "jobs", "a"), 0);
}

static void every_way_of_inserting_counts(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum change_operation operation;
        unsigned flags;
    } ways[] = {{CHANGE_INSERT, 0},
                {CHANGE_INSERT, CHANGE_SKIP_SAME},
                {CHANGE_REPLACE, 0},
                {CHANGE_MERGE, CHANGE_UPSERT}};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        insert(f, "viruses", "w");
        uint64_t before = version(f, "viruses", "w");
        removal(f, "viruses", "w");
        assert_int_equal(
            run_one(f, ways[i].operation, ways[i].flags, "viruses", "w", ANY, Q("{'abbreviation':'x'}")),
            ERROR_NONE);
        char answer[64];
        quoted_print(answer, sizeof answer, "{'_id':'w','_version':%llu}", (unsigned long long)before + 1);
        assert_answer(f, answer);
        assert_int_equal(version(f, "viruses", "w"), before + 1);
        removal(f, "viruses", "w");
    }
}

static void an_id_of_the_servers_begins_at_0(void **state)
{
    struct fixture *f = *state;
    insert(f, "plain", "a");
    removal(f, "plain", "a");
    assert_int_equal(run_one(f, CHANGE_INSERT, CHANGE_NEW_ID, "plain", "b", ANY, "{}"), ERROR_NONE);
    assert_int_equal(version(f, "plain", "b"), 0);
}

static void one_set_may_remove_and_insert(void **state)
{
    struct fixture *f = *state;
    insert(f, "plain", "a");
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_REMOVE, 0, "plain", "a", ANY, NULL);
    set_add(f, CHANGE_INSERT, 0, "plain", "a", ANY, Q("{'n':2}"));
    set_add(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'n':3}"));
    set_add(f, CHANGE_REMOVE, 0, "plain", "a", ANY, NULL);
    set_add(f, CHANGE_MERGE, CHANGE_UPSERT, "plain", "a", ANY, Q("{'n':4}"));
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_int_equal(version(f, "plain", "a"), 3);
}

static void one_transaction_may_remove_and_insert(void **state)
{
    struct fixture *f = *state;
    insert(f, "plain", "a");
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_REMOVE, 0, "plain", "a", ANY, NULL);
    assert_int_equal(set_apply(f), ERROR_NONE);
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_INSERT, 0, "plain", "a", ANY, Q("{'n':2}"));
    assert_int_equal(set_apply(f), ERROR_NONE);
    assert_int_equal(store_write_commit(f->writer), ERROR_NONE);
    assert_int_equal(version(f, "plain", "a"), 1);
}

static void what_fails_raises_nothing(void **state)
{
    struct fixture *f = *state;
    insert(f, "plain", "a");
    change(f, "plain", "a", 2);
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_REMOVE, 0, "plain", "a", ANY, NULL);
    set_add(f, CHANGE_REMOVE, 0, "plain", "not there", ANY, NULL);
    assert_int_equal(set_run(f), ERROR_NOT_FOUND);
    /* Beside one that succeeds in the same transaction, too. */
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    assert_int_equal(set_apply(f), ERROR_NOT_FOUND);
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_INSERT, 0, "plain", "c", ANY, "{}");
    assert_int_equal(set_apply(f), ERROR_NONE);
    assert_int_equal(store_write_commit(f->writer), ERROR_NONE);
    assert_int_equal(version(f, "plain", "c"), 0);
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_REMOVE, 0, "plain", "a", ANY, NULL);
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    assert_int_equal(set_apply(f), ERROR_NONE);
    store_write_abort(f->writer);
    assert_int_equal(version(f, "plain", "a"), 1);
    insert(f, "plain", "d");
    assert_int_equal(version(f, "plain", "d"), 0);
}

static void it_is_never_forgotten(void **state)
{
    struct fixture *f = *state;
    f->config->change_log_entries = 1;
    insert(f, "plain", "a");
    removal(f, "plain", "a");
    insert(f, "plain", "other");
    for (int i = 2; i < 40; i++)
        change(f, "plain", "other", i);
    fixture_reopen(f, NULL);
    insert(f, "plain", "a");
    assert_int_equal(version(f, "plain", "a"), 1);
    removal(f, "plain", "a");
    /* Nor while the collection is not declared, nor by a rebuild. */
    fixture_reopen(f, "'jobs': {}");
    fixture_reopen(f, "'plain': {'projector': ['n'], 'index': ['n']}");
    insert(f, "plain", "a");
    assert_int_equal(version(f, "plain", "a"), 2);
}

static void a_precondition_is_of_one_document(void **state)
{
    struct fixture *f = *state;
    insert(f, "plain", "a");
    removal(f, "plain", "a");
    insert(f, "plain", "a");
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", 0, Q("{'n':2}")), ERROR_CONFLICT);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", 1, Q("{'n':2}")), ERROR_NONE);
}

static void more_digits_of_a_version_fit(void **state)
{
    struct fixture *f = *state;
    char id[STORE_ID_BYTES + 1];
    memset(id, 'i', STORE_ID_BYTES);
    id[STORE_ID_BYTES] = '\0';
    insert(f, "viruses", id);
    for (int i = 2; i < 12; i++)
        change(f, "viruses", id, i);
    removal(f, "viruses", id);
    insert(f, "viruses", id);
    assert_int_equal(version(f, "viruses", id), 11);
    change(f, "viruses", id, 3);
    assert_int_equal(version(f, "viruses", id), 12);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(versions_begin_above_what_was_removed),
        TEST(every_way_of_inserting_counts),
        TEST(an_id_of_the_servers_begins_at_0),
        TEST(one_set_may_remove_and_insert),
        TEST(one_transaction_may_remove_and_insert),
        TEST(what_fails_raises_nothing),
        TEST(it_is_never_forgotten),
        TEST(a_precondition_is_of_one_document),
        TEST(more_digits_of_a_version_fit),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
