/* A change set is done as a whole or not at all. */

#include "store_fixture.h"

#include <stdio.h>

#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

static void a_set_that_fails_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "there", ANY, Q("{'name':'taken'}")),
                     ERROR_NONE);
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "viruses", "before", ANY, Q("{'name':'n'}"));
    assert_int_equal(set_apply(f), ERROR_NONE);
    assert_int_equal(f->result.seq, 2);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "viruses", "x", ANY, Q("{'name':'x','abbreviation':'q'}"));
    set_add(f, CHANGE_REMOVE, 0, "viruses", "there", ANY, NULL);
    set_add(f, CHANGE_MERGE, 0, "viruses", "before", ANY, Q("{'y':1}"));
    set_add(f, CHANGE_INSERT, 0, "viruses", "z", ANY, Q("{'name':'n'}"));
    assert_int_equal(set_apply(f), ERROR_EXISTS);
    assert_int_equal(f->result.at_fault, 4);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "viruses", "after", ANY, Q("{'name':'x'}"));
    assert_int_equal(set_apply(f), ERROR_NONE);
    assert_int_equal(f->result.seq, 3);
    assert_int_equal(store_write_commit(f->writer), ERROR_NONE);
    size_t count;
    const struct applied_change *changes = store_write_changes(f->writer, &count);
    assert_int_equal(count, 2);
    assert_true(slice_equal(changes[1].id, SLICE("after")));
    assert_null(document(f, "viruses", "x"));
    assert_non_null(document(f, "viruses", "there"));
    assert_string_equal(document(f, "viruses", "before"), Q("{'_id':'before','_version':0,'name':'n'}"));
    check_indexes(f);
}

static void a_set_sees_its_own_operations(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "a", ANY, Q("{'name':'A'}")), ERROR_NONE);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_MERGE, 0, "viruses", "a", 0, Q("{'name':'B'}"));
    set_add(f, CHANGE_INSERT, 0, "viruses", "b", ANY, Q("{'name':'A'}")); /* free by now */
    set_add(f, CHANGE_REMOVE, 0, "viruses", "a", 1, NULL);
    set_add(f, CHANGE_INSERT, 0, "viruses", "a", ANY, Q("{'name':['B','C']}"));
    set_add(f, CHANGE_MERGE, 0, "viruses", "a", 2, Q("{'name':'C','tags':[1,2]}"));
    set_add(f, CHANGE_PATCH, 0, "viruses", "a", 3, Q("[{'op':'remove','path':'/tags/0'}]"));
    set_add(f, CHANGE_ASSERT, 0, "viruses", "a", 4, NULL);
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_int_equal(f->result.seq, 7);
    assert_string_equal(document(f, "viruses", "a"), Q("{'_id':'a','_version':4,'name':'C','tags':[2]}"));
    check_indexes(f);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "viruses", "c", ANY, Q("{'name':'D'}"));
    set_add(f, CHANGE_INSERT, 0, "viruses", "d", ANY, Q("{'name':['D']}"));
    assert_int_equal(set_run(f), ERROR_EXISTS);
    assert_int_equal(f->result.at_fault, 2);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "viruses", "c", ANY, "{}");
    set_add(f, CHANGE_INSERT, 0, "viruses", "c", ANY, "{}");
    assert_int_equal(set_run(f), ERROR_EXISTS);
    check_indexes(f);
}

static void swaps_of_unique_values_work(void **state)
{
    struct fixture *f = *state;
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "viruses", "a", ANY, Q("{'name':'A'}"));
    set_add(f, CHANGE_INSERT, 0, "viruses", "b", ANY, Q("{'name':'B'}"));
    assert_int_equal(set_run(f), ERROR_NONE);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_MERGE, 0, "viruses", "a", ANY, Q("{'name':null}"));
    set_add(f, CHANGE_MERGE, 0, "viruses", "b", ANY, Q("{'name':'A'}"));
    set_add(f, CHANGE_MERGE, 0, "viruses", "a", ANY, Q("{'name':'B'}"));
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "c", ANY, Q("{'name':'A'}")), ERROR_EXISTS);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "c", ANY, Q("{'name':'B'}")), ERROR_EXISTS);
    check_indexes(f);
}

