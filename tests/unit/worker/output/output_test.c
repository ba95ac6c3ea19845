/* The order of what goes out, case by case, each with the write cut at every offset. */
#include "tests/unit/worker/output/output_scene.h"
#include "worker/output/sight.h"

static void starts_at_the_end_and_is_idle(void **state)
{
    (void)state;
    change(11, OPEN);
    output_open(&output, backlog, viewer);
    assert_true(output_idle(&output, backlog));
    assert_nothing_goes_out();
    change(12, OPEN);
    assert_false(output_idle(&output, backlog));
    take(SIZE_MAX);
    assert_received("F12...;");
    assert_true(output_idle(&output, backlog));
}

static void merges_adjacent_frames_into_one_vector(void **state)
{
    (void)state;
    for (uint64_t seq = 11; seq < 43; seq++)
        change(seq, OPEN);
    struct output_plan plan;
    output_plan(&output, backlog, 1 << 20, NULL, &plan);
    assert_int_equal(plan.count, 1);
    assert_int_equal(plan.frames, 32);
    assert_int_equal(plan.cursor, backlog_next(backlog));
    assert_int_equal(output_advance(&output, backlog, &plan, plan.bytes), 32);
    assert_true(output_idle(&output, backlog));
}

static void moves_over_what_is_not_seen(void **state)
{
    (void)state;
    change(11, HIDDEN);
    change(12, HIDDEN);
    assert_false(output_idle(&output, backlog));
    assert_nothing_goes_out();
    assert_true(output_idle(&output, backlog));
    change(13, HIDDEN);
    change(14, OPEN);
    change(15, HIDDEN);
    take(SIZE_MAX);
    assert_received("F14...;");
    assert_true(output_idle(&output, backlog)); /* over 15, too */
    output.viewer = NULL;
    change(16, OPEN);
    assert_nothing_goes_out();
    assert_true(output_idle(&output, backlog));
}

static void a_reply_waits_for_its_change(void **state)
{
    (void)state;
    reply("R1;", 12);
    assert_nothing_goes_out();
    assert_false(output_idle(&output, backlog));
    change(11, OPEN);
    take(SIZE_MAX);
    assert_nothing_goes_out();
    change(12, HIDDEN); /* its own change may be one that it does not see */
    take(SIZE_MAX);
    assert_received("F11...;R1;");
    assert_true(output_idle(&output, backlog));
}

static void a_reply_waits_for_a_change_without_frames(void **state)
{
    (void)state;
    reply("R1;", 11);
    assert_nothing_goes_out();
    struct ring_record record = {.seq = 11, .collection = INTERNAL};
    backlog_append(backlog, &record);
    take(SIZE_MAX);
    assert_received("R1;");
}

static void a_reply_goes_out_in_front_of_later_changes(void **state)
{
    (void)state;
    for (uint64_t seq = 11; seq < 15; seq++)
        change(seq, OPEN);
    reply("R1;", 5);
    reply("R2;", 12);
    reply("R3;", 12);
    take(SIZE_MAX);
    assert_received("R1;F11...;F12...;R2;R3;F13...;F14...;");
}

static void replies_keep_their_order(void **state)
{
    (void)state;
    reply("R1;", 12);
    reply("R2;", 10);
    change(11, OPEN);
    change(12, OPEN);
    change(13, OPEN);
    take(SIZE_MAX);
    assert_received("F11...;F12...;R1;R2;F13...;");
}

static void a_frame_that_is_half_out_is_finished_for_whoever_looks(void **state)
{
    (void)state;
    change(11, OPEN);
    change(12, OPEN);
    take(2);
    output.viewer = NULL;
    output_urgent(&output, SLICE("U1;"));
    take(SIZE_MAX);
    assert_received("F11...;U1;");
    assert_true(output_idle(&output, backlog));
}

static void counts_what_waits(void **state)
{
    (void)state;
    reply("R1;", 12);
    reply("R2;", 9);
    output_urgent(&output, SLICE("U1;"));
    assert_int_equal(output.reply_bytes, 9);
    take(2);
    assert_int_equal(output.reply_bytes, 7);
    change(12, OPEN);
    take(5);
    assert_int_equal(output.reply_bytes, 6);
    take(SIZE_MAX);
    assert_int_equal(output.reply_bytes, 0);
}

