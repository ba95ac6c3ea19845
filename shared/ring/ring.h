#ifndef SHARED_RING_RING_H
#define SHARED_RING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/slice.h"

/*
 * The change ring: shared memory with one producer (the committer) and any number of readers (the workers)
 * without locks. Records have increasing sequence numbers, but not every number need be there (a new
 * committer folds what its predecessor left). Positions are byte counts since the ring was made; they never
 * wrap. The bits are in layout.h, which only the files of this directory include.
 */

struct ring; /* a mapping of it in this process */

enum { RING_WORKERS = 256 }; /* wake-up slots: worker slots 0 to 255 */

/** One change. Slices point into the ring when read: copy, then ring_confirm(). */
struct ring_record {
    uint64_t seq;
    uint64_t version;
    uint16_t collection; /* index in the configuration */
    struct slice id;
    struct slice tag_before; /* access tags, access_tag.h; empty: the document was or is not there */
    struct slice tag_after;
    struct slice update_frame; /* ready WebSocket frame for those who see it after; empty: none */
    struct slice remove_frame; /* for those who saw it before and do not after; empty: none */
    bool fetch; /* RING_FETCH: the frames were too large for the ring: take them from the store */
};

enum { RING_LEAST_BYTES = 64 * 1024 };

/** Makes a ring of @bytes (a power of two, at least RING_LEAST_BYTES; otherwise EINVAL) in a sealed memfd.
 * NULL with errno. */
[[gnu::warn_unused_result]] struct ring *ring_create(size_t bytes);

/** Unmaps. */
void ring_close(struct ring **ring);

size_t ring_bytes(const struct ring *ring);

/** Sequence number of the last record that readers can see; 0 in a new ring. */
uint64_t ring_last_seq(const struct ring *ring);

/** Position after the last record that readers can see. */
uint64_t ring_head(const struct ring *ring);

/* producer.c: the committer only. A new producer continues after the last published record, whatever its
 * predecessor was doing when it died. */

/** What each new producer says first. Gives a new ring the store's last sequence number, @seq, to start at;
 * in a ring that was started before, @seq is not used. Wakes every worker: the predecessor may have died
 * before it did. */
void ring_start(struct ring *ring, uint64_t seq);

/** Whether a producer has started the ring: a cursor started earlier knows no sequence number. For any
 * process. */
bool ring_started(const struct ring *ring);

/** Whether a record with these lengths fits (at most a quarter of the ring). One that does not is published
 * without frames and with RING_FETCH (ring_append() does so): readers take it from the store. */
bool ring_fits(const struct ring *ring, const struct ring_record *record);

/** Writes a record after the last one; not visible before ring_publish(). ->seq must increase. */
void ring_append(struct ring *ring, const struct ring_record *record);

/** Makes all appended records visible (barrier, then the head) and wakes the workers that sleep. */
void ring_publish(struct ring *ring);

/* cursor.c: the workers. */

enum ring_result {
    RING_OK,
    RING_END,    /* nothing new */
    RING_OVERRUN /* the producer has lapped this reader: go on from the change log, then ring_cursor_start()
                  */
};

struct ring_cursor {
    const struct ring *ring;
    uint64_t position;                /* of the next record */
    uint64_t seq;                     /* of the last record read (or of the start) */
    uint64_t next_position, next_seq; /* between ring_read() and ring_confirm() */
};

/** Starts at the head: records published from now on. ->seq is the last one published before, so the caller
 * knows what to read from the change log. */
void ring_cursor_start(struct ring_cursor *cursor, const struct ring *ring);

/** The next record. Its slices may change under the reader: copy what is needed, then ask ring_confirm(). */
[[gnu::warn_unused_result]] enum ring_result ring_read(struct ring_cursor *cursor,
                                                       struct ring_record *record);

/** RING_OK: what was copied is whole, and the cursor has moved past the record. RING_OVERRUN: throw it
 * away. */
[[gnu::warn_unused_result]] enum ring_result ring_confirm(struct ring_cursor *cursor);

/* wakeup.c: an eventfd for each worker slot, made with the ring, so that it outlives a worker. */

/** The eventfd of a worker slot: poll it for reading. */
int ring_wakeup_fd(const struct ring *ring, unsigned slot);

/** Makes the eventfds of slots 0 to @slots - 1. False with errno. Before the fork. */
[[gnu::warn_unused_result]] bool ring_wakeup_open(struct ring *ring, unsigned slots);

/** Before sleeping: sets the slot's flag, then looks at the head once more. True: may sleep. False: there is
 * work. */
[[gnu::warn_unused_result]] bool ring_sleep(struct ring *ring, unsigned slot,
                                            const struct ring_cursor *cursor);

/** After waking: clears the flag, drains the eventfd. */
void ring_awake(struct ring *ring, unsigned slot);

#endif
