#include "worker/rpc/transaction.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/json/json.h"
#include "shared/store/set_work.h"
#include "worker/authority/token.h"
#include "worker/base/committer_queue.h"
#include "worker/net/connection.h"
#include "worker/net/connection_address.h"
#include "worker/net/connection_write.h"
#include "worker/rpc/answer.h"
#include "worker/rpc/call_admission.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/method.h"
#include "worker/rpc/once.h"
#include "worker/session/session.h"

/* What a byte of a set costs about, see set_work.h: it is parsed, copied, put. */
enum { WORK_SET_BYTE = 10 };
enum { NAMED_BYTES = 64 }; /* of a name that was tried, in the log */
enum { COPIES = 3 };       /* of an answer on its way out: message, frame, queue */

const char *transaction_collection_name(const struct transaction *transaction)
{
    return transaction->collection ? transaction->collection->name : "dispatcher";
}

struct slice transaction_user(const struct transaction *transaction)
{
    const struct account *caller = transaction->caller;
    return caller ? slice_of(caller->user, caller->user_length) : (struct slice){0};
}

const struct viewer *transaction_viewer(const struct transaction *transaction)
{
    return transaction->session ? transaction->session->connection->output.viewer : NULL;
}

bool transaction_is_callers(const struct transaction *transaction)
{
    const struct session *session = transaction->session;
    return session && session->login.account && session->account_changes == transaction->account_changes;
}

/* Anything may be tried as a name: it is cut, between two characters, and written so that no part of it can be
 * taken for the rest of the line. */
void transaction_names(struct transaction *transaction, struct slice user)
{
    bool cut = user.length > NAMED_BYTES;
    struct buffer text = {0};
    if (cut)
        for (user.length = NAMED_BYTES; ((unsigned char)user.data[user.length] & 0xc0) == 0x80;)
            user.length--;
    json_append_string(&text, user);
    buffer_append_text(&text, cut ? "..." : "");
    free(transaction->named);
    transaction->named = memory_copy(text.data, text.length);
    buffer_free(&text);
}

/* The user and where from, as long as somebody knows. */
static void append_who(struct buffer *line, const struct transaction *transaction)
{
    if (transaction->who) {
        buffer_append_text(line, transaction->who);
        return;
    }
    assert(transaction->session); /* its end leaves ->who */
    char address[64];
    struct slice user = transaction_user(transaction);
    buffer_append_slice(line, user.data ? user : SLICE("-"));
    buffer_append_slice(line, SLICE(" ("));
    buffer_append_text(line, connection_address(transaction->session->connection, address));
    buffer_append_byte(line, ')');
}

/* Who has not logged in can make many refused calls: these are counted, and said once a second. A password
 * that is wrong is not among them: of these there are few, see login_attempts.h. */
static bool is_refused_stranger(const struct transaction *transaction, enum error_code code)
{
    bool log_in = transaction->method->access == ACCESS_UNPROTECTED && code == ERROR_UNAUTHORIZED;
    return !transaction->caller && code != ERROR_NONE && !log_in;
}

static void log_outcome(const struct transaction *transaction, enum error_code code)
{
    const char *outcome = code == ERROR_NONE ? "fulfilled" : error_code_name(code);
    if (is_refused_stranger(transaction, code)) {
        transaction->worker->refused_strangers++;
        return;
    }
    if (!log_wants(LOG_LEVEL_INFO))
        return;
    struct buffer *line = &transaction->worker->line;
    buffer_clear(line);
    append_who(line, transaction);
    buffer_append_slice(line, SLICE(" requested "));
    buffer_append_text(line, transaction_collection_name(transaction));
    buffer_append_byte(line, '.');
    buffer_append_text(line, transaction->method->name);
    if (transaction->named) {
        buffer_append_slice(line, SLICE(" as "));
        buffer_append_text(line, transaction->named);
    }
    buffer_append_slice(line, SLICE(": "));
    buffer_append_text(line, outcome);
    buffer_append_slice(line, SLICE(" in "));
    buffer_append_unsigned(line, clock_monotonic_us() - transaction->started_us);
    buffer_append_slice(line, SLICE(" us"));
    log_text(LOG_LEVEL_INFO, buffer_slice(line));
}

