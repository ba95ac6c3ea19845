#include "shared/ipc/address_counts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void others_are_added_up(void **state)
{
    (void)state;
    struct address_counts *counts = address_counts_create(4, 100);
    assert_non_null(counts);
    for (uint32_t worker = 0; worker < 4; worker++)
        address_counts_set(counts, worker, AF_INET, 17, worker + 1);
    assert_int_equal(address_counts_others(counts, 0, AF_INET, 17), 9);
    assert_int_equal(address_counts_others(counts, 3, AF_INET, 17), 6);
    assert_int_equal(address_counts_others(counts, 0, AF_INET6, 17), 0);
    assert_int_equal(address_counts_others(counts, 0, AF_INET, 18), 0);
    address_counts_set(counts, 3, AF_INET, 17, 0);
    assert_int_equal(address_counts_others(counts, 0, AF_INET, 17), 5);
    address_counts_set(counts, 1, AF_INET, 17, 7);
    assert_int_equal(address_counts_others(counts, 0, AF_INET, 17), 10);
    address_counts_clear(counts, 1);
    assert_int_equal(address_counts_others(counts, 0, AF_INET, 17), 3);
}

/* Places are found again when their addresses have gone, however many have come meanwhile. */
static void a_full_table_has_room_again(void **state)
{
    (void)state;
    enum { ADDRESSES = 1000 };
    struct address_counts *counts = address_counts_create(2, 1000);
    assert_non_null(counts);
    for (uint64_t round = 0; round < 5; round++) {
        uint64_t first = round << 40, sum = 0;
        for (uint64_t i = 0; i < ADDRESSES; i++)
            address_counts_set(counts, 1, AF_INET6, first + i, 1);
        for (uint64_t i = 0; i < ADDRESSES; i++)
            sum += address_counts_others(counts, 0, AF_INET6, first + i);
        /* Twice as many as it was made for, at half the places: hardly any finds none. */
        assert_in_range(sum, ADDRESSES - 10, ADDRESSES);
        for (uint64_t i = 0; i < ADDRESSES; i++)
            address_counts_set(counts, 1, AF_INET6, first + i, 0);
        for (uint64_t i = 0; i < ADDRESSES; i++)
            assert_int_equal(address_counts_others(counts, 0, AF_INET6, first + i), 0);
    }
}

/* More than any row holds: nothing is written outside it, and the others' rows stay as they were. */
static void too_many_addresses_harm_nobody(void **state)
{
    (void)state;
    struct address_counts *counts = address_counts_create(3, 1);
    assert_non_null(counts);
    address_counts_set(counts, 0, AF_INET, 5, 3);
    address_counts_set(counts, 2, AF_INET, 5, 4);
    for (uint64_t i = 0; i < 100000; i++)
        address_counts_set(counts, 1, AF_INET6, i, 1);
    address_counts_clear(counts, 1);
    assert_int_equal(address_counts_others(counts, 1, AF_INET, 5), 7);
    for (uint64_t i = 0; i < 100000; i++)
        assert_int_equal(address_counts_others(counts, 0, AF_INET6, i), 0);
}

static void a_child_writes_what_the_others_see(void **state)
{
    (void)state;
    struct address_counts *counts = address_counts_create(2, 10);
    assert_non_null(counts);
    pid_t pid = fork();
    if (pid == 0) {
        address_counts_set(counts, 1, AF_INET, 9, 2);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(address_counts_others(counts, 0, AF_INET, 9), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_are_added_up),
        cmocka_unit_test(a_full_table_has_room_again),
        cmocka_unit_test(too_many_addresses_harm_nobody),
        cmocka_unit_test(a_child_writes_what_the_others_see),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
