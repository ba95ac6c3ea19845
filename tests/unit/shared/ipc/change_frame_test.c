#include "shared/ipc/change_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "shared/base/memory.h"
#include "shared/ipc/frame_header.h"
#include "tests/unit/quoted.h"

static struct buffer frame;

static int clean(void **state)
{
    (void)state;
    buffer_free(&frame);
    return 0;
}

static void assert_is_frame(struct slice bytes, const char *payload)
{
    assert_int_equal(bytes.length, 2 + strlen(payload));
    assert_int_equal((uint8_t)bytes.data[0], 0x81); /* final, text */
    assert_int_equal(bytes.data[1], strlen(payload));
    assert_memory_equal(bytes.data + 2, payload, strlen(payload));
}

static void makes_an_update(void **state)
{
    (void)state;
    buffer_append_text(&frame, "before"); /* frames are appended */
    change_frame_update(&frame, SLICE("v"), slice_text(Q("{'_id':'a'}")), 7);
    assert_memory_equal(frame.data, "before", 6);
    assert_is_frame(slice_of(frame.data + 6, frame.length - 6),
                    Q("{'operation':'update','collectionName':'v','data':[{'_id':'a'}],'seq':7}"));
}

static void makes_a_remove_with_the_id_escaped(void **state)
{
    (void)state;
    change_frame_remove(&frame, SLICE("v"), slice_text(Q("a'\\")), UINT64_MAX);
    assert_is_frame(
        buffer_slice(&frame),
        Q("{'operation':'remove','collectionName':'v','data':['a\\'\\\\'],'seq':18446744073709551615}"));
}

static void makes_a_piece_of_a_sync(void **state)
{
    (void)state;
    change_frame_sync(&frame, "remove", SLICE("v"), slice_text(Q("'a','b'")));
    assert_is_frame(buffer_slice(&frame),
                    Q("{'operation':'remove','collectionName':'v','data':['a','b'],'sync':true}"));
}

static void makes_a_message_of_all_settings(void **state)
{
    (void)state;
    change_frame_settings(&frame, slice_text(Q("{'a':1}")));
    assert_is_frame(buffer_slice(&frame),
                    Q("{'operation':'set','collectionName':'settings','data':{'a':1}}"));
}

/* The three forms of the length, RFC 6455 section 5.2, at their borders. */
static void writes_the_length_of_any_payload(void **state)
{
    (void)state;
    static const struct {
        size_t payload, header;
    } cases[] = {{125, 2}, {126, 4}, {65535, 4}, {65536, 10}};
    size_t around = sizeof "{\"operation\":\"update\",\"collectionName\":\"v\",\"data\":[],\"seq\":7}" - 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = cases[i].payload - around;
        char *document = memory_allocate(length);
        memset(document, '1', length);
        buffer_clear(&frame);
        change_frame_update(&frame, SLICE("v"), slice_of(document, length), 7);
        assert_int_equal(frame.length, cases[i].header + cases[i].payload);
        assert_int_equal(frame.data[cases[i].header], '{');
        assert_int_equal(frame.data[frame.length - 1], '}');
        uint64_t said = (uint8_t)frame.data[1];
        if (said >= 126)
            said = 0;
        for (size_t byte = 2; byte < cases[i].header; byte++)
            said = said << 8 | (uint8_t)frame.data[byte];
        assert_int_equal(said, cases[i].payload);
        free(document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(makes_an_update, clean),
        cmocka_unit_test_teardown(makes_a_remove_with_the_id_escaped, clean),
        cmocka_unit_test_teardown(makes_a_piece_of_a_sync, clean),
        cmocka_unit_test_teardown(makes_a_message_of_all_settings, clean),
        cmocka_unit_test_teardown(writes_the_length_of_any_payload, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
