#include "worker/net/connection.h"
#include "worker/net/connection_close.h"
#include "worker/net/connection_hold.h"
#include "worker/net/connection_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include "shared/ipc/frame_header.h"
#include "tests/unit/worker/net/frame_sample.h"
#include "tests/unit/worker/net/network_world.h"

#include <cmocka.h>

/* One connection: its handshake, its messages, its end. */

#define ANSWERED(reason) "\x88" reason

static struct world world;

static int set_up(void **state)
{
    (void)state;
    world_prepare(&world);
    world_open(&world, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static void echo(struct world *of, struct connection *connection, struct slice message)
{
    (void)of;
    connection_send(connection, message, 0);
}

static void a_handshake_may_come_in_any_pieces(void **state)
{
    (void)state;
    world.on_message = echo;
    struct buffer bytes = {0};
    buffer_append_text(&bytes, WORLD_HANDSHAKE);
    sample_frame(&bytes, FINAL | OPCODE_TEXT, SLICE("hello"));
    for (size_t cut = 1; cut <= bytes.length; cut++) {
        struct peer peer;
        peer_open(&world, &peer, false);
        peer_send(&peer, slice_of(bytes.data, cut));
        world_turn(&world);
        if (cut < bytes.length)
            peer_send(&peer, slice_of(bytes.data + cut, bytes.length - cut));
        peer_settle(&world, &peer);
        static const char end[] = "\r\n\r\n\x81\x05hello";
        size_t length = sizeof end - 1;
        assert_true(peer.bytes.length > length);
        assert_memory_equal(peer.bytes.data + peer.bytes.length - length, end, length);
        peer_close(&peer);
        world_turn(&world);
        world_expect(&world, "opened text(hello) closed ");
        assert_int_equal(network_readers(world.network), 0);
    }
    buffer_free(&bytes);
}

static void a_bad_handshake_is_answered_and_the_connection_ends(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&world, &peer, false);
    peer_send(&peer, SLICE("GET /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n"));
    peer_send(&peer, SLICE("what nobody will read"));
    peer_settle(&world, &peer);
    assert_memory_equal(peer.bytes.data, "HTTP/1.1 404 ", 13);
    assert_true(peer.ended);
    assert_int_equal(network_connections(world.network), 1); /* it lingers */
    peer_send(&peer, SLICE("nor this"));
    world_turn(&world);
    peer_close(&peer);
    world_turn(&world);
    assert_int_equal(network_descriptors(world.network), 0);
    world_expect(&world, "");
}

static void messages_come_back(void **state)
{
    (void)state;
    world.on_message = echo;
    struct peer peer;
    peer_open(&world, &peer, true);
    peer_send_frame(&peer, FINAL | OPCODE_TEXT, SLICE("one"));
    peer_send_frame(&peer, FINAL | OPCODE_BINARY, SLICE("two"));
    peer_send_frame(&peer, OPCODE_TEXT, SLICE("thr"));
    peer_expect(&world, &peer, SLICE("\x81\x03one\x81\x03two"));
    assert_int_equal(network_readers(world.network), 1);
    peer_send_frame(&peer, FINAL | OPCODE_CONTINUATION, SLICE("ee"));
    peer_expect(&world, &peer, SLICE("\x81\x05three"));
    assert_int_equal(network_readers(world.network), 0);
    world_expect(&world, "text(one) binary(two) text(three) ");
    peer_close(&peer);
}

static void a_vanished_peer_leaves_nothing(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&world, &peer, true);
    peer_send_frame(&peer, OPCODE_TEXT, SLICE("half a message"));
    world_turn(&world);
    assert_int_equal(network_readers(world.network), 1);
    peer_close(&peer);
    world_turn(&world);
    world_expect(&world, "closed ");
    assert_int_equal(network_readers(world.network), 0);
    assert_int_equal(network_descriptors(world.network), 0);
}

