#ifndef WORKER_BASE_COMMITTER_QUEUE_H
#define WORKER_BASE_COMMITTER_QUEUE_H

#include "worker/base/committer_link.h"

/*
 * In which order the sets of this worker's users go to the committer, which applies what it has been given
 * one after the other. What is there is bounded by the work that it is expected to be; beyond, sets wait
 * here, each user's in their order, and the users take turns: whose sets have been less work so far is next
 * (start-time fair queueing). So a set waits for what the committer has at most, and not for all that another
 * user has sent before it.
 */

/** Expected work (set_work.h) that the committer is given at once; one set may be more. */
enum { COMMITTER_QUEUE_WORK = 16000000 };

struct committer_queue;

struct committer_queue *committer_queue_create(struct worker *worker);

/** After the link, which has answered everything by then. */
void committer_queue_free(struct committer_queue **queue);

/** Gives a set of @user, which is expected to be @work, as soon as it has its turn. Otherwise as
 * committer_link_submit(); sets that wait here are among limits.committer_queue_bytes. */
[[gnu::warn_unused_result]] bool committer_queue_submit(struct committer_queue *queue, struct slice user,
                                                        uint64_t work, struct slice set, committer_done *done,
                                                        void *argument, enum error_code *code);

#endif
