/* What one pass of the loop may do, however much there is to do: counted in units of work. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "tests/unit/quoted.h"
#include "tests/unit/worker/worker_world.h"
#include "worker/base/job.h"
#include "worker/net/connection.h"
#include "worker/net/network.h"
#include "worker/net/read_ahead.h"

/* A pass may spend WORK_PASS and end with a step that was begun before. */
enum { LARGE = 60000, PASSES_MOST = 200, STEP_MOST = WORK_PASS / 4, PASS_MOST = WORK_PASS + STEP_MOST };

static const char collections[] = "'items': {}, 'other': {}}, 'permissions': ['p'], 'limits': {";

/* One pass within its bounds. */
static void pass(struct world *world)
{
    uint64_t before = world->worker.work.used;
    world_pass(world);
    assert_in_range(world->worker.work.used - before, 0, PASS_MOST);
    assert_in_range(world->worker.work.largest_step, 0, STEP_MOST);
}

/* More bytes of changes than one pass takes in. */
static void publish_much(struct world *world, const char *collection)
{
    char *body = memory_allocate(LARGE + 100);
    for (unsigned i = 0; i < 400; i++) {
        quoted_print(body, LARGE + 100, "{'p':'%0*u'}", LARGE, i);
        assert_int_equal(world_change(world, i ? CHANGE_REPLACE : CHANGE_INSERT, collection, "large", body),
                         ERROR_NONE);
    }
    free(body);
}

static bool is_behind(const struct world *world)
{
    return backlog_last_seq(world->worker.backlog) < store_write_seq(world->fixture.writer);
}

static void a_call_waits_while_its_worker_is_far_behind(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    world_open(&world, collections, 0, 0);
    client_open(&client, &world, NULL);
    (void)client_call(&client, "dispatcher", "subscribe", Q("{'collections':[]}"));
    publish_much(&world, "items");
    assert_int_equal(world_change(&world, CHANGE_INSERT, "other", "last", "{}"), ERROR_NONE);
    unsigned answers = client.answers, passes = 0;
    client_send(&client, Q("{'tid':7,'methodName':'detail','collectionName':'other','data':{'_id':'last'}}"));
    while (client.answers == answers) {
        pass(&world);
        client_read(&client, SIZE_MAX);
        assert_true(client.answers == answers || !is_behind(&world));
        assert_true(++passes < PASSES_MOST);
    }
    assert_true(passes > 2);
    assert_non_null(strstr(client.answer, Q("'last'")));
    client_close(&client);
    world_close(&world);
}

/* The right was withdrawn, and that was told, before the call was made; the worker learns of it late. */
static void a_call_does_not_run_with_rights_from_before(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    char token[64];
    world_open(&world, "'items': {'read': 'p'}, 'other': {}}, 'permissions': ['p'], 'limits': {", 0, 0);
    assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", "g", Q("{'permissions':{'p':true}}")),
                     ERROR_NONE);
    world_add_user(&world, "anna", Q("['g']"), token);
    client_open(&client, &world, token);
    assert_non_null(strstr(client_call(&client, "items", "count", "{}"), "0"));
    publish_much(&world, "other");
    assert_int_equal(world_change(&world, CHANGE_MERGE, "groups", "g", Q("{'permissions':{'p':null}}")),
                     ERROR_NONE);
    unsigned answers = client.answers, passes = 0;
    client_send(&client, Q("{'tid':7,'methodName':'count','collectionName':'items','data':{}}"));
    for (; client.answers == answers; passes++) {
        pass(&world);
        client_read(&client, SIZE_MAX);
        assert_true(passes < PASSES_MOST);
    }
    assert_true(passes > 2);
    assert_non_null(strstr(client.answer, "forbidden"));
    client_close(&client);
    world_close(&world);
}

/* Calls that came with others and waited for these wait for the next pass, too, when this one is used up. */
static void calls_that_are_held_back_are_not_forgotten(void **state)
{
    (void)state;
    enum { CALLS = 200 };
    struct world world;
    struct client client;
    world_open(&world, collections, 0, 0);
    client_open(&client, &world, NULL);
    (void)client_call(&client, "dispatcher", "subscribe", Q("{'collections':[]}"));
    unsigned answers = client.answers;
    world.committer_waits = true;
    for (unsigned i = 0; i < CALLS; i++) {
        char text[128];
        quoted_print(text, sizeof text, "{'tid':%u,'methodName':'insert','collectionName':'items','data':{}}",
                     i);
        client_send(&client, text);
    }
    pass(&world);
    world.committer_waits = false;
    world.worker.work.left = 0;
    pass(&world); /* those that were taken up are answered */
    client_settle(&client);
    assert_int_equal(client.answers - answers, CALLS);
    client_close(&client);
    world_close(&world);
}

