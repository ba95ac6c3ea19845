/* after of find: what was written is read back as it was, and anything else does no harm. */

#include "sort_helpers.h"

#include "worker/methods/find_cursor.h"

static const char *const orders[] = {"{'a':1}", "{'a':1,'b':-1}", "{'b.a':-1,'a.b':1,'a':1}"};

/* The characters of the JSON string that was appended. */
static struct slice characters_of(struct buffer *json_string_text, struct buffer *scratch)
{
    struct json json = {0};
    assert_true(json_parse(&json, json_string_text->data, json_string_text->length));
    struct slice text = json_string(json_root(&json), scratch);
    if (!scratch->length)
        buffer_append_slice(scratch, text);
    json_free(&json);
    return buffer_slice(scratch);
}

static void sorted_ones_come_back(void **state)
{
    (void)state;
    uint64_t random = 9;
    for (unsigned i = 0; i < 3000; i++) {
        struct sort_order order = order_of(orders[i % COUNT_OF(orders)], chance(&random, 2) ? MUCH : 200);
        struct json document = random_document(&random);
        struct sort_keys keys = {0};
        struct buffer out = {0}, scratch = {0};
        struct find_cursor cursor = {0};
        const struct slice id = chance(&random, 2) ? SLICE("x\"\\y\xc3\xa9") : SLICE("a");
        take_in_steps(&keys, &order, &document, 1000);
        find_cursor_append_sorted(&out, &order, keys.keys, id);
        assert_true(out.length <= find_cursor_sorted_most(&order, keys.keys, id));
        assert_true(find_cursor_read(&cursor, characters_of(&out, &scratch), &order, NULL));
        assert_true(slice_equal(cursor.id, id));
        assert_int_equal(sort_keys_compare(&order, NULL, keys.keys, cursor.keys), 0);
        find_cursor_free(&cursor);
        buffer_free(&out);
        buffer_free(&scratch);
        sort_keys_free(&keys);
        parsed_free(&document);
        sort_order_free(&order);
    }
}

/* The worst there is: control characters throughout. */
static void none_is_longer_than_half_a_message(void **state)
{
    (void)state;
    static const size_t messages[] = {1024, 16 * 1024, 64 * 1024, 1024 * 1024};
    struct buffer text = {0};
    buffer_append_byte(&text, '{');
    for (char name = 'a'; name < 'a' + SORT_FIELDS; name++) {
        buffer_append_format(&text, "%s'%c':'", name == 'a' ? "" : ",", name);
        for (unsigned i = 0; i < 3000; i++)
            buffer_append_text(&text, "\\u0001");
        buffer_append_byte(&text, '\'');
    }
    buffer_append_byte(&text, '}');
    buffer_append_byte(&text, '\0');
    struct json document = parsed(text.data);
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        struct sort_order order = order_of("{'a':1,'b':1,'c':1,'d':1,'e':1,'f':1,'g':1,'h':1}", messages[i]);
        struct sort_keys keys = {0};
        struct buffer out = {0};
        take_in_steps(&keys, &order, &document, 1000000);
        find_cursor_append_sorted(&out, &order, keys.keys, SLICE("id"));
        assert_in_range(out.length, messages[i] / 20, messages[i] / 2 + 300);
        assert_in_range(out.length, 0, CURSOR_MOST);
        buffer_free(&out);
        sort_keys_free(&keys);
        sort_order_free(&order);
    }
    parsed_free(&document);
    buffer_free(&text);
}

static void walked_ones_come_back(void **state)
{
    (void)state;
    static const struct slice positions[] = {{"\x20\x00\xff\x01id", 6}, {"\x01", 1}};
    for (size_t i = 0; i < 4; i++) {
        struct buffer out = {0}, scratch = {0};
        struct find_cursor cursor = {0}, other = {0};
        const char *index = i < 2 ? "a.b" : NULL;
        struct slice position = i < 2 ? positions[i] : SLICE("caf\xc3\xa9\"");
        find_cursor_append_walked(&out, index, position);
        assert_true(out.length <= find_cursor_walked_most(index, position));
        assert_true(find_cursor_read(&cursor, characters_of(&out, &scratch), NULL, index));
        assert_true(slice_equal(cursor.id, position));
        assert_false(find_cursor_read(&other, buffer_slice(&scratch), NULL, index ? NULL : "a.b"));
        find_cursor_free(&cursor);
        find_cursor_free(&other);
        buffer_free(&out);
        buffer_free(&scratch);
    }
}

static bool reads(const char *text, const struct sort_order *order, const char *index)
{
    struct find_cursor cursor = {0};
    char *quoted = quoted_copy(text);
    bool good = find_cursor_read(&cursor, slice_text(quoted), order, index);
    find_cursor_free(&cursor);
    free(quoted);
    return good;
}

