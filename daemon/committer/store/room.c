#include "daemon/committer/store/room.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/committer/store/writer.h"
#include "shared/base/log.h"

enum {
    RESERVE_SHARE = 16, /* part of the map that ordinary changes leave, but */
    RESERVE_LEAST_PAGES = 128,
    OPENING_PAGES = 64, /* after all that are in use, whatever is free: what is long needs pages in a row */
    RESERVE_MOST = 16 * 1024 * 1024,
    DISK_RESERVE_MOST = 4 * 1024 * 1024,
    DISK_STEP = 4 * 1024 * 1024, /* blocks are kept for so much more at a time, when the disk has them */
    DISK_STEP_LEAST = 16 * 1024,
    COUNT_AHEAD = 64 * 1024 * 1024,
    ENTRY_BYTES = 128 /* of a change in the change log, and of what LMDB keeps with keys and values */
};

/** What a set is allowed to use up. */
enum room_use { ROOM_ORDINARY, ROOM_SESSIONS, ROOM_REMOVALS };

static uint64_t smaller_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t map_reserve(const struct store *store, uint64_t page_bytes)
{
    uint64_t reserve = smaller_of(store->config->map_bytes / RESERVE_SHARE, RESERVE_MOST);
    uint64_t smallest = RESERVE_LEAST_PAGES * page_bytes;
    return reserve > smallest ? reserve : smallest;
}

/** Bytes of the file in use, and mapped, as of the last commit. An error of LMDB. */
static int measure_room(struct store *store, struct room *room)
{
    MDB_envinfo info;
    MDB_stat status;
    int rc = mdb_env_info(store->env, &info);
    if (!rc)
        rc = mdb_env_stat(store->env, &status);
    if (rc)
        return rc;
    room->page_bytes = status.ms_psize;
    room->used = (info.me_last_pgno + 1) * room->page_bytes;
    room->map = info.me_mapsize;
    return 0;
}

int room_open(struct store *store)
{
    struct room room = {0};
    int rc = measure_room(store, &room);
    if (rc)
        return rc;
    uint64_t wanted = map_reserve(store, room.page_bytes), left = room.map - smaller_of(room.map, room.used);
    if (left >= wanted)
        return 0;
    if (left + store_free_pages(store, wanted / room.page_bytes) * room.page_bytes >= wanted)
        wanted = OPENING_PAGES * room.page_bytes; /* there are free pages, but perhaps no two in a row */
    else
        log_warning("store: map_bytes is used up; the map is made larger, so that documents can be removed");
    return left >= wanted ? 0 : mdb_env_set_mapsize(store->env, room.used + wanted);
}

void room_begin(struct writer *writer)
{
    struct store *store = writer->store;
    struct room *room = &writer->room;
    struct stat file;
    int fd;
    if (measure_room(store, room) != 0)
        log_fatal("store: its size cannot be determined");
    if (room->kept == 0)
        room->kept = mdb_env_get_fd(store->env, &fd) == 0 && fstat(fd, &file) == 0 ? (uint64_t)file.st_size
                                                                                   : UINT64_MAX;
    room->disk_full = false;
    room->free = room->looked_for = room->taken = 0;
}

/* ---- what a set needs ---- */

/** What a log-in and a log-out write. As much as users and their sessions are bounded, so is this. */
static bool is_of_sessions(unsigned collection)
{
    return collection == COLLECTION_SESSIONS || collection == COLLECTION_CREDENTIALS;
}

/** An answer that is remembered of what changed nothing is nothing that has to be: it takes ordinary room.
 * With a removal it may come: of these there are no more than documents. */
static enum room_use use_of(const struct writer *writer, bool once)
{
    enum room_use use = ROOM_REMOVALS;
    if (once && writer->staged_count == 0)
        return ROOM_ORDINARY;
    for (size_t i = 0; i < writer->staged_count; i++) {
        const struct staged *staged = writer->staged[i];
        if (staged->removed)
            continue;
        if (!is_of_sessions(staged->collection))
            return ROOM_ORDINARY;
        use = ROOM_SESSIONS;
    }
    return use;
}

