/* Who acts in a change set: as the store knows it at the set's place in the order. */

#include "rights_fixture.h"

/* The rights that count are those which earlier operations of the set, and earlier sets, left. */
static void rights_are_those_of_the_moment(void **state)
{
    struct fixture *f = *state;
    put(f, "d", Q("{'user':'ann','ar':true,'aw':true}"));
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    set_begin(f, ANSWER_IDS);
    set_actor(f, "ann");
    set_add(f, CHANGE_MERGE, 0, "jobs", "d", ANY, Q("{'aw':false}"));
    assert_int_equal(set_apply(f), ERROR_NONE);
    set_begin(f, ANSWER_IDS);
    set_actor(f, "eve");
    set_add(f, CHANGE_MERGE, 0, "jobs", "d", ANY, Q("{'x':1}"));
    assert_int_equal(set_apply(f), ERROR_FORBIDDEN);
    set_begin(f, ANSWER_IDS);
    set_actor(f, "ann");
    set_add(f, CHANGE_MERGE, 0, "jobs", "d", ANY, Q("{'user':'bob','ar':false}"));
    set_add(f, CHANGE_MERGE, 0, "jobs", "d", ANY, Q("{'x':1}"));
    assert_int_equal(set_apply(f), ERROR_NOT_FOUND); /* given away by the operation before */
    assert_int_equal(f->result.at_fault, 2);
    /* An actor is of its own set. */
    set_begin(f, ANSWER_IDS);
    set_add(f, CHANGE_MERGE, 0, "jobs", "d", ANY, Q("{'x':2}"));
    assert_int_equal(set_apply(f), ERROR_NONE);
    assert_int_equal(store_write_commit(f->writer), ERROR_NONE);
    /* And of the operations after it. */
    set_begin(f, ANSWER_IDS);
    set_add(f, CHANGE_MERGE, 0, "jobs", "d", ANY, Q("{'x':3}"));
    set_actor(f, "ann");
    set_add(f, CHANGE_MERGE, 0, "jobs", "d", ANY, Q("{'x':4}"));
    set_actor(f, "eve");
    set_add(f, CHANGE_MERGE, 0, "jobs", "d", ANY, Q("{'x':5}"));
    assert_int_equal(set_run(f), ERROR_FORBIDDEN);
    assert_int_equal(f->result.at_fault, 3);
}

static enum error_code run_actor(struct fixture *f, struct slice user, struct slice body,
                                 const char *collection)
{
    set_begin(f, ANSWER_IDS);
    struct change change = {CHANGE_ACTOR, 0, ANY, slice_text(collection), user, body};
    change_set_add(&f->set, &change);
    return set_run(f);
}

