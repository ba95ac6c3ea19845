/* What the actor of a change set may do, and what it learns. */

#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/store/access_tag.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

static const char collections[] =
    "'jobs': {'unique': ['name'], 'rights': {'owner': 'user', 'group': 'group',"
    "  'group_read': 'gr', 'group_write': 'gw', 'all_read': 'ar', 'all_write': 'aw'}},"
    "'plain': {}";

/* Each user is in the group of the same first letter: "ann" in "a"; "eve" in no group, "root" in
 * administrator. */
static void add_users(struct fixture *f)
{
    static const char *const users[] = {"ann", "bob", "cat", "dan", "eve", "root"};
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        char group[2] = {users[i][0], '\0'}, body[64];
        quoted_print(body, sizeof body, "{'groups':[%s%s%s]}", group[0] == 'e' ? "" : "\"",
                     group[0] == 'e'   ? ""
                     : group[0] == 'r' ? "administrator"
                                       : group,
                     group[0] == 'e' ? "" : "\"");
        assert_int_equal(run_one(f, CHANGE_INSERT, 0, "users", users[i], ANY, body), ERROR_NONE);
        assert_int_equal(run_one(f, CHANGE_INSERT, 0, "groups", group, ANY, Q("{'permissions':{}}")),
                         ERROR_NONE);
    }
}

static int set_up(void **state)
{
    struct fixture *fixture = fixture_new(collections);
    add_users(fixture);
    *state = fixture;
    return 0;
}

static void set_actor(struct fixture *f, const char *user)
{
    change_actor_add(&f->set, &(struct change_actor){.user = slice_text(user)});
}

static enum error_code run_as(struct fixture *f, const char *user, enum change_operation operation,
                              unsigned flags, const char *id, int64_t version, const char *body)
{
    set_begin(f, operation == CHANGE_REMOVE ? ANSWER_IDS : ANSWER_ID_VERSION);
    set_actor(f, user);
    set_add(f, operation, flags, "jobs", id, version, body);
    return set_run(f);
}

/* As an administrator does it. */
static void put(struct fixture *f, const char *id, const char *body)
{
    assert_int_equal(run_one(f, CHANGE_REPLACE, 0, "jobs", id, ANY, body), ERROR_NONE);
}

static enum error_code merge_as(struct fixture *f, const char *user, const char *id, const char *body)
{
    return run_as(f, user, CHANGE_MERGE, 0, id, ANY, body);
}

