/* Changes that are neither in the ring nor in the change log: whoever is connected is told to `resync`, in
 * front of everything that would let it believe that it has missed nothing. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "tests/unit/quoted.h"
#include "tests/unit/worker/worker_world.h"
#include "worker/session/session.h"

enum { KEPT = 5, MISSED = 20, SMALL = 64 * 1024 };

static const char collections[] = "'items': {}, 'secrets': {'read': 'p'}, 'other': {}},"
                                  " 'permissions': ['p'], 'limits': {";

static void open_world(struct world *world, uint64_t backlog_bytes)
{
    world_open(world, collections, 0, backlog_bytes);
    world->fixture.config->change_log_entries = KEPT;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(world_change(world, CHANGE_INSERT, "items", (char[]){(char)('a' + i), 0}, "{}"),
                         ERROR_NONE);
    world_settle(world);
}

static void put(struct world *world, const char *collection, const char *id, unsigned bytes)
{
    char *body = memory_allocate(bytes + 64);
    static unsigned n;
    quoted_print(body, bytes + 64, "{'n':%u,'x':'%0*u'}", ++n, (int)bytes, 0);
    assert_int_equal(world_change(world, CHANGE_REPLACE, collection, id, body), ERROR_NONE);
    free(body);
}

/* The committer commits more than the log keeps, and dies. */
static void commit_silently(struct world *world)
{
    world->committer_silent = true;
    for (unsigned i = 0; i < MISSED; i++)
        put(world, i % 2 ? "items" : "other", (char[]){(char)('a' + i), 0}, 1);
}

/* Its successor publishes what it can. */
static void take_over(struct world *world)
{
    world->committer_silent = false;
    assert_true(publish_missed(&world->publisher, world->fixture.store));
}

static void miss(struct world *world)
{
    commit_silently(world);
    take_over(world);
}

/* Sends as much as the kernel takes, and the client reads nothing: what comes later waits here. */
static void block(struct world *world)
{
    for (unsigned i = 0; i < 12; i++) {
        put(world, "items", "block", 60000);
        world_pass(world);
    }
    world_settle(world);
}

static void note_session(struct connection *connection, void *argument)
{
    struct session **session = argument;
    *session = connection->owner;
}

/* Of the one connection there is. */
static struct session *session_of(struct client *client)
{
    struct session *session = NULL;
    network_each(client->world->worker.network, note_session, &session);
    assert_non_null(session);
    return session;
}

/* Where in what came @word is; fails when it is not there. */
static size_t place(struct client *client, const char *word)
{
    char *at = strstr(client_journal(client), word);
    if (!at)
        fail_msg("no %s in %s", word, client_journal(client));
    return (size_t)(at - client->journal.data);
}

static unsigned count(struct client *client, const char *word)
{
    unsigned found = 0;
    for (const char *at = client_journal(client); (at = strstr(at, word)); at++)
        found++;
    return found;
}

/* No change with a number over @seq came before `resync`. */
static void check_order(struct client *client, uint64_t seq)
{
    size_t told = place(client, "resync ");
    for (const char *at = client_journal(client); (at = strchr(at, 'c')); at++) {
        if (at > client->journal.data && at[-1] != ' ')
            continue; /* of a word */
        if ((size_t)(at - client->journal.data) < told && strtoull(at + 1, NULL, 10) > seq)
            fail_msg("change behind %llu before resync: %s", (unsigned long long)seq, client->journal.data);
    }
}

static uint64_t seq_of(const struct world *world)
{
    return store_write_seq(world->fixture.writer);
}

static void sync_again(struct client *client)
{
    struct buffer data = {0};
    client_manifest(client, "items", &data);
    buffer_append_byte(&data, 0);
    (void)client_call(client, "items", "sync", data.data);
    buffer_free(&data);
    client_settle(client);
    client_check(client, "items");
}

static void who_is_connected_is_told(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    open_world(&world, 0);
    client_open(&client, &world, NULL);
    (void)client_call(&client, "items", "sync", "{}");
    uint64_t seq = seq_of(&world);
    miss(&world);
    put(&world, "items", "last", 1);
    client_settle(&client);
    check_order(&client, seq);
    assert_int_equal(count(&client, "resync "), 1);
    put(&world, "items", "later", 1);
    client_settle(&client);
    assert_non_null(client_holds(&client, "items", "later"));
    sync_again(&client);
    client_close(&client);
    world_close(&world);
}

/* Nothing is told that need not be. */
static void a_log_that_has_everything_is_enough(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    open_world(&world, 0);
    world.fixture.config->change_log_entries = 1000;
    client_open(&client, &world, NULL);
    (void)client_call(&client, "items", "sync", "{}");
    miss(&world);
    client_settle(&client);
    assert_int_equal(count(&client, "resync "), 0);
    client_check(&client, "items");
    client_close(&client);
    world_close(&world);
}

