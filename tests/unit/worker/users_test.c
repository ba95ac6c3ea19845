/* Changes of accounts that somebody else's change comes in front of, each at the worst instant. */

#include "tests/unit/quoted.h"
#include "tests/unit/worker/worker_world.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shared/base/clock.h"
#include "worker/authority/token.h"

static const char collections[] = "'notes': {}}, 'limits': {'committer_queue_bytes': '1M'";

enum { PATIENCE_MS = 60000, HOUR_MS = 3600000 };

static struct world world;
static struct client client; /* anna, an administrator */
static char token[64];

static int set_up(void **state)
{
    (void)state;
    world_open(&world, collections, 0, 0);
    assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", "administrator", Q("{'permissions':{}}")),
                     ERROR_NONE);
    assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", "lab", Q("{'permissions':{}}")),
                     ERROR_NONE);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(
            world_change(&world, CHANGE_INSERT, "credentials", i ? "anna" : "bert", Q("{'hash':'x'}")),
            ERROR_NONE);
    world_add_user(&world, "anna", Q("['administrator']"), token);
    char other[64];
    world_add_user(&world, "bert", Q("['administrator']"), other);
    client_open(&client, &world, token);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    client_close(&client);
    world_close(&world);
    return 0;
}

static void expect_document(const char *collection, const char *id, const char *part, bool there)
{
    struct store_record record;
    const struct config_collection *found = config_collection(world.worker.config, slice_text(collection));
    assert_int_equal(store_begin(world.fixture.store), ERROR_NONE);
    assert_int_equal(store_get(world.fixture.store, found->index, slice_text(id), &record), ERROR_NONE);
    char *text = strndup(record.full.data, record.full.length);
    store_end(world.fixture.store);
    if ((strstr(text, part) != NULL) != there)
        fail_msg("%s %s: %s", id, there ? "is" : "should not be", text);
    free(text);
}

