#ifndef TESTS_COMMITTER_FIXTURE_H
#define TESTS_COMMITTER_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shared/base/buffer.h"
#include "shared/ipc/committer_messages.h"
#include "shared/ipc/inheritance.h"
#include "shared/store/change_set.h"
#include "shared/store/read.h"

/* A committer process with a real store and ring; the test is its master and all its workers. Every function
 * fails the test when what it waits for does not come. */

enum { FIXTURE_LINKS = 4, FIXTURE_RESULTS = 4096 };

struct fixture {
    char directory[64];
    struct config *config;
    struct inheritance inheritance;
    struct ring_cursor cursor;
    pid_t pid;
    int orders;               /* the master's end */
    int links[FIXTURE_LINKS]; /* the workers' ends, by slot; -1: none */
    struct buffer in[FIXTURE_LINKS];
    uint64_t next_id;
    struct buffer text; /* what slices given out point to */
};

static inline struct scoreboard_committer *fixture_row(struct fixture *fixture)
{
    return &fixture->inheritance.scoreboard->committer;
}

int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/** Starts a committer that calls @after_commit between commit and publish, and waits until it is ready. */
void fixture_start(struct fixture *fixture, void (*after_commit)(void));

/** The same, for one that cannot start: returns its last words. */
const char *fixture_start_failing(struct fixture *fixture);

/** Waits for its end; returns the status of waitpid(2). */
int fixture_wait_end(struct fixture *fixture);

/** Orders it to stop and asserts that it exits with 0. */
void fixture_stop(struct fixture *fixture);

/** Gives both sides a link. The worker's side is blocking. */
void fixture_link(struct fixture *fixture, unsigned slot);
void fixture_hello(struct fixture *fixture, unsigned slot, uint64_t incarnation);

/** Links, greets and reads the welcome; returns how many results came before it. */
unsigned fixture_join(struct fixture *fixture, unsigned slot, uint64_t incarnation);

struct seen_result {
    uint64_t id;
    enum error_code code;
    uint64_t seq;
    uint32_t at_fault;
    char text[512];
};

/** Reads the next message: true: a result; false: the welcome, or, with @ended set, the end of the link. */
bool fixture_read(struct fixture *fixture, unsigned slot, struct seen_result *result, bool *ended);

/** A result must be next. */
struct seen_result fixture_result(struct fixture *fixture, unsigned slot);

/** Appends one change to a set of one, with the answer [{"_id","_version"}]. Sets of several: see
 * change_set.h. */
void fixture_set(struct buffer *out, enum change_operation operation, const char *collection, const char *id,
                 const char *body);

/** Sends a set; returns its id. */
uint64_t fixture_send(struct fixture *fixture, unsigned slot, const struct buffer *set);

/** Makes a set of one change, sends it, returns its id. */
uint64_t fixture_send_one(struct fixture *fixture, unsigned slot, enum change_operation operation,
                          const char *collection, const char *id, const char *body);

/** The same, and its result, which must be good. */
struct seen_result fixture_do(struct fixture *fixture, unsigned slot, enum change_operation operation,
                              const char *collection, const char *id, const char *body);

struct seen_record {
    uint64_t seq;
    uint64_t version;
    unsigned collection;
    char id[64];
    bool was, is; /* tags before and after are there */
    bool fetch;
    char update[512]; /* the frames' bytes without the header; empty: none */
    char remove[512];
};

/** The next record of the ring. False: there is none now. */
bool fixture_ring_next(struct fixture *fixture, struct seen_record *record);

/** The committer's pass has come to an end: whatever it was given is read. For use while it is stopped. */
void fixture_pause(struct fixture *fixture);
void fixture_resume(struct fixture *fixture);

/** Opens the store for reading; close it with store_close(). */
struct store *fixture_store(struct fixture *fixture);

/** Whether a document is in the store. */
bool fixture_has(struct fixture *fixture, const char *collection, const char *id);

#endif
