/* Outputs that fell behind or are held: what is passed over, what is inserted, and how they join again. */

#include "tests/unit/worker/output/output_scene.h"

/* When the frames are to be dropped that it might see, the log has them. */
static void falls_behind_where_work_ran_out(void **state)
{
    (void)state;
    for (uint64_t seq = 11; seq < 2011; seq++)
        change(seq, HIDDEN);
    struct work work = {0};
    output_fall_behind(&output, backlog, 2000, &work);
    assert_true(output.catching_up);
    assert_int_equal(output.caught_up_seq, 520); /* it came to number 512, which is of change 521 */
    output_open(&output, backlog, viewer);
    output.frame = backlog_first(backlog);
    output_fall_behind(&output, backlog, 2000, NULL);
    assert_false(output.catching_up);
}

static void resumes_from_the_log_where_it_fell_behind(void **state)
{
    (void)state;
    for (uint64_t seq = 11; seq < 18; seq++)
        change(seq, OPEN);
    reply("R1;", 13);
    take(9); /* frame 12 is half out */
    output_fall_behind(&output, backlog, backlog_find(backlog, 14), NULL);
    assert_true(output.catching_up);
    assert_int_equal(output.caught_up_seq, 12);
    assert_false(output_wants_refill(&output)); /* the rest of 12 comes first */
    take(SIZE_MAX);
    assert_true(output_wants_refill(&output));
    assert_int_equal(output_refill_most(&output, backlog), 13); /* not beyond the reply's */
    output_refill(&output, SLICE("F13;"), 13);
    assert_false(output_wants_refill(&output));
    take(4);
    assert_false(output_wants_refill(&output)); /* the reply is to go first */
    take(SIZE_MAX);
    assert_true(output_wants_refill(&output));
    assert_int_equal(output_refill_most(&output, backlog), 17);
    output_refill(&output, TAG_NONE, 14);
    assert_true(output_rejoin(&output, backlog));
    take(SIZE_MAX);
    assert_received("F11...;F12...;F13;R1;F15...;F16...;F17...;");
}

static void does_not_fall_behind_for_what_it_would_not_see(void **state)
{
    (void)state;
    for (uint64_t seq = 11; seq < 15; seq++)
        change(seq, HIDDEN);
    change(15, OPEN);
    output_fall_behind(&output, backlog, backlog_find(backlog, 13), NULL);
    assert_false(output.catching_up);
    take(3);
    output_fall_behind(&output, backlog, 6,
                       NULL); /* the rest of what is half out is kept, then nothing is missing */
    assert_false(output.catching_up);
    take(SIZE_MAX);
    assert_received("F15...;");
    assert_true(output_idle(&output, backlog));
    output.viewer = NULL;
    output_fall_behind(&output, backlog, backlog_next(backlog) + 1, NULL);
    assert_false(output.catching_up);
    backlog_restart(backlog, 20);
    output.viewer = viewer;
    assert_true(output_idle(&output, backlog));
    change(21, OPEN);
    take(SIZE_MAX);
    assert_received("F15...;F21...;");
}

static void rejoins_only_when_nothing_is_missing_and_nothing_would_come_twice(void **state)
{
    (void)state;
    change(11, OPEN);
    take(SIZE_MAX);
    output_fall_behind(&output, backlog, backlog_next(backlog) + 1, NULL);
    backlog_restart(backlog, 20);
    assert_true(output.catching_up);
    assert_int_equal(output.caught_up_seq, 11);
    assert_false(output_rejoin(&output, backlog)); /* 12 to 20 are missing */
    assert_nothing_goes_out();
    output_refill(&output, SLICE("F12;"), 19);
    take(SIZE_MAX);
    assert_false(output_rejoin(&output, backlog));
    output_refill(&output, SLICE("F22;"), 22); /* the log is ahead of the backlog */
    assert_false(output_rejoin(&output, backlog));
    change(21, OPEN);
    assert_false(output_rejoin(&output, backlog));
    change(22, OPEN);
    change(23, OPEN);
    assert_true(output_rejoin(&output, backlog));
    assert_false(output_rejoin(&output, backlog));
    reply("R1;", 22);
    take(SIZE_MAX);
    assert_received("F11...;F12;F22;R1;F23...;");
}

