#include "shared/ipc/committer_messages.h"
#include "tests/unit/quoted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct buffer stream;

static int clean(void **state)
{
    (void)state;
    buffer_free(&stream);
    return 0;
}

static struct slice take_one(struct slice *bytes, enum committer_message_type expected)
{
    enum committer_message_type type = 0;
    struct slice body = {0};
    assert_int_equal(committer_message_take(bytes, &type, &body), 1);
    assert_int_equal(type, expected);
    return body;
}

static const struct committer_result RESULT = {
    .id = 0x1122334455667788, .code = ERROR_CONFLICT, .seq = UINT64_MAX, .at_fault = 7};

static void append_one_of_each(void)
{
    committer_hello_append(&stream, 255, 0xfedcba9876543210);
    committer_set_append(&stream, 42, SLICE("set\0with anything\xff"));
    struct committer_result result = RESULT;
    result.text = slice_text(Q("{'a':1}"));
    committer_result_append(&stream, &result);
    committer_welcome_append(&stream);
}

static void gives_back_what_was_put_in(void **state)
{
    (void)state;
    append_one_of_each();
    struct slice bytes = buffer_slice(&stream);

    uint32_t slot;
    uint64_t incarnation, id;
    struct slice set;
    struct committer_result result;
    assert_true(committer_hello_read(take_one(&bytes, COMMITTER_HELLO), &slot, &incarnation));
    assert_int_equal(slot, 255);
    assert_true(incarnation == 0xfedcba9876543210);
    assert_true(committer_set_read(take_one(&bytes, COMMITTER_SET), &id, &set));
    assert_int_equal(id, 42);
    assert_true(slice_equal(set, SLICE("set\0with anything\xff")));
    assert_true(committer_result_read(take_one(&bytes, COMMITTER_RESULT), &result));
    assert_true(result.id == RESULT.id && result.seq == RESULT.seq);
    assert_int_equal(result.code, RESULT.code);
    assert_int_equal(result.at_fault, RESULT.at_fault);
    assert_true(slice_equal(result.text, slice_text(Q("{'a':1}"))));
    assert_int_equal(take_one(&bytes, COMMITTER_WELCOME).length, 0);
    assert_int_equal(bytes.length, 0);
}

static void has_a_layout_that_stays(void **state)
{
    (void)state;
    committer_set_append(&stream, 0x0102, SLICE("ab"));
    assert_true(slice_equal(buffer_slice(&stream), SLICE("\x0b\0\0\0\x02\x02\x01\0\0\0\0\0\0ab")));
}

static void waits_for_the_rest_wherever_it_is_cut(void **state)
{
    (void)state;
    append_one_of_each();
    struct slice whole = buffer_slice(&stream);
    for (size_t cut = 0; cut <= whole.length; cut++) {
        enum committer_message_type type;
        struct slice bytes = slice_of(whole.data, cut), body;
        unsigned taken = 0;
        int result;
        while ((result = committer_message_take(&bytes, &type, &body)) == 1)
            taken++;
        assert_int_equal(result, 0);
        size_t left = bytes.length; /* joined with the rest, the others come */
        bytes = slice_of(bytes.data, left + whole.length - cut);
        while (committer_message_take(&bytes, &type, &body) == 1)
            taken++;
        assert_int_equal(taken, 4);
        assert_int_equal(bytes.length, 0);
    }
}

static void refuses_what_is_malformed(void **state)
{
    (void)state;
    const struct slice cases[] = {
        SLICE("\0\0\0\0\x01"),         /* nothing follows */
        SLICE("\x01\0\0\x40\x04"),     /* a byte over COMMITTER_MESSAGE_MOST */
        SLICE("\xff\xff\xff\xff\x01"), /* far over */
        SLICE("\x01\0\0\0\0"),         /* no type */
        SLICE("\x01\0\0\0\x05"),       /* no such type */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum committer_message_type type;
        struct slice bytes = cases[i], body;
        assert_int_equal(committer_message_take(&bytes, &type, &body), -1);
    }
}

static void refuses_bodies_that_are_malformed(void **state)
{
    (void)state;
    char bytes[64] = {0};
    uint32_t slot;
    uint64_t number;
    struct slice set;
    struct committer_result result;
    for (size_t length = 0; length < sizeof bytes; length++) {
        struct slice body = slice_of(bytes, length);
        assert_int_equal(committer_hello_read(body, &slot, &number), length == 12);
        assert_int_equal(committer_set_read(body, &number, &set), length >= 8);
        assert_int_equal(committer_result_read(body, &result), length >= 24);
    }
    bytes[8] = ERROR_INTERNAL + 1;
    assert_false(committer_result_read(slice_of(bytes, 24), &result));
    bytes[1] = 1; /* slot 256 */
    assert_false(committer_hello_read(slice_of(bytes, 12), &slot, &number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(gives_back_what_was_put_in, clean),
        cmocka_unit_test_teardown(has_a_layout_that_stays, clean),
        cmocka_unit_test_teardown(waits_for_the_rest_wherever_it_is_cut, clean),
        cmocka_unit_test_teardown(refuses_what_is_malformed, clean),
        cmocka_unit_test_teardown(refuses_bodies_that_are_malformed, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
