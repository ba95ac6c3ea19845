/* Calls over HTTP in a whole worker: what happens to them when their client, their user or the worker
 * goes. */

#include "tests/unit/quoted.h"
#include "worker/net/network.h"
#include "worker/rpc/http_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/worker/worker_world.h"
#include "worker/authority/token.h"
#include "worker/rpc/transaction.h"
#include "worker/stopping.h"

static const char collections[] = "'items': {'methods': {'insert': []}}}, 'limits': {";

static struct world world;
static char token[64];
static int fd;
static char answer[4096]; /* all that came */
static size_t answer_length;
static bool ended;

static void open_connection(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    fd = fds[0];
    ended = false;
    network_add(world.worker.network, fds[1], CONNECTION_CLIENT);
}

static int set_up(void **state)
{
    (void)state;
    world_open(&world, collections, 0, 0);
    world_add_user(&world, "anna", "[]", token);
    open_connection();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(fd);
    world_settle(&world);
    assert_int_equal(world.worker.score->authorized, 0);
    world_close(&world);
    return 0;
}

static void read_all(void)
{
    ssize_t length;
    while ((length = recv(fd, answer + answer_length, sizeof answer - 1 - answer_length, MSG_DONTWAIT)) > 0)
        answer_length += (size_t)length;
    ended = length == 0;
    answer[answer_length] = '\0';
}

static void send_call(const char *collection, const char *method, const char *data)
{
    struct buffer request = {0};
    buffer_append_format(&request,
                         "POST /api/%s/%s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n"
                         "Content-Length: %zu\r\n\r\n%s",
                         collection, method, token, strlen(data), data);
    assert_int_equal(send(fd, request.data, request.length, MSG_NOSIGNAL), request.length);
    buffer_free(&request);
}

static void settle(void)
{
    world_settle(&world);
    answer_length = 0;
    read_all();
}

/* What came is one answer. */
static void expect(const char *status, const char *content)
{
    char first[32];
    snprintf(first, sizeof first, "HTTP/1.1 %s ", status);
    const char *end = strstr(answer, "\r\n\r\n");
    if (!end || strncmp(answer, first, strlen(first)) != 0 || !strstr(end, content))
        fail_msg("expected %s %s, not: %s", status, content, answer);
}

static void calls_are_answered(void **state)
{
    (void)state;
    send_call("items", "insert", Q("{'_id':'a'}"));
    settle();
    expect("200", Q("\r\n\r\n{'_id':'a','_version':0}"));
    send_call("items", "count", "");
    settle();
    expect("200", "\r\n\r\n1");
    send_call("items", "insert", Q("{'_id':'a'}"));
    settle();
    expect("409", Q("'exists'"));
    send_call("dispatcher", "subscribe", Q("{'collections':null}"));
    settle();
    expect("400", Q("'invalid'"));
    send_call("items", "count", "{} ,");
    settle();
    expect("400", Q(" at byte 4'"));
    assert_int_equal(world.worker.score->authorized, 0); /* between calls it is nobody's */
}

static void fail_it(struct connection *connection, void *argument)
{
    const struct session *session = connection->owner;
    transaction_send_failure(TAILQ_FIRST(&session->calls), *(enum error_code *)argument,
                             slice_text(Q("'why'")), slice_text(Q("'more':1")));
}

static void every_code_has_its_status(void **state)
{
    (void)state;
    static const char *const statuses[] = {
        [ERROR_BAD_MESSAGE] = "400",    [ERROR_UNKNOWN_COLLECTION] = "404",
        [ERROR_UNKNOWN_METHOD] = "404", [ERROR_UNAUTHORIZED] = "401",
        [ERROR_FORBIDDEN] = "403",      [ERROR_INVALID] = "400",
        [ERROR_NOT_FOUND] = "404",      [ERROR_EXISTS] = "409",
        [ERROR_CONFLICT] = "409",       [ERROR_TOO_LARGE] = "413",
        [ERROR_RATE_LIMITED] = "429",   [ERROR_BUSY] = "503",
        [ERROR_STORE_FULL] = "507",     [ERROR_RESYNC_REQUIRED] = "409",
        [ERROR_TIMEOUT] = "504",        [ERROR_UNAVAILABLE] = "503",
        [ERROR_INTERNAL] = "500",
    };
    world.committer_waits = true;
    for (enum error_code code = ERROR_BAD_MESSAGE; code <= ERROR_INTERNAL; code++) {
        char content[128];
        quoted_print(content, sizeof content,
                     "\r\n\r\n{'warning':true,'code':'%s','message':'\\'why\\'','more':1}",
                     error_code_name(code));
        send_call("items", "insert", "{}");
        settle();
        network_each(world.worker.network, fail_it, &code);
        settle();
        expect(statuses[code], content);
        bool again = strcmp(statuses[code], "503") == 0 || strcmp(statuses[code], "429") == 0;
        assert_int_equal(strstr(answer, "\r\nRetry-After: ") != NULL, again);
        assert_int_equal(strstr(answer, "\r\nWWW-Authenticate: Bearer") != NULL, code == ERROR_UNAUTHORIZED);
    }
    world.committer_waits = false; /* what the calls come to after all goes nowhere */
    world_settle(&world);
}

