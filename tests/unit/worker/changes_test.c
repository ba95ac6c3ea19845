/* The way of changes through ring, backlog and change log, when each of them is too small. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "tests/unit/quoted.h"
#include "tests/unit/worker/worker_world.h"
#include "worker/output/backlog.h"

enum { SMALL = 64 * 1024 };

static const char collections[] = "'items': {'sync_filter': {'out': {'$ne': true}}}, 'other': {}},"
                                  " 'permissions': ['p'], 'limits': {";

static uint64_t overruns(const struct world *world)
{
    return atomic_load(&world->inheritance.scoreboard->worker[0].overruns);
}

/* Inserts, changes, removes one of some documents, in and out of the sync set. */
static void change_one(struct world *world, uint64_t *random, size_t padding)
{
    char id[16], body[2048];
    snprintf(id, sizeof id, "%03u", world_random(random, 150));
    unsigned what = world_random(random, 10);
    if (what == 0) {
        (void)world_change(world, CHANGE_REMOVE, "items", id, "");
        return;
    }
    quoted_print(body, sizeof body, "{'n':%u,'out':%s,'p':'%0*d'}", world_random(random, 1000000),
                 what == 1 ? "true" : "false", (int)padding, 0);
    (void)world_change(world, CHANGE_REPLACE, "items", id, body);
}

static void everything_arrives_though_the_ring_laps(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    uint64_t random = 3;
    world_open(&world, collections, SMALL, SMALL);
    client_open(&client, &world, NULL);
    for (int round = 0; round < 20; round++) {
        unsigned changes = 1 + world_random(&random, 1500);
        for (unsigned i = 0; i < changes; i++)
            change_one(&world, &random, 200);
        client_settle(&client);
        client_check(&client, "items");
    }
    assert_in_range(overruns(&world), 1, 1000);
    buffer_append_byte(&client.seen, 0);
    assert_string_equal(client.seen.data, ""); /* never told to resync */
    client_close(&client);
    world_close(&world);
}

static void each_change_arrives_once_and_in_order(void **state)
{
    (void)state;
    enum { CHANGES = 3000 };
    struct world world;
    struct client client;
    world_open(&world, collections, SMALL, 0);
    client_open(&client, &world, NULL);
    uint64_t first = client.seq;
    for (unsigned i = 0; i < CHANGES; i++) {
        char id[16];
        snprintf(id, sizeof id, "%u", i);
        assert_int_equal(world_change(&world, CHANGE_INSERT, "items", id, "{}"), ERROR_NONE);
        if (i % 100 == 0)
            world_pass(&world);
        if (i % 1000 == 999)
            client_settle(&client);
    }
    client_settle(&client);
    assert_int_equal(client.changes, CHANGES);
    assert_int_equal(client.seq, store_write_seq(world.fixture.writer));
    assert_true(client.seq >= first + CHANGES);
    client_close(&client);
    world_close(&world);
}

/* A pass takes a bounded number of changes, also out of the change log. */
static void a_lapped_worker_catches_up_in_steps(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    world_open(&world, collections, SMALL, 0);
    client_open(&client, &world, NULL);
    for (unsigned i = 0; i < 5000; i++) {
        char id[16];
        snprintf(id, sizeof id, "%u", i);
        assert_int_equal(world_change(&world, CHANGE_INSERT, "items", id, "{}"), ERROR_NONE);
    }
    uint64_t before = backlog_last_seq(world.worker.backlog);
    unsigned passes = 0;
    while (backlog_last_seq(world.worker.backlog) < store_write_seq(world.fixture.writer)) {
        world_pass(&world);
        assert_true(backlog_last_seq(world.worker.backlog) - before <= 2000);
        before = backlog_last_seq(world.worker.backlog);
        assert_true(++passes < 100);
    }
    client_settle(&client);
    client_check(&client, "items");
    client_close(&client);
    world_close(&world);
}

