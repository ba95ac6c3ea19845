#include "tests/unit/worker/net/network_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/ipc/frame_header.h"
#include "tests/unit/worker/net/frame_sample.h"
#include "worker/net/frame_write.h"
#include "worker/net/http/http.h"

#include <cmocka.h>

enum { WAIT_MS = 8000, BACKLOG_BYTES = 1 << 20 };

void world_prepare(struct world *world)
{
    *world = (struct world){0};
    world->collection = (struct config_collection){.name = "things", .read = -1};
    world->config =
        (struct config){.ping_interval_ms = 0, .collections = &world->collection, .collection_count = 1};
    world->config.limits = (struct config_limits){.message_bytes = 1 << 20,
                                                  .connections = 1000,
                                                  .reply_queue_bytes = 4 << 20,
                                                  .stranger_message_bytes = UINT64_MAX,
                                                  .strangers_bytes = UINT64_MAX,
                                                  .worker_calls_bytes = UINT64_MAX,
                                                  .pongs = 16,
                                                  .handshake_ms = 60000,
                                                  .request_ms = 60000,
                                                  .authorize_ms = 60000};
}

static void on_opened(void *context, struct connection *connection, const struct handshake *handshake)
{
    struct world *world = context;
    (void)handshake;
    world->opened++;
    world->last = connection;
    buffer_append_text(&world->seen, "opened ");
}

static void on_message(void *context, struct connection *connection, struct slice message, bool binary)
{
    struct world *world = context;
    world->messages++;
    world->last = connection;
    buffer_append_text(&world->seen, binary ? "binary(" : "text(");
    buffer_append_slice(&world->seen, message);
    buffer_append_text(&world->seen, ") ");
    if (world->on_message)
        world->on_message(world, connection, message);
}

static void on_closed(void *context, struct connection *connection)
{
    struct world *world = context;
    world->closed++;
    if (world->last == connection)
        world->last = NULL;
    buffer_append_text(&world->seen, "closed ");
    if (world->on_closed)
        world->on_closed(world, connection);
}

static void on_request(void *context, struct connection *connection, const struct http_call *call)
{
    struct world *world = context;
    world->requests++;
    world->last = connection;
    buffer_append_text(&world->seen, "request(");
    buffer_append_slice(&world->seen, call->collection);
    buffer_append_byte(&world->seen, '.');
    buffer_append_slice(&world->seen, call->method);
    buffer_append_byte(&world->seen, ' ');
    buffer_append_slice(&world->seen, call->token);
    buffer_append_byte(&world->seen, ' ');
    buffer_append_slice(&world->seen, call->once);
    buffer_append_byte(&world->seen, ' ');
    buffer_append_slice(&world->seen, call->data);
    buffer_append_text(&world->seen, ") ");
    if (world->on_request)
        world->on_request(world, connection);
}

static void on_finished(void *context, struct connection *connection)
{
    struct world *world = context;
    world->finished++;
    if (world->last == connection)
        world->last = NULL;
    buffer_append_text(&world->seen, "finished ");
}

static void on_drained(void *context, struct connection *connection)
{
    (void)connection;
    ((struct world *)context)->drained++;
}

static bool on_owes(void *context, const struct connection *connection)
{
    (void)connection;
    return ((struct world *)context)->owes;
}

static bool on_may_write(void *context)
{
    return !((struct world *)context)->holds_writes;
}

static void on_refill(void *context, struct connection *connection)
{
    struct world *world = context;
    if (world->on_refill)
        world->on_refill(world, connection);
}

void world_open(struct world *world, const struct network_options *options)
{
    static const struct network_events events = {.opened = on_opened,
                                                 .message = on_message,
                                                 .closed = on_closed,
                                                 .refill = on_refill,
                                                 .owes = on_owes,
                                                 .may_write = on_may_write,
                                                 .drained = on_drained,
                                                 .request = on_request,
                                                 .finished = on_finished};
    struct network_options complete = options ? *options : (struct network_options){0};
    world->base = event_base_new();
    assert_non_null(world->base);
    world->backlog = backlog_create(BACKLOG_BYTES);
    complete.config = &world->config;
    complete.backlog = world->backlog;
    world->network = network_create(world->base, &complete, &events, world);
}

