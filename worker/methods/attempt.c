#include "worker/methods/attempt.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "worker/authority/user_sets.h"
#include "worker/base/committer_link.h"
#include "worker/base/snapshot.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/method.h"
#include "worker/rpc/once.h"
#include "worker/session/session.h"

/* Each time, one of those that are in each other's way gets through: so many may meet at one document. */
enum { TRIES_MOST = 256 };

struct attempt *attempt_create(struct transaction *transaction, size_t bytes,
                               bool (*evaluate)(struct attempt *attempt, struct buffer *set))
{
    struct attempt *attempt = memory_zeroed(1, bytes);
    attempt->transaction = transaction;
    attempt->evaluate = evaluate;
    if (transaction->caller) {
        struct slice user = transaction_user(transaction);
        attempt->caller = memory_copy(user.data, user.length);
        attempt->control = transaction->caller->control;
    }
    return attempt;
}

void attempt_free(struct attempt *attempt)
{
    memory_release_text(attempt->hash);
    memory_release_text(attempt->caller);
    memory_release_text(attempt->user);
    memory_release_text(attempt->group);
    if (attempt->release)
        attempt->release(attempt);
    else
        free(attempt);
}

void attempt_begin(struct attempt *attempt, struct buffer *set, struct slice literal)
{
    struct transaction *transaction = attempt->transaction;
    if (transaction->method->access == ACCESS_UNPROTECTED)
        transaction_begin_set_for(transaction, slice_text(attempt->caller), set, ANSWER_LITERAL, literal);
    else
        transaction_begin_set(transaction, set, ANSWER_LITERAL, literal);
}

bool attempt_answer_again(struct attempt *attempt)
{
    return once_answer_again(attempt->transaction, slice_text(attempt->caller));
}

/* The same call with the same key may have been done since this one came: it is then no failure that it is
 * done. */
static bool attempt_evaluate(struct attempt *attempt, struct buffer *set)
{
    if (snapshot_take(attempt->transaction->worker))
        return !attempt_answer_again(attempt) && attempt->evaluate(attempt, set);
    transaction_fail(attempt->transaction, ERROR_INTERNAL, "%s", text_store_unreadable);
    return false;
}

/* What a set asserts is not so any more, or what it inserts is there already. */
static bool is_outdated(enum error_code code)
{
    return code == ERROR_CONFLICT || code == ERROR_NOT_FOUND || code == ERROR_EXISTS;
}

static void attempt_committed(void *argument, const struct committer_result *result)
{
    struct attempt *attempt = argument;
    struct transaction *transaction = attempt->transaction;
    if (is_outdated(result->code) && ++attempt->tries < TRIES_MOST) {
        attempt_run(attempt);
        return;
    }
    if (is_outdated(result->code))
        transaction_fail(transaction, ERROR_BUSY, "Other changes kept coming in between; try again");
    else if (result->code != ERROR_NONE)
        transaction_fail(transaction, result->code, "%.*s", (int)result->text.length, result->text.data);
    else if (!attempt->done)
        transaction_fulfill(transaction, result->text, result->seq);
    else if (attempt->done(attempt, result))
        return;
    attempt_free(attempt);
}

void attempt_run(struct attempt *attempt)
{
    struct transaction *transaction = attempt->transaction;
    struct buffer set = {0};
    enum error_code code;
    if (!attempt_evaluate(attempt, &set)) {
        attempt_free(attempt);
    } else if (!transaction_submit(transaction, buffer_slice(&set), attempt_committed, attempt, &code)) {
        transaction_fail(transaction, code, "%s", committer_link_refusal(code));
        attempt_free(attempt);
    }
    buffer_free(&set);
}

bool attempt_try(struct attempt *attempt)
{
    struct buffer set = {0};
    bool good = attempt_evaluate(attempt, &set);
    buffer_free(&set);
    if (!good)
        attempt_free(attempt);
    return good;
}

bool attempt_needs_administrator(struct attempt *attempt, struct buffer *set)
{
    transaction_need_administrator(attempt->transaction, set);
    return attempt->control || (attempt->caller && user_is_administrator(attempt->transaction->worker,
                                                                         slice_text(attempt->caller)));
}
