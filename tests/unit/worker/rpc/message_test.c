/* What counts as a message, and what is wrong with the others. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "tests/unit/quoted.h"
#include "worker/rpc/message.h"

static struct json json;
static struct buffer scratch;

/* Parses and reads; the text must be JSON. */
static bool read_message(const char *text, struct message *message, const char **fault)
{
    *fault = NULL;
    assert_true(json_parse(&json, text, strlen(text)));
    return message_read(&json, &scratch, message, fault);
}

static void messages_without_a_usable_tid(void **state)
{
    (void)state;
    const char *const texts[] = {
        "[]",
        "1",
        "null",
        Q("'x'"),
        "{}",
        Q("{'methodName':'find'}"),
        Q("{'tid':null,'methodName':'find'}"),
        Q("{'tid':1.5,'methodName':'find'}"),
        Q("{'tid':true}"),
        Q("{'tid':[1]}"),
        Q("{'tid':{}}"),
        Q("{'tid':99999999999999999999}"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct message message;
        const char *fault;
        assert_false(read_message(texts[i], &message, &fault));
        assert_non_null(fault);
    }
}

static void tid_comes_back_as_it_came(void **state)
{
    (void)state;
    const char *const tids[] = {"0", "-7", "9007199254740993", Q("''"), Q("'a b'"), Q("'\\u00e9\\n'")};
    for (size_t i = 0; i < sizeof tids / sizeof *tids; i++) {
        struct message message;
        const char *fault;
        char text[256];
        quoted_print(text, sizeof text, "{'tid':%s,'methodName':'m'}", tids[i]);
        assert_true(read_message(text, &message, &fault));
        assert_null(message.fault);
        assert_true(slice_equal(message.tid, slice_text(tids[i])));
    }
}

/* It comes back in every answer. */
static void tid_is_bounded_as_it_is_written(void **state)
{
    (void)state;
    struct message message;
    const char *fault;
    for (int zeros = 700; zeros <= 900; zeros += 200) {
        struct buffer text = {0};
        buffer_append_text(&text, Q("{'methodName':'m','tid':1."));
        for (int i = 0; i < zeros; i++)
            buffer_append_byte(&text, '0');
        buffer_append(&text, "}", 2);
        assert_int_equal(read_message(text.data, &message, &fault), zeros == 700);
        buffer_free(&text);
    }
}

static void tid_is_bounded_by_its_characters(void **state)
{
    (void)state;
    struct message message;
    const char *fault;
    struct buffer text = {0};
    for (int length = 127; length <= 129; length++) {
        buffer_clear(&text);
        buffer_append_text(&text, Q("{'methodName':'m','tid':'"));
        for (int i = 0; i < length; i++)
            buffer_append_text(&text, i == 0 ? "\\u0061" : "a");
        buffer_append(&text, Q("'}"), 3);
        assert_int_equal(read_message(text.data, &message, &fault), length <= 128);
    }
    buffer_free(&text);
}

static void parts_are_found_and_unescaped(void **state)
{
    (void)state;
    struct message message;
    const char *fault;
    assert_true(
        read_message(Q("{'data':{'a':1},'method\\u004eame':'f\\u0069nd','collectionName':'v\\u0069ruses',"
                       "'once':'k\\u0065y','tid':'t','other':[1]}"),
                     &message, &fault));
    assert_null(message.fault);
    assert_true(slice_equal(message.method, SLICE("find")));
    assert_true(slice_equal(message.collection, SLICE("viruses")));
    assert_true(slice_equal(message.once, SLICE("key")));
    assert_int_equal(json_type(message.data), JSON_OBJECT);
}

static void absent_and_null(void **state)
{
    (void)state;
    struct message message;
    const char *fault;
    assert_true(read_message(Q("{'tid':1,'methodName':'m','collectionName':null,'data':null,'once':null}"),
                             &message, &fault));
    assert_null(message.fault);
    assert_null(message.collection.data);
    assert_null(message.once.data);
    assert_int_equal(json_type(message.data), JSON_NULL);
    assert_true(read_message(Q("{'tid':1,'methodName':'m'}"), &message, &fault));
    assert_int_equal(json_type(message.data), JSON_NONE);
}

static void faults_with_a_usable_tid(void **state)
{
    (void)state;
    const char *const texts[] = {
        Q("{'tid':1}"),
        Q("{'tid':1,'methodName':5}"),
        Q("{'tid':1,'methodName':'m','collectionName':5}"),
        Q("{'tid':1,'methodName':'m','once':5}"),
        Q("{'tid':1,'methodName':'m','once':''}"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct message message;
        const char *fault;
        assert_true(read_message(texts[i], &message, &fault));
        assert_non_null(message.fault);
    }
}

/* The tid of a text that is refused; absent when there is none. */
static struct slice salvaged(const char *text)
{
    struct json_salvage salvage;
    uint64_t units = UINT64_MAX;
    assert_false(json_parse(&json, text, strlen(text)));
    json_salvage_start(&salvage, &json, message_tid_name);
    while (!json_salvage_go_on(&salvage, &json, &units))
        units = UINT64_MAX;
    return message_salvaged_tid(&json, &salvage, &scratch);
}

static void tids_of_refused_texts(void **state)
{
    (void)state;
    const char *const texts[][2] = {
        {"{'tid':1,'data':'\\ud83d'}", "1"},
        {"{'data':'\\ud83d','tid':'\\u00e9 x'}", "'\\u00e9 x'"},
        {"{'tid':9007199254740993,'methodName':'m'", "9007199254740993"},
        {"{'tid':1.5,'data':'\\ud83d'}", NULL},
        {"{'tid':null,'data':'\\ud83d'}", NULL},
        {"{'tid':[],'data':'\\ud83d'}", NULL},
        {"{'tid':'\\ud83d'}", NULL},
        {"{'data':'\\ud83d','tid':01}", NULL},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *text = quoted_copy(texts[i][0]), *expected = quoted_copy(texts[i][1] ? texts[i][1] : "");
        struct slice tid = salvaged(text);
        assert_int_equal(tid.data != NULL, texts[i][1] != NULL);
        assert_true(slice_equal(tid, slice_text(expected)));
        free(text);
        free(expected);
    }
    for (int length = 127; length <= 129; length++) {
        struct buffer text = {0};
        buffer_append_text(&text, Q("{'data':'\\ud83d','tid':'"));
        for (int i = 0; i < length; i++)
            buffer_append_text(&text, "\\u0061");
        buffer_append(&text, Q("'}"), 3);
        assert_int_equal(salvaged(text.data).length, length <= 128 ? 6 * length + 2 : 0);
        buffer_free(&text);
    }
}

static int release(void **state)
{
    (void)state;
    json_free(&json);
    buffer_free(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_without_a_usable_tid),   cmocka_unit_test(tid_comes_back_as_it_came),
        cmocka_unit_test(tid_is_bounded_as_it_is_written), cmocka_unit_test(tid_is_bounded_by_its_characters),
        cmocka_unit_test(parts_are_found_and_unescaped),   cmocka_unit_test(absent_and_null),
        cmocka_unit_test(faults_with_a_usable_tid),        cmocka_unit_test(tids_of_refused_texts),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
