#include "worker/output/backlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "shared/base/memory.h"
#include "tests/unit/worker/output/world.h"

static struct backlog *backlog;

static int clean(void **state)
{
    (void)state;
    backlog_free(&backlog);
    return backlog ? -1 : 0;
}

static void append(uint64_t seq, const char *update, const char *remove)
{
    struct ring_record record = {.seq = seq,
                                 .collection = OPEN,
                                 .update_frame = slice_text(update),
                                 .remove_frame = slice_text(remove),
                                 .tag_before = TAG_ANNA,
                                 .tag_after = TAG_HELD};
    backlog_append(backlog, &record);
}

static void assert_frame(uint64_t number, uint64_t seq, enum backlog_kind kind, const char *bytes)
{
    const struct backlog_frame *frame = backlog_frame(backlog, number);
    assert_int_equal(frame->seq, seq);
    assert_int_equal(frame->kind, kind);
    assert_true(slice_equal(slice_of(frame->bytes, frame->length), slice_text(bytes)));
    assert_true(slice_equal(frame->tag_before, TAG_ANNA));
    assert_true(slice_equal(frame->tag_after, TAG_HELD));
}

static void numbers_frames_without_gaps(void **state)
{
    (void)state;
    backlog = backlog_create(1 << 20);
    assert_int_equal(backlog_first(backlog), 1);
    assert_int_equal(backlog_next(backlog), 1);
    append(11, "one", NULL);
    append(13, "two", "three");
    append(14, NULL, NULL);
    append(20, NULL, "four");
    assert_int_equal(backlog_first(backlog), 1);
    assert_int_equal(backlog_next(backlog), 5);
    assert_int_equal(backlog_last_seq(backlog), 20);
    assert_int_equal(backlog_floor_seq(backlog), 0);
    assert_frame(1, 11, BACKLOG_UPDATE, "one");
    assert_frame(2, 13, BACKLOG_UPDATE, "two");
    assert_frame(3, 13, BACKLOG_REMOVE, "three");
    assert_frame(4, 20, BACKLOG_REMOVE, "four");
}

static void lays_frames_end_to_end(void **state)
{
    (void)state;
    backlog = backlog_create(1 << 20);
    for (uint64_t seq = 1; seq <= 1000; seq++)
        append(seq, "a frame", seq % 3 ? NULL : "another");
    for (uint64_t number = 2; number < backlog_next(backlog); number++) {
        const struct backlog_frame *before = backlog_frame(backlog, number - 1);
        assert_ptr_equal(backlog_frame(backlog, number)->bytes, before->bytes + before->length);
    }
}

static void finds_frames_by_sequence_number(void **state)
{
    (void)state;
    backlog = backlog_create(1 << 20);
    assert_int_equal(backlog_find(backlog, 0), 1);
    append(5, "a", "b");
    append(7, "c", NULL);
    append(9, NULL, NULL);
    const uint64_t expected[] = {1, 1, 1, 1, 1, 3, 3, 4, 4, 4, 4};
    for (uint64_t seq = 0; seq < 11; seq++)
        assert_int_equal(backlog_find(backlog, seq), expected[seq]);
}

static void forgets_the_last_record(void **state)
{
    (void)state;
    backlog = backlog_create(1 << 20);
    append(1, "kept", NULL);
    uint64_t bytes = backlog_bytes(backlog);
    append(2, "torn", "torn too");
    backlog_forget_last(backlog);
    assert_int_equal(backlog_next(backlog), 2);
    assert_int_equal(backlog_last_seq(backlog), 1);
    assert_int_equal(backlog_bytes(backlog), bytes);
    append(3, NULL, NULL);
    backlog_forget_last(backlog);
    assert_int_equal(backlog_last_seq(backlog), 1);
    append(2, "whole", NULL);
    assert_frame(1, 1, BACKLOG_UPDATE, "kept");
    assert_frame(2, 2, BACKLOG_UPDATE, "whole");
    assert_ptr_equal(backlog_frame(backlog, 2)->bytes, backlog_frame(backlog, 1)->bytes + 4);
}

static void goes_on_counting_after_a_restart(void **state)
{
    (void)state;
    backlog = backlog_create(1 << 20);
    append(1, "a", NULL);
    append(2, "b", NULL);
    backlog_restart(backlog, 50);
    assert_int_equal(backlog_first(backlog), 4);
    assert_int_equal(backlog_next(backlog), 4);
    assert_int_equal(backlog_last_seq(backlog), 50);
    assert_int_equal(backlog_floor_seq(backlog), 50);
    assert_int_equal(backlog_bytes(backlog), 0);
    append(51, "c", NULL);
    assert_frame(4, 51, BACKLOG_UPDATE, "c");
}

