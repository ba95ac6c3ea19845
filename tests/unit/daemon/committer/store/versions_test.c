/* An id and a version stand for one content: where the versions of a document begin. */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

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

static void versions_begin_above_what_was_removed(void **state)
{
    struct fixture *f = *state;
    insert(f, "plain", "a");
    insert(f, "plain", "b");
    assert_int_equal(stored_version(f, "plain", "b"), 0);
    for (int i = 2; i < 14; i++)
        change(f, "plain", "a", i);
    assert_int_equal(stored_version(f, "plain", "a"), 12);
    removal(f, "plain", "b");
    insert(f, "plain", "b");
    assert_int_equal(stored_version(f, "plain", "b"), 1);
    removal(f, "plain", "a");
    insert(f, "plain", "c");
    insert(f, "plain", "a");
    assert_int_equal(stored_version(f, "plain", "a"), 13);
    assert_int_equal(stored_version(f, "plain", "c"), 13); /* whoever had this id before */
    removal(f, "plain", "b");                              /* a lower one lowers nothing */
    insert(f, "plain", "d");
    assert_int_equal(stored_version(f, "plain", "d"), 13);
    insert(f, "jobs", "a"); /* of another collection */
    assert_int_equal(stored_version(f, "jobs", "a"), 0);
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
        uint64_t before = stored_version(f, "viruses", "w");
        removal(f, "viruses", "w");
        assert_int_equal(
            run_one(f, ways[i].operation, ways[i].flags, "viruses", "w", ANY, Q("{'abbreviation':'x'}")),
            ERROR_NONE);
        char answer[64];
        quoted_print(answer, sizeof answer, "{'_id':'w','_version':%llu}", (unsigned long long)before + 1);
        assert_answer(f, answer);
        assert_int_equal(stored_version(f, "viruses", "w"), before + 1);
        removal(f, "viruses", "w");
    }
}

static void an_id_of_the_servers_begins_at_0(void **state)
{
    struct fixture *f = *state;
    insert(f, "plain", "a");
    removal(f, "plain", "a");
    assert_int_equal(run_one(f, CHANGE_INSERT, CHANGE_NEW_ID, "plain", "b", ANY, "{}"), ERROR_NONE);
    assert_int_equal(stored_version(f, "plain", "b"), 0);
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
    assert_int_equal(stored_version(f, "plain", "a"), 3);
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
    assert_int_equal(stored_version(f, "plain", "a"), 1);
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
    assert_int_equal(stored_version(f, "plain", "c"), 0);
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_REMOVE, 0, "plain", "a", ANY, NULL);
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    assert_int_equal(set_apply(f), ERROR_NONE);
    store_write_abort(f->writer);
    assert_int_equal(stored_version(f, "plain", "a"), 1);
    insert(f, "plain", "d");
    assert_int_equal(stored_version(f, "plain", "d"), 0);
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
    assert_int_equal(stored_version(f, "plain", "a"), 1);
    removal(f, "plain", "a");
    /* Nor while the collection is not declared, nor by a rebuild. */
    fixture_reopen(f, "'jobs': {}");
    fixture_reopen(f, "'plain': {'projector': ['n'], 'index': ['n']}");
    insert(f, "plain", "a");
    assert_int_equal(stored_version(f, "plain", "a"), 2);
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
    assert_int_equal(stored_version(f, "viruses", id), 11);
    change(f, "viruses", id, 3);
    assert_int_equal(stored_version(f, "viruses", id), 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(versions_begin_above_what_was_removed),
        with_store(every_way_of_inserting_counts),
        with_store(an_id_of_the_servers_begins_at_0),
        with_store(one_set_may_remove_and_insert),
        with_store(one_transaction_may_remove_and_insert),
        with_store(what_fails_raises_nothing),
        with_store(it_is_never_forgotten),
        with_store(a_precondition_is_of_one_document),
        with_store(more_digits_of_a_version_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
