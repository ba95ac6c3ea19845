/* listen, unlisten: watched directories. */

#include <stdlib.h>

#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "worker/base/watcher_link.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"
#include "worker/session/listening.h"

static const char text_ended[] = "Listening has ended before all files were listed";
static const char text_no_watcher[] = "Directories cannot be watched now; try again";

/* The first listing of a directory on a connection, and the calls that wait for its end: the first of them,
 * and those that asked for the same meanwhile. */
struct listing {
    struct job job;
    struct directory *directory;
    struct transaction *transaction; /* the first */
    struct transaction **others;
    size_t other_count;
};

/* False: answered. */
static bool read_name(struct transaction *transaction, struct json_value data, struct directory **directory)
{
    static const char *const keys[] = {"name"};
    struct worker *worker = transaction->worker;
    struct slice name;
    if (!params_object(transaction, data, keys) ||
        !params_text(transaction, json_member(data, SLICE("name")), "name", 1, COLLECTION_NAME_BYTES,
                     &worker->scratch, &name))
        return false;
    *directory = directory_find(worker, name);
    if (!*directory)
        transaction_fail(transaction, ERROR_NOT_FOUND, "There is no watched directory %.*s", (int)name.length,
                         name.data);
    return *directory != NULL;
}

static void fail_call(struct transaction *transaction, const struct directory *directory)
{
    const struct session *session = transaction->session;
    transaction->job = NULL;
    if (!transaction_is_callers(transaction))
        transaction_fail(transaction, ERROR_UNAVAILABLE, "%s", text_other_login);
    else if (!listening_may(session, directory))
        transaction_fail(transaction, ERROR_FORBIDDEN, "%s", text_other_rights);
    else if (watcher_link_is_given_up(transaction->worker->watcher))
        transaction_fail(transaction, ERROR_UNAVAILABLE, "%s", text_no_watcher);
    else
        transaction_fail(transaction, ERROR_UNAVAILABLE, "%s", text_ended);
}

static void fulfill_call(struct transaction *transaction)
{
    transaction->job = NULL;
    transaction_fulfill(transaction, SLICE("null"), 0);
}

static enum job_state answer_all(struct listing *listing, bool listed)
{
    for (size_t i = 0; i <= listing->other_count; i++) {
        struct transaction *each = i ? listing->others[i - 1] : listing->transaction;
        if (listed)
            fulfill_call(each);
        else
            fail_call(each, listing->directory);
    }
    listing->transaction = NULL;
    listing->other_count = 0;
    return JOB_DONE;
}

/* The listener that this job lists for; NULL: it has ended, whatever the session listens to now. */
static struct listener *listener_of(struct listing *listing)
{
    struct transaction *transaction = listing->transaction;
    struct listener *listener =
        transaction_is_callers(transaction) ? listening_find(transaction->session, listing->directory) : NULL;
    return listener && listener->lister == &listing->job ? listener : NULL;
}

static enum job_state listing_step(struct job *job)
{
    struct listing *listing = CONTAINER_OF(job, struct listing, job);
    struct worker *worker = listing->transaction->worker;
    struct listener *listener = listener_of(listing);
    if (!listener)
        return answer_all(listing, false);
    if (!authority_is_current(worker->authority))
        return JOB_LATER;
    if (!listening_may(listener->session, listing->directory) || watcher_link_is_given_up(worker->watcher)) {
        listener->lister = NULL;
        listening_end(listener);
        return answer_all(listing, false);
    }
    if (!transaction_may_go_on(listing->transaction))
        return JOB_BLOCKED;
    switch (listening_list(listener)) {
    case LISTENING_MORE:
        return JOB_MORE;
    case LISTENING_WAITS:
        return JOB_BLOCKED;
    case LISTENING_LISTED:
        break;
    }
    return answer_all(listing, true);
}

static void listing_free(struct job *job)
{
    struct listing *listing = CONTAINER_OF(job, struct listing, job);
    if (listing->transaction)
        (void)answer_all(listing, false);
    free(listing->others);
    free(listing);
}

static void wait_too(struct listing *listing, struct transaction *transaction)
{
    listing->others = memory_resize(listing->others, listing->other_count + 1, sizeof *listing->others);
    listing->others[listing->other_count++] = transaction;
}

static const char *permission_name(const struct directory *directory)
{
    return directory->worker->config->permissions[directory->declared->read];
}

static void listen_directory(struct transaction *transaction, struct json_value data)
{
    struct worker *worker = transaction->worker;
    struct session *session = transaction->session;
    struct directory *directory;
    if (!read_name(transaction, data, &directory))
        return;
    if (!listening_may(session, directory)) {
        transaction_fail(transaction, ERROR_FORBIDDEN, "You need the permission %s",
                         permission_name(directory));
        return;
    }
    struct listener *listener = listening_find(session, directory);
    if (listener && !listener->lister) {
        fulfill_call(transaction);
        return;
    }
    if (listener) {
        wait_too(CONTAINER_OF(listener->lister, struct listing, job), transaction);
        return;
    }
    struct listing *listing = memory_zeroed(1, sizeof *listing);
    listing->job.step = listing_step;
    listing->job.free = listing_free;
    listing->directory = directory;
    listing->transaction = transaction;
    transaction->job = &listing->job;
    (void)listening_begin(session, directory, &listing->job);
    job_start(worker->jobs, &listing->job);
}

static void unlisten_directory(struct transaction *transaction, struct json_value data)
{
    struct directory *directory;
    if (!read_name(transaction, data, &directory))
        return;
    struct listener *listener = listening_find(transaction->session, directory);
    if (listener)
        listening_end(listener);
    transaction_fulfill(transaction, SLICE("null"), 0);
}

static const struct method methods[] = {
    {"listen", ACCESS_LASTING, listen_directory, UNDECLARED},
    {"unlisten", ACCESS_LASTING, unlisten_directory, UNDECLARED},
};

const struct method_table listen_methods = {methods, sizeof methods / sizeof *methods};
