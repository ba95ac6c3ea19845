/* Names of users and groups that were removed: nobody has them again unless that is said. */
#include "store_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "shared/store/former_name.h"
#include "shared/store/store_once.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

static enum error_code add(struct fixture *f, unsigned flags, const char *collection, const char *name)
{
    return run_one(f, CHANGE_INSERT, flags, collection, name, ANY, Q("{'groups':[]}"));
}

static void removal(struct fixture *f, const char *collection, const char *name)
{
    assert_int_equal(run_one(f, CHANGE_REMOVE, 0, collection, name, ANY, NULL), ERROR_NONE);
}

static bool was_used(struct fixture *f, unsigned collection, const char *name)
{
    uint64_t used;
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_int_equal(store_name_was_used(f->store, collection, slice_text(name), &used), ERROR_NONE);
    store_end(f->store);
    return used != 0;
}

static void a_name_is_not_had_again(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum change_operation operation;
        unsigned flags;
    } ways[] = {{CHANGE_INSERT, 0},
                {CHANGE_INSERT, CHANGE_SKIP_SAME},
                {CHANGE_REPLACE, 0},
                {CHANGE_MERGE, CHANGE_UPSERT}};
    assert_int_equal(add(f, 0, "users", "ann"), ERROR_NONE);
    assert_false(was_used(f, COLLECTION_USERS, "ann"));
    removal(f, "users", "ann");
    for (int opened = 0; opened < 2; opened++) {
        assert_true(was_used(f, COLLECTION_USERS, "ann"));
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
            assert_int_equal(
                run_one(f, ways[i].operation, ways[i].flags, "users", "ann", ANY, Q("{'groups':[]}")),
                ERROR_EXISTS);
        fixture_reopen(f, NULL);
    }
    assert_null(document(f, "users", "ann"));
    /* Others have theirs: a longer one, a shorter one, that of a group, and of a document. */
    assert_int_equal(add(f, 0, "users", "anna"), ERROR_NONE);
    assert_int_equal(add(f, 0, "users", "an"), ERROR_NONE);
    assert_false(was_used(f, COLLECTION_GROUPS, "ann"));
    assert_int_equal(add(f, 0, "groups", "ann"), ERROR_NONE);
    assert_int_equal(add(f, 0, "plain", "ann"), ERROR_NONE);
    removal(f, "plain", "ann");
    assert_int_equal(add(f, 0, "plain", "ann"), ERROR_NONE);
}

static void it_is_taken_over(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, CHANGE_TAKE_OVER, "groups", "lab"), ERROR_NONE); /* nobody had it */
    for (int i = 0; i < 2; i++) {
        removal(f, "groups", "lab");
        assert_int_equal(add(f, 0, "groups", "lab"), ERROR_EXISTS);
        assert_int_equal(add(f, CHANGE_TAKE_OVER, "groups", "lab"), ERROR_NONE);
        assert_int_equal(add(f, CHANGE_TAKE_OVER, "groups", "lab"), ERROR_EXISTS); /* somebody has it */
    }
}

static void also_within_a_set(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, 0, "users", "ann"), ERROR_NONE);
    for (int taken = 0; taken < 2; taken++) {
        set_begin(f, ANSWER_LIST);
        set_add(f, CHANGE_REMOVE, 0, "users", "ann", ANY, NULL);
        set_add(f, CHANGE_INSERT, taken ? CHANGE_TAKE_OVER : 0, "users", "ann", ANY, Q("{'groups':[]}"));
        assert_int_equal(set_run(f), taken ? ERROR_NONE : ERROR_EXISTS);
        assert_int_equal(was_used(f, COLLECTION_USERS, "ann"), taken); /* what failed removed nobody */
    }
    assert_non_null(document(f, "users", "ann"));
}

/* One that is applied in the same transaction, after the removal. */
static void also_within_a_transaction(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, 0, "users", "ann"), ERROR_NONE);
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_REMOVE, 0, "users", "ann", ANY, NULL);
    assert_int_equal(set_apply(f), ERROR_NONE);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "users", "ann", ANY, Q("{'groups':[]}"));
    assert_int_equal(set_apply(f), ERROR_EXISTS);
    store_write_abort(f->writer);
    assert_false(was_used(f, COLLECTION_USERS, "ann"));
}

/* A set with an answer that is remembered for ann's key k. */
static bool answered(struct fixture *f, const char *id)
{
    struct slice answer;
    uint64_t seq;
    set_begin(f, ANSWER_ID_VERSION);
    struct change once = {.operation = CHANGE_ONCE,
                          .version = INT64_MAX,
                          .collection = SLICE("plain.insert"),
                          .id = SLICE("k"),
                          .body = SLICE("ann")};
    change_set_add(&f->set, &once);
    set_add(f, CHANGE_INSERT, 0, "plain", id, ANY, "{}");
    assert_int_equal(set_run(f), ERROR_NONE);
    bool again = !document(f, "plain", id);
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_true(store_once_get(f->store, once.body, once.collection, once.id, 0, &answer, &seq));
    store_end(f->store);
    return again;
}

static void answers_stay_with_whom_they_were_for(void **state)
{
    struct fixture *f = *state;
    struct slice answer;
    uint64_t seq;
    assert_int_equal(add(f, 0, "users", "ann"), ERROR_NONE);
    assert_false(answered(f, "1"));
    assert_true(answered(f, "2"));
    removal(f, "users", "ann");
    assert_int_equal(add(f, CHANGE_TAKE_OVER, "users", "ann"), ERROR_NONE);
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_false(store_once_get(f->store, SLICE("ann"), SLICE("plain.insert"), SLICE("k"), 0, &answer, &seq));
    store_end(f->store);
    assert_false(answered(f, "3"));
    assert_true(answered(f, "4"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(a_name_is_not_had_again),
        with_store(it_is_taken_over),
        with_store(also_within_a_set),
        with_store(also_within_a_transaction),
        with_store(answers_stay_with_whom_they_were_for),
    };
    return cmocka_run_group_tests_name("store/names", tests, NULL, NULL);
}
