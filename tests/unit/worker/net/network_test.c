#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "shared/base/clock.h"
#include "shared/ipc/address_counts.h"
#include "shared/ipc/frame_header.h"
#include "shared/ipc/scoreboard.h"
#include "tests/unit/worker/net/frame_sample.h"
#include "tests/unit/worker/net/network_world.h"
#include "worker/net/address_table.h"
#include "worker/net/connection.h"
#include "worker/net/connection_close.h"
#include "worker/net/frame_write.h"

#include <cmocka.h>

/* Many connections: their times and their bounds. */

#define PING_TEXT "\x81\x36{\"operation\":\"ping\",\"collectionName\":null,\"data\":null}"

static bool nobody_is_left(void *argument)
{
    return network_descriptors(((struct world *)argument)->network) == 0;
}

struct waiting {
    struct world *world;
    struct peer *peer;
    size_t bytes; /* until so many have come */
};

static bool has_come(void *argument)
{
    struct waiting *waiting = argument;
    peer_read(waiting->peer, SIZE_MAX);
    return waiting->peer->ended || waiting->peer->bytes.length >= waiting->bytes;
}

static void both_pings_come_and_silence_ends_the_connection(void **state)
{
    (void)state;
    struct world world;
    world_prepare(&world);
    world.config.ping_interval_ms = 50;
    world_open(&world, &(struct network_options){.application_pings = true});
    struct peer silent, alive;
    peer_open(&world, &alive, true);
    peer_open(&world, &silent, true);
    size_t one = sizeof PING_TEXT - 1 + 2;
    for (int i = 0; i < 6; i++) {
        struct waiting waiting = {&world, &alive, one};
        world_until(&world, has_come, &waiting);
        assert_true(slice_equal(buffer_slice(&alive.bytes), SLICE("\x89\x00" PING_TEXT)));
        buffer_clear(&alive.bytes);
        peer_send_frame(&alive, FINAL | OPCODE_PONG, SLICE(""));
    }
    struct waiting waiting = {&world, &silent, SIZE_MAX};
    world_until(&world, has_come, &waiting);
    assert_int_equal(silent.bytes.length, 3 * one);
    assert_int_equal(world.closed, 1);
    assert_int_equal(network_descriptors(world.network), 1);
    peer_close(&alive);
    peer_close(&silent);
    world_close(&world);
}

/* Connections that came together are pinged one after the other. */
static void pings_are_spread_over_the_interval(void **state)
{
    (void)state;
    enum { PEERS = 10 };
    struct world world;
    world_prepare(&world);
    world.config.ping_interval_ms = 100;
    world_open(&world, NULL);
    struct peer peers[PEERS];
    for (size_t i = 0; i < PEERS; i++)
        peer_open(&world, &peers[i], true);
    size_t pinged = 0, most = 0;
    while (pinged < PEERS) {
        size_t now = 0;
        assert_int_not_equal(event_base_loop(world.base, EVLOOP_ONCE), -1);
        while (network_flush(world.network, PEERS)) {
        }
        for (size_t i = 0; i < PEERS; i++) {
            size_t before = peers[i].bytes.length;
            peer_read(&peers[i], SIZE_MAX);
            if (before == 0 && peers[i].bytes.length > 0)
                now++;
        }
        pinged += now;
        most = now > most ? now : most;
    }
    assert_int_equal(most, 1);
    for (size_t i = 0; i < PEERS; i++)
        peer_close(&peers[i]);
    world_close(&world);
}

static void handshakes_and_authorisation_must_come_in_time(void **state)
{
    (void)state;
    struct world world;
    world_prepare(&world);
    world.config.limits.handshake_ms = 20;
    world.config.limits.authorize_ms = 20;
    world_open(&world, NULL);
    struct peer silent, authorized, unauthorized;
    peer_open(&world, &authorized, true);
    connection_authorized(world.last, true);
    peer_open(&world, &unauthorized, true);
    peer_open(&world, &silent, false);
    peer_send(&silent, SLICE("GET /ws HTTP/1.1\r\n"));
    struct waiting waiting = {&world, &silent, SIZE_MAX};
    world_until(&world, has_come, &waiting);
    assert_int_equal(silent.bytes.length, 0);
    waiting = (struct waiting){&world, &unauthorized, 2};
    world_until(&world, has_come, &waiting);
    assert_memory_equal(unauthorized.bytes.data, "\x88\x18\x03\xf0", 4);
    peer_send_frame(&authorized, FINAL | OPCODE_PING, SLICE("still here"));
    peer_expect(&world, &authorized,
                SLICE("\x8a\x0a"
                      "still here"));
    peer_close(&silent);
    peer_close(&authorized);
    peer_close(&unauthorized);
    world_until(&world, nobody_is_left, &world);
    world_close(&world);
}

