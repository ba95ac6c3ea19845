/* What each operation of a change set does. */

#include "store_fixture.h"

#include <stdio.h>

#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

static uint64_t seq_now(struct fixture *f)
{
    return store_write_seq(f->writer);
}

static void insert_keeps_what_was_given(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "v1", ANY,
                             Q("{ 'name' : 'TMV', '_id':'other', '_version':17, '\\u005fid\\u0031': 1,"
                               " 'n': 1.50, 'big': 9007199254740993, 'list': [ 1, {'a' : null} ] }")),
                     ERROR_NONE);
    assert_answer(f, Q("{'_id':'v1','_version':0}"));
    assert_int_equal(f->result.seq, 1);
    assert_string_equal(document(f, "viruses", "v1"),
                        Q("{'_id':'v1','_version':0,'name':'TMV','\\u005fid\\u0031':1,'n':1.50,"
                          "'big':9007199254740993,'list':[1,{'a':null}]}"));
    assert_string_equal(minimal(f, "viruses", "v1"), Q("{'_id':'v1','_version':0,'name':'TMV'}"));
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "p", ANY, "{}"), ERROR_NONE);
    assert_string_equal(document(f, "plain", "p"), Q("{'_id':'p','_version':0}"));
    assert_string_equal(minimal(f, "plain", "p"), Q("{'_id':'p','_version':0}"));
}

static void changes_are_told(void **state)
{
    struct fixture *f = *state;
    size_t count;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "v1", ANY, Q("{'name':'TMV','x':1}")),
                     ERROR_NONE);
    const struct applied_change *changes = store_write_changes(f->writer, &count);
    assert_int_equal(count, 1);
    assert_int_equal(changes[0].seq, 1);
    assert_int_equal(changes[0].version, 0);
    assert_int_equal(changes[0].collection, fixture_collection(f, "viruses"));
    assert_false(changes[0].removed);
    assert_true(slice_equal(changes[0].id, SLICE("v1")));
    assert_int_equal(changes[0].tag_before.length, 0);
    assert_true(changes[0].tag_after.length > 0);
    assert_true(slice_equal(changes[0].minimal, slice_text(Q("{'_id':'v1','_version':0,'name':'TMV'}"))));

    assert_int_equal(run_one(f, CHANGE_REMOVE, 0, "viruses", "v1", ANY, NULL), ERROR_NONE);
    changes = store_write_changes(f->writer, &count);
    assert_int_equal(count, 1);
    assert_true(changes[0].removed);
    assert_int_equal(changes[0].seq, 2);
    assert_true(changes[0].tag_before.length > 0);
    assert_int_equal(changes[0].tag_after.length, 0);
    assert_null(changes[0].minimal.data);
}

static void insert_refuses_what_is_there(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "a", ANY, Q("{'x':1}")), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "a", ANY, Q("{'x':1}")), ERROR_EXISTS);
    assert_non_null(strstr(f->result.message, Q("'a'")));
    assert_int_equal(run_one(f, CHANGE_INSERT, CHANGE_SKIP_SAME, "plain", "a", ANY, Q("{'\\u0078': 1}")),
                     ERROR_NONE);
    assert_int_equal(seq_now(f), 1);
    assert_int_equal(run_one(f, CHANGE_INSERT, CHANGE_SKIP_SAME, "plain", "a", ANY, Q("{'x':1.0}")),
                     ERROR_EXISTS);
    assert_int_equal(run_one(f, CHANGE_INSERT, CHANGE_SKIP_SAME, "plain", "a", ANY, Q("{'x':2}")),
                     ERROR_EXISTS);
    assert_string_equal(document(f, "plain", "a"), Q("{'_id':'a','_version':0,'x':1}"));
}

