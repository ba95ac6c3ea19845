#include "shared/ring/ring.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/shared/ring/records.h"

static struct ring *ring;
static struct made_record made, copied;

static int open_ring(void **state)
{
    (void)state;
    ring = ring_create(RING_LEAST_BYTES);
    return ring ? 0 : -1;
}

static int close_ring(void **state)
{
    (void)state;
    ring_close(&ring);
    return ring ? -1 : 0;
}

static void produce(uint64_t seq, size_t length)
{
    ring_append(ring, make_record(&made, seq, length));
}

static void assert_reads(struct ring_cursor *cursor, uint64_t seq)
{
    struct ring_record record;
    assert_int_equal(ring_read(cursor, &record), RING_OK);
    copy_record(&copied, &record);
    assert_int_equal(ring_confirm(cursor), RING_OK);
    assert_int_equal(copied.record.seq, seq);
    assert_int_equal(cursor->seq, seq);
    assert_true(is_whole(&copied.record));
}

static void assert_reads_nothing(struct ring_cursor *cursor, enum ring_result why)
{
    struct ring_record record;
    assert_int_equal(ring_read(cursor, &record), why);
}

static void refuses_sizes_that_are_no_power_of_two(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, RING_LEAST_BYTES / 2, RING_LEAST_BYTES + 8, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        errno = 0;
        assert_null(ring_create(sizes[i]));
        assert_int_equal(errno, EINVAL);
    }
    assert_int_equal(ring_bytes(ring), RING_LEAST_BYTES);
}

static void starts_at_the_stores_number_once(void **state)
{
    (void)state;
    assert_false(ring_started(ring));
    assert_int_equal(ring_last_seq(ring), 0);
    ring_start(ring, 40);
    assert_true(ring_started(ring));
    assert_int_equal(ring_last_seq(ring), 40);
    assert_int_equal(ring_head(ring), 0);
    ring_start(ring, 50); /* a later producer; 41 to 50 are what it still has to publish */
    assert_int_equal(ring_last_seq(ring), 40);
    struct ring_cursor cursor;
    ring_cursor_start(&cursor, ring);
    assert_int_equal(cursor.seq, 40);
    produce(41, 10);
    ring_publish(ring);
    assert_reads(&cursor, 41);
}

static void shows_records_when_they_are_published(void **state)
{
    (void)state;
    ring_start(ring, 0);
    struct ring_cursor cursor;
    ring_cursor_start(&cursor, ring);
    assert_reads_nothing(&cursor, RING_END);
    produce(3, 100);
    produce(9, 0); /* numbers need not be without gaps */
    assert_reads_nothing(&cursor, RING_END);
    assert_int_equal(ring_last_seq(ring), 0);
    ring_publish(ring);
    assert_int_equal(ring_last_seq(ring), 9);
    assert_reads(&cursor, 3);
    assert_reads(&cursor, 9);
    assert_reads_nothing(&cursor, RING_END);
    assert_int_equal(cursor.position, ring_head(ring));
}

static void gives_the_same_record_until_it_is_confirmed(void **state)
{
    (void)state;
    ring_start(ring, 0);
    struct ring_cursor cursor;
    ring_cursor_start(&cursor, ring);
    produce(1, 5);
    produce(2, 5);
    ring_publish(ring);
    struct ring_record record;
    assert_int_equal(ring_read(&cursor, &record), RING_OK);
    assert_int_equal(ring_read(&cursor, &record), RING_OK);
    assert_int_equal(record.seq, 1);
    assert_reads(&cursor, 1);
    assert_reads(&cursor, 2);
}

static void keeps_every_record_over_many_rounds(void **state)
{
    (void)state;
    ring_start(ring, 0);
    struct ring_cursor cursor;
    ring_cursor_start(&cursor, ring);
    uint64_t published = 0;
    for (uint64_t seq = 1; seq <= 20000; seq++) {
        produce(seq, seq * 37 % 1500);
        if (seq % 11)
            continue;
        ring_publish(ring);
        while (published < seq)
            assert_reads(&cursor, ++published);
        assert_reads_nothing(&cursor, RING_END);
    }
    assert_true(ring_head(ring) > 20 * RING_LEAST_BYTES);
}

