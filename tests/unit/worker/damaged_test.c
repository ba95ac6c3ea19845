/* A store in which something is damaged: calls fail, nobody is told less than the truth, and who does not
 * need what is damaged does not notice. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "tests/unit/quoted.h"
#include "tests/unit/worker/worker_world.h"
#include "worker/authority/authority.h"
#include "worker/authority/token.h"

enum { SMALL = 64 * 1024 };

static const char collections[] = "'items': {'index': ['n'], 'rights': {'owner': 'o'}},"
                                  " 'other': {}}, 'permissions': ['p'], 'limits': {";

static unsigned items_of(const struct world *world)
{
    return fixture_collection(&world->fixture, "items");
}

static void put(struct world *world, const char *collection, const char *id, const char *owner,
                unsigned bytes)
{
    char *body = memory_allocate(bytes + 64);
    static unsigned n;
    quoted_print(body, bytes + 64, "{'n':%u,'o':'%s','x':'%0*u'}", ++n, owner, (int)bytes, 0);
    assert_int_equal(world_change(world, CHANGE_REPLACE, collection, id, body), ERROR_NONE);
    free(body);
}

static void open_world(struct world *world, uint64_t ring_bytes, uint64_t backlog_bytes)
{
    world_open(world, collections, ring_bytes, backlog_bytes);
    for (char id[] = "a"; id[0] <= 'e'; id[0]++) {
        put(world, "items", id, "anna", 1);
        put(world, "other", id, "anna", 1);
    }
    world_settle(world);
}

static const char *answer(struct client *client, const char *collection, const char *method, const char *data)
{
    return client_call(client, collection, method, data);
}

/* Sends as much as the kernel takes, and nobody reads: what comes later waits here. */
static void block(struct world *world)
{
    for (unsigned i = 0; i < 12; i++) {
        put(world, "other", "block", "anna", 60000);
        world_pass(world);
    }
    world_settle(world);
}

static void calls_that_read_it_fail(void **state)
{
    (void)state;
    const char *const calls[][2] = {
        {"sync", "{}"},
        {"sync", Q("{'a':0,'b':0,'c':0,'d':0,'e':0,'f':0}")},
        {"find", "{}"},
        {"find", Q("{'query':{'n':{'$gt':0}}}")},
        {"find", Q("{'sort':{'n':1}}")},
        {"count", "{}"},
        {"count", Q("{'query':{'x':'0'}}")},
        {"update", Q("{'query':{'x':'0'},'changes':{'y':1}}")},
        {"detail", Q("{'_id':'c'}")},
        {"export", "{}"},
        {"export", Q("{'query':{'x':'0'}}")},
    };
    struct world world;
    struct client client;
    open_world(&world, 0, 0);
    client_open(&client, &world, NULL);
    (void)answer(&client, "items", "sync", "{}");
    (void)answer(&client, "other", "sync", "{}");
    assert_int_equal(client.held_count, 10);
    uint64_t seq = store_write_seq(world.fixture.writer);
    damage_record(world.fixture.store, items_of(&world), "c");
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (!strstr(answer(&client, "items", calls[i][0], calls[i][1]), Q("'internal'")))
            fail_msg("%s %s: %s", calls[i][0], calls[i][1], client.answer);
    assert_non_null(
        strstr(answer(&client, "dispatcher", "sync", Q("{'manifests':{'other':{'z':0},'items':{'z':0}}}")),
               Q("'internal'")));
    assert_int_equal(client.held_count, 10);
    assert_int_equal(client.strays, 0);
    assert_int_equal(store_write_seq(world.fixture.writer), seq);
    assert_non_null(strstr(answer(&client, "other", "count", "{}"), "5"));
    assert_non_null(strstr(answer(&client, "items", "detail", Q("{'_id':'d'}")), Q("'n'")));
    assert_non_null(strstr(answer(&client, "items", "find", Q("{'query':{'_id':'d'}}")), Q("'more'")));
    client_drop(&client, "items");
    client_close(&client);
    world_close(&world);
}

/* Its record is whole, its text is not. */
static void calls_that_look_into_it_fail(void **state)
{
    (void)state;
    const char *const calls[][2] = {
        {"find", Q("{'query':{'x':'0'}}")},
        {"count", Q("{'query':{'x':'0'}}")},
        {"update", Q("{'query':{'x':'0'},'changes':{'y':1}}")},
        {"export", Q("{'query':{'x':'0'}}")},
    };
    struct world world;
    struct client client;
    open_world(&world, 0, 0);
    client_open(&client, &world, NULL);
    damage_text(world.fixture.store, items_of(&world), "c");
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (!strstr(answer(&client, "items", calls[i][0], calls[i][1]), Q("'internal'")))
            fail_msg("%s %s: %s", calls[i][0], calls[i][1], client.answer);
    client_close(&client);
    world_close(&world);
}

