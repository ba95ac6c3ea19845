#ifndef WORKER_SESSION_RIGHTS_CHANGE_H
#define WORKER_SESSION_RIGHTS_CHANGE_H

#include "worker/session/session.h"

/*
 * The rights of a connected session change: its copy is brought in line, `remove` for what it may no longer
 * hold and `update` for what it now may, while the store goes on changing.
 *
 * From that moment the output's viewer is that of the new rights, so nothing goes out that they do not allow,
 * and changes that are not out yet are held (output_hold()): the copy is as the former rights let it be after
 * change number `hold`. Then, a piece whenever the client has read the one before,
 *
 *   1. every document is compared (rights_difference.h),
 *   2. the change log since the hold says which documents had another tag then, and are lost by that one,
 *   3. what changed since the hold is sent from the change log, folded, up to where the new rights were read:
 *      so nobody is shown an older version, from a time at which it had no right to see it,
 *   4. and the hold is given up.
 *
 * When nobody knows what the client holds (too many changes of rights, a log that was trimmed, pieces of a
 * sync that wait after the hold) it is told to sync instead.
 *
 * No change after the hold is sent before 1. and 2. are done. A client that is cut off on the way has not
 * seen the sequence number of the change of its rights: resume finds it.
 */

/** The session may see @now (one reference is taken over), not what its output's viewer says; @amend is a
 * complete frame that goes in front. Needs a snapshot. */
void rights_change_begin(struct session *session, struct viewer *now, struct slice amend);

/** The subscription of a session whose rights are changing is another. Takes over a reference to @now. */
void rights_change_subscribed(struct session *session, struct viewer *now);

/** A sync is about to be refused for lack of a right, and the client lets go what it holds of the
 * collection. */
void rights_change_refused(struct session *session);

/** The output is at its hold: sends the next piece, or ends it. */
void rights_change_step(struct session *session);

/** Whether what is sent from the change log now are updates only. */
bool rights_change_folds(const struct session *session);

/** Gives up (the session ends): nothing is held any more. Nothing when no rights are changing. */
void rights_change_end(struct session *session);

#endif