static void slow_peer(struct world *world, struct peer *peer)
{
    peer_open(world, peer, true);
    const int small = 4096;
    assert_int_equal(setsockopt(world->last->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
}

static char *filler(size_t length)
{
    char *text = malloc(length + 1);
    assert_non_null(text);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)('a' + i % 26);
    return text;
}

/* However few bytes the client takes at a time, it gets each once and in order. */
static void half_written_frames_are_finished(void **state)
{
    (void)state;
    enum { MESSAGES = 20, LENGTH = 10007 };
    struct world world;
    world_prepare(&world);
    world.config.limits.reply_queue_bytes = MESSAGES * (LENGTH + 4);
    world_open(&world, NULL);
    struct peer peer;
    slow_peer(&world, &peer);
    struct connection *connection = world.last;
    char *text = filler(LENGTH);
    struct buffer expected = {0};
    for (int i = 0; i < MESSAGES; i++) {
        frame_append(&expected, OPCODE_TEXT, slice_of(text + i, (size_t)(LENGTH - i)));
        connection_send(connection, slice_of(text + i, (size_t)(LENGTH - i)), 0);
    }
    size_t step = 1, before;
    world_turn(&world);
    assert_true(connection->blocked);
    do {
        before = peer.bytes.length;
        peer_read(&peer, step);
        step = step * 5 % 3989 + 1;
        world_turn(&world);
        world_turn(&world);
    } while (peer.bytes.length > before);
    assert_true(slice_equal(buffer_slice(&peer.bytes), buffer_slice(&expected)));
    assert_false(connection->blocked);
    assert_int_equal(world.drained, 1);
    free(text);
    buffer_free(&expected);
    peer_close(&peer);
    world_close(&world);
}

/* Skips one frame of the server's; what is its opcode? */
static unsigned skip_frame(struct slice *bytes)
{
    assert_true(bytes->length >= 4);
    const uint8_t *header = (const uint8_t *)bytes->data;
    size_t length = header[1] == 126 ? 4 + (size_t)(header[2] << 8 | header[3]) : 2 + (size_t)header[1];
    assert_true(bytes->length >= length);
    bytes->data += length;
    bytes->length -= length;
    return header[0] & 0xF;
}

static void a_client_that_does_not_read_is_closed(void **state)
{
    (void)state;
    enum { LENGTH = 10000, LIMIT = 100000 };
    struct world world;
    world_prepare(&world);
    world.config.limits.reply_queue_bytes = LIMIT;
    world_open(&world, NULL);
    struct peer peer;
    slow_peer(&world, &peer);
    struct connection *connection = world.last;
    char *text = filler(LENGTH);
    int sent = 0;
    while (connection->state == CONNECTION_OPEN) {
        connection_send(connection, slice_of(text, LENGTH), 0);
        world_turn(&world);
        assert_true(connection->output.reply_bytes <= LIMIT + 200);
        assert_true(++sent < 100);
    }
    assert_int_equal(connection->close_code, 1008);
    peer_settle(&world, &peer);
    struct slice bytes = buffer_slice(&peer.bytes);
    int whole = 0;
    while (skip_frame(&bytes) == OPCODE_TEXT)
        whole++;
    assert_int_equal(bytes.length, 0); /* nothing behind the close frame */
    assert_true(whole > 0 && whole < sent);
    free(text);
    peer_close(&peer);
    world_turn(&world);
    world_close(&world);
}

static void waiting_pongs_are_bounded_and_the_newest_is_sent(void **state)
{
    (void)state;
    enum { PINGS = 20000, PONGS = 4 };
    struct world world;
    world_prepare(&world);
    world.config.limits.pongs = PONGS;
    world_open(&world, NULL);
    struct peer peer;
    slow_peer(&world, &peer);
    struct connection *connection = world.last;
    for (uint32_t i = 0; i < PINGS; i++) {
        peer_send_frame(&peer, FINAL | OPCODE_PING, slice_of((char *)&i, sizeof i));
        world_turn(&world);
        assert_true(connection->output.reply_bytes <= PONGS * 6);
    }
    assert_true(connection->blocked);
    peer_settle(&world, &peer);
    assert_true(peer.bytes.length % 6 == 0 && peer.bytes.length < PINGS * 6);
    int64_t before = -1;
    for (size_t at = 0; at < peer.bytes.length; at += 6) {
        uint32_t number;
        memcpy(&number, peer.bytes.data + at + 2, sizeof number);
        assert_true(number > before);
        before = number;
    }
    assert_int_equal(before, PINGS - 1);
    peer_close(&peer);
    world_close(&world);
}

static void connections_are_bounded(void **state)
{
    (void)state;
    struct world world;
    world_prepare(&world);
    world.config.limits.connections = 2;
    struct scoreboard_worker score = {.connections = 3};
    world_open(&world, &(struct network_options){.score = &score});
    struct peer peers[3];
    for (size_t i = 0; i < 3; i++)
        peer_open(&world, &peers[i], i < 2);
    peer_expect_end(&world, &peers[2], SLICE(""));
    assert_int_equal(network_descriptors(world.network), 2);
    assert_int_equal(atomic_load(&score.connections), 2);
    assert_int_equal(atomic_load(&score.accepted), 2);
    assert_true(atomic_load(&score.bytes_out) > 200);
    for (size_t i = 0; i < 3; i++)
        peer_close(&peers[i]);
    world_until(&world, nobody_is_left, &world);
    assert_int_equal(atomic_load(&score.connections), 0);
    world_close(&world);
}

static void addresses_are_counted(void **state)
{
    (void)state;
    struct address_table *table = address_table_create(NULL, 0);
    uint8_t address[16] = {192, 0, 2, 1};
    assert_true(address_table_add(table, AF_INET, address, 2));
    assert_true(address_table_add(table, AF_INET, address, 2));
    assert_false(address_table_add(table, AF_INET, address, 2));
    assert_true(address_table_add(table, AF_UNIX, address, 0));
    address_table_remove(table, AF_INET, address);
    assert_true(address_table_add(table, AF_INET, address, 2));
    uint8_t first[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 1}, same[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 2};
    uint8_t other[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, 1};
    assert_true(address_table_add(table, AF_INET6, first, 1));
    assert_false(address_table_add(table, AF_INET6, same, 1));
    assert_true(address_table_add(table, AF_INET6, other, 1));
    assert_int_equal(address_table_size(table), 3);
    for (unsigned i = 0; i < 5000; i++) {
        memcpy(address, &i, sizeof i);
        address[3] = 10;
        assert_true(address_table_add(table, AF_INET, address, 1));
        assert_false(address_table_add(table, AF_INET, address, 1));
    }
    assert_int_equal(address_table_size(table), 5003);
    for (unsigned i = 0; i < 5000; i++) {
        memcpy(address, &i, sizeof i);
        address[3] = 10;
        address_table_remove(table, AF_INET, address);
    }
    assert_int_equal(address_table_size(table), 3);
    address_table_free(&table);
    assert_null(table);
}

static void addresses_are_counted_over_all_workers(void **state)
{
    (void)state;
    struct address_counts *counts = address_counts_create(3, 1000);
    assert_non_null(counts);
    struct address_table *first = address_table_create(counts, 0), *second = address_table_create(counts, 1);
    const uint8_t address[16] = {192, 0, 2, 1}, other[16] = {192, 0, 2, 2};
    assert_true(address_table_add(first, AF_INET, address, 3));
    assert_true(address_table_add(second, AF_INET, address, 3));
    assert_true(address_table_add(first, AF_INET, address, 3));
    assert_false(address_table_add(second, AF_INET, address, 3));
    assert_false(address_table_add(first, AF_INET, address, 3));
    assert_true(address_table_add(second, AF_INET, other, 1));
    address_table_remove(first, AF_INET, address);
    assert_true(address_table_add(second, AF_INET, address, 3));
    assert_false(address_table_add(first, AF_INET, address, 3));
    /* The second worker dies, its connections with it. */
    address_counts_clear(counts, 1);
    assert_true(address_table_add(first, AF_INET, address, 3));
    assert_true(address_table_add(first, AF_INET, address, 3));
    assert_false(address_table_add(first, AF_INET, address, 3));
    address_table_free(&first);
    address_table_free(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_pings_come_and_silence_ends_the_connection),
        cmocka_unit_test(pings_are_spread_over_the_interval),
        cmocka_unit_test(handshakes_and_authorisation_must_come_in_time),
        cmocka_unit_test(half_written_frames_are_finished),
        cmocka_unit_test(a_client_that_does_not_read_is_closed),
        cmocka_unit_test(waiting_pongs_are_bounded_and_the_newest_is_sent),
        cmocka_unit_test(connections_are_bounded),
        cmocka_unit_test(addresses_are_counted),
        cmocka_unit_test(addresses_are_counted_over_all_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
