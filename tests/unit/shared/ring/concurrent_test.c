/* One producer and several readers, each a process of its own. */
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/ring/ring.h"
#include "tests/unit/shared/ring/records.h"

enum { READERS = 3, RECORDS = 60000, ROUNDS = 5000, DEADLINE_S = 100, WAKEUP_MS = 20000 };

enum { DONE, TORN, OUT_OF_ORDER, NOT_WOKEN, GAP };

struct shared {
    _Atomic uint64_t read[READERS]; /* last sequence number that each has read */
    _Atomic uint64_t confirmed[READERS];
};

static struct ring *ring;
static struct shared *shared;
static struct made_record made, copied;

static int open_ring(void **state)
{
    (void)state;
    ring = ring_create(RING_LEAST_BYTES);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!ring || shared == MAP_FAILED || !ring_wakeup_open(ring, READERS))
        return -1;
    ring_start(ring, 0);
    return 0;
}

static int close_ring(void **state)
{
    (void)state;
    ring_close(&ring);
    return munmap(shared, sizeof *shared);
}

/* Sleeps as a worker does. False: nobody woke it, though there is something to read. */
static bool sleep_until_woken(unsigned slot, const struct ring_cursor *cursor)
{
    bool woken = true;
    if (ring_sleep(ring, slot, cursor)) {
        struct pollfd wakeup = {.fd = ring_wakeup_fd(ring, slot), .events = POLLIN};
        woken = poll(&wakeup, 1, WAKEUP_MS) == 1;
    }
    ring_awake(ring, slot);
    return woken;
}

/* Reads up to the record @last; after an overrun it goes on at the head, unless there must be @no_gaps. */
static int run_reader(unsigned slot, struct ring_cursor cursor, uint64_t last, bool no_gaps)
{
    alarm(DEADLINE_S);
    while (cursor.seq < last) {
        struct ring_record record;
        uint64_t before = cursor.seq;
        enum ring_result result = ring_read(&cursor, &record);
        if (result == RING_OK) {
            copy_record(&copied, &record);
            result = ring_confirm(&cursor);
        }
        switch (result) {
        case RING_OK:
            if (!is_whole(&copied.record))
                return TORN;
            if (copied.record.seq != before + 1)
                return OUT_OF_ORDER;
            shared->confirmed[slot]++;
            break;
        case RING_OVERRUN:
            if (no_gaps)
                return GAP;
            ring_cursor_start(&cursor, ring);
            if (cursor.seq <= before)
                return OUT_OF_ORDER;
            break;
        case RING_END:
            if (!sleep_until_woken(slot, &cursor))
                return NOT_WOKEN;
            break;
        }
        shared->read[slot] = cursor.seq;
    }
    return DONE;
}

static void start_readers(pid_t readers[READERS], uint64_t last, bool no_gaps)
{
    struct ring_cursor cursor;
    ring_cursor_start(&cursor, ring);
    for (unsigned slot = 0; slot < READERS; slot++) {
        readers[slot] = fork();
        assert_true(readers[slot] >= 0);
        if (readers[slot] == 0)
            _exit(run_reader(slot, cursor, last, no_gaps));
    }
}

static void expect_done(const pid_t children[], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), DONE);
    }
}

static void readers_get_whole_records_while_they_are_lapped(void **state)
{
    (void)state;
    pid_t children[READERS + 1];
    start_readers(children, RECORDS, false);
    children[READERS] = fork();
    assert_true(children[READERS] >= 0);
    if (children[READERS] == 0) {
        alarm(DEADLINE_S);
        for (uint64_t seq = 1; seq <= RECORDS; seq++) {
            ring_append(ring, make_record(&made, seq, seq * 7919 % 1000));
            if (seq % 5 == 0 || seq == RECORDS)
                ring_publish(ring);
            if (seq % 64 == 0)
                sched_yield();
        }
        _exit(DONE);
    }
    expect_done(children, READERS + 1);
    for (unsigned slot = 0; slot < READERS; slot++) {
        assert_int_equal(shared->read[slot], RECORDS);
        assert_true(shared->confirmed[slot] > 0);
    }
}

/* A record is published just as the readers go to sleep, again and again: each must be woken for it. */
static void no_wakeup_is_lost(void **state)
{
    (void)state;
    pid_t children[READERS + 1];
    start_readers(children, ROUNDS, true);
    children[READERS] = fork();
    assert_true(children[READERS] >= 0);
    if (children[READERS] == 0) {
        alarm(DEADLINE_S);
        for (uint64_t seq = 1; seq <= ROUNDS; seq++) {
            ring_append(ring, make_record(&made, seq, 20));
            ring_publish(ring);
            for (unsigned slot = 0; slot < READERS; slot++)
                while (shared->read[slot] < seq)
                    sched_yield();
        }
        _exit(DONE);
    }
    expect_done(children, READERS + 1);
}

static void sleeps_only_when_there_is_nothing_to_read(void **state)
{
    (void)state;
    struct ring_cursor cursor;
    ring_cursor_start(&cursor, ring);
    struct pollfd wakeup = {.fd = ring_wakeup_fd(ring, 0), .events = POLLIN};
    ring_awake(ring, 0); /* the start of the producer woke it */

    ring_append(ring, make_record(&made, 1, 20));
    ring_publish(ring);
    assert_int_equal(poll(&wakeup, 1, 0), 0); /* awake: not written to */
    assert_false(ring_sleep(ring, 0, &cursor));

    struct ring_record record;
    assert_int_equal(ring_read(&cursor, &record), RING_OK);
    assert_int_equal(ring_confirm(&cursor), RING_OK);
    assert_true(ring_sleep(ring, 0, &cursor));
    for (uint64_t seq = 2; seq < 5; seq++) {
        ring_append(ring, make_record(&made, seq, 20));
        assert_int_equal(poll(&wakeup, 1, 0), seq > 2);
        ring_publish(ring);
        assert_int_equal(poll(&wakeup, 1, 0), 1);
    }
    uint64_t count;
    assert_int_equal(read(wakeup.fd, &count, sizeof count), sizeof count);
    assert_int_equal(count, 1); /* written once for one sleep */
    ring_awake(ring, 0);
    assert_int_equal(poll(&wakeup, 1, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(readers_get_whole_records_while_they_are_lapped, open_ring,
                                        close_ring),
        cmocka_unit_test_setup_teardown(no_wakeup_is_lost, open_ring, close_ring),
        cmocka_unit_test_setup_teardown(sleeps_only_when_there_is_nothing_to_read, open_ring, close_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
