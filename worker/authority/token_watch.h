#ifndef WORKER_AUTHORITY_TOKEN_WATCH_H
#define WORKER_AUTHORITY_TOKEN_WATCH_H

#include "worker/authority/account.h"

/* The logins by a token, found by its hash when the stored log-in changes, and in the order of their use. */

struct token_watch;

struct token_watch *token_watch_create(struct worker *worker);
void token_watch_free(struct token_watch **watch);

/** Adds a login with a token, which is connected from now on to all workers (shared/ipc/presence.h). */
void token_watch_add(struct token_watch *watch, struct login *login);
void token_watch_remove(struct token_watch *watch, struct login *login);

/** See authority_take_used(). */
struct login *token_watch_take_used(struct token_watch *watch, uint64_t now_ms, uint64_t every_ms,
                                    uint64_t since_ms);

/** Whether the stored log-in of that token is over. When that cannot be known now it counts as over: the
 * client may come back with its token. */
bool token_watch_is_over(struct token_watch *watch, const uint8_t *hash);

/** The document @id of `sessions` has changed: @ended is called with each of its logins when it is over. */
void token_watch_changed(struct token_watch *watch, struct slice id,
                         void (*ended)(struct login *, const char *));

/** Any may have changed. */
void token_watch_changed_all(struct token_watch *watch, void (*ended)(struct login *, const char *));

/** What the client is told. */
extern const char token_watch_over[];

#endif
