#include "tests/unit/worker/worker_world.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/memory.h"
#include "shared/ipc/frame_header.h"
#include "shared/store/store_scan.h"
#include "worker/net/connection.h"
#include "worker/net/network.h"

void client_open(struct client *client, struct world *world, const char *token)
{
    int fds[2];
    *client = (struct client){.world = world};
    world_pair(fds, SOCK_STREAM);
    client->fd = fds[0];
    struct buffer head = {0};
    buffer_append_format(
        &head,
        "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s%s\r\n",
        token ? "Authorization: Bearer " : "", token ? token : "", token ? "\r\n" : "");
    network_add(world->worker.network, fds[1], token ? CONNECTION_CLIENT : CONNECTION_CONTROL);
    world_send(client->fd, &head);
    world_settle(world);
    char byte;
    struct buffer response = {0};
    while (response.length < 4 || memcmp(response.data + response.length - 4, "\r\n\r\n", 4) != 0) {
        assert_int_equal(recv(client->fd, &byte, 1, 0), 1);
        buffer_append_byte(&response, byte);
    }
    assert_memory_equal(response.data, "HTTP/1.1 101", 12);
    buffer_free(&response);
    client_settle(client);
}

static void held_free(struct held *held)
{
    free(held->collection);
    free(held->id);
    free(held->document);
}

void client_close(struct client *client)
{
    close(client->fd);
    for (size_t i = 0; i < client->held_count; i++)
        held_free(&client->held[i]);
    free(client->held);
    free(client->answer);
    buffer_free(&client->bytes);
    buffer_free(&client->seen);
    buffer_free(&client->past);
    buffer_free(&client->stray_ids);
    buffer_free(&client->journal);
    world_settle(client->world);
}

void client_send(struct client *client, const char *text)
{
    struct buffer frame = {0};
    uint8_t header[FRAME_HEADER_MOST];
    size_t length = frame_header_write(header, OPCODE_TEXT, strlen(text));
    header[1] |= 0x80;
    buffer_append(&frame, header, length);
    buffer_append(&frame, "\0\0\0\0", 4); /* a mask that changes nothing */
    buffer_append_text(&frame, text);
    for (size_t done = 0; done < frame.length;) {
        ssize_t sent = send(client->fd, frame.data + done, frame.length - done, MSG_NOSIGNAL);
        if (sent < 0) {
            assert_int_equal(errno, EAGAIN);
            world_pass(client->world);
            continue;
        }
        done += (size_t)sent;
    }
    buffer_free(&frame);
}

void client_reopen(struct client *client, const char *token)
{
    struct client back;
    close(client->fd);
    world_settle(client->world);
    client_open(&back, client->world, token);
    client->fd = back.fd;
    client->ended = false;
    client->close_code = 0;
    client->seq = 0;
    buffer_clear(&client->bytes);
    assert_int_equal(back.held_count, 0);
    buffer_free(&back.bytes);
    buffer_free(&back.seen);
    buffer_free(&back.past);
    buffer_free(&back.journal);
}

static struct held *find_held(const struct client *client, struct slice collection, struct slice id)
{
    for (size_t i = 0; i < client->held_count; i++)
        if (slice_equal(slice_text(client->held[i].collection), collection) &&
            slice_equal(slice_text(client->held[i].id), id))
            return &client->held[i];
    return NULL;
}

/* Whether it held it at any time; @now: it does. */
static bool ever_held(struct client *client, struct slice collection, struct slice id, bool now)
{
    struct buffer key = {0};
    buffer_append_format(&key, "\n%.*s/%.*s\n", (int)collection.length, collection.data, (int)id.length,
                         id.data);
    bool held = client->past.data && memmem(client->past.data, client->past.length, key.data, key.length);
    if (now && !held)
        buffer_append_slice(&client->past, buffer_slice(&key));
    buffer_free(&key);
    return held;
}

static void let_go(struct client *client, struct slice collection, struct slice id)
{
    struct held *held = find_held(client, collection, id);
    if (!ever_held(client, collection, id, false)) {
        client->strays++;
        buffer_append_format(&client->stray_ids, "%.*s/%.*s\n", (int)collection.length, collection.data,
                             (int)id.length, id.data);
    }
    if (!held)
        return;
    held_free(held);
    *held = client->held[--client->held_count];
}