static void the_client_goes_before_the_commit(void **state)
{
    (void)state;
    world.committer_waits = true;
    send_call("items", "insert", Q("{'_id':'a'}"));
    settle();
    assert_int_equal(world.worker.score->authorized, 1);
    close(fd);
    world_settle(&world);
    assert_int_equal(world.worker.score->authorized, 1); /* it may be reading still */
    world.committer_waits = false;
    world_settle(&world);
    assert_int_equal(world.worker.score->authorized, 0);
    open_connection();
    send_call("items", "count", "");
    settle();
    expect("200", "\r\n\r\n1");
}

static void the_worker_ends_before_the_commit(void **state)
{
    (void)state;
    world.committer_waits = true;
    send_call("items", "insert", Q("{'_id':'a'}"));
    settle();
    network_free(&world.worker.network);
    assert_int_equal(world.worker.score->authorized, 0);
    world_close(&world);
    world_open(&world, collections, 0, 0);
    close(fd);
    open_connection();
}

/* The session that a call is authorized by ends while it waits. */
static void the_session_ends_before_the_commit(void **state)
{
    (void)state;
    uint8_t hash[TOKEN_HASH_BYTES];
    char id[TOKEN_ID + 1];
    token_hash(slice_text(token), hash);
    token_id(hash, id);
    world.committer_waits = true;
    send_call("items", "insert", Q("{'_id':'a'}"));
    settle();
    assert_int_equal(world_change(&world, CHANGE_MERGE, "sessions", id, Q("{'ended':1}")), ERROR_NONE);
    settle();
    assert_int_equal(answer_length, 0);
    assert_int_equal(world.worker.score->authorized, 0);
    world.committer_waits = false;
    settle();
    expect("401", Q("'Your session has ended'"));
    send_call("items", "count", "");
    settle();
    expect("401", Q("'Token was invalidated'"));
}

static void the_user_is_removed_before_the_commit(void **state)
{
    (void)state;
    world.committer_waits = true;
    send_call("items", "insert", Q("{'_id':'a'}"));
    settle();
    assert_int_equal(world_change(&world, CHANGE_REMOVE, "users", "anna", ""), ERROR_NONE);
    settle();
    assert_int_equal(answer_length, 0);
    world.committer_waits = false;
    settle();
    expect("401", Q("'Your account was removed'"));
    send_call("items", "count", "");
    settle();
    expect("401", Q("'Token was invalidated'"));
}

static void logging_out_ends_the_session(void **state)
{
    (void)state;
    send_call("users", "logout", "");
    settle();
    expect("200", "\r\n\r\nnull");
    send_call("users", "logout", "");
    settle();
    expect("401", Q("'Token was invalidated'"));
}

static void a_stop_waits_for_the_call(void **state)
{
    (void)state;
    world.committer_waits = true;
    send_call("items", "insert", Q("{'_id':'a'}"));
    settle();
    stopping_begin(&world.worker);
    settle();
    assert_int_equal(answer_length, 0);
    assert_true(world.worker.running);
    world.committer_waits = false;
    settle();
    expect("200", Q("'_version':0"));
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    assert_true(ended);
    while (world.worker.running)
        world_pass(&world);
}

static void a_call_that_takes_too_long_is_answered_at_a_stop(void **state)
{
    (void)state;
    world.fixture.config->stop_timeout_ms = 200;
    world.committer_waits = true;
    send_call("items", "insert", Q("{'_id':'a'}"));
    settle();
    stopping_begin(&world.worker);
    answer_length = 0;
    while (!ended) {
        world_pass(&world);
        read_all();
    }
    expect("504", Q("'timeout'"));
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    world.committer_waits = false; /* what it came to goes nowhere */
    world_settle(&world);
}

static void a_call_after_the_stop_began_is_refused(void **state)
{
    (void)state;
    struct client client;
    client_open(&client, &world, token); /* keeps the worker from ending at once */
    world.committer_waits = true;
    client_send(&client, Q("{'tid':1,'collectionName':'items','methodName':'insert','data':{'_id':'a'}}"));
    world_settle(&world);
    stopping_begin(&world.worker);
    send_call("items", "count", "");
    settle();
    expect("503", Q("'unavailable'"));
    assert_true(ended);
    world.committer_waits = false;
    world_settle(&world);
    client_close(&client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(calls_are_answered),
        TEST(every_code_has_its_status),
        TEST(the_client_goes_before_the_commit),
        TEST(the_worker_ends_before_the_commit),
        TEST(the_session_ends_before_the_commit),
        TEST(the_user_is_removed_before_the_commit),
        TEST(logging_out_ends_the_session),
        TEST(a_stop_waits_for_the_call),
        TEST(a_call_that_takes_too_long_is_answered_at_a_stop),
        TEST(a_call_after_the_stop_began_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
