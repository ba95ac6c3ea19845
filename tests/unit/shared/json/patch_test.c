/* RFC 6902: every example of its appendix A, the pointers of RFC 6901, and the bounds. */

#include "json_helpers.h"

#include "shared/json/patch.h"

enum { WORK = 64 * 1024 * 1024 };

struct row {
    const char *target, *patch;
    enum json_patch_result result;
    const char *expected; /* the result, or a part of the message */
};

static enum json_patch_result apply(const char *target, const char *patch, size_t limit, struct buffer *out,
                                    char message[JSON_PATCH_MESSAGE])
{
    struct json target_json = parsed(target);
    struct json patch_json = parsed(patch);
    struct json_patch_bounds bounds = {.bytes = limit, .work = WORK};
    enum json_patch_result result =
        json_patch(out, json_root(&target_json), json_root(&patch_json), &bounds, message);
    assert_true(bounds.done <= WORK + (1 << 20) + 150 * 500000); /* and that much for the last operation */
    parsed_free(&target_json);
    parsed_free(&patch_json);
    return result;
}

static void assert_rows(const struct row *rows, size_t count)
{
    struct buffer out = {0};
    char message[JSON_PATCH_MESSAGE] = "";
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        enum json_patch_result result = apply(row->target, row->patch, 1000, &out, message);
        if (result != row->result)
            fail_msg("%s on %s: %d %s", row->patch, row->target, (int)result, message);
        if (result != JSON_PATCH_OK) {
            char *expected = quoted_copy(row->expected);
            if (!strstr(message, expected))
                fail_msg("%s on %s: %s", row->patch, row->target, message);
            free(expected);
            assert_int_equal(out.length, 0);
        } else {
            assert_buffer(&out, row->expected);
        }
    }
    buffer_free(&out);
}

static const struct row appendix[] = {
    /* A.1 to A.6 */
    {"{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux'}]", JSON_PATCH_OK,
     "{'foo':'bar','baz':'qux'}"},
    {"{'foo':['bar','baz']}", "[{'op':'add','path':'/foo/1','value':'qux'}]", JSON_PATCH_OK,
     "{'foo':['bar','qux','baz']}"},
    {"{'baz':'qux','foo':'bar'}", "[{'op':'remove','path':'/baz'}]", JSON_PATCH_OK, "{'foo':'bar'}"},
    {"{'foo':['bar','qux','baz']}", "[{'op':'remove','path':'/foo/1'}]", JSON_PATCH_OK,
     "{'foo':['bar','baz']}"},
    {"{'baz':'qux','foo':'bar'}", "[{'op':'replace','path':'/baz','value':'boo'}]", JSON_PATCH_OK,
     "{'baz':'boo','foo':'bar'}"},
    {"{'foo':{'bar':'baz','waldo':'fred'},'qux':{'corge':'grault'}}",
     "[{'op':'move','from':'/foo/waldo','path':'/qux/thud'}]", JSON_PATCH_OK,
     "{'foo':{'bar':'baz'},'qux':{'corge':'grault','thud':'fred'}}"},
    /* A.7 to A.9 */
    {"{'foo':['all','grass','cows','eat']}", "[{'op':'move','from':'/foo/1','path':'/foo/3'}]", JSON_PATCH_OK,
     "{'foo':['all','cows','eat','grass']}"},
    {"{'baz':'qux','foo':['a',2,'c']}",
     "[{'op':'test','path':'/baz','value':'qux'},{'op':'test','path':'/foo/1','value':2}]", JSON_PATCH_OK,
     "{'baz':'qux','foo':['a',2,'c']}"},
    {"{'baz':'qux'}", "[{'op':'test','path':'/baz','value':'bar'}]", JSON_PATCH_TEST_FAILED,
     "operation 0 (test '/baz')"},
    /* A.10 to A.12 */
    {"{'foo':'bar'}", "[{'op':'add','path':'/child','value':{'grandchild':{}}}]", JSON_PATCH_OK,
     "{'foo':'bar','child':{'grandchild':{}}}"},
    {"{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux','xyz':123}]", JSON_PATCH_OK,
     "{'foo':'bar','baz':'qux'}"},
    {"{'foo':'bar'}", "[{'op':'add','path':'/baz/bat','value':'qux'}]", JSON_PATCH_NO_TARGET,
     "does not exist"},
    /* A.14 to A.16; A.13, with two "op", is refused by the parser */
    {"{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':10}]", JSON_PATCH_OK, "{'/':9,'~1':10}"},
    {"{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':'10'}]", JSON_PATCH_TEST_FAILED, "test"},
    {"{'foo':['bar']}", "[{'op':'add','path':'/foo/-','value':['abc','def']}]", JSON_PATCH_OK,
     "{'foo':['bar',['abc','def']]}"},
};

