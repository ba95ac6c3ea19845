#ifndef CLIENT_BENCH_HISTOGRAM_H
#define CLIENT_BENCH_HISTOGRAM_H

#include <stdint.h>

/*
 * Latencies in nanoseconds, counted in buckets that are linear within each power of two (as HdrHistogram does
 * it): a value is known to 1/128 of itself, whatever its size, in a fixed piece of memory.
 */

enum { HISTOGRAM_SUB_BITS = 7, HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS };

struct histogram {
    uint64_t count;
    uint64_t most;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t value)
{
    if (value >> HISTOGRAM_SUB_BITS == 0)
        return (unsigned)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return ((shift + 1) << HISTOGRAM_SUB_BITS) +
           (unsigned)((value >> shift) & ((1u << HISTOGRAM_SUB_BITS) - 1));
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->buckets[histogram_bucket(value)]++;
    histogram->count++;
    if (value > histogram->most)
        histogram->most = value;
}

/** The value below or at which @share (0 to 1) of the values lie, rounded up to its bucket's end; 0 when
 * empty. */
uint64_t histogram_at(const struct histogram *histogram, double share);

#endif