static void a_plan_is_bounded(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    struct buffer expected = {0};
    for (uint64_t seq = 11; seq < MANY; seq++) {
        change(seq, OPEN);
        change(++seq, HIDDEN);
    }
    struct output_plan plan;
    output_plan(&output, backlog, SIZE_MAX, NULL, &plan);
    assert_int_equal(plan.count, OUTPUT_VECTORS);
    output_plan(&output, backlog, 50, NULL, &plan);
    assert_in_range(plan.bytes, 50, 50 + SIGHT_RUN_BYTES);
    for (unsigned i = 0; i < 100 && !output_idle(&output, backlog); i++)
        take(SIZE_MAX);
    for (uint64_t seq = 11; seq < MANY; seq += 2)
        item_append(&expected, 'F', seq, 3);
    assert_true(slice_equal(buffer_slice(&received), buffer_slice(&expected)));
    buffer_free(&expected);
}

/* Frames that are not seen cost a bounded walk in one plan; the next one goes on where it ended, and nothing
 * goes out before its time. */
static void goes_on_where_work_ran_out(void **state)
{
    (void)state;
    enum { MANY = 5000, PLANS = 15 };
    for (uint64_t seq = 11; seq < 11 + MANY; seq++)
        change(seq, HIDDEN);
    change(11 + MANY, OPEN);
    reply("R1;", 2000);
    reply("R2;", 10 + MANY);
    struct output_plan plan;
    struct work work = {0};
    unsigned plans = 0;
    for (; received.length < 3; plans++) {
        uint64_t before = output.frame;
        peer_take(&output, backlog, 1 << 20, SIZE_MAX, &work, &received);
        assert_in_range(output.frame, before + 1, before + 1024); /* twice: behind the reply, too */
    }
    assert_in_range(output_seq(&output, backlog), 2000, 4000);
    do
        output_plan(&output, backlog, 1 << 20, &work, &plan);
    while (++plans < PLANS && plan.count == 0 && plan.stopped);
    assert_in_range(plans, 8, PLANS - 1);
    assert_true(work.used < 2 * MANY);
    take(SIZE_MAX);
    buffer_append_byte(&received, '\0');
    assert_string_equal(received.data, "R1;R2;F5011...;");
    assert_true(output_idle(&output, backlog));
}

/* What is told of how far a peer has everything. */
static void says_up_to_where_all_is_out(void **state)
{
    (void)state;
    assert_int_equal(output_sent_seq(&output, backlog), 10);
    for (uint64_t seq = 11; seq < 15; seq++)
        change(seq, OPEN);
    assert_int_equal(output_sent_seq(&output, backlog), 10);
    take(9); /* 12 is half out */
    assert_int_equal(output_sent_seq(&output, backlog), 11);
    output_fall_behind(&output, backlog, backlog_find(backlog, 13), NULL); /* its rest is kept */
    assert_int_equal(output_sent_seq(&output, backlog), 11);
    take(SIZE_MAX);
    assert_int_equal(output_sent_seq(&output, backlog), 12);
    output_refill(&output, SLICE("F13;F14;"), 14);
    assert_int_equal(output_seq(&output, backlog), 14);
    assert_int_equal(output_sent_seq(&output, backlog), 12);
    take(5); /* 13 is out, and 14 half */
    assert_int_equal(output_sent_seq(&output, backlog), 12);
    take(SIZE_MAX);
    assert_int_equal(output_sent_seq(&output, backlog), 14);
    assert_true(output_rejoin(&output, backlog));
    output_hold(&output, backlog);
    change(15, OPEN);
    output_insert(&output, SLICE("I1;"));
    assert_int_equal(output_sent_seq(&output, backlog), 14);
    take(SIZE_MAX);
    assert_int_equal(output_sent_seq(&output, backlog), 14);
    output_release(&output, OUTPUT_NO_HOLD);
    take(SIZE_MAX);
    assert_int_equal(output_sent_seq(&output, backlog), 15);
    assert_received("F11...;F12...;F13;F14;I1;F15...;");
}

static void says_what_replies_wait_for(void **state)
{
    (void)state;
    assert_int_equal(output_reply_seq(&output), 0);
    reply("R1;", 12);
    reply("R2;", 15);
    reply("R3;", 11);
    assert_int_equal(output_reply_seq(&output), 15);
    output_pass_over(&output, backlog, output_reply_seq(&output));
    reply("R4;", 15);
    for (uint64_t seq = 11; seq < 17; seq++)
        change(seq, OPEN);
    take(SIZE_MAX);
    assert_true(output_rejoin(&output, backlog));
    take(SIZE_MAX);
    assert_received("R1;R2;R3;R4;F16...;");
    assert_int_equal(output_reply_seq(&output), 0);
}

