/*
 * A producer that dies at every step: it is run one instruction at a time, and each different state of the
 * shared memory on its way is one that a kill can leave behind. In each of them readers must find all or
 * nothing of what it was publishing, and a new producer must be able to go on.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/base/memory.h"
#include "shared/ring/layout.h"
#include "tests/unit/shared/ring/records.h"

enum {
    MEMORY = RING_DATA + RING_LEAST_BYTES,
    STATES_MOST = 4000,
    STEPS_MOST = 400000,
    WORKERS = 3,
    BEHIND = 10
};

struct scene {
    struct ring *ring;        /* where the producer dies */
    struct ring *left;        /* what it leaves behind */
    struct ring_cursor ready; /* has read everything that was published */
    struct ring_cursor behind[BEHIND];
    unsigned behind_count;
    uint64_t seq; /* last published */
    size_t length;
    unsigned states, published;
};

static struct made_record made, copied;

static void produce(struct ring *ring, uint64_t seq, size_t length)
{
    ring_append(ring, make_record(&made, seq, length));
}

/* Reads on until nothing is left; returns the sequence number it came to, 0 when it was overrun. */
static uint64_t read_on(struct ring_cursor *cursor)
{
    struct ring_record record;
    enum ring_result result;
    while ((result = ring_read(cursor, &record)) == RING_OK) {
        uint64_t expected = cursor->seq + 1;
        copy_record(&copied, &record);
        if (ring_confirm(cursor) == RING_OVERRUN)
            return 0;
        assert_int_equal(copied.record.seq, expected);
        assert_true(is_whole(&copied.record));
    }
    return result == RING_OVERRUN ? 0 : cursor->seq;
}

/* As after a fork: a producer that knows only what is in the shared memory. */
static void become_new_producer(struct ring *ring)
{
    ring->producing = false;
    ring->tail = ring->tail_seq = 0;
}

static void check_what_is_left(struct scene *scene)
{
    struct ring *left = scene->left;
    uint64_t seq = ring_last_seq(left);
    assert_true(seq == scene->seq || seq == scene->seq + 2); /* all or nothing */
    scene->published += seq > scene->seq;
    scene->states++;

    struct ring_cursor ready = scene->ready, late, again;
    ready.ring = left;
    again = ready;
    assert_int_equal(read_on(&again), seq);
    for (unsigned i = 0; i < scene->behind_count; i++) {
        struct ring_cursor behind = scene->behind[i];
        behind.ring = left;
        uint64_t came_to = read_on(&behind);
        assert_true(came_to == 0 || came_to == seq);
    }

    become_new_producer(left);
    ring_start(left, 999999);
    ring_cursor_start(&late, left);
    assert_int_equal(late.seq, seq);
    produce(left, seq + 1, scene->length);
    ring_publish(left);
    produce(left, seq + 2, 10);
    ring_publish(left);
    assert_int_equal(read_on(&ready), seq + 2);
    assert_int_equal(read_on(&late), seq + 2);
    for (unsigned i = 0; i < scene->behind_count; i++) {
        struct ring_cursor behind = scene->behind[i];
        behind.ring = left;
        uint64_t came_to = read_on(&behind);
        assert_true(came_to == 0 || came_to == seq + 2);
    }
}

static pid_t start_producer(struct scene *scene)
{
    static struct made_record first, second; /* made before the steps are counted */
    make_record(&first, scene->seq + 1, scene->length);
    make_record(&second, scene->seq + 2, scene->length / 3);
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(3);
        raise(SIGSTOP);
        ring_append(scene->ring, &first.record);
        ring_append(scene->ring, &second.record);
        ring_publish(scene->ring);
        kill(getpid(), SIGSTOP); /* the parent kills it here */
        _exit(4);
    }
    return child;
}

