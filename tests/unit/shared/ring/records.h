#ifndef TESTS_RING_RECORDS_H
#define TESTS_RING_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/ring/ring.h"

/* Records whose every byte follows from the sequence number, so that a reader can tell a whole one from a
 * torn one. */

enum { FRAME_MOST = 16000, COPY_MOST = 2 * FRAME_MOST + 4096 };

struct made_record {
    struct ring_record record;
    char bytes[COPY_MOST];
};

static inline void fill(char *to, size_t length, uint64_t seed)
{
    for (size_t i = 0; i < length; i++)
        to[i] = (char)(uint8_t)(seed * 131 + i * 7 + (i >> 8));
}

/* The record @seq with an update frame of @length bytes; every third one has a remove frame too. */
static inline const struct ring_record *make_record(struct made_record *made, uint64_t seq, size_t length)
{
    char *at = made->bytes;
    made->record = (struct ring_record){.seq = seq, .version = ~seq, .collection = (uint16_t)(seq * 77)};
    struct slice *slices[] = {&made->record.id, &made->record.tag_before, &made->record.tag_after,
                              &made->record.update_frame, &made->record.remove_frame};
    size_t lengths[] = {1 + seq % 256, seq % 5 ? seq % 517 : 0, seq % 7 ? seq % 13 : 0, length,
                        seq % 3 ? 0 : length / 2 + 1};
    for (unsigned i = 0; i < 5; i++) {
        fill(at, lengths[i], seq + i);
        *slices[i] = (struct slice){lengths[i] ? at : NULL, lengths[i]};
        at += lengths[i];
    }
    return &made->record;
}

/* Copies what a record's slices point to; the lengths are trusted, as ring_read() promises. */
static inline void copy_record(struct made_record *made, const struct ring_record *record)
{
    char *at = made->bytes;
    made->record = *record;
    struct slice *slices[] = {&made->record.id, &made->record.tag_before, &made->record.tag_after,
                              &made->record.update_frame, &made->record.remove_frame};
    for (unsigned i = 0; i < 5; i++) {
        if (!slices[i]->length)
            continue;
        memcpy(at, slices[i]->data, slices[i]->length);
        slices[i]->data = at;
        at += slices[i]->length;
    }
}

static inline bool same_record(const struct ring_record *a, const struct ring_record *b)
{
    return a->seq == b->seq && a->version == b->version && a->collection == b->collection &&
           a->fetch == b->fetch && slice_equal(a->id, b->id) && slice_equal(a->tag_before, b->tag_before) &&
           slice_equal(a->tag_after, b->tag_after) && slice_equal(a->update_frame, b->update_frame) &&
           slice_equal(a->remove_frame, b->remove_frame);
}

/* Whether a copied record is what make_record() makes of its sequence number. */
static inline bool is_whole(const struct ring_record *record)
{
    static struct made_record expected;
    return record->update_frame.length <= FRAME_MOST &&
           same_record(record, make_record(&expected, record->seq, record->update_frame.length));
}

#endif
