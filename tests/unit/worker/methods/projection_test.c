/* fields of find: what of a document is given. */

#include "sort_helpers.h"

#include "worker/methods/projection.h"

/* In steps of so many units, with the text at another place in each. */
static void project(struct projection *projection, struct buffer *out, struct json *document, uint64_t most)
{
    const char *text = document->text;
    bool done = false;
    projection_begin(projection, out, json_root(document));
    for (unsigned i = 0; !done; i++) {
        struct json_units units = {.left = most};
        assert_true(i < 100000);
        char *copy = malloc(document->length);
        document->text = memcpy(copy, text, document->length);
        done = projection_go_on(projection, out, json_root(document), &units);
        assert_true(done || units.taken >= most);
        free(copy);
    }
    document->text = text;
}

static void check_fields(const char *names, const char *document, const char *expected)
{
    struct json fields = parsed(names), json = parsed(document);
    struct projection projection = {0};
    struct buffer out = {0};
    assert_true(projection_read(NULL, json_root(&fields), &projection));
    for (uint64_t most = 1; most < 30; most += 7) {
        project(&projection, &out, &json, most);
        assert_buffer(&out, expected);
    }
    projection_free(&projection);
    buffer_free(&out);
    parsed_free(&fields);
    parsed_free(&json);
}

static void gives_the_fields_that_are_named(void **state)
{
    (void)state;
    static const char *const table[][3] = {
        {"['n','caf\xc3\xa9','absent']", "{'_id':'a','_version':3,'n':1.50,'caf\\u00e9':[1,2],'x':{'n':2}}",
         "{'_id':'a','_version':3,'n':1.50,'caf\\u00e9':[1,2]}"},
        {"[]", "{'_id':'a','_version':3,'n':1}", "{'_id':'a','_version':3}"},
        /* below objects */
        {"['o.p']", "{'o':{'p':1,'q':2},'p':3}", "{'o':{'p':1}}"},
        {"['o.p','o.r.s']", "{'o':{'p':[1],'q':2,'r':{'s':{'t':4},'u':5}}}",
         "{'o':{'p':[1],'r':{'s':{'t':4}}}}"},
        {"['o.x']", "{'o':{'p':1}}", "{'o':{}}"},
        {"['o.p']", "{'o':5}", "{}"},
        {"['o.p','o']", "{'o':{'p':1,'q':2}}", "{'o':{'p':1,'q':2}}"},
        {"['_id.x']", "{'_id':'a'}", "{'_id':'a'}"},
        /* through arrays, whose shape stays */
        {"['l.k']", "{'l':[{'k':1,'j':0},{'j':2},7,[{'k':3,'j':4},8],{'k':[5]}]}",
         "{'l':[{'k':1},{},[{'k':3}],{'k':[5]}]}"},
        {"['l.k']", "{'l':[]}", "{'l':[]}"},
        {"['l.k']", "{'l':[1,'x']}", "{'l':[]}"},
        {"['l.k.m']", "{'l':[{'k':[{'m':1,'n':2},{'n':3}]},{'k':{'m':4}},{'k':5}]}",
         "{'l':[{'k':[{'m':1},{}]},{'k':{'m':4}},{}]}"},
        /* a number */
        {"['l.1']", "{'l':['a','b','c']}", "{'l':['b']}"},
        {"['l.2','l.0']", "{'l':['a','b','c']}", "{'l':['a','c']}"},
        {"['l.1.k']", "{'l':[{'k':1},{'k':2,'j':3}]}", "{'l':[{'k':2}]}"},
        {"['l.0.a','l.b']", "{'l':[{'a':1,'b':2,'c':3},{'a':4,'b':5}]}", "{'l':[{'a':1,'b':2},{'b':5}]}"},
        {"['l.0.z','l.a','l.b','l.0.aa']", "{'l':[{'z':0,'aa':1,'a':2,'b':3,'c':4}]}",
         "{'l':[{'z':0,'aa':1,'a':2,'b':3}]}"},
        {"['l.0','l.b']", "{'l':[{'a':1,'b':2},{'a':4,'b':5}]}", "{'l':[{'a':1,'b':2},{'b':5}]}"},
        {"['o.2024','o.all']", "{'o':{'2023':1,'2024':2,'all':3}}", "{'o':{'2024':2,'all':3}}"},
        {"['l.9']", "{'l':[1]}", "{'l':[]}"},
        /* odd names */
        {"['']", "{'':1,'a':2}", "{'':1}"},
        {"['a..b']", "{'a':{'':{'b':1,'c':2}}}", "{'a':{'':{'b':1}}}"},
        {"['a.b']", "{'a.b':1,'a':{'b':2}}", "{'a':{'b':2}}"},
        {"['prefix_b.x','prefix_a.x','prefix_b','prefix_a.y','x.prefix_a']",
         "{'prefix_a':{'x':1,'prefix_a':2,'y':3},'prefix_b':{'x':4},'prefix_c':5,'x':{'prefix_a':6,'x':7}}",
         "{'prefix_a':{'x':1,'y':3},'prefix_b':{'x':4},'x':{'prefix_a':6}}"},
        {"['a','a','b.c','b.c']", "{'a':1,'b':{'c':2}}", "{'a':1,'b':{'c':2}}"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        check_fields(table[i][0], table[i][1], table[i][2]);
}

static void steps_come_to_the_same(void **state)
{
    (void)state;
    struct json fields = parsed("['a.b','a.1.c','b.a','b.a.b','a.a.a.c','b.0','a.0.0']");
    struct projection projection = {0};
    struct buffer whole = {0}, cut = {0};
    uint64_t random = 5;
    assert_true(projection_read(NULL, json_root(&fields), &projection));
    for (unsigned i = 0; i < 5000; i++) {
        struct json document = random_document(&random), again = {0};
        buffer_clear(&whole);
        buffer_clear(&cut);
        project(&projection, &whole, &document, UINT64_MAX);
        project(&projection, &cut, &document, 1 + chance(&random, 10));
        assert_true(slice_equal(buffer_slice(&whole), buffer_slice(&cut)));
        assert_true(json_parse(&again, whole.data, whole.length));
        json_free(&again);
        parsed_free(&document);
    }
    buffer_free(&whole);
    buffer_free(&cut);
    projection_free(&projection);
    parsed_free(&fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_fields_that_are_named),
        cmocka_unit_test(steps_come_to_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