static void replace_inserts_or_replaces(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_REPLACE, 0, "plain", "a", 0, Q("{'x':1}")), ERROR_NOT_FOUND);
    assert_int_equal(run_one(f, CHANGE_REPLACE, 0, "plain", "a", ANY, Q("{'x':1}")), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_REPLACE, 0, "plain", "a", 1, Q("{'y':1}")), ERROR_CONFLICT);
    assert_int_equal(run_one(f, CHANGE_REPLACE, 0, "plain", "a", 0, Q("{'y':1}")), ERROR_NONE);
    assert_answer(f, Q("{'_id':'a','_version':1}"));
    assert_string_equal(document(f, "plain", "a"), Q("{'_id':'a','_version':1,'y':1}"));
}

static void other_digits_are_a_change(void **state)
{
    struct fixture *f = *state;
    const struct {
        enum change_operation operation;
        const char *body, *numbers;
    } changes[] = {
        {CHANGE_INSERT, Q("{'n':1.50,'o':{'l':[0,1]}}"), Q("'n':1.50,'o':{'l':[0,1]}")},
        {CHANGE_MERGE, Q("{'n':1.5}"), Q("'n':1.5,'o':{'l':[0,1]}")},
        {CHANGE_MERGE, Q("{'o':{'l':[-0,1]}}"), Q("'n':1.5,'o':{'l':[-0,1]}")},
        {CHANGE_PATCH, Q("[{'op':'replace','path':'/o/l/1','value':1.0}]"), Q("'n':1.5,'o':{'l':[-0,1.0]}")},
        {CHANGE_PATCH,
         Q("[{'op':'test','path':'/o/l/1','value':1},{'op':'replace','path':'/n','value':1e2}]"),
         Q("'n':1e2,'o':{'l':[-0,1.0]}")},
        {CHANGE_REPLACE, Q("{'n':100,'o':{'l':[-0,1.0]}}"), Q("'n':100,'o':{'l':[-0,1.0]}")},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char expected[128];
        assert_int_equal(run_one(f, changes[i].operation, 0, "plain", "a", ANY, changes[i].body), ERROR_NONE);
        quoted_print(expected, sizeof expected, "{'_id':'a','_version':%zu,%s}", i, changes[i].numbers);
        assert_string_equal(document(f, "plain", "a"), expected);
        assert_int_equal(seq_now(f), i + 1);
    }
}

static void merge_follows_its_rules(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'x':1}")), ERROR_NOT_FOUND);
    assert_int_equal(run_one(f, CHANGE_MERGE, CHANGE_UPSERT, "plain", "a", ANY, Q("{'x':1,'gone':null}")),
                     ERROR_NONE);
    assert_answer(f, Q("{'_id':'a','_version':0}"));
    assert_string_equal(document(f, "plain", "a"), Q("{'_id':'a','_version':0,'x':1}"));
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'x':null,'y':{'z':1}}")), ERROR_NONE);
    assert_string_equal(document(f, "plain", "a"), Q("{'_id':'a','_version':1,'y':{'z':1}}"));
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", 0, Q("{'x':2}")), ERROR_CONFLICT);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'_version':99,'x':2}")), ERROR_NONE);
    assert_string_equal(document(f, "plain", "a"), Q("{'_id':'a','_version':2,'y':{'z':1},'x':2}"));
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'_version':null,'x':3}")),
                     ERROR_NONE);
    assert_string_equal(document(f, "plain", "a"), Q("{'_id':'a','_version':3,'y':{'z':1},'x':3}"));
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'_id':'b'}")), ERROR_INVALID);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'_id':null}")), ERROR_INVALID);
    assert_int_equal(run_one(f, CHANGE_MERGE, CHANGE_UPSERT, "plain", "b", ANY, Q("{'_id':'a'}")),
                     ERROR_INVALID);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'_id':'\\u0061','x':4}")),
                     ERROR_NONE);
    assert_string_equal(document(f, "plain", "a"), Q("{'_id':'a','_version':4,'y':{'z':1},'x':4}"));
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, "[1]"), ERROR_INVALID);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'x':")), ERROR_INVALID);
}

