#ifndef WORKER_RPC_CALL_H
#define WORKER_RPC_CALL_H

#include "shared/base/slice.h"
#include "worker/rpc/answer.h"
#include "worker/rpc/message.h"
#include "worker/rpc/transaction.h"
#include "worker/session/session.h"

/** Handles one message of a session: from its text to the method that runs it, with every check on the
 * way. */
void call_handle(struct session *session, struct slice message);

/** The same from where it is parsed into the worker's message, or is not @good: its @tid is then that of
 * message_salvaged_tid(). */
void call_parsed(struct session *session, bool good, struct slice tid);

/** Answers a message that waited and is not taken: `busy`, or `unavailable` when the worker stops. */
void call_refuse(struct session *session, struct slice message);

/** The same from where it is parsed into the worker's message, or is not @good, as in call_parsed(). */
void call_refuse_parsed(struct session *session, bool good, struct slice tid);

/** Opens a call of the session whose answers go @answers. */
struct transaction *call_begin(struct session *session, const struct message *message,
                               const struct answer_way *answers);

/** Runs it, with every check on the way; it ends here or later. @rights_known: by ring_intake_published(). */
void call_run(struct transaction *transaction, const struct message *message, bool rights_known);

#endif