static void what_is_held_waits_and_what_is_inserted_comes_first(void **state)
{
    (void)state;
    for (uint64_t seq = 11; seq < 14; seq++)
        change(seq, OPEN);
    take(9); /* frame 12 is half out: it is finished */
    output_hold(&output, backlog);
    assert_int_equal(output.hold_seq, 11);
    reply("R1;", 11);
    reply("R2;", 13);
    assert_false(output_at_hold(&output, backlog));
    take(SIZE_MAX);
    assert_true(output_at_hold(&output, backlog));
    output_insert(&output, SLICE("I1;"));
    assert_false(output_at_hold(&output, backlog));
    change(14, OPEN);
    take(2);
    assert_false(output_at_hold(&output, backlog));
    take(SIZE_MAX);
    assert_true(output_at_hold(&output, backlog));
    assert_nothing_goes_out();
    output_release(&output, 13);
    take(SIZE_MAX);
    assert_true(output_at_hold(&output, backlog));
    output_insert(&output, SLICE("I2;"));
    output_release(&output, OUTPUT_NO_HOLD);
    take(SIZE_MAX);
    assert_received("F11...;F12...;R1;I1;F13...;R2;I2;F14...;");
    assert_true(output_idle(&output, backlog));
}

/* Other rights may see it when its time comes. */
static void what_is_held_is_not_passed_over(void **state)
{
    (void)state;
    output_hold(&output, backlog);
    change(11, HIDDEN);
    change(12, OPEN);
    assert_nothing_goes_out();
    assert_true(output_at_hold(&output, backlog));
    struct viewer *other = world_viewer(table, 1 << HIDDEN, NULL, NULL);
    output.viewer = other;
    output_release(&output, OUTPUT_NO_HOLD);
    take(SIZE_MAX);
    assert_received("F11...;");
    output.viewer = viewer;
    viewer_put(table, other);
    output_hold(&output, backlog);
    change(13, HIDDEN);
    change(14, OPEN);
    output_fall_behind(&output, backlog, backlog_next(backlog), NULL);
    assert_true(output.catching_up);
    assert_int_equal(output.caught_up_seq, 12);
    assert_false(output_rejoin(&output, backlog));
    assert_int_equal(output_refill_most(&output, backlog), 12);
    assert_true(output_at_hold(&output, backlog));
    output_release(&output, 13);
    assert_int_equal(output_refill_most(&output, backlog), 13);
    output_refill(&output, SLICE("F13;"), 13);
    take(SIZE_MAX);
    assert_true(output_at_hold(&output, backlog));
    output_release(&output, OUTPUT_NO_HOLD);
    assert_true(output_rejoin(&output, backlog));
    take(SIZE_MAX);
    assert_received("F11...;F13;F14...;");
}

/* Somebody else has the connection: what is half out goes to its end, replies stay, the rest is left out. */
static void what_is_not_out_is_passed_over(void **state)
{
    (void)state;
    for (uint64_t seq = 11; seq < 14; seq++)
        change(seq, OPEN);
    reply("R1;", 13);
    take(2);
    output_hold(&output, backlog);
    output_pass_over(&output, backlog, 0);
    assert_false(output.catching_up);
    change(14, OPEN);
    take(SIZE_MAX);
    assert_received("F11...;R1;F14...;");
    output_pass_over(&output, backlog,
                     20); /* the rights are of a snapshot that the backlog has not reached */
    change(15, OPEN);
    change(20, OPEN);
    take(SIZE_MAX);
    assert_received("F11...;R1;F14...;");
    assert_true(output_rejoin(&output, backlog));
    change(21, OPEN);
    take(SIZE_MAX);
    assert_received("F11...;R1;F14...;F21...;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OUTPUT_TEST(falls_behind_where_work_ran_out),
        OUTPUT_TEST(resumes_from_the_log_where_it_fell_behind),
        OUTPUT_TEST(does_not_fall_behind_for_what_it_would_not_see),
        OUTPUT_TEST(rejoins_only_when_nothing_is_missing_and_nothing_would_come_twice),
        OUTPUT_TEST(what_is_held_waits_and_what_is_inserted_comes_first),
        OUTPUT_TEST(what_is_held_is_not_passed_over),
        OUTPUT_TEST(what_is_not_out_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
