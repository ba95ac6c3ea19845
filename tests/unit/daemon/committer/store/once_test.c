/* Answers that are remembered for `once`. */

#include "store_fixture.h"

#include <stdio.h>

#include "shared/store/store_once.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

static void once_remembers_the_answer(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 2; round++) {
        set_begin(f, ANSWER_ID_VERSION);
        set_add(f, CHANGE_INSERT, 0, "plain", round ? "other" : "a", ANY, "{}");
        set_add(f, CHANGE_ONCE, 0, "plain.insert", "key", 5000, "ann");
        assert_int_equal(set_run(f), ERROR_NONE);
        assert_answer(f, Q("{'_id':'a','_version':0}"));
        assert_int_equal(f->result.seq, 1);
        fixture_reopen(f, NULL);
    }
    assert_null(document(f, "plain", "other"));
    /* Another user, method or key: another call. */
    static const char *const others[][3] = {
        {"bob", "plain.insert", "key"}, {"ann", "plain.update", "key"}, {"ann", "plain.insert", "ke"}};
    for (size_t i = 0; i < 3; i++) {
        char id[8];
        snprintf(id, sizeof id, "n%zu", i);
        set_begin(f, ANSWER_ID_VERSION);
        set_add(f, CHANGE_ONCE, 0, others[i][1], others[i][2], 5000, others[i][0]);
        set_add(f, CHANGE_INSERT, 0, "plain", id, ANY, "{}");
        assert_int_equal(set_run(f), ERROR_NONE);
        assert_non_null(document(f, "plain", id));
    }
    struct slice answer;
    uint64_t seq;
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_true(
        store_once_get(f->store, SLICE("ann"), SLICE("plain.insert"), SLICE("key"), 4999, &answer, &seq));
    assert_true(slice_equal(answer, slice_text(Q("{'_id':'a','_version':0}"))));
    assert_int_equal(seq, 1);
    assert_false(
        store_once_get(f->store, SLICE("ann"), SLICE("plain.insert"), SLICE("key"), 5000, &answer, &seq));
    assert_false(
        store_once_get(f->store, SLICE("ann"), SLICE("plain.insertk"), SLICE("ey"), 1, &answer, &seq));
    store_end(f->store);
}

static void once_is_seen_by_later_sets_of_the_transaction(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    set_begin(f, ANSWER_ID_VERSION);
    set_add(f, CHANGE_ONCE, 0, "m", "k", 5000, "u");
    set_add(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{}");
    assert_int_equal(set_apply(f), ERROR_NONE);
    assert_int_equal(set_apply(f), ERROR_NONE);
    assert_int_equal(f->result.seq, 1);
    assert_int_equal(store_write_commit(f->writer), ERROR_NONE);
    /* A set that fails is not remembered. */
    set_begin(f, ANSWER_ID_VERSION);
    set_add(f, CHANGE_ONCE, 0, "m", "k2", 5000, "u");
    set_add(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{}");
    assert_int_equal(set_run(f), ERROR_EXISTS);
    assert_int_equal(f->result.at_fault, 1);
    assert_int_equal(run_one(f, CHANGE_REMOVE, 0, "plain", "a", ANY, NULL), ERROR_NONE);
    set_begin(f, ANSWER_ID_VERSION);
    set_add(f, CHANGE_ONCE, 0, "m", "k2", 5000, "u");
    set_add(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{}");
    assert_int_equal(set_run(f), ERROR_NONE);
}

static void expired_answers_go(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        set_begin(f, ANSWER_LITERAL);
        set_add(f, CHANGE_ONCE, 0, "m", key, i < 100 ? 2000 : 9000, "u");
        assert_int_equal(set_run(f), ERROR_NONE);
    }
    /* Time passes: the next transactions remove what has expired, and the key can be used again. */
    for (int i = 0; i < 3; i++) {
        set_begin(f, ANSWER_LITERAL);
        set_add(f, CHANGE_ONCE, 0, "m", "k99", 9500, "u");
        assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
        assert_int_equal(change_set_apply(f->writer, buffer_slice(&f->set), 3000, &f->result), ERROR_NONE);
        assert_int_equal(store_write_commit(f->writer), ERROR_NONE);
    }
    struct slice answer;
    uint64_t seq;
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    for (int i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        bool there = store_once_get(f->store, SLICE("u"), SLICE("m"), slice_text(key), 1, &answer, &seq);
        assert_int_equal(there, i >= 99);
    }
    store_end(f->store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(once_remembers_the_answer),
        with_store(once_is_seen_by_later_sets_of_the_transaction),
        with_store(expired_answers_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
