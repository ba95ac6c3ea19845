#include "client/c/ws_client.h"
#include "tests/unit/quoted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* The tests are the server: they accept the client's connection on a UNIX socket and write bytes. */
struct pair {
    char path[64];
    int listener, server;
    struct ws_input input;
    struct ws_client client;
};

static const char welcome[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "sec-websocket-accept:  s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \r\n\r\n";

static int set_up(void **state)
{
    struct pair *pair = calloc(1, sizeof *pair);
    struct ws_target target;
    char message[WS_TARGET_MESSAGE];
    if (!pair)
        return -1;
    snprintf(pair->path, sizeof pair->path, "/tmp/ws-client-test-%d", (int)getpid());
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, pair->path, sizeof pair->path);
    unlink(pair->path);
    pair->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(pair->listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(pair->listener, 1) < 0 || !ws_target_control(&target, pair->path, message) ||
        !ws_client_open(&pair->client, &target, "TOKEN", 0, &pair->input))
        return -1;
    pair->server = accept(pair->listener, NULL, NULL);
    *state = pair;
    return pair->server < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct pair *pair = *state;
    ws_client_free(&pair->client);
    ws_input_free(&pair->input);
    close(pair->server);
    close(pair->listener);
    unlink(pair->path);
    free(pair);
    return 0;
}

static void say(struct pair *pair, const char *bytes, size_t length)
{
    assert_int_equal(write(pair->server, bytes, length), length);
}

static enum ws_event next(struct pair *pair, struct slice *message)
{
    enum ws_event event = WS_AGAIN;
    if (ws_client_read(&pair->client))
        event = ws_client_next(&pair->client, message);
    return event;
}

static void open_it(struct pair *pair)
{
    struct slice message;
    say(pair, welcome, sizeof welcome - 1);
    assert_int_equal(next(pair, &message), WS_OPENED);
    assert_int_equal(ws_client_next(&pair->client, &message), WS_AGAIN);
}

static void assert_message(struct slice message, const char *expected)
{
    assert_int_equal(message.length, strlen(expected));
    assert_memory_equal(message.data, expected, message.length);
}

static void asks_as_the_control_socket_wants_it(void **state)
{
    struct pair *pair = *state;
    char text[1024];
    assert_true(ws_client_flush(&pair->client));
    ssize_t length = read(pair->server, text, sizeof text - 1);
    assert_true(length > 0);
    text[length] = 0;
    assert_memory_equal(text, "session\nGET /ws HTTP/1.1\r\nHost: local\r\n", 39);
    assert_non_null(strstr(text, "\r\nSec-WebSocket-Version: 13\r\n"));
    assert_non_null(strstr(text, "\r\nAuthorization: Bearer TOKEN\r\n"));
    assert_string_equal(text + length - 4, "\r\n\r\n");
}

static void refuses_another_answer(void **state)
{
    struct pair *pair = *state;
    struct slice message;
    static const char answer[] = "HTTP/1.1 401 Unauthorized\r\n\r\n";
    say(pair, answer, sizeof answer - 1);
    assert_int_equal(next(pair, &message), WS_CLOSED);
    assert_string_equal(pair->client.error, Q("the handshake was answered with 'HTTP/1.1 401 Unauthorized'"));
}

static void refuses_a_wrong_accept_key(void **state)
{
    struct pair *pair = *state;
    struct slice message;
    static const char answer[] =
        "HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: c3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    say(pair, answer, sizeof answer - 1);
    assert_int_equal(next(pair, &message), WS_CLOSED);
}

static void tells_what_the_control_socket_said(void **state)
{
    struct pair *pair = *state;
    struct slice message;
    say(pair, Q("{'error':'no'}\n"), 15);
    assert_int_equal(next(pair, &message), WS_CLOSED);
    assert_string_equal(pair->client.error, Q("{'error':'no'}"));
}

/* Handshake and frames, cut at every place: what comes out is always the same. */
static void takes_bytes_cut_anywhere(void **state)
{
    struct pair *pair = *state;
    struct buffer bytes = {0};
    struct slice message;
    buffer_append(&bytes, welcome, sizeof welcome - 1);
    buffer_append(&bytes, "\x81\x05hello", 7);
    buffer_append(&bytes, "\x01\x02wo\x89\x01p\x80\x03rld", 12);
    buffer_append(&bytes, "\x81\x7e\x00\x80", 4);
    for (unsigned i = 0; i < 128; i++)
        buffer_append_byte(&bytes, 'm');
    unsigned seen = 0;
    for (size_t i = 0; i < bytes.length; i++) {
        say(pair, bytes.data + i, 1);
        assert_true(ws_client_read(&pair->client));
        enum ws_event event;
        while ((event = ws_client_next(&pair->client, &message)) != WS_AGAIN) {
            assert_int_equal(event, seen == 0 ? WS_OPENED : WS_MESSAGE);
            if (seen == 1)
                assert_message(message, "hello");
            if (seen == 2)
                assert_message(message, "world");
            if (seen == 3)
                assert_int_equal(message.length, 128);
            seen++;
        }
    }
    assert_int_equal(seen, 4);
    assert_true(ws_client_wants_to_write(&pair->client)); /* the pong */
    buffer_free(&bytes);
}