static void take_document(struct client *client, struct slice collection, struct json_value document)
{
    struct slice text = json_text(document);
    struct slice id = json_string(json_member(document, SLICE("_id")), &client->world->fixture.set);
    assert_non_null(id.data);
    struct held *held = find_held(client, collection, id);
    (void)ever_held(client, collection, id, true);
    if (client->took)
        client->took(client->took_argument, client, collection, text);
    if (!held) {
        client->held = memory_resize(client->held, client->held_count + 1, sizeof *client->held);
        held = &client->held[client->held_count++];
        *held = (struct held){.collection = memory_copy(collection.data, collection.length),
                              .id = memory_copy(id.data, id.length)};
    }
    free(held->document);
    held->document = memory_copy(text.data, text.length);
}

static void take_change(struct client *client, struct slice collection, bool update, struct json_value root)
{
    int64_t seq;
    if (json_integer(json_member(root, SLICE("seq")), &seq)) {
        assert_true((uint64_t)seq >= client->seq);
        client->seq = (uint64_t)seq;
        client->changes++;
        buffer_append_format(&client->journal, "c%lld ", (long long)seq);
    } else {
        assert_int_equal(json_type(json_member(root, SLICE("sync"))), JSON_TRUE);
        buffer_append_text(&client->journal, "s ");
    }
    struct json_iterator each = json_begin(json_member(root, SLICE("data")));
    while (json_step(&each))
        if (update)
            take_document(client, collection, each.value);
        else
            let_go(client, collection, json_string(each.value, &client->world->fixture.set));
}

static void note_answer(struct client *client, struct json_value data)
{
    int64_t seq;
    buffer_append_byte(&client->journal, 'a');
    if (json_integer(json_member(data, SLICE("seq")), &seq))
        buffer_append_format(&client->journal, "%lld", (long long)seq);
    buffer_append_byte(&client->journal, ' ');
}

const char *client_journal(struct client *client)
{
    buffer_append_byte(&client->journal, 0);
    client->journal.length--;
    return client->journal.data;
}

static void take_message(struct client *client, struct slice text)
{
    struct json json = {0};
    struct buffer scratch = {0};
    assert_true(json_parse(&json, text.data, text.length));
    struct json_value root = json_root(&json);
    struct slice operation = json_string(json_member(root, SLICE("operation")), &scratch);
    struct slice collection = json_string(json_member(root, SLICE("collectionName")), &scratch);
    bool transaction = slice_equal(collection, SLICE("transaction"));
    if (slice_equal(operation, SLICE("fulfill"))) {
        struct slice data = json_text(json_member(json_member(root, SLICE("data")), SLICE("data")));
        free(client->answer);
        client->answer = memory_copy(data.data, data.length);
        client->answers++;
        note_answer(client, json_member(json_member(root, SLICE("data")), SLICE("data")));
    } else if (slice_equal(operation, SLICE("update")) && !transaction) {
        take_change(client, collection, true, root);
    } else if (slice_equal(operation, SLICE("remove"))) {
        take_change(client, collection, false, root);
    } else if (!transaction && !slice_equal(operation, SLICE("ping"))) {
        buffer_append_slice(&client->seen, operation);
        buffer_append_byte(&client->seen, ' ');
        buffer_append_slice(&client->journal, operation);
        buffer_append_byte(&client->journal, ' ');
    }
    json_free(&json);
    buffer_free(&scratch);
}

/* The length of the first frame, 0 when it is not whole. */
static size_t first_frame(const struct buffer *bytes, size_t *header)
{
    const uint8_t *at = (const uint8_t *)bytes->data;
    if (bytes->length < 2)
        return 0;
    unsigned size = at[1] < 126 ? 0 : at[1] == 126 ? 2 : 8;
    uint64_t length = size ? 0 : at[1];
    *header = 2 + size;
    if (bytes->length < *header)
        return 0;
    for (unsigned i = 0; i < size; i++)
        length = length << 8 | at[2 + i];
    return bytes->length < *header + length ? 0 : *header + (size_t)length;
}

void client_read(struct client *client, size_t most)
{
    char bytes[65536];
    ssize_t got = 0;
    while (most && (got = recv(client->fd, bytes, most < sizeof bytes ? most : sizeof bytes, 0)) > 0) {
        buffer_append(&client->bytes, bytes, (size_t)got);
        most -= (size_t)got;
    }
    client->ended |= got == 0;
    size_t header = 0, length, taken = 0;
    struct buffer rest = client->bytes;
    while (rest.length && (length = first_frame(&rest, &header))) {
        unsigned opcode = (uint8_t)rest.data[0] & 0x0f;
        if (opcode == OPCODE_TEXT)
            take_message(client, slice_of(rest.data + header, length - header));
        else if (opcode == OPCODE_CLOSE)
            client->close_code = (unsigned)((uint8_t)rest.data[header] << 8 | (uint8_t)rest.data[header + 1]);
        rest.data += length;
        rest.length -= length;
        taken += length;
    }
    buffer_consume(&client->bytes, taken);
}