static void patch_follows_its_rules(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_PATCH, 0, "plain", "a", ANY, "[]"), ERROR_NOT_FOUND);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "a", ANY, Q("{'x':1,'l':[1,2]}")), ERROR_NONE);
    assert_int_equal(
        run_one(f, CHANGE_PATCH, 0, "plain", "a", ANY,
                Q("[{'op':'test','path':'/x','value':1.0},{'op':'add','path':'/l/-','value':3}]")),
        ERROR_NONE);
    assert_string_equal(document(f, "plain", "a"), Q("{'_id':'a','_version':1,'x':1,'l':[1,2,3]}"));
    assert_int_equal(
        run_one(f, CHANGE_PATCH, 0, "plain", "a", ANY, Q("[{'op':'test','path':'/x','value':2}]")),
        ERROR_CONFLICT);
    assert_int_equal(run_one(f, CHANGE_PATCH, 0, "plain", "a", ANY, Q("[{'op':'remove','path':'/none'}]")),
                     ERROR_INVALID);
    assert_int_equal(run_one(f, CHANGE_PATCH, 0, "plain", "a", ANY, Q("[{'op':'fly','path':'/x'}]")),
                     ERROR_INVALID);
    assert_int_equal(run_one(f, CHANGE_PATCH, 0, "plain", "a", ANY, Q("[{'op':'remove','path':'/_id'}]")),
                     ERROR_INVALID);
    assert_int_equal(
        run_one(f, CHANGE_PATCH, 0, "plain", "a", ANY, Q("[{'op':'replace','path':'/_id','value':'b'}]")),
        ERROR_INVALID);
    assert_int_equal(
        run_one(f, CHANGE_PATCH, 0, "plain", "a", ANY, Q("[{'op':'replace','path':'','value':[1]}]")),
        ERROR_INVALID);
    assert_int_equal(run_one(f, CHANGE_PATCH, 0, "plain", "a", 0, Q("[{'op':'remove','path':'/x'}]")),
                     ERROR_CONFLICT);
    assert_int_equal(
        run_one(f, CHANGE_PATCH, 0, "plain", "a", 1,
                Q("[{'op':'replace','path':'/_version','value':77},{'op':'replace','path':'/x','value':5}]")),
        ERROR_NONE);
    assert_string_equal(document(f, "plain", "a"), Q("{'_id':'a','_version':2,'x':5,'l':[1,2,3]}"));
    assert_int_equal(run_one(f, CHANGE_PATCH, 0, "plain", "a", ANY,
                             Q("[{'op':'replace','path':'','value':{'_id':'a','q':1}}]")),
                     ERROR_NONE);
    assert_string_equal(document(f, "plain", "a"), Q("{'_id':'a','_version':3,'q':1}"));
}

static void a_change_that_changes_nothing_makes_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "a", ANY, Q("{'x':1,'y':[{}]}")), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_REPLACE, 0, "plain", "a", ANY, Q("{'y':[ {} ],'\\u0078':1}")),
                     ERROR_NONE);
    assert_answer(f, Q("{'_id':'a','_version':0}"));
    assert_int_equal(f->result.seq, 1);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'none':null,'_version':8}")),
                     ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_PATCH, 0, "plain", "a", ANY, "[]"), ERROR_NONE);
    assert_int_equal(seq_now(f), 1);
    size_t count;
    store_write_changes(f->writer, &count);
    assert_int_equal(count, 0);
    assert_string_equal(document(f, "plain", "a"), Q("{'_id':'a','_version':0,'x':1,'y':[{}]}"));
}

static void versions_grow_through_all_digits(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "a", ANY, Q("{'name':0}")), ERROR_NONE);
    for (int i = 1; i <= 120; i++) {
        char body[32], expected[96];
        quoted_print(body, sizeof body, "{'name':%d}", i);
        assert_int_equal(run_one(f, CHANGE_MERGE, 0, "viruses", "a", i - 1, body), ERROR_NONE);
        quoted_print(expected, sizeof expected, "{'_id':'a','_version':%d,'name':%d}", i, i);
        assert_string_equal(document(f, "viruses", "a"), expected);
        assert_string_equal(minimal(f, "viruses", "a"), expected);
    }
    check_indexes(f);
}