static void transaction_end(struct transaction *transaction, enum error_code code)
{
    log_outcome(transaction, code);
    transaction->came_with = 0;
    transaction_hold(transaction, 0);
    if (transaction->session)
        call_admission_leave(transaction);
    if (transaction->caller)
        account_put(transaction->worker->accounts, transaction->caller);
    free(transaction->named);
    free(transaction->who);
    memory_release_text(transaction->cookie);
    memory_release(transaction, sizeof *transaction + transaction->tid.length + transaction->once.length);
}

void transaction_hold(struct transaction *transaction, size_t bytes)
{
    size_t before = transaction->held;
    transaction->held = transaction->came_with + bytes;
    transaction->worker->held += transaction->held - before;
    if (transaction->session)
        transaction->session->held += transaction->held - before;
}

bool transaction_may_go_on(const struct transaction *transaction)
{
    const struct session *session = transaction->session;
    if (!session)
        return true;
    /* When the client has closed, only answers are still of use to it. */
    bool lasting = transaction->method->access == ACCESS_LASTING;
    bool reads = lasting ? connection_may_send(session->connection) : connection_is_read(session->connection);
    return reads && call_admission_may_work(transaction);
}

void transaction_update(struct transaction *transaction, struct slice data, uint64_t after_seq)
{
    if (transaction->session)
        transaction->answers->progress(transaction, data, after_seq);
}

void transaction_fulfill(struct transaction *transaction, struct slice data, uint64_t after_seq)
{
    if (transaction->session) {
        work_charge(&transaction->worker->work, COPIES * work_bytes(data.length));
        transaction->answers->success(transaction, data, after_seq);
    }
    transaction_end(transaction, ERROR_NONE);
}

void transaction_send_failure(struct transaction *transaction, enum error_code code, struct slice message,
                              struct slice members)
{
    transaction->answers->failure(transaction, code, message, members);
}

void transaction_fail_with(struct transaction *transaction, enum error_code code, struct slice message,
                           struct slice members)
{
    if (transaction->session)
        transaction_send_failure(transaction, code, message, members);
    transaction_end(transaction, code);
}

static void fail_in_words(struct transaction *transaction, int64_t index, enum error_code code,
                          const char *format, va_list arguments)
{
    char message[512];
    int length = vsnprintf(message, sizeof message, format, arguments);
    size_t used = length < 0 ? 0 : (size_t)length < sizeof message ? (size_t)length : sizeof message - 1;
    /* What a client sent may have been cut within a character. */
    while (used && !json_utf8_valid(message, used))
        used--;
    struct buffer members = {0};
    if (index != NOT_LISTED)
        buffer_append_format(&members, "\"index\":%" PRIi64, index);
    transaction_fail_with(transaction, code, slice_of(message, used), buffer_slice(&members));
    memory_wipe(message, sizeof message); /* it may say what was sent */
    buffer_free(&members);
}

void transaction_fail(struct transaction *transaction, enum error_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail_in_words(transaction, NOT_LISTED, code, format, arguments);
    va_end(arguments);
}

void transaction_fail_at(struct transaction *transaction, int64_t index, enum error_code code,
                         const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail_in_words(transaction, index, code, format, arguments);
    va_end(arguments);
}

void transaction_fail_unreadable(struct transaction *transaction, const struct config_collection *collection)
{
    if (collection)
        transaction_fail(transaction, ERROR_INTERNAL, "Documents of %s cannot be read", collection->name);
    else
        transaction_fail(transaction, ERROR_INTERNAL, "%s", text_store_unreadable);
}

void transaction_send_frames(struct transaction *transaction, struct slice frames, uint64_t after_seq)
{
    struct session *session = transaction->session;
    if (!session)
        return;
    if (after_seq > session->synced_seq)
        session->synced_seq = after_seq;
    connection_answer_frames(session->connection, frames, after_seq);
}

/* ---- change sets ---- */

/* Local control imports as much as fits into a message, whatever work that is. */
static struct change_bounds bounds_of(const struct transaction *transaction)
{
    struct change_bounds bounds = change_bounds_of(&transaction->worker->config->limits);
    if (transaction->caller && transaction->caller->control)
        bounds.work = CHANGE_UNBOUNDED.work;
    return bounds;
}