static const struct row more[] = {
    {"{'a':1}", "[]", JSON_PATCH_OK, "{'a':1}"},
    /* the root */
    {"{'a':1}", "[{'op':'add','path':'','value':{'b':2}}]", JSON_PATCH_OK, "{'b':2}"},
    {"{'a':1}", "[{'op':'replace','path':'','value':{'b':2}}]", JSON_PATCH_OK, "{'b':2}"},
    {"{'a':1}", "[{'op':'remove','path':''}]", JSON_PATCH_MALFORMED, "whole document"},
    {"{'a':{'b':1}}", "[{'op':'move','from':'/a','path':''}]", JSON_PATCH_OK, "{'b':1}"},
    {"{'a':{'b':1}}", "[{'op':'copy','from':'/a','path':''}]", JSON_PATCH_OK, "{'b':1}"},
    {"{'a':1}", "[{'op':'copy','from':'','path':'/b'}]", JSON_PATCH_OK, "{'a':1,'b':{'a':1}}"},
    {"{'a':1}", "[{'op':'test','path':'','value':{'a':1.0}}]", JSON_PATCH_OK, "{'a':1}"},
    /* moving */
    {"{'a':{'b':1}}", "[{'op':'move','from':'/a','path':'/a/b'}]", JSON_PATCH_MALFORMED, "into itself"},
    {"{'a':1}", "[{'op':'move','from':'','path':'/a'}]", JSON_PATCH_MALFORMED, "into itself"},
    {"{'a':{'b':1}}", "[{'op':'move','from':'/a','path':'/a'}]", JSON_PATCH_OK, "{'a':{'b':1}}"},
    {"{'a':{'b':1}}", "[{'op':'move','from':'','path':''}]", JSON_PATCH_OK, "{'a':{'b':1}}"},
    {"{'a':{'b':1}}", "[{'op':'move','from':'/a/b','path':'/ab'}]", JSON_PATCH_OK, "{'a':{},'ab':1}"},
    {"{'a':1,'b':2}", "[{'op':'move','from':'/a','path':'/b'}]", JSON_PATCH_OK, "{'b':1}"},
    {"{'a':1}", "[{'op':'move','from':'/x','path':'/b'}]", JSON_PATCH_NO_TARGET, "from"},
    {"{'a':[1,2,3]}", "[{'op':'move','from':'/a/0','path':'/a/3'}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'a':[1,2,3]}", "[{'op':'move','from':'/a/2','path':'/a/0'}]", JSON_PATCH_OK, "{'a':[3,1,2]}"},
    {"{'a':[1,[]]}", "[{'op':'move','from':'/a/0','path':'/a/0/-'}]", JSON_PATCH_MALFORMED, "into itself"},
    {"{'a':{}}", "[{'op':'copy','from':'/a','path':'/a/a'}]", JSON_PATCH_OK, "{'a':{'a':{}}}"},
    /* elements */
    {"{'a':[]}", "[{'op':'add','path':'/a/0','value':1}]", JSON_PATCH_OK, "{'a':[1]}"},
    {"{'a':[1]}", "[{'op':'add','path':'/a/0','value':0}]", JSON_PATCH_OK, "{'a':[0,1]}"},
    {"{'a':[1]}", "[{'op':'add','path':'/a/1','value':2}]", JSON_PATCH_OK, "{'a':[1,2]}"},
    {"{'a':[1]}", "[{'op':'add','path':'/a/2','value':2}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'a':[1,2]}", "[{'op':'add','path':'/a/01','value':2}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'a':[1]}", "[{'op':'add','path':'/a/-1','value':2}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'a':[1]}", "[{'op':'add','path':'/a/1e0','value':2}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'a':[1]}", "[{'op':'add','path':'/a/x','value':2}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'a':[1]}", "[{'op':'add','path':'/a/','value':2}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'a':[1]}", "[{'op':'remove','path':'/a/1'}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'a':[1]}", "[{'op':'remove','path':'/a/-'}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'a':[1]}", "[{'op':'replace','path':'/a/-','value':1}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'a':[1]}", "[{'op':'remove','path':'/a/4294967296'}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'a':[1,2]}", "[{'op':'remove','path':'/a/1'},{'op':'remove','path':'/a/0'}]", JSON_PATCH_OK,
     "{'a':[]}"},
    {"{'a':[1]}", "[{'op':'add','path':'/a/-/x','value':1}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'a':[1,2]}",
     "[{'op':'add','path':'/a/-','value':3},{'op':'remove','path':'/a/2'},"
     "{'op':'add','path':'/a/-','value':4}]",
     JSON_PATCH_OK, "{'a':[1,2,4]}"},
    {"{'-':1,'01':2}", "[{'op':'remove','path':'/-'},{'op':'replace','path':'/01','value':3}]", JSON_PATCH_OK,
     "{'01':3}"},
    /* members */
    {"{'a':1,'b':2}", "[{'op':'add','path':'/a','value':null}]", JSON_PATCH_OK, "{'a':null,'b':2}"},
    {"{'a':1}", "[{'op':'replace','path':'/b','value':1}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'a':1}", "[{'op':'remove','path':'/ab'}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'ab':1}", "[{'op':'remove','path':'/a'}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'a':1}", "[{'op':'add','path':'/a/b','value':1}]", JSON_PATCH_NO_TARGET, "does not exist"},
    {"{'':1}", "[{'op':'replace','path':'/','value':2}]", JSON_PATCH_OK, "{'':2}"},
    {"{'a/b':1,'m~n':2}", "[{'op':'remove','path':'/a~1b'},{'op':'replace','path':'/m~0n','value':3}]",
     JSON_PATCH_OK, "{'m~n':3}"},
    {"{'A':1,'a':2}", "[{'op':'remove','path':'/a'}]", JSON_PATCH_OK, "{'A':1}"},
    {"{'\\u00e9\\n':1}", "[{'op':'replace','path':'/\xc3\xa9\\n','value':'\\u0001\\''}]", JSON_PATCH_OK,
     "{'\xc3\xa9\\n':'\\u0001\\''}"},
    /* digits and values */
    {"{'a':9007199254740993,'b':1e400,'c':-0,'d':0.1000}",
     "[{'op':'move','from':'/a','path':'/e'},{'op':'add','path':'/f','value':1.50E+2}]", JSON_PATCH_OK,
     "{'b':1e400,'c':-0,'d':0.1000,'e':9007199254740993,'f':1.50E+2}"},
    {"{'a':9007199254740993}", "[{'op':'test','path':'/a','value':9007199254740992}]", JSON_PATCH_TEST_FAILED,
     "test"},
    {"{'a':100}", "[{'op':'test','path':'/a','value':1.0e2}]", JSON_PATCH_OK, "{'a':100}"},
    {"{'a':{'x':[1,{'y':null}],'z':'\\u0041'}}",
     "[{'op':'test','path':'/a','value':{'z':'A','x':[1.0,{'y':null}]}}]", JSON_PATCH_OK,
     "{'a':{'x':[1,{'y':null}],'z':'A'}}"},
    {"{'a':{'x':1}}", "[{'op':'test','path':'/a','value':{'x':1,'y':2}}]", JSON_PATCH_TEST_FAILED, "test"},
    {"{'a':{'x':1,'y':2}}", "[{'op':'test','path':'/a','value':{'x':1}}]", JSON_PATCH_TEST_FAILED, "test"},
    {"{'a':{'x':1,'y':2}}", "[{'op':'test','path':'/a','value':{'x':1,'z':2}}]", JSON_PATCH_TEST_FAILED,
     "test"},
    {"{'a':[1,2]}", "[{'op':'test','path':'/a','value':[1]}]", JSON_PATCH_TEST_FAILED, "test"},
    {"{'a':[1]}", "[{'op':'test','path':'/a','value':[1,2]}]", JSON_PATCH_TEST_FAILED, "test"},
    {"{'a':null}", "[{'op':'test','path':'/a','value':null}]", JSON_PATCH_OK, "{'a':null}"},
    {"{}", "[{'op':'test','path':'/a','value':null}]", JSON_PATCH_TEST_FAILED, "test"},
    {"{'a':false}", "[{'op':'test','path':'/a','value':null}]", JSON_PATCH_TEST_FAILED, "test"},
    /* all or nothing */
    {"{'a':1}", "[{'op':'remove','path':'/a'},{'op':'remove','path':'/a'}]", JSON_PATCH_NO_TARGET,
     "operation 1 (remove '/a')"},
    /* malformed */
    {"{}", "{}", JSON_PATCH_MALFORMED, "list of operations"},
    {"{}", "[1]", JSON_PATCH_MALFORMED, "object"},
    {"{}", "[{}]", JSON_PATCH_MALFORMED, "'op'"},
    {"{}", "[{'op':'ADD','path':'/a','value':1}]", JSON_PATCH_MALFORMED, "'op'"},
    {"{}", "[{'op':1,'path':'/a','value':1}]", JSON_PATCH_MALFORMED, "'op'"},
    {"{}", "[{'op':'add','value':1}]", JSON_PATCH_MALFORMED, "'path'"},
    {"{}", "[{'op':'add','path':null,'value':1}]", JSON_PATCH_MALFORMED, "'path'"},
    {"{}", "[{'op':'add','path':'a','value':1}]", JSON_PATCH_MALFORMED, "'path'"},
    {"{}", "[{'op':'add','path':'/~2','value':1}]", JSON_PATCH_MALFORMED, "'path'"},
    {"{}", "[{'op':'add','path':'/~','value':1}]", JSON_PATCH_MALFORMED, "'path'"},
    {"{}", "[{'op':'add','path':'/a'}]", JSON_PATCH_MALFORMED, "'value'"},
    {"{}", "[{'op':'test','path':''}]", JSON_PATCH_MALFORMED, "'value'"},
    {"{}", "[{'op':'copy','path':'/a'}]", JSON_PATCH_MALFORMED, "'from'"},
    {"{}", "[{'op':'move','path':'/a','from':'b'}]", JSON_PATCH_MALFORMED, "'from'"},
};

