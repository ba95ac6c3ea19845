/* Rights that change while clients are there. */

#include "tests/unit/quoted.h"
#include "tests/unit/worker/worker_world.h"

#include <string.h>

#include "worker/authority/token.h"

static const char collections[] =
    "'viruses': {'methods': {'insert': ['modify_virus']}}, 'secrets': {'read': 'see_secrets'}},"
    " 'permissions': ['modify_virus', 'see_secrets'], 'limits': {";

static struct world world;
static struct client client;
static char token[64];

static int set_up(void **state)
{
    (void)state;
    world_open(&world, collections, 0, 0);
    assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", "staff", Q("{'permissions':{}}")),
                     ERROR_NONE);
    world_add_user(&world, "anna", Q("['staff']"), token);
    client_open(&client, &world, token);
    buffer_clear(&client.seen);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    client_close(&client);
    world_close(&world);
    return 0;
}

/* What it was told since the last time. */
static void expect_seen(struct client *of, const char *expected)
{
    client_settle(of);
    buffer_append_byte(&of->seen, 0);
    assert_string_equal(of->seen.data, expected);
    buffer_clear(&of->seen);
}

static void permit(const char *permissions)
{
    assert_int_equal(world_change(&world, CHANGE_MERGE, "groups", "staff", permissions), ERROR_NONE);
}

static void permissions_of_a_group_take_effect_at_once(void **state)
{
    (void)state;
    assert_non_null(strstr(client_call(&client, "viruses", "insert", "{}"), Q("'forbidden'")));
    permit(Q("{'permissions':{'modify_virus':true}}"));
    expect_seen(&client, "amend ");
    assert_null(strstr(client_call(&client, "viruses", "insert", "{}"), Q("'forbidden'")));
    permit(Q("{'permissions':{'modify_virus':null}}"));
    expect_seen(&client, "amend ");
    assert_non_null(strstr(client_call(&client, "viruses", "insert", "{}"), Q("'forbidden'")));
}

static void many_changes_are_told_once(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        permit(i % 2 ? Q("{'permissions':{'modify_virus':true}}")
                     : Q("{'permissions':{'modify_virus':null}}"));
    expect_seen(&client, "amend ");
}

static void changes_that_concern_nobody_are_not_told(void **state)
{
    (void)state;
    permit(Q("{'permissions':{'bogus':true}}"));
    assert_int_equal(
        world_change(&world, CHANGE_INSERT, "groups", "others", Q("{'permissions':{'modify_virus':true}}")),
        ERROR_NONE);
    char other[64];
    world_add_user(&world, "bert", Q("['others']"), other);
    expect_seen(&client, "");
}

static void what_is_seen_follows_the_rights(void **state)
{
    (void)state;
    assert_int_equal(world_change(&world, CHANGE_INSERT, "secrets", "a", "{}"), ERROR_NONE);
    client_settle(&client);
    assert_null(client_holds(&client, "secrets", "a"));
    permit(Q("{'permissions':{'see_secrets':true}}"));
    expect_seen(&client, "amend ");
    assert_non_null(client_holds(&client, "secrets", "a"));
    assert_int_equal(world_change(&world, CHANGE_INSERT, "secrets", "b", "{}"), ERROR_NONE);
    client_settle(&client);
    assert_non_null(client_holds(&client, "secrets", "b"));
    permit(Q("{'permissions':{'see_secrets':null}}"));
    /* In the same pass as the change of rights: the document is not shown to who may not see it any more. */
    assert_int_equal(world_change(&world, CHANGE_INSERT, "secrets", "c", "{}"), ERROR_NONE);
    assert_int_equal(world_change(&world, CHANGE_MERGE, "secrets", "a", Q("{'n':1}")), ERROR_NONE);
    expect_seen(&client, "amend ");
    assert_int_equal(client.held_count, 0);
    assert_int_equal(client.strays, 0);
}

static void end_token(const char *text)
{
    uint8_t hash[TOKEN_HASH_BYTES];
    char id[TOKEN_ID + 1];
    token_hash(slice_text(text), hash);
    token_id(hash, id);
    assert_int_equal(world_change(&world, CHANGE_MERGE, "sessions", id, Q("{'ended':1}")), ERROR_NONE);
}

