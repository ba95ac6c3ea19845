/* What becomes of calls that stand in a full window. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/worker/worker_world.h"
#include "worker/net/connection.h"
#include "worker/net/connection_hold.h"

static unsigned skipped_s; /* the clock is ahead by these */

int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);

int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
    int rc = __real_clock_gettime(id, now);
    now->tv_sec += skipped_s;
    return rc;
}

/* Little work is left in the pass in which they are refused: then the next ones are a second later, not when
 * these have stood for long once more. */
static void what_is_left_of_those_that_stand_is_refused_soon(void **state)
{
    (void)state;
    enum { CALLS = 60, TEXT = 1200 };
    static const char narrow[] = "\"items\": {\"methods\": {\"insert\": []}}}, \"limits\": {"
                                 "\"calls_in_flight\": 1, \"read_ahead_bytes\": \"16K\"";
    struct world world;
    struct client client;
    char text[TEXT + 200];
    world_open(&world, narrow, 0, 0);
    world_add_user(&world, "ann", "[\"administrator\"]", text);
    client_open(&client, &world, text);
    (void)client_call(&client, "dispatcher", "subscribe", "{\"collections\":[]}");
    client.answers = 0;
    world.committer_waits = true;
    for (unsigned n = 0; n < CALLS; n++) {
        snprintf(text, sizeof text,
                 "{\"tid\":%u,\"methodName\":\"insert\",\"collectionName\":\"items\",\"data\":{}%*s}", n,
                 TEXT, "");
        client_send(&client, text);
        world_pass(&world);
    }
    connection_hold_refuse_standing(world.worker.network);
    client_settle(&client);
    assert_int_equal(client.answers, 0);
    skipped_s += 11;
    world.worker.work.left = WORK_KEPT_BY_CALLS + 1;
    connection_hold_refuse_standing(world.worker.network);
    client_settle(&client);
    assert_int_equal(client.answers, 1);
    assert_non_null(strstr(client.answer, "\"busy\""));
    skipped_s++;
    world.worker.work.left = WORK_PASS;
    connection_hold_refuse_standing(world.worker.network);
    client_settle(&client);
    assert_true(client.answers > 2);
    world.committer_waits = false;
    client_settle(&client);
    assert_int_equal(client.answers, CALLS);
    client_close(&client);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_of_those_that_stand_is_refused_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
