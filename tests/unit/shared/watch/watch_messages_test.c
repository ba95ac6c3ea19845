/* The stream between a worker and the watcher. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shared/watch/watch_messages.h"

static const struct watch_message samples[] = {
    {.type = WATCH_LISTEN, .directory = 3, .serial = 0xfedcba98},
    {.type = WATCH_BEGIN, .directory = 0, .serial = 1},
    {.type = WATCH_FILE,
     .directory = 63,
     .size = UINT64_MAX,
     .modified_ms = -1,
     .name = {"a name", sizeof "a name" - 1}},
    {.type = WATCH_GONE, .directory = 1, .name = {"b", 1}},
    {.type = WATCH_WHOLE, .directory = UINT16_MAX},
    {.type = WATCH_UNLISTEN, .directory = 2},
};
enum { SAMPLES = sizeof samples / sizeof *samples };

static void check_same(const struct watch_message *a, const struct watch_message *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->directory, b->directory);
    assert_int_equal(a->serial, b->serial);
    assert_true(a->size == b->size);
    assert_true(a->modified_ms == b->modified_ms);
    assert_true(slice_equal(a->name, b->name));
}

/* Each comes out as it went in, however the bytes are cut. */
static void test_there_and_back(void **state)
{
    (void)state;
    struct buffer all = {0};
    for (size_t i = 0; i < SAMPLES; i++)
        watch_message_append(&all, &samples[i]);
    struct slice rest = buffer_slice(&all);
    for (size_t i = 0; i < SAMPLES; i++) {
        struct watch_message message;
        struct slice before = rest;
        assert_int_equal(watch_message_take(&rest, &message), 1);
        check_same(&message, &samples[i]);
        for (size_t length = 0; length < (size_t)(rest.data - before.data); length++) {
            struct slice part = slice_of(before.data, length);
            assert_int_equal(watch_message_take(&part, &message), 0);
            assert_int_equal(part.length, length);
        }
    }
    assert_int_equal(rest.length, 0);
    buffer_free(&all);
}

static void check_malformed(const char *bytes, size_t length)
{
    struct watch_message message;
    struct slice slice = slice_of(bytes, length);
    assert_int_equal(watch_message_take(&slice, &message), -1);
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct slice wrong[] = {
        {"\0\0", 2},                          /* too short for a head */
        {"\x02\0", 2},                        /* the same */
        {"\xff\xff", 2},                      /* longer than any */
        {"\x03\0\0\0\0", 5},                  /* no such type */
        {"\x03\0\x07\0\0", 5},                /* the same */
        {"\x03\0\x01\0\0", 5},                /* LISTEN without its serial */
        {"\x08\0\x01\0\0\1\2\3\4\5", 10},     /* and with something behind it */
        {"\x04\0\x02\0\0x", 6},               /* UNLISTEN with a name */
        {"\x03\0\x05\0\0", 5},                /* GONE without one */
        {"\x04\0\x05\0\0\xff", 6},            /* with one that is not UTF-8 */
        {"\x04\0\x05\0\0\n", 6},              /* or has control characters */
        {"\x0a\0\x04\0\0\1\2\3\4\5\6\7", 12}, /* FILE that ends within its size */
        {"\x13\0\x04\0\0"
         "12345678"
         "12345678",
         21}, /* or has no name */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_malformed(wrong[i].data, wrong[i].length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_and_back),
                                       cmocka_unit_test(test_malformed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
