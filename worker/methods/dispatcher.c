/* The methods of `dispatcher` itself. */

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/ipc/status.h"
#include "worker/methods/resume.h"
#include "worker/methods/sync.h"
#include "worker/rpc/access.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"
#include "worker/session/listening.h"
#include "worker/session/session.h"

/* Reads a list of names of collections into flags by index. False: answered. */
static bool read_collections(struct transaction *transaction, struct json_value names, bool *flags)
{
    if (json_type(names) != JSON_ARRAY) {
        transaction_fail(transaction, ERROR_INVALID,
                         "collections: expected a list of names or null, found %s",
                         json_type_name(json_type(names)));
        return false;
    }
    struct json_iterator each = json_begin(names);
    while (json_step(&each)) {
        struct slice name = json_string(each.value, &transaction->worker->scratch);
        const struct config_collection *collection =
            name.data ? config_collection(transaction->worker->config, name) : NULL;
        if (!collection || collection->internal) {
            transaction_fail(transaction, ERROR_INVALID, "collections: there is no collection %.*s",
                             (int)name.length, name.data ? name.data : "");
            return false;
        }
        flags[collection->index] = true;
    }
    return true;
}

static void subscribe_collections(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"collections"};
    struct session *session = transaction->session;
    struct json_value names = json_member(data, SLICE("collections"));
    bool *flags = NULL;
    if (!params_object(transaction, data, keys))
        return;
    if (json_type(names) == JSON_NONE) {
        transaction_fail(transaction, ERROR_INVALID,
                         "collections: expected a list of names or null, found nothing");
        return;
    }
    if (json_type(names) != JSON_NULL) {
        flags = memory_zeroed(COLLECTION_LIMIT, sizeof *flags);
        if (!read_collections(transaction, names, flags)) {
            free(flags);
            return;
        }
    }
    session_subscribe(session, flags);
    transaction_fulfill(transaction, SLICE("null"), 0);
}

struct description {
    const struct account *account;
    const struct config_collection *collection;
    struct buffer *out;
    bool first;
};

static void describe_method(const struct method *method, void *argument)
{
    struct description *description = argument;
    if (!access_allows(description->account, description->collection, method))
        return;
    if (!description->first)
        buffer_append_byte(description->out, ',');
    description->first = false;
    json_append_string(description->out, slice_text(method->name));
}

static void describe_collection(struct buffer *out, const struct account *account,
                                const struct config_collection *collection, bool *first)
{
    struct buffer names = {0};
    struct description description = {account, collection, &names, true};
    method_each(collection, describe_method, &description);
    if (names.length) {
        if (!*first)
            buffer_append_byte(out, ',');
        *first = false;
        json_append_string(out, slice_text(collection ? collection->name : "dispatcher"));
        buffer_append_slice(out, SLICE(":{\"methods\":["));
        buffer_append_slice(out, buffer_slice(&names));
        buffer_append_slice(out, SLICE("]}"));
    }
    buffer_free(&names);
}

static void describe_limits(struct buffer *out, const struct config *config)
{
    buffer_append_format(
        out,
        "{\"message_bytes\":%llu,\"document_bytes\":%llu,\"calls_in_flight\":%llu,"
        "\"result_bytes\":%llu,\"bulk_documents\":%llu}",
        (unsigned long long)config->limits.message_bytes, (unsigned long long)config->limits.document_bytes,
        (unsigned long long)config->limits.calls_in_flight, (unsigned long long)config->limits.result_bytes,
        (unsigned long long)config->limits.bulk_documents);
}

static void describe_directories(struct buffer *out, const struct session *session)
{
    const struct directory *directory;
    const char *between = "";
    buffer_append_byte(out, '[');
    for (size_t i = 0; (directory = directory_at(session->worker, i)); i++) {
        if (!listening_may(session, directory))
            continue;
        buffer_append_text(out, between);
        json_append_string(out, slice_text(directory->declared->name));
        between = ",";
    }
    buffer_append_byte(out, ']');
}

static void describe_methods(struct transaction *transaction, struct json_value data)
{
    struct worker *worker = transaction->worker;
    const struct account *account = transaction->session->login.account;
    if (!params_none(transaction, data))
        return;
    struct buffer out = {0};
    bool first = true;
    buffer_append_slice(&out, SLICE("{\"version\":\"" DISPATCHD_VERSION "\",\"protocol\":1,\"user\":"));
    json_append_string(&out, session_user(transaction->session));
    buffer_append_slice(&out, SLICE(",\"collections\":{"));
    describe_collection(&out, account, NULL, &first);
    for (size_t i = 0; i < worker->config->collection_count; i++)
        describe_collection(&out, account, &worker->config->collections[i], &first);
    buffer_append_slice(&out, SLICE("},\"directories\":"));
    describe_directories(&out, transaction->session);
    buffer_append_slice(&out, SLICE(",\"limits\":"));
    describe_limits(&out, worker->config);
    buffer_append_byte(&out, '}');
    transaction_fulfill(transaction, buffer_slice(&out), 0);
    buffer_free(&out);
}

static void answer_status(struct transaction *transaction, struct json_value data)
{
    struct worker *worker = transaction->worker;
    if (!params_none(transaction, data))
        return;
    struct buffer out = {0};
    status_append(&out, worker->scoreboard, worker->ring);
    transaction_fulfill(transaction, buffer_slice(&out), 0);
    buffer_free(&out);
}

static void shut_down(struct transaction *transaction, struct json_value data)
{
    struct worker *worker = transaction->worker;
    if (!params_none(transaction, data))
        return;
    transaction_fulfill(transaction, SLICE("null"), 0);
    worker->request_stop(worker);
}

static const struct method methods[] = {
    {"sync", ACCESS_LASTING, sync_several, UNDECLARED},
    {"resume", ACCESS_LASTING, resume, UNDECLARED},
    {"subscribe", ACCESS_LASTING, subscribe_collections, UNDECLARED},
    {"describe", ACCESS_AUTHORIZED, describe_methods, UNDECLARED},
    {"status", ACCESS_OPTIONS, answer_status, UNDECLARED},
    {"shutdown", ACCESS_OPTIONS, shut_down, UNDECLARED},
};

const struct method_table dispatcher_methods = {methods, sizeof methods / sizeof *methods};
