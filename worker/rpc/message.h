#ifndef WORKER_RPC_MESSAGE_H
#define WORKER_RPC_MESSAGE_H

#include <stdbool.h>

#include "shared/json/json.h"
#include "shared/json/salvage.h"

/* A message from a client, dispatchd-protocol(7): {"tid", "methodName", "collectionName", "data", "once"}. */

struct message {
    struct slice tid;        /* JSON text, as it came */
    struct slice collection; /* characters; absent: dispatcher */
    struct slice method;     /* characters; absent when missing or no string */
    struct slice once;       /* characters; absent: none */
    struct json_value data;  /* absent when missing */
    const char *fault;       /* with a usable tid: what else is wrong; NULL: nothing */
};

/** The name of the member that an answer goes to. */
extern const char message_tid_name[];

/**
 * Takes a parsed text apart. Names with escapes are unescaped into @scratch. False: it is no object or has no
 * usable tid; @fault says which.
 */
[[gnu::warn_unused_result]] bool message_read(const struct json *json, struct buffer *scratch,
                                              struct message *message, const char **fault);

/** The usable tid of a text that was refused, as JSON text, after a look for "tid" that is over; absent when there is
 * none. @scratch is for its use. */
struct slice message_salvaged_tid(const struct json *json, const struct json_salvage *salvage,
                                  struct buffer *scratch);

/** The worker's message, parsed, and its text, for who has not done with it when the call has been begun. */
struct message_kept {
    struct json json;
    struct buffer text;
};

struct worker;

/** Keeps the message being handled, if it is one that can be: values of it are then of kept->json, with the
 * same index. */
[[gnu::warn_unused_result]] bool message_keep(struct worker *worker, struct message_kept *kept);
size_t message_kept_bytes(const struct message_kept *kept);
void message_kept_free(struct message_kept *kept);

#endif
