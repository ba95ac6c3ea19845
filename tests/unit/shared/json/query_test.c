/* Queries: every operator, arrays, dotted paths, null and absent, refusals, bounds. */

#include "query_helpers.h"

struct row {
    const char *query, *document;
    bool matches;
};

static void assert_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct json_query *query = compiled(rows[i].query);
        struct json document = parsed(rows[i].document);
        if (json_query_matches(query, json_root(&document)) != rows[i].matches)
            fail_msg("%s on %s", rows[i].query, rows[i].document);
        parsed_free(&document);
        json_query_free(query);
    }
}

static void compares_fields(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{}", "{}", true},
        {"{}", "{'a':1}", true},
        {"{'a':1}", "{'a':1}", true},
        {"{'a':1}", "{'a':1.0}", true},
        {"{'a':1}", "{'a':2}", false},
        {"{'a':1}", "{'a':'1'}", false},
        {"{'a':1}", "{'b':1}", false},
        {"{'a':9007199254740993}", "{'a':9007199254740992}", false},
        {"{'a':'x'}", "{'a':'\\u0078'}", true},
        {"{'\\u0061':'\\u0078'}", "{'a':'x'}", true},
        {"{'a':true}", "{'a':true}", true},
        {"{'a':true}", "{'a':false}", false},
        {"{'a':true}", "{'a':1}", false},
        {"{'a':1,'b':2}", "{'b':2,'a':1}", true},
        {"{'a':1,'b':2}", "{'a':1,'b':3}", false},
        {"{'a':{'b':1,'c':2}}", "{'a':{'c':2,'b':1.0}}", true},
        {"{'a':{'b':1}}", "{'a':{'b':1,'c':2}}", false},
        {"{'a':{}}", "{'a':{}}", true},
        {"{'a':{}}", "{'a':{'b':1}}", false},
        {"{'a':{'$eq':1}}", "{'a':1}", true},
        {"{'a':{'$eq':{'$x':1}}}", "{'a':{'$x':1}}", true},
        {"{'a':{'$ne':1}}", "{'a':1.0}", false},
        {"{'a':{'$ne':1}}", "{'a':2}", true},
        {"{'a':{'$ne':1}}", "{}", true},
        {"{'archived':{'$ne':true}}", "{'archived':false}", true},
        {"{'a':{'$gt':1}}", "{'a':1}", false},
        {"{'a':{'$gt':1}}", "{'a':1.0000000000000000001}", true},
        {"{'a':{'$gte':1}}", "{'a':1}", true},
        {"{'a':{'$lt':1}}", "{'a':1}", false},
        {"{'a':{'$lt':1}}", "{'a':-1e400}", true},
        {"{'a':{'$lte':1}}", "{'a':1}", true},
        {"{'a':{'$gt':1}}", "{'a':'2'}", false},
        {"{'a':{'$gt':'1'}}", "{'a':2}", false},
        {"{'a':{'$gt':1}}", "{'a':null}", false},
        {"{'a':{'$lt':1}}", "{}", false},
        {"{'a':{'$lt':1}}", "{'a':false}", false},
        {"{'a':{'$gt':'b'}}", "{'a':'ba'}", true},
        {"{'a':{'$gt':'b'}}", "{'a':'B'}", false},
        {"{'a':{'$gt':1,'$lt':5}}", "{'a':3}", true},
        {"{'a':{'$gt':1,'$lt':5}}", "{'a':5}", false},
        {"{'a':{'$in':[]}}", "{'a':1}", false},
        {"{'a':{'$in':[5,'x',1,true]}}", "{'a':1.0}", true},
        {"{'a':{'$in':[5,'x',1,true]}}", "{'a':'x'}", true},
        {"{'a':{'$in':[5,'x',1,true]}}", "{'a':true}", true},
        {"{'a':{'$in':[5,'x',1,true]}}", "{'a':false}", false},
        {"{'a':{'$in':[5,'x',1,true]}}", "{'a':2}", false},
        {"{'a':{'$in':[{'b':1},[2]]}}", "{'a':{'b':1.0}}", true},
        {"{'a':{'$in':[{'b':1},[2]]}}", "{'a':[2.0]}", true},
        {"{'a':{'$in':[{'b':1},[2]]}}", "{'a':2}", false},
        {"{'a':{'$nin':[1,2]}}", "{'a':2}", false},
        {"{'a':{'$nin':[1,2]}}", "{'a':3}", true},
        {"{'a':{'$nin':[1,2]}}", "{}", true},
        {"{'a':{'$nin':[]}}", "{'a':3}", true},
    };
    assert_rows(rows, COUNT_OF(rows));
}

