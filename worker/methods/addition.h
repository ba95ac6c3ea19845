#ifndef WORKER_METHODS_ADDITION_H
#define WORKER_METHODS_ADDITION_H

#include "shared/json/json.h"
#include "worker/methods/attempt.h"

/*
 * What users.add and groups.add share: the name. One that somebody had who was removed goes on standing in
 * documents; only an administrator gives it to another one, with `take_over`, which the committer logs.
 */
struct addition {
    struct attempt attempt;
    enum builtin_collection collection; /* users or groups */
    bool take_over;                     /* as in the call */
    bool takes_over;                    /* and the name was used, as of the set that is on its way */
};

/** A new attempt of @bytes (a struct with an addition at its head) for the name that is ->user or ->group of
 * it, to be set. @take_over: of the call's data. NULL: answered. */
struct addition *addition_create(struct transaction *transaction, size_t bytes,
                                 enum builtin_collection collection, struct json_value take_over,
                                 bool (*evaluate)(struct attempt *attempt, struct buffer *set));

/** Begins the set, whose answer is @answer, or says that the name was taken over; it is inserted with
 * addition_insert(). Needs a snapshot. False: the name cannot be had; answered. */
[[gnu::warn_unused_result]] bool addition_begin(struct addition *addition, struct buffer *set,
                                                struct slice answer);

void addition_insert(const struct addition *addition, struct buffer *set, struct slice body);

#endif
