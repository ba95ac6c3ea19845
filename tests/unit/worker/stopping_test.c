/* The orderly stop of a worker. */

#include "tests/unit/quoted.h"
#include "worker/stopping.h"

#include <string.h>
#include <sys/socket.h>

#include "tests/unit/worker/worker_world.h"

static const char collections[] = "'items': {'methods': {'insert': []}}}, 'limits': {";

#define INSERT Q("{'tid':1,'collectionName':'items','methodName':'insert','data':{'_id':'a'}}")

static struct world world;
static struct client client;

static int set_up(void **state)
{
    (void)state;
    world_open(&world, collections, 0, 0);
    client_open(&client, &world, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    client_close(&client);
    world_close(&world);
    return 0;
}

/* Until the worker has said its last to @of. */
static void until_closed(struct client *of)
{
    while (of->close_code == 0) {
        world_pass(&world);
        client_read(of, SIZE_MAX);
    }
}

static void open_calls_are_answered_first(void **state)
{
    (void)state;
    world.committer_waits = true;
    client_send(&client, INSERT);
    world_settle(&world);
    stopping_begin(&world.worker);
    for (int i = 0; i < 20; i++)
        world_pass(&world);
    client_read(&client, SIZE_MAX);
    assert_int_equal(client.close_code, 0);
    const char *const new_call = Q("'tid':2,'collectionName':'items','methodName':'count'");
    assert_non_null(strstr(client_call_message(&client, new_call), Q("'unavailable'"))); /* no new ones */
    world.committer_waits = false;
    until_closed(&client);
    assert_int_equal(client.close_code, 1001);
    assert_string_equal(client.answer, Q("{'_id':'a','_version':0}"));
    assert_memory_equal(client.seen.data, "reconnect ", 10);
}

static void calls_that_take_too_long_are_answered_all_the_same(void **state)
{
    (void)state;
    world.fixture.config->stop_timeout_ms = 200;
    world.committer_waits = true;
    client_send(&client, INSERT);
    world_settle(&world);
    stopping_begin(&world.worker);
    until_closed(&client);
    assert_int_equal(client.close_code, 1001);
    assert_int_equal(client.answers, 1);
    assert_non_null(strstr(client.answer, Q("'timeout'"))); /* nobody knows: */
    world.committer_waits = false;
    for (int i = 0; i < 20; i++)
        world_pass(&world);
    assert_non_null(document(&world.fixture, "items", "a"));
}

static void who_comes_late_is_sent_away(void **state)
{
    (void)state;
    struct client late;
    world.committer_waits = true;
    client_send(&client, INSERT);
    world_settle(&world);
    stopping_begin(&world.worker);
    client_open(&late, &world, NULL);
    until_closed(&late);
    assert_int_equal(late.close_code, 1001);
    assert_memory_equal(late.seen.data, "reconnect ", 10);
    client_close(&late);
    world.committer_waits = false;
    until_closed(&client);
}

static void the_loop_ends_when_all_have_gone(void **state)
{
    (void)state;
    stopping_begin(&world.worker);
    until_closed(&client);
    assert_true(world.worker.running);
    static const char closing[] = "\x88\x80\0\0\0"; /* its NUL is the mask's last byte */
    assert_int_equal(send(client.fd, closing, 6, 0), 6);
    shutdown(client.fd, SHUT_WR);
    while (world.worker.running)
        world_pass(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(open_calls_are_answered_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(calls_that_take_too_long_are_answered_all_the_same, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_comes_late_is_sent_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_loop_ends_when_all_have_gone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