static void treats_null_and_absent(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{'a':null}", "{'a':null}", true},
        {"{'a':null}", "{}", true},
        {"{'a':null}", "{'a':0}", false},
        {"{'a':{'$eq':null}}", "{}", true},
        {"{'a':{'$ne':null}}", "{}", false},
        {"{'a':{'$ne':null}}", "{'a':0}", true},
        {"{'a':{'$in':[1,null]}}", "{}", true},
        {"{'a':{'$in':[1,null]}}", "{'a':null}", true},
        {"{'a':{'$in':[1]}}", "{}", false},
        {"{'a':{'$nin':[1,null]}}", "{}", false},
        {"{'a.b':null}", "{'a':{}}", true},
        {"{'a.b':null}", "{'a':1}", true},
        {"{'a.b':null}", "{}", true},
        {"{'a.b':null}", "{'a':[]}", true},
        {"{'a.b':null}", "{'a':[{'b':1},{}]}", true},
        {"{'a.b':null}", "{'a':[{'b':1}]}", false},
        {"{'a':null}", "{'a':[1,null]}", true},
        {"{'a':null}", "{'a':[]}", false},
        {"{'a':{'$exists':true}}", "{'a':null}", true},
        {"{'a':{'$exists':true}}", "{}", false},
        {"{'a':{'$exists':false}}", "{}", true},
        {"{'a':{'$exists':false}}", "{'a':null}", false},
        {"{'a.b':{'$exists':true}}", "{'a':[{},{'b':0}]}", true},
        {"{'a.b':{'$exists':false}}", "{'a':[{},{'b':0}]}", false},
        {"{'a':{'$exists':true,'$ne':1}}", "{}", false},
        {"{'a':{'$exists':true,'$ne':1}}", "{'a':2}", true},
    };
    assert_rows(rows, COUNT_OF(rows));
}

static void looks_into_arrays(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{'a':1}", "{'a':[0,1]}", true},
        {"{'a':1}", "{'a':[0,[1]]}", false},
        {"{'a':[0,1]}", "{'a':[0,1.0]}", true},
        {"{'a':[0,1]}", "{'a':[1,0]}", false},
        {"{'a':[0,1]}", "{'a':[[0,1],2]}", true},
        {"{'a':{'b':1}}", "{'a':[{'b':1}]}", true},
        {"{'a':{'$ne':1}}", "{'a':[0,1]}", false},
        {"{'a':{'$ne':1}}", "{'a':[0,2]}", true},
        {"{'a':{'$nin':[1,5]}}", "{'a':[0,1]}", false},
        {"{'a':{'$gt':5}}", "{'a':[1,7]}", true},
        {"{'a':{'$gt':5}}", "{'a':[1,2]}", false},
        {"{'a':{'$gt':1,'$lt':5}}", "{'a':[0,3,10]}", true},
        {"{'a':{'$gt':1,'$lt':5}}", "{'a':[0,10]}", false},
        {"{'$and':[{'a':{'$gt':1}},{'a':{'$lt':5}}]}", "{'a':[0,10]}", true},
        {"{'a':{'$not':{'$gt':5}}}", "{'a':[1,7]}", false},
        {"{'a':{'$not':{'$gt':5}}}", "{'a':[1,2]}", true},
        {"{'a':{'$not':{'$gt':5}}}", "{}", true},
        {"{'a':{'$not':{'$exists':true}}}", "{}", true},
        {"{'a':{'$not':{'$ne':1}}}", "{'a':[0,1]}", true},
        {"{'a':{'$not':{'$not':{'$eq':1}}}}", "{'a':1}", true},
        {"{'a':{'$exists':true}}", "{'a':[]}", true},
    };
    assert_rows(rows, COUNT_OF(rows));
}