static void follows_the_appendix(void **state)
{
    (void)state;
    assert_rows(appendix, COUNT_OF(appendix));
}

static void follows_the_rules(void **state)
{
    (void)state;
    assert_rows(more, COUNT_OF(more));
}

/* The size that is counted along the way is the size of the text to the byte. */
static void counts_bytes(void **state)
{
    (void)state;
    static const char target[] = "{'a\\n':[1,'\\u0002\\''],'b':{'c':null}}";
    static const char patch[] =
        "[{'op':'move','from':'/a\\n/0','path':'/x\\u0003'},"
        "{'op':'copy','from':'/b','path':'/d'},"
        "{'op':'remove','path':'/d/c'},{'op':'add','path':'/a\\n/0','value':[true,false]},"
        "{'op':'replace','path':'/b','value':'a value that is longer than all that were here "
        "before'}]";
    static const char expected[] =
        "{'a\\n':[[true,false],'\\u0002\\''],'b':'a value that is longer than all that "
        "were here before','x\\u0003':1,'d':{}}";
    struct buffer out = {0};
    char message[JSON_PATCH_MESSAGE];
    assert_int_equal(apply(target, patch, sizeof(expected) - 1, &out, message), JSON_PATCH_OK);
    assert_buffer(&out, expected);
    assert_int_equal(apply(target, patch, sizeof(expected) - 2, &out, message), JSON_PATCH_TOO_LARGE);
    assert_int_equal(out.length, 0);
    buffer_free(&out);
}

