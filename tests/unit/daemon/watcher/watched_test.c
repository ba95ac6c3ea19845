/* One watched directory: when it looks, and that its table is what is there. */
#include "tests/unit/daemon/watcher/watched_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/watcher/watched_events.h"

static void test_only_while_somebody_listens(void **state)
{
    struct fixture *fixture = *state;
    struct watched *watched = &fixture->watched;
    fixture_write(fixture, "a", 3);
    assert_null(watched->table);
    watched_enter(watched);
    watched_enter(watched);
    fixture_settle(fixture);
    assert_true(watched->whole);
    fixture_expect_count(fixture, 1);
    fixture_expect(fixture, "a", 3);
    watched_leave(watched, &fixture->graves);
    assert_true(watched->inotify >= 0);
    watched_leave(watched, &fixture->graves);
    assert_true(watched->inotify < 0);
    assert_null(watched->table);
    assert_non_null(fixture->graves);
}

/* The first change is seen at once, later ones when the interval is over, and the last one certainly. */
static void test_a_file_that_grows(void **state)
{
    struct fixture *fixture = *state;
    struct watched *watched = &fixture->watched;
    uint64_t interval_ms = fixture->config->watch_interval_ms;
    watched_enter(watched);
    fixture_settle(fixture);
    fixture_write(fixture, "a", 1);
    fixture_settle(fixture);
    fixture_expect(fixture, "a", 1);
    uint64_t looked = watched->looked;
    for (unsigned i = 2; i < 100; i++) {
        fixture->now_ms += 1;
        fixture_write(fixture, "a", i);
        fixture_settle(fixture);
    }
    fixture_expect(fixture, "a", 1);
    assert_int_equal(watched->looked, looked);
    assert_true(watched_due_ms(watched) == fixture->now_ms - 98 + interval_ms);
    fixture->now_ms = watched_due_ms(watched);
    fixture_settle(fixture);
    fixture_expect(fixture, "a", 99);
    assert_int_equal(watched->looked, looked + 1);
    assert_true(watched_due_ms(watched) == UINT64_MAX);
    fixture->now_ms += interval_ms;
    fixture_write(fixture, "a", 7);
    fixture_settle(fixture);
    fixture_expect(fixture, "a", 7);
}

/* So is one that is made and removed all the time. */
static void test_a_file_that_comes_and_goes(void **state)
{
    struct fixture *fixture = *state;
    struct watched *watched = &fixture->watched;
    watched_enter(watched);
    fixture_settle(fixture);
    for (unsigned i = 0; i < 100; i++) {
        fixture_write(fixture, "a", 1);
        fixture_settle(fixture);
        fixture_remove(fixture, "a");
        fixture_settle(fixture);
    }
    assert_true(file_table_last(watched->table) == 1);
    fixture->now_ms += fixture->config->watch_interval_ms;
    fixture_settle(fixture);
    fixture_expect_count(fixture, 0);
    assert_true(file_table_last(watched->table) == 2);
}

/* More than is looked at in one step; and when it is scanned again, only what is different changes. */
static void test_scans(void **state)
{
    struct fixture *fixture = *state;
    struct watched *watched = &fixture->watched;
    char name[16];
    for (unsigned i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "%u", i);
        fixture_write(fixture, name, i);
    }
    watched_enter(watched);
    fixture_settle(fixture);
    fixture_expect_count(fixture, 300);
    uint64_t last = file_table_last(watched->table);
    watched_rescan(watched);
    fixture_settle(fixture);
    assert_true(file_table_last(watched->table) == last);
    /* Events that are lost: there is nobody who could tell. */
    watched_events_close(watched);
    fixture_remove(fixture, "7");
    fixture_write(fixture, "8", 1000);
    fixture_write(fixture, "new", 1);
    watched_rescan(watched);
    fixture_settle(fixture);
    assert_true(file_table_last(watched->table) == last + 3);
    fixture_expect_count(fixture, 300);
    fixture_expect(fixture, "8", 1000);
    fixture_expect(fixture, "new", 1);
}

/* How many descriptors may be opened from now on. */
static void leave_descriptors(rlim_t count)
{
    int next = dup(0);
    struct rlimit limit;
    assert_true(next >= 0 && close(next) == 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)next + count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* A watch leaves one to look with. */
static void test_few_descriptors(void **state)
{
    struct fixture *fixture = *state;
    struct watched *watched = &fixture->watched;
    struct rlimit before;
    fixture_write(fixture, "a", 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    leave_descriptors(1);
    watched_enter(watched);
    fixture_settle(fixture);
    assert_true(watched->inotify < 0 && watched->whole && watched->said_trouble);
    fixture_expect(fixture, "a", 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    fixture_write(fixture, "b", 2);
    leave_descriptors(2);
    watched_check(watched);
    fixture_settle(fixture);
    assert_true(watched->inotify >= 0 && !watched->said_trouble);
    fixture_expect(fixture, "b", 2);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* An error of its disk: it is tried again with the next check, and not at once and for ever. */
static void test_a_listing_that_breaks_off(void **state)
{
    struct fixture *fixture = *state;
    struct watched *watched = &fixture->watched;
    fixture_write(fixture, "a", 1);
    watched_enter(watched);
    int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(other >= 0);
    assert_int_equal(dup2(other, dirfd(watched->scan)), dirfd(watched->scan));
    close(other);
    fixture_settle(fixture);
    assert_true(watched->said_trouble);
    fixture_expect_count(fixture, 0);
    watched_check(watched);
    fixture_settle(fixture);
    assert_false(watched->said_trouble);
    fixture_expect(fixture, "a", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_while_somebody_listens, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_grows, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_comes_and_goes, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_scans, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_few_descriptors, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_listing_that_breaks_off, fixture_set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
