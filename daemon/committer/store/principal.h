#ifndef DAEMON_COMMITTER_STORE_PRINCIPAL_H
#define DAEMON_COMMITTER_STORE_PRINCIPAL_H

#include "daemon/committer/store/change_set_apply.h"
#include "shared/store/change_set.h"

/*
 * Who acts in a change set, as the store knows it at the set's place in the order: whether the user exists,
 * the session holds, the permissions and groups are held. What was looked up is kept until a change of a
 * user, a group or a session is put (or a transaction with one is aborted), so that most sets cost one look
 * into a table.
 */

struct principals;
struct writer;

struct principals *principals_new(void);
void principals_free(struct principals **principals);

/** A user, a group or a session has changed, or a change of one was taken back. */
void principals_forget(struct principals *principals);

/**
 * Sets @writer->actor to who @change (a CHANGE_ACTOR) names. Refused with ERROR_UNAUTHORIZED when that user
 * or that session is no more, with ERROR_FORBIDDEN when it lacks what the set needs. Valid while the set is
 * staged.
 */
enum error_code principal_act(struct writer *writer, const struct change *change,
                              char message[APPLY_MESSAGE]);

#endif