static void the_peer_closes(void **state)
{
    (void)state;
    world.on_message = echo;
    struct peer peer;
    peer_open(&world, &peer, true);
    peer_send_frame(&peer, FINAL | OPCODE_TEXT, SLICE("last"));
    peer_send_frame(&peer, FINAL | OPCODE_CLOSE,
                    SLICE("\x0f\xa0"
                          "enough"));
    peer_send_frame(&peer, FINAL | OPCODE_TEXT, SLICE("behind"));
    peer_expect_end(&world, &peer, SLICE("\x81\x04last" ANSWERED("\x02\x0f\xa0")));
    world_expect(&world, "text(last) closed ");
    peer_close(&peer);
    peer_open(&world, &peer, true);
    peer_send_frame(&peer, FINAL | OPCODE_CLOSE, SLICE(""));
    assert_int_equal(shutdown(peer.fd, SHUT_WR), 0);
    peer_expect_end(&world, &peer, SLICE(ANSWERED("\x00")));
    peer_close(&peer);
}

static void the_owner_closes(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&world, &peer, true);
    connection_send(world.last, SLICE("before"), 0);
    connection_close(world.last, 1001, "going");
    connection_send(world.last, SLICE("behind"), 0);
    connection_close(world.last, 1000, "again");
    peer_send_frame(&peer, FINAL | OPCODE_TEXT, SLICE("not looked at"));
    peer_send_frame(&peer, FINAL | OPCODE_PING, SLICE("nor answered"));
    peer_expect_end(&world, &peer,
                    SLICE("\x81\x06"
                          "before" ANSWERED("\x07\x03\xe9going")));
    world_expect(&world, "closed ");
    peer_send_frame(&peer, FINAL | OPCODE_CLOSE, SLICE("\x03\xe9"));
    world_turn(&world);
    assert_int_equal(network_connections(world.network), 1); /* the peer's end is awaited */
    peer_close(&peer);
    world_turn(&world);
    assert_int_equal(network_descriptors(world.network), 0);
    world_expect(&world, "");
}

static void broken_frames_are_answered_and_the_rest_is_thrown_away(void **state)
{
    (void)state;
    world.on_message = echo;
    struct peer peer;
    peer_open(&world, &peer, true);
    peer_send_frame(&peer, FINAL | OPCODE_TEXT, SLICE("good"));
    peer_send_frame(&peer, FINAL | OPCODE_TEXT, SLICE("\xff"));
    peer_send_frame(&peer, FINAL | OPCODE_TEXT, SLICE("behind"));
    peer_expect_end(&world, &peer, SLICE("\x81\x04good" ANSWERED("\x0b\x03\xefnot UTF-8")));
    peer_send_frame(&peer, FINAL | OPCODE_TEXT, SLICE("far behind"));
    world_turn(&world);
    world_expect(&world, "text(good) closed ");
    assert_int_equal(network_descriptors(world.network), 1); /* it lingers */
    assert_int_equal(network_readers(world.network), 0);
    peer_close(&peer);
    world_turn(&world);
    assert_int_equal(network_descriptors(world.network), 0);
}

static void close_at_once(struct world *of, struct connection *connection, struct slice message)
{
    (void)of;
    connection_send(connection, message, 0);
    connection_close(connection, 1000, "");
    connection_send(connection, message, 0);
    connection_hold(connection, true);
    connection_authorized(connection, false);
    connection_queue(connection);
}

static void use_the_closed(struct world *of, struct connection *connection)
{
    (void)of;
    connection_send(connection, SLICE("too late"), 0);
    connection_close(connection, 1000, "too late");
    connection_hold(connection, true);
    connection_authorized(connection, true);
    connection_queue(connection);
}

static void an_owner_may_close_in_a_message_and_use_what_is_closed(void **state)
{
    (void)state;
    world.on_message = close_at_once;
    world.on_closed = use_the_closed;
    struct peer peer;
    peer_open(&world, &peer, true);
    struct buffer bytes = {0};
    for (int i = 0; i < 100; i++)
        sample_frame(&bytes, FINAL | OPCODE_TEXT, SLICE("x"));
    sample_frame(&bytes, FINAL | OPCODE_CLOSE, SLICE("\x03\xe8"));
    peer_send(&peer, buffer_slice(&bytes));
    peer_expect_end(&world, &peer, SLICE("\x81\x01x" ANSWERED("\x02\x03\xe8")));
    world_expect(&world, "text(x) closed ");
    buffer_free(&bytes);
    peer_close(&peer);
}

