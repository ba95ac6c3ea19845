#include "store_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "tests/unit/quoted.h"

/*
 * A process commits transactions and acknowledges each through a pipe; it is killed at some moment. What it
 * had acknowledged must be there, and of every set all or nothing.
 */

enum { KILLS = 30, SET = 5 };

static const char *const crash_collections = "'things': {'unique': ['name'], 'index': ['round']}";

/** Sets of five documents "S-0" to "S-4", the set before removed every third time; acknowledges S. */
static void write_sets(const struct config *config, int tell, uint32_t from)
{
    char message[STORE_MESSAGE];
    struct buffer set = {0};
    struct writer *writer = store_write_open(config, NULL, message);
    if (!writer)
        _exit(1);
    for (uint32_t number = from;; number++) {
        struct apply_result result;
        buffer_clear(&set);
        change_set_begin(&set, CHANGE_UNBOUNDED, ANSWER_LIST, (struct slice){0});
        for (int i = 0; i < SET; i++) {
            char id[32], body[300];
            snprintf(id, sizeof id, "%u-%d", number, i);
            quoted_print(body, sizeof body, "{'name':'%s','round':%u,'text':'%0*d'}", id, number,
                         (int)(number % 200), 0);
            change_set_add(&set, &(struct change){CHANGE_INSERT, 0, CHANGE_ANY_VERSION, SLICE("things"),
                                                  slice_text(id), slice_text(body)});
            snprintf(id, sizeof id, "%u-%d", number - 1, i);
            if (number % 3 == 0 && number > 1)
                change_set_add(
                    &set, &(struct change){
                              CHANGE_REMOVE, 0, CHANGE_ANY_VERSION, SLICE("things"), slice_text(id), {0}});
        }
        if (store_write_begin(writer) || change_set_apply(writer, buffer_slice(&set), 1000, &result) ||
            store_write_results(writer, 0, slice_of((char *)&number, sizeof number)) ||
            store_write_commit(writer))
            _exit(2);
        if (write(tell, &number, sizeof number) != sizeof number)
            _exit(3);
    }
}

static bool there(struct fixture *f, uint32_t number, int i)
{
    char id[32];
    snprintf(id, sizeof id, "%u-%d", number, i);
    return document(f, "things", id) != NULL;
}

/** The last set that is in the store; fails when one is there in part, or one before it is missing. */
static uint32_t check_store(struct fixture *f, uint32_t acknowledged)
{
    struct buffer results = {0};
    uint32_t last = 0;
    store_write_read_results(f->writer, 0, &results);
    if (results.length == sizeof last)
        memcpy(&last, results.data, sizeof last);
    buffer_free(&results);
    assert_true(last >= acknowledged);
    assert_true(last <= acknowledged + 1); /* committed, not acknowledged yet */
    for (uint32_t number = last > 60 ? last - 60 : 1; number <= last + 1; number++) {
        bool expected = number <= last && !(number % 3 == 2 && number + 1 <= last);
        for (int i = 0; i < SET; i++)
            assert_int_equal(there(f, number, i), expected);
    }
    check_indexes(f);
    /* The log has a number for every change and no other. */
    uint64_t changes = 0;
    for (uint32_t number = 1; number <= last; number++)
        changes += number % 3 == 0 ? 2 * SET : SET;
    assert_int_equal(store_write_seq(f->writer), changes);
    struct store_log_entry entry;
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_int_equal(store_seq(f->store), changes);
    assert_true(changes == 0 || store_log_next(f->store, changes - 1, &entry) == STORE_STEP);
    assert_int_equal(store_log_next(f->store, changes, &entry), STORE_END);
    store_end(f->store);
    return last;
}

static void killed(enum durability durability)
{
    struct fixture f;
    fixture_open(&f, crash_collections);
    f.config->durability = durability;
    store_write_close(&f.writer);
    uint32_t last = 0;
    uint64_t seed = 11;
    for (int round = 0; round < KILLS; round++) {
        int tell[2];
        assert_int_equal(pipe(tell), 0);
        pid_t pid = fork();
        if (pid == 0)
            write_sets(f.config, tell[1], last + 1);
        close(tell[1]);
        /* Some sets, and then some moment in the next one. */
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        uint32_t acknowledged = last, number, most = (uint32_t)(seed >> 33) % 40;
        for (uint32_t i = 0; i < most && read(tell[0], &number, sizeof number) == sizeof number; i++)
            acknowledged = number;
        uint64_t until = clock_monotonic_us() + (seed >> 40) % 3000;
        while (clock_monotonic_us() < until)
            ;
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        while (read(tell[0], &number, sizeof number) == sizeof number)
            acknowledged = number;
        close(tell[0]);
        fixture_reopen(&f, NULL);
        last = check_store(&f, acknowledged);
        store_write_close(&f.writer);
    }
    assert_true(last > KILLS);
    fixture_reopen(&f, NULL);
    fixture_close(&f);
}

static void a_killed_writer_loses_nothing(void **state)
{
    (void)state;
    killed(DURABILITY_FULL);
}

static void nor_does_a_relaxed_one(void **state)
{
    (void)state;
    killed(DURABILITY_RELAXED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_writer_loses_nothing),
        cmocka_unit_test(nor_does_a_relaxed_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