static void flags_allow_reading_and_changing(void **state)
{
    struct fixture *f = *state;
    enum { NONE = ERROR_NONE, GONE = ERROR_NOT_FOUND, NO = ERROR_FORBIDDEN };
    const struct {
        const char *body;
        int owner, member, other; /* ann, bob and eve */
    } cases[] = {
        {Q("{'user':'ann','group':'b'}"), NONE, GONE, GONE},
        {Q("{'user':'ann','group':'b','gr':true}"), NONE, NO, GONE},
        {Q("{'user':'ann','group':'b','gw':true}"), NONE, GONE, GONE},
        {Q("{'user':'ann','group':'b','gr':true,'gw':true}"), NONE, NONE, GONE},
        {Q("{'user':'ann','group':'b','ar':true}"), NONE, NO, NO},
        {Q("{'user':'ann','group':'b','aw':true}"), NONE, GONE, GONE},
        {Q("{'user':'ann','group':'b','ar':true,'aw':true}"), NONE, NONE, NONE},
        {Q("{'user':'ann','group':'b','ar':true,'gw':true}"), NONE, NONE, NO},
        {Q("{'user':'ann','group':'b','gr':true,'aw':true}"), NONE, NONE, GONE},
        {Q("{'user':'ann','group':'b','ar':1,'aw':'true'}"), NONE, GONE, GONE},
        {Q("{'user':'','group':'','gr':true,'gw':true}"), GONE, GONE, GONE},
        {Q("{'ar':true}"), NO, NO, NO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(f, "d", cases[i].body);
        assert_int_equal(merge_as(f, "ann", "d", Q("{'x':1}")), cases[i].owner);
        assert_int_equal(merge_as(f, "bob", "d", Q("{'x':2}")), cases[i].member);
        assert_int_equal(merge_as(f, "eve", "d", Q("{'x':3}")), cases[i].other);
        /* A set that names nobody may do all. */
        assert_int_equal(run_one(f, CHANGE_MERGE, 0, "jobs", "d", ANY, Q("{'x':4}")), ERROR_NONE);
    }
}

static void what_may_not_be_read_is_not_there(void **state)
{
    struct fixture *f = *state;
    char there[APPLY_MESSAGE];
    const struct {
        enum change_operation operation;
        unsigned flags;
        int64_t version;
        const char *body;
    } operations[] = {
        {CHANGE_MERGE, 0, ANY, Q("{'x':1}")},
        {CHANGE_MERGE, 0, 7, Q("{'x':1}")},
        {CHANGE_MERGE, 0, 0, Q("{'x':1}")},
        {CHANGE_MERGE, CHANGE_UPSERT, 7, Q("{'x':1}")},
        {CHANGE_PATCH, 0, ANY, Q("[{'op':'test','path':'/secret','value':2}]")},
        {CHANGE_PATCH, 0, ANY, Q("[{'op':'remove','path':'/nothing'}]")},
        {CHANGE_PATCH, 0, 3, "[]"},
        {CHANGE_REMOVE, 0, ANY, NULL},
        {CHANGE_REMOVE, 0, 7, NULL},
        {CHANGE_ASSERT, 0, ANY, NULL},
        {CHANGE_ASSERT, 0, 7, NULL},
    };
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        put(f, "d", Q("{'user':'ann','secret':1}"));
        assert_int_equal(run_as(f, "eve", operations[i].operation, operations[i].flags, "d",
                                operations[i].version, operations[i].body),
                         ERROR_NOT_FOUND);
        memcpy(there, f->result.message, sizeof there);
        assert_int_equal(run_one(f, CHANGE_REMOVE, 0, "jobs", "d", ANY, NULL), ERROR_NONE);
        assert_int_equal(run_as(f, "eve", operations[i].operation, operations[i].flags, "d",
                                operations[i].version, operations[i].body),
                         ERROR_NOT_FOUND);
        assert_string_equal(there, f->result.message);
    }
}

static void what_is_skipped_is_left_out(void **state)
{
    struct fixture *f = *state;
    put(f, "hidden", Q("{'user':'ann'}"));
    put(f, "open", Q("{'user':'ann','ar':true,'aw':true}"));
    set_begin(f, ANSWER_IDS);
    set_actor(f, "eve");
    set_add(f, CHANGE_MERGE, CHANGE_SKIP_MISSING, "jobs", "hidden", ANY, Q("{'x':1}"));
    set_add(f, CHANGE_MERGE, CHANGE_SKIP_MISSING, "jobs", "open", ANY, Q("{'x':1}"));
    set_add(f, CHANGE_REMOVE, CHANGE_SKIP_MISSING, "jobs", "hidden", 5, NULL);
    set_add(f, CHANGE_REMOVE, CHANGE_SKIP_MISSING, "jobs", "none", ANY, NULL);
    set_add(f, CHANGE_REMOVE, CHANGE_SKIP_MISSING, "jobs", "open", ANY, NULL);
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_answer(f, Q("{'_ids':['open','open']}"));
    assert_string_equal(document(f, "jobs", "hidden"), Q("{'_id':'hidden','_version':0,'user':'ann'}"));
}

static void ids_and_unique_values_are_taken_by_whoever_has_them(void **state)
{
    struct fixture *f = *state;
    put(f, "hidden", Q("{'user':'ann','name':'n'}"));
    assert_int_equal(run_as(f, "eve", CHANGE_INSERT, 0, "hidden", ANY, "{}"), ERROR_EXISTS);
    char message[APPLY_MESSAGE];
    memcpy(message, f->result.message, sizeof message);
    /* Not even whether the contents are the same. */
    assert_int_equal(
        run_as(f, "eve", CHANGE_INSERT, CHANGE_SKIP_SAME, "hidden", ANY, Q("{'user':'ann','name':'n'}")),
        ERROR_EXISTS);
    assert_string_equal(message, f->result.message);
    assert_int_equal(run_as(f, "eve", CHANGE_INSERT, 0, "new", ANY, Q("{'name':'n'}")), ERROR_EXISTS);
    assert_null(strstr(f->result.message, "hidden"));
    assert_int_equal(run_as(f, "eve", CHANGE_ASSERT, CHANGE_ABSENT, "hidden", ANY, NULL), ERROR_EXISTS);
    assert_int_equal(run_as(f, "eve", CHANGE_MERGE, CHANGE_UPSERT, "hidden", ANY, "{}"), ERROR_NOT_FOUND);
    assert_int_equal(run_as(f, "eve", CHANGE_REPLACE, 0, "hidden", ANY, "{}"), ERROR_NOT_FOUND);
}