static void a_token_ends_on_all_its_connections_and_no_others(void **state)
{
    (void)state;
    struct client same, other;
    char other_token[64];
    world_add_user(&world, "bert", Q("['staff']"), other_token);
    client_open(&same, &world, token);
    client_open(&other, &world, other_token);
    buffer_clear(&same.seen);
    buffer_clear(&other.seen);
    end_token(token);
    expect_seen(&client, "deauthorize ");
    expect_seen(&same, "deauthorize ");
    expect_seen(&other, "");
    assert_non_null(strstr(client_call(&same, "viruses", "count", "null"), Q("'unauthorized'")));
    assert_string_equal(client_call(&other, "viruses", "count", "null"), "0");
    client_close(&same);
    client_close(&other);
}

static void a_use_of_a_token_ends_nothing(void **state)
{
    (void)state;
    uint8_t hash[TOKEN_HASH_BYTES];
    char id[TOKEN_ID + 1];
    token_hash(slice_text(token), hash);
    token_id(hash, id);
    assert_int_equal(world_change(&world, CHANGE_MERGE, "sessions", id, Q("{'used':12345}")), ERROR_NONE);
    expect_seen(&client, "");
}

static void logging_out_ends_the_session(void **state)
{
    (void)state;
    assert_string_equal(client_call(&client, "users", "logout", "{}"), "null");
    expect_seen(&client, "deauthorize ");
    struct client again;
    client_open(&again, &world, token);
    expect_seen(&again, "deauthorize "); /* and may log in */
    assert_non_null(strstr(client_call(&again, "viruses", "count", "null"), Q("'unauthorized'")));
    client_close(&again);
}

static void a_removed_user_is_nobody(void **state)
{
    (void)state;
    assert_int_equal(world_change(&world, CHANGE_REMOVE, "users", "anna", ""), ERROR_NONE);
    expect_seen(&client, "deauthorize ");
    assert_non_null(strstr(client_call(&client, "viruses", "count", "null"), Q("'unauthorized'")));
}

static void local_control_needs_no_user(void **state)
{
    (void)state;
    struct client control;
    client_open(&control, &world, NULL);
    permit(Q("{'permissions':{'modify_virus':true}}"));
    assert_string_equal(client_call(&control, "groups", "add", Q("{'_id':'more'}")), Q("'more'"));
    /* A retry is answered with the group, as the call was. */
    const char *const message = Q("'tid':1,'once':'k','collectionName':'groups',"
                                  "'methodName':'update_permissions','data':{'_id':'more',"
                                  "'permissions':{'see_secrets':true}}");
    const char *const group = Q("{'_id':'more','_version':1,'permissions':{'see_secrets':true}}");
    assert_string_equal(client_call_message(&control, message), group);
    assert_string_equal(client_call_message(&control, message), group);
    client_close(&control);
}

/* An import of an earlier version may have put one in. */
static void a_user_with_the_name_of_local_control_is_any_other(void **state)
{
    (void)state;
    const char *const new_group = Q("{'_id':'more'}");
    struct client control, user;
    char user_token[64];
    world_add_user(&world, "(control)", Q("['staff']"), user_token);
    client_open(&control, &world, NULL);
    client_open(&user, &world, user_token);
    assert_non_null(strstr(client_call(&user, "groups", "add", new_group), Q("'forbidden'")));
    assert_non_null(strstr(client_call(&user, "viruses", "export", "{}"), Q("'unknown_method'")));
    assert_string_equal(client_call(&control, "groups", "add", new_group), Q("'more'"));
    client_close(&control);
    client_open(&control, &world, NULL);
    assert_non_null(strstr(client_call(&control, "groups", "add", new_group), Q("'exists'")));
    client_close(&user);
    client_close(&control);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(permissions_of_a_group_take_effect_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_changes_are_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(changes_that_concern_nobody_are_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_seen_follows_the_rights, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_token_ends_on_all_its_connections_and_no_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_use_of_a_token_ends_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(logging_out_ends_the_session, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_removed_user_is_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(local_control_needs_no_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_user_with_the_name_of_local_control_is_any_other, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
