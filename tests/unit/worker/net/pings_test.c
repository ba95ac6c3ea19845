#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shared/ipc/frame_header.h"
#include "tests/unit/quoted.h"
#include "tests/unit/worker/net/network_world.h"
#include "worker/net/network_internal.h"

#include <cmocka.h>

/*
 * The message `ping`: each change up to its number that the client may see has come before it, or what takes
 * its place; and what says that some were left out comes before numbers beyond these.
 */

enum { SHOWN, HIDDEN, EPOCH = 4711 };

static struct config_collection collections[] = {
    [SHOWN] = {.name = "shown", .index = SHOWN, .read = -1},
    [HIDDEN] = {.name = "hidden", .index = HIDDEN, .read = -1},
};

static struct world world;
static struct peer peer;
static struct connection *connection;
static struct buffer story; /* "change 1, ping 2, ": what came */

static int set_up(void **state)
{
    (void)state;
    world_prepare(&world);
    world.config.collections = collections;
    world.config.collection_count = 2;
    world_open(&world, &(struct network_options){.application_pings = true, .epoch = EPOCH});
    world_watch(&world, SHOWN);
    peer_open(&world, &peer, true);
    connection = world.last;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    peer_close(&peer);
    world_close(&world);
    buffer_free(&story);
    return 0;
}

static void change_of(uint16_t collection, size_t bytes)
{
    struct buffer text = {0}, frame = {0};
    buffer_append_format(&text, "change %" PRIu64 "%*s", ++world.seq, (int)bytes, "");
    frame_append(&frame, OPCODE_TEXT, buffer_slice(&text));
    const struct ring_record record = {.seq = world.seq,
                                       .collection = collection,
                                       .tag_after = SLICE("\x03"),
                                       .update_frame = buffer_slice(&frame)};
    network_backlog_drops(world.network, backlog_first_after(world.backlog, &record));
    backlog_append(world.backlog, &record);
    buffer_free(&text);
    buffer_free(&frame);
    network_backlog_grew(world.network);
}

static void change(void)
{
    change_of(SHOWN, 0);
}

static void authorize(void)
{
    connection->output.viewer = world.viewer;
    output_pass_over(&connection->output, world.backlog, world.seq);
    connection_authorized(connection, true);
}

static void tell_ping(struct slice text)
{
    uint64_t seq, epoch;
    char bytes[160] = "";
    assert_true(text.length < sizeof bytes);
    memcpy(bytes, text.data, text.length);
    if (strcmp(bytes, Q("{'operation':'ping','collectionName':null,'data':null}")) == 0) {
        buffer_append_text(&story, "ping, ");
        return;
    }
    char none[160];
    quoted_print(none, sizeof none,
                 "{'operation':'ping','collectionName':null,'data':null,'seq':null,'epoch':%d}", EPOCH);
    if (strcmp(bytes, none) == 0) {
        buffer_append_text(&story, "ping null, ");
        return;
    }
    assert_int_equal(sscanf(bytes,
                            "{\"operation\":\"ping\",\"collectionName\":null,\"data\":null,\"seq\":%" SCNu64
                            ",\"epoch\":%" SCNu64 "}",
                            &seq, &epoch),
                     2);
    assert_int_equal(bytes[text.length - 1], '}');
    assert_int_equal(epoch, EPOCH);
    buffer_append_format(&story, "ping %" PRIu64 ", ", seq);
}

static void take_frame(unsigned opcode, struct slice payload)
{
    if (opcode == OPCODE_TEXT && payload.length && payload.data[0] == '{') {
        tell_ping(payload);
    } else if (opcode == OPCODE_TEXT) {
        while (payload.length && payload.data[payload.length - 1] == ' ')
            payload.length--;
        buffer_append_slice(&story, payload);
        buffer_append_text(&story, ", ");
    } else if (opcode == OPCODE_CLOSE) {
        buffer_append_text(&story, "close, ");
    } else {
        assert_int_equal(opcode, OPCODE_PING);
    }
}