static void follows_dotted_paths(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{'a.b':1}", "{'a':{'b':1}}", true},
        {"{'a.b':1}", "{'a.b':1}", false},
        {"{'a.b':1}", "{'a':{'b':[2,1]}}", true},
        {"{'a.b':1}", "{'a':[{'b':2},{'b':1}]}", true},
        {"{'a.b':1}", "{'a':[{'b':2},{'b':3}]}", false},
        {"{'a.b':1}", "{'a':[[{'b':1}]]}", false},
        {"{'a.b.c':1}", "{'a':[{'b':[{'c':0},{'c':1}]}]}", true},
        {"{'a.b':{'$ne':1}}", "{'a':[{'b':2},{'b':1}]}", false},
        {"{'a.0':1}", "{'a':[1,2]}", true},
        {"{'a.1':1}", "{'a':[1,2]}", false},
        {"{'a.2':null}", "{'a':[1,2]}", true},
        {"{'a.0.b':1}", "{'a':[{'b':1}]}", true},
        {"{'a.1.b':1}", "{'a':[{'b':1}]}", false},
        {"{'a.0':1}", "{'a':{'0':1}}", true},
        {"{'a.b.c':1}", "{'a':{'b':1}}", false},
        {"{'':1}", "{'':1}", true},
        {"{'a.':1}", "{'a':{'':1}}", true},
    };
    assert_rows(rows, COUNT_OF(rows));
}

static void combines(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{'$and':[{'a':1},{'b':2}]}", "{'a':1,'b':2}", true},
        {"{'$and':[{'a':1},{'b':2}]}", "{'a':1}", false},
        {"{'$and':[{}]}", "{}", true},
        {"{'$or':[{'a':1},{'b':2}]}", "{'b':2}", true},
        {"{'$or':[{'a':1},{'b':2}]}", "{'a':2,'b':1}", false},
        {"{'$or':[{'a':1,'c':1},{'b':2}]}", "{'a':1}", false},
        {"{'c':1,'$or':[{'a':1},{'b':2}]}", "{'a':1}", false},
        {"{'c':1,'$or':[{'a':1},{'b':2}]}", "{'a':1,'c':1}", true},
        {"{'$not':{'a':1}}", "{'a':1}", false},
        {"{'$not':{'a':1}}", "{'a':2}", true},
        {"{'$not':{'a':1,'b':2}}", "{'a':1,'b':3}", true},
        {"{'$not':{}}", "{}", false},
        {"{'$not':{'$or':[{'a':1},{'a':2}]}}", "{'a':3}", true},
        {"{'$or':[{'$and':[{'a':1},{'b':1}]},{'$not':{'c':1}}]}", "{'c':1,'a':1,'b':1}", true},
        {"{'$or':[{'$and':[{'a':1},{'b':1}]},{'$not':{'c':1}}]}", "{'c':1,'a':1}", false},
    };
    assert_rows(rows, COUNT_OF(rows));
}

static void refuses(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"[]", "expected an object, not an array"},
        {"null", "expected an object, not null"},
        {"{'$foo':1}", "'$foo': unknown operator"},
        {"{'$gt':1}", "'$gt': unknown operator, or one that belongs after a field"},
        {"{'$where':'1'}", "'$where'"},
        {"{'a':{'$regex':'x'}}", "'$regex': unknown operator"},
        {"{'a':{'$gt':1,'b':2}}", "'b': a field beside operators"},
        {"{'a':{'b':{'$gt':1}}}", "'$gt': an operator within a value"},
        {"{'a':[{'$gt':1}]}", "'$gt': an operator within a value"},
        {"{'a':{'$gt':null}}", "'$gt': expected a number or a string, not null"},
        {"{'a':{'$lte':[1]}}", "'$lte': expected a number or a string, not an array"},
        {"{'a':{'$in':1}}", "'$in': expected an array, not a number"},
        {"{'a':{'$nin':{}}}", "'$nin': expected an array, not an object"},
        {"{'a':{'$exists':1}}", "'$exists': expected true or false, not a number"},
        {"{'a':{'$not':1}}", "'$not': expected an object of operators, not a number"},
        {"{'a':{'$not':{}}}", "'$not': expected an object of operators"},
        {"{'a':{'$and':[]}}", "'$and': unknown operator"},
        {"{'$and':[]}", "'$and': expected an array of one or more queries"},
        {"{'$or':{}}", "'$or': expected an array of one or more queries"},
        {"{'$or':[1]}", "'$or': expected queries (objects), not a number"},
        {"{'$not':[]}", "'$not': expected a query (an object), not an array"},
        {"{'\\u0024foo':1}", "unknown operator"},
        {"{'a':{'$eq':1,'\\u0024ne':{},'$x':1}}", "'$x': unknown operator"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct json json = parsed(table[i][0]);
        char message[JSON_QUERY_MESSAGE] = "";
        assert_null(json_query_compile(json_root(&json), message));
        char *expected = quoted_copy(table[i][1]);
        if (!strstr(message, expected) || strncmp(message, "query", 5) == 0)
            fail_msg("%s: %s", table[i][0], message);
        free(expected);
        parsed_free(&json);
    }
}

