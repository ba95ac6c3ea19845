#ifndef WORKER_RPC_ANSWER_H
#define WORKER_RPC_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/error_code.h"
#include "shared/base/slice.h"

/*
 * Where the answers to a call go. A transaction has one of these ways and knows no more of it; its session is
 * there whenever one of them is called. JSON texts; @after_seq is the change that goes out before.
 */

struct transaction;

struct answer_way {
    bool lasting; /* more can be sent to the caller after the answer: changes, documents of a sync */
    void (*progress)(struct transaction *transaction, struct slice data, uint64_t after_seq);
    void (*success)(struct transaction *transaction, struct slice data, uint64_t after_seq);
    void (*failure)(struct transaction *transaction, enum error_code code, struct slice message,
                    struct slice members);
    /** What keeps the answer from setting a cookie (transaction->cookie), for the client; NULL: nothing. */
    const char *(*cookie_fault)(const struct transaction *transaction);
};

/** As messages on the caller's WebSocket. */
extern const struct answer_way answer_messages;

/** As the response to the caller's HTTP request. */
extern const struct answer_way answer_http;

/** Appends {"warning":true,"code":...,"message":...}; @members are further ones, `"key":value` with commas
 * between. */
void answer_error_append(struct buffer *out, enum error_code code, struct slice message,
                         struct slice members);

#endif