/* What has come whole becomes part of the story. */
static void take_frames(void)
{
    const uint8_t *at = (const uint8_t *)peer.bytes.data;
    size_t left = peer.bytes.length;
    while (left >= 2) {
        size_t header = at[1] < 126 ? 2 : at[1] == 126 ? 4 : 10, length = at[1];
        if (left < header)
            break;
        if (header > 2)
            length = 0;
        for (size_t i = 2; i < header; i++)
            length = length << 8 | at[i];
        if (left - header < length)
            break;
        take_frame(at[0] & 0xf, slice_of((const char *)at + header, length));
        at += header + length;
        left -= header + length;
    }
    buffer_consume(&peer.bytes, peer.bytes.length - left);
}

static void expect(const char *expected)
{
    peer_settle(&world, &peer);
    take_frames();
    assert_int_equal(peer.bytes.length, 0);
    buffer_append_byte(&story, 0);
    assert_string_equal(story.data, expected);
    buffer_clear(&story);
}

/* The time of a ping; the peer is alive. */
static void tick(void)
{
    connection->missed_pongs = 0;
    connection_ping(connection);
}

static void without_a_number_while_it_is_not_authorized(void **state)
{
    (void)state;
    change();
    tick();
    expect("ping, ");
    authorize();
    tick();
    expect("ping 1, ping 1, ");
    connection_authorized(connection, false);
    tick();
    expect("ping, ");
}

static void at_authorization_before_any_change(void **state)
{
    (void)state;
    change();
    authorize();
    change();
    connection_send(connection, SLICE("answer"), 0);
    expect("ping 1, answer, change 2, ");
}

/* What comes next is in part newer than its numbers, until change 3. */
static void without_a_number_until_it_is_settled(void **state)
{
    (void)state;
    authorize();
    change();
    expect("ping 0, change 1, ");
    connection_unsettle(connection, 3, NULL);
    connection_unsettle(connection, 2, NULL); /* said already */
    change();
    tick();
    expect("ping null, change 2, ");
    change();
    expect("change 3, ping 3, ");
    tick();
    expect("ping 3, ");
    connection_unsettle(connection, 5, NULL);
    change_of(HIDDEN, 0);
    expect("ping null, ");
    change_of(HIDDEN, 0);
    expect("ping 5, ");
}

/* An answer that waits for a later change does not hold up the word that what comes is not settled; one that
 * may go keeps its place. */
static void what_is_not_settled_is_said_in_front_of_it(void **state)
{
    (void)state;
    authorize();
    expect("ping 0, ");
    connection_send(connection, SLICE("first"), 0);
    connection_send(connection, SLICE("waits"), 2);
    connection_unsettle(connection, 2, NULL);
    connection_send(connection, SLICE("waits, too"), 2);
    change();
    change();
    expect("first, ping null, change 1, change 2, waits, waits, too, ping 2, ");
    struct buffer frames = {0};
    connection_unsettle(connection, 3, &frames);
    assert_non_null(memmem(frames.data, frames.length, Q("'seq':null"), 10));
    size_t length = frames.length;
    connection_unsettle(connection, 4, &frames);
    assert_int_equal(frames.length, length);
    expect("");
    buffer_free(&frames);
    connection_authorized(connection, false);
    connection_unsettle(connection, 9, NULL); /* whose copy it was knows nothing of it */
    expect("");
}

static void a_ping_that_is_asked_for_comes_once(void **state)
{
    (void)state;
    authorize();
    expect("ping 0, ");
    connection_send(connection, SLICE("answer"), 1);
    connection_ping_is_due(connection);
    connection_ping_is_due(connection);
    expect("");
    change();
    expect("change 1, answer, ping 1, ");
}

