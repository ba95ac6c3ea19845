#include "worker/base/thread_pool.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"

struct queued_task {
    STAILQ_ENTRY(queued_task) queue;
    struct thread_task task;
};

STAILQ_HEAD(task_queue, queued_task);

struct thread_pool {
    pthread_t *threads;
    size_t thread_count;
    size_t started;
    size_t queue_most;
    pthread_mutex_t lock; /* guards everything down to the line */
    pthread_cond_t work_waits;
    struct task_queue waiting;
    struct task_queue finished;
    size_t waiting_count;
    bool ending;
    /* ---- */
    int done_fd;
    struct event done_event;
};

/* The loop is told without the lock: it wakes at once, in the place of this thread where they share a CPU,
 * and would have to wait for the lock until this thread, which comes last, has a turn again. */
static void run_one(struct thread_pool *pool, struct queued_task *task)
{
    STAILQ_REMOVE_HEAD(&pool->waiting, queue);
    pool->waiting_count--;
    pthread_mutex_unlock(&pool->lock);
    task->task.work(task->task.argument);
    pthread_mutex_lock(&pool->lock);
    STAILQ_INSERT_TAIL(&pool->finished, task, queue);
    pthread_mutex_unlock(&pool->lock);
    uint64_t one = 1;
    while (write(pool->done_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue; /* EAGAIN: the counter is full, so the loop is told anyway */
    pthread_mutex_lock(&pool->lock);
}

/*
 * Nobody waits for a log-in as for an answer: the threads leave the processors to the event loops, and to the
 * committer. Everybody may lower a thread, also after privileges were dropped; setpriority(2) with 0 means
 * the calling thread alone. SCHED_IDLE was no better for the others, and would starve log-ins on a machine
 * that is always busy.
 */
static void come_last(void)
{
    enum { NICE_LAST = 19 };
    if (setpriority(PRIO_PROCESS, 0, NICE_LAST) != 0)
        log_warning("the priority of a thread cannot be lowered: %m");
}

static void *thread_main(void *argument)
{
    struct thread_pool *pool = argument;
    come_last();
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct queued_task *task = STAILQ_FIRST(&pool->waiting);
        if (pool->ending)
            break;
        if (task)
            run_one(pool, task);
        else
            pthread_cond_wait(&pool->work_waits, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void finish_tasks(struct thread_pool *pool)
{
    struct task_queue finished = STAILQ_HEAD_INITIALIZER(finished);
    pthread_mutex_lock(&pool->lock);
    STAILQ_CONCAT(&finished, &pool->finished);
    pthread_mutex_unlock(&pool->lock);
    struct queued_task *task;
    while ((task = STAILQ_FIRST(&finished))) {
        STAILQ_REMOVE_HEAD(&finished, queue);
        task->task.done(task->task.argument);
        free(task);
    }
}

static void on_done(evutil_socket_t fd, short what, void *argument)
{
    (void)what;
    uint64_t count;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN && errno != EINTR)
        log_error("the threads' eventfd cannot be read: %m");
    finish_tasks(argument);
}

/* Signals are the loop's: the threads take none. */
static bool start_thread(struct thread_pool *pool)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&pool->threads[pool->started], NULL, thread_main, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        errno = error;
        log_error("a thread cannot be started: %m");
        return false;
    }
    pool->started++;
    return true;
}

bool thread_pool_add(struct thread_pool *pool, struct thread_task task)
{
    if (pool->started < pool->thread_count && !start_thread(pool) && pool->started == 0)
        return false;
    pthread_mutex_lock(&pool->lock);
    bool room = pool->waiting_count < pool->queue_most;
    if (room) {
        struct queued_task *queued = memory_zeroed(1, sizeof *queued);
        queued->task = task;
        STAILQ_INSERT_TAIL(&pool->waiting, queued, queue);
        pool->waiting_count++;
        pthread_cond_signal(&pool->work_waits);
    }
    pthread_mutex_unlock(&pool->lock);
    return room;
}

struct thread_pool *thread_pool_create(struct event_base *base, size_t threads, size_t queue_most)
{
    struct thread_pool *pool = memory_zeroed(1, sizeof *pool);
    pool->threads = memory_zeroed(threads, sizeof *pool->threads);
    pool->thread_count = threads;
    pool->queue_most = queue_most;
    STAILQ_INIT(&pool->waiting);
    STAILQ_INIT(&pool->finished);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work_waits, NULL);
    pool->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (pool->done_fd < 0)
        log_fatal("an eventfd cannot be made: %m");
    event_assign(&pool->done_event, base, pool->done_fd, EV_READ | EV_PERSIST, on_done, pool);
    if (event_add(&pool->done_event, NULL) != 0)
        log_fatal("the threads' eventfd cannot be watched");
    /* The C library looks up functions of the dynamic linker when the first thread is started, which keeps
     * all registers on the stack: not when a password has just been copied. If it cannot be started,
     * thread_pool_add() tries again. */
    start_thread(pool);
    return pool;
}

void thread_pool_free(struct thread_pool **pool_slot)
{
    struct thread_pool *pool = *pool_slot;
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->work_waits);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->started; i++)
        pthread_join(pool->threads[i], NULL);
    STAILQ_CONCAT(&pool->finished, &pool->waiting);
    finish_tasks(pool);
    event_del(&pool->done_event);
    close(pool->done_fd);
    pthread_cond_destroy(&pool->work_waits);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool);
    *pool_slot = NULL;
}
