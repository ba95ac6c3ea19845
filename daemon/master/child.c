#include "daemon/master/child.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "daemon/master/order_channel.h"
#include "shared/base/log.h"

static void show_child(const struct child *child)
{
    struct scoreboard *scoreboard = child->scoreboard;
    int32_t pid = (int32_t)child->pid;
    uint32_t state = (uint32_t)child->state;
    switch (child->role) {
    case CHILD_COMMITTER:
        atomic_store(&scoreboard->committer.pid, pid);
        atomic_store(&scoreboard->committer.state, state);
        return;
    case CHILD_WATCHER:
        atomic_store(&scoreboard->watcher.pid, pid);
        atomic_store(&scoreboard->watcher.state, state);
        return;
    case CHILD_WORKER:
        atomic_store(&scoreboard->worker[child->slot].pid, pid);
        atomic_store(&scoreboard->worker[child->slot].state, state);
        return;
    }
}

void child_set_state(struct child *child, enum process_state state)
{
    child->state = state;
    show_child(child);
}

/* Nobody else writes the row of a dead child. */
void child_clear_row(const struct child *child)
{
    struct scoreboard *scoreboard = child->scoreboard;
    switch (child->role) {
    case CHILD_COMMITTER:
        memset((void *)&scoreboard->committer, 0, sizeof scoreboard->committer);
        return;
    case CHILD_WATCHER:
        memset((void *)&scoreboard->watcher, 0, sizeof scoreboard->watcher);
        return;
    case CHILD_WORKER:
        memset((void *)&scoreboard->worker[child->slot], 0, sizeof scoreboard->worker[0]);
        break;
    }
    /* Its connections went with it. */
    if (scoreboard->addresses)
        address_counts_clear(scoreboard->addresses, child->slot);
    if (scoreboard->presence)
        presence_clear(scoreboard->presence, child->slot);
}

uint64_t child_passes(const struct child *child)
{
    const struct scoreboard *scoreboard = child->scoreboard;
    const _Atomic uint64_t *loops = &scoreboard->worker[child->slot].loops;
    if (child->role == CHILD_COMMITTER)
        loops = &scoreboard->committer.loops;
    else if (child->role == CHILD_WATCHER)
        loops = &scoreboard->watcher.loops;
    return atomic_load_explicit(loops, memory_order_relaxed);
}

void child_reopen_log(struct child *child)
{
    if (child->state == PROCESS_READY || child->state == PROCESS_STOPPING)
        kill(child->pid, SIGHUP);
    else
        child->reopen_owed = true;
}

void child_stop(struct child *child)
{
    struct order order = {.type = ORDER_STOP};
    event_del(child->timer);
    if (!child->pid || child->state == PROCESS_STOPPING)
        return;
    child_set_state(child, PROCESS_STOPPING);
    if (!order_channel_send(child->channel, &order, NULL))
        kill(child->pid, SIGKILL);
}

void child_kill_late(const struct child *child)
{
    if (!child->pid || child->state != PROCESS_STOPPING)
        return;
    log_warning("%s (process %d) did not stop in time: it is killed", child->name, (int)child->pid);
    kill(child->pid, SIGKILL);
}

void child_kill(const struct child *child)
{
    if (child->pid && kill(child->pid, SIGKILL) == 0)
        while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
            ;
}

void child_release(struct child *child)
{
    order_channel_free(&child->channel);
    event_free(child->timer);
}

void child_end_cause(int status, char *out, size_t capacity)
{
    if (WIFSIGNALED(status))
        snprintf(out, capacity, "was ended by signal %d (%s)%s", WTERMSIG(status),
                 strsignal(WTERMSIG(status)), WCOREDUMP(status) ? ", core dumped" : "");
    else
        snprintf(out, capacity, "exited with status %d", WEXITSTATUS(status));
}
