#include "shared/ipc/presence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* As if random: all bytes depend on the number. */
static const uint8_t *hash_of(uint64_t number)
{
    static uint8_t hash[16];
    uint64_t parts[2];
    for (unsigned i = 0; i < 2; i++) {
        uint64_t mixed = (number * 2 + i + 1) * UINT64_C(0x9E3779B97F4A7C15);
        mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        parts[i] = mixed ^ mixed >> 27;
    }
    memcpy(hash, parts, sizeof hash);
    return hash;
}

static void expect(const struct presence *presence, uint64_t number, bool connected, uint64_t last_ms)
{
    struct presence_seen seen = presence_look(presence, hash_of(number));
    assert_int_equal(seen.connected, connected);
    assert_int_equal(seen.last_ms, last_ms);
}

static void connections_are_counted_over_all_workers(void **state)
{
    (void)state;
    struct presence *presence = presence_create(3, 100);
    assert_non_null(presence);
    expect(presence, 1, false, 0);
    presence_add(presence, 0, hash_of(1), 1000);
    presence_add(presence, 2, hash_of(1), 1001);
    presence_add(presence, 2, hash_of(1), 1002);
    expect(presence, 1, true, 1002);
    expect(presence, 2, false, 0);
    presence_remove(presence, 0, hash_of(1), 1003);
    presence_remove(presence, 2, hash_of(1), 1004);
    expect(presence, 1, true, 1004);
    presence_remove(presence, 2, hash_of(1), 1005);
    expect(presence, 1, false, 1005);
}

static void a_dead_worker_has_none(void **state)
{
    (void)state;
    struct presence *presence = presence_create(2, 100);
    assert_non_null(presence);
    presence_add(presence, 0, hash_of(1), 1000);
    presence_add(presence, 1, hash_of(1), 2000);
    presence_add(presence, 1, hash_of(2), 2000);
    presence_clear(presence, 1);
    expect(presence, 1, true, 1000);
    expect(presence, 2, false, 0);
}

/* However many come and go, those that stay are known, and those that have left last. */
static void what_has_been_away_for_longest_gives_way(void **state)
{
    (void)state;
    enum { STAY = 500, PASS = 100000, RECENT = 50 };
    struct presence *presence = presence_create(1, STAY);
    assert_non_null(presence);
    for (uint64_t i = 0; i < STAY; i++)
        presence_add(presence, 0, hash_of(i), 1);
    for (uint64_t i = 0; i < PASS; i++) {
        presence_add(presence, 0, hash_of(STAY + i), 2 + i);
        presence_remove(presence, 0, hash_of(STAY + i), 2 + i);
    }
    for (uint64_t i = 0; i < STAY; i++)
        expect(presence, i, true, 1);
    for (uint64_t i = PASS - RECENT; i < PASS; i++)
        expect(presence, STAY + i, false, 2 + i);
}

/* More than any row holds: nothing is written outside it, and no count goes below zero. */
static void too_many_harm_nobody(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    struct presence *presence = presence_create(3, 1);
    assert_non_null(presence);
    presence_add(presence, 0, hash_of(MANY), 7);
    presence_add(presence, 2, hash_of(MANY), 8);
    for (uint64_t i = 0; i < MANY; i++)
        presence_add(presence, 1, hash_of(i), 1);
    for (uint64_t i = 0; i < MANY; i++)
        presence_remove(presence, 1, hash_of(i), 2);
    for (uint64_t i = 0; i < MANY; i++)
        assert_false(presence_look(presence, hash_of(i)).connected);
    expect(presence, MANY, true, 8);
    presence_clear(presence, 1);
    expect(presence, MANY, true, 8);
}

static void a_child_writes_what_the_others_see(void **state)
{
    (void)state;
    struct presence *presence = presence_create(2, 10);
    assert_non_null(presence);
    pid_t pid = fork();
    if (pid == 0) {
        presence_add(presence, 1, hash_of(9), 1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    expect(presence, 9, true, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_counted_over_all_workers), cmocka_unit_test(a_dead_worker_has_none),
        cmocka_unit_test(what_has_been_away_for_longest_gives_way), cmocka_unit_test(too_many_harm_nobody),
        cmocka_unit_test(a_child_writes_what_the_others_see),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
