#ifndef TESTS_UNIT_DAEMON_WATCHER_WATCHED_FIXTURE_H
#define TESTS_UNIT_DAEMON_WATCHER_WATCHED_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/watcher/watched.h"

/* A directory of the test's own that is watched, and the time, which is the test's. */
struct fixture {
    char path[64];
    struct config *config;
    struct event_base *base;
    struct watched watched;
    struct file_table *graves;
    uint64_t now_ms;
};

int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/** Makes the file, of so many bytes. */
void fixture_write(const struct fixture *fixture, const char *name, size_t bytes);
void fixture_remove(const struct fixture *fixture, const char *name);

/** Takes in what has happened, until nothing is left to do at this moment. */
void fixture_settle(struct fixture *fixture);

/** The table has exactly this many files, ... */
void fixture_expect_count(const struct fixture *fixture, size_t count);
/** ... and this one of so many bytes. */
void fixture_expect(const struct fixture *fixture, const char *name, uint64_t bytes);

#endif
