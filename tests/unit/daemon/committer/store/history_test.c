/* Which positions are of the history of a store: restarts, copies put back, lost tails, other histories. */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/memory.h"
#include "shared/store/history.h"
#include "tests/unit/quoted.h"

static void open_plain(struct fixture *f)
{
    fixture_open(f, "'plain': {}");
}

/** So many changes. */
static void changes(struct fixture *f, int count)
{
    static int number;
    for (int i = 0; i < count; i++) {
        char body[32];
        quoted_print(body, sizeof body, "{'n':%d}", ++number);
        assert_int_equal(run_one(f, CHANGE_REPLACE, 0, "plain", "d", CHANGE_ANY_VERSION, body), ERROR_NONE);
    }
}

static bool holds(struct fixture *f, uint64_t epoch, uint64_t seq)
{
    bool answer;
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_int_equal(store_history_holds(f->store, epoch, seq, &answer), ERROR_NONE);
    store_end(f->store);
    return answer;
}

/** Copies data.mdb out of the fixture's directory, or back into it. The store must be closed for the
 * latter. */
static void copy(struct fixture *f, const char *name, bool back)
{
    char command[512];
    snprintf(command, sizeof command, back ? "cp %s/%s %s/data.mdb" : "cp %s/data.mdb %s/%s", f->directory,
             back ? name : f->directory, back ? f->directory : name);
    assert_int_equal(system(command), 0);
}

static void restarts_keep_positions(void **state)
{
    (void)state;
    struct fixture f;
    open_plain(&f);
    assert_true(holds(&f, 1, 0));
    assert_false(holds(&f, 1, 1)); /* not yet */
    changes(&f, 3);
    assert_true(holds(&f, 1, 3));
    assert_false(holds(&f, 2, 3));
    for (int i = 0; i < 3; i++) {
        fixture_reopen(&f, NULL);
        changes(&f, 1);
    }
    assert_int_equal(f.epoch, 4);
    assert_true(holds(&f, 1, 3));
    assert_false(holds(&f, 1, 4)); /* the second run's, and not as the first one would have had it */
    assert_true(holds(&f, 2, 4));
    assert_true(holds(&f, 4, 6));
    assert_false(holds(&f, 4, 7));
    assert_false(holds(&f, 5, 0));
    fixture_close(&f);
}

/** Opens the store again as a part of @run. False: it is refused, and @message says why. */
static bool reopen_run(struct fixture *f, struct store_run run, char message[STORE_MESSAGE])
{
    store_write_close(&f->writer);
    return fixture_open_as(f, f->config, &run, message);
}

static void a_run_goes_on_where_it_was(void **state)
{
    (void)state;
    struct fixture f;
    char message[STORE_MESSAGE];
    open_plain(&f);
    changes(&f, 2);
    assert_true(reopen_run(&f, (struct store_run){.epoch = 1, .goes_on = true, .seq = 2}, message));
    changes(&f, 2);
    assert_true(holds(&f, 1, 4));
    /* Not on a store that has not come so far, nor on one that another run has had since. */
    assert_false(reopen_run(&f, (struct store_run){.epoch = 1, .goes_on = true, .seq = 5}, message));
    assert_non_null(strstr(message, "is not the store"));
    assert_false(reopen_run(&f, (struct store_run){.epoch = 9, .goes_on = true, .seq = 2}, message));
    fixture_reopen(&f, NULL);
    assert_true(holds(&f, 1, 4));
    fixture_close(&f);
}

static void a_copy_that_is_put_back_is_noticed(void **state)
{
    (void)state;
    struct fixture f;
    char message[STORE_MESSAGE];
    open_plain(&f);
    changes(&f, 5);
    fixture_reopen(&f, NULL);
    changes(&f, 5);
    store_write_close(&f.writer);
    copy(&f, "backup", false);
    assert_true(reopen_run(&f, (struct store_run){.epoch = 2, .goes_on = true, .seq = 10}, message));
    changes(&f, 5);
    fixture_reopen(&f, NULL); /* a third */
    changes(&f, 5);
    store_write_close(&f.writer);
    copy(&f, "backup", true);
    fixture_reopen(&f, NULL); /* a fourth */
    assert_true(holds(&f, 1, 5));
    assert_true(holds(&f, 2, 10));
    assert_false(holds(&f, 2, 11));
    assert_false(holds(&f, 3, 15));
    assert_false(holds(&f, 3, 1));
    assert_true(holds(&f, 4, 10));
    changes(&f, 10);
    assert_false(holds(&f, 2, 11)); /* another change has this number by now */
    assert_true(holds(&f, 4, 20));
    fixture_close(&f);
}

/* What the opening itself changes belongs to the new run, also when it is stopped in the middle of it. */
static void a_run_begins_before_a_rebuild(void **state)
{
    (void)state;
    static const char *const twice = "\"plain\": {\"projector\": [\"n\"], \"unique\": [\"m\"]}";
    struct fixture f;
    char message[STORE_MESSAGE];
    open_plain(&f);
    for (int i = 0; i < 10; i++) {
        char id[8];
        snprintf(id, sizeof id, "%d", i);
        assert_int_equal(run_one(&f, CHANGE_INSERT, 0, "plain", id, CHANGE_ANY_VERSION, Q("{'n':1,'m':1}")),
                         ERROR_NONE);
    }
    store_write_close(&f.writer);
    config_free(f.config);
    f.config = fixture_config(f.directory, twice);
    struct store_run run = {.epoch = 2};
    assert_null(store_write_open(f.config, &run, message)); /* not unique */
    fixture_reopen(&f, "'plain': {'projector': ['n']}");
    assert_int_equal(store_write_seq(f.writer), 20);
    assert_true(holds(&f, 1, 10));
    assert_false(holds(&f, 1, 11));
    fixture_close(&f);
}

static void another_history_forgets_all(void **state)
{
    (void)state;
    struct fixture f;
    char message[STORE_MESSAGE];
    open_plain(&f);
    changes(&f, 2);
    fixture_reopen(&f, NULL);
    assert_true(reopen_run(&f, (struct store_run){.epoch = 77, .new_history = true}, message));
    assert_false(holds(&f, 1, 1));
    assert_false(holds(&f, 2, 2));
    assert_true(holds(&f, 77, 2));
    fixture_close(&f);
}

static void the_last_thousand_runs_are_known(void **state)
{
    (void)state;
    struct fixture f;
    open_plain(&f);
    changes(&f, 1);
    while (f.epoch < 2 + RUNS_MOST)
        fixture_reopen(&f, NULL);
    assert_false(holds(&f, 1, 0));
    assert_false(holds(&f, 2, 1));
    assert_true(holds(&f, 3, 1));
    assert_true(holds(&f, 2 + RUNS_MOST, 1));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restarts_keep_positions),
        cmocka_unit_test(a_run_goes_on_where_it_was),
        cmocka_unit_test(a_copy_that_is_put_back_is_noticed),
        cmocka_unit_test(a_run_begins_before_a_rebuild),
        cmocka_unit_test(another_history_forgets_all),
        cmocka_unit_test(the_last_thousand_runs_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