static void begin_set(struct transaction *transaction, struct slice user, struct buffer *set,
                      enum change_answer answer, struct slice literal)
{
    change_set_begin(set, bounds_of(transaction), answer, literal);
    once_remember(transaction, user, set);
}

static void add_actor(struct transaction *transaction, struct buffer *set,
                      const struct permission_set *needed, bool administrator)
{
    const struct config *config = transaction->worker->config;
    struct slice names[PERMISSION_LIMIT];
    char session[TOKEN_ID + 1] = "";
    size_t count = 0;
    if (!transaction->caller || transaction->caller->control)
        return;
    for (unsigned i = 0; i < config->permission_count; i++)
        if (permission_has(needed, i))
            names[count++] = slice_text(config->permissions[i]);
    if (transaction->has_token)
        token_id(transaction->token_hash, session);
    struct change_actor actor = {.user = transaction_user(transaction),
                                 .session = slice_text(session),
                                 .permissions = names,
                                 .permission_count = count,
                                 .administrator = administrator};
    change_actor_add(set, &actor);
}

void transaction_begin_set(struct transaction *transaction, struct buffer *set, enum change_answer answer,
                           struct slice literal)
{
    begin_set(transaction, transaction_user(transaction), set, answer, literal);
    add_actor(transaction, set, &transaction->needed, false);
}

void transaction_begin_step(struct transaction *transaction, struct buffer *set)
{
    change_set_begin(set, bounds_of(transaction), ANSWER_LITERAL, SLICE("null"));
    add_actor(transaction, set, &transaction->needed, false);
}

void transaction_begin_set_for(struct transaction *transaction, struct slice user, struct buffer *set,
                               enum change_answer answer, struct slice literal)
{
    begin_set(transaction, user, set, answer, literal);
}

void transaction_need_administrator(struct transaction *transaction, struct buffer *set)
{
    add_actor(transaction, set, &transaction->needed, true);
}

void transaction_need_permission(struct transaction *transaction, struct buffer *set, unsigned permission)
{
    struct permission_set needed = transaction->needed;
    permission_add(&needed, permission);
    add_actor(transaction, set, &needed, false);
}

static void transaction_committed(void *argument, const struct committer_result *result)
{
    struct transaction *transaction = argument;
    if (result->code == ERROR_NONE)
        transaction_fulfill(transaction, result->text, result->seq);
    else
        transaction_fail_with(transaction, result->code, result->text, (struct slice){0});
}

static void transaction_committed_list(void *argument, const struct committer_result *result)
{
    if (result->code == ERROR_NONE || !result->at_fault) {
        transaction_committed(argument, result);
        return;
    }
    struct buffer members = {0};
    buffer_append_format(&members, "\"index\":%" PRIu32, result->at_fault - 1);
    transaction_fail_with(argument, result->code, result->text, buffer_slice(&members));
    buffer_free(&members);
}

/* Not more than what it may be: then it is refused. */
static uint64_t expected_work(const struct transaction *transaction, struct slice set)
{
    uint64_t most = change_bounds_of(&transaction->worker->config->limits).work;
    uint64_t work = transaction->work ? transaction->work : SET_WORK_OPERATION + SET_WORK_CHANGE;
    work += (uint64_t)set.length * WORK_SET_BYTE;
    return work < most ? work : most;
}

bool transaction_submit(struct transaction *transaction, struct slice set, committer_done *done,
                        void *argument, enum error_code *code)
{
    return committer_queue_submit(transaction->worker->committer_queue, transaction_user(transaction),
                                  expected_work(transaction, set), set, done, argument, code);
}

static void submit_or_fail(struct transaction *transaction, struct buffer *set, committer_done *done)
{
    enum error_code code;
    if (!transaction_submit(transaction, buffer_slice(set), done, transaction, &code))
        transaction_fail(transaction, code, "%s", committer_link_refusal(code));
}

void transaction_commit(struct transaction *transaction, struct buffer *set)
{
    submit_or_fail(transaction, set, transaction_committed);
}

void transaction_commit_list(struct transaction *transaction, struct buffer *set)
{
    submit_or_fail(transaction, set, transaction_committed_list);
}
