/* The message `ping` in any history: no ping is ahead of what came. */

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "shared/ipc/frame_header.h"
#include "tests/unit/worker/net/pings_scene.h"

#include <cmocka.h>

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
            pings_change_of(shown[world.seq + 1] ? SHOWN : HIDDEN, below(state, 4) ? 0 : 30000);
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
        pings_take_frames();
        break;
    case 6:
        network_flush(world.network, 1);
        break;
    case 7:
        world_turn(&world);
        break;
    default:
        pings_tick();
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
    pings_authorize();
    assert_int_equal(setsockopt(connection->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    for (int i = 0; i < STEPS; i++) {
        step(&random, i / 5000 % 2);
        pings += check_story(&complete);
    }
    output_release(&connection->output, OUTPUT_NO_HOLD);
    connection_queue(connection);
    peer_settle(&world, &peer);
    pings_tick();
    peer_settle(&world, &peer);
    pings_take_frames();
    pings += check_story(&complete);
    for (uint64_t i = complete + 1; i <= world.seq; i++)
        assert_false(shown[i]);
    assert_true(world.seq > 1000 && pings > 500 && refills > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(true_in_any_history, pings_set_up, pings_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