static void bounds_states_on_the_way(void **state)
{
    (void)state;
    struct buffer patch = {0};
    struct buffer out = {0};
    char message[JSON_PATCH_MESSAGE];
    /* Doubles forty times, then leaves one number: no state over the limit may ever be. */
    for (unsigned i = 0; i < 40; i++)
        buffer_append_format(&patch, "%c{'op':'copy','from':'/a','path':'/a/-'}", i ? ',' : '[');
    buffer_append_text(&patch, ",{'op':'replace','path':'','value':1}]");
    buffer_append_byte(&patch, 0);
    assert_int_equal(apply("{'a':[0]}", patch.data, 1 << 20, &out, message), JSON_PATCH_TOO_LARGE);
    assert_non_null(strstr(message, "too large"));
    buffer_free(&patch);
    buffer_free(&out);
}

static void bounds_depth(void **state)
{
    (void)state;
    struct buffer target = {0};
    struct buffer out = {0};
    char message[JSON_PATCH_MESSAGE];
    for (unsigned i = 0; i < JSON_DEPTH_LIMIT; i++)
        buffer_append_text(&target, i ? "[" : "{'a':");
    for (unsigned i = 0; i < JSON_DEPTH_LIMIT; i++)
        buffer_append_byte(&target, i + 1 < JSON_DEPTH_LIMIT ? ']' : '}');
    buffer_append_byte(&target, 0);
    assert_int_equal(apply(target.data, "[{'op':'copy','from':'/a','path':'/b'}]", 1000, &out, message),
                     JSON_PATCH_OK);
    buffer_clear(&out);
    static const char *const deeper[] = {
        "[{'op':'copy','from':'/a','path':'/a/-'}]",
        "[{'op':'add','path':'/b','value':{}},{'op':'move','from':'/a','path':'/b/c'}]",
        "[{'op':'copy','from':'','path':'/b'}]",
    };
    for (size_t i = 0; i < COUNT_OF(deeper); i++) {
        assert_int_equal(apply(target.data, deeper[i], 1000, &out, message), JSON_PATCH_MALFORMED);
        assert_non_null(strstr(message, "nested too deeply"));
    }
    buffer_free(&target);
    buffer_free(&out);
}

