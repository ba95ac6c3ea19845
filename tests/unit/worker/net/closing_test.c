#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shared/base/clock.h"
#include "shared/ipc/frame_header.h"
#include "tests/unit/worker/net/frame_sample.h"
#include "tests/unit/worker/net/network_world.h"
#include "worker/net/connection_close.h"
#include "worker/net/connection_hold.h"
#include "worker/net/connection_write.h"
#include "worker/net/frame_write.h"
#include "worker/net/network_state.h"

#include <cmocka.h>

/* What a client that closes still gets, and for how long it is waited for. */

#define CLOSED "\x88\x02\x03\xe8"

enum { MUCH = 1 << 20 };

static struct world world;
static struct peer peer;

static int set_up(void **state)
{
    (void)state;
    world_prepare(&world);
    world.config.limits.reply_queue_bytes = 4 * MUCH;
    world_open(&world, NULL);
    world_watch(&world, 0);
    peer_open(&world, &peer, true);
    world.last->output.viewer = world.viewer;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    peer_close(&peer);
    world_close(&world);
    return 0;
}

static void change(const char *text)
{
    world_append(&world, text);
}

static void close_from_peer(void)
{
    peer_send_frame(&peer, FINAL | OPCODE_CLOSE, SLICE("\x03\xe8"));
}

static void send_much(struct connection *connection)
{
    static char much[MUCH];
    memset(much, 'x', sizeof much);
    connection_send(connection, slice_of(much, sizeof much), 0);
}

static void changes_and_replies_come_first(void **state)
{
    (void)state;
    connection_send(world.last, SLICE("reply"), 2); /* whose changes are still to come */
    change("one");
    close_from_peer();
    assert_int_equal(event_base_loop(world.base, EVLOOP_ONCE | EVLOOP_NONBLOCK), 0);
    change("two");
    change("three"); /* after the close */
    peer_expect_end(&world, &peer, SLICE("\x81\x03one\x81\x03two\x81\x05reply" CLOSED));
    world_expect(&world, "closed ");
}

/* What is after a hold may not go out before its time, and nobody works it off any more. */
static void a_hold_is_not_waited_for(void **state)
{
    (void)state;
    change("one");
    connection_send(world.last, SLICE("reply"), 0);
    peer_expect(&world, &peer, SLICE("\x81\x05reply\x81\x03one"));
    output_hold(&world.last->output, world.backlog);
    connection_send(world.last, SLICE("before"), 1);
    connection_send(world.last, SLICE("behind"), 2);
    change("two");
    close_from_peer();
    peer_expect_end(&world, &peer,
                    SLICE("\x81\x06"
                          "before" CLOSED));
}

/* Calls that were made are answered first; what is sent after the close is not looked at. */
static void running_calls_are_waited_for(void **state)
{
    (void)state;
    struct connection *connection = world.last;
    for (int half = 0; half < 2; half++) {
        world.owes = true;
        if (half)
            assert_int_equal(shutdown(peer.fd, SHUT_WR), 0);
        else
            close_from_peer();
        change("one");
        if (!half)
            peer_send_frame(&peer, FINAL | OPCODE_TEXT, SLICE("behind"));
        peer_expect(&world, &peer, SLICE("\x81\x03one"));
        assert_false(connection_may_send(connection));
        connection_hold(connection, true);
        connection_authorized(connection, true); /* the time is bounded all the same */
        assert_int_not_equal(connection->deadline_ms, 0);
        connection_send(connection, SLICE("reply"), 0);
        world.owes = false;
        peer_expect_end(&world, &peer, SLICE("\x81\x05reply" CLOSED));
        world_expect(&world, "closed ");
        if (half)
            return;
        peer_close(&peer);
        peer_open(&world, &peer, true);
        connection = world.last;
        connection->output.viewer = world.viewer;
    }
}

static bool nobody_is_left(void)
{
    return network_descriptors(world.network) == 0;
}