/* A resume to whom it matters, and one to whom it does not. */
static void a_resume_over_it_fails(void **state)
{
    (void)state;
    struct world world;
    struct client control, bert;
    char place[128], other[128], token[64];
    open_world(&world, 0, 0);
    world_add_user(&world, "bert", "[]", token);
    client_open(&control, &world, NULL);
    client_open(&bert, &world, token);
    snprintf(place, sizeof place, "%s", answer(&control, "items", "sync", "{}"));
    snprintf(other, sizeof other, "%s", answer(&bert, "items", "sync", "{}"));
    put(&world, "items", "c", "anna", 1);
    put(&world, "items", "e", "bert", 1);
    damage_record(world.fixture.store, items_of(&world), "c");
    client_reopen(&control, NULL);
    client_reopen(&bert, token);
    assert_non_null(strstr(answer(&control, "dispatcher", "resume", place), Q("'internal'")));
    assert_non_null(strstr(answer(&bert, "dispatcher", "resume", other), Q("'seq'")));
    assert_non_null(client_holds(&bert, "items", "e"));
    client_close(&control);
    client_close(&bert);
    world_close(&world);
}

/* Two slow clients are served from the change log: who is to be sent it is cut off, the other goes on. */
static void who_catches_up_over_it_is_cut_off(void **state)
{
    (void)state;
    struct world world;
    struct client control, bert;
    char token[64];
    open_world(&world, 0, SMALL);
    world_add_user(&world, "bert", "[]", token);
    client_open(&control, &world, NULL);
    client_open(&bert, &world, token);
    block(&world);
    put(&world, "items", "c", "anna", 1);
    put(&world, "items", "e", "bert", 1);
    block(&world);
    damage_record(world.fixture.store, items_of(&world), "c");
    uint64_t seq = store_write_seq(world.fixture.writer);
    client_settle(&control);
    client_settle(&bert);
    assert_int_equal(control.close_code, 1011);
    assert_true(control.seq < seq - 12);
    assert_int_equal(bert.close_code, 0);
    assert_non_null(client_holds(&bert, "items", "e"));
    put(&world, "other", "last", "anna", 1);
    client_settle(&bert);
    assert_non_null(client_holds(&bert, "other", "last"));
    client_close(&control);
    client_close(&bert);
    world_close(&world);
}

/* The worker itself reads the log, since the ring has lapped it. */
static void a_lapped_worker_does_not_pass_over_it(void **state)
{
    (void)state;
    struct world world;
    struct client control, bert;
    char token[64];
    open_world(&world, SMALL, 0);
    world_add_user(&world, "bert", "[]", token);
    client_open(&control, &world, NULL);
    client_open(&bert, &world, token);
    put(&world, "items", "c", "anna", 1);
    put(&world, "items", "e", "bert", 1);
    for (unsigned i = 0; i < 1000; i++)
        put(&world, "other", (char[]){(char)('f' + i % 20), 0}, "anna", 200);
    damage_record(world.fixture.store, items_of(&world), "c");
    client_settle(&control);
    client_settle(&bert);
    assert_int_equal(control.close_code, 1011);
    assert_int_equal(bert.close_code, 0);
    assert_non_null(client_holds(&bert, "items", "e"));
    assert_non_null(client_holds(&bert, "other", "f"));
    client_close(&control);
    client_close(&bert);
    world_close(&world);
}

