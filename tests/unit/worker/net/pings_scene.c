#include "tests/unit/worker/net/pings_scene.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "shared/ipc/frame_header.h"
#include "tests/unit/quoted.h"

#include <cmocka.h>

static struct config_collection collections[] = {
    [SHOWN] = {.name = "shown", .index = SHOWN, .read = -1},
    [HIDDEN] = {.name = "hidden", .index = HIDDEN, .read = -1},
};

struct world world;
struct peer peer;
struct connection *connection;
struct buffer story;

int pings_set_up(void **state)
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

int pings_tear_down(void **state)
{
    (void)state;
    peer_close(&peer);
    world_close(&world);
    buffer_free(&story);
    return 0;
}

void pings_change_of(uint16_t collection, size_t bytes)
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

void pings_change(void)
{
    pings_change_of(SHOWN, 0);
}

void pings_authorize(void)
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

void pings_take_frames(void)
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

void pings_expect(const char *expected)
{
    peer_settle(&world, &peer);
    pings_take_frames();
    assert_int_equal(peer.bytes.length, 0);
    buffer_append_byte(&story, 0);
    assert_string_equal(story.data, expected);
    buffer_clear(&story);
}

void pings_tick(void)
{
    connection->missed_pongs = 0;
    connection_ping(connection);
}
