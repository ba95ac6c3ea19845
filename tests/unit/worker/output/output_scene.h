#ifndef TESTS_UNIT_OUTPUT_SCENE_H
#define TESTS_UNIT_OUTPUT_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/worker/output/peer.h"
#include "tests/unit/worker/output/world.h"
#include "worker/output/output.h"

/* One output of one backlog, and what was received of it: for tests of what goes out, case by case. */

static struct viewer_table *table;
static struct viewer *viewer; /* sees the collection OPEN */
static struct backlog *backlog;
static struct output output;
static struct buffer received;

static inline void open_world(void)
{
    table = viewer_table_create(&world_config);
    viewer = world_viewer(table, 1 << OPEN, NULL, NULL);
    backlog = backlog_create(1 << 20);
    backlog_restart(backlog, 10);
    output_open(&output, backlog, viewer);
    buffer_clear(&received);
}

static inline void close_world(void)
{
    output_close(&output);
    viewer_put(table, viewer);
    viewer_table_free(&table);
    backlog_free(&backlog);
}

static inline int open_test(void **state)
{
    (void)state;
    open_world();
    return 0;
}

static inline int close_test(void **state)
{
    (void)state;
    close_world();
    buffer_free(&received);
    return 0;
}

static inline void change(uint64_t seq, unsigned collection)
{
    struct buffer frame = {0};
    item_append(&frame, 'F', seq, 3);
    struct ring_record record = {.seq = seq,
                                 .collection = (uint16_t)collection,
                                 .tag_after = TAG_HELD,
                                 .update_frame = buffer_slice(&frame)};
    backlog_append(backlog, &record);
    buffer_free(&frame);
}

static inline void reply(const char *text, uint64_t after_seq)
{
    output_reply(&output, slice_text(text), after_seq);
}

static inline void take(size_t most)
{
    peer_take(&output, backlog, 1 << 20, most, NULL, &received);
}

static inline void assert_received(const char *expected)
{
    buffer_append_byte(&received, '\0');
    assert_string_equal(received.data, expected);
    received.length--;
}

static inline void assert_nothing_goes_out(void)
{
    struct output_plan plan;
    output_plan(&output, backlog, 1 << 20, NULL, &plan);
    assert_int_equal(plan.count, 0);
    assert_int_equal(plan.bytes, 0);
}

#define OUTPUT_TEST(name) cmocka_unit_test_setup_teardown(name, open_test, close_test)

#endif