/* Steps through the producer; false when this machine does not let us trace. */
static bool step_through(struct scene *scene)
{
    pid_t child = start_producer(scene);
    assert_true(child > 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
        return false;
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);

    char *last = memory_zeroed(1, MEMORY);
    unsigned steps = 0;
    do {
        if (memcmp(last, scene->ring->shared, MEMORY) != 0) {
            memcpy(last, scene->ring->shared, MEMORY);
            memcpy(scene->left->shared, last, MEMORY);
            check_what_is_left(scene);
        }
        assert_true(++steps < STEPS_MOST && scene->states < STATES_MOST);
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSTOPPED(status));
    } while (WSTOPSIG(status) == SIGTRAP);
    assert_int_equal(WSTOPSIG(status), SIGSTOP);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    free(last);
    return true;
}

/* Fills the ring up to the position @until, with readers at some records of the last round. */
static void prepare(struct scene *scene, uint64_t until)
{
    struct ring_cursor cursor;
    ring_start(scene->ring, 0);
    ring_cursor_start(&cursor, scene->ring);
    while (ring_head(scene->ring) < until) {
        if (scene->seq % 6 == 0)
            ring_cursor_start(&scene->behind[scene->behind_count++ % BEHIND], scene->ring);
        produce(scene->ring, ++scene->seq, 900);
        ring_publish(scene->ring);
    }
    if (scene->behind_count > BEHIND)
        scene->behind_count = BEHIND;
    ring_cursor_start(&scene->ready, scene->ring);
}

static void die_at_every_step(uint64_t until, size_t length)
{
    struct scene scene = {.length = length};
    scene.ring = ring_create(RING_LEAST_BYTES);
    scene.left = ring_create(RING_LEAST_BYTES);
    assert_true(scene.ring && scene.left);
    prepare(&scene, until);
    become_new_producer(scene.ring);
    bool traced = step_through(&scene);
    ring_close(&scene.ring);
    ring_close(&scene.left);
    if (!traced) {
        print_message("not allowed to trace here\n");
        skip();
    }
    assert_in_range(scene.published, 1, scene.states - 10);
}

static void dies_in_an_empty_ring(void **state)
{
    (void)state;
    die_at_every_step(0, 300);
}

static void dies_in_the_second_round(void **state)
{
    (void)state;
    die_at_every_step(RING_LEAST_BYTES + 5000, 1200);
}

static void dies_at_the_end_of_the_data(void **state)
{
    (void)state;
    die_at_every_step(3 * RING_LEAST_BYTES - 2200, 2500);
}

static void dies_after_more_than_the_ring_holds(void **state)
{
    (void)state;
    struct ring *ring = ring_create(RING_LEAST_BYTES);
    assert_non_null(ring);
    ring_start(ring, 0);
    produce(ring, 1, 900);
    ring_publish(ring);
    struct ring_cursor ready;
    ring_cursor_start(&ready, ring);
    for (uint64_t seq = 2; seq < 300; seq++)
        produce(ring, seq, 900);
    become_new_producer(ring);
    ring_start(ring, 299);
    for (uint64_t seq = 2; seq < 10; seq++)
        produce(ring, seq, 800);
    ring_publish(ring);
    assert_int_equal(read_on(&ready), 9);
    ring_close(&ring);
}

/* Between taking a flag down and writing the eventfd: the successor wakes everybody. */
static void dies_before_it_has_woken_those_who_sleep(void **state)
{
    (void)state;
    struct ring *ring = ring_create(RING_LEAST_BYTES);
    assert_non_null(ring);
    assert_true(ring_wakeup_open(ring, WORKERS));
    ring_start(ring, 0);
    for (unsigned slot = 0; slot < WORKERS; slot++)
        ring_awake(ring, slot);
    become_new_producer(ring);
    ring_start(ring, 0);
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        uint64_t count;
        assert_int_equal(read(ring_wakeup_fd(ring, slot), &count, sizeof count), sizeof count);
    }
    ring_close(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dies_in_an_empty_ring),
        cmocka_unit_test(dies_in_the_second_round),
        cmocka_unit_test(dies_at_the_end_of_the_data),
        cmocka_unit_test(dies_after_more_than_the_ring_holds),
        cmocka_unit_test(dies_before_it_has_woken_those_who_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
