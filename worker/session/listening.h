#ifndef WORKER_SESSION_LISTENING_H
#define WORKER_SESSION_LISTENING_H

#include "worker/base/job.h"
#include "worker/intake/directory.h"
#include "worker/session/session.h"

/*
 * Sessions that listen to watched directories. A listener is a place in the worker's copy of the directory
 * (file_table.h): it was told of all changes up to there, and what comes behind is what it has not got yet. So
 * a client that reads slowly is behind, and nothing is kept for it. When its place is not in the table's memory
 * any more it begins anew, and its client is told so.
 *
 * At first it lists: its call's job sends what is there. Then it is among the directory's ready ones, in front
 * of all that have been told of everything, or blocked, while its client does not read.
 */

struct listener {
    TAILQ_ENTRY(listener) queue; /* one of the directory's */
    SLIST_ENTRY(listener) of_session;
    struct session *session;
    struct directory *directory;
    struct listener_queue *in; /* in which it is */
    uint64_t cursor;           /* told up to this */
    uint64_t began;            /* the last change when the telling began, from 0 */
    uint64_t mark;             /* while it lists: so far in this round */
    unsigned rounds;
    struct job *lister; /* that lists; NULL: it has ended */
};

/** The session's listener to the directory; NULL: it does not listen. */
struct listener *listening_find(const struct session *session, const struct directory *directory);

/** Whether the session may listen to it. */
bool listening_may(const struct session *session, const struct directory *directory);

/** The session, which does not listen to it, begins to list it with @lister, which is woken when there may be
 * more to list, or the listener has ended. */
struct listener *listening_begin(struct session *session, struct directory *directory, struct job *lister);

/** The session listens no more. */
void listening_end(struct listener *listener);
void listening_end_all(struct session *session);

enum listening_step {
    LISTENING_MORE,  /* there may be more in a moment */
    LISTENING_WAITS, /* the lister is woken */
    LISTENING_LISTED /* the client has all; it is told of changes from here on, and the lister is forgotten */
};

/** Sends the next files of the first listing. */
[[gnu::warn_unused_result]] enum listening_step listening_list(struct listener *listener);

/** The session's rights are others now: what it may not listen to any more ends, and it is told. */
void listening_review(struct session *session);

/** Its client has read. */
void listening_drained(struct session *session);

/** Tells listeners what has changed, as far as this pass goes. True: there is more to tell. */
[[gnu::warn_unused_result]] bool listening_run(struct worker *worker);

/** Once a second: listers look again whether they should wait any longer. */
void listening_tick(struct worker *worker);

#endif