/* Sends a call whose change set does not reach the committer before release(). */
static void hold(const char *collection, const char *method, const char *data)
{
    char message[512], byte;
    world.committer_waits = true;
    quoted_print(message, sizeof message, "{'tid':77,'collectionName':'%s','methodName':'%s','data':%s}",
                 collection, method, data);
    client_send(&client, message);
    uint64_t end = clock_monotonic_ms() + PATIENCE_MS;
    while (recv(world.committer, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 1) {
        assert_true(clock_monotonic_ms() < end);
        world_pass(&world);
    }
}

static const char *release(void)
{
    unsigned before = client.answers;
    uint64_t end = clock_monotonic_ms() + PATIENCE_MS;
    world.committer_waits = false;
    while (client.answers == before) {
        assert_true(clock_monotonic_ms() < end);
        world_pass(&world);
        client_read(&client, 65536);
    }
    return client.answer;
}

static void change(enum change_operation operation, const char *collection, const char *id, const char *body)
{
    assert_int_equal(world_change(&world, operation, collection, id, body), ERROR_NONE);
}

static void of_two_administrators_who_demote_each_other_one_stays(void **state)
{
    (void)state;
    hold("users", "set_group", Q("{'user_id':'bert','group_id':'administrator','member':false}"));
    change(CHANGE_MERGE, "users", "anna", Q("{'groups':[]}"));
    assert_non_null(strstr(release(), Q("'forbidden'")));
    expect_document("users", "bert", "administrator", true);
}

static void of_two_administrators_who_remove_each_other_one_stays(void **state)
{
    (void)state;
    hold("users", "remove_user", Q("{'_id':'bert'}"));
    change(CHANGE_REMOVE, "users", "anna", "");
    assert_non_null(strstr(release(), Q("'unauthorized'")));
    expect_document("users", "bert", "administrator", true);
}

static void a_change_in_between_is_kept(void **state)
{
    (void)state;
    hold("users", "set_group", Q("{'user_id':'bert','group_id':'lab'}"));
    change(CHANGE_MERGE, "users", "bert", Q("{'groups':['administrator','more']}"));
    assert_string_equal(release(), Q("['administrator','more','lab']"));
    expect_document("users", "bert", Q("['administrator','more','lab']"), true);
}

static void nobody_is_put_into_a_group_that_goes(void **state)
{
    (void)state;
    hold("users", "set_group", Q("{'user_id':'bert','group_id':'lab','member':true}"));
    change(CHANGE_MERGE, "groups", "lab", Q("{'removing':true}"));
    assert_non_null(strstr(release(), Q("'Group does not exist'")));
    expect_document("users", "bert", "lab", false);
}

static void who_is_changed_while_a_group_goes_loses_it_all_the_same(void **state)
{
    (void)state;
    change(CHANGE_MERGE, "groups", "lab", Q("{'removing':true}"));
    change(CHANGE_MERGE, "users", "bert", Q("{'groups':['lab'],'primary_group':'lab'}"));
    hold("groups", "remove_group", Q("{'_id':'lab'}"));
    change(CHANGE_MERGE, "users", "bert", Q("{'groups':['lab','other']}"));
    assert_string_equal(release(), "null");
    expect_document("users", "bert", Q("'groups':['other'],'primary_group':null"), true);
}

static void log_in_of_bert(void)
{
    change(CHANGE_MERGE, "credentials", "bert", Q("{'stamp':'1'}"));
    change(CHANGE_INSERT, "sessions", "0123", Q("{'user':'bert','used':1}"));
}

static void a_log_in_in_between_ends_with_the_password(void **state)
{
    (void)state;
    hold("users", "set_password", Q("{'_id':'bert','new_password':'new'}"));
    log_in_of_bert();
    assert_string_equal(release(), "null");
    expect_document("sessions", "0123", Q("'ended'"), true);
    expect_document("credentials", "bert", "$argon2id$", true);
}

static void a_log_in_in_between_ends_with_a_forced_reset(void **state)
{
    (void)state;
    hold("users", "set_force_reset", Q("{'_id':'bert','force_reset':true}"));
    log_in_of_bert();
    assert_string_equal(release(), "null");
    expect_document("sessions", "0123", Q("'ended'"), true);
    expect_document("users", "bert", Q("'force_reset':true"), true);
}

/* ---- log-in ---- */

/* A hash takes its time, so no call that makes one is waited for by counting rounds. */
static void give_bert_a_password(void)
{
    hold("users", "set_password", Q("{'_id':'bert','new_password':'good'}"));
    assert_string_equal(release(), "null");
}

static void hold_log_in(void)
{
    give_bert_a_password();
    hold("users", "authorize_by_login", Q("{'username':'bert','password':'good'}"));
}

static void a_log_in_that_checked_an_old_password_fails(void **state)
{
    (void)state;
    hold_log_in();
    change(CHANGE_MERGE, "credentials", "bert", Q("{'hash':'another'}"));
    assert_non_null(strstr(release(), Q("'Incorrect username or password'")));
}

/* The new one's documents have the versions of the old one's. */
static void a_log_in_as_an_earlier_user_of_that_name_fails(void **state)
{
    (void)state;
    hold_log_in();
    change(CHANGE_REMOVE, "users", "bert", "");
    change(CHANGE_REMOVE, "credentials", "bert", "");
    change(CHANGE_INSERT, "users", "bert", Q("{'groups':[]}"));
    change(CHANGE_INSERT, "credentials", "bert", Q("{'hash':'another'}"));
    change(CHANGE_MERGE, "credentials", "bert", Q("{'stamp':'1'}"));
    assert_non_null(strstr(release(), Q("'Incorrect username or password'")));
}

static void a_log_in_that_saw_no_forced_reset_fails(void **state)
{
    (void)state;
    hold_log_in();
    change(CHANGE_MERGE, "users", "bert", Q("{'force_reset':true}"));
    assert_non_null(strstr(release(), Q("'Password must be reset'")));
}

static void a_log_in_survives_what_does_not_concern_it(void **state)
{
    (void)state;
    hold_log_in();
    change(CHANGE_MERGE, "users", "bert", Q("{'settings':{'colour':'red'}}"));
    change(CHANGE_MERGE, "credentials", "bert", Q("{'stamp':'1'}"));
    assert_non_null(strstr(release(), Q("'token':")));
}

/* ---- once ---- */

/* The same call of the same user, by way of another worker. */
static void add_carl_elsewhere(void)
{
    struct buffer set = {0};
    struct apply_result result;
    const struct change changes[] = {
        {.operation = CHANGE_ONCE,
         .version = (int64_t)clock_wall_ms() + HOUR_MS,
         .collection = SLICE("users.add"),
         .id = SLICE("k"),
         .body = SLICE("anna")},
        {.operation = CHANGE_INSERT,
         .version = CHANGE_ANY_VERSION,
         .collection = SLICE("users"),
         .id = SLICE("carl"),
         .body = SLICE("{}")},
    };
    change_set_begin(&set, CHANGE_UNBOUNDED, ANSWER_LITERAL, SLICE("null"));
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        change_set_add(&set, &changes[i]);
    assert_int_equal(store_write_begin(world.fixture.writer), ERROR_NONE);
    assert_int_equal(change_set_apply(world.fixture.writer, buffer_slice(&set), clock_wall_ms(), &result),
                     ERROR_NONE);
    assert_int_equal(store_write_commit(world.fixture.writer), ERROR_NONE);
    size_t count;
    const struct applied_change *applied = store_write_changes(world.fixture.writer, &count);
    publish_changes(&world.publisher, applied, count);
    buffer_free(&set);
}

static void what_the_same_call_did_meanwhile_is_no_failure(void **state)
{
    (void)state;
    uint64_t before = atomic_load(&world.worker.score->calls);
    client_send(&client, Q("{'tid':77,'collectionName':'users','methodName':'add','once':'k',"
                           "'data':{'_id':'carl','password':'good'}}"));
    while (atomic_load(&world.worker.score->calls) == before)
        world_pass(&world);
    add_carl_elsewhere(); /* while the password is hashed: that is heard of in a later pass */
    assert_string_equal(release(), "null");
}

/* ---- listing ---- */

static void a_session_that_has_expired_is_not_listed(void **state)
{
    (void)state;
    char body[128];
    change(CHANGE_INSERT, "sessions", "0123", Q("{'id':'old','user':'anna','used':1}"));
    assert_null(strstr(client_call(&client, "users", "sessions", "{}"), Q("'old'")));
    assert_non_null(strstr(client_call(&client, "users", "remove_session", Q("{'id':'old'}")),
                           Q("'Session does not exist'")));
    quoted_print(body, sizeof body, "{'used':%llu}",
                 (unsigned long long)clock_wall_ms() - 29LL * 24 * HOUR_MS);
    change(CHANGE_MERGE, "sessions", "0123", body);
    assert_non_null(strstr(client_call(&client, "users", "sessions", "{}"), Q("'old'")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_two_administrators_who_demote_each_other_one_stays, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(of_two_administrators_who_remove_each_other_one_stays, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_change_in_between_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_is_put_into_a_group_that_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_changed_while_a_group_goes_loses_it_all_the_same, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_log_in_in_between_ends_with_the_password, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_log_in_in_between_ends_with_a_forced_reset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_log_in_that_checked_an_old_password_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_log_in_as_an_earlier_user_of_that_name_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_log_in_that_saw_no_forced_reset_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_log_in_survives_what_does_not_concern_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_same_call_did_meanwhile_is_no_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_session_that_has_expired_is_not_listed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