static void only_the_owner_says_who_may(void **state)
{
    struct fixture *f = *state;
    const char *const changes[] = {
        Q("{'user':'bob'}"), Q("{'user':null}"), Q("{'group':'b'}"), Q("{'group':null}"),
        Q("{'gr':null}"),    Q("{'gw':1}"),      Q("{'ar':false}"),  Q("{'aw':null}"),
    };
    static const char *const fields[] = {"user", "user", "group", "group", "gr", "gw", "ar", "aw"};
    const char *const body = Q("{'user':'ann','group':'a','gr':true,'gw':true,'ar':true,'aw':true}");
    char named[64];
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        put(f, "d", body);
        quoted_print(named, sizeof named, "Field '%s'", fields[i]);
        assert_int_equal(merge_as(f, "bob", "d", changes[i]), ERROR_FORBIDDEN);
        assert_non_null(strstr(f->result.message, named));
        assert_int_equal(run_as(f, "bob", CHANGE_MERGE, CHANGE_UPSERT, "d", ANY, changes[i]),
                         ERROR_FORBIDDEN);
        if (strcmp(changes[i], Q("{'group':'b'}")) != 0)
            assert_int_equal(merge_as(f, "ann", "d", changes[i]), ERROR_NONE);
    }
    put(f, "d", body);
    /* Named again as they are, beside something else, they are not changed. */
    assert_int_equal(merge_as(f, "bob", "d", Q("{'user':'a\\u006en','gr':true,'x':1}")), ERROR_NONE);
    assert_int_equal(run_as(f, "bob", CHANGE_PATCH, 0, "d", ANY, Q("[{'op':'remove','path':'/ar'}]")),
                     ERROR_FORBIDDEN);
    assert_int_equal(run_as(f, "bob", CHANGE_PATCH, 0, "d", ANY, Q("[{'op':'add','path':'/y','value':1}]")),
                     ERROR_NONE);
    assert_int_equal(run_as(f, "bob", CHANGE_REMOVE, 0, "d", ANY, NULL), ERROR_NONE);
}

static void a_group_that_is_named_is_ones_own(void **state)
{
    struct fixture *f = *state;
    put(f, "d", Q("{'user':'ann','group':'z'}"));
    assert_int_equal(merge_as(f, "ann", "d", Q("{'x':1}")), ERROR_NONE); /* it had that group before */
    assert_int_equal(merge_as(f, "ann", "d", Q("{'group':'b'}")), ERROR_FORBIDDEN);
    assert_non_null(strstr(f->result.message, Q("Field 'group'")));
    assert_int_equal(merge_as(f, "ann", "d", Q("{'group':'a'}")), ERROR_NONE);
    assert_int_equal(merge_as(f, "ann", "d", Q("{'group':'z'}")), ERROR_FORBIDDEN);
    assert_int_equal(merge_as(f, "ann", "d", Q("{'group':''}")), ERROR_NONE);
    assert_int_equal(merge_as(f, "ann", "d", Q("{'group':['b']}")), ERROR_NONE); /* names none */
    assert_int_equal(run_as(f, "ann", CHANGE_INSERT, 0, "n", ANY, Q("{'group':'b'}")), ERROR_FORBIDDEN);
    assert_int_equal(run_as(f, "ann", CHANGE_INSERT, 0, "n", ANY, Q("{'group':'a'}")), ERROR_NONE);
    assert_int_equal(run_as(f, "eve", CHANGE_INSERT, 0, "e", ANY, Q("{'group':'e'}")), ERROR_FORBIDDEN);
}

