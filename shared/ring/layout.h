#ifndef SHARED_RING_LAYOUT_H
#define SHARED_RING_LAYOUT_H

#include <stdatomic.h>

#include "shared/ring/ring.h"

/*
 * The bits of the change ring. Only the files of this directory (and their tests) include this.
 *
 *   +-------------------------------+ 0
 *   | magic, bytes                  |   never change
 *   +-------------------------------+ 64
 *   | generation                    |   the one word that publishes: places[generation % 2] is published,
 *   | places[2]: position, seq      |   the other one is the producer's to write
 *   +-------------------------------+ 128
 *   | valid_from                    |   records before this position are, or may be, overwritten
 *   +-------------------------------+ 192
 *   | sleepers[RING_WORKERS]        |   a cache line each: 1 while that worker sleeps
 *   +-------------------------------+ RING_DATA
 *   | data: @bytes bytes            |   the byte at position P is data[P % bytes]
 *   +-------------------------------+
 *
 * A record starts at a multiple of 8 and lies in one piece. What does not fit before the end of the data
 * starts at its beginning, and a RING_SKIP fills what is left (8 bytes at least, as everything is a multiple
 * of 8):
 *
 *   0        4      6       8     16        24              28              32           34          36
 *   | length | kind | flags | seq | version | update_length | remove_length | collection | id_length | ...
 *   36              38             40
 *   | before_length | after_length | id, tag_before, tag_after, update_frame, remove_frame, padding |
 *
 * Of a RING_SKIP only length and kind are there.
 *
 * How the producer and the readers agree without locks:
 *
 *   producer: valid_from, release fence, records; ... ; release fence, the other place, generation (release)
 *   reader:   generation (acquire), its place; record; acquire fence, valid_from
 *
 * So a reader that has seen a byte of a newer record also sees the valid_from that was stored before it.
 *
 * A producer may die between any two of these stores. What it did not publish is nobody's: its successor
 * starts from the published place and writes over it.
 */

#define RING_MAGIC UINT64_C(0x676e697265676e63) /* "cngering" */

enum { RING_LINE = 64, RING_PAGE = 4096 };

enum ring_kind { RING_RECORD = 0x5243, RING_SKIP = 0x4b53 };

enum { RING_FETCH = 1 }; /* flag of a record */

struct ring_header {
    uint32_t length; /* of the whole record, a multiple of 8 */
    uint16_t kind;
    uint16_t flags;
    uint64_t seq;
    uint64_t version;
    uint32_t update_length;
    uint32_t remove_length;
    uint16_t collection;
    uint16_t id_length;
    uint16_t before_length;
    uint16_t after_length;
};

enum { RING_HEADER_WORDS = sizeof(struct ring_header) / sizeof(uint64_t) };
_Static_assert(sizeof(struct ring_header) == 40, "the header has no holes");

struct ring_place {
    _Atomic uint64_t position; /* after the last record */
    _Atomic uint64_t seq;      /* of the last record */
};

struct ring_sleeper {
    _Alignas(RING_LINE) _Atomic uint32_t sleeping;
};

struct ring_shared {
    uint64_t magic;
    uint64_t bytes;
    _Alignas(RING_LINE) _Atomic uint64_t generation; /* 0: not started */
    struct ring_place places[2];
    _Alignas(RING_LINE) _Atomic uint64_t valid_from;
    struct ring_sleeper sleepers[RING_WORKERS];
    _Alignas(RING_PAGE) char data[];
};

enum { RING_DATA = offsetof(struct ring_shared, data) };

struct ring {
    uint64_t magic;
    struct ring_shared *shared;
    int wakeup[RING_WORKERS]; /* eventfds of slots 0 to ->slots - 1 */
    unsigned slots;
    /* the producer's own */
    bool producing;
    uint64_t tail; /* position after the last record appended, published or not */
    uint64_t tail_seq;
};

struct ring_published {
    uint64_t position;
    uint64_t seq;
};

/** What is published now, both numbers of the same moment. ring.c */
struct ring_published ring_published(const struct ring *ring);

/** Writes the eventfds of those who sleep; @all: of everybody. wakeup.c */
void ring_wake(struct ring *ring, bool all);

/** Closes the eventfds. wakeup.c */
void ring_wakeup_close(struct ring *ring);

#endif