static void remove_follows_its_rules(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_REMOVE, 0, "plain", "a", ANY, NULL), ERROR_NOT_FOUND);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{}"), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_REMOVE, 0, "plain", "a", 3, NULL), ERROR_CONFLICT);
    set_begin(f, ANSWER_IDS);
    set_add(f, CHANGE_REMOVE, CHANGE_SKIP_MISSING, "plain", "none", ANY, NULL);
    set_add(f, CHANGE_REMOVE, CHANGE_SKIP_MISSING, "plain", "a", ANY, NULL);
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_answer(f, Q("{'_ids':['a']}"));
    assert_null(document(f, "plain", "a"));
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{}"), ERROR_NONE);
    assert_answer(f, Q("{'_id':'a','_version':1}"));
}

static void assertions_guard_a_set(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{}"), ERROR_NONE);
    static const struct {
        const char *id;
        unsigned flags;
        int64_t version;
        enum error_code code;
    } cases[] = {
        {"a", 0, ANY, ERROR_NONE},
        {"a", 0, 0, ERROR_NONE},
        {"a", 0, 1, ERROR_CONFLICT},
        {"b", 0, ANY, ERROR_NOT_FOUND},
        {"a", CHANGE_ABSENT, ANY, ERROR_EXISTS},
        {"b", CHANGE_ABSENT, ANY, ERROR_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char id[8];
        snprintf(id, sizeof id, "n%zu", i);
        set_begin(f, ANSWER_ID_VERSION);
        set_add(f, CHANGE_ASSERT, cases[i].flags, "plain", cases[i].id, cases[i].version, NULL);
        set_add(f, CHANGE_INSERT, 0, "plain", id, ANY, "{}");
        assert_int_equal(set_run(f), cases[i].code);
        if (cases[i].code) {
            assert_int_equal(f->result.at_fault, 0);
            assert_null(document(f, "plain", id));
        } else {
            char expected[64];
            quoted_print(expected, sizeof expected, "{'_id':'%s','_version':0}", id);
            assert_answer(f, expected);
        }
    }
}

static void answers_have_their_forms(void **state)
{
    struct fixture *f = *state;
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{}");
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_answer(f, Q("'done'"));
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "plain", Q("b'"), ANY, "{}");
    set_add(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'x':1}"));
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_answer(f, Q("[{'_id':'b\\'','_version':0},{'_id':'a','_version':1}]"));
    set_begin(f, ANSWER_IDS_VERSION);
    set_add(f, CHANGE_MERGE, CHANGE_SKIP_MISSING, "plain", "a", ANY, Q("{'x':2}"));
    set_add(f, CHANGE_MERGE, CHANGE_SKIP_MISSING, "plain", "none", ANY, Q("{'x':2}"));
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_answer(f, Q("{'_ids':['a'],'_version':2}"));
    set_begin(f, ANSWER_IDS_VERSION);
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_answer(f, Q("{'_ids':[]}"));
    set_begin(f, ANSWER_IMPORT);
    set_add(f, CHANGE_REPLACE, 0, "plain", "a", ANY, Q("{'x':2}"));
    set_add(f, CHANGE_REPLACE, 0, "plain", "c", ANY, Q("{'x':2}"));
    set_add(f, CHANGE_REPLACE, 0, "plain", Q("b'"), ANY, Q("{'x':2}"));
    set_add(f, CHANGE_INSERT, CHANGE_SKIP_SAME, "plain", "c", ANY, Q("{'x':2}"));
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_answer(f, Q("{'inserted':1,'replaced':1,'skipped':2}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(insert_keeps_what_was_given),      with_store(changes_are_told),
        with_store(insert_refuses_what_is_there),     with_store(replace_inserts_or_replaces),
        with_store(other_digits_are_a_change),        with_store(merge_follows_its_rules),
        with_store(patch_follows_its_rules),          with_store(a_change_that_changes_nothing_makes_nothing),
        with_store(versions_grow_through_all_digits), with_store(remove_follows_its_rules),
        with_store(assertions_guard_a_set),           with_store(answers_have_their_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
