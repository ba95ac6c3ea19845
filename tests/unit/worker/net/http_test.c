#include "worker/net/connection.h"
#include "worker/net/connection_close.h"
#include "worker/net/connection_hold.h"
#include "worker/net/http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "shared/ipc/frame_header.h"
#include "tests/unit/worker/net/frame_sample.h"
#include "tests/unit/worker/net/network_world.h"

#include <cmocka.h>

/* Exchanges on real connections. */

#define HEAD "POST /api/a/b HTTP/1.1\r\nHost: h\r\n"
#define CALL HEAD "Content-Length: 2\r\n\r\n{}"
#define SEEN "request(a.b   {}) "

static struct world world;
static struct peer peer;

static void answer(struct world *of, struct connection *connection)
{
    (void)of;
    const struct http_response response = {
        .status = "200 OK", .more = "X: y\r\n", .type = "application/json", .content = SLICE("[1]")};
    http_respond(connection, &response);
}

static int set_up(void **state)
{
    (void)state;
    world_prepare(&world);
    world_open(&world, NULL);
    world.on_request = answer;
    peer_open(&world, &peer, false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    peer_close(&peer);
    world_close(&world);
    return 0;
}

/* Takes the next answer off what came: its status; fails when it is not there whole. */
static int take_answer(bool *last)
{
    peer_settle(&world, &peer);
    buffer_append_byte(&peer.bytes, '\0');
    peer.bytes.length--;
    const char *start = peer.bytes.data;
    const char *end = strstr(start, "\r\n\r\n");
    if (!end)
        fail_msg("no whole answer: %s", start);
    const char *length = strstr(start, "Content-Length: "), *closes = strstr(start, "Connection: close\r\n");
    *last = closes && closes < end;
    size_t used = (size_t)(end - start) + 4;
    if (length && length < end)
        used += strtoul(length + 16, NULL, 10);
    assert_true(used <= peer.bytes.length);
    int status = (int)strtol(start + 9, NULL, 10);
    buffer_consume(&peer.bytes, used);
    return status;
}

static void expect_answer(int status, bool last)
{
    bool closes;
    assert_int_equal(take_answer(&closes), status);
    assert_int_equal(closes, last);
}

static void expect_end(void)
{
    peer_settle(&world, &peer);
    assert_int_equal(peer.bytes.length, 0);
    assert_true(peer.ended);
}

static void a_request_is_answered(void **state)
{
    (void)state;
    peer_send(&peer,
              SLICE(HEAD "Authorization: Bearer t\r\nIdempotency-Key: k\r\nContent-Length: 3\r\n\r\n[0]"));
    peer_settle(&world, &peer);
    static const char first[] = "HTTP/1.1 200 OK\r\nDate: ";
    static const char rest[] =
        " GMT\r\nX: y\r\nVary: Origin\r\nContent-Type: application/json\r\nContent-Length: 3\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n[1]";
    size_t length = sizeof first - 1 + strlen("Sun, 06 Nov 1994 08:49:37") + sizeof rest - 1;
    assert_int_equal(peer.bytes.length, length);
    assert_memory_equal(peer.bytes.data, first, sizeof first - 1);
    assert_memory_equal(peer.bytes.data + length - (sizeof rest - 1), rest, sizeof rest - 1);
    world_expect(&world, "request(a.b t k [0]) finished ");
    assert_false(peer.ended);
}

static void cut_at_every_byte(void **state)
{
    (void)state;
    static const char *const requests[] = {
        CALL, HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n"};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        size_t length = strlen(requests[i]);
        for (size_t cut = 1; cut < length; cut++) {
            peer_send(&peer, slice_of(requests[i], cut));
            peer_settle(&world, &peer);
            assert_int_equal(peer.bytes.length, 0);
            peer_send(&peer, slice_of(requests[i] + cut, length - cut));
            expect_answer(200, false);
            world_expect(&world, SEEN "finished ");
        }
        for (size_t at = 0; at < length; at++) {
            peer_send(&peer, slice_of(requests[i] + at, 1));
            world_turn(&world);
        }
        expect_answer(200, false);
        world_expect(&world, SEEN "finished ");
    }
}

static void one_after_the_other(void **state)
{
    (void)state;
    world.on_request = NULL;
    peer_send(&peer, SLICE(CALL CALL HEAD "Connection: close\r\n\r\n" CALL));
    peer_settle(&world, &peer);
    for (int i = 0; i < 2; i++) {
        world_expect(&world, SEEN);
        answer(&world, world.last);
        expect_answer(200, false);
        buffer_consume(&world.seen, strlen("finished "));
    }
    world_expect(&world, "request(a.b   ) ");
    answer(&world, world.last);
    expect_answer(200, true);
    world_expect(&world, "finished ");
    expect_end();
    assert_int_equal(network_connections(world.network), 1); /* it lingers */
}

/* What a client sends behind a request that is worked on is bounded. */
static void pipelined_bytes_wait_in_the_kernel(void **state)
{
    (void)state;
    world.on_request = NULL;
    peer_send(&peer, SLICE(CALL));
    peer_settle(&world, &peer);
    static char many[4096];
    size_t sent = 0;
    memset(many, 'X', sizeof many);
    for (int idle = 0; idle < 20;) {
        ssize_t length = send(peer.fd, many, sizeof many, MSG_DONTWAIT | MSG_NOSIGNAL);
        idle = length > 0 ? 0 : idle + 1;
        sent += length > 0 ? (size_t)length : 0;
        world_turn(&world);
        assert_true(sent < 4 << 20);
    }
    assert_true(world.last->head->length < HTTP_HEAD_MOST + (1 << 17));
    answer(&world, world.last);
    expect_answer(200, false);
    bool last;
    assert_int_equal(take_answer(&last), 431); /* so many of them are no head */
}

static void continue_is_said_when_it_is_waited_for(void **state)
{
    (void)state;
    peer_send(&peer, SLICE(HEAD "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    expect_answer(100, false);
    peer_send(&peer, SLICE("{}"));
    expect_answer(200, false);
    peer_send(&peer, SLICE(HEAD "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{"));
    peer_expect(&world, &peer, SLICE("")); /* it has not waited */
    peer_send(&peer, SLICE("}"));
    expect_answer(200, false);
    peer_send(&peer, SLICE(HEAD "Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n"));
    expect_answer(413, true);
    expect_end();
}

static void refusals_end_the_connection(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        int status;
    } samples[] = {
        {"GET /api/a/b HTTP/1.1\r\nHost: h\r\n\r\n" CALL, 405},
        {HEAD "Content-Length: 1048577\r\n\r\n" CALL, 413},
        {HEAD "Transfer-Encoding: chunked\r\n\r\nx" CALL, 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n100001\r\n" CALL, 413},
        {"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}" CALL, 404},
        {"BREW /api/a/b HTTP/1.1\r\nHost: h\r\n\r\n" CALL, 501},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        peer_send(&peer, slice_text(samples[i].bytes));
        expect_answer(samples[i].status, true);
        expect_end();
        world_expect(&world, "");
        peer_close(&peer);
        peer_open(&world, &peer, false);
    }
}

static void clients_go_at_any_time(void **state)
{
    (void)state;
    static const char *const seen[] = {"", SEEN "finished "};
    for (size_t i = 0; i < 2; i++) {
        world.on_request = NULL;
        peer_send(&peer, slice_of(CALL, sizeof CALL - 2 + i));
        peer_settle(&world, &peer);
        struct connection *connection = world.last;
        peer_close(&peer);
        for (int turn = 0; turn < 5; turn++)
            world_turn(&world);
        if (i == 1) /* the answer has been waited for */
            answer(&world, connection);
        for (int turn = 0; turn < 5; turn++)
            world_turn(&world);
        assert_int_equal(network_descriptors(world.network), 0);
        assert_int_equal(network_connections(world.network), 0);
        world_expect(&world, seen[i]);
        assert_true(i == 0 || connection != NULL);
        peer_open(&world, &peer, false);
    }
}

static bool has_ended(void *argument)
{
    (void)argument;
    peer_read(&peer, SIZE_MAX);
    return peer.ended;
}

static void a_slow_body_ends_with_408(void **state)
{
    (void)state;
    world.config.limits.request_ms = 20;
    peer_send(&peer, slice_of(CALL, sizeof CALL - 2));
    world_until(&world, has_ended, NULL);
    expect_answer(408, true);
    world_expect(&world, "");
}

/* The call itself may take longer. */
static void a_slow_call_is_waited_for(void **state)
{
    (void)state;
    world.config.limits.request_ms = 20;
    world.on_request = NULL;
    peer_send(&peer, SLICE(CALL));
    peer_settle(&world, &peer);
    assert_int_equal(world.last->deadline_ms, 0);
    answer(&world, world.last);
    expect_answer(200, false);
}

static void an_idle_connection_ends(void **state)
{
    (void)state;
    world.config.limits.handshake_ms = 20;
    peer_send(&peer, SLICE(CALL));
    world_until(&world, has_ended, NULL);
    expect_answer(200, false);
    expect_end();
}

static bool nobody_is_left(void *argument)
{
    (void)argument;
    return network_descriptors(world.network) == 0;
}

static void respond_much(struct world *of, struct connection *connection)
{
    (void)of;
    static char much[8 << 20];
    const struct http_response response = {
        .status = "200 OK", .more = "", .type = "text/plain", .content = slice_of(much, sizeof much)};
    http_respond(connection, &response);
    http_respond(connection, &response); /* it is answered */
}

static void an_answer_that_is_not_read_ends(void **state)
{
    (void)state;
    world.config.limits.request_ms = 50;
    world.on_request = respond_much;
    peer_send(&peer, SLICE(CALL));
    world_until(&world, nobody_is_left, NULL);
    world_expect(&world, SEEN "finished ");
}

static void a_large_answer_comes_whole(void **state)
{
    (void)state;
    world.on_request = respond_much;
    peer_send(&peer, SLICE(CALL CALL));
    expect_answer(200, false);
    expect_answer(200, false);
    assert_int_equal(peer.bytes.length, 0);
}

/* Who shuts down its side behind whole requests gets the answers. */
static void the_answers_go_to_who_has_ended(void **state)
{
    (void)state;
    world.on_request = respond_much;
    peer_send(&peer, SLICE(CALL CALL CALL HEAD));
    for (int turn = 0; turn < 5; turn++)
        world_turn(&world);
    assert_int_equal(network_connections(world.network), 1); /* most of the first one waits */
    assert_int_equal(shutdown(peer.fd, SHUT_WR), 0);
    world_turn(&world);
    world.on_request = NULL;
    expect_answer(200, false);
    for (int i = 0; i < 2; i++) {
        peer_expect(&world, &peer, SLICE(""));
        answer(&world, world.last);
        expect_answer(200, false);
    }
    expect_end();
    assert_int_equal(network_descriptors(world.network), 0);
}

static void closing(void **state)
{
    (void)state;
    world.on_request = NULL;
    peer_send(&peer, SLICE(CALL));
    peer_settle(&world, &peer);
    struct connection *connection = world.last;
    assert_int_equal(network_connections(world.network), 1);
    connection_close(connection, 1001, "");
    connection_close(connection, 1001, "");
    peer_settle(&world, &peer);
    assert_int_equal(peer.bytes.length, 0); /* it waits for the answer */
    answer(&world, connection);
    expect_answer(200, true);
    expect_end();
    world_expect(&world, SEEN "finished ");
}

static void close_it(struct connection *connection, void *argument)
{
    (void)argument;
    assert_null(connection->owner);
    connection_close(connection, 1001, "");
}

static void closing_within_a_body(void **state)
{
    (void)state;
    peer_send(&peer, slice_of(CALL, sizeof CALL - 2));
    peer_settle(&world, &peer);
    network_each(world.network, close_it, NULL);
    expect_answer(503, true);
    expect_end();
}

/* Frames go nowhere, and changes of the backlog neither. */
static void nothing_else_is_sent(void **state)
{
    (void)state;
    world.on_request = NULL;
    peer_send(&peer, SLICE(CALL));
    peer_settle(&world, &peer);
    connection_send(world.last, SLICE("{}"), 0);
    connection_send_frames(world.last, SLICE("\x81\x00"), 0);
    connection_hold(world.last, true);
    connection_authorized(world.last, true);
    network_backlog_grew(world.network);
    network_backlog_drops(world.network, 1);
    peer_expect(&world, &peer, SLICE(""));
    answer(&world, world.last);
    expect_answer(200, false);
    assert_int_equal(peer.bytes.length, 0);
}

static void a_handshake_may_follow(void **state)
{
    (void)state;
    peer_send(&peer, SLICE(CALL WORLD_HANDSHAKE "\x81\x80____"));
    expect_answer(200, false);
    expect_answer(101, false);
    world_expect(&world, SEEN "finished opened text() ");
    assert_int_equal(network_connections(world.network), 1);
    peer_send_frame(&peer, FINAL | OPCODE_TEXT, SLICE("x"));
    peer_settle(&world, &peer);
    world_expect(&world, "text(x) ");
}

static void a_refused_handshake_may_follow(void **state)
{
    (void)state;
    peer_send(&peer, SLICE(CALL "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"));
    expect_answer(200, false);
    expect_answer(404, true);
    expect_end();
}

/* RFC 9112 section 9.3. */
static void old_requests_end_the_connection_unless_told(void **state)
{
    (void)state;
    static const char old[] = "POST /api/a/b HTTP/1.0\r\nContent-Length: 2\r\n";
    for (int i = 0; i < 2; i++) {
        peer_send(&peer, slice_text(old));
        peer_send(&peer, SLICE("Connection: Keep-Alive\r\n\r\n{}"));
        peer_settle(&world, &peer);
        buffer_append_byte(&peer.bytes, '\0');
        peer.bytes.length--;
        assert_non_null(strstr(peer.bytes.data, "\r\nConnection: keep-alive\r\n"));
        expect_answer(200, false);
    }
    peer_send(&peer, SLICE("\r\n")); /* as some put behind the body of a request */
    peer_send(&peer, slice_text(old));
    peer_send(&peer, SLICE("\r\n{}" CALL));
    expect_answer(200, true);
    expect_end();
    world_expect(&world, SEEN "finished " SEEN "finished " SEEN "finished ");
    peer_close(&peer);
    peer_open(&world, &peer, false);
    peer_send(&peer, SLICE("POST /api/a/b HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"));
    expect_answer(200, true);
    expect_end();
}

static void options_leave_the_connection(void **state)
{
    (void)state;
    peer_send(&peer,
              SLICE("OPTIONS /api/a/b HTTP/1.1\r\nHost: h\r\n\r\n" CALL "OPTIONS * HTTP/1.1\r\nHost: h\r\n"
                    "Content-Length: 2\r\n\r\n{}" CALL));
    expect_answer(204, false);
    expect_answer(200, false);
    expect_answer(204, true); /* its body is not read */
    expect_end();
    world_expect(&world, SEEN "finished ");
}

/* Idle connections are many: what HTTP adds to each is one pointer. */
static void connections_stay_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct connection) <= 408);
    peer_send(&peer, SLICE(CALL));
    expect_answer(200, false);
    network_each(world.network, close_it, NULL); /* between two exchanges there is none */
    peer_send(&peer, SLICE(CALL));
    expect_answer(200, false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered),
        TEST(cut_at_every_byte),
        TEST(one_after_the_other),
        TEST(pipelined_bytes_wait_in_the_kernel),
        TEST(continue_is_said_when_it_is_waited_for),
        TEST(refusals_end_the_connection),
        TEST(clients_go_at_any_time),
        TEST(a_slow_body_ends_with_408),
        TEST(a_slow_call_is_waited_for),
        TEST(an_idle_connection_ends),
        TEST(an_answer_that_is_not_read_ends),
        TEST(a_large_answer_comes_whole),
        TEST(the_answers_go_to_who_has_ended),
        TEST(closing),
        TEST(closing_within_a_body),
        TEST(nothing_else_is_sent),
        TEST(a_handshake_may_follow),
        TEST(a_refused_handshake_may_follow),
        TEST(old_requests_end_the_connection_unless_told),
        TEST(options_leave_the_connection),
        TEST(connections_stay_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
