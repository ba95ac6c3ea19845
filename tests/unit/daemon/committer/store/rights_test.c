/* What the actor of a change set may do, and what it learns. */

#include "rights_fixture.h"

#include "shared/base/memory.h"
#include "shared/store/access_tag.h"

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
#define CASE(name) cmocka_unit_test_setup_teardown(name, rights_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(flags_allow_reading_and_changing),
        CASE(what_may_not_be_read_is_not_there),
        CASE(what_is_skipped_is_left_out),
        CASE(ids_and_unique_values_are_taken_by_whoever_has_them),
        CASE(only_the_owner_says_who_may),
        CASE(a_group_that_is_named_is_ones_own),
        CASE(what_one_makes_is_ones_own),
        CASE(all_rights_are_not_limited),
        CASE(a_wrong_change_says_nothing_of_what_is_hidden),
        CASE(tags_tell_sight_from_the_rest),
        CASE(rights_that_are_declared_later_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
