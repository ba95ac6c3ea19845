#ifndef WORKER_HISTORY_FORMER_RIGHTS_H
#define WORKER_HISTORY_FORMER_RIGHTS_H

#include "shared/store/rights.h"
#include "worker/authority/account.h"

/*
 * The rights that a user has had since some earlier change, found in the change log, which keeps the
 * documents of users and groups as they were before each change. The log is read in steps; then the changes
 * are undone one after the other, from the present documents on. They are FORMER_CHANGES at most.
 */

enum { FORMER_CHANGES = 256 };

struct former_rights;

/** The rights of @user since change @seq. */
struct former_rights *former_rights_create(struct slice user, uint64_t seq);
void former_rights_free(struct former_rights **former);

enum former_rights_result {
    FORMER_RIGHTS_MORE,   /* another step, in this snapshot or a later one */
    FORMER_RIGHTS_KNOWN,  /* all of the log was read */
    FORMER_RIGHTS_UNKNOWN /* the log does not reach back or cannot be read, or there were too many changes */
};

/** Looks at no more than @entries entries of the log, and charges them. Needs a snapshot. */
[[gnu::warn_unused_result]] enum former_rights_result
former_rights_step(struct worker *worker, struct former_rights *former, unsigned entries);

/** The number before the last change of the rights; where the reading began when there was none. */
uint64_t former_rights_last(const struct former_rights *former);

/** Rights that were had after change @from and up to change @to, to be looked at only. False: no more of
 * them. */
typedef bool former_rights_each(void *argument, const struct rights *rights, uint64_t from, uint64_t to);

/** Calls @each with the rights before each change, from the newest to those at the start, until the worker
 * has used @most units of work; in a snapshot in which the log was read to its end. It goes on where it
 * stopped, or with the newest again when there have been more changes since. FORMER_RIGHTS_UNKNOWN: @each
 * said so, or at some time there was no such user, or a document cannot be read. */
[[gnu::warn_unused_result]] enum former_rights_result
former_rights_undo(struct worker *worker, struct former_rights *former, uint64_t most,
                   former_rights_each *each, void *argument);

/** Whether the account's rights, the same now, were different for a while since change @since; also when that
 * cannot be found out in one step. Needs a snapshot. */
[[nodiscard]] bool former_rights_have_blinked(struct worker *worker, const struct account *account,
                                              uint64_t since);

#endif