static void who_is_at_fault_is_counted_among_the_changes(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "users", "ann", ANY, "{}"), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "there", ANY, "{}"), ERROR_NONE);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_ONCE, 0, "m", "k", 5000, "u");
    change_actor_add(&f->set, &(struct change_actor){.user = SLICE("ann")});
    set_add(f, CHANGE_ASSERT, 0, "plain", "there", 0, NULL);
    set_add(f, CHANGE_REMOVE, CHANGE_SKIP_MISSING, "plain", "none", ANY, NULL);
    set_add(f, CHANGE_MERGE, 0, "plain", "there", ANY, "{}");
    set_add(f, CHANGE_ASSERT, 0, "plain", "there", 0, NULL);
    size_t length = f->set.length;
    set_add(f, CHANGE_INSERT, 0, "plain", "there", ANY, "{}");
    assert_int_equal(set_run(f), ERROR_EXISTS);
    assert_int_equal(f->result.at_fault, 3);
    /* What a set rests on is none of its changes. */
    f->set.length = length;
    set_add(f, CHANGE_ASSERT, 0, "plain", "there", 1, NULL);
    assert_int_equal(set_run(f), ERROR_CONFLICT);
    assert_int_equal(f->result.at_fault, 0);
}

static void large_sets_work(void **state)
{
    struct fixture *f = *state;
    enum { DOCUMENTS = 5000 };
    set_begin(f, ANSWER_IMPORT);
    for (int i = 0; i < DOCUMENTS; i++) {
        char id[16], body[64];
        snprintf(id, sizeof id, "v%d", i);
        quoted_print(body, sizeof body, "{'name':'n%d','abbreviation':%d}", i, i % 7);
        set_add(f, CHANGE_REPLACE, 0, "viruses", id, ANY, body);
    }
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_answer(f, Q("{'inserted':5000,'replaced':0,'skipped':0}"));
    set_add(f, CHANGE_INSERT, 0, "viruses", "v77", ANY, "{}");
    assert_int_equal(set_run(f), ERROR_EXISTS);
    assert_int_equal(f->result.at_fault, DOCUMENTS + 1);
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_int_equal(stored_count(f->store, fixture_collection(f, "viruses")), DOCUMENTS);
    store_end(f->store);
    check_indexes(f);
}

static void an_aborted_transaction_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{}");
    assert_int_equal(set_apply(f), ERROR_NONE);
    assert_int_equal(store_write_results(f->writer, 3, SLICE("never")), ERROR_NONE);
    store_write_abort(f->writer);
    struct buffer results = {0};
    store_write_read_results(f->writer, 3, &results);
    assert_int_equal(results.length, 0);
    assert_null(document(f, "plain", "a"));
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_int_equal(f->result.seq, 1);
    buffer_free(&results);
}

static void results_are_kept_with_the_transaction(void **state)
{
    struct fixture *f = *state;
    struct buffer results = {0};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
        assert_int_equal(store_write_results(f->writer, 1, i ? SLICE("second") : SLICE("first")), ERROR_NONE);
        assert_int_equal(store_write_results(f->writer, 12, SLICE("other")), ERROR_NONE);
        assert_int_equal(store_write_commit(f->writer), ERROR_NONE);
    }
    fixture_reopen(f, NULL);
    store_write_read_results(f->writer, 1, &results);
    store_write_read_results(f->writer, 12, &results);
    assert_true(slice_equal(buffer_slice(&results), SLICE("secondother")));
    buffer_free(&results);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(a_set_that_fails_leaves_nothing),
        with_store(a_set_sees_its_own_operations),
        with_store(swaps_of_unique_values_work),
        with_store(who_is_at_fault_is_counted_among_the_changes),
        with_store(large_sets_work),
        with_store(an_aborted_transaction_leaves_nothing),
        with_store(results_are_kept_with_the_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
