#ifndef DAEMON_COMMITTER_STORE_STAGE_RIGHTS_H
#define DAEMON_COMMITTER_STORE_STAGE_RIGHTS_H

#include "daemon/committer/store/stage.h"

/* What a set's actor may do. */

/** Looks at the rights of what is there: sets ->acts and the like, hides what the actor may not read, refuses
 * what it may not change. */
enum error_code stage_rights(struct stage *stage);

/** Whether the actor may make of what is there (->old, parsed, if it is) the document in ->next: whose it is
 * and who may read and change it is up to its owner, who has the groups it names. */
enum error_code stage_rights_after(struct stage *stage);

/** Whose the document that is there is, in the arena; absent: nobody's. */
struct slice stage_owner(struct stage *stage);

/** Whether the actor may have the id of a document that is not there: not when it was another user's, and
 * somebody removed it who could not have made it their own. */
enum error_code stage_former_owner(struct stage *stage);

/** Whether the name of a new user or group may be had: not when somebody had it who was removed, unless the
 * change takes it over. */
enum error_code stage_former_name(struct stage *stage);

/** Gives a document that is being made, in ->text, to the actor, when @body names no owner. */
void stage_give_owner(struct stage *stage, struct json_value body);

#endif
