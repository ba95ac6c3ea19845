#include "daemon/master/stall.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/master/child.h"
#include "shared/base/log.h"

enum stall_verdict stall_judge(struct stall *stall, uint64_t passes, uint64_t passed_ms, uint64_t timeout_ms,
                               bool patience)
{
    if (passes != stall->passes) {
        bool was_seen = stall->still_ms >= STALL_SEEN_MS;
        *stall = (struct stall){.passes = passes};
        return was_seen ? STALL_GOES_ON : STALL_MOVES;
    }
    stall->still_ms += passed_ms < STALL_STEP_MOST_MS ? passed_ms : STALL_STEP_MOST_MS;
    if (timeout_ms > 0 && stall->still_ms >= timeout_ms && !patience && !stall->killed) {
        stall->killed = true;
        return STALL_KILL;
    }
    if (stall->still_ms < STALL_SEEN_MS)
        return STALL_MOVES;
    if (stall->still_ms < stall->say_ms)
        return STALL_IS_STILL;
    stall->say_ms = 2 * stall->still_ms;
    return STALL_SAY;
}

/* The state as ps(1) shows it: R, S, D, T, ... '?': not known. */
static char process_state(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[length > 0 ? length : 0] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end && name_end[1] == ' ' && name_end[2] ? name_end[2] : '?';
}

static void show_stall(const struct child *child)
{
    struct scoreboard *scoreboard = child->scoreboard;
    uint64_t still_ms = child->stall.still_ms >= STALL_SEEN_MS ? child->stall.still_ms : 0;
    _Atomic uint64_t *shown = &scoreboard->worker[child->slot].still_ms;
    if (child->role == CHILD_COMMITTER)
        shown = &scoreboard->committer.still_ms;
    else if (child->role == CHILD_WATCHER)
        shown = &scoreboard->watcher.still_ms;
    atomic_store_explicit(shown, still_ms, memory_order_relaxed);
}

/* What waits for the disk cannot be killed meanwhile, and who comes next waits for the same disk; while it is
 * stopped it does not wait for the disk, whatever it was doing. */
static bool waits_for_disk(const struct child *child, char state)
{
    bool syncs = child->role == CHILD_COMMITTER && atomic_load(&child->scoreboard->committer.syncing);
    return state == 'D' || (syncs && state != 'T' && state != 't');
}

/* The watcher makes no passes while there is nothing to watch. */
static bool sleeps_for_good(const struct child *child, char state)
{
    return child->role == CHILD_WATCHER && atomic_load(&child->scoreboard->watcher.idle) && state == 'S';
}

bool stall_waits_for_disk(const struct child *child)
{
    return waits_for_disk(child, process_state(child->pid));
}

enum stall_verdict stall_look(struct child *child, uint64_t passed_ms, uint64_t timeout_ms)
{
    struct stall *stall = &child->stall;
    if (child->state != PROCESS_READY) { /* that has a time limit of its own */
        *stall = (struct stall){0};
        return STALL_MOVES;
    }
    uint64_t was_ms = stall->still_ms;
    char state = was_ms > 0 ? process_state(child->pid) : '?';
    if (sleeps_for_good(child, state)) /* a stopped one does not sleep */
        stall->passes = UINT64_MAX;    /* any other number is another pass */
    enum stall_verdict verdict =
        stall_judge(stall, child_passes(child), passed_ms, timeout_ms, waits_for_disk(child, state));
    show_stall(child);
    switch (verdict) {
    case STALL_MOVES:
    case STALL_IS_STILL:
        break;
    case STALL_GOES_ON:
        log_notice("%s (process %d) goes on after %u s", child->name, (int)child->pid,
                   (unsigned)(was_ms / 1000));
        break;
    case STALL_SAY:
        log_warning("%s (process %d, state %c) has stood still for %u s", child->name, (int)child->pid, state,
                    (unsigned)(stall->still_ms / 1000));
        break;
    case STALL_KILL:
        log_error("%s (process %d, state %c) has stood still for %u s: it is killed", child->name,
                  (int)child->pid, state, (unsigned)(stall->still_ms / 1000));
        kill(child->pid, SIGKILL);
        break;
    }
    return verdict;
}
