#ifndef DAEMON_WATCHER_WATCHED_H
#define DAEMON_WATCHER_WATCHED_H

#include <dirent.h>
#include <event2/event_struct.h>
#include <sys/stat.h>

#include "shared/config/config.h"
#include "shared/watch/file_table.h"

/*
 * One declared directory, while somebody listens to it: its table of files, and what keeps that true. Nothing
 * is believed but what the file system answers when it is asked about a name (a look); inotify and the
 * listing of a directory only say which names to ask about. So it does not matter in which order events,
 * listings and what others do to the directory come. A listing (a scan) puts all that it does not find in
 * doubt; after it these are looked at, too.
 *
 * The directory is not held open, so that what it lies on can be unmounted. Whenever it is used, and once a
 * second, it is compared with the one that is watched: when another stands at its path, or none, it begins
 * anew with what is there, and the table ends in what is different.
 */

struct watched {
    const struct config *config;
    const struct config_directory *declared;
    struct event_base *base;
    unsigned listeners;        /* links */
    struct file_table *table;  /* NULL: nobody listens; nothing below is in use then */
    struct file_queue waiting; /* changed again too soon; by ->time_ms, when to look; else that is when they
                                  were looked at last */
    bool attached;             /* ->identity is of the directory that is looked at */
    struct stat identity;
    int inotify; /* -1: there is no watch: it is scanned once a second */
    struct event readable, pause;
    bool events;     /* some can be read now */
    bool lost;       /* to be attached anew */
    DIR *scan;       /* under way */
    bool scan_again; /* after that */
    bool scan_later; /* with the next check */
    bool sweeping;   /* what no scan has found is looked at; it has come to ->swept */
    uint64_t swept;
    bool whole;    /* once was scanned and swept */
    bool left_out; /* a file, for want of room */
    bool refused;  /* a look, for want of rights to the directory */
    bool said_trouble, said_full, said_name;
    int directory;   /* open during a step, else -1 */
    uint64_t now_ms; /* monotonic, of the step */
    size_t looks;    /* that this step may still do */
    uint64_t looked; /* in all */
};

void watched_init(struct watched *watched, const struct config *config, unsigned number,
                  struct event_base *base);

/** Somebody listens: the first brings a table. */
void watched_enter(struct watched *watched);

/** Somebody does not any more; with the last all is given up, the table to @graves. */
void watched_leave(struct watched *watched, struct file_table **graves);

/** Once a second while there is a table: is it still that directory? */
void watched_check(struct watched *watched);

/** Does what there is to do now, up to about @looks looks. True: there is more. */
[[gnu::warn_unused_result]] bool watched_step(struct watched *watched, uint64_t now_ms, size_t looks);

/** When the next file that waits is to be looked at, monotonic; UINT64_MAX: none waits. */
uint64_t watched_due_ms(const struct watched *watched);

/* For watched_events.c. */

/** Something happened to the file of that name: looks at it, now or when it may. */
void watched_touch(struct watched *watched, struct slice name);

/** Events were lost: everything is to be looked at. */
void watched_rescan(struct watched *watched);

/** The same within a second: who may look at its files may have changed. */
void watched_rescan_later(struct watched *watched);

#endif
