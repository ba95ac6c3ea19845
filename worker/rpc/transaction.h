#ifndef WORKER_RPC_TRANSACTION_H
#define WORKER_RPC_TRANSACTION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "shared/base/error_code.h"
#include "shared/store/change_set.h"
#include "worker/authority/authority.h"
#include "worker/base/committer_link.h"
#include "worker/base/job.h"
#include "worker/base/worker.h"

/*
 * One open call. A method may answer at once or later; it answers exactly once, with transaction_fulfill() or
 * transaction_fail(), which free the transaction. When the client has gone meanwhile, ->session is NULL and
 * answers go nowhere.
 */

struct answer_way;
struct session;
struct method;

enum { TID_BYTES = 128, ONCE_BYTES = 128 };

struct transaction {
    TAILQ_ENTRY(transaction) of_session;
    struct worker *worker;
    struct session *session; /* NULL: the client has gone */
    const struct answer_way *answers;
    const struct method *method;
    const struct config_collection *collection; /* NULL: dispatcher */
    struct slice tid;                           /* as it came, JSON; in ->memory */
    struct slice once;                          /* key; absent: none; in ->memory */
    /* Who called, whoever the connection is later: a reference; NULL: nobody had logged in. */
    struct account *caller;
    uint32_t account_changes; /* the session's when the call came */
    bool has_token;
    uint8_t token_hash[TOKEN_HASH_BYTES]; /* of the caller's session, when ->has_token */
    struct permission_set needed; /* by the method, when the call came: the committer asks for them again */
    char *named;                  /* whom transaction_names() was told of, as JSON; NULL: nobody */
    /* Over HTTP: the token that a success puts into the cookie; "": it is cleared; NULL: it stays. */
    char *cookie;
    char *who;              /* "USER (ADDRESS)" when the client has gone; otherwise NULL: the session knows */
    struct job *job;        /* that works for it; woken when the client has read what was sent */
    size_t came_with, held; /* bytes of memory: what the call brought, and all that is counted */
    uint64_t started_us;
    uint64_t work; /* that its changes are expected to be (set_work.h); 0: it goes by the bytes of the set */
    char memory[];
};

/** Progress: @data is JSON. It goes out when changes up to @after_seq have (0: at once). */
void transaction_update(struct transaction *transaction, struct slice data, uint64_t after_seq);

/** The one answer: @data is JSON; not before the changes up to @after_seq. Frees. */
void transaction_fulfill(struct transaction *transaction, struct slice data, uint64_t after_seq);

/** The one answer: it failed. The text is for people; it names the key and what was expected. Frees. */
[[gnu::format(printf, 3, 4)]] void transaction_fail(struct transaction *transaction, enum error_code code,
                                                    const char *format, ...);

/** The same about element @index of a list that the client gave, which the error names; NOT_LISTED: of none. */
enum { NOT_LISTED = -1 };
[[gnu::format(printf, 4, 5)]] void transaction_fail_at(struct transaction *transaction, int64_t index,
                                                       enum error_code code, const char *format, ...);

/** The same with more members of the error: @members is JSON, `"key":value` with commas between. */
void transaction_fail_with(struct transaction *transaction, enum error_code code, struct slice message,
                           struct slice members);

/** The one answer: something of @collection (NULL: of the store) could not be read, and the log says what.
 * Frees. */
void transaction_fail_unreadable(struct transaction *transaction, const struct config_collection *collection);

/** Sends what transaction_fail_with() would, and frees nothing: for a session that leaves its calls. */
void transaction_send_failure(struct transaction *transaction, enum error_code code, struct slice message,
                              struct slice members);

/** The call now holds about so much memory, beside what it came with. */
void transaction_hold(struct transaction *transaction, size_t bytes);

/** Whether a job of the call may do its next step now: the client reads, and the connection's open calls do
 * not hold too much memory (its first call with a job always may). If not, it is woken when that may have
 * changed. */
[[nodiscard]] bool transaction_may_go_on(const struct transaction *transaction);

/** Frames for the caller alone, between the changes up to @after_seq and later ones. */
void transaction_send_frames(struct transaction *transaction, struct slice frames, uint64_t after_seq);

/**
 * Gives @set to the committer; its answer (or error) is the answer. With `once` the call's key is added to
 * the set (which must have been begun with transaction_begin_set()). Frees, later.
 */
void transaction_commit(struct transaction *transaction, struct buffer *set);

/** The same with a set whose changes are a list that the client gave: an error names which of it is at fault. */
void transaction_commit_list(struct transaction *transaction, struct buffer *set);

/** Gives @set to the committer in its caller's turn, as committer_queue_submit(). */
[[gnu::warn_unused_result]] bool transaction_submit(struct transaction *transaction, struct slice set,
                                                    committer_done *done, void *argument,
                                                    enum error_code *code);

/** Begins a change set in @set, with the `once` operation when the call asked for it, and who acts: the
 * caller, with the permissions that the method needs. */
void transaction_begin_set(struct transaction *transaction, struct buffer *set, enum change_answer answer,
                           struct slice literal);

/** Begins one of several sets of a call, which is not remembered as its answer. */
void transaction_begin_step(struct transaction *transaction, struct buffer *set);

/** The same for a method that nobody need have logged in for: @user has shown who it is in another way, acts
 * with no rights but that, and is whom the key of `once` belongs to. */
void transaction_begin_set_for(struct transaction *transaction, struct slice user, struct buffer *set,
                               enum change_answer answer, struct slice literal);

/** Adds to a set that the caller must be in the group administrator when it is applied; or have @permission.
 * Local control is and has. */
void transaction_need_administrator(struct transaction *transaction, struct buffer *set);
void transaction_need_permission(struct transaction *transaction, struct buffer *set, unsigned permission);

/** What the caller may see; NULL: nothing (nobody has logged in, or the client is gone). */
const struct viewer *transaction_viewer(const struct transaction *transaction);

/** The call tries to show with a password that it is @user, whoever that is: the log says which name was tried. */
void transaction_names(struct transaction *transaction, struct slice user);

/** The name of the collection whose method is called. */
const char *transaction_collection_name(const struct transaction *transaction);

/** Whether the connection has been the caller's ever since, without a break. */
bool transaction_is_callers(const struct transaction *transaction);

/** The caller's user id, "(control)" on the control socket; absent when nobody had logged in. */
struct slice transaction_user(const struct transaction *transaction);

#endif
