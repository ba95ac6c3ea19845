#ifndef SHARED_IPC_COMMITTER_MESSAGES_H
#define SHARED_IPC_COMMITTER_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/error_code.h"

/*
 * The stream between a worker and the committer. Each message: u32 length of what follows, u8 type, body;
 * integers little-endian. A link begins with the worker's HELLO; the committer answers with every RESULT of
 * that incarnation that it (or its predecessor) committed last, then WELCOME. Then SETs one way and RESULTs
 * the other, in any number. A worker whose link ends reads it to the end, and when the master has given it a
 * new one, says HELLO again: its sets that have a RESULT before WELCOME were committed; the others were not,
 * and their callers get `unavailable`. The committer takes no set from a worker that has not read the results
 * of its previous ones.
 */

enum committer_message_type {
    COMMITTER_HELLO = 1, /* u32 slot, u64 incarnation (random for each worker process) */
    COMMITTER_SET,       /* u64 id (increasing within an incarnation), the change set */
    COMMITTER_RESULT,    /* struct committer_result */
    COMMITTER_WELCOME,   /* nothing */
};

struct committer_result {
    uint64_t id;
    enum error_code code;
    uint64_t seq;      /* the caller's answer may go out when this change has been dispatched */
    uint32_t at_fault; /* struct apply_result's; 0: no change of the set */
    struct slice text; /* the answer's JSON, or the error's message */
};

enum {
    COMMITTER_MESSAGE_MOST = 1024 * 1024 * 1024, /* longer: the link is broken */
    COMMITTER_SET_MOST = 320 * 1024 * 1024 /* of one set; its answer has not three times as many bytes */
};

void committer_hello_append(struct buffer *out, uint32_t slot, uint64_t incarnation);
void committer_set_append(struct buffer *out, uint64_t id, struct slice set);
void committer_result_append(struct buffer *out, const struct committer_result *result);
void committer_welcome_append(struct buffer *out);

/** Takes one whole message off the front of @bytes (moves ->data on). 1: taken, @type and @body are set; 0:
 * not whole yet; -1: malformed. */
[[gnu::warn_unused_result]] int committer_message_take(struct slice *bytes, enum committer_message_type *type,
                                                       struct slice *body);

/* Read a body; false: malformed. */
[[gnu::warn_unused_result]] bool committer_hello_read(struct slice body, uint32_t *slot,
                                                      uint64_t *incarnation);
[[gnu::warn_unused_result]] bool committer_set_read(struct slice body, uint64_t *id, struct slice *set);
[[gnu::warn_unused_result]] bool committer_result_read(struct slice body, struct committer_result *result);

#endif