void world_close(struct world *world)
{
    network_free(&world->network);
    assert_null(world->network);
    assert_int_equal(world->opened, world->closed);
    assert_int_equal(world->requests, world->finished);
    if (world->viewer) {
        viewer_put(world->viewers, world->viewer);
        viewer_table_free(&world->viewers);
    }
    backlog_free(&world->backlog);
    event_base_free(world->base);
    buffer_free(&world->seen);
}

void world_watch(struct world *world, unsigned collection)
{
    struct viewer_rights rights = {.everything = true};
    rights.collections[collection] = true;
    world->viewers = viewer_table_create(&world->config);
    world->viewer = viewer_get(world->viewers, &rights);
}

void world_append(struct world *world, const char *text)
{
    struct buffer frame = {0};
    frame_append(&frame, OPCODE_TEXT, slice_text(text));
    backlog_append(world->backlog, &(struct ring_record){.seq = ++world->seq,
                                                         .tag_after = SLICE("\x03"),
                                                         .update_frame = buffer_slice(&frame)});
    buffer_free(&frame);
    network_backlog_grew(world->network);
}

void world_turn(struct world *world)
{
    assert_int_not_equal(event_base_loop(world->base, EVLOOP_ONCE | EVLOOP_NONBLOCK), -1);
    while (network_flush(world->network, 3)) {
    }
}

void world_until(struct world *world, bool (*condition)(void *argument), void *argument)
{
    uint64_t end = clock_monotonic_ms() + WAIT_MS;
    while (!condition(argument)) {
        world_turn(world);
        if (clock_monotonic_ms() > end)
            fail_msg("what was waited for did not happen; seen: %.*s", (int)world->seen.length,
                     world->seen.data);
    }
}

void peer_open(struct world *world, struct peer *peer, bool shake)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    *peer = (struct peer){.fd = ends[0]};
    network_add(world->network, ends[1], CONNECTION_CLIENT);
    if (!shake)
        return;
    peer_send(peer, SLICE(WORLD_HANDSHAKE));
    peer_settle(world, peer);
    assert_true(peer->bytes.length > 12 && memcmp(peer->bytes.data, "HTTP/1.1 101", 12) == 0);
    buffer_clear(&peer->bytes);
    world_expect(world, "opened ");
}

void peer_close(struct peer *peer)
{
    close(peer->fd);
    buffer_free(&peer->bytes);
}

void peer_send(struct peer *peer, struct slice bytes)
{
    assert_int_equal(send(peer->fd, bytes.data, bytes.length, MSG_NOSIGNAL), bytes.length);
}

void peer_send_frame(struct peer *peer, unsigned first, struct slice payload)
{
    struct buffer bytes = {0};
    sample_frame(&bytes, first, payload);
    peer_send(peer, buffer_slice(&bytes));
    buffer_free(&bytes);
}

void peer_read(struct peer *peer, size_t most)
{
    char bytes[4096];
    while (most > 0) {
        ssize_t length = recv(peer->fd, bytes, most < sizeof bytes ? most : sizeof bytes, MSG_DONTWAIT);
        if (length <= 0) {
            peer->ended = peer->ended || length == 0;
            return;
        }
        buffer_append(&peer->bytes, bytes, (size_t)length);
        most -= (size_t)length;
    }
}

void peer_settle(struct world *world, struct peer *peer)
{
    size_t before;
    do {
        before = peer->bytes.length;
        for (int i = 0; i < 3; i++)
            world_turn(world);
        peer_read(peer, SIZE_MAX);
    } while (peer->bytes.length > before);
}

void peer_expect(struct world *world, struct peer *peer, struct slice expected)
{
    peer_settle(world, peer);
    if (!slice_equal(buffer_slice(&peer->bytes), expected))
        fail_msg("the client got %zu bytes: %.*s", peer->bytes.length, (int)peer->bytes.length,
                 peer->bytes.data);
    buffer_clear(&peer->bytes);
}

void peer_expect_end(struct world *world, struct peer *peer, struct slice expected)
{
    peer_expect(world, peer, expected);
    assert_true(peer->ended);
}

void world_expect(struct world *world, const char *expected)
{
    if (!slice_equal(buffer_slice(&world->seen), slice_text(expected)))
        fail_msg("expected: %s\nseen: %.*s", expected, (int)world->seen.length, world->seen.data);
    buffer_clear(&world->seen);
}
