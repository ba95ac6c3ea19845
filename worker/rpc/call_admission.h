#ifndef WORKER_RPC_CALL_ADMISSION_H
#define WORKER_RPC_CALL_ADMISSION_H

#include "worker/rpc/transaction.h"
#include "worker/session/session.h"

/*
 * The one place that decides which calls are taken up. Those of a connection wait while
 * limits.calls_in_flight are open, while the client leaves much of its answers unread, or while its open
 * calls hold more memory than limits.open_calls_bytes: so one that reads is never cut off, whatever it asks
 * for at once, and one that does not costs a bounded amount. When all open calls of the worker hold
 * limits.worker_calls_bytes, further ones are answered `busy`.
 */

/** The call is open. @bytes: that it brought. */
void call_admission_enter(struct session *session, struct transaction *transaction, size_t bytes);

/** It is not any more, or the client has gone: the next ones may be taken up, and others' jobs go on. */
void call_admission_leave(struct transaction *transaction);

/** Looks anew whether calls are taken up, and wakes jobs that may go on: when something was read, or
 * freed. */
void call_admission_review(struct session *session);

/** Whether the worker's open calls leave room for another one. */
[[nodiscard]] bool call_admission_has_room(const struct worker *worker);

/** Whether the call's job may make more, as to memory: see transaction_may_go_on(). */
[[nodiscard]] bool call_admission_may_work(const struct transaction *transaction);

#endif
