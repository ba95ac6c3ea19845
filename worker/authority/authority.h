#ifndef WORKER_AUTHORITY_AUTHORITY_H
#define WORKER_AUTHORITY_AUTHORITY_H

#include "worker/authority/account.h"

/*
 * What changes of users, groups and stored log-ins mean for those who are connected. A change comes through
 * the ring, in its place among all others; accounts are then made again, and who is logged in as one of them
 * is told, by way of the events.
 */

struct authority_events {
    /** The rights of the login's account, or its document (JSON), have changed. @blinked: the rights are the
     * same again, after others. Needs a snapshot. */
    void (*changed)(struct login *login, bool blinked, struct slice document);
    /** It is over: @reason is for the client. */
    void (*ended)(struct login *login, const char *reason);
    /** Who it is, or what it may do, cannot be read. */
    void (*unreadable)(struct login *login);
    /** Whether the account's rights, the same now, were different for a while since change @since: what was
     * numbered in that while was for other eyes than these. When that cannot be found out soon, they were. */
    bool (*have_blinked)(struct worker *worker, const struct account *account, uint64_t since);
};

struct authority *authority_create(struct worker *worker, const struct authority_events *events);
void authority_free(struct authority **authority);

struct account_table *authority_accounts(struct authority *authority);

/** Has the login's token watched: when its stored log-in ends, the login does. To all workers it is
 * connected from now on. */
void authority_watch_token(struct authority *authority, struct login *login);

/** Ends that. */
void authority_forget_token(struct authority *authority, struct login *login);

/** The login whose token has been connected for longest without counting as used, if that is @every_ms ago or
 * longer, or it last did before @since_ms: it counts as used now. NULL: none. @now_ms, @since_ms: monotonic.
 */
struct login *authority_take_used(struct authority *authority, uint64_t now_ms, uint64_t every_ms,
                                  uint64_t since_ms);

/** A document of `users`, `groups` or `sessions` changed: live connections feel it, those of a token at once,
 * the others with authority_apply(). */
void authority_changed(struct authority *authority, unsigned collection, struct slice id);

/** All of them may have changed (the ring was overrun). */
void authority_changed_all(struct authority *authority);

/** Reads the accounts again that changes concern, each once however many there were; their sessions see from
 * here on what they may, and are told. Before anything of these changes is written to a connection. Does one
 * step at least, and more while work is left in this pass. True: there is more to do than that; until it is
 * done no further changes are to be taken in. */
[[gnu::warn_unused_result]] bool authority_apply(struct authority *authority);

/** Whether nothing is left for authority_apply(). */
bool authority_is_current(const struct authority *authority);

#endif
