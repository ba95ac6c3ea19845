#ifndef DAEMON_COMMITTER_INTAKE_H
#define DAEMON_COMMITTER_INTAKE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/ipc/committer_messages.h"
#include "shared/ring/ring.h"

/*
 * The committer's links to the workers, committer_messages.h: bytes in, sets out; results in, bytes out. A
 * link whose results are not yet written out gives no sets: a worker that has not read what became of its
 * sets cannot lose track of them when the committer dies, since only the results of the last batch are
 * stored.
 */

struct link {
    int fd;
    unsigned slot;
    uint64_t incarnation;  /* of the worker, when greeted */
    bool greeted;          /* its HELLO has been read */
    bool ended;            /* nothing more can be read from it */
    struct buffer in;      /* what has been read */
    size_t taken;          /* bytes of ->in that were given out; gone with intake_release() */
    struct buffer out;     /* what is to be written */
    size_t written;        /* bytes of ->out that are */
    struct buffer results; /* apply.c: the batch's results, as they are stored: incarnation, messages */
    size_t settled;        /* bytes of ->results that no later failure takes back */
};

struct intake {
    struct link *links[RING_WORKERS];
    unsigned count; /* of ->links */
    unsigned turn;  /* the link that is asked first, so that none starves another */
};

/** Takes over @fd as the link to the worker in @slot; an older link of that slot is dropped. */
void intake_add(struct intake *intake, unsigned slot, int fd);

/** Fills @polled (room for RING_WORKERS) with what to wait for; returns how many it filled. */
unsigned intake_poll(const struct intake *intake, struct pollfd *polled);

/** Reads and writes what poll(2) said is possible. @polled: from intake_poll(), with no call in between. */
void intake_move(struct intake *intake, const struct pollfd *polled);

/** Whether a greeting or a set can be taken without waiting. */
bool intake_has_work(const struct intake *intake);

/** A link whose HELLO has come but was not answered; NULL: none. The caller appends to ->out, then
 * intake_flush(). */
struct link *intake_next_greeting(struct intake *intake);

/** The next set, one link after the other. False: none. @set points into the link until intake_release(). */
bool intake_next_set(struct intake *intake, struct link **link, uint64_t *id, struct slice *set);

/** After a batch: forgets the sets that were given out, and the links that have ended and have no more. */
void intake_release(struct intake *intake);

/** Writes ->out as far as the worker takes it now. */
void intake_flush(struct link *link);

void intake_close(struct intake *intake);

#endif