/* Whether it is compiled; if not, @fault is told. Frees it. */
static bool text_compiles(struct buffer *text, const char *fault)
{
    buffer_append_byte(text, 0);
    struct json json = parsed(text->data);
    char message[JSON_QUERY_MESSAGE];
    struct json_query *query = json_query_compile(json_root(&json), message);
    bool compiles = query != NULL;
    if (!compiles)
        assert_non_null(strstr(message, fault));
    json_query_free(query);
    parsed_free(&json);
    buffer_free(text);
    return compiles;
}

/* A query {"a":{"$in":[...]}}, or with another operator, with @count values. */
static bool list_compiles(const char *name, unsigned count)
{
    struct buffer text = {0};
    buffer_append_format(&text, "{'a':{'%s':[", name);
    for (unsigned i = 0; i < count; i++)
        buffer_append_format(&text, "%s%u", i ? "," : "", i);
    buffer_append_text(&text, "]}}");
    return text_compiles(&text, "too many");
}

static void bounds_its_size(void **state)
{
    (void)state;
    /* The object, the two keys, and the list and the object after them are five. */
    assert_true(list_compiles("$eq", JSON_QUERY_VALUES - 5));
    assert_false(list_compiles("$eq", JSON_QUERY_VALUES - 4));
    assert_true(list_compiles("$in", JSON_QUERY_NODES - 2)); /* the field and $in count as well */
    assert_false(list_compiles("$in", JSON_QUERY_NODES - 1));
    assert_false(list_compiles("$in", 9000));
}

/* $in and $nin with one number of @bytes each. */
static bool long_numbers_compile(size_t bytes, size_t more)
{
    struct buffer text = {0};
    buffer_append_text(&text, "{\"a\":{\"$in\":[");
    for (size_t i = 0; i < bytes; i++)
        buffer_append_byte(&text, '1');
    buffer_append_text(&text, ",\"\"],\"$nin\":[");
    for (size_t i = 0; i < more; i++)
        buffer_append_byte(&text, '1');
    buffer_append_text(&text, "]}}");
    return text_compiles(&text, "too long");
}

static void bounds_the_numbers_in_its_lists(void **state)
{
    (void)state;
    assert_true(long_numbers_compile(JSON_QUERY_NUMBERS - 10, 10));
    assert_false(long_numbers_compile(JSON_QUERY_NUMBERS - 10, 11));
    assert_false(long_numbers_compile(JSON_QUERY_NUMBERS + 1, 1));
}

/* A message that shows a long key stays UTF-8. */
static void cuts_keys_between_characters(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 4; shift++) {
        struct buffer text = {0};
        buffer_append_format(&text, "{'$%.*s", (int)shift, "xxx");
        for (unsigned i = 0; i < 100; i++)
            buffer_append_text(&text, "\xf0\x9f\x98\x80");
        buffer_append_text(&text, "':1}");
        buffer_append_byte(&text, 0);
        struct json json = parsed(text.data);
        char message[JSON_QUERY_MESSAGE];
        assert_null(json_query_compile(json_root(&json), message));
        assert_true(json_utf8_valid(message, strlen(message)));
        parsed_free(&json);
        buffer_free(&text);
    }
}

static void keeps_its_text(void **state)
{
    (void)state;
    struct json_query *query = compiled(" { 'a' : { '$in' : [ 3 , 1.0 ] } } ");
    struct buffer text = {0};
    json_query_append_text(&text, query);
    assert_true(slice_equal(buffer_slice(&text), slice_text(Q("{'a':{'$in':[3,1.0]}}"))));
    buffer_free(&text);
    json_query_free(query);
    json_query_free(NULL);
}

