#ifndef TESTS_MASTER_PLACE_H
#define TESTS_MASTER_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/base/clock.h"
#include "shared/config/config.h"

/*
 * The master as a whole, seen from outside: real sockets, real children (of stub_children.c), real signals,
 * and a directory with all that it makes.
 */

enum { PATIENCE_MS = 20000, STEP_US = 5000 };

struct place {
    char directory[64];
    char log[96], control[96], pid_file[96], said[96];
    struct config *config;
    pid_t master;
};

#define WAIT_UNTIL(condition)                                                                                \
    do {                                                                                                     \
        uint64_t wait_deadline = clock_monotonic_ms() + PATIENCE_MS;                                         \
        while (!(condition)) {                                                                               \
            assert_true(clock_monotonic_ms() < wait_deadline);                                               \
            usleep(STEP_US);                                                                                 \
        }                                                                                                    \
    } while (0)

struct greeting {
    unsigned slot;
    int pid;
    unsigned kind;
};

int place_set_up(void **state);
int place_tear_down(void **state);

/** An option of ->config, before the start. */
void place_set_option(struct config *config, const char *name, const char *value);

/** A master, in a process of its own. */
void place_start(struct place *place);
/** Waits for the master's end; the status of waitpid(2). */
int place_wait_for_end(struct place *place);
/** It ends with 0, and its files are gone. */
void place_assert_ended_well(struct place *place);
/** It ends with 1, and says @line in the one line that it writes. */
void place_assert_refused(struct place *place, const char *line);

/** -1: it cannot. */
int place_connect_control(const struct place *place);
/** Says @line over the control socket. False: there is no answer. */
bool place_ask(const struct place *place, const char *line, char *answer, size_t capacity);
/** The number after "KEY": at its @nth place (from 0) in the status. */
long place_status_number(const struct place *place, const char *key, unsigned nth);
/** How many are ready; 0 when there is no answer. */
unsigned place_ready_children(const struct place *place);

/** A committer and two workers, and the listening socket is open. */
void place_wait_until_ready(const struct place *place);

int place_connect_client(const struct place *place);

/** What a worker says to each connection that it is given. */
struct greeting stub_greeting(int fd);
/** What a worker answers to one of the letters of stub_children.c. */
long stub_ask(int fd, const char *letter);
void stub_assert_closed(int fd);
/** Reads one line, or to the end. The length without the line feed; -1: the end, or nothing came. */
int place_read_line(int fd, char *out, size_t capacity);

#endif