static void a_slow_client_has_everything_in_the_end(void **state)
{
    (void)state;
    struct world world;
    struct client slow, fast;
    uint64_t random = 11;
    world_open(&world, collections, 0, SMALL);
    client_open(&slow, &world, NULL);
    client_open(&fast, &world, NULL);
    for (int i = 0; i < 6000; i++) {
        change_one(&world, &random, 1000);
        if (i % 50 == 0) {
            world_settle(&world);
            client_read(&fast, SIZE_MAX);
        }
        if (i % 500 == 0)
            client_read(&slow, 30000);
    }
    client_settle(&fast);
    client_check(&fast, "items");
    client_settle(&slow);
    client_check(&slow, "items");
    assert_true(slow.changes < fast.changes); /* it caught up by receiving less */
    client_close(&slow);
    client_close(&fast);
    world_close(&world);
}

static void documents_too_large_for_the_ring_come_from_the_store(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    world_open(&world, collections, SMALL, 0);
    client_open(&client, &world, NULL);
    char *body = memory_allocate(50000);
    for (int i = 0; i < 20; i++) {
        char id[8];
        quoted_print(body, 50000, "{'n':%d,'p':'%0*d'}", i, i % 3 ? 40000 : 10, 0);
        snprintf(id, sizeof id, "%d", i % 5);
        (void)world_change(&world, CHANGE_REPLACE, "items", id, body);
        if (i % 4 == 3) {
            client_settle(&client);
            client_check(&client, "items");
        }
    }
    free(body);
    client_close(&client);
    world_close(&world);
}

/* Rights that were withdrawn while the worker was lapped are known before anything of those changes
 * goes out. */
static void rights_follow_though_the_ring_laps(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    char token[64];
    world_open(&world, "'items': {'read': 'p'}, 'other': {}}, 'permissions': ['p'], 'limits': {", SMALL, 0);
    assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", "g", Q("{'permissions':{'p':true}}")),
                     ERROR_NONE);
    world_add_user(&world, "anna", Q("['g']"), token);
    client_open(&client, &world, token);
    assert_int_equal(world_change(&world, CHANGE_INSERT, "items", "before", "{}"), ERROR_NONE);
    client_settle(&client);
    assert_non_null(client_holds(&client, "items", "before"));
    assert_int_equal(world_change(&world, CHANGE_MERGE, "groups", "g", Q("{'permissions':{'p':null}}")),
                     ERROR_NONE);
    for (unsigned i = 0; i < 2000; i++) {
        char id[16];
        snprintf(id, sizeof id, "%u", i);
        assert_int_equal(world_change(&world, CHANGE_INSERT, "items", id, "{}"), ERROR_NONE);
    }
    client_settle(&client);
    assert_in_range(overruns(&world), 1, 1000);
    assert_int_equal(client.held_count, 0);
    assert_int_equal(client.strays, 0);
    client_close(&client);
    world_close(&world);
}

static void a_log_that_is_cut_is_told(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    world_open(&world, collections, SMALL, 0);
    world.fixture.config->change_log_entries = 100;
    client_open(&client, &world, NULL);
    for (unsigned i = 0; i < 3000; i++)
        (void)world_change(&world, CHANGE_REPLACE, "items", i % 2 ? "a" : "b",
                           i % 4 < 2 ? Q("{'n':1}") : "{}");
    client_settle(&client);
    assert_non_null(client.seen.data);
    assert_memory_equal(client.seen.data, "resync ", 7);
    assert_int_equal(world_change(&world, CHANGE_INSERT, "items", "new", "{}"), ERROR_NONE);
    client_settle(&client);
    assert_non_null(client_holds(&client, "items", "new"));
    client_close(&client);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_arrives_though_the_ring_laps),
        cmocka_unit_test(each_change_arrives_once_and_in_order),
        cmocka_unit_test(a_lapped_worker_catches_up_in_steps),
        cmocka_unit_test(a_slow_client_has_everything_in_the_end),
        cmocka_unit_test(documents_too_large_for_the_ring_come_from_the_store),
        cmocka_unit_test(rights_follow_though_the_ring_laps),
        cmocka_unit_test(a_log_that_is_cut_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