/* What was read when the work of a pass ran out is looked at in the next one, and then the connection is read
 * again. */
static void a_pass_that_is_used_up_leaves_nothing_unread(void **state)
{
    (void)state;
    enum { CALLS = 200 };
    struct world world;
    struct client client;
    world_open(&world, collections, 0, 0);
    client_open(&client, &world, NULL);
    (void)client_call(&client, "dispatcher", "subscribe", Q("{'collections':[]}"));
    for (unsigned round = 0; round < 3; round++) {
        unsigned answers = client.answers;
        for (unsigned i = 0; i < CALLS; i++) {
            char text[128];
            quoted_print(text, sizeof text, "{'tid':%u,'methodName':'count','collectionName':'items'}", i);
            client_send(&client, text);
        }
        world.worker.work.left = WORK_KEPT_BY_CALLS + 2000;
        pass(&world);
        client_read(&client, SIZE_MAX);
        assert_true(client.answers - answers < CALLS);
        client_settle(&client);
        assert_int_equal(client.answers - answers, CALLS);
    }
    client_close(&client);
    world_close(&world);
}

static void sum_ahead(struct connection *connection, void *argument)
{
    *(size_t *)argument += read_ahead_bytes(connection->ahead);
}

/* Nor is more read than one read's worth while what was read before waits for work: who sends faster than its
 * calls are run fills its socket, not our memory. */
static void what_waits_for_work_is_bounded(void **state)
{
    (void)state;
    enum { CALLS = 80, ONE_READ = 64 * 1024, SOME = 1024, PASSES = 6 };
    struct world world;
    struct client client;
    char text[1500];
    world_open(&world, collections, 0, 0);
    client_open(&client, &world, NULL);
    (void)client_call(&client, "dispatcher", "subscribe", Q("{'collections':[]}"));
    unsigned answers = client.answers;
    quoted_print(text, sizeof text, "{'tid':1,'methodName':'count','collectionName':'items'%1200s}", "");
    for (unsigned i = 0; i < CALLS; i++)
        client_send(&client, text);
    for (unsigned i = 0; i < PASSES; i++) {
        size_t ahead = 0;
        world.worker.work.left = WORK_KEPT_BY_CALLS + 1;
        pass(&world);
        client_read(&client, SIZE_MAX);
        network_each(world.worker.network, sum_ahead, &ahead);
        assert_true(ahead > 0 && ahead <= ONE_READ + SOME);
    }
    client_settle(&client);
    assert_int_equal(client.answers - answers, CALLS);
    client_close(&client);
    world_close(&world);
}

static void has_much_memory(struct connection *connection, void *argument)
{
    *(size_t *)argument += read_ahead_memory(connection->ahead);
}

/* Calls wait on many connections: their windows together are bounded, and all goes on when the calls do. */
static void what_is_read_ahead_of_all_is_bounded(void **state)
{
    (void)state;
    enum { CLIENTS = 12, CALLS = 60, BOUND = 1 << 18, LITTLE = CLIENTS * 4096, TEXT = 1200 };
    static const char narrow[] =
        "'items': {'methods': {'insert': []}}}, 'limits': {'calls_in_flight': 2, "
        "'worker_calls_bytes': '1M', 'message_bytes': '64K', 'document_bytes': '64K', "
        "'result_bytes': '64K'";
    struct world world;
    struct client clients[CLIENTS], other;
    char text[TEXT + 200];
    world_open(&world, narrow, 0, 0);
    client_open(&other, &world, NULL);
    world_add_user(&world, "ann", Q("['administrator']"), text);
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_open(&clients[i], &world, text);
        (void)client_call(&clients[i], "dispatcher", "subscribe", Q("{'collections':[]}"));
        clients[i].answers = 0;
    }
    world.committer_waits = true;
    size_t largest = 0;
    for (unsigned n = 0; n < CALLS; n++)
        for (unsigned i = 0; i < CLIENTS; i++) {
            size_t ahead = 0;
            quoted_print(text, sizeof text,
                         "{'tid':%u,'methodName':'insert','collectionName':'items','data':{}%*s}", n, TEXT,
                         "");
            client_send(&clients[i], text);
            world_pass(&world);
            network_each(world.worker.network, has_much_memory, &ahead);
            largest = ahead > largest ? ahead : largest;
        }
    assert_in_range(largest, BOUND / 2, BOUND + BOUND / 4 + LITTLE);
    assert_true(network_waiting_bytes(world.worker.network) < 2 * BOUND);
    assert_string_equal(client_call(&other, "items", "count", "{}"), "0"); /* others go on */
    world.committer_waits = false;
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_settle(&clients[i]);
        assert_int_equal(clients[i].close_code, 0);
        assert_int_equal(clients[i].answers, CALLS);
    }
    assert_int_equal(network_waiting_bytes(world.worker.network), 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        client_close(&clients[i]);
    client_close(&other);
    world_close(&world);
}