/* @expected: "=v,v" for equalities, "lower..upper" for a range, NULL for nothing. */
static void assert_bounds(const char *text, const char *field, const char *expected)
{
    struct json_query *query = compiled(text);
    struct json_query_bounds bounds;
    struct buffer out = {0};
    if (json_query_bounds(query, slice_text(field), &bounds)) {
        if (bounds.equal) {
            buffer_append_byte(&out, '=');
            for (size_t i = 0; i < bounds.equal_count; i++) {
                if (i > 0)
                    buffer_append_byte(&out, ',');
                buffer_append_slice(&out, json_text(bounds.equal[i]));
            }
        } else {
            if (bounds.lower.json)
                buffer_append_slice(&out, json_text(bounds.lower));
            buffer_append_text(&out, "..");
            if (bounds.upper.json)
                buffer_append_slice(&out, json_text(bounds.upper));
        }
    } else {
        assert_null(bounds.equal);
    }
    buffer_append_byte(&out, 0);
    char *quoted = quoted_copy(expected ? expected : "");
    if (strcmp(out.data, quoted) != 0)
        fail_msg("%s: %s", text, out.data);
    free(quoted);
    buffer_free(&out);
    json_query_free(query);
}

static void tells_bounds(void **state)
{
    (void)state;
    assert_bounds("{'a':1}", "a", "=1");
    assert_bounds("{'a':1}", "b", NULL);
    assert_bounds("{'a':null}", "a", NULL);
    assert_bounds("{'a':[1]}", "a", NULL);
    assert_bounds("{'a':{'$in':[3,'x',1]}}", "a", "=1,3,'x'");
    assert_bounds("{'a':{'$in':[3,null]}}", "a", NULL);
    assert_bounds("{'a':{'$in':[3,[1]]}}", "a", NULL);
    assert_bounds("{'a':{'$in':[]}}", "a", "=");
    assert_bounds("{'a':{'$gt':1}}", "a", "1..");
    assert_bounds("{'a':{'$lte':'m'}}", "a", "..'m'");
    assert_bounds("{'a':{'$gt':1,'$gte':3,'$lt':9,'$lte':7}}", "a", "3..7");
    assert_bounds("{'a':{'$gt':1,'$lt':'x'}}", "a", "1..");
    assert_bounds("{'a':{'$gt':1,'$in':[1,2]}}", "a", "=1,2");
    assert_bounds("{'a':{'$in':[1,2],'$eq':2}}", "a", "=2");
    assert_bounds("{'$and':[{'b':1},{'$and':[{'a':5}]}]}", "a", "=5");
    /* two conditions that different elements may meet are not taken together */
    assert_bounds("{'$and':[{'a':{'$gt':1}},{'b':1}]}", "a", "1..");
    assert_bounds("{'a':{'$gte':0,'$lte':9},'$and':[{'a':{'$gt':1}}]}", "a", "0..9");
    assert_bounds("{'a':{'$ne':1}}", "a", NULL);
    assert_bounds("{'a':{'$nin':[1]}}", "a", NULL);
    assert_bounds("{'a':{'$not':{'$eq':1}}}", "a", NULL);
    assert_bounds("{'a':{'$exists':true}}", "a", NULL);
    assert_bounds("{'$or':[{'a':1},{'a':2}]}", "a", NULL);
    assert_bounds("{'$not':{'a':1}}", "a", NULL);
    assert_bounds("{'a.b':1}", "a.b", "=1");
    assert_bounds("{'a.b':1}", "a", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_fields),
        cmocka_unit_test(treats_null_and_absent),
        cmocka_unit_test(looks_into_arrays),
        cmocka_unit_test(follows_dotted_paths),
        cmocka_unit_test(combines),
        cmocka_unit_test(refuses),
        cmocka_unit_test(bounds_its_size),
        cmocka_unit_test(bounds_the_numbers_in_its_lists),
        cmocka_unit_test(cuts_keys_between_characters),
        cmocka_unit_test(keeps_its_text),
        cmocka_unit_test(tells_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