static void malformed_actors_are_refused(void **state)
{
    struct fixture *f = *state;
    char many[300];
    memset(many, 'x', sizeof many);
    assert_int_equal(run_actor(f, SLICE("ann"), SLICE("\0\0"), NULL), ERROR_NONE);
    assert_int_equal(run_actor(f, slice_of(many, 256), SLICE("\0\0"), NULL), ERROR_UNAUTHORIZED);
    assert_int_equal(run_actor(f, slice_of(many, 257), SLICE("\0\0"), NULL), ERROR_INVALID);
    assert_int_equal(run_actor(f, SLICE(""), SLICE("\0\0"), NULL), ERROR_INVALID);
    assert_int_equal(run_actor(f, SLICE("ann"), SLICE("\0\0"), "jobs"), ERROR_INVALID);
    static const struct slice wrong[] = {
        SLICE(""),
        SLICE("\1"),
        SLICE("\1\0"),
        SLICE("\2\0a"),
        SLICE("\1\0a\1\0"),
        SLICE("\1\0a\0"),
        SLICE("\xff\xff"
              "a"),
        SLICE("\1\0a\0\0"),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(run_actor(f, SLICE("ann"), wrong[i], NULL), ERROR_INVALID);
    memcpy(many, "\x01\x01", 2);
    assert_int_equal(run_actor(f, SLICE("ann"), slice_of(many, 2 + 257), NULL), ERROR_INVALID);
    memcpy(many, "\x00\x01", 2);
    assert_int_equal(run_actor(f, SLICE("ann"), slice_of(many, 2 + 256), NULL), ERROR_UNAUTHORIZED);
}

static void begin_as(struct fixture *f, const char *user, const char *session, const char *permission,
                     bool administrator)
{
    struct slice name = slice_text(permission ? permission : "");
    set_begin(f, ANSWER_IDS);
    change_actor_add(&f->set, &(struct change_actor){.user = slice_text(user),
                                                     .session = slice_text(session),
                                                     .permissions = &name,
                                                     .permission_count = permission != NULL,
                                                     .administrator = administrator});
    set_add(f, CHANGE_REPLACE, 0, "plain", "p", ANY, Q("{'n':1}"));
}

static void an_actor_must_be_there(void **state)
{
    struct fixture *f = *state;
    begin_as(f, "ann", "", NULL, false);
    assert_int_equal(set_run(f), ERROR_NONE);
    run(f, CHANGE_REMOVE, "users", "ann", NULL);
    begin_as(f, "ann", "", NULL, false);
    assert_int_equal(set_run(f), ERROR_UNAUTHORIZED);
    assert_string_equal(f->result.message, "Your account was removed");
    assert_int_equal(run_one(f, CHANGE_INSERT, CHANGE_TAKE_OVER, "users", "ann", ANY, Q("{'groups':[]}")),
                     ERROR_NONE);
    begin_as(f, "ann", "", NULL, false);
    assert_int_equal(set_run(f), ERROR_NONE);
}

static void a_remembered_answer_is_no_way_around_that(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 2; round++) {
        begin_as(f, "ann", "", NULL, false);
        set_add(f, CHANGE_ONCE, 0, "plain.replace", "key", 5000, "ann");
        assert_int_equal(set_run(f), ERROR_NONE);
    }
    begin_as(f, "ann", "no session", NULL, false);
    set_add(f, CHANGE_ONCE, 0, "plain.replace", "key", 5000, "ann");
    assert_int_equal(set_run(f), ERROR_UNAUTHORIZED);
    begin_as(f, "ann", "", NULL, true);
    set_add(f, CHANGE_ONCE, 0, "plain.replace", "key", 5000, "ann");
    assert_int_equal(set_run(f), ERROR_FORBIDDEN);
    assert_int_equal(f->result.at_fault, 0);
}

static void its_session_must_hold(void **state)
{
    struct fixture *f = *state;
    run(f, CHANGE_INSERT, "sessions", "s", Q("{'user':'ann'}"));
    begin_as(f, "ann", "s", NULL, false);
    assert_int_equal(set_run(f), ERROR_NONE);
    begin_as(f, "bob", "s", NULL, false);
    assert_int_equal(set_run(f), ERROR_UNAUTHORIZED);
    run(f, CHANGE_MERGE, "sessions", "s", Q("{'ended':5}"));
    begin_as(f, "ann", "s", NULL, false);
    assert_int_equal(set_run(f), ERROR_UNAUTHORIZED);
    assert_string_equal(f->result.message, "Your session has ended");
    run(f, CHANGE_REMOVE, "sessions", "s", NULL);
    begin_as(f, "ann", "s", NULL, false);
    assert_int_equal(set_run(f), ERROR_UNAUTHORIZED);
    begin_as(f, "ann", "never", NULL, false);
    assert_int_equal(set_run(f), ERROR_UNAUTHORIZED);
    assert_null(document(f, "sessions", "never"));
}

