/* RFC 7396: the table of its appendix A, the example of section 3, and what it does not say. */

#include "json_helpers.h"

#include "shared/json/merge_patch.h"

static void assert_merged(const char *target, const char *patch, const char *expected)
{
    struct json target_json = target ? parsed(target) : (struct json){0};
    struct json patch_json = parsed(patch);
    struct buffer out = {0};
    json_merge_patch(&out, json_root(&target_json), json_root(&patch_json));
    assert_buffer(&out, expected);
    buffer_free(&out);
    parsed_free(&target_json);
    parsed_free(&patch_json);
}

static void follows_the_table(void **state)
{
    (void)state;
    static const char *const table[][3] = {
        {"{'a':'b'}", "{'a':'c'}", "{'a':'c'}"},
        {"{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}"},
        {"{'a':'b'}", "{'a':null}", "{}"},
        {"{'a':'b','b':'c'}", "{'a':null}", "{'b':'c'}"},
        {"{'a':['b']}", "{'a':'c'}", "{'a':'c'}"},
        {"{'a':'c'}", "{'a':['b']}", "{'a':['b']}"},
        {"{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}"},
        {"{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}"},
        {"['a','b']", "['c','d']", "['c','d']"},
        {"{'a':'b'}", "['c']", "['c']"},
        {"{'a':'foo'}", "null", "null"},
        {"{'a':'foo'}", "'bar'", "'bar'"},
        {"{'e':null}", "{'a':1}", "{'e':null,'a':1}"},
        {"[1,2]", "{'a':'b','c':null}", "{'a':'b'}"},
        {"{}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        assert_merged(table[i][0], table[i][1], table[i][2]);
}

static void follows_the_example(void **state)
{
    (void)state;
    assert_merged("{ 'title': 'Goodbye!', 'author' : { 'givenName' : 'John', 'familyName' : 'Doe' },"
                  "  'tags':[ 'example', 'sample' ], 'content': 'This will be unchanged' }",
                  "{ 'title': 'Hello!', 'phoneNumber': '+01-123-456-7890',"
                  "  'author': { 'familyName': null }, 'tags': [ 'example' ] }",
                  "{'title':'Hello!','author':{'givenName':'John'},'tags':['example'],"
                  "'content':'This will be unchanged','phoneNumber':'+01-123-456-7890'}");
}

static void keeps_order_and_digits(void **state)
{
    (void)state;
    assert_merged("{'a':9007199254740993,'b':0.1000,'c':-0}", "{'d':1e400,'b':1.50}",
                  "{'a':9007199254740993,'b':1.50,'c':-0,'d':1e400}");
    assert_merged("{'\\u0061':1,'b':2}", "{'a':3}", "{'\\u0061':3,'b':2}");
    assert_merged("{'a':1}", "{'\\u0061':null}", "{}");
    assert_merged(NULL, "{'a':null,'b':{'c':null,'d':[null]}}", "{'b':{'d':[null]}}");
    assert_merged("{'a':1,'b':2,'c':3}", "{'a':null,'c':null}", "{'b':2}");
    assert_merged("{'a':[1,2]}", "{'a':{'x':1}}", "{'a':{'x':1}}");
    assert_merged("{'a':1}", "{}", "{'a':1}");
}

/* Enough members for the hash set: the even ones go, the odd ones change, as many come. */
static void merges_many_members(void **state)
{
    (void)state;
    enum { MEMBERS = 4000 };
    struct buffer target = {0};
    struct buffer patch = {0};
    struct buffer expected = {0};
    for (unsigned i = 0; i < MEMBERS; i++)
        buffer_append_format(&target, "%c'k%u':%u", i ? ',' : '{', i, i);
    for (unsigned i = 0; i < MEMBERS; i++) {
        unsigned key = MEMBERS - 1 - i;
        buffer_append_format(&patch, "%c'k%u':%s", i ? ',' : '{', key, key % 2 ? "true" : "null");
        if (i % 2)
            buffer_append_format(&expected, "%c'k%u':true", i > 1 ? ',' : '{', i);
    }
    buffer_append_text(&target, "}");
    buffer_append_text(&patch, ",'new':{'x':null}}");
    buffer_append_text(&expected, ",'new':{}}");
    buffer_append_byte(&target, 0);
    buffer_append_byte(&patch, 0);
    buffer_append_byte(&expected, 0);
    assert_merged(target.data, patch.data, expected.data);
    buffer_free(&target);
    buffer_free(&patch);
    buffer_free(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_table),
        cmocka_unit_test(follows_the_example),
        cmocka_unit_test(keeps_order_and_digits),
        cmocka_unit_test(merges_many_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
