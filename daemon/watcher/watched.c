#include "daemon/watcher/watched.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/watcher/watched_events.h"
#include "shared/base/log.h"
#include "shared/watch/file_name.h"

enum { ENTRIES_A_LOOK = 4 }; /* of a listing that are passed over for what one look costs */

void watched_init(struct watched *watched, const struct config *config, unsigned number,
                  struct event_base *base)
{
    *watched = (struct watched){.config = config,
                                .declared = &config->directories[number],
                                .base = base,
                                .inotify = -1,
                                .directory = -1};
    TAILQ_INIT(&watched->waiting);
}

/* ---- the directory ---- */

static int open_path(const struct watched *watched, struct stat *status)
{
    int fd = open(watched->declared->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, status) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool same_directory(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The descriptor of the directory that is watched, until the end of the step. -1: it is not at its path. */
static int use_directory(struct watched *watched)
{
    struct stat status;
    if (watched->directory >= 0)
        return watched->directory;
    int fd = watched->attached ? open_path(watched, &status) : -1;
    if (fd >= 0 && !same_directory(&status, &watched->identity)) {
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        watched->lost = true;
    return watched->directory = fd;
}

static void release_directory(struct watched *watched)
{
    if (watched->directory >= 0)
        close(watched->directory);
    watched->directory = -1;
}

static void detach(struct watched *watched)
{
    release_directory(watched);
    watched_events_close(watched);
    if (watched->scan)
        closedir(watched->scan);
    watched->scan = NULL;
    watched->attached = watched->lost = watched->scan_again = false;
}

static void say_trouble(struct watched *watched, const char *what)
{
    if (!watched->said_trouble)
        log_warning("the directory %s (%s) %s: %m; it is tried again every second", watched->declared->name,
                    watched->declared->path, what);
    watched->said_trouble = true;
}

static void begin_sweep(struct watched *watched)
{
    watched->sweeping = true;
    watched->swept = 0;
}

/* Takes over @fd. */
static void begin_scan(struct watched *watched, int fd)
{
    watched->scan = fdopendir(fd);
    watched->scan_again = false;
    if (!watched->scan) {
        say_trouble(watched, "cannot be listed");
        close(fd);
        return;
    }
    watched->sweeping = false;
    watched->left_out = watched->refused = watched->scan_later = false;
    file_table_doubt(watched->table);
}

/* @error: what reading it came to, 0: its end. */
static void end_scan(struct watched *watched, int error)
{
    closedir(watched->scan);
    watched->scan = NULL;
    begin_sweep(watched);
    if (error) {
        errno = error;
        say_trouble(watched, "cannot be listed to its end");
        watched->scan_later = true;
    } else if (watched->said_trouble && watched->inotify >= 0 && !watched->refused) {
        log_notice("the directory %s (%s) is watched", watched->declared->name, watched->declared->path);
        watched->said_trouble = false;
    }
}

/* It is not there, or not for us: it holds nothing. For want of something of ours, nobody knows. */
static void cannot_open(struct watched *watched)
{
    bool ours = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
    say_trouble(watched, "cannot be opened");
    if (ours) {
        watched->lost = true; /* another may be done in a moment */
        watched->sweeping = false;
    }
    if (ours || watched->sweeping)
        return;
    file_table_doubt(watched->table);
    begin_sweep(watched);
}

/* Opens it once more, when it is watched. A watch does not take the last descriptor: with that it is looked at,
 * and when all have gone into watches nothing would ever be seen again. */
static int watch_and_open(struct watched *watched, struct stat *status)
{
    bool watches = watched_events_open(watched);
    if (!watches)
        say_trouble(watched, "cannot be watched, but only listed");
    int fd = open_path(watched, status);
    if (fd >= 0 || !watches || (errno != EMFILE && errno != ENFILE))
        return fd;
    watched_events_close(watched);
    errno = EMFILE;
    say_trouble(watched, "cannot be watched, but only listed");
    return open_path(watched, status);
}

/* What stands at the path is opened before and after it is watched, so that both are the same. */
static void attach(struct watched *watched)
{
    struct stat after;
    detach(watched);
    int before = open_path(watched, &watched->identity);
    if (before < 0) {
        cannot_open(watched);
        return;
    }
    close(before);
    int fd = watch_and_open(watched, &after);
    if (fd < 0 || !same_directory(&watched->identity, &after)) {
        if (fd >= 0)
            close(fd);
        watched->lost = true; /* it has just become another one */
        return;
    }
    watched->attached = true;
    begin_scan(watched, fd);
}

void watched_enter(struct watched *watched)
{
    if (watched->listeners++ > 0)
        return;
    watched->table = file_table_create(watched->config->limits.watch_files);
    attach(watched);
}

void watched_leave(struct watched *watched, struct file_table **graves)
{
    struct file *file;
    if (--watched->listeners > 0)
        return;
    while ((file = TAILQ_FIRST(&watched->waiting))) {
        TAILQ_REMOVE(&watched->waiting, file, queue);
        file->waits = false;
    }
    detach(watched);
    watched->sweeping = watched->whole = watched->said_trouble = false;
    file_table_bury(graves, watched->table);
    watched->table = NULL;
}

void watched_check(struct watched *watched)
{
    if (watched->inotify < 0 && !watched->scan && !watched->sweeping) {
        attach(watched);
        return;
    }
    (void)use_directory(watched);
    release_directory(watched);
    bool room = file_table_count(watched->table) < watched->config->limits.watch_files;
    if (watched->scan_later || (watched->left_out && room))
        watched_rescan(watched);
}

/* ---- its files ---- */

static bool is_listed(struct watched *watched, const char *name)
{
    const struct config_directory *declared = watched->declared;
    size_t i = 0;
    while (i < declared->pattern_count && fnmatch(declared->patterns[i], name, FNM_PERIOD) != 0)
        i++;
    if (i == declared->pattern_count)
        return false;
    if (file_name_is_valid(slice_text(name)))
        return true;
    if (!watched->said_name)
        log_warning(
            "the directory %s has a file whose name is not UTF-8, or has control characters; such are "
            "left out: %s",
            declared->name, name);
    watched->said_name = true;
    return false;
}

static void stop_waiting(struct watched *watched, struct file *file)
{
    if (!file->waits)
        return;
    TAILQ_REMOVE(&watched->waiting, file, queue);
    file->waits = false;
}

static void leave_out(struct watched *watched)
{
    watched->left_out = true;
    if (!watched->said_full)
        log_warning("the directory %s has more files than limits.watch_files (%llu): the others are left out",
                    watched->declared->name, (unsigned long long)watched->config->limits.watch_files);
    watched->said_full = true;
}

/* Whoever owns a file says what its time is, up to all that time_t can hold. */
static int64_t time_in_ms(const struct timespec *time)
{
    static const time_t most_s = INT64_MAX / 1000 - 1;
    if (time->tv_sec > most_s)
        return INT64_MAX;
    if (time->tv_sec < -most_s)
        return INT64_MIN;
    return (int64_t)time->tv_sec * 1000 + time->tv_nsec / 1000000;
}

/* @directory -1: there is no such file. */
static bool is_file(struct watched *watched, int directory, const char *name, struct stat *status)
{
    if (directory < 0)
        return false;
    if (fstatat(directory, name, status, AT_SYMLINK_NOFOLLOW) == 0)
        return S_ISREG(status->st_mode);
    if (errno == EACCES) { /* names may be read, and no more */
        say_trouble(watched, "does not let its files be looked at");
        watched->refused = true;
    }
    return false;
}

static void look_at(struct watched *watched, int directory, const char *name)
{
    struct stat status;
    struct file *file = file_table_find(watched->table, slice_text(name));
    bool there = is_file(watched, directory, name, &status);
    watched->looks -= watched->looks > 0;
    watched->looked++;
    if (file)
        stop_waiting(watched, file);
    if (there) {
        if (file_table_put(watched->table, slice_text(name), (uint64_t)status.st_size,
                           time_in_ms(&status.st_mtim), &file) == FILE_NO_ROOM)
            leave_out(watched);
        else
            file->time_ms = watched->now_ms;
    } else if (file && !file->gone) {
        file_table_remove(watched->table, file);
    }
}

void watched_touch(struct watched *watched, struct slice name)
{
    struct file *file = file_table_find(watched->table, name);
    uint64_t interval_ms = watched->config->watch_interval_ms;
    if (file && file->waits)
        return;
    if (file && !file->gone && watched->now_ms - file->time_ms < interval_ms) {
        file->waits = true;
        file->time_ms = watched->now_ms + interval_ms;
        TAILQ_INSERT_TAIL(&watched->waiting, file, queue);
        return;
    }
    if (!is_listed(watched, name.data))
        return;
    int directory = use_directory(watched);
    if (directory >= 0) /* else it is attached anew, and scanned */
        look_at(watched, directory, name.data);
}

void watched_rescan(struct watched *watched)
{
    watched->scan_again = true;
}

void watched_rescan_later(struct watched *watched)
{
    watched->scan_later = true;
}

static void look_at_waiting(struct watched *watched)
{
    struct file *file;
    while (watched->attached && watched->looks > 0 && (file = TAILQ_FIRST(&watched->waiting)) &&
           file->time_ms <= watched->now_ms) {
        int directory = use_directory(watched);
        if (directory < 0)
            return;
        look_at(watched, directory, file->name.data);
    }
}

static void scan_some(struct watched *watched)
{
    for (size_t entries = 0; watched->scan && watched->looks > 0; entries++) {
        errno = 0;
        const struct dirent *entry = readdir(watched->scan);
        if (!entry) {
            end_scan(watched, errno);
        } else if ((entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN) &&
                   is_listed(watched, entry->d_name)) {
            look_at(watched, dirfd(watched->scan), entry->d_name);
        } else if (entries % ENTRIES_A_LOOK == 0) {
            watched->looks--;
        }
    }
}

static void sweep_some(struct watched *watched)
{
    while (watched->sweeping && watched->looks > 0) {
        int directory = watched->attached ? use_directory(watched) : -1;
        if (watched->attached && directory < 0)
            return;
        const struct file *file = file_table_doubtful(watched->table, &watched->swept, ENTRIES_A_LOOK);
        if (file) {
            look_at(watched, directory, file->name.data);
        } else if (watched->swept == file_table_last(watched->table)) {
            watched->sweeping = false;
            watched->whole = true;
        } else {
            watched->looks--;
        }
    }
}

bool watched_step(struct watched *watched, uint64_t now_ms, size_t looks)
{
    watched->now_ms = now_ms;
    watched->looks = looks;
    if (watched->lost)
        attach(watched);
    if (watched->events)
        watched_events_read(watched);
    look_at_waiting(watched);
    scan_some(watched);
    sweep_some(watched);
    if (watched->scan_again && !watched->scan && !watched->sweeping && !watched->lost) {
        int directory = use_directory(watched);
        int fd = directory >= 0 ? openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (fd >= 0)
            begin_scan(watched, fd);
    }
    release_directory(watched);
    return watched->lost ? watched->attached : watched->scan || watched->sweeping || watched->events;
}

uint64_t watched_due_ms(const struct watched *watched)
{
    const struct file *first = TAILQ_FIRST(&watched->waiting);
    return first && watched->attached ? first->time_ms : UINT64_MAX;
}