static void publishes_what_is_too_large_without_frames(void **state)
{
    (void)state;
    ring_start(ring, 0);
    struct ring_cursor cursor;
    ring_cursor_start(&cursor, ring);
    const struct ring_record *record = make_record(&made, 1, FRAME_MOST);
    assert_true(ring_fits(ring, record));
    ring_append(ring, record);
    record = make_record(&made, 2, 8);
    made.record.remove_frame = slice_of("x", SIZE_MAX - 4); /* the sum of the lengths would overflow */
    assert_false(ring_fits(ring, record));
    ring_append(ring, record);
    record = make_record(&made, 3, FRAME_MOST);
    assert_false(ring_fits(ring, record)); /* its second frame is too much */
    ring_append(ring, record);
    record = make_record(&made, 4, 8);
    made.record.fetch = true;
    ring_append(ring, record);
    ring_publish(ring);

    assert_reads(&cursor, 1);
    for (uint64_t seq = 2; seq <= 4; seq++) {
        struct ring_record got;
        assert_int_equal(ring_read(&cursor, &got), RING_OK);
        assert_int_equal(ring_confirm(&cursor), RING_OK);
        make_record(&made, seq, 8);
        assert_true(got.fetch);
        assert_true(slice_equal(got.id, made.record.id) && slice_equal(got.tag_after, made.record.tag_after));
        assert_int_equal(got.update_frame.length, seq == 4 ? 8 : 0);
        assert_int_equal(got.remove_frame.length, 0);
    }
}

static void tells_a_reader_that_was_lapped(void **state)
{
    (void)state;
    ring_start(ring, 0);
    struct ring_cursor slow, late;
    ring_cursor_start(&slow, ring);
    uint64_t seq = 0;
    while (ring_head(ring) < RING_LEAST_BYTES + 2000) {
        produce(++seq, 1000);
        ring_publish(ring);
    }
    assert_reads_nothing(&slow, RING_OVERRUN);
    assert_reads_nothing(&slow, RING_OVERRUN);

    ring_cursor_start(&late, ring); /* starts late: nothing of what was before, all of what comes */
    assert_int_equal(late.seq, seq);
    assert_reads_nothing(&late, RING_END);
    produce(seq + 1, 1000);
    ring_publish(ring);
    assert_reads(&late, seq + 1);
    assert_reads_nothing(&slow, RING_OVERRUN);
    ring_cursor_start(&slow, ring);
    assert_reads_nothing(&slow, RING_END);
}

static void tells_a_reader_that_is_lapped_while_it_reads(void **state)
{
    (void)state;
    ring_start(ring, 0);
    struct ring_cursor cursor;
    ring_cursor_start(&cursor, ring);
    produce(1, 1000);
    produce(2, 1000);
    ring_publish(ring);
    struct ring_record record;
    assert_int_equal(ring_read(&cursor, &record), RING_OK);
    const char *within = record.update_frame.data;
    for (uint64_t seq = 3; seq < 70; seq++)
        produce(seq, 1000); /* not even published */
    assert_ptr_equal(within, record.update_frame.data);
    assert_int_equal(ring_confirm(&cursor), RING_OVERRUN);
    assert_int_equal(ring_confirm(&cursor), RING_OVERRUN);
}

/* Most of the ring can be used before a reader is lapped: 63 of 64 parts, without a record and the rest at
 * the end. */
static void lets_a_reader_be_almost_a_round_behind(void **state)
{
    (void)state;
    ring_start(ring, 0);
    for (uint64_t start = 0; start < 200; start++) {
        struct ring_cursor cursor;
        ring_cursor_start(&cursor, ring);
        uint64_t seq = ring_last_seq(ring), first = seq + 1;
        while (ring_head(ring) + 4000 < cursor.position + RING_LEAST_BYTES / 64 * 63) {
            produce(++seq, 500 + start);
            ring_publish(ring);
        }
        for (uint64_t expected = first; expected <= seq; expected++)
            assert_reads(&cursor, expected);
        assert_reads_nothing(&cursor, RING_END);
    }
}

static void a_batch_larger_than_the_ring_overruns_everybody(void **state)
{
    (void)state;
    ring_start(ring, 0);
    struct ring_cursor cursor;
    ring_cursor_start(&cursor, ring);
    for (uint64_t seq = 1; seq <= 200; seq++)
        produce(seq, 1000);
    assert_reads_nothing(&cursor, RING_END);
    ring_publish(ring);
    assert_reads_nothing(&cursor, RING_OVERRUN);
    ring_cursor_start(&cursor, ring);
    assert_int_equal(cursor.seq, 200);
    produce(201, 10);
    ring_publish(ring);
    assert_reads(&cursor, 201);
}

#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, open_ring, close_ring)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RING_TEST(refuses_sizes_that_are_no_power_of_two),
        RING_TEST(starts_at_the_stores_number_once),
        RING_TEST(shows_records_when_they_are_published),
        RING_TEST(gives_the_same_record_until_it_is_confirmed),
        RING_TEST(keeps_every_record_over_many_rounds),
        RING_TEST(publishes_what_is_too_large_without_frames),
        RING_TEST(tells_a_reader_that_was_lapped),
        RING_TEST(tells_a_reader_that_is_lapped_while_it_reads),
        RING_TEST(lets_a_reader_be_almost_a_round_behind),
        RING_TEST(a_batch_larger_than_the_ring_overruns_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