static void what_one_makes_is_ones_own(void **state)
{
    struct fixture *f = *state;
    static const enum change_operation makes[] = {CHANGE_INSERT, CHANGE_REPLACE, CHANGE_MERGE};
    for (size_t i = 0; i < sizeof makes / sizeof *makes; i++) {
        enum change_operation make = makes[i];
        assert_int_equal(run_as(f, "eve", make, CHANGE_UPSERT, "d", ANY, Q("{'x':1}")), ERROR_NONE);
        assert_non_null(strstr(document(f, "jobs", "d"), Q(",'x':1,'user':'eve'}")));
        assert_int_equal(merge_as(f, "eve", "d", Q("{'user':'ann'}")), ERROR_NONE); /* given away */
        assert_int_equal(merge_as(f, "eve", "d", Q("{'user':'eve'}")), ERROR_NOT_FOUND);
        assert_int_equal(run_as(f, "ann", CHANGE_REMOVE, 0, "d", ANY, NULL), ERROR_NONE);
        assert_int_equal(run_as(f, "eve", make, CHANGE_UPSERT, "d", ANY, Q("{'user':'ann'}")),
                         ERROR_FORBIDDEN);
        assert_non_null(strstr(f->result.message, Q("Field 'user'")));
        assert_int_equal(run_as(f, "eve", make, CHANGE_UPSERT, "d", ANY, Q("{'user':['eve']}")),
                         ERROR_FORBIDDEN);
        /* With the head that a stored document has, too. */
        assert_int_equal(run_as(f, "eve", make, CHANGE_UPSERT, "d", ANY, Q("{'_id':'d','_version':0}")),
                         ERROR_NONE);
        assert_non_null(strstr(document(f, "jobs", "d"), Q(",'user':'eve'}")));
        assert_int_equal(run_as(f, "eve", CHANGE_REMOVE, 0, "d", ANY, NULL), ERROR_NONE);
    }
    assert_int_equal(run_as(f, "eve", CHANGE_INSERT, 0, "d", ANY, Q("{'user':null}")), ERROR_FORBIDDEN);
}

static void all_rights_are_not_limited(void **state)
{
    struct fixture *f = *state;
    put(f, "d", Q("{'user':'ann','group':'a'}"));
    set_begin(f, ANSWER_LIST);
    set_actor(f, "root");
    set_add(f, CHANGE_MERGE, 0, "jobs", "d", ANY, Q("{'user':'bob','group':'b'}"));
    set_add(f, CHANGE_INSERT, 0, "jobs", "own", ANY, Q("{'x':1}"));
    set_add(f, CHANGE_INSERT, 0, "jobs", "named", ANY, Q("{'user':'ann'}"));
    set_add(f, CHANGE_INSERT, 0, "jobs", "nobodys", ANY, Q("{'user':null}"));
    set_add(f, CHANGE_INSERT, 0, "plain", "p", ANY, "{}");
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_string_equal(document(f, "jobs", "own"), Q("{'_id':'own','_version':0,'x':1,'user':'root'}"));
    assert_string_equal(document(f, "jobs", "nobodys"), Q("{'_id':'nobodys','_version':0,'user':null}"));
    assert_string_equal(document(f, "plain", "p"), Q("{'_id':'p','_version':0}"));
}

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

/* ---- who acts: as the store knows it at the set's place in the order ---- */

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

