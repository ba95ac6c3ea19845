/* What documents are sorted by. */

#include "sort_helpers.h"

#include "shared/json/compare.h"
#include "shared/json/number.h"

/* The first key of @document in the order of @sort, as text. */
static void check_key(const char *sort, const char *document, const char *expected)
{
    struct sort_order order = order_of(sort, MUCH);
    struct json json = parsed(document);
    struct sort_keys keys = {0};
    for (unsigned most = 1; most < 4; most++) {
        take_in_steps(&keys, &order, &json, most);
        struct buffer text = {0};
        buffer_append_format(&text, "%s ", json_type_name(keys.keys[0].type));
        buffer_append_slice(&text, keys.keys[0].bytes);
        assert_buffer(&text, expected);
        buffer_free(&text);
    }
    sort_keys_free(&keys);
    parsed_free(&json);
    sort_order_free(&order);
}

static void paths_are_followed_as_queries_do(void **state)
{
    (void)state;
    static const char *const table[][3] = {
        {"{'a':1}", "{'a':5}", "a number 5"},
        {"{'a':1}", "{}", "nothing "},
        {"{'a':1}", "{'a':[3,1,2]}", "a number 1"},
        {"{'a':-1}", "{'a':[3,1,2]}", "a number 3"},
        {"{'a':1}", "{'a':['bb','a','ccc']}", "a string a"},
        {"{'a':-1}", "{'a':['bb','a','ccc']}", "a string ccc"},
        {"{'a':1}", "{'a':[]}", "nothing "},
        {"{'a':-1}", "{'a':[]}", "nothing "},
        {"{'a':1}", "{'a':[[1,2],[0]]}", "an array [0]"},
        {"{'a':1}", "{'a':['x',5,null]}", "null "},
        {"{'a.b':1}", "{'a':[{'b':2},{'b':1}]}", "a number 1"},
        {"{'a.b':-1}", "{'a':[{'b':2},{'b':[7,8]}]}", "a number 8"},
        {"{'a.b':1}", "{'a':[{'b':2},{}]}", "nothing "},
        {"{'a.b':1}", "{'a':[5,{'b':2}]}", "a number 2"},
        {"{'a.b':1}", "{'a':5}", "nothing "},
        {"{'a.b':1}", "{'a':[]}", "nothing "},
        {"{'a.1.b':1}", "{'a':[{'b':1},{'b':2}]}", "a number 2"},
        {"{'a.1':1}", "{'a':[9,[4,3]]}", "a number 3"},
        {"{'a.1':1}", "{'a':{'1':'x'}}", "a string x"},
        {"{'a.b.c':1}", "{'a':[{'b':[{'c':4},{'c':3}]},{'b':{'c':5}}]}", "a number 3"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        check_key(table[i][0], table[i][1], table[i][2]);
}

/* However little of a key is kept, two documents come in the order of the whole keys, or are equal. */
static void cut_keys_keep_their_order(void **state)
{
    (void)state;
    enum { COUNT = 60 };
    uint64_t random = 3;
    for (unsigned round = 0; round < 200; round++) {
        /* 5 bytes and 1,024. */
        struct sort_order cut = order_of("{'a':1}", 5 * 14), whole = order_of("{'a':1}", MUCH);
        struct json documents[COUNT];
        struct sort_keys short_keys[COUNT] = {0}, long_keys[COUNT] = {0};
        for (size_t i = 0; i < COUNT; i++) {
            documents[i] = random_document(&random);
            take_in_steps(&short_keys[i], &cut, &documents[i], 1 + chance(&random, 20));
            take_in_steps(&long_keys[i], &whole, &documents[i], 1000);
            assert_true(short_keys[i].keys[0].bytes.length <= 5 + 32);
        }
        for (size_t i = 0; i < COUNT; i++)
            for (size_t j = 0; j < COUNT; j++) {
                int by_whole = sort_keys_compare(&whole, NULL, long_keys[i].keys, long_keys[j].keys);
                int by_cut = sort_keys_compare(&cut, NULL, short_keys[i].keys, short_keys[j].keys);
                assert_true(by_cut == 0 || (by_cut < 0) == (by_whole < 0));
                assert_true(by_whole != 0 || by_cut == 0);
            }
        for (size_t i = 0; i < COUNT; i++) {
            sort_keys_free(&short_keys[i]);
            sort_keys_free(&long_keys[i]);
            parsed_free(&documents[i]);
        }
        sort_order_free(&cut);
        sort_order_free(&whole);
    }
}

static void append_number(struct buffer *out, uint64_t *state)
{
    static const char *const exponents[] = {"",
                                            "",
                                            "e3",
                                            "E-3",
                                            "e999999999998",
                                            "e1000000000000",
                                            "e1000000000003",
                                            "e99999999999999999999999",
                                            "e-999999999999",
                                            "e-1000000000003",
                                            "e-99999999999999999999999"};
    buffer_append_text(out, chance(state, 2) ? "-" : "");
    buffer_append_unsigned(out, chance(state, 20));
    if (chance(state, 2)) {
        buffer_append_byte(out, '.');
        for (unsigned i = 0, count = 1 + chance(state, 9); i < count; i++)
            buffer_append_unsigned(out, chance(state, 3) ? 0 : chance(state, 10));
    }
    buffer_append_text(out, exponents[chance(state, COUNT_OF(exponents))]);
}

static void short_numbers_keep_their_order(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    uint64_t random = 11;
    struct buffer texts[COUNT] = {0}, cut[COUNT] = {0};
    for (size_t i = 0; i < COUNT; i++) {
        append_number(&texts[i], &random);
        json_number_append_short(&cut[i], buffer_slice(&texts[i]), 4);
        assert_true(cut[i].length <= 4 + 32);
    }
    size_t differ = 0;
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++) {
            int by_whole = json_number_compare(buffer_slice(&texts[i]), buffer_slice(&texts[j]));
            int by_cut = json_number_compare(buffer_slice(&cut[i]), buffer_slice(&cut[j]));
            if ((by_cut && (by_cut < 0) != (by_whole < 0)) || (!by_whole && by_cut))
                fail_msg("%.*s and %.*s", (int)texts[i].length, texts[i].data, (int)texts[j].length,
                         texts[j].data);
            differ += by_cut != 0;
        }
    assert_true(differ > (size_t)COUNT * COUNT / 2);
    for (size_t i = 0; i < COUNT; i++) {
        buffer_free(&texts[i]);
        buffer_free(&cut[i]);
    }
}

static void orders_are_told_apart(void **state)
{
    (void)state;
    static const char *const texts[] = {"{'a':1}",       "{'a':-1}",  "{'b':1}",  "{'a':1,'b':1}",
                                        "{'b':1,'a':1}", "{'a.b':1}", "{'_id':1}"};
    uint64_t hashes[COUNT_OF(texts)];
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct sort_order order = order_of(texts[i], MUCH);
        hashes[i] = sort_order_hash(&order);
        assert_int_equal(sort_order_is_natural(&order), strcmp(texts[i], "{'_id':1}") == 0);
        for (size_t j = 0; j < i; j++)
            assert_true(hashes[i] != hashes[j]);
        sort_order_free(&order);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_followed_as_queries_do),
        cmocka_unit_test(cut_keys_keep_their_order),
        cmocka_unit_test(short_numbers_keep_their_order),
        cmocka_unit_test(orders_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
