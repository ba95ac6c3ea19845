/* Changes that are neither in the ring nor in the change log, and clients that are in the middle of something. */

#include <stdio.h>
#include <string.h>

#include "tests/unit/quoted.h"
#include "tests/unit/worker/gap_world.h"
#include "worker/net/connection_close.h"

/* It is served from the change log, which no longer has what comes next for it. An answer that waits is for a
 * change that is dispatched already, or for one that will be when it has been told. */
static void a_client_that_is_behind(void **state)
{
    (void)state;
    for (unsigned waits = 0; waits < 3; waits++) {
        struct world world;
        struct client client;
        gap_world_open(&world, SMALL);
        client_open(&client, &world, NULL);
        (void)client_call(&client, "items", "sync", "{}");
        gap_block(&world);
        client_read(&client, 100000);
        assert_true(gap_session(&client)->connection->output.catching_up);
        uint64_t seq = output_seq(&gap_session(&client)->connection->output, world.worker.backlog);
        if (waits == 1)
            client_send(&client, INSERT_MINE);
        world_settle(&world);
        for (unsigned i = 0; i < MISSED; i++)
            gap_put(&world, "other", "a", 1);
        world_settle(&world);
        if (waits == 2) {
            world.committer_silent = true;
            gap_put(&world, "items", "a", 1);
            client_send(&client, INSERT_MINE);
        }
        client_settle(&client);
        gap_take_over(&world);
        gap_put(&world, "items", "last", 1);
        client_settle(&client);
        assert_int_equal(client.close_code, 0);
        assert_int_equal(client.answers, waits ? 2 : 1);
        gap_check_order(&client, seq);
        assert_int_equal(gap_count(&client, "resync "), 1);
        gap_sync_again(&client);
        client_close(&client);
        world_close(&world);
    }
}

static void a_frame_that_is_half_out(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    gap_world_open(&world, 0);
    client_open(&client, &world, NULL);
    (void)client_call(&client, "items", "sync", "{}");
    gap_block(&world);
    struct output *output = &gap_session(&client)->connection->output;
    assert_false(output->catching_up);
    assert_int_equal(output->unfinished, OUTPUT_FRAME);
    uint64_t seq = output_seq(output, world.worker.backlog) + 1;
    gap_miss(&world);
    gap_put(&world, "items", "last", 1);
    world_settle(&world);
    client_settle(&client);
    gap_check_order(&client, seq);
    assert_int_equal(gap_count(&client, "resync "), 1);
    gap_sync_again(&client);
    client_close(&client);
    world_close(&world);
}

/* Rights that change in the middle of everything: nobody knows any more what it may have held. */
static void a_client_whose_rights_are_changing(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    char token[64];
    gap_world_open(&world, 0);
    world.fixture.config->change_log_entries = 1000;
    assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", "g", Q("{'permissions':{'p':true}}")),
                     ERROR_NONE);
    gap_put(&world, "secrets", "s", 1);
    world_add_user(&world, "anna", Q("['g']"), token);
    client_open(&client, &world, token);
    (void)client_call(&client, "items", "sync", "{}");
    (void)client_call(&client, "secrets", "sync", "{}");
    assert_non_null(client_holds(&client, "secrets", "s"));
    gap_block(&world);
    assert_int_equal(world_change(&world, CHANGE_MERGE, "groups", "g", Q("{'permissions':{'p':null}}")),
                     ERROR_NONE);
    world_settle(&world);
    assert_non_null(gap_session(&client)->rights_change);
    uint64_t seq = gap_session(&client)->connection->output.hold_seq + 1; /* one is half out */
    world.fixture.config->change_log_entries = KEPT;
    gap_miss(&world);
    gap_put(&world, "secrets", "t", 1);
    gap_put(&world, "items", "last", 1);
    world_settle(&world);
    client_settle(&client);
    gap_check_order(&client, seq);
    assert_int_equal(gap_count(&client, "resync "), 1);
    assert_true(gap_place(&client, "amend ") < gap_place(&client, "resync "));
    assert_null(client_holds(&client, "secrets", "t"));
    assert_non_null(strstr(client_call(&client, "secrets", "sync", Q("{'s':0}")), "forbidden"));
    gap_sync_again(&client);
    client_close(&client);
    world_close(&world);
}

