#ifndef WORKER_AUTHORITY_AUTHORITY_H
#define WORKER_AUTHORITY_AUTHORITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "shared/store/rights.h"
#include "worker/base/worker.h"

/*
 * Who may do what: one struct account for each user with a live connection in this worker, made from the
 * documents of `users` and `groups`, and made again when one of these changes (the change comes through the
 * ring, in its place among all others).
 */

struct session;

enum { TOKEN_HASH_BYTES = 32 };

struct account {
    LIST_ENTRY(account) all;
    LIST_HEAD(, session) sessions;
    char *user;
    size_t user_length;
    struct rights rights;   /* local control has those of an administrator */
    uint64_t rights_serial; /* another one for other rights, and for every account */
    bool control;           /* the control socket's */
    bool exists;            /* the user's document is there */
    bool outdated;          /* to be read again: in the authority's queue */
    TAILQ_ENTRY(account) queue;
    uint64_t version;    /* of the user's document */
    uint64_t loaded_seq; /* the last change that the rights were read after */
    unsigned references;
};

struct authority *authority_create(struct worker *worker);
void authority_free(struct authority **authority);

/** *@account: the account of a user, with one more reference. ERROR_NOT_FOUND: there is no such user;
 *  ERROR_INTERNAL: who it is, or what it may do, cannot be read. Needs a snapshot. */
[[gnu::warn_unused_result]] enum error_code account_get(struct authority *authority, struct slice user,
                                                        struct account **account);

/** The account of the control socket, with one more reference. */
struct account *account_control(struct authority *authority);

void account_put(struct authority *authority, struct account *account);

/** Has the session's token watched: when its stored session ends, the session does. To all workers it is
 * connected from now on. */
void authority_watch_token(struct authority *authority, struct session *session);

/** Ends that. */
void authority_forget_token(struct authority *authority, struct session *session);

/** The session whose token has been connected for longest without counting as used, if that is @every_ms ago
 * or longer, or it last did before @since_ms: it counts as used now. NULL: none. @now_ms, @since_ms:
 * monotonic. */
struct session *authority_take_used(struct authority *authority, uint64_t now_ms, uint64_t every_ms,
                                    uint64_t since_ms);

/** A document of `users`, `groups` or `sessions` changed: live connections feel it, those
 * of a token at once, the others with authority_apply(). */
void authority_changed(struct authority *authority, unsigned collection, struct slice id);

/** All of them may have changed (the ring was overrun). */
void authority_changed_all(struct authority *authority);

/** Reads the accounts again that changes concern, each once however many there were; their sessions see from
 * here on what they may, and are told. Before anything of these changes is written to a connection. */
void authority_apply(struct authority *authority);

/** Whether nothing is left for authority_apply(). */
bool authority_is_current(const struct authority *authority);

/** The group administrator is there from the start: makes it when it is not, and calls @done when it is there
 * (or cannot be made, which is logged). Only then may there be connections. */
void authority_bootstrap(struct authority *authority, void (*done)(struct worker *worker));

#endif