#define INSERT_MINE Q("{'tid':2,'collectionName':'items','methodName':'insert','data':{'_id':'mine'}}")

/* The answer to its own change waits for one in the gap, or behind it: the changes up to there do not go out
 * before `resync`. */
static void an_answer_that_waits(void **state)
{
    (void)state;
    for (unsigned behind = 0; behind < 2; behind++) {
        struct world world;
        struct client client;
        open_world(&world, 0);
        client_open(&client, &world, NULL);
        (void)client_call(&client, "items", "sync", "{}");
        uint64_t seq = seq_of(&world);
        world.committer_silent = true;
        if (behind)
            commit_silently(&world);
        client_send(&client, INSERT_MINE);
        for (unsigned i = 0; i < 4; i++)
            world_pass(&world); /* it is committed and answered, and not published */
        client_read(&client, SIZE_MAX);
        assert_int_equal(client.answers, 1);
        if (!behind)
            commit_silently(&world);
        take_over(&world);
        put(&world, "items", "last", 1);
        client_settle(&client);
        assert_int_equal(client.answers, 2);
        assert_int_equal(client.close_code, 0);
        check_order(&client, seq);
        sync_again(&client);
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
        open_world(&world, 0);
        client_open(&client, &world, NULL);
        snprintf(position, sizeof position, "%s", client_call(&client, "items", "sync", "{}"));
        snprintf(call, sizeof call, calls[i], position);
        world.committer_silent = true;
        put(&world, "items", "a", 1);
        client_send(&client, call);
        world_settle(&world); /* the answer knows the change, and waits for it */
        commit_silently(&world);
        take_over(&world);
        put(&world, "items", "last", 1);
        client_settle(&client);
        assert_int_equal(client.answers, 1);
        assert_int_equal(client.close_code, 1013);
        assert_int_equal(count(&client, "resync "), 0);
        assert_int_equal(count(&client, "c"), 0);
        client_reopen(&client, NULL);
        assert_non_null(strstr(client_call(&client, "dispatcher", "resume", position), "resync_required"));
        sync_again(&client);
        client_close(&client);
        world_close(&world);
    }
}

/* Pieces that were made before go out before, and the answer comes behind. */
static void a_sync_that_is_still_going_on(void **state)
{
    (void)state;
    enum { DOCUMENTS = 100 };
    struct world world;
    struct client client;
    open_world(&world, 0);
    for (unsigned i = 0; i < DOCUMENTS; i++)
        put(&world, "items", (char[]){(char)('A' + i / 26), (char)('A' + i % 26), 0}, 40000);
    client_open(&client, &world, NULL);
    uint64_t seq = seq_of(&world);
    client_send(&client, Q("{'tid':1,'collectionName':'items','methodName':'sync','data':{}}"));
    world_settle(&world);
    miss(&world);
    for (unsigned rounds = 0; client.answers == 0; rounds++) {
        assert_true(rounds < 10000);
        client_settle(&client);
    }
    assert_int_equal(client.close_code, 0);
    check_order(&client, seq);
    size_t told = place(&client, "resync ");
    assert_true(place(&client, "s ") < told);
    assert_non_null(strstr(client.journal.data + told, " s "));
    assert_non_null(strstr(client.journal.data + told, " a"));
    sync_again(&client);
    client_close(&client);
    world_close(&world);
}

/* It is served from the change log, which no longer has what comes next for it. An answer that waits is for a
 * change that is dispatched already, or for one that will be when it has been told. */
static void a_client_that_is_behind(void **state)
{
    (void)state;
    for (unsigned waits = 0; waits < 3; waits++) {
        struct world world;
        struct client client;
        open_world(&world, SMALL);
        client_open(&client, &world, NULL);
        (void)client_call(&client, "items", "sync", "{}");
        block(&world);
        client_read(&client, 100000);
        assert_true(session_of(&client)->connection->output.catching_up);
        uint64_t seq = output_seq(&session_of(&client)->connection->output, world.worker.backlog);
        if (waits == 1)
            client_send(&client, INSERT_MINE);
        world_settle(&world);
        for (unsigned i = 0; i < MISSED; i++)
            put(&world, "other", "a", 1);
        world_settle(&world);
        if (waits == 2) {
            world.committer_silent = true;
            put(&world, "items", "a", 1);
            client_send(&client, INSERT_MINE);
        }
        client_settle(&client);
        take_over(&world);
        put(&world, "items", "last", 1);
        client_settle(&client);
        assert_int_equal(client.close_code, 0);
        assert_int_equal(client.answers, waits ? 2 : 1);
        check_order(&client, seq);
        assert_int_equal(count(&client, "resync "), 1);
        sync_again(&client);
        client_close(&client);
        world_close(&world);
    }
}

