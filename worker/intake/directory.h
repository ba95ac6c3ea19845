#ifndef WORKER_INTAKE_DIRECTORY_H
#define WORKER_INTAKE_DIRECTORY_H

#include <sys/queue.h>

#include "shared/config/config.h"
#include "shared/watch/file_table.h"
#include "worker/base/watcher_link.h"

/*
 * A worker's copies of the watched directories: of each to which one of its connections listens, as the watcher
 * tells it. When the watcher begins anew, the copy is doubted and compared with what comes, so that it changes
 * in what is different and in nothing else.
 */

struct listener;
TAILQ_HEAD(listener_queue, listener);

struct directory {
    const struct config_directory *declared;
    struct worker *worker;
    struct file_table *table; /* NULL: nobody listens */
    unsigned listeners;
    uint32_t wanted; /* number of our LISTEN; 0: nobody listens */
    uint32_t told;   /* the watcher knows of this one */
    uint32_t asked;  /* the LISTEN that is not answered yet, before which nothing else is said; 0: none */
    bool begun;      /* it has answered it */
    bool sweeping;   /* all was told: what was not confirmed goes */
    uint64_t swept;  /* looked through up to this for what was not confirmed */
    bool whole;      /* the copy has all that is there */

    /* Of session/listening.h. */
    struct listener_queue listing, ready, blocked;
    uint64_t seen;   /* ->listing know of changes up to this */
    bool seen_whole; /* and of ->whole */
    /* The frames made last: of what lies behind @from, when @last was the last change, up to @to. */
    struct {
        struct buffer frames;
        uint64_t from, to, last, began;
        bool sync;
    } made;
};

struct directories;

struct directories *directory_all_create(struct worker *worker);
void directory_all_free(struct directories **directories);

/** Of the watcher's link. */
extern const struct watcher_link_events directory_link_events;

/** The one that is declared so; NULL: none. */
struct directory *directory_find(const struct worker *worker, struct slice name);

/** All of them: the @number-th; NULL: there are no more. */
struct directory *directory_at(const struct worker *worker, size_t number);

/** A connection listens: the first brings a copy. */
void directory_enter(struct directory *directory);
/** One does not any more; the copy goes with the last. */
void directory_leave(struct directory *directory);

/** Does what there is to do for the copies in this pass. True: there is more. */
[[gnu::warn_unused_result]] bool directory_step(struct worker *worker);

#endif
