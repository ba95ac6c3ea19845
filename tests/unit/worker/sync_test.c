/* sync and resume, with writes between their steps: the client ends with the server's state. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/quoted.h"
#include "tests/unit/worker/worker_world.h"
#include "worker/main.h"

enum { DOCUMENTS = 120 };

static const char collections[] = "'items': {'sync_filter': {'out': {'$ne': true}}}, 'other': {},"
                                  " 'secrets': {'read': 'p'}}, 'permissions': ['p'], 'limits': {";

static void change_one(struct world *world, uint64_t *random)
{
    char id[16], body[4096];
    snprintf(id, sizeof id, "%03u", world_random(random, DOCUMENTS));
    unsigned what = world_random(random, 10);
    const char *collection = world_random(random, 4) ? "items" : "other";
    if (what < 2) {
        (void)world_change(world, CHANGE_REMOVE, collection, id, "");
        return;
    }
    /* Large enough that a sync takes many steps. */
    quoted_print(body, sizeof body, "{'n':%u,'out':%s,'p':'%0*u'}", world_random(random, 1000000),
                 what < 4 ? "true" : "false", (int)(1 + world_random(random, 3000)), 0);
    (void)world_change(world, CHANGE_REPLACE, collection, id, body);
}

/* Goes away, misses some changes, and comes back with what it held. */
static void be_away(struct client *client, uint64_t *random)
{
    unsigned missed = world_random(random, 200);
    for (unsigned i = 0; i < missed; i++)
        change_one(client->world, random);
    client_reopen(client, NULL);
}

/* Goes on until the call is answered, while others write. */
static void until_answered(struct client *client, uint64_t *random)
{
    unsigned before = client->answers;
    for (unsigned rounds = 0; client->answers == before; rounds++) {
        assert_true(rounds < 100000);
        if (rounds < 300 && world_random(random, 2))
            change_one(client->world, random);
        world_pass(client->world);
        client_read(client, 1 + world_random(random, 100000));
    }
}

static void sync_items(struct client *client, uint64_t *random)
{
    struct buffer message = {0};
    buffer_append_text(&message, Q("{'tid':1,'methodName':'sync','data':{'manifests':{'items':"));
    client_manifest(client, "items", &message);
    buffer_append_text(&message, Q(",'other':"));
    client_manifest(client, "other", &message);
    buffer_append_text(&message, "}}}");
    buffer_append_byte(&message, 0);
    client_send(client, message.data);
    until_answered(client, random);
    assert_non_null(strstr(client->answer, Q("'epoch'")));
    buffer_free(&message);
}

static void check_both(struct client *client)
{
    client_settle(client);
    client_check(client, "items");
    client_check(client, "other");
}

static void sync_ends_in_the_servers_state(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    uint64_t random = 5;
    world_open(&world, collections, 0, 0);
    for (int i = 0; i < 300; i++)
        change_one(&world, &random);
    world_settle(&world);
    client_open(&client, &world, NULL);
    for (int round = 0; round < 60; round++) {
        sync_items(&client, &random);
        check_both(&client);
        be_away(&client, &random);
    }
    client_close(&client);
    world_close(&world);
}

static void ranges_together_are_a_whole_sync(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    uint64_t random = 9;
    world_open(&world, collections, 0, 0);
    for (int i = 0; i < 300; i++)
        change_one(&world, &random);
    world_settle(&world);
    client_open(&client, &world, NULL);
    client_call(&client, "items", "sync", Q("{'manifest':{},'to':'04'}"));
    client_call(&client, "items", "sync", Q("{'manifest':{},'from':'04','to':'077'}"));
    for (size_t i = 0; i < client.held_count; i++)
        assert_true(strcmp(client.held[i].id, "077") < 0);
    client_call(&client, "items", "sync", Q("{'manifest':{'0999':4},'from':'077'}"));
    client_settle(&client);
    client_check(&client, "items");
    assert_non_null(
        strstr(client_call(&client, "items", "sync", Q("{'manifest':{'a':1},'to':'04'}")), Q("'invalid'")));
    client_close(&client);
    world_close(&world);
}

static void resume_from(struct client *client, uint64_t epoch, uint64_t seq)
{
    struct buffer message = {0};
    quoted_append(&message, "{'tid':1,'methodName':'resume','data':{'epoch':%llu,'seq':%llu}}",
                  (unsigned long long)epoch, (unsigned long long)seq);
    buffer_append_byte(&message, 0);
    client_send(client, message.data);
    buffer_free(&message);
}

/* {"epoch":E,"seq":N} */
static void read_place(const struct client *client, uint64_t *epoch, uint64_t *seq)
{
    unsigned long long e, n;
    assert_int_equal(sscanf(client->answer, "{\"epoch\":%llu,\"seq\":%llu}", &e, &n), 2);
    *epoch = e;
    *seq = n;
}

