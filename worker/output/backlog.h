#ifndef WORKER_OUTPUT_BACKLOG_H
#define WORKER_OUTPUT_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "shared/base/slice.h"
#include "shared/ring/ring.h"

/*
 * The worker's one copy of the frames that all its connections are sent: laid end to end in chunks, the
 * oldest chunk dropped when the bytes allowed are exceeded. Frames are numbered from 1 without gaps; a
 * connection holds the number of the next frame it looks at. A chunk is never moved, so that a run of frames
 * in one chunk is one iovec.
 */

struct backlog;

enum backlog_kind { BACKLOG_UPDATE, BACKLOG_REMOVE };

/** One frame. Valid until the next backlog_append(). */
struct backlog_frame {
    uint64_t seq;
    const char *bytes;
    uint32_t length;
    uint16_t collection;
    enum backlog_kind kind;
    struct slice tag_before, tag_after; /* access tags: who may see it */
};

/** A backlog that keeps at most about @bytes_most bytes of frames. */
struct backlog *backlog_create(uint64_t bytes_most);
void backlog_free(struct backlog **backlog);

/** Copies a record's frames after the last one: none, one or two of them (update first, then remove). Then
 * backlog_last_seq() is the record's. Slices of @record may be torn when the ring overran the reader:
 * lengths are as given, so the copy is safe; the caller then asks ring_confirm() and, if it must,
 * backlog_forget_last(). */
void backlog_append(struct backlog *backlog, const struct ring_record *record);

/** The number of the oldest frame that will be kept once @record is appended: who is behind it must let go
 * first. */
uint64_t backlog_first_after(const struct backlog *backlog, const struct ring_record *record);

/** Undoes the last backlog_append() (not what it dropped). Nobody may have looked at its frames in
 * between. */
void backlog_forget_last(struct backlog *backlog);

/** Forgets all frames; numbers go on, one is left out. Later frames have sequence numbers over @seq. Whoever
 * has a cursor falls behind first, also those at backlog_next(): output_fall_behind() with backlog_next()
 * + 1. */
void backlog_restart(struct backlog *backlog, uint64_t seq);

/** The number of the oldest frame that is kept; backlog_next() when there is none. */
uint64_t backlog_first(const struct backlog *backlog);

/** The number that the next frame will get. */
uint64_t backlog_next(const struct backlog *backlog);

/** Of the last record appended, with or without frames. */
uint64_t backlog_last_seq(const struct backlog *backlog);

/** Everything with a sequence number over this is still kept: a cursor that was sent all up to a seq >= this
 * can go on from the backlog. */
uint64_t backlog_floor_seq(const struct backlog *backlog);

/** Of the frames that are kept. */
uint64_t backlog_bytes(const struct backlog *backlog);

/** Frame @number, which must be kept. */
const struct backlog_frame *backlog_frame(const struct backlog *backlog, uint64_t number);

/** The number of the first frame whose seq is over @seq; backlog_next() when there is none. */
uint64_t backlog_find(const struct backlog *backlog, uint64_t seq);

#endif
