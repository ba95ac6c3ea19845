/* What clients hear of changes whose committer was lost. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "shared/ipc/committer_messages.h"
#include "tests/unit/quoted.h"
#include "tests/unit/worker/worker_world.h"
#include "worker/base/committer_link.h"

static const char collections[] =
    "'items': {'methods': {'insert': [], 'update': [], 'patch': [], 'remove': []}}";

static struct world world;
static struct client client;
static unsigned skipped_s; /* the clock is ahead by these */

int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);

int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
    int rc = __real_clock_gettime(id, now);
    now->tv_sec += skipped_s;
    return rc;
}

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

static void lose_committer(void)
{
    close(world.committer);
    world.committer = -1;
    world_settle(&world);
}

static void pass_ten_seconds(void)
{
    skipped_s += 11;
    committer_link_tick(world.worker.link);
    client_settle(&client);
}

static void new_committer(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    world.committer = fds[0];
    buffer_clear(&world.sets);
    committer_link_connect(world.worker.link, fds[1]);
    world_settle(&world);
}

/* The committer commits and publishes, and dies before it answers. */
static void commit_without_a_word(const char *call)
{
    world.committer_mute = true;
    client_send(&client, call);
    client_settle(&client);
    world.committer_mute = false;
    lose_committer();
}

#define INSERT "'collectionName':'items','methodName':'insert','once':'k','data':{'_id':'a','n':1}"

static void a_change_that_may_be_stored_is_answered_timeout(void **state)
{
    (void)state;
    commit_without_a_word(Q("{'tid':1," INSERT "}"));
    assert_int_equal(client.answers, 0);
    pass_ten_seconds();
    assert_int_equal(client.answers, 1);
    assert_non_null(strstr(client.answer, Q("'timeout'")));
    assert_non_null(strstr(client.answer, "not known"));
    /* The same call again gets the first answer, with no committer and with the next one. */
    const char *const answer = Q("{'_id':'a','_version':0}");
    assert_string_equal(client_call_message(&client, Q("'tid':2," INSERT)), answer);
    new_committer();
    assert_string_equal(client_call_message(&client, Q("'tid':3," INSERT)), answer);
    assert_string_equal(client_call(&client, "items", "count", "null"), "1");
}

static void so_is_one_of_groups(void **state)
{
    (void)state;
    commit_without_a_word(
        Q("{'tid':1,'collectionName':'groups','methodName':'add','once':'k','data':{'_id':'g'}}"));
    pass_ten_seconds();
    assert_non_null(strstr(client.answer, Q("'timeout'")));
    new_committer();
    assert_string_equal(
        client_call_message(
            &client, Q("'tid':2,'collectionName':'groups','methodName':'add','once':'k','data':{'_id':'g'}")),
        Q("'g'"));
}

/* It was not given to any committer, so it is certain that it will not be stored. */
static void a_change_that_was_kept_back_is_unavailable(void **state)
{
    (void)state;
    lose_committer();
    client_send(&client, Q("{'tid':1," INSERT "}"));
    client_settle(&client);
    assert_int_equal(client.answers, 0);
    pass_ten_seconds();
    assert_non_null(strstr(client.answer, Q("'unavailable'")));
    assert_non_null(strstr(client_call_message(&client, Q("'tid':2," INSERT)), Q("'unavailable'")));
    new_committer();
    assert_string_equal(client_call(&client, "items", "count", "null"), "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_change_that_may_be_stored_is_answered_timeout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(so_is_one_of_groups, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_that_was_kept_back_is_unavailable, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