static void gives_all_messages_of_one_read(void **state)
{
    struct pair *pair = *state;
    struct slice message;
    open_it(pair);
    say(pair,
        "\x81\x01"
        "a\x81\x00\x81\x01"
        "b\x81",
        9);
    assert_int_equal(next(pair, &message), WS_MESSAGE);
    assert_message(message, "a");
    assert_int_equal(ws_client_next(&pair->client, &message), WS_MESSAGE);
    assert_message(message, "");
    assert_int_equal(ws_client_next(&pair->client, &message), WS_MESSAGE);
    assert_message(message, "b");
    assert_int_equal(ws_client_next(&pair->client, &message), WS_AGAIN);
}

static void masks_what_it_sends(void **state)
{
    struct pair *pair = *state;
    char text[4096];
    open_it(pair);
    ws_client_flush(&pair->client);
    assert_true(read(pair->server, text, sizeof text) > 0);
    for (size_t length = 0; length < 300; length += 13) {
        char sent[300];
        memset(sent, 'q', sizeof sent);
        ws_client_send(&pair->client, slice_of(sent, length));
        assert_true(ws_client_flush(&pair->client));
        size_t header = length < 126 ? 2 : 4;
        assert_int_equal(read(pair->server, text, sizeof text), header + 4 + length);
        assert_int_equal((unsigned char)text[0], 0x81);
        assert_int_equal((unsigned char)text[1], 0x80 | (length < 126 ? length : 126));
        for (size_t i = 0; i < length; i++)
            assert_int_equal(text[header + 4 + i] ^ text[header + i % 4], 'q');
    }
}

static void tells_code_and_reason_of_a_close(void **state)
{
    struct pair *pair = *state;
    struct slice message;
    open_it(pair);
    say(pair, "\x88\x06\x03\xf0slow", 8);
    assert_int_equal(next(pair, &message), WS_CLOSED);
    assert_int_equal(pair->client.close_code, 1008);
    assert_string_equal(pair->client.error, "the server closed the connection (1008: slow)");
    assert_int_equal(ws_client_next(&pair->client, &message), WS_CLOSED);
}

static void gives_what_came_before_the_end(void **state)
{
    struct pair *pair = *state;
    struct slice message;
    open_it(pair);
    say(pair,
        "\x81\x01"
        "a",
        3);
    shutdown(pair->server, SHUT_WR);
    assert_int_equal(next(pair, &message), WS_MESSAGE);
    assert_int_equal(ws_client_next(&pair->client, &message), WS_AGAIN);
    assert_int_equal(next(pair, &message), WS_CLOSED);
    assert_string_equal(pair->client.error, "the server closed the connection");
}

static void refuses_masked_and_huge_frames(void **state)
{
    struct pair *pair = *state;
    struct slice message;
    open_it(pair);
    say(pair, "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10);
    assert_int_equal(next(pair, &message), WS_CLOSED);
}

static void reads_addresses(void **state)
{
    (void)state;
    struct ws_target target;
    char message[WS_TARGET_MESSAGE];
    assert_true(ws_target_parse(&target, "ws://127.0.0.1:9950/ws?a=b", message));
    assert_string_equal(target.host, "127.0.0.1:9950");
    assert_string_equal(target.resource, "/ws?a=b");
    assert_true(ws_target_parse(&target, "[::1]:80", message));
    assert_string_equal(target.resource, "/ws");
    assert_true(ws_target_parse(&target, "unix:/run/x", message));
    assert_true(target.control);
    assert_false(ws_target_parse(&target, "wss://127.0.0.1/", message));
    assert_false(ws_target_parse(&target, "ws://127.0.0.1:123456/", message));
    assert_false(ws_target_parse(&target, "ws://127.0.0.1:http/", message));
    assert_false(ws_target_parse(&target, "ws:///ws", message));
    assert_false(ws_target_parse(&target, "[::1/ws", message));
    char path[300];
    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = 0;
    assert_false(ws_target_control(&target, path, message));
    assert_false(ws_target_control(&target, "", message));
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(asks_as_the_control_socket_wants_it),
        WITH_SERVER(refuses_another_answer),
        WITH_SERVER(refuses_a_wrong_accept_key),
        WITH_SERVER(tells_what_the_control_socket_said),
        WITH_SERVER(takes_bytes_cut_anywhere),
        WITH_SERVER(gives_all_messages_of_one_read),
        WITH_SERVER(masks_what_it_sends),
        WITH_SERVER(tells_code_and_reason_of_a_close),
        WITH_SERVER(gives_what_came_before_the_end),
        WITH_SERVER(refuses_masked_and_huge_frames),
        cmocka_unit_test(reads_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