/* A committer that takes over cannot read what its predecessor did not publish. */
static void a_new_committer_does_not_pass_over_it(void **state)
{
    (void)state;
    for (unsigned log = 0; log < 2; log++) {
        struct world world;
        struct client control, bert;
        char token[64];
        open_world(&world, 0, 0);
        world_add_user(&world, "bert", "[]", token);
        client_open(&control, &world, NULL);
        client_open(&bert, &world, token);
        world.committer_silent = true;
        put(&world, "items", "a", "bert", 1);
        put(&world, "items", "c", "anna", 1);
        uint64_t damaged = store_write_seq(world.fixture.writer);
        put(&world, "items", "e", "bert", 1);
        world.committer_silent = false;
        if (log)
            damage_log(world.fixture.store, damaged);
        else
            damage_record(world.fixture.store, items_of(&world), "c");
        assert_true(publish_missed(&world.publisher, world.fixture.store));
        client_settle(&control);
        client_settle(&bert);
        assert_int_equal(control.close_code, log ? 0 : 1011);
        assert_int_equal(bert.close_code, 0);
        assert_true(control.seq < damaged);
        if (log) {
            assert_non_null(strstr(client_journal(&control), "resync "));
            assert_non_null(strstr(client_journal(&bert), "resync "));
        } else {
            assert_non_null(client_holds(&bert, "items", "a"));
            assert_non_null(client_holds(&bert, "items", "e"));
        }
        client_close(&control);
        client_close(&bert);
        world_close(&world);
    }
}

/* What changed there is not known, and a sync finds out. */
static void a_log_that_cannot_be_read_is_as_one_that_was_trimmed(void **state)
{
    (void)state;
    struct world world;
    struct client slow, fast;
    char place[128];
    open_world(&world, SMALL, SMALL);
    client_open(&slow, &world, NULL);
    client_open(&fast, &world, NULL);
    snprintf(place, sizeof place, "%s", answer(&slow, "other", "sync", "{}"));
    put(&world, "other", "a", "anna", 1);
    uint64_t damaged = store_write_seq(world.fixture.writer);
    for (unsigned i = 0; i < 1000; i++)
        put(&world, "other", (char[]){(char)('f' + i % 20), 0}, "anna", 200);
    damage_log(world.fixture.store, damaged);
    client_settle(&fast);
    client_settle(&slow);
    for (unsigned i = 0; i < 2; i++) {
        struct client *client = i ? &fast : &slow;
        assert_int_equal(client->close_code, 0);
        assert_non_null(strstr(client_journal(client), "resync "));
        assert_true(client->seq < damaged);
    }
    client_reopen(&slow, NULL);
    assert_non_null(strstr(answer(&slow, "dispatcher", "resume", place), "resync_required"));
    struct buffer manifest = {0};
    client_manifest(&slow, "other", &manifest);
    buffer_append_byte(&manifest, 0);
    assert_non_null(strstr(answer(&slow, "other", "sync", manifest.data), Q("'seq'")));
    client_check(&slow, "other");
    buffer_free(&manifest);
    client_close(&slow);
    client_close(&fast);
    world_close(&world);
}

/* Rights that change over it: what is to be taken away and given cannot be found out. */
static void a_change_of_rights_over_it_ends_the_connection(void **state)
{
    (void)state;
    struct world world;
    struct client bert, carl;
    char token[64], other[64];
    open_world(&world, 0, 0);
    put(&world, "items", "z", "bert", 1);
    world_add_user(&world, "bert", "[]", token);
    world_add_user(&world, "carl", "[]", other);
    client_open(&bert, &world, token);
    client_open(&carl, &world, other);
    (void)answer(&bert, "items", "sync", "{}");
    assert_non_null(client_holds(&bert, "items", "z"));
    damage_record(world.fixture.store, items_of(&world), "c");
    assert_int_equal(world_change(&world, CHANGE_MERGE, "users", "bert", Q("{'groups':['administrator']}")),
                     ERROR_NONE);
    client_settle(&bert);
    client_settle(&carl);
    assert_int_equal(bert.close_code, 1011);
    assert_non_null(client_holds(&bert, "items", "z"));
    assert_int_equal(carl.close_code, 0);
    client_close(&bert);
    client_close(&carl);
    world_close(&world);
}