/* Somebody else from here on, in the middle of a change for who it was before. */
static void at_another_authorization(void **state)
{
    (void)state;
    const int small = 4096;
    authorize();
    expect("ping 0, ");
    assert_int_equal(setsockopt(connection->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    change_of(SHOWN, 300000);
    change();
    world_turn(&world);
    assert_true(connection->blocked);
    output_pass_over(&connection->output, world.backlog, 5);
    connection_authorized(connection, true);
    change();
    expect("change 1, ping 5, ");
    while (world.seq < 6)
        change();
    (void)output_rejoin(&connection->output, world.backlog);
    expect("change 6, ");
}

static void it_moves_for_who_sees_nothing(void **state)
{
    (void)state;
    authorize();
    for (int i = 0; i < 3; i++) {
        change_of(HIDDEN, 0);
        change_of(HIDDEN, 0);
        world_turn(&world);
        tick();
    }
    expect("ping 0, ping 2, ping 4, ping 6, ");
}

static void between_changes(void **state)
{
    (void)state;
    authorize();
    change();
    world_turn(&world);
    change();
    tick(); /* of what is out: not that of the one that follows */
    change_of(HIDDEN, 0);
    expect("ping 0, change 1, ping 1, change 2, ");
    tick();
    expect("ping 3, ");
}

static void behind_what_is_half_out(void **state)
{
    (void)state;
    const int small = 4096;
    authorize();
    expect("ping 0, ");
    assert_int_equal(setsockopt(connection->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    change_of(SHOWN, 300000);
    world_turn(&world);
    assert_int_equal(connection->output.unfinished, OUTPUT_FRAME);
    for (int i = 0; i < 1000; i++) {
        tick();
        world_turn(&world);
        assert_true(connection->output.reply_bytes <= 2 * 1000); /* the protocol's own, which end it */
        assert_null(connection->output.first);
    }
    expect("change 1, ping 1, ");
}

/* A reply that waits for a change does not keep it from being true afterwards. */
static void behind_a_reply_that_waits(void **state)
{
    (void)state;
    authorize();
    connection_send(connection, SLICE("reply"), 2);
    tick();
    expect("ping 0, ");
    change();
    expect("change 1, ");
    change();
    expect("change 2, reply, ping 2, ");
}

static void not_while_changes_are_held(void **state)
{
    (void)state;
    authorize();
    change();
    expect("ping 0, change 1, ");
    output_hold(&connection->output, world.backlog);
    change_of(HIDDEN, 0); /* of the rights, say */
    change();
    tick();
    expect("");
    output_insert(&connection->output, SLICE("\x81\x02in"));
    tick();
    connection_queue(connection);
    expect("in, ");
    output_release(&connection->output, OUTPUT_NO_HOLD);
    connection_queue(connection);
    expect("ping 1, change 3, "); /* and not twice */
}

static uint64_t folded_most;

/* The newest state of what was missed, up to ->folded_most. */
static void fold(struct world *of, struct connection *to)
{
    struct output *output = &to->output;
    uint64_t seq = output_refill_most(output, of->backlog);
    seq = seq < folded_most ? seq : folded_most;
    if (output_rejoin(output, of->backlog))
        connection_queue(to);
    else if (seq > output->caught_up_seq)
        output_refill(output,
                      SLICE("\x81\x06"
                            "folded"),
                      seq);
}

static void not_before_what_comes_from_the_change_log(void **state)
{
    (void)state;
    world.on_refill = fold;
    folded_most = 2;
    authorize();
    expect("ping 0, ");
    for (int i = 0; i < 4; i++)
        change();
    network_backlog_drops(world.network, backlog_next(world.backlog));
    assert_true(connection->output.catching_up);
    backlog_restart(world.backlog, world.seq);
    tick();
    connection_queue(connection);
    while (!connection->output.refill)
        connection_write(connection);
    tick();
    expect("ping 0, folded, ping 2, ");
    folded_most = 4;
    connection_queue(connection);
    tick();
    expect("ping 2, folded, ");
    tick();
    expect("ping 4, ");
}

static void miss(struct world *of, struct connection *to)
{
    uint64_t last = backlog_last_seq(of->backlog);
    if (to->output.hold_seq != OUTPUT_NO_HOLD || output_rejoin(&to->output, of->backlog))
        return;
    output_refill(&to->output, (struct slice){0}, last);
    connection_send(to, SLICE("resync"), last);
}

static void never_before_a_resync(void **state)
{
    (void)state;
    world.on_refill = miss;
    authorize();
    change();
    expect("ping 0, change 1, ");
    for (int i = 0; i < 3; i++)
        change();
    network_backlog_drops(world.network, backlog_next(world.backlog) + 1);
    backlog_restart(world.backlog, world.seq);
    tick();
    expect("ping 1, resync, ");
    change();
    tick();
    expect("ping 4, change 5, ");
    /* The same when rights have changed faster than it reads. */
    output_hold(&connection->output, world.backlog);
    change();
    tick();
    world_turn(&world);
    output_pass_over(&connection->output, world.backlog, 6);
    connection_send(connection, SLICE("resync"), 6);
    tick();
    expect("resync, ping 6, ");
}

/* What was made from the change log is dropped when it is the client's no more. */
static void not_of_what_may_be_dropped(void **state)
{
    (void)state;
    authorize();
    change();
    expect("ping 0, change 1, ");
    output_leave_backlog(&connection->output, world.backlog);
    change();
    output_refill(&connection->output,
                  SLICE("\x81\x06"
                        "folded"),
                  2);
    tick();
    connection_ping_late(connection); /* and the kernel has no room */
    output_pass_over(&connection->output, world.backlog, 2);
    connection_send(connection, SLICE("resync"), 2);
    expect("resync, ping 2, ");
}

static void fold_ahead(struct world *of, struct connection *to)
{
    struct buffer frames = {0};
    if (output_rejoin(&to->output, of->backlog))
        return;
    connection_unsettle(to, 9, &frames);
    buffer_append_text(&frames, "\x81\x06"
                                "folded");
    output_refill(&to->output, buffer_slice(&frames), backlog_last_seq(of->backlog));
    buffer_free(&frames);
}

/* What is newer than its number is so for who closes, too. */
static void in_front_of_what_is_ahead_at_the_close(void **state)
{
    (void)state;
    world.on_refill = fold_ahead;
    authorize();
    expect("ping 0, ");
    change();
    connection_close(connection, 1001, "");
    network_backlog_drops(world.network, backlog_next(world.backlog) + 1);
    backlog_restart(world.backlog, world.seq);
    connection_queue(connection);
    expect("ping null, folded, close, ");
}

/* ---- any history ---- */

enum { CHANGES_MOST = 10000, STEPS = 40000 };

static bool shown[CHANGES_MOST]; /* by seq */
static unsigned refills;

static uint32_t below(uint64_t *state, uint32_t most)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33) % most;
}

/* From the change log, in pieces: what it holds is told as it was. */
static void fold_all(struct world *of, struct connection *to)
{
    struct output *output = &to->output;
    struct buffer frames = {0}, text = {0};
    if (output->hold_seq != OUTPUT_NO_HOLD || output_rejoin(output, of->backlog))
        return;
    uint64_t seq = output->caught_up_seq, most = output_refill_most(output, of->backlog);
    for (int i = 0; i < 5 && seq < most; i++) {
        if (!shown[++seq])
            continue;
        buffer_clear(&text);
        buffer_append_format(&text, "change %" PRIu64, seq);
        frame_append(&frames, OPCODE_TEXT, buffer_slice(&text));
    }
    output_refill(output, buffer_slice(&frames), seq);
    refills++;
    buffer_free(&frames);
    buffer_free(&text);
    if (!output_rejoin(output, of->backlog) && output_wants_refill(output))
        connection_queue(to);
}

/* Each change that is shown came once and in order, but for those that were passed over; and no ping is
 * ahead. */
static unsigned check_story(uint64_t *complete)
{
    unsigned pings = 0;
    buffer_append_byte(&story, 0);
    for (char *at = story.data, *end; (end = strstr(at, ", ")); at = end + 2) {
        uint64_t seq;
        if (sscanf(at, "passed %" SCNu64, &seq) == 1) {
            *complete = seq;
        } else if (sscanf(at, "change %" SCNu64, &seq) == 1) {
            for (uint64_t i = *complete + 1; i < seq; i++)
                assert_false(shown[i]);
            assert_true(shown[seq] && seq > *complete);
            *complete = seq;
        } else if (sscanf(at, "ping %" SCNu64, &seq) == 1) {
            for (uint64_t i = *complete + 1; i <= seq; i++)
                assert_false(shown[i]);
            pings++;
        }
    }
    story.length--;
    buffer_clear(&story);
    return pings;
}

static void step(uint64_t *state, bool slow)
{
    struct output *output = &connection->output;
    uint64_t last = backlog_last_seq(world.backlog);
    char text[32];
    switch (below(state, 10)) {
    case 0:
    case 1:
        if (world.seq + 1 < CHANGES_MOST) {
            shown[world.seq + 1] = below(state, 2);
            change_of(shown[world.seq + 1] ? SHOWN : HIDDEN, below(state, 4) ? 0 : 30000);
        }
        break;
    case 2:
        connection_send(connection, SLICE("reply"), below(state, 3) ? last : 0);
        break;
    case 3:
        if (output->hold_seq == OUTPUT_NO_HOLD && below(state, 4) == 0)
            output_hold(output, world.backlog);
        else
            output_release(output, OUTPUT_NO_HOLD);
        connection_queue(connection);
        break;
    case 4:
        if (below(state, 200) == 0) {
            output_pass_over(output, world.backlog, last);
            snprintf(text, sizeof text, "passed %" PRIu64, last);
            connection_send(connection, slice_text(text), last);
        }
        break;
    case 5:
        if (slow)
            peer_read(&peer, below(state, 20000));
        else
            peer_settle(&world, &peer);
        take_frames();
        break;
    case 6:
        (void)!network_flush(world.network, 1);
        break;
    case 7:
        world_turn(&world);
        break;
    default:
        tick();
        break;
    }
}

static void true_in_any_history(void **state)
{
    (void)state;
    const int small = 4096;
    uint64_t random = 20240607, complete = 0;
    unsigned pings = 0;
    world.on_refill = fold_all;
    world.config.limits.reply_queue_bytes = 64 << 20;
    memset(shown, 0, sizeof shown);
    authorize();
    assert_int_equal(setsockopt(connection->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    for (int i = 0; i < STEPS; i++) {
        step(&random, i / 5000 % 2);
        pings += check_story(&complete);
    }
    output_release(&connection->output, OUTPUT_NO_HOLD);
    connection_queue(connection);
    peer_settle(&world, &peer);
    tick();
    peer_settle(&world, &peer);
    take_frames();
    pings += check_story(&complete);
    for (uint64_t i = complete + 1; i <= world.seq; i++)
        assert_false(shown[i]);
    assert_true(world.seq > 1000 && pings > 500 && refills > 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_number_while_it_is_not_authorized),
        TEST(at_authorization_before_any_change),
        TEST(without_a_number_until_it_is_settled),
        TEST(what_is_not_settled_is_said_in_front_of_it),
        TEST(a_ping_that_is_asked_for_comes_once),
        TEST(at_another_authorization),
        TEST(it_moves_for_who_sees_nothing),
        TEST(between_changes),
        TEST(behind_what_is_half_out),
        TEST(behind_a_reply_that_waits),
        TEST(not_while_changes_are_held),
        TEST(not_before_what_comes_from_the_change_log),
        TEST(never_before_a_resync),
        TEST(not_of_what_may_be_dropped),
        TEST(in_front_of_what_is_ahead_at_the_close),
        TEST(true_in_any_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
