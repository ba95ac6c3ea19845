/* Changes that are neither in the ring nor in the change log: whoever is connected is told to `resync`, in
 * front of everything that would let it believe that it has missed nothing. */

#include <stdio.h>
#include <string.h>

#include "tests/unit/quoted.h"
#include "tests/unit/worker/gap_world.h"

static void who_is_connected_is_told(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    gap_world_open(&world, 0);
    client_open(&client, &world, NULL);
    (void)client_call(&client, "items", "sync", "{}");
    uint64_t seq = gap_seq(&world);
    gap_miss(&world);
    gap_put(&world, "items", "last", 1);
    client_settle(&client);
    gap_check_order(&client, seq);
    assert_int_equal(gap_count(&client, "resync "), 1);
    gap_put(&world, "items", "later", 1);
    client_settle(&client);
    assert_non_null(client_holds(&client, "items", "later"));
    gap_sync_again(&client);
    client_close(&client);
    world_close(&world);
}

/* Nothing is told that need not be. */
static void a_log_that_has_everything_is_enough(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    gap_world_open(&world, 0);
    world.fixture.config->change_log_entries = 1000;
    client_open(&client, &world, NULL);
    (void)client_call(&client, "items", "sync", "{}");
    gap_miss(&world);
    client_settle(&client);
    assert_int_equal(gap_count(&client, "resync "), 0);
    client_check(&client, "items");
    client_close(&client);
    world_close(&world);
}

/* The answer to its own change waits for one in the gap, or after it: the changes up to there do not go out
 * before `resync`. */
static void an_answer_that_waits(void **state)
{
    (void)state;
    for (unsigned behind = 0; behind < 2; behind++) {
        struct world world;
        struct client client;
        gap_world_open(&world, 0);
        client_open(&client, &world, NULL);
        (void)client_call(&client, "items", "sync", "{}");
        uint64_t seq = gap_seq(&world);
        world.committer_silent = true;
        if (behind)
            gap_commit_silently(&world);
        client_send(&client, INSERT_MINE);
        for (unsigned i = 0; i < 4; i++)
            world_pass(&world); /* it is committed and answered, and not published */
        client_read(&client, SIZE_MAX);
        assert_int_equal(client.answers, 1);
        if (!behind)
            gap_commit_silently(&world);
        gap_take_over(&world);
        gap_put(&world, "items", "last", 1);
        client_settle(&client);
        assert_int_equal(client.answers, 2);
        assert_int_equal(client.close_code, 0);
        gap_check_order(&client, seq);
        gap_sync_again(&client);
        client_close(&client);
        world_close(&world);
    }
}

/* An answer that says how far the copy is complete is not sent over the gap. */
static void an_answer_that_would_hide_the_gap(void **state)
{
    (void)state;
    const char *const calls[] = {
        Q("{'tid':2,'collectionName':'items','methodName':'sync','data':{}}"),
        Q("{'tid':2,'methodName':'resume','data':%s}"),
    };
    for (unsigned i = 0; i < 2; i++) {
        struct world world;
        struct client client;
        char call[256], position[128];
        gap_world_open(&world, 0);
        client_open(&client, &world, NULL);
        snprintf(position, sizeof position, "%s", client_call(&client, "items", "sync", "{}"));
        snprintf(call, sizeof call, calls[i], position);
        world.committer_silent = true;
        gap_put(&world, "items", "a", 1);
        client_send(&client, call);
        world_settle(&world); /* the answer knows the change, and waits for it */
        gap_commit_silently(&world);
        gap_take_over(&world);
        gap_put(&world, "items", "last", 1);
        client_settle(&client);
        assert_int_equal(client.answers, 1);
        assert_int_equal(client.close_code, 1013);
        assert_int_equal(gap_count(&client, "resync "), 0);
        assert_int_equal(gap_count(&client, "c"), 0);
        client_reopen(&client, NULL);
        assert_non_null(strstr(client_call(&client, "dispatcher", "resume", position), "resync_required"));
        gap_sync_again(&client);
        client_close(&client);
        world_close(&world);
    }
}

/* Pieces that were made before go out before, and the answer comes after. */
static void a_sync_that_is_still_going_on(void **state)
{
    (void)state;
    enum { DOCUMENTS = 100 };
    struct world world;
    struct client client;
    gap_world_open(&world, 0);
    for (unsigned i = 0; i < DOCUMENTS; i++)
        gap_put(&world, "items", (char[]){(char)('A' + i / 26), (char)('A' + i % 26), 0}, 40000);
    client_open(&client, &world, NULL);
    uint64_t seq = gap_seq(&world);
    client_send(&client, Q("{'tid':1,'collectionName':'items','methodName':'sync','data':{}}"));
    world_settle(&world);
    gap_miss(&world);
    for (unsigned rounds = 0; client.answers == 0; rounds++) {
        assert_true(rounds < 10000);
        client_settle(&client);
    }
    assert_int_equal(client.close_code, 0);
    gap_check_order(&client, seq);
    size_t told = gap_place(&client, "resync ");
    assert_true(gap_place(&client, "s ") < told);
    assert_non_null(strstr(client.journal.data + told, " s "));
    assert_non_null(strstr(client.journal.data + told, " a"));
    gap_sync_again(&client);
    client_close(&client);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_connected_is_told),
        cmocka_unit_test(a_log_that_has_everything_is_enough),
        cmocka_unit_test(an_answer_that_waits),
        cmocka_unit_test(an_answer_that_would_hide_the_gap),
        cmocka_unit_test(a_sync_that_is_still_going_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
