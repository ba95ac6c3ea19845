/* Whose the ids of removed documents are, for as long as that is known. */

#include "rights_fixture.h"

static void put_anns(struct fixture *f)
{
    put(f, "d", Q("{'user':'ann','group':'b','gr':true,'gw':true}"));
}

static void an_id_is_not_taken_over(void **state)
{
    struct fixture *f = *state;
    put_anns(f);
    assert_int_equal(merge_as(f, "bob", "d", Q("{'user':'bob'}")), ERROR_FORBIDDEN);
    assert_int_equal(run_as(f, "bob", CHANGE_REMOVE, 0, "d", ANY, NULL), ERROR_NONE);
    assert_int_equal(run_as(f, "bob", CHANGE_INSERT, 0, "d", ANY, "{}"), ERROR_FORBIDDEN);
    assert_int_equal(run_as(f, "eve", CHANGE_REPLACE, 0, "d", ANY, "{}"), ERROR_FORBIDDEN);
    assert_int_equal(run_as(f, "eve", CHANGE_MERGE, CHANGE_UPSERT, "d", ANY, "{}"), ERROR_FORBIDDEN);
    fixture_reopen(f, NULL);
    assert_int_equal(run_as(f, "bob", CHANGE_INSERT, 0, "d", ANY, "{}"), ERROR_FORBIDDEN);
    assert_int_equal(run_as(f, "bob", CHANGE_INSERT, 0, "other", ANY, "{}"), ERROR_NONE);
    assert_int_equal(run_as(f, "ann", CHANGE_INSERT, 0, "d", ANY, "{}"), ERROR_NONE);
    /* What its owner, or an administrator, removes is free. */
    assert_int_equal(run_as(f, "ann", CHANGE_REMOVE, 0, "d", ANY, NULL), ERROR_NONE);
    assert_int_equal(run_as(f, "bob", CHANGE_INSERT, 0, "d", ANY, "{}"), ERROR_NONE);
    assert_int_equal(run_as(f, "root", CHANGE_REMOVE, 0, "d", ANY, NULL), ERROR_NONE);
    assert_int_equal(run_as(f, "eve", CHANGE_INSERT, 0, "d", ANY, "{}"), ERROR_NONE);
}

static void what_is_nobodys_is_not_taken_over_either(void **state)
{
    struct fixture *f = *state;
    const char *const owners[] = {"null", Q("''"), "5"};
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
        char body[128];
        quoted_print(body, sizeof body, "{'user':%s,'ar':true,'aw':true}", owners[i]);
        put(f, "d", body);
        assert_int_equal(run_as(f, "bob", CHANGE_REMOVE, 0, "d", ANY, NULL), ERROR_NONE);
        assert_int_equal(run_as(f, "bob", CHANGE_INSERT, 0, "d", ANY, "{}"), ERROR_FORBIDDEN);
    }
    assert_int_equal(run_as(f, "root", CHANGE_INSERT, 0, "d", ANY, "{}"), ERROR_NONE);
}

/* Nor is it remembered for longer than it means something. */
static void it_is_forgotten_when_the_owner_has_it_again(void **state)
{
    struct fixture *f = *state;
    put_anns(f);
    assert_int_equal(run_as(f, "bob", CHANGE_REMOVE, 0, "d", ANY, NULL), ERROR_NONE);
    fixture_reopen(f, "'jobs': {}, 'plain': {}");
    put_anns(f);
    fixture_reopen(f, rights_collections);
    assert_int_equal(run_as(f, "ann", CHANGE_REMOVE, 0, "d", ANY, NULL), ERROR_NONE);
    assert_int_equal(run_as(f, "bob", CHANGE_INSERT, 0, "d", ANY, "{}"), ERROR_NONE);
}

static void nor_within_one_set(void **state)
{
    struct fixture *f = *state;
    put_anns(f);
    set_begin(f, ANSWER_LIST);
    set_actor(f, "bob");
    set_add(f, CHANGE_REMOVE, 0, "jobs", "d", ANY, NULL);
    set_add(f, CHANGE_INSERT, 0, "jobs", "d", ANY, Q("{'user':'bob'}"));
    assert_int_equal(set_run(f), ERROR_FORBIDDEN);
    assert_non_null(document(f, "jobs", "d"));
    /* An administrator may do what it likes, also with what somebody else has removed. */
    assert_int_equal(run_as(f, "bob", CHANGE_REMOVE, 0, "d", ANY, NULL), ERROR_NONE);
    assert_int_equal(run_as(f, "root", CHANGE_INSERT, 0, "d", ANY, Q("{'user':'eve'}")), ERROR_NONE);
    assert_int_equal(run_as(f, "eve", CHANGE_REMOVE, 0, "d", ANY, NULL), ERROR_NONE);
    assert_int_equal(run_as(f, "bob", CHANGE_INSERT, 0, "d", ANY, "{}"), ERROR_NONE);
}

static void it_is_known_as_long_as_the_change_log_has_it(void **state)
{
    struct fixture *f = *state;
    f->config->change_log_entries = 10;
    put_anns(f);
    assert_int_equal(run_as(f, "bob", CHANGE_REMOVE, 0, "d", ANY, NULL), ERROR_NONE);
    for (int i = 0; i < 9; i++) {
        char body[32];
        quoted_print(body, sizeof body, "{'n':%d}", i);
        run(f, CHANGE_REPLACE, "plain", "p", body);
    }
    assert_int_equal(run_as(f, "bob", CHANGE_INSERT, 0, "d", ANY, "{}"), ERROR_FORBIDDEN);
    for (int i = 9; i < 40; i++) {
        char body[32];
        quoted_print(body, sizeof body, "{'n':%d}", i);
        run(f, CHANGE_REPLACE, "plain", "p", body);
    }
    assert_int_equal(run_as(f, "bob", CHANGE_INSERT, 0, "d", ANY, "{}"), ERROR_NONE);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rights_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(an_id_is_not_taken_over),
        CASE(what_is_nobodys_is_not_taken_over_either),
        CASE(it_is_forgotten_when_the_owner_has_it_again),
        CASE(nor_within_one_set),
        CASE(it_is_known_as_long_as_the_change_log_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
