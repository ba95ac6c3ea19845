/* When sessions count as used, which give way, and what a clock that jumps does to them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/base/clock.h"
#include "shared/ipc/presence.h"
#include "tests/unit/quoted.h"
#include "tests/unit/worker/worker_world.h"
#include "worker/authority/token.h"
#include "worker/base/snapshot.h"
#include "worker/session/token_use.h"
#include "worker/session/tokens.h"

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S };

static struct world world;
static struct client client; /* anna */
static char token[64], id[TOKEN_ID + 1];
static int64_t passed_s, jumped_s; /* both clocks are ahead by the one, the wall clock by the other, too */

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = __real_clock_gettime(clock, now);
    now->tv_sec += passed_s + (clock == CLOCK_REALTIME ? jumped_s : 0);
    return rc;
}

static void id_of(const char *text, char out[TOKEN_ID + 1])
{
    uint8_t hash[TOKEN_HASH_BYTES];
    token_hash(slice_text(text), hash);
    token_id(hash, out);
}

static int set_up(void **state)
{
    (void)state;
    passed_s = jumped_s = 0;
    world_open(&world, "'notes': {}}, 'limits': {'sessions_per_user': 2", 0, 0);
    world_add_user(&world, "anna", "[]", token);
    id_of(token, id);
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

/* @used_s: from now. */
static void set_used(const char *session, int64_t used_s)
{
    char body[64];
    quoted_print(body, sizeof body, "{'used':%lld}", (long long)clock_wall_ms() + used_s * 1000);
    assert_int_equal(world_change(&world, CHANGE_MERGE, "sessions", session, body), ERROR_NONE);
    world_settle(&world);
}

/* Another session of anna that nobody is connected with. */
static void add_session(char text[64], char session[TOKEN_ID + 1], int64_t used_s)
{
    token_make(text);
    id_of(text, session);
    assert_int_equal(world_change(&world, CHANGE_INSERT, "sessions", session, Q("{'user':'anna','used':0}")),
                     ERROR_NONE);
    set_used(session, used_s);
}

/* How far the stored time is from now, in seconds; ended or not. */
static int64_t stored_used_s(void)
{
    struct store_record record;
    struct json json = {0};
    int64_t used;
    assert_int_equal(store_begin(world.fixture.store), ERROR_NONE);
    assert_int_equal(store_get(world.fixture.store, COLLECTION_SESSIONS, slice_text(id), &record),
                     ERROR_NONE);
    assert_true(json_parse(&json, record.full.data, record.full.length));
    assert_true(json_integer(json_member(json_root(&json), SLICE("used")), &used));
    json_free(&json);
    store_end(world.fixture.store);
    return (used - (int64_t)clock_wall_ms()) / 1000;
}

static void tick(void)
{
    passed_s++;
    token_use_tick(&world.worker);
    world_settle(&world);
}

static bool authorizes(const char *text)
{
    struct client other;
    client_open(&other, &world, text);
    bool done = strstr(client_journal(&other), "deauthorize") == NULL;
    client_close(&other);
    return done;
}

static const char *listed(void)
{
    return client_call(&client, "users", "sessions", "{}");
}

/* Whether a log-in of anna would remove that session. */
static bool gives_way(const char *session)
{
    struct buffer set = {0};
    assert_true(snapshot_take(&world.worker));
    assert_true(token_prune(&world.worker, &set, SLICE("anna")));
    snapshot_end(&world.worker);
    bool found = set.data && memmem(set.data, set.length, session, TOKEN_ID);
    buffer_free(&set);
    return found;
}

/* ---- the stored time ---- */

static void a_token_is_used_while_it_is_connected(void **state)
{
    (void)state;
    set_used(id, -3 * HOUR_S);
    passed_s += HOUR_S / 2;
    tick();
    assert_in_range(-stored_used_s(), 3 * HOUR_S, 4 * HOUR_S); /* it is not time yet */
    passed_s += HOUR_S;
    tick();
    assert_in_range(-stored_used_s(), 0, 60);
    set_used(id, -3 * HOUR_S);
    passed_s += HOUR_S / 2;
    tick();
    assert_in_range(-stored_used_s(), 3 * HOUR_S, 4 * HOUR_S);
    /* A connection that has gone uses nothing. */
    client_close(&client);
    passed_s += 4 * HOUR_S;
    tick();
    assert_in_range(-stored_used_s(), 7 * HOUR_S, 8 * HOUR_S);
    client_open(&client, &world, NULL);
}

static void an_ended_session_is_not_used(void **state)
{
    (void)state;
    world.committer_silent = true; /* so that the connection does not know of it */
    set_used(id, -3 * HOUR_S);
    assert_int_equal(world_change(&world, CHANGE_MERGE, "sessions", id, Q("{'ended':1}")), ERROR_NONE);
    passed_s += 2 * HOUR_S;
    tick();
    assert_in_range(-stored_used_s(), 4 * HOUR_S, 6 * HOUR_S);
}

/* ---- which gives way ---- */

static void what_is_connected_gives_way_last(void **state)
{
    (void)state;
    char first[64], first_id[TOKEN_ID + 1], second[64], second_id[TOKEN_ID + 1];
    set_used(id, -20 * DAY_S);
    add_session(first, first_id, -10);
    add_session(second, second_id, -5);
    assert_false(gives_way(id));
    assert_true(gives_way(first_id) && gives_way(second_id));
    /* Where there is no other, the one that was connected earlier goes. */
    struct client others[2];
    passed_s += 1;
    client_open(&others[0], &world, second);
    client_open(&others[1], &world, first);
    assert_true(gives_way(id));
    assert_int_equal(gives_way(first_id) + gives_way(second_id), 1);
    client_close(&others[0]);
    client_close(&others[1]);
}

static void a_row_of_another_worker_counts_until_it_is_cleared(void **state)
{
    (void)state;
    char other[64], other_id[TOKEN_ID + 1], third[64], third_id[TOKEN_ID + 1];
    uint8_t hash[TOKEN_HASH_BYTES];
    struct presence *own = world.inheritance.scoreboard->presence, *two = presence_create(2, 100);
    assert_non_null(two);
    client_close(&client);
    world.inheritance.scoreboard->presence = two;
    add_session(other, other_id, -10 * DAY_S);
    add_session(third, third_id, -5 * DAY_S);
    token_hash(slice_text(other), hash);
    presence_add(two, 1, hash, clock_monotonic_ms());
    assert_false(gives_way(other_id));
    assert_true(gives_way(third_id));
    presence_clear(two, 1);
    assert_true(gives_way(other_id));
    assert_true(gives_way(third_id));
    client_open(&client, &world, token);
    client_close(&client);
    assert_true(gives_way(other_id) && gives_way(third_id) && !gives_way(id));
    world.inheritance.scoreboard->presence = own;
    client_open(&client, &world, token);
}

/* The store knows it to the hour only. */
static void what_was_connected_last_is_known_exactly(void **state)
{
    (void)state;
    char first[64], first_id[TOKEN_ID + 1], second[64], second_id[TOKEN_ID + 1];
    add_session(first, first_id, -50 * 60);
    add_session(second, second_id, -20 * 60);
    assert_true(authorizes(first));
    passed_s += 60;
    client_close(&client); /* last of all */
    assert_false(gives_way(id));
    assert_true(gives_way(second_id) && gives_way(first_id));
    client_open(&client, &world, second);
    assert_true(gives_way(first_id) && !gives_way(second_id));
}

static void connected_sessions_are_listed_as_used_now(void **state)
{
    (void)state;
    set_used(id, -20 * DAY_S);
    uint64_t before_ms = clock_wall_ms();
    const char *used = strstr(listed(), Q("'used':"));
    assert_non_null(used);
    assert_in_range(strtoull(used + 7, NULL, 10), before_ms, clock_wall_ms());
}

/* ---- clocks ---- */

static void a_jump_ahead_ends_nothing_that_is_connected(void **state)
{
    (void)state;
    char idle[64], idle_id[TOKEN_ID + 1];
    add_session(idle, idle_id, -DAY_S);
    jumped_s = 40 * DAY_S;
    assert_false(gives_way(id));
    assert_true(gives_way(idle_id)); /* it is over */
    assert_true(authorizes(token));
    assert_false(authorizes(idle));
    client_reopen(&client, token);
    assert_string_equal(client_call(&client, "notes", "count", "null"), "0");
}

static void what_was_connected_before_a_jump_comes_back_after_it(void **state)
{
    (void)state;
    client_close(&client);
    passed_s += 600;
    jumped_s = 40 * DAY_S;
    assert_true(authorizes(token));
    assert_in_range(-stored_used_s(), 0, 60);
    client_open(&client, &world, token);
}

static void a_jump_has_the_use_of_what_is_connected_stored_soon(void **state)
{
    (void)state;
    tick();
    jumped_s = 40 * DAY_S;
    assert_in_range(-stored_used_s(), 39 * DAY_S, 41 * DAY_S);
    tick();
    assert_in_range(-stored_used_s(), 0, 60);
}

static void a_time_in_the_future_is_put_back_when_the_clock_is_steady(void **state)
{
    (void)state;
    jumped_s = 40 * DAY_S;
    tick();
    jumped_s = 0;
    tick();
    assert_true(authorizes(token));
    assert_in_range(stored_used_s(), 39 * DAY_S, 41 * DAY_S); /* for now it may be the clock that is wrong */
    passed_s += HOUR_S / 2;
    tick();
    assert_in_range(stored_used_s(), 39 * DAY_S, 41 * DAY_S);
    passed_s += HOUR_S;
    tick();
    assert_in_range(-stored_used_s(), 0, 60);
    /* It expires as any other. */
    client_close(&client);
    passed_s += 31 * DAY_S;
    assert_false(authorizes(token));
    client_open(&client, &world, NULL);
}

/* It was used while the clock was wrong; nobody knows when. */
static void a_time_in_the_future_is_no_reason_to_stay(void **state)
{
    (void)state;
    char ahead[64], ahead_id[TOKEN_ID + 1], other[64], other_id[TOKEN_ID + 1];
    add_session(ahead, ahead_id, 40 * DAY_S);
    client_close(&client);
    set_used(id, -60);
    assert_true(gives_way(ahead_id));
    assert_false(gives_way(id));
    add_session(other, other_id, -10);
    /* The one that was connected a moment ago was, whatever is stored. */
    assert_true(gives_way(other_id) && gives_way(ahead_id) && !gives_way(id));
    client_open(&client, &world, token);
}

static void after_a_boot_in_the_past_nothing_is_lost(void **state)
{
    (void)state;
    jumped_s = -26LL * 365 * DAY_S;
    tick();
    client_reopen(&client, token);
    assert_true(stored_used_s() > 25LL * 365 * DAY_S);
    jumped_s = 0;
    client_reopen(&client, token);
    tick();
    assert_in_range(-stored_used_s(), 0, 60);
    assert_string_equal(client_call(&client, "notes", "count", "null"), "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_token_is_used_while_it_is_connected, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_ended_session_is_not_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_connected_gives_way_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_row_of_another_worker_counts_until_it_is_cleared, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_connected_last_is_known_exactly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connected_sessions_are_listed_as_used_now, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_jump_ahead_ends_nothing_that_is_connected, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_connected_before_a_jump_comes_back_after_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_jump_has_the_use_of_what_is_connected_stored_soon, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_time_in_the_future_is_put_back_when_the_clock_is_steady, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_time_in_the_future_is_no_reason_to_stay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(after_a_boot_in_the_past_nothing_is_lost, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