/* Who may what cannot be read: nobody may more by that, and it is not taken for another right. */
static void rights_that_cannot_be_read_are_none(void **state)
{
    (void)state;
    static const bool text[] = {false, true};
    for (size_t i = 0; i < 2; i++) {
        struct world world;
        struct client bert, carl, back;
        char token[64], other[64];
        open_world(&world, 0, 0);
        assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", "g", Q("{'permissions':{'p':true}}")),
                         ERROR_NONE);
        put(&world, "items", "z", "bert", 1);
        world_add_user(&world, "bert", Q("['g']"), token);
        world_add_user(&world, "carl", "[]", other);
        client_open(&bert, &world, token);
        client_open(&carl, &world, other);
        (void)answer(&bert, "items", "sync", "{}");
        unsigned groups = fixture_collection(&world.fixture, "groups");
        if (text[i])
            damage_text(world.fixture.store, groups, "g");
        else
            damage_record(world.fixture.store, groups, "g");
        assert_int_equal(world_change(&world, CHANGE_MERGE, "users", "bert", Q("{'note':1}")), ERROR_NONE);
        client_settle(&bert);
        client_settle(&carl);
        assert_int_equal(bert.close_code, 1011);
        assert_non_null(client_holds(&bert, "items", "z"));
        assert_int_equal(carl.close_code, 0);
        assert_non_null(strstr(answer(&carl, "other", "count", "{}"), "5"));
        client_open(&back, &world, token);
        assert_non_null(strstr(answer(&back, "other", "count", "{}"), "unauthorized"));
        char call[128];
        quoted_print(call, sizeof call, "{'token':'%s'}", token);
        assert_non_null(strstr(answer(&back, "users", "authorize_by_token", call), "cannot be read"));
        client_close(&bert);
        client_close(&carl);
        client_close(&back);
        world_close(&world);
    }
}

/* A member that cannot be read may still be one. */
static void a_group_is_not_removed_over_it(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    char token[64];
    open_world(&world, 0, 0);
    client_open(&client, &world, NULL);
    (void)answer(&client, "groups", "add", Q("{'_id':'g'}"));
    world_add_user(&world, "bert", Q("['g']"), token);
    damage_text(world.fixture.store, fixture_collection(&world.fixture, "users"), "bert");
    assert_non_null(strstr(answer(&client, "groups", "remove_group", Q("{'_id':'g'}")), Q("'internal'")));
    assert_non_null(strstr(answer(&client, "groups", "detail", Q("{'_id':'g'}")), "removing"));
    assert_non_null(strstr(answer(&client, "users", "set_group", Q("{'user_id':'bert','group_id':'g'}")),
                           Q("'internal'")));
    client_close(&client);
    world_close(&world);
}

/* All sessions end with a password that is set, or it is not set. */
static void sessions_that_cannot_be_read_keep_a_password(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    char token[64], id[TOKEN_ID + 1];
    uint8_t hash[TOKEN_HASH_BYTES];
    open_world(&world, 0, 0);
    client_open(&client, &world, NULL);
    world_add_user(&world, "bert", "[]", token);
    token_hash(slice_text(token), hash);
    token_id(hash, id);
    damage_record(world.fixture.store, fixture_collection(&world.fixture, "sessions"), id);
    uint64_t seq = store_write_seq(world.fixture.writer);
    const char *const calls[][2] = {
        {"set_password", Q("{'_id':'bert','new_password':'x'}")},
        {"set_force_reset", Q("{'_id':'bert','force_reset':true}")},
        {"remove_user", Q("{'_id':'bert'}")},
        {"sessions", Q("{'user_id':'bert'}")},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (!strstr(answer(&client, "users", calls[i][0], calls[i][1]), Q("'internal'")))
            fail_msg("%s: %s", calls[i][0], client.answer);
    assert_int_equal(store_write_seq(world.fixture.writer), seq);
    client_close(&client);
    world_close(&world);
}

static void settings_that_cannot_be_read_are_not_the_defaults(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    world_open(&world,
               "'items': {}}, 'settings': {'colour': {'type': 'string', 'default': 'red'}}, 'limits': {", 0,
               0);
    client_open(&client, &world, NULL);
    assert_non_null(strstr(answer(&client, "settings", "set", Q("{'colour':'blue'}")), "blue"));
    damage_record(world.fixture.store, fixture_collection(&world.fixture, "settings"), "settings");
    assert_non_null(strstr(answer(&client, "settings", "download", "null"), Q("'internal'")));
    client_close(&client);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_that_read_it_fail),
        cmocka_unit_test(calls_that_look_into_it_fail),
        cmocka_unit_test(a_resume_over_it_fails),
        cmocka_unit_test(who_catches_up_over_it_is_cut_off),
        cmocka_unit_test(a_lapped_worker_does_not_pass_over_it),
        cmocka_unit_test(a_new_committer_does_not_pass_over_it),
        cmocka_unit_test(a_log_that_cannot_be_read_is_as_one_that_was_trimmed),
        cmocka_unit_test(a_change_of_rights_over_it_ends_the_connection),
        cmocka_unit_test(rights_that_cannot_be_read_are_none),
        cmocka_unit_test(a_group_is_not_removed_over_it),
        cmocka_unit_test(sessions_that_cannot_be_read_keep_a_password),
        cmocka_unit_test(settings_that_cannot_be_read_are_not_the_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