static void a_frame_that_is_half_out(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    open_world(&world, 0);
    client_open(&client, &world, NULL);
    (void)client_call(&client, "items", "sync", "{}");
    block(&world);
    struct output *output = &session_of(&client)->connection->output;
    assert_false(output->catching_up);
    assert_int_equal(output->unfinished, OUTPUT_FRAME);
    uint64_t seq = output_seq(output, world.worker.backlog) + 1;
    miss(&world);
    put(&world, "items", "last", 1);
    world_settle(&world);
    client_settle(&client);
    check_order(&client, seq);
    assert_int_equal(count(&client, "resync "), 1);
    sync_again(&client);
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
    open_world(&world, 0);
    world.fixture.config->change_log_entries = 1000;
    assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", "g", Q("{'permissions':{'p':true}}")),
                     ERROR_NONE);
    put(&world, "secrets", "s", 1);
    world_add_user(&world, "anna", Q("['g']"), token);
    client_open(&client, &world, token);
    (void)client_call(&client, "items", "sync", "{}");
    (void)client_call(&client, "secrets", "sync", "{}");
    assert_non_null(client_holds(&client, "secrets", "s"));
    block(&world);
    assert_int_equal(world_change(&world, CHANGE_MERGE, "groups", "g", Q("{'permissions':{'p':null}}")),
                     ERROR_NONE);
    world_settle(&world);
    assert_non_null(session_of(&client)->rights_change);
    uint64_t seq = session_of(&client)->connection->output.hold_seq + 1; /* one is half out */
    world.fixture.config->change_log_entries = KEPT;
    miss(&world);
    put(&world, "secrets", "t", 1);
    put(&world, "items", "last", 1);
    world_settle(&world);
    client_settle(&client);
    check_order(&client, seq);
    assert_int_equal(count(&client, "resync "), 1);
    assert_true(place(&client, "amend ") < place(&client, "resync "));
    assert_null(client_holds(&client, "secrets", "t"));
    assert_non_null(strstr(client_call(&client, "secrets", "sync", Q("{'s':0}")), "forbidden"));
    sync_again(&client);
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
    open_world(&world, 0);
    assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", "g", Q("{'permissions':{'p':true}}")),
                     ERROR_NONE);
    put(&world, "secrets", "s", 1);
    world_add_user(&world, "anna", Q("['g']"), token);
    world_add_user(&world, "bert", "[]", other);
    client_open(&anna, &world, token);
    client_open(&bert, &world, other);
    (void)client_call(&anna, "secrets", "sync", "{}");
    world.committer_silent = true;
    assert_int_equal(world_change(&world, CHANGE_MERGE, "groups", "g", Q("{'permissions':{'p':null}}")),
                     ERROR_NONE);
    assert_int_equal(world_change(&world, CHANGE_REMOVE, "users", "bert", ""), ERROR_NONE);
    commit_silently(&world);
    take_over(&world);
    put(&world, "secrets", "t", 1);
    client_settle(&anna);
    client_settle(&bert);
    assert_int_equal(count(&anna, "resync "), 1);
    assert_true(place(&anna, "amend ") < place(&anna, "resync "));
    assert_null(client_holds(&anna, "secrets", "t"));
    assert_non_null(strstr(client_call(&anna, "secrets", "find", "{}"), "forbidden"));
    (void)place(&bert, "deauthorize ");
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
        open_world(&world, 0);
        world_add_user(&world, "anna", "[]", token);
        world_add_user(&world, "bert", "[]", other);
        client_open(&client, &world, token);
        (void)client_call(&client, "items", "sync", "{}");
        unsigned answers = client.answers;
        uint64_t seq = seq_of(&world);
        world.committer_silent = true;
        put(&world, "items", "a", 1);
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
        take_over(&world);
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
        open_world(&world, 0);
        client_open(&client, &world, NULL);
        (void)client_call(&client, "items", "sync", "{}");
        uint64_t seq = seq_of(&world);
        world.committer_silent = true;
        put(&world, "items", "a", 1);
        client_send(&client, claims ? Q("{'tid':2,'collectionName':'items','methodName':'sync','data':{}}")
                                    : INSERT_MINE);
        for (unsigned i = 0; i < 4; i++)
            world_pass(&world);
        connection_close(session_of(&client)->connection, 1001, "");
        commit_silently(&world);
        take_over(&world);
        put(&world, "items", "last", 1);
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
    open_world(&world, 0);
    world_add_user(&world, "anna", "[]", token);
    client_open(&client, &world, token);
    snprintf(position, sizeof position, "%s", client_call(&client, "items", "sync", "{}"));
    world.committer_silent = true;
    put(&world, "items", "a", 1);
    client_send(&client, Q("{'tid':2,'collectionName':'items','methodName':'sync','data':{}}"));
    world_settle(&world);
    assert_int_equal(world_change(&world, CHANGE_REMOVE, "users", "anna", ""), ERROR_NONE);
    take_over(&world);
    client_settle(&client);
    assert_int_equal(client.answers, 1);
    assert_int_equal(client.close_code, 1013);
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
