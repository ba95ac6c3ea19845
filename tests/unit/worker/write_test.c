/* Calls that write: their way to the committer and back, and what bounds them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/quoted.h"
#include "tests/unit/worker/worker_world.h"
#include "worker/base/committer_link.h"
#include "worker/net/connection.h"

static const char collections[] =
    "'items': {'methods': {'insert': [], 'update': [], 'patch': [], 'remove': []}}},"
    " 'limits': {";

static struct world world;
static struct client client;

static int set_up(void **state)
{
    (void)state;
    world_open(&world, collections, 0, 0);
    client_open(&client, &world, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    client_close(&client);
    world_close(&world);
    return 0;
}

static void answers_are_the_committers(void **state)
{
    (void)state;
    assert_string_equal(client_call(&client, "items", "insert", Q("{'_id':'a','n':1}")),
                        Q("{'_id':'a','_version':0}"));
    assert_string_equal(client_holds(&client, "items", "a"), Q("{'_id':'a','_version':0,'n':1}"));
    assert_string_equal(client_call(&client, "items", "update", Q("{'_id':'a','changes':{'n':2}}")),
                        Q("{'_ids':['a'],'_version':1}"));
    assert_string_equal(client_call(&client, "items", "update", Q("{'query':{'n':2},'changes':{'n':3}}")),
                        Q("{'_ids':['a']}"));
    assert_non_null(
        strstr(client_call(&client, "items", "update", Q("{'_id':'a','_version':1,'changes':{}}")),
               Q("'conflict'")));
    assert_non_null(strstr(client_call(&client, "items", "patch",
                                       Q("{'_id':'a','operations':[{'op':'test','path':'/n','value':9}]}")),
                           Q("'conflict'")));
    assert_string_equal(client_call(&client, "items", "remove", Q("{'_id':['b','a']}")), Q("{'_ids':['a']}"));
    assert_null(client_holds(&client, "items", "a"));
}

static void a_list_says_which_of_it_failed(void **state)
{
    (void)state;
    assert_non_null(
        strstr(client_call(&client, "items", "insert", Q("[{'_id':'a'},{'_id':'a'}]")), Q("'index':1")));
    assert_non_null(strstr(client_call(&client, "items", "insert", "[{},{},5]"), Q("'index':2")));
    assert_string_equal(client_call(&client, "items", "count", "null"), "0");
}

static void a_call_under_the_same_key_is_run_once(void **state)
{
    (void)state;
    const char *const call =
        Q("'tid':7,'once':'k','collectionName':'items','methodName':'insert','data':{'n':1}");
    char first[200];
    snprintf(first, sizeof first, "%s", client_call_message(&client, call));
    assert_string_equal(client_call_message(&client, call), first);
    assert_string_equal(client_call(&client, "items", "count", "null"), "1");
}

static void calls_in_flight_are_bounded(void **state)
{
    (void)state;
    enum { CALLS = 200, MOST = 10 };
    world.fixture.config->limits.calls_in_flight = MOST;
    world.committer_waits = true;
    for (int i = 0; i < CALLS; i++) {
        char message[128];
        quoted_print(message, sizeof message,
                     "{'tid':%d,'collectionName':'items','methodName':'insert','data':{}}", i);
        client_send(&client, message);
    }
    client_settle(&client);
    assert_int_equal(client.answers, 0);
    assert_int_equal(committer_link_waiting(world.worker.link), MOST);
    world.committer_waits = false;
    client_settle(&client);
    assert_int_equal(client.answers, CALLS);
    assert_int_equal(client.held_count, CALLS);
}

static void updates_by_query_are_bounded_in_bytes(void **state)
{
    (void)state;
    world.fixture.config->limits.committer_queue_bytes = 100000;
    for (int i = 0; i < 200; i++)
        client_call(&client, "items", "insert", "{}");
    char call[3000];
    quoted_print(call, sizeof call, "{'query':{},'changes':{'p':'%02000d'}}", 0);
    assert_non_null(strstr(client_call(&client, "items", "update", call), Q("'too_large'")));
}

static void a_client_that_goes_leaves_its_calls_to_their_end(void **state)
{
    (void)state;
    struct client going;
    client_open(&going, &world, NULL);
    world.committer_waits = true;
    client_send(&going, Q("{'tid':1,'collectionName':'items','methodName':'insert','data':{'_id':'a'}}"));
    client_send(&going, Q("{'tid':2,'collectionName':'users','methodName':'add',"
                          "'data':{'_id':'anna','password':'a long password'}}"));
    world_settle(&world);
    client_close(&going);
    world.committer_waits = false;
    client_settle(&client);
    assert_non_null(client_holds(&client, "items", "a"));
}

/* The worker ends while a password is being hashed: its change set has nowhere to go, and the call ends. */
static void hashes_under_way_end_with_the_worker(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        char message[256];
        quoted_print(message, sizeof message,
                     "{'tid':%d,'collectionName':'users','methodName':'add',"
                     "'data':{'_id':'user %d','password':'a long password'}}",
                     i, i);
        client_send(&client, message);
    }
    client_send(&client, Q("{'tid':9,'collectionName':'users','methodName':'authorize_by_login',"
                           "'data':{'username':'nobody','password':'a long password'}}"));
    world.committer_waits = true;
    world_pass(&world);
    /* tear_down() closes the worker now. */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_are_the_committers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_says_which_of_it_failed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_call_under_the_same_key_is_run_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(calls_in_flight_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(updates_by_query_are_bounded_in_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_goes_leaves_its_calls_to_their_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hashes_under_way_end_with_the_worker, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
