#ifndef WORKER_METHODS_ATTEMPT_H
#define WORKER_METHODS_ATTEMPT_H

#include "shared/ipc/committer_messages.h"
#include "worker/rpc/transaction.h"

/*
 * A call whose change set rests on what the store says now: that somebody exists, is a member, is not the
 * last one. The set asserts what it rests on, so it is right whatever commits before it; when something did,
 * the committer refuses it and it is evaluated anew. The caller never sees a `conflict` that is not of its
 * making.
 */
struct attempt {
    struct transaction *transaction;
    char *caller; /* who called, whoever that connection is later, and whose the key of `once` is; NULL:
                     nobody had logged in, and the key is not used */
    bool control; /* it is the control socket */

    /** Fills @set (begun with attempt_begin()) from the snapshot that is there. False: it answered the
     * call. */
    bool (*evaluate)(struct attempt *attempt, struct buffer *set);
    /** The set was committed: answers, or goes on with attempt_run(). Returns whether it does the latter.
     * NULL: the result is the answer. */
    bool (*done)(struct attempt *attempt, const struct committer_result *result);
    /** Frees what contains the attempt and what else is in there. NULL: free(3). */
    void (*release)(struct attempt *attempt);

    /* Whom or what the call is about, as far as it has these; allocated. What else a method keeps for its
     * call is in a struct of its own, with the attempt at its head. */
    char *user, *group;
    char *hash; /* of a password: see password_then_run() */
    unsigned tries;
};

/** A new attempt of @bytes (a struct with an attempt at its head, zeroed after it). */
struct attempt *attempt_create(struct transaction *transaction, size_t bytes,
                               bool (*evaluate)(struct attempt *attempt, struct buffer *set));

/** Begins a set whose answer is @literal, with the `once` of the call. */
void attempt_begin(struct attempt *attempt, struct buffer *set, struct slice literal);

/** Answers with what was remembered under the key of `once`. False: nothing is. Needs a snapshot. */
[[gnu::warn_unused_result]] bool attempt_answer_again(struct attempt *attempt);

/** Evaluates and commits; then frees the attempt, at once or later. */
void attempt_run(struct attempt *attempt);

/** Evaluates and drops the set: whether the call would be answered with a failure already now, before costly
 * work. False: it was, and the attempt is freed. */
[[gnu::warn_unused_result]] bool attempt_try(struct attempt *attempt);

/** Frees an attempt that is not run. Its secrets are overwritten. */
void attempt_free(struct attempt *attempt);

/** Whether the caller is in the group administrator now, or is local control; @set, which has been begun,
 * says that it must be then, too. Needs a snapshot. */
[[nodiscard]] bool attempt_needs_administrator(struct attempt *attempt, struct buffer *set);

#endif