const char *client_call_message(struct client *client, const char *members)
{
    struct buffer message = {0};
    unsigned before = client->answers;
    buffer_append_format(&message, "{%s}", members);
    buffer_append_byte(&message, 0);
    client_send(client, message.data);
    buffer_free(&message);
    for (unsigned rounds = 0; client->answers == before; rounds++) {
        assert_true(rounds < WORLD_ROUNDS_MOST);
        world_pass(client->world);
        client_read(client, SIZE_MAX);
    }
    return client->answer;
}

const char *client_call(struct client *client, const char *collection, const char *method, const char *data)
{
    struct buffer members = {0};
    buffer_append_format(&members, "\"tid\":1,\"collectionName\":\"%s\",\"methodName\":\"%s\",\"data\":%s",
                         collection, method, data);
    buffer_append_byte(&members, 0);
    const char *answer = client_call_message(client, members.data);
    buffer_free(&members);
    return answer;
}

void client_settle(struct client *client)
{
    for (unsigned quiet = 0, rounds = 0; quiet < 4; rounds++) {
        size_t before = client->bytes.length;
        unsigned answers = client->answers;
        uint64_t seq = client->seq;
        assert_true(rounds < WORLD_ROUNDS_MOST);
        world_settle(client->world);
        client_read(client, SIZE_MAX);
        bool came = client->bytes.length != before || client->answers != answers || client->seq != seq;
        quiet = came ? 0 : quiet + 1;
    }
}

const char *client_holds(const struct client *client, const char *collection, const char *id)
{
    const struct held *held = find_held(client, slice_text(collection), slice_text(id));
    return held ? held->document : NULL;
}

void client_check(struct client *client, const char *collection)
{
    struct store *store = client->world->fixture.store;
    unsigned index = fixture_collection(&client->world->fixture, collection);
    struct store_scan scan;
    struct slice id;
    struct store_record record;
    size_t count = 0, held_count = 0;
    assert_int_equal(store_begin(store), ERROR_NONE);
    store_scan_start(&scan, index, (struct slice){0}, (struct slice){0});
    store_scan_resume(store, &scan);
    enum store_step step;
    while ((step = store_scan_step(&scan, &id, &record)) == STORE_STEP) {
        if (!((unsigned char)record.tag.data[0] & 1)) /* out of the sync set */
            continue;
        const struct held *held = find_held(client, slice_text(collection), id);
        if (!held)
            fail_msg("%.*s is missing", (int)id.length, id.data);
        if (!slice_equal(slice_text(held->document), record.minimal))
            fail_msg("held is %s, stored is %.*s", held->document, (int)record.minimal.length,
                     record.minimal.data);
        count++;
    }
    assert_int_equal(step, STORE_END);
    store_scan_free(&scan);
    store_end(store);
    for (size_t i = 0; i < client->held_count; i++)
        held_count += strcmp(client->held[i].collection, collection) == 0;
    assert_int_equal(held_count, count);
}

void client_manifest(const struct client *client, const char *collection, struct buffer *out)
{
    buffer_append_byte(out, '{');
    size_t count = 0;
    for (size_t i = 0; i < client->held_count; i++) {
        struct json json = {0};
        int64_t version = 0;
        const struct held *held = &client->held[i];
        if (strcmp(held->collection, collection) != 0)
            continue;
        assert_true(json_parse(&json, held->document, strlen(held->document)));
        assert_true(json_integer(json_member(json_root(&json), SLICE("_version")), &version));
        buffer_append_format(out, "%s\"%s\":%lld", count++ ? "," : "", held->id, (long long)version);
        json_free(&json);
    }
    buffer_append_byte(out, '}');
}

void client_drop(struct client *client, const char *collection)
{
    for (size_t i = client->held_count; i-- > 0;)
        if (strcmp(client->held[i].collection, collection) == 0) {
            held_free(&client->held[i]);
            client->held[i] = client->held[--client->held_count];
        }
}