/* Many catch up from the change log at once: the pass is one for all, and each gets its turn. */
static void catching_up_shares_the_pass(void **state)
{
    (void)state;
    enum { CLIENTS = 8, CHANGES = 1500, SMALL = 64 * 1024 };
    struct world world;
    struct client clients[CLIENTS];
    char body[600];
    world_open(&world, collections, SMALL, SMALL);
    quoted_print(body, sizeof body, "{'p':'%0500d'}", 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_open(&clients[i], &world, NULL);
        (void)client_call(&clients[i], "dispatcher", "subscribe", Q("{'collections':['items']}"));
    }
    assert_int_equal(world_change(&world, CHANGE_INSERT, "items", "first", "{}"), ERROR_NONE);
    for (unsigned i = 0; i < CHANGES; i++) {
        char id[16];
        snprintf(id, sizeof id, "%u", i);
        assert_int_equal(world_change(&world, CHANGE_INSERT, "other", id, body), ERROR_NONE);
    }
    assert_int_equal(world_change(&world, CHANGE_INSERT, "items", "last", "{}"), ERROR_NONE);
    unsigned there = 0, passes = 0, most_behind = 0;
    while (there < CLIENTS) {
        pass(&world);
        unsigned behind = (unsigned)atomic_load(&world.worker.score->catching_up);
        if (behind > most_behind)
            most_behind = behind;
        there = 0;
        for (unsigned i = 0; i < CLIENTS; i++) {
            client_read(&clients[i], SIZE_MAX);
            there += client_holds(&clients[i], "items", "last") != NULL;
        }
        assert_true(++passes < PASSES_MOST);
    }
    assert_int_equal(most_behind, CLIENTS);
    assert_true(passes > 3);
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_non_null(client_holds(&clients[i], "items", "first"));
        assert_int_equal(clients[i].changes, 2);
        client_close(&clients[i]);
    }
    world_close(&world);
}

/* A job of which each step is more than a pass. */
struct heavy_job {
    struct job job;
    struct worker *worker;
    bool *ended;
};

static enum job_state heavy_step(struct job *job)
{
    const struct heavy_job *heavy = CONTAINER_OF(job, struct heavy_job, job);
    work_charge(&heavy->worker->work, WORK_PASS);
    return *heavy->ended ? JOB_DONE : JOB_MORE;
}

static void heavy_free(struct job *job)
{
    free(CONTAINER_OF(job, struct heavy_job, job));
}

static void a_pass_that_is_used_up_still_writes(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    world_open(&world, collections, 0, 0);
    client_open(&client, &world, NULL);
    struct heavy_job *heavy = memory_zeroed(1, sizeof *heavy);
    bool ended = false;
    *heavy = (struct heavy_job){{.step = heavy_step, .free = heavy_free}, &world.worker, &ended};
    job_start(world.worker.jobs, &heavy->job);
    unsigned answers = client.answers;
    client_send(&client, "{\"tid\":7,\"methodName\":\"describe\"}");
    for (unsigned passes = 0; client.answers == answers; passes++) {
        assert_true(passes < 4);
        world_pass(&world);
        client_read(&client, SIZE_MAX);
    }
    ended = true;
    client_close(&client);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_waits_while_its_worker_is_far_behind),
        cmocka_unit_test(a_pass_that_is_used_up_still_writes),
        cmocka_unit_test(a_call_does_not_run_with_rights_from_before),
        cmocka_unit_test(calls_that_are_held_back_are_not_forgotten),
        cmocka_unit_test(a_pass_that_is_used_up_leaves_nothing_unread),
        cmocka_unit_test(what_waits_for_work_is_bounded),
        cmocka_unit_test(what_is_read_ahead_of_all_is_bounded),
        cmocka_unit_test(catching_up_shares_the_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
