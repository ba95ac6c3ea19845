#ifndef DAEMON_COMMITTER_STORE_ROOM_H
#define DAEMON_COMMITTER_STORE_ROOM_H

#include "shared/store/environment.h"

/*
 * How much room there is, in the map and on the disk, and what the last of it is kept for. Ordinary changes
 * and answers that are remembered of what changed nothing (`once`) leave a reserve. What logging in and out
 * writes may use this down to half of it. Removals may use all: they copy pages before they free any. So
 * whoever may log in can still do so when the store is full, and clean up.
 *
 * What a set needs is reckoned before anything of it is put: twice its bytes (a page of LMDB's is half empty
 * at worst), and the pages that are copied because it changes something in them.
 *
 * On the disk the reserve is blocks that the file system keeps beyond the end of the file, where it can. When
 * it has none left to keep, the disk is full, and it is as if the map were.
 */

struct room {
    uint64_t page_bytes;
    uint64_t used, map; /* as of the last commit: bytes of the file up to its last page; bytes mapped */
    uint64_t kept;      /* bytes of the file for which the disk has blocks; 0: not known yet; UINT64_MAX: the
                           file system keeps none */
    /* of the transaction */
    bool disk_full;            /* the disk has no more blocks to keep */
    uint64_t free, looked_for; /* bytes in LMDB's free pages: counting stopped after ->looked_for of them */
    uint64_t taken;            /* what its sets need */
};

struct writer;

/** After the environment was opened for writing: when hardly a page is left the map is made larger than
 * map_bytes, so that the store comes up and can be cleaned up. An error of LMDB. */
[[gnu::warn_unused_result]] int room_open(struct store *store);

/** A transaction has begun. */
void room_begin(struct writer *writer);

enum room_verdict {
    ROOM_ENOUGH,
    ROOM_LATER, /* not in this transaction, with what other sets take; probably in one of its own */
    ROOM_NONE
};

/** Whether what the writer has staged may be put; @answer is the set's, @once whether it is remembered. */
enum room_verdict room_take(struct writer *writer, struct slice answer, bool once);

#endif