static void resume_ends_in_the_servers_state(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    uint64_t random = 13, epoch, seq;
    world_open(&world, collections, 0, 0);
    for (int i = 0; i < 300; i++)
        change_one(&world, &random);
    world_settle(&world);
    client_open(&client, &world, NULL);
    sync_items(&client, &random);
    for (int round = 0; round < 60; round++) {
        read_place(&client, &epoch, &seq);
        check_both(&client);
        seq = client.seq > seq ? client.seq : seq; /* what came after the answer counts, too */
        be_away(&client, &random);
        resume_from(&client, epoch, seq);
        until_answered(&client, &random);
        check_both(&client);
    }
    resume_from(&client, epoch + 1, seq);
    until_answered(&client, &random);
    assert_non_null(strstr(client.answer, "resync_required"));
    resume_from(&client, epoch, seq + 1000000);
    until_answered(&client, &random);
    assert_non_null(strstr(client.answer, "resync_required"));
    client_close(&client);
    world_close(&world);
}

static void resume_knows_when_rights_have_changed(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    char token[64];
    uint64_t random = 1;
    world_open(&world, collections, 0, 0);
    assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", "g", Q("{'permissions':{}}")), ERROR_NONE);
    assert_int_equal(world_change(&world, CHANGE_INSERT, "secrets", "a", "{}"), ERROR_NONE);
    world_add_user(&world, "anna", Q("['g']"), token);
    uint64_t epoch = 0, seq = 0;
    client_open(&client, &world, token);
    client_call(&client, "items", "sync", "{}");
    read_place(&client, &epoch, &seq);
    assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", "foreign", Q("{'permissions':{}}")),
                     ERROR_NONE);
    resume_from(&client, epoch, seq);
    until_answered(&client, &random);
    read_place(&client, &epoch, &seq);
    assert_int_equal(world_change(&world, CHANGE_MERGE, "groups", "g", Q("{'permissions':{'p':true}}")),
                     ERROR_NONE);
    client_reopen(&client, token);
    resume_from(&client, epoch, seq);
    until_answered(&client, &random);
    read_place(&client, &epoch, &seq);
    assert_non_null(client_holds(&client, "secrets", "a"));
    client_reopen(&client, token);
    assert_int_equal(world_change(&world, CHANGE_REMOVE, "groups", "g", ""), ERROR_NONE);
    resume_from(&client, epoch, seq);
    until_answered(&client, &random);
    assert_null(client_holds(&client, "secrets", "a"));
    assert_int_equal(client.strays, 0);
    client_close(&client);
    world_close(&world);
}

/* What is committed and not yet dispatched is in the snapshot of a sync: its answer waits for the changes. */
static void a_sync_is_not_answered_before_the_changes_it_knows(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    world_open(&world, collections, 0, 0);
    client_open(&client, &world, NULL);
    world.committer_silent = true;
    assert_int_equal(world_change(&world, CHANGE_INSERT, "items", "a", "{}"), ERROR_NONE);
    client_send(&client, Q("{'tid':1,'collectionName':'items','methodName':'sync','data':{}}"));
    client_settle(&client);
    assert_int_equal(client.answers, 0);
    assert_true(publish_missed(&world.publisher, world.fixture.store));
    client_settle(&client);
    assert_int_equal(client.answers, 1);
    assert_int_equal(client.changes, 1);
    client_check(&client, "items");
    client_close(&client);
    world_close(&world);
}

static void what_is_not_subscribed_to_cannot_be_synchronised(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    world_open(&world, collections, 0, 0);
    assert_int_equal(world_change(&world, CHANGE_INSERT, "items", "a", "{}"), ERROR_NONE);
    world_settle(&world);
    client_open(&client, &world, NULL);
    client_call(&client, "items", "sync", "{}");
    client_call(&client, "dispatcher", "subscribe", Q("{'collections':['other']}"));
    assert_non_null(strstr(client_call(&client, "items", "sync", Q("{'a':0}")), Q("'invalid'")));
    assert_non_null(strstr(client_call(&client, "dispatcher", "sync", Q("{'manifests':{'items':{'a':0}}}")),
                           Q("'invalid'")));
    assert_non_null(client_holds(&client, "items", "a"));
    client_call(&client, "dispatcher", "subscribe", Q("{'collections':null}"));
    client_call(&client, "items", "sync", Q("{'a':0}"));
    client_check(&client, "items");
    client_close(&client);
    world_close(&world);
}

/* A job that waits for its client goes on when the loop has written, not when something else happens. */
static void a_sync_does_not_wait_for_other_events(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    uint64_t random = 17;
    world_open(&world, collections, 0, 0);
    for (int i = 0; i < 600; i++)
        change_one(&world, &random);
    world_settle(&world);
    client_open(&client, &world, NULL);
    client_send(&client, Q("{'tid':1,'collectionName':'items','methodName':'sync','data':{}}"));
    event_base_loop(world.worker.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    while (worker_pass(&world.worker)) /* the worker sleeps when there is no more to do */
        client_read(&client, SIZE_MAX);
    client_read(&client, SIZE_MAX);
    assert_int_equal(client.answers, 1);
    client_check(&client, "items");
    client_close(&client);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sync_ends_in_the_servers_state),
        cmocka_unit_test(ranges_together_are_a_whole_sync),
        cmocka_unit_test(resume_ends_in_the_servers_state),
        cmocka_unit_test(resume_knows_when_rights_have_changed),
        cmocka_unit_test(a_sync_is_not_answered_before_the_changes_it_knows),
        cmocka_unit_test(what_is_not_subscribed_to_cannot_be_synchronised),
        cmocka_unit_test(a_sync_does_not_wait_for_other_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
