#include "worker/intake/directory.h"

#include <stdlib.h>

#include "shared/base/memory.h"

/* FREED_A_PASS: files of copies that nobody needs. COPY_TIMES: more files than a directory may have are in its
 * copy while those that took the place of others are known already and the going of these is not. */
enum { FREED_A_PASS = 1024, SWEPT_A_TURN = 64, COPY_TIMES = 2 };

struct directories {
    size_t count;
    struct directory *items;
    struct file_table *graves;
    uint32_t serial;
};

struct directories *directory_all_create(struct worker *worker)
{
    struct directories *directories = memory_zeroed(1, sizeof *directories);
    directories->count = worker->config->directory_count;
    directories->items = memory_zeroed(directories->count, sizeof *directories->items);
    for (size_t i = 0; i < directories->count; i++) {
        struct directory *directory = &directories->items[i];
        directory->declared = &worker->config->directories[i];
        directory->worker = worker;
        TAILQ_INIT(&directory->listing);
        TAILQ_INIT(&directory->ready);
        TAILQ_INIT(&directory->blocked);
    }
    return directories;
}

void directory_all_free(struct directories **directories)
{
    if (!*directories)
        return;
    for (size_t i = 0; i < (*directories)->count; i++) {
        struct directory *directory = &(*directories)->items[i];
        file_table_bury(&(*directories)->graves, directory->table);
        buffer_free(&directory->made.frames);
    }
    file_table_free(&(*directories)->graves);
    free((*directories)->items);
    free(*directories);
    *directories = NULL;
}

struct directory *directory_at(const struct worker *worker, size_t number)
{
    const struct directories *directories = worker->directories;
    return number < directories->count ? &directories->items[number] : NULL;
}

struct directory *directory_find(const struct worker *worker, struct slice name)
{
    const struct config_directory *declared = config_directory(worker->config, name);
    return declared ? directory_at(worker, declared->index) : NULL;
}

void directory_enter(struct directory *directory)
{
    struct directories *directories = directory->worker->directories;
    if (directory->listeners++ > 0)
        return;
    directory->table = file_table_create(directory->worker->config->limits.watch_files * COPY_TIMES);
    if (++directories->serial == 0)
        directories->serial = 1;
    directory->wanted = directories->serial;
    directory->begun = directory->sweeping = directory->whole = false;
    directory->seen = 0;
    directory->seen_whole = false;
}

void directory_leave(struct directory *directory)
{
    if (--directory->listeners > 0)
        return;
    file_table_bury(&directory->worker->directories->graves, directory->table);
    directory->table = NULL;
    directory->wanted = 0;
    directory->begun = directory->sweeping = directory->whole = false;
    buffer_free(&directory->made.frames);
}

/* ---- the watcher's link ---- */

static void link_ended(struct worker *worker)
{
    struct directory *directory;
    for (size_t i = 0; (directory = directory_at(worker, i)); i++) {
        directory->told = directory->asked = 0;
        directory->begun = directory->sweeping = directory->whole = false;
    }
}

static void append_wish(struct buffer *out, const struct directory *directory)
{
    struct watch_message message = {
        .type = directory->wanted ? WATCH_LISTEN : WATCH_UNLISTEN,
        .directory = directory->declared->index,
        .serial = directory->wanted,
    };
    watch_message_append(out, &message);
}

/* To begin a watch and to end it takes the watcher long, and a client may want both again and again: while one
 * waits for its answer those that follow become the last of them. */
static void fill_link(struct worker *worker, struct buffer *out)
{
    struct directory *directory;
    for (size_t i = 0; (directory = directory_at(worker, i)); i++) {
        if (directory->wanted == directory->told || directory->asked)
            continue;
        append_wish(out, directory);
        directory->told = directory->asked = directory->wanted;
    }
}

static void begin_copy(struct directory *directory, uint32_t serial)
{
    if (serial == directory->asked)
        directory->asked = 0;
    if (!directory->wanted || serial != directory->wanted)
        return;
    directory->begun = true;
    directory->sweeping = directory->whole = false;
    directory->swept = 0;
    file_table_doubt(directory->table);
}

/* The watcher may begin anew several times before all was told once: of what it does not name, and may have gone
 * long ago, more is left each time. */
static bool make_room(struct directory *directory)
{
    struct file *file = NULL;
    while (!file && directory->swept != file_table_last(directory->table)) {
        file = file_table_doubtful(directory->table, &directory->swept, SWEPT_A_TURN);
        work_charge(&directory->worker->work, WORK_LOOKUP);
    }
    if (file)
        file_table_remove(directory->table, file);
    return file != NULL;
}

static bool put_file(struct directory *directory, const struct watch_message *message)
{
    struct file *file;
    while (file_table_put(directory->table, message->name, message->size, message->modified_ms, &file) ==
           FILE_NO_ROOM)
        if (!make_room(directory))
            return false;
    return true;
}

static void remove_file(struct directory *directory, struct slice name)
{
    struct file *file = file_table_find(directory->table, name);
    if (file && !file->gone)
        file_table_remove(directory->table, file);
}

static bool take_message(struct worker *worker, const struct watch_message *message)
{
    struct directory *directory = directory_at(worker, message->directory);
    if (!directory)
        return false;
    if (message->type != WATCH_BEGIN && !directory->begun)
        return true; /* of an earlier listening */
    switch (message->type) {
    case WATCH_BEGIN:
        begin_copy(directory, message->serial);
        return true;
    case WATCH_FILE:
        return put_file(directory, message);
    case WATCH_GONE:
        remove_file(directory, message->name);
        return true;
    case WATCH_WHOLE:
        directory->sweeping = true;
        directory->swept = 0;
        return true;
    case WATCH_LISTEN:
    case WATCH_UNLISTEN:
        break;
    }
    return false;
}

const struct watcher_link_events directory_link_events = {link_ended, take_message, fill_link};

/* ---- in every pass ---- */

static void sweep_copy(struct directory *directory)
{
    struct work *work = &directory->worker->work;
    while (directory->sweeping && work_left(work, WORK_KEPT_FOR_OUTPUT)) {
        struct file *file = file_table_doubtful(directory->table, &directory->swept, SWEPT_A_TURN);
        work_charge(work, WORK_LOOKUP);
        if (file) {
            file_table_remove(directory->table, file);
        } else if (directory->swept == file_table_last(directory->table)) {
            directory->sweeping = false;
            directory->whole = true;
        }
    }
}

bool directory_step(struct worker *worker)
{
    struct directories *directories = worker->directories;
    struct directory *directory;
    bool more = false;
    for (size_t i = 0; (directory = directory_at(worker, i)); i++) {
        if (directory->sweeping)
            sweep_copy(directory);
        more |= directory->sweeping;
    }
    if (directories->graves && work_left(&worker->work, WORK_KEPT_FOR_OUTPUT)) {
        file_table_free_some(&directories->graves, FREED_A_PASS);
        work_charge(&worker->work, (uint64_t)FREED_A_PASS * WORK_LOOKUP);
    }
    return more || directories->graves;
}
