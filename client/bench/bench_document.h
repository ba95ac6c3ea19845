#ifndef CLIENT_BENCH_BENCH_DOCUMENT_H
#define CLIENT_BENCH_BENCH_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>

#include "shared/base/buffer.h"

/*
 * The documents of a run: {"_id":"RUN-0000000123","t":TIME,"pad":"..."}, padded to the size that was asked
 * for. RUN is random, the number counts from 0, TIME is the sender's monotonic clock in ns. A receiver finds
 * the number after the run's name; in messages of the same make it stands at the same place, so that it is
 * searched only once.
 */

enum { BENCH_DOCUMENT_RUN = 8, BENCH_DOCUMENT_DIGITS = 10, BENCH_DOCUMENT_LEAST = 96 };

/** Appends the document with @number, exactly @bytes long. */
void bench_document_append(struct buffer *out, const char *run, uint64_t number, uint64_t time_ns,
                           size_t bytes);

/** Appends the id as a JSON string. */
void bench_document_append_id(struct buffer *out, const char *run, uint64_t number);

/** Finds documents' numbers in messages. */
struct bench_document_finder {
    char mark[BENCH_DOCUMENT_RUN + 2]; /* the run's name and a dash */
    size_t at;                         /* where the mark stood last */
};

void bench_document_finder_init(struct bench_document_finder *finder, const char *run);

/** The number of the (first) document of this run in the message; UINT64_MAX when there is none. */
static inline uint64_t bench_document_find(struct bench_document_finder *finder, struct slice text)
{
    const size_t mark = BENCH_DOCUMENT_RUN + 1;
    if (text.length < mark + BENCH_DOCUMENT_DIGITS)
        return UINT64_MAX;
    const size_t last = text.length - mark - BENCH_DOCUMENT_DIGITS; /* where it may stand at most */
    if (finder->at > last || memcmp(text.data + finder->at, finder->mark, mark) != 0) {
        const char *found = memmem(text.data, text.length, finder->mark, mark);
        if (!found || (size_t)(found - text.data) > last)
            return UINT64_MAX;
        finder->at = (size_t)(found - text.data);
    }
    const char *digits = text.data + finder->at + mark;
    uint64_t number = 0;
    for (unsigned i = 0; i < BENCH_DOCUMENT_DIGITS; i++)
        number = number * 10 + (uint64_t)(digits[i] - '0');
    return number;
}

/** The number after "seq": at the end of a message; 0: there is none. */
static inline uint64_t bench_document_seq(struct slice text)
{
    uint64_t seq = 0, place = 1;
    size_t at = text.length;
    if (at < 8 || text.data[--at] != '}')
        return 0;
    while (at > 6 && text.data[at - 1] >= '0' && text.data[at - 1] <= '9') {
        seq += place * (uint64_t)(text.data[--at] - '0');
        place *= 10;
    }
    return place > 1 && memcmp(text.data + at - 6, "\"seq\":", 6) == 0 ? seq : 0;
}

#endif
