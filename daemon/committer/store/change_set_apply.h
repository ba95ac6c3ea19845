#ifndef DAEMON_COMMITTER_STORE_CHANGE_SET_APPLY_H
#define DAEMON_COMMITTER_STORE_CHANGE_SET_APPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error_code.h"
#include "shared/base/slice.h"

/*
 * Applying a change set in the open transaction.
 *
 * A set is checked as a whole (on staged copies, seeing the sets before it) before anything of it is put, so
 * a set that fails leaves nothing. A set for which there is no room is refused like any other. When there
 * was less than was reckoned nothing of the transaction remains (result.spoilt, or ERROR_STORE_FULL from
 * commit): the caller aborts and tries the sets one by one.
 */

struct writer;

enum { APPLY_MESSAGE = 400 };

struct apply_result {
    enum error_code code;        /* ERROR_NONE: applied (or already there: `once`) */
    uint64_t seq;                /* last sequence number of the set; of the store when it changed nothing */
    struct slice answer;         /* JSON, when ERROR_NONE; valid until the next store_write_begin() */
    uint32_t at_fault;           /* otherwise: which of the set's changes (see change_answer), from 1;
                                    0: none of them, as in a store that is full */
    char message[APPLY_MESSAGE]; /* and why, for the client */
    bool spoilt;                 /* LMDB failed: nothing of the transaction can remain, abort it */
    bool again;                  /* ERROR_STORE_FULL, because of the sets before it in the transaction:
                                    commit these, and apply it in another one */
};

/** Applies one set (bytes as of change_set.h). Returns result->code. @now_ms: wall clock, for expiring
 * `once`. */
enum error_code change_set_apply(struct writer *writer, struct slice set, uint64_t now_ms,
                                 struct apply_result *result);

#endif