/* Everything at once, cut at every offset, with something happening at the cut. */
enum happening { NOTHING_HAPPENS, URGENT_COMES, REPLY_COMES, FRAMES_ARE_DROPPED, HAPPENINGS };

static void refill_all(void)
{
    for (unsigned rounds = 0; rounds < 50 && output.catching_up; rounds++) {
        if (output_wants_refill(&output)) {
            uint64_t seq = output.caught_up_seq + 1, most = output_refill_most(&output, backlog);
            struct buffer frames = {0};
            if (seq <= most && seq != 13)
                item_append(&frames, 'F', seq, 3);
            output_refill(&output, buffer_slice(&frames), seq <= most ? seq : most);
            buffer_free(&frames);
        }
        take(1 + rounds % 5);
        if (output.caught_up_seq >= 16)
            (void)output_rejoin(&output, backlog);
    }
}

static void check_order(size_t cut, enum happening happening)
{
    struct slice bytes = buffer_slice(&received);
    struct item item;
    uint64_t last_frame = 10, last_reply = 0;
    unsigned urgents = 0, changed = 0;
    while (peer_item(&bytes, &item)) {
        if (item.kind == 'F') {
            assert_int_equal(item.number, last_frame == 12 ? 14 : last_frame + 1);
            last_frame = item.number;
            changed++;
        } else if (item.kind == 'R') {
            assert_int_equal(item.number, ++last_reply);
            uint64_t gates[] = {0, 10, 12, 12, 14};
            if (item.number < 5)
                assert_true(last_frame == gates[item.number]);
        } else {
            size_t start = received.length - bytes.length - 3;
            urgents++;
            if (happening == URGENT_COMES && item.number == 2) /* a reply can be as long as two of these */
                assert_in_range(start, cut < received.length - 3 ? cut : received.length - 3, cut + 8);
        }
    }
    assert_int_equal(bytes.length, 0);
    assert_int_equal(last_frame, 17);
    assert_int_equal(changed, 6);
    assert_int_equal(last_reply, happening == REPLY_COMES ? 5 : 4);
    assert_int_equal(urgents, happening == URGENT_COMES ? 2 : 1);
}

static size_t play(size_t cut, enum happening happening)
{
    for (uint64_t seq = 11; seq < 18; seq++)
        change(seq, seq == 13 ? HIDDEN : OPEN);
    output_urgent(&output, SLICE("U1;"));
    reply("R1;", 10);
    reply("R2;", 12);
    reply("R3;", 12);
    reply("R4.;", 14);
    take(cut);
    switch (happening) {
    case NOTHING_HAPPENS:
    case HAPPENINGS:
        break;
    case URGENT_COMES:
        output_urgent(&output, SLICE("U2;"));
        break;
    case REPLY_COMES:
        reply("R5;", 11);
        break;
    case FRAMES_ARE_DROPPED:
        output_fall_behind(&output, backlog, backlog_next(backlog) - 1, NULL);
        refill_all();
        break;
    }
    for (unsigned i = 0; i < 100 && !output_idle(&output, backlog); i++)
        take(1 + i % 7);
    assert_true(output_idle(&output, backlog));
    assert_int_equal(output.reply_bytes, 0);
    return received.length;
}

static void keeps_the_order_wherever_a_write_ends(void **state)
{
    (void)state;
    for (enum happening happening = NOTHING_HAPPENS; happening < HAPPENINGS; happening++) {
        size_t length = SIZE_MAX;
        for (size_t cut = 0; cut <= length; cut++) {
            close_world();
            open_world();
            length = play(cut, happening);
            check_order(cut, happening);
        }
        assert_true(length > 40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OUTPUT_TEST(starts_at_the_end_and_is_idle),
        OUTPUT_TEST(merges_adjacent_frames_into_one_vector),
        OUTPUT_TEST(moves_over_what_is_not_seen),
        OUTPUT_TEST(a_reply_waits_for_its_change),
        OUTPUT_TEST(a_reply_waits_for_a_change_without_frames),
        OUTPUT_TEST(a_reply_goes_out_in_front_of_later_changes),
        OUTPUT_TEST(replies_keep_their_order),
        OUTPUT_TEST(a_frame_that_is_half_out_is_finished_for_whoever_looks),
        OUTPUT_TEST(counts_what_waits),
        OUTPUT_TEST(a_plan_is_bounded),
        OUTPUT_TEST(goes_on_where_work_ran_out),
        OUTPUT_TEST(keeps_the_order_wherever_a_write_ends),
        OUTPUT_TEST(says_up_to_where_all_is_out),
        OUTPUT_TEST(says_what_replies_wait_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