static void its_permissions_must_be_held(void **state)
{
    struct fixture *f = *state;
    begin_as(f, "ann", "", "modify_options", false);
    assert_int_equal(set_run(f), ERROR_FORBIDDEN);
    assert_string_equal(f->result.message, "You need the permission modify_options");
    run(f, CHANGE_MERGE, "groups", "a", Q("{'permissions':{'modify_options':true}}"));
    begin_as(f, "ann", "", "modify_options", false);
    assert_int_equal(set_run(f), ERROR_NONE);
    begin_as(f, "ann", "", "modify_options", true);
    assert_int_equal(set_run(f), ERROR_FORBIDDEN);
    begin_as(f, "root", "", "modify_options", true);
    assert_int_equal(set_run(f), ERROR_NONE);
    begin_as(f, "root", "", "never declared", false);
    assert_int_equal(set_run(f), ERROR_FORBIDDEN);
    run(f, CHANGE_REMOVE, "groups", "a", NULL);
    begin_as(f, "ann", "", "modify_options", false);
    assert_int_equal(set_run(f), ERROR_FORBIDDEN);
    run(f, CHANGE_MERGE, "users", "root", Q("{'groups':[]}"));
    begin_as(f, "root", "", "modify_options", false);
    assert_int_equal(set_run(f), ERROR_FORBIDDEN);
}

/* What a set of the same transaction withdrew counts, and what was taken back does not. */
static void the_place_in_the_order_decides(void **state)
{
    struct fixture *f = *state;
    run(f, CHANGE_MERGE, "groups", "a", Q("{'permissions':{'modify_options':true}}"));
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    begin_as(f, "ann", "", "modify_options", false);
    assert_int_equal(set_apply(f), ERROR_NONE);
    set_begin(f, ANSWER_IDS);
    set_add(f, CHANGE_MERGE, 0, "users", "ann", ANY, Q("{'groups':[]}"));
    assert_int_equal(set_apply(f), ERROR_NONE);
    begin_as(f, "ann", "", "modify_options", false);
    assert_int_equal(set_apply(f), ERROR_FORBIDDEN);
    store_write_abort(f->writer);
    begin_as(f, "ann", "", "modify_options", false);
    assert_int_equal(set_run(f), ERROR_NONE);
    /* A set that withdraws its own is a whole. */
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    begin_as(f, "ann", "", "modify_options", false);
    set_add(f, CHANGE_MERGE, 0, "users", "ann", ANY, Q("{'groups':[]}"));
    set_add(f, CHANGE_REPLACE, 0, "plain", "p", ANY, Q("{'n':2}"));
    assert_int_equal(set_apply(f), ERROR_NONE);
    assert_int_equal(store_write_commit(f->writer), ERROR_NONE);
    begin_as(f, "ann", "", "modify_options", false);
    assert_int_equal(set_run(f), ERROR_FORBIDDEN);
}

/* The groups are those of the moment, too. */
static void groups_are_those_of_the_moment(void **state)
{
    struct fixture *f = *state;
    put(f, "d", Q("{'user':'ann','group':'b','gr':true,'gw':true}"));
    assert_int_equal(merge_as(f, "bob", "d", Q("{'x':1}")), ERROR_NONE);
    assert_int_equal(merge_as(f, "eve", "d", Q("{'x':2}")), ERROR_NOT_FOUND);
    run(f, CHANGE_MERGE, "users", "eve", Q("{'groups':['b']}"));
    run(f, CHANGE_MERGE, "users", "bob", Q("{'groups':[]}"));
    assert_int_equal(merge_as(f, "bob", "d", Q("{'x':3}")), ERROR_NOT_FOUND);
    assert_int_equal(merge_as(f, "eve", "d", Q("{'x':4}")), ERROR_NONE);
    run(f, CHANGE_REMOVE, "groups", "b", NULL);
    assert_int_equal(merge_as(f, "eve", "d", Q("{'x':5}")), ERROR_NOT_FOUND);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rights_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(rights_are_those_of_the_moment), CASE(malformed_actors_are_refused),
        CASE(an_actor_must_be_there),         CASE(a_remembered_answer_is_no_way_around_that),
        CASE(its_session_must_hold),          CASE(its_permissions_must_be_held),
        CASE(the_place_in_the_order_decides), CASE(groups_are_those_of_the_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