/* The change of rights, and the end of a session, is itself among what nobody can read. */
static void rights_that_changed_in_the_gap(void **state)
{
    (void)state;
    struct world world;
    struct client anna, bert;
    char token[64], other[64];
    gap_world_open(&world, 0);
    assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", "g", Q("{'permissions':{'p':true}}")),
                     ERROR_NONE);
    gap_put(&world, "secrets", "s", 1);
    world_add_user(&world, "anna", Q("['g']"), token);
    world_add_user(&world, "bert", "[]", other);
    client_open(&anna, &world, token);
    client_open(&bert, &world, other);
    (void)client_call(&anna, "secrets", "sync", "{}");
    world.committer_silent = true;
    assert_int_equal(world_change(&world, CHANGE_MERGE, "groups", "g", Q("{'permissions':{'p':null}}")),
                     ERROR_NONE);
    assert_int_equal(world_change(&world, CHANGE_REMOVE, "users", "bert", ""), ERROR_NONE);
    gap_commit_silently(&world);
    gap_take_over(&world);
    gap_put(&world, "secrets", "t", 1);
    client_settle(&anna);
    client_settle(&bert);
    assert_int_equal(gap_count(&anna, "resync "), 1);
    assert_true(gap_place(&anna, "amend ") < gap_place(&anna, "resync "));
    assert_null(client_holds(&anna, "secrets", "t"));
    assert_non_null(strstr(client_call(&anna, "secrets", "find", "{}"), "forbidden"));
    (void)gap_place(&bert, "deauthorize ");
    client_close(&anna);
    client_close(&bert);
    world_close(&world);
}

/* What was in front of the answer to a sync is not for who logs in then: so neither is that answer, for the
 * client may have kept a copy for the one before. */
static void somebody_else_logs_in(void **state)
{
    (void)state;
    for (unsigned claims = 0; claims < 2; claims++) {
        struct world world;
        struct client client;
        char token[64], other[64], call[160];
        gap_world_open(&world, 0);
        world_add_user(&world, "anna", "[]", token);
        world_add_user(&world, "bert", "[]", other);
        client_open(&client, &world, token);
        (void)client_call(&client, "items", "sync", "{}");
        unsigned answers = client.answers;
        uint64_t seq = gap_seq(&world);
        world.committer_silent = true;
        gap_put(&world, "items", "a", 1);
        if (claims)
            client_send(&client, Q("{'tid':2,'collectionName':'items','methodName':'sync','data':{}}"));
        for (unsigned i = 0; i < 4; i++)
            world_pass(&world);
        quoted_print(
            call, sizeof call,
            "{'tid':3,'collectionName':'users','methodName':'authorize_by_token','data':{'token':'%s'}}",
            other);
        client_send(&client, call);
        world_settle(&world);
        gap_take_over(&world);
        client_settle(&client);
        assert_int_equal(client.answers, claims ? answers : answers + 1);
        assert_int_equal(client.close_code, claims ? 1013 : 0);
        assert_true(client.seq <= seq);
        client_close(&client);
        world_close(&world);
    }
}

/* It closes: what it is still sent does not go over the gap. */
static void a_connection_that_closes(void **state)
{
    (void)state;
    for (unsigned claims = 0; claims < 2; claims++) {
        struct world world;
        struct client client;
        gap_world_open(&world, 0);
        client_open(&client, &world, NULL);
        (void)client_call(&client, "items", "sync", "{}");
        uint64_t seq = gap_seq(&world);
        world.committer_silent = true;
        gap_put(&world, "items", "a", 1);
        client_send(&client, claims ? Q("{'tid':2,'collectionName':'items','methodName':'sync','data':{}}")
                                    : INSERT_MINE);
        for (unsigned i = 0; i < 4; i++)
            world_pass(&world);
        connection_close(gap_session(&client)->connection, 1001, "");
        gap_commit_silently(&world);
        gap_take_over(&world);
        gap_put(&world, "items", "last", 1);
        client_settle(&client);
        assert_int_equal(client.answers, claims ? 1 : 2);
        assert_int_equal(client.close_code, claims ? 1013 : 1001);
        assert_true(client.seq <= seq);
        client_close(&client);
        world_close(&world);
    }
}

/* Its session ends, and what was in front of a queued answer is not for it any more. */
static void a_session_that_ends(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    char token[64], position[128];
    gap_world_open(&world, 0);
    world_add_user(&world, "anna", "[]", token);
    client_open(&client, &world, token);
    snprintf(position, sizeof position, "%s", client_call(&client, "items", "sync", "{}"));
    world.committer_silent = true;
    gap_put(&world, "items", "a", 1);
    client_send(&client, Q("{'tid':2,'collectionName':'items','methodName':'sync','data':{}}"));
    world_settle(&world);
    assert_int_equal(world_change(&world, CHANGE_REMOVE, "users", "anna", ""), ERROR_NONE);
    gap_take_over(&world);
    client_settle(&client);
    assert_int_equal(client.answers, 1);
    assert_int_equal(client.close_code, 1013);
    client_close(&client);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_is_behind),
        cmocka_unit_test(a_frame_that_is_half_out),
        cmocka_unit_test(a_client_whose_rights_are_changing),
        cmocka_unit_test(rights_that_changed_in_the_gap),
        cmocka_unit_test(somebody_else_logs_in),
        cmocka_unit_test(a_connection_that_closes),
        cmocka_unit_test(a_session_that_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
