#include "tests/unit/worker/worker_world.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/ipc/committer_messages.h"
#include "worker/authority/token.h"
#include "worker/base/committer_link.h"
#include "worker/main.h"

uint32_t world_random(uint64_t *state, uint32_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33) % below;
}

void world_pair(int fds[2], int type)
{
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
}

void world_open(struct world *world, const char *collections, uint64_t ring_bytes, uint64_t backlog_bytes)
{
    int fds[2];
    *world = (struct world){.committer = -1};
    fixture_open(&world->fixture, collections);
    struct config *config = world->fixture.config;
    config->durability = DURABILITY_RELAXED; /* no power will fail */
    fixture_reopen(&world->fixture, NULL);
    config->ring_bytes = ring_bytes ? ring_bytes : config->ring_bytes;
    config->backlog_bytes = backlog_bytes ? backlog_bytes : config->backlog_bytes;
    world->inheritance = (struct inheritance){
        .config = config,
        .scoreboard = scoreboard_create(1),
        .ring = ring_create(config->ring_bytes),
    };
    assert_non_null(world->inheritance.ring);
    world->inheritance.scoreboard->presence = presence_create(1, 1000);
    assert_non_null(world->inheritance.scoreboard->presence);
    assert_true(ring_wakeup_open(world->inheritance.ring, 1));
    ring_start(world->inheritance.ring, store_write_seq(world->fixture.writer));
    world->publisher = (struct publisher){.config = config, .ring = world->inheritance.ring};
    world_pair(fds, SOCK_SEQPACKET);
    world->inheritance.order_channel = fds[0];
    world->order_channel = fds[1];
    world->worker.store = world->fixture.store;
    worker_open(&world->worker, &world->inheritance);
    world_pair(fds, SOCK_STREAM);
    world->committer = fds[0];
    committer_link_connect(world->worker.link, fds[1]);
    world_settle(world);
}

void world_close(struct world *world)
{
    worker_close(&world->worker);
    publish_free(&world->publisher);
    buffer_free(&world->sets);
    if (world->committer >= 0)
        close(world->committer);
    close(world->order_channel);
    close(world->inheritance.order_channel);
    ring_close(&world->inheritance.ring);
    fixture_close(&world->fixture);
}

static void publish(struct world *world)
{
    size_t count;
    const struct applied_change *changes = store_write_changes(world->fixture.writer, &count);
    if (!world->committer_silent)
        publish_changes(&world->publisher, changes, count);
}

void world_send(int fd, struct buffer *bytes)
{
    size_t done = 0;
    while (done < bytes->length) {
        ssize_t sent = send(fd, bytes->data + done, bytes->length - done, MSG_NOSIGNAL);
        assert_true(sent > 0); /* what a test makes fits in the kernel's buffer */
        done += (size_t)sent;
    }
    buffer_free(bytes);
}

static void apply_set(struct world *world, uint64_t id, struct slice set)
{
    struct buffer out = {0};
    struct apply_result result;
    assert_int_equal(store_write_begin(world->fixture.writer), ERROR_NONE);
    enum error_code code = change_set_apply(world->fixture.writer, set, clock_wall_ms(), &result);
    if (code)
        store_write_abort(world->fixture.writer);
    else
        assert_int_equal(store_write_commit(world->fixture.writer), ERROR_NONE);
    if (!code)
        publish(world);
    struct committer_result answer = {.id = id,
                                      .code = code,
                                      .seq = result.seq,
                                      .at_fault = result.at_fault,
                                      .text = code ? slice_text(result.message) : result.answer};
    if (world->committer_mute)
        return;
    committer_result_append(&out, &answer);
    world_send(world->committer, &out);
}

static void take_sets(struct world *world)
{
    char bytes[65536];
    ssize_t got;
    while ((got = recv(world->committer, bytes, sizeof bytes, 0)) > 0)
        buffer_append(&world->sets, bytes, (size_t)got);
    struct slice rest = buffer_slice(&world->sets), body, set;
    enum committer_message_type type;
    struct buffer welcome = {0};
    uint64_t id;
    while (committer_message_take(&rest, &type, &body) == 1) {
        if (type == COMMITTER_HELLO) {
            committer_welcome_append(&welcome);
            world_send(world->committer, &welcome);
        } else {
            assert_true(committer_set_read(body, &id, &set));
            apply_set(world, id, set);
        }
    }
    buffer_consume(&world->sets, world->sets.length - rest.length);
}

static bool round_of(struct world *world)
{
    if (!world->committer_waits)
        take_sets(world);
    if (world->pass_units && world->pass_units < world->worker.work.left)
        world->worker.work.left = world->pass_units;
    event_base_loop(world->worker.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    return worker_pass(&world->worker);
}

void world_pass(struct world *world)
{
    (void)round_of(world);
}

void world_settle(struct world *world)
{
    for (unsigned quiet = 0, rounds = 0; quiet < 4; rounds++) {
        assert_true(rounds < WORLD_ROUNDS_MOST);
        quiet = round_of(world) ? 0 : quiet + 1;
    }
}

enum error_code world_change(struct world *world, enum change_operation operation, const char *collection,
                             const char *id, const char *body)
{
    /* Names come and go in tests. */
    unsigned flags = operation == CHANGE_INSERT || operation == CHANGE_REPLACE ? CHANGE_TAKE_OVER : 0;
    enum error_code code =
        run_one(&world->fixture, operation, flags, collection, id, CHANGE_ANY_VERSION, body);
    if (!code)
        publish(world);
    return code;
}

void world_add_user(struct world *world, const char *id, const char *groups, char token[64])
{
    struct buffer body = {0};
    uint8_t hash[TOKEN_HASH_BYTES];
    char session[TOKEN_ID + 1];
    buffer_append_format(&body, "{\"groups\":%s}", groups);
    buffer_append_byte(&body, 0);
    assert_int_equal(world_change(world, CHANGE_INSERT, "users", id, body.data), ERROR_NONE);
    token_make(token);
    token_hash(slice_text(token), hash);
    token_id(hash, session);
    buffer_clear(&body);
    buffer_append_format(&body, "{\"user\":\"%s\",\"used\":%llu}", id, (unsigned long long)clock_wall_ms());
    buffer_append_byte(&body, 0);
    assert_int_equal(world_change(world, CHANGE_INSERT, "sessions", session, body.data), ERROR_NONE);
    buffer_free(&body);
}