static void keeps_a_frame_larger_than_all_it_may_keep(void **state)
{
    (void)state;
    backlog = backlog_create(10000);
    char *large = memory_zeroed(1, 50001);
    memset(large, 'x', 50000);
    append(1, "small", NULL);
    struct ring_record record = {.seq = 2, .update_frame = slice_text(large)};
    assert_int_equal(backlog_first_after(backlog, &record), 2);
    append(2, large, NULL);
    assert_int_equal(backlog_first(backlog), 2);
    assert_int_equal(backlog_floor_seq(backlog), 1);
    assert_frame(2, 2, BACKLOG_UPDATE, large);
    append(3, "small again", NULL);
    assert_int_equal(backlog_first(backlog), 3);
    assert_frame(3, 3, BACKLOG_UPDATE, "small again");
    free(large);
}

enum { MODEL_RECORDS = 3000, MODEL_BYTES = 20000 };

static void fill(char *bytes, size_t length, uint64_t number)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)('a' + (number * 7 + i) % 26);
    bytes[length] = '\0';
}

/* The frames that must be there, as they were given: their number, sequence number and length say all. */
struct model {
    uint64_t seq[2 * MODEL_RECORDS + 1];
    size_t length[2 * MODEL_RECORDS + 1];
    uint64_t next;
};

static void assert_is_as(const struct model *model)
{
    char expected[8000];
    assert_int_equal(backlog_next(backlog), model->next);
    for (uint64_t number = backlog_first(backlog); number < model->next; number++) {
        fill(expected, model->length[number], number);
        const struct backlog_frame *frame = backlog_frame(backlog, number);
        assert_int_equal(frame->seq, model->seq[number]);
        assert_true(slice_equal(slice_of(frame->bytes, frame->length), slice_text(expected)));
    }
    uint64_t first = backlog_first(backlog);
    assert_int_equal(backlog_floor_seq(backlog), first > 1 ? model->seq[first - 1] : 0);
    uint64_t seq = (backlog_floor_seq(backlog) + backlog_last_seq(backlog)) / 2, found = first;
    while (found < model->next && model->seq[found] <= seq)
        found++;
    assert_int_equal(backlog_find(backlog, seq), found);
}

static void append_at_random(struct model *model, uint64_t seq, uint64_t *random)
{
    char update[8000] = "", remove[8000] = "";
    uint64_t number = model->next;
    size_t most = random_below(random, 40) ? 300 : 7000;
    size_t lengths[] = {random_below(random, 4) ? 1 + random_below(random, (uint32_t)most) : 0,
                        random_below(random, 4) ? 0 : 1 + random_below(random, 100)};
    char *texts[] = {update, remove};
    for (unsigned i = 0; i < 2; i++) {
        if (!lengths[i])
            continue;
        fill(texts[i], lengths[i], number);
        model->seq[number] = seq;
        model->length[number++] = lengths[i];
    }
    struct ring_record record = {.seq = seq,
                                 .update_frame = slice_text(update),
                                 .remove_frame = slice_text(remove),
                                 .tag_before = TAG_ANNA,
                                 .tag_after = TAG_HELD};
    uint64_t first = backlog_first_after(backlog, &record);
    append(seq, update, remove);
    assert_int_equal(backlog_first(backlog), first);
    if (random_below(random, 8) == 0)
        backlog_forget_last(backlog);
    else
        model->next = number;
}

static void drops_the_oldest_as_it_said(void **state)
{
    (void)state;
    struct model *model = memory_zeroed(1, sizeof *model);
    model->next = 1;
    backlog = backlog_create(MODEL_BYTES);
    uint64_t random = 7, bytes_seen = 0;
    for (uint64_t seq = 1; seq <= MODEL_RECORDS; seq++) {
        append_at_random(model, seq, &random);
        assert_is_as(model);
        assert_true(backlog_bytes(backlog) <= MODEL_BYTES);
        if (backlog_bytes(backlog) > bytes_seen)
            bytes_seen = backlog_bytes(backlog);
    }
    assert_true(backlog_first(backlog) > 100);
    assert_true(bytes_seen > MODEL_BYTES * 9 / 10);
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(numbers_frames_without_gaps, clean),
        cmocka_unit_test_teardown(lays_frames_end_to_end, clean),
        cmocka_unit_test_teardown(finds_frames_by_sequence_number, clean),
        cmocka_unit_test_teardown(forgets_the_last_record, clean),
        cmocka_unit_test_teardown(goes_on_counting_after_a_restart, clean),
        cmocka_unit_test_teardown(keeps_a_frame_larger_than_all_it_may_keep, clean),
        cmocka_unit_test_teardown(drops_the_oldest_as_it_said, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