static void calls_that_run_too_long_are_not(void **state)
{
    (void)state;
    struct connection *connection = world.last;
    world.owes = true;
    connection_send(connection, SLICE("reply"), 0);
    close_from_peer();
    peer_expect(&world, &peer, SLICE("\x81\x05reply"));
    connection_expired(connection);
    peer_expect_end(&world, &peer, SLICE(CLOSED));
}

/* Nobody gives it the changes that it has missed: it gets the close frame at least. */
static void a_close_frame_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct connection *connection = world.last;
    connection_send(connection, SLICE("reply"), 0);
    change("one");
    network_backlog_drops(world.network, backlog_next(world.backlog));
    close_from_peer();
    peer_expect(&world, &peer, SLICE("\x81\x05reply"));
    connection_expired(connection);
    peer_expect_end(&world, &peer, SLICE(CLOSED));
}

/* Whoever takes some of it in each of the times gets another; whoever takes nothing is gone. */
static void who_reads_is_waited_for(void **state)
{
    (void)state;
    struct connection *connection = world.last;
    send_much(connection);
    close_from_peer();
    for (int i = 0; i < 3; i++)
        world_turn(&world);
    assert_true(connection->blocked);
    connection_expired(connection); /* the kernel has taken some: that is not the peer */
    assert_int_equal(connection->state, CONNECTION_DEAD);
    network_enter(world.network);
    network_leave(world.network);
    assert_int_equal(network_descriptors(world.network), 0);
    peer_close(&peer);

    buffer_clear(&world.seen);
    peer_open(&world, &peer, true);
    connection = world.last;
    send_much(connection);
    close_from_peer();
    for (unsigned rounds = 0; connection->state != CONNECTION_LINGER; rounds++) {
        assert_true(rounds < 3 * MUCH / 65536);
        for (int i = 0; i < 3; i++)
            world_turn(&world);
        peer_read(&peer, 65536);
        if (rounds < CLOSE_ROUNDS)
            connection_expired(connection);
        assert_true(connection_alive(connection));
    }
    world_expect(&world, "closed ");
    peer_read(&peer, SIZE_MAX);
    assert_true(peer.ended);
    assert_int_equal(peer.bytes.length, 10 + MUCH + sizeof CLOSED - 1);
    assert_int_equal(network_descriptors(world.network), 1);
}

static void who_takes_a_little_each_time_is_cut_off_in_the_end(void **state)
{
    (void)state;
    struct connection *connection = world.last;
    for (int i = 0; i < 3; i++)
        send_much(connection);
    close_from_peer();
    unsigned rounds = 0;
    network_enter(world.network);
    while (connection_alive(connection)) {
        for (int i = 0; i < 3; i++)
            world_turn(&world);
        peer_read(&peer, 65536);
        connection_expired(connection);
        assert_true(++rounds <= CLOSE_ROUNDS + 1);
    }
    network_leave(world.network);
    assert_int_equal(rounds, CLOSE_ROUNDS + 1);
    assert_true(nobody_is_left());
}

/* A peer that goes on sending is read from, piece by piece, and cut off. */
static void a_flood_behind_the_close_ends(void **state)
{
    (void)state;
    static char flood[65536];
    struct connection *connection = world.last;
    close_from_peer();
    peer_expect_end(&world, &peer, SLICE(CLOSED));
    for (int i = 0; i < 100; i++) {
        while (send(peer.fd, flood, sizeof flood, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
            continue;
        world_turn(&world);
        assert_int_equal(connection->state, CONNECTION_LINGER);
        assert_null(connection->reader);
    }
    network_enter(world.network);
    for (int i = 0; i < 2; i++)
        connection_expired(connection);
    network_leave(world.network);
    assert_true(nobody_is_left());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(changes_and_replies_come_first),
        TEST(a_hold_is_not_waited_for),
        TEST(running_calls_are_waited_for),
        TEST(calls_that_run_too_long_are_not),
        TEST(a_close_frame_does_not_wait_for_ever),
        TEST(who_reads_is_waited_for),
        TEST(who_takes_a_little_each_time_is_cut_off_in_the_end),
        TEST(a_flood_behind_the_close_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