static void others_are_refused(void **state)
{
    (void)state;
    struct sort_order order = order_of("{'a':1}", MUCH);
    static const char *const keys[] = {"",
                                       ",1",
                                       ",[1,2]",
                                       ",['x'],[1]",
                                       ",[[],1]",
                                       ",[[1],1,'x']",
                                       ",[[],-1,'']",
                                       ",[[],1.5,'']",
                                       ",[{},1,2]",
                                       ",[[],1,'x',1]",
                                       ",[{'a':1},1,'']",
                                       ",null",
                                       ",[null,1]",
                                       ",[[],9223372036854775808,'']"};
    static const char *const good_keys[] = {",[]",   ",[null]",       ",[1e999]",
                                            ",['']", ",[[],3,'[1]']", ",[{},9,'']"};
    char text[200];
    for (size_t i = 0; i < COUNT_OF(keys) + COUNT_OF(good_keys); i++) {
        bool good = i >= COUNT_OF(keys);
        snprintf(text, sizeof text, "['%016llx','id'%s]", (unsigned long long)sort_order_hash(&order),
                 good ? good_keys[i - COUNT_OF(keys)] : keys[i]);
        if (reads(text, &order, NULL) != good)
            fail_msg("%s", text);
    }
    snprintf(text, sizeof text, "['%016llx','i\x01',[1]]", (unsigned long long)sort_order_hash(&order));
    assert_false(reads(text, &order, NULL));
    static const char *const nothing[] = {"",
                                          "x",
                                          "[]",
                                          "{}",
                                          "''",
                                          "['','id']",
                                          "['0','id',[1]]",
                                          "[[[[",
                                          "[1,2,3]",
                                          "['0123456789abcdef','id',[1]]"};
    for (size_t i = 0; i < COUNT_OF(nothing); i++)
        assert_false(reads(nothing[i], &order, NULL));
    static const char *const walked[] = {"['']",        "['',1]",     "['','']",
                                         "['','id',1]", "['x','id']", "['','a\x01']"};
    for (size_t i = 0; i < COUNT_OF(walked); i++)
        assert_false(reads(walked[i], NULL, NULL));
    static const char *const indexed[] = {"['n','']",   "['n','0']",  "['n','zz']",
                                          "['n','0g']", "['m','00']", "['n','00 ']"};
    for (size_t i = 0; i < COUNT_OF(indexed); i++)
        assert_false(reads(indexed[i], NULL, "n"));
    assert_true(reads("['n','00fF']", NULL, "n"));
    struct buffer long_one = {0};
    buffer_append_text(&long_one, "['n','");
    for (unsigned i = 0; i < 512; i++)
        buffer_append_text(&long_one, "00");
    buffer_append_text(&long_one, "']");
    buffer_append_byte(&long_one, '\0');
    assert_false(reads(long_one.data, NULL, "n"));
    buffer_free(&long_one);
    sort_order_free(&order);
}

/* What each document is compared with has a bound, and what the server makes stays within it. */
static void long_keys_are_refused(void **state)
{
    (void)state;
    struct sort_order order = order_of("{'a':1}", MUCH);
    static const char *const begun[] = {"", "'", "{},5000,'"};
    for (unsigned i = 0; i < COUNT_OF(begun); i++) {
        for (unsigned length = SORT_KEY_MOST; length <= SORT_KEY_MOST + 1; length++) {
            struct buffer text = {0};
            buffer_append_format(&text, "['%016llx','id',[%s", (unsigned long long)sort_order_hash(&order),
                                 begun[i]);
            for (unsigned j = 0; j < length; j++)
                buffer_append_byte(&text, '7');
            buffer_append_text(&text, i == 0 ? "]]" : "']]");
            buffer_append_byte(&text, '\0');
            assert_int_equal(reads(text.data, &order, NULL), length == SORT_KEY_MOST);
            buffer_free(&text);
        }
    }
    sort_order_free(&order);
}

/* Bytes of good ones that are changed at random. */
static void anything_may_come(void **state)
{
    (void)state;
    uint64_t random = 13;
    struct sort_order order = order_of("{'a':1,'b':1}", MUCH);
    for (unsigned i = 0; i < 20000; i++) {
        char text[200];
        snprintf(text, sizeof text, "[\"%016llx\",\"id\",[{},12,\"xy\"],[\"\\u00e9\"]]",
                 (unsigned long long)sort_order_hash(&order));
        size_t length = strlen(text);
        for (unsigned j = 0; j < 3; j++)
            text[chance(&random, (unsigned)length)] = "[]{}\",0\\u\xff\x01"[chance(&random, 11)];
        char *copy = malloc(length);
        struct find_cursor cursor = {0};
        bool good = find_cursor_read(&cursor, slice_of(memcpy(copy, text, length), length), &order, NULL);
        free(copy);
        if (good)
            assert_in_range(sort_keys_compare(&order, NULL, cursor.keys, cursor.keys) + 1, 1, 1);
        find_cursor_free(&cursor);
    }
    sort_order_free(&order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorted_ones_come_back), cmocka_unit_test(none_is_longer_than_half_a_message),
        cmocka_unit_test(walked_ones_come_back), cmocka_unit_test(others_are_refused),
        cmocka_unit_test(long_keys_are_refused), cmocka_unit_test(anything_may_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