/* Removing the last element of a long array again and again passes the whole of it by each time. */
static void bounds_work(void **state)
{
    (void)state;
    struct buffer target = {0};
    struct buffer patch = {0};
    struct buffer out = {0};
    char message[JSON_PATCH_MESSAGE];
    for (unsigned i = 0; i < 100000; i++)
        buffer_append_text(&target, i ? ",1" : "{'a':[1");
    buffer_append_text(&target, "]}");
    buffer_append_byte(&target, 0);
    for (unsigned i = 0; i < 5000; i++)
        buffer_append_format(&patch, "%c{'op':'remove','path':'/a/%u'}", i ? ',' : '[', 99999 - i);
    buffer_append_text(&patch, "]");
    buffer_append_byte(&patch, 0);
    assert_int_equal(apply(target.data, patch.data, 1 << 20, &out, message), JSON_PATCH_TOO_LARGE);
    assert_non_null(strstr(message, "too much work"));

    /* As many at the front or at the end are no work. */
    buffer_clear(&patch);
    for (unsigned i = 0; i < 5000; i++)
        buffer_append_format(&patch, "%c{'op':'remove','path':'/a/0'},{'op':'add','path':'/a/-','value':2}",
                             i ? ',' : '[');
    buffer_append_text(&patch, "]");
    buffer_append_byte(&patch, 0);
    assert_int_equal(apply(target.data, patch.data, 1 << 20, &out, message), JSON_PATCH_OK);
    buffer_free(&target);
    buffer_free(&patch);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_appendix), cmocka_unit_test(follows_the_rules),
        cmocka_unit_test(counts_bytes),         cmocka_unit_test(bounds_states_on_the_way),
        cmocka_unit_test(bounds_depth),         cmocka_unit_test(bounds_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
