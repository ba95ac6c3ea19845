/* Many connections: how changes and answers reach them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "shared/ipc/frame_header.h"
#include "tests/unit/worker/net/frame_sample.h"
#include "tests/unit/worker/net/network_world.h"
#include "worker/net/connection_close.h"

#include <cmocka.h>

/* Everybody gets each change once, in whatever state the growing of the backlog found him. */
static void the_backlog_reaches_everybody(void **state)
{
    (void)state;
    enum { PEERS = 8, CHANGES = 200 };
    struct world world;
    world_prepare(&world);
    world_open(&world, NULL);
    world_watch(&world, 0);
    struct peer peers[PEERS];
    struct connection *connections[PEERS];
    for (size_t i = 0; i < PEERS; i++) {
        peer_open(&world, &peers[i], true);
        connections[i] = world.last;
        connections[i]->output.viewer = world.viewer;
    }
    struct buffer expected[PEERS] = {0};
    for (int i = 0; i < CHANGES; i++) {
        size_t asker = (size_t)(i * 7) % PEERS;
        world_append(&world, "change");
        for (size_t j = 0; j < PEERS; j++)
            buffer_append_text(&expected[j], "\x81\x06"
                                             "change");
        connection_send(connections[asker], SLICE("reply"), world.seq);
        buffer_append_text(&expected[asker], "\x81\x05reply");
        if (i % 3 == 0)
            assert_int_equal(network_flush(world.network, 3), true);
        if (i % 11 == 0)
            world_turn(&world);
    }
    for (size_t i = 0; i < PEERS; i++) {
        peer_expect(&world, &peers[i], buffer_slice(&expected[i]));
        buffer_free(&expected[i]);
        connections[i]->output.viewer = NULL;
        peer_close(&peers[i]);
    }
    world_close(&world);
}

/* A reply that speaks of a change not yet seen waits for it; its connection is not polled meanwhile. */
static void a_reply_waits_for_its_change(void **state)
{
    (void)state;
    struct world world;
    world_prepare(&world);
    world_open(&world, NULL);
    struct peer peer;
    peer_open(&world, &peer, true);
    connection_send(world.last, SLICE("reply"), 1);
    peer_expect(&world, &peer, SLICE(""));
    assert_false(network_flush(world.network, 1));
    world_append(&world, "change");
    peer_expect(&world, &peer, SLICE("\x81\x05reply"));
    peer_close(&peer);
    world_close(&world);
}

static void changes_do_not_follow_a_close_frame(void **state)
{
    (void)state;
    struct world world;
    world_prepare(&world);
    world_open(&world, NULL);
    world_watch(&world, 0);
    struct peer peer;
    peer_open(&world, &peer, true);
    world.last->output.viewer = world.viewer;
    world_append(&world, "before");
    connection_close(world.last, 1001, "");
    world_append(&world, "behind");
    peer_expect(&world, &peer,
                SLICE("\x81\x06"
                      "before"
                      "\x88\x02\x03\xe9"));
    world_append(&world, "far behind");
    peer_expect_end(&world, &peer, SLICE(""));
    peer_close(&peer);
    world_turn(&world);
    world_close(&world);
}

static void refill_to_the_close(struct world *world, struct connection *connection)
{
    assert_int_equal(output_refill_most(&connection->output, world->backlog), 2);
    output_refill(&connection->output,
                  SLICE("\x81\x06"
                        "folded"),
                  2);
}

/* A connection that falls behind the backlog while it closes gets what it missed, then its close frame. */
static void a_closing_connection_catches_up(void **state)
{
    (void)state;
    struct world world;
    world_prepare(&world);
    world_open(&world, NULL);
    world.on_refill = refill_to_the_close;
    world_watch(&world, 0);
    struct peer peer;
    peer_open(&world, &peer, true);
    world.last->output.viewer = world.viewer;
    world_append(&world, "first");
    world_append(&world, "second");
    connection_close(world.last, 1001, "");
    network_backlog_drops(world.network, backlog_next(world.backlog));
    assert_true(world.last->output.catching_up);
    peer_expect(&world, &peer,
                SLICE("\x81\x06"
                      "folded"
                      "\x88\x02\x03\xe9"));
    peer_close(&peer);
    world_turn(&world);
    world_close(&world);
}

/* Who broke the rules is told how before it is told to go; changes it need not see any more. */
static void answers_go_out_before_a_close_for_bad_behaviour(void **state)
{
    (void)state;
    struct world world;
    world_prepare(&world);
    world_open(&world, NULL);
    struct peer peer;
    peer_open(&world, &peer, true);
    connection_send(world.last, SLICE("first"), 0);
    connection_send(world.last, SLICE("second"), 0);
    connection_close(world.last, 1008, "");
    world_append(&world, "behind");
    peer_expect(&world, &peer,
                SLICE("\x81\x05"
                      "first"
                      "\x81\x06"
                      "second"
                      "\x88\x02\x03\xf0"));
    peer_close(&peer);
    world_turn(&world);
    world_close(&world);
}

static void answer(struct world *world, struct connection *connection, struct slice message)
{
    (void)world;
    connection_send(connection, message, 0);
}

static void count_waiting(struct connection *connection, void *argument)
{
    *(unsigned *)argument += connection->output.first != NULL;
}

/* Calls that come on many connections in one pass of the loop do not leave all their answers in memory,
 * unless nothing may be written in between. */
static void answers_of_one_pass(bool held)
{
    enum { PEERS = 400, WAITING_MOST = 256 };
    struct world world;
    world_prepare(&world);
    world_open(&world, NULL);
    world.on_message = answer;
    world.holds_writes = held;
    static struct peer peers[PEERS];
    for (size_t i = 0; i < PEERS; i++)
        peer_open(&world, &peers[i], true);
    for (size_t i = 0; i < PEERS; i++)
        peer_send_frame(&peers[i], FINAL | OPCODE_TEXT, SLICE("call"));
    for (unsigned pass = 0; world.messages < PEERS; pass++) {
        unsigned waiting = 0;
        assert_int_not_equal(event_base_loop(world.base, EVLOOP_ONCE | EVLOOP_NONBLOCK), -1);
        network_each(world.network, count_waiting, &waiting);
        assert_true(held ? waiting == world.messages : waiting < WAITING_MOST);
        assert_true(pass < PEERS);
    }
    for (size_t i = 0; i < PEERS; i++) {
        peer_expect(&world, &peers[i],
                    SLICE("\x81\x04"
                          "call"));
        peer_close(&peers[i]);
    }
    world_close(&world);
}

static void answers_of_one_pass_are_bounded(void **state)
{
    (void)state;
    answers_of_one_pass(false);
}

static void nothing_is_written_in_a_pass_while_it_may_not(void **state)
{
    (void)state;
    answers_of_one_pass(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_backlog_reaches_everybody),
        cmocka_unit_test(a_reply_waits_for_its_change),
        cmocka_unit_test(changes_do_not_follow_a_close_frame),
        cmocka_unit_test(a_closing_connection_catches_up),
        cmocka_unit_test(answers_go_out_before_a_close_for_bad_behaviour),
        cmocka_unit_test(answers_of_one_pass_are_bounded),
        cmocka_unit_test(nothing_is_written_in_a_pass_while_it_may_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
