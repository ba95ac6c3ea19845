#ifndef WORKER_BASE_THREAD_POOL_H
#define WORKER_BASE_THREAD_POOL_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

/* A few threads for what must block (password hashes, later files), so that the event loop never does. */

struct thread_pool;

/** @work runs in a thread and touches nothing but @argument; then @done runs in the loop's thread. */
struct thread_task {
    void (*work)(void *argument);
    void (*done)(void *argument);
    void *argument;
};

/** @threads threads, started with the first task; at most @queue_most tasks wait. */
struct thread_pool *thread_pool_create(struct event_base *base, size_t threads, size_t queue_most);

/** False: the queue is full; the caller answers `busy`. */
[[gnu::warn_unused_result]] bool thread_pool_add(struct thread_pool *pool, struct thread_task task);

/** Waits for the running tasks. ->done is called for all that were added, also for those that were not begun:
 * their ->work has then not been called. */
void thread_pool_free(struct thread_pool **pool);

#endif