static void close_all_others(struct connection *other, void *self)
{
    if (other != self)
        connection_close(other, 1000, "");
}

static void close_the_others(struct world *of, struct connection *connection, struct slice message)
{
    (void)message;
    network_each(of->network, close_all_others, connection);
}

static void an_owner_may_close_others_in_a_message(void **state)
{
    (void)state;
    world.on_message = close_the_others;
    struct peer peers[5];
    for (size_t i = 0; i < 5; i++)
        peer_open(&world, &peers[i], true);
    for (size_t i = 0; i < 5; i++)
        peer_send_frame(&peers[i], FINAL | OPCODE_TEXT, SLICE("x"));
    world_turn(&world);
    world_turn(&world);
    assert_int_equal(world.messages, 1);
    for (size_t i = 0; i < 5; i++)
        peer_close(&peers[i]);
    world_turn(&world);
    world_turn(&world);
    assert_int_equal(world.closed, 5);
    assert_int_equal(network_descriptors(world.network), 0);
}

static void pause_at_each(struct world *of, struct connection *connection, struct slice message)
{
    (void)of;
    (void)message;
    connection_hold(connection, true);
}

static void a_paused_connection_delivers_nothing(void **state)
{
    (void)state;
    world.on_message = pause_at_each;
    struct peer peer;
    peer_open(&world, &peer, true);
    struct connection *connection = world.last;
    struct buffer bytes = {0};
    sample_frame(&bytes, FINAL | OPCODE_TEXT, SLICE("one"));
    sample_frame(&bytes, FINAL | OPCODE_TEXT, SLICE("two"));
    sample_frame(&bytes, OPCODE_TEXT, SLICE("th"));
    peer_send(&peer, buffer_slice(&bytes));
    peer_settle(&world, &peer);
    world_expect(&world, "text(one) ");
    connection_hold(connection, false); /* nothing new on the socket: what was held back comes by itself */
    peer_settle(&world, &peer);
    world_expect(&world, "text(two) ");
    peer_send_frame(&peer, FINAL | OPCODE_CONTINUATION, SLICE("ree"));
    peer_settle(&world, &peer);
    world_expect(&world, "");
    connection_hold(connection, false);
    peer_settle(&world, &peer);
    world_expect(&world, "text(three) ");
    connection_close(connection, 1000, "");
    peer_send_frame(&peer, FINAL | OPCODE_CLOSE, SLICE("\x03\xe8"));
    peer_expect_end(&world, &peer, SLICE(ANSWERED("\x02\x03\xe8")));
    buffer_free(&bytes);
    peer_close(&peer);
}

static void a_network_may_end_with_connections_in_every_state(void **state)
{
    (void)set_up(state);
    world.on_closed = use_the_closed;
    struct peer peers[5];
    for (size_t i = 0; i < 5; i++)
        peer_open(&world, &peers[i], i > 0);
    peer_send(&peers[0], SLICE("GET /ws"));
    peer_send_frame(&peers[1], OPCODE_TEXT, SLICE("half"));
    peer_send_frame(&peers[2], FINAL | OPCODE_TEXT, SLICE("\xff"));
    world_turn(&world);
    connection_close(world.last, 1000, "");
    world_close(&world);
    for (size_t i = 0; i < 5; i++)
        peer_close(&peers[i]);
}

#define with_world(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_world(a_handshake_may_come_in_any_pieces),
        with_world(a_bad_handshake_is_answered_and_the_connection_ends),
        with_world(messages_come_back),
        with_world(a_vanished_peer_leaves_nothing),
        with_world(the_peer_closes),
        with_world(the_owner_closes),
        with_world(broken_frames_are_answered_and_the_rest_is_thrown_away),
        with_world(an_owner_may_close_in_a_message_and_use_what_is_closed),
        with_world(an_owner_may_close_others_in_a_message),
        with_world(a_paused_connection_delivers_nothing),
        cmocka_unit_test(a_network_may_end_with_connections_in_every_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