static uint64_t bytes_needed(const struct writer *writer, struct slice answer, bool once)
{
    const struct room *room = &writer->room;
    uint64_t bytes = answer.length + (once ? answer.length + ENTRY_BYTES : 0), pages = 0;
    for (size_t i = 0; i < writer->staged_count; i++) {
        const struct staged *staged = writer->staged[i];
        bytes += ENTRY_BYTES + staged->bytes.length + staged->before.length + staged->tag_before.length +
                 staged->record.tag.length + 2 * staged->id.length;
        pages++;
        if (staged->removed) { /* what is to be known of it: former_name.h, former_owner.h */
            bytes += ENTRY_BYTES + staged->id.length + staged->former_owner.length;
            pages++;
        }
        for (const struct staged_key *key = staged->keys; key; key = key->next) {
            bytes += ENTRY_BYTES + key->value.length + staged->id.length;
            pages++;
        }
    }
    return 2 * bytes + smaller_of(pages * room->page_bytes, room->used); /* no page is copied twice */
}

/* ---- what there is ---- */

/** Bytes in LMDB's free pages; more than @wanted are not counted exactly. */
static uint64_t free_bytes(struct writer *writer, uint64_t wanted)
{
    struct room *room = &writer->room;
    if (room->looked_for < wanted) {
        room->looked_for = wanted + COUNT_AHEAD;
        room->free =
            store_free_pages(writer->store, room->looked_for / room->page_bytes + 1) * room->page_bytes;
    }
    return room->free;
}

/** Whether @bytes more than are in use fit before @end, or into free pages. */
static bool fits_before(struct writer *writer, uint64_t bytes, uint64_t end)
{
    uint64_t wanted = writer->room.used + bytes;
    return wanted <= end || wanted <= end + free_bytes(writer, wanted - end);
}

static bool fallocate_to(int fd, struct room *room, uint64_t end)
{
    int rc;
    do
        rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)room->kept, (off_t)(end - room->kept));
    while (rc < 0 && errno == EINTR);
    if (rc == 0)
        room->kept = end;
    else if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG)
        room->kept = UINT64_MAX; /* the file system keeps no blocks */
    return room->kept >= end;
}

/** Has the disk keep blocks for the file up to @end, or as many as it has. */
static void keep_blocks(struct writer *writer, uint64_t end)
{
    struct room *room = &writer->room;
    int fd;
    end = smaller_of(end, room->map);
    if (room->kept >= end || room->disk_full || mdb_env_get_fd(writer->store->env, &fd) != 0)
        return;
    if (fallocate_to(fd, room, smaller_of(end + DISK_STEP, room->map)))
        return;
    for (uint64_t step = end - room->kept; room->kept < end && step >= DISK_STEP_LEAST; step /= 2)
        (void)fallocate_to(fd, room, smaller_of(room->kept + step, end));
    room->disk_full = room->kept < end;
}

static bool is_room(struct writer *writer, uint64_t bytes, enum room_use use)
{
    const struct store *store = writer->store;
    struct room *room = &writer->room;
    uint64_t reserve = map_reserve(store, room->page_bytes), on_disk = smaller_of(reserve, DISK_RESERVE_MOST);
    keep_blocks(writer, room->used + bytes + on_disk);
    bool ordinary = use == ROOM_ORDINARY;
    return use == ROOM_REMOVALS || (fits_before(writer, bytes + reserve / (ordinary ? 1 : 2),
                                                ordinary ? store->config->map_bytes : room->map) &&
                                    (room->kept == UINT64_MAX ||
                                     fits_before(writer, bytes + on_disk / (ordinary ? 1 : 2), room->kept)));
}

enum room_verdict room_take(struct writer *writer, struct slice answer, bool once)
{
    uint64_t bytes = bytes_needed(writer, answer, once);
    enum room_use use = use_of(writer, once);
    if (is_room(writer, writer->room.taken + bytes, use)) {
        writer->room.taken += bytes;
        return ROOM_ENOUGH;
    }
    return writer->room.taken && is_room(writer, bytes, use) ? ROOM_LATER : ROOM_NONE;
}