static void run(struct fixture *f, enum change_operation operation, const char *collection, const char *id,
                const char *body)
{
    assert_int_equal(run_one(f, operation, 0, collection, id, ANY, body), ERROR_NONE);
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

/* ---- taking over ---- */

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
    fixture_reopen(f, collections);
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

/* Whether a hidden document has the id is not told by what is wrong with the changes. */
static void a_wrong_change_says_nothing_of_what_is_hidden(void **state)
{
    struct fixture *f = *state;
    put(f, "hidden", Q("{'user':'ann'}"));
    for (int i = 0; i < 2; i++) {
        const char *id = i ? "hidden" : "absent";
        assert_int_equal(run_as(f, "eve", CHANGE_MERGE, CHANGE_UPSERT, id, ANY, Q("{'_id':'x'}")),
                         ERROR_INVALID);
        assert_int_equal(run_as(f, "eve", CHANGE_MERGE, 0, id, ANY, Q("{'_id':'x'}")), ERROR_INVALID);
        assert_int_equal(run_as(f, "eve", CHANGE_MERGE, CHANGE_UPSERT, id, 3, "{}"), ERROR_NOT_FOUND);
    }
}

static void append_tag(struct buffer *out, const struct fixture *f, const char *text)
{
    struct json json = {0};
    assert_true(json_parse(&json, text, strlen(text)));
    buffer_clear(out);
    access_tag_append(out, config_collection(f->config, SLICE("jobs")), json_root(&json));
    json_free(&json);
}

static void tags_tell_sight_from_the_rest(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {Q("{'user':'u','ar':true}"), Q("{'user':'u','ar':true,'aw':true,'gw':true}"), true},
        {Q("{'user':'u'}"), Q("{'user':'u','ar':true}"), false},
        {Q("{'user':'u'}"), Q("{'user':'v'}"), false},
        {Q("{'user':'u'}"), Q("{'user':'uu'}"), false},
        {Q("{'user':'u','group':'g','gr':true}"), Q("{'user':'u','group':'g','gw':true}"), false},
        {Q("{'user':'u','group':'g','gw':true}"), Q("{'user':'u','group':'g'}"), true},
    };
    struct buffer a = {0}, b = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        append_tag(&a, f, cases[i].a);
        append_tag(&b, f, cases[i].b);
        assert_int_equal(access_tag_same_sight(buffer_slice(&a), buffer_slice(&b)), cases[i].same);
        assert_int_equal(access_tag_same_sight(buffer_slice(&b), buffer_slice(&a)), cases[i].same);
    }
    struct access_tag tag;
    assert_true(access_tag_read(buffer_slice(&a), &tag));
    assert_int_equal(tag.flags, ACCESS_IN_SYNC | ACCESS_GROUP_WRITE);
    assert_false(access_tag_same_sight(buffer_slice(&a), SLICE("")));
    assert_false(access_tag_same_sight(SLICE(""), buffer_slice(&a)));
    assert_true(access_tag_same_sight(SLICE(""), (struct slice){0}));
    buffer_free(&a);
    buffer_free(&b);
}

/* Documents that were stored before a right to change was declared. */
static void rights_that_are_declared_later_count(void **state)
{
    struct fixture *f = *state;
    static const char before[] = "'jobs': {'rights': {'owner': 'user', 'all_read': 'ar'}}, 'plain': {}";
    static const char after[] = "'jobs': {'rights': {'owner': 'user', 'all_read': 'ar', "
                                "'all_write': 'aw'}}, 'plain': {}";
    fixture_reopen(f, before);
    put(f, "d", Q("{'user':'ann','ar':true,'aw':true}"));
    assert_int_equal(merge_as(f, "eve", "d", Q("{'x':1}")), ERROR_FORBIDDEN);
    fixture_reopen(f, after);
    assert_int_equal(merge_as(f, "eve", "d", Q("{'x':1}")), ERROR_NONE);
    fixture_reopen(f, before);
    assert_int_equal(merge_as(f, "eve", "d", Q("{'x':2}")), ERROR_FORBIDDEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(flags_allow_reading_and_changing, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(what_may_not_be_read_is_not_there, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(what_is_skipped_is_left_out, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(ids_and_unique_values_are_taken_by_whoever_has_them, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(only_the_owner_says_who_may, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_group_that_is_named_is_ones_own, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(what_one_makes_is_ones_own, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(all_rights_are_not_limited, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(rights_are_those_of_the_moment, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(an_actor_must_be_there, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_remembered_answer_is_no_way_around_that, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(its_session_must_hold, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(its_permissions_must_be_held, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(the_place_in_the_order_decides, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(groups_are_those_of_the_moment, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(an_id_is_not_taken_over, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(what_is_nobodys_is_not_taken_over_either, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(it_is_forgotten_when_the_owner_has_it_again, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(nor_within_one_set, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(it_is_known_as_long_as_the_change_log_has_it, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_change_says_nothing_of_what_is_hidden, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(malformed_actors_are_refused, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(tags_tell_sight_from_the_rest, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(rights_that_are_declared_later_count, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
