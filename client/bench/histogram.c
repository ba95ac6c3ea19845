#include "client/bench/histogram.h"

/* The largest value that falls into the bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    unsigned block = bucket >> HISTOGRAM_SUB_BITS;
    uint64_t sub = bucket & ((1u << HISTOGRAM_SUB_BITS) - 1);
    if (block == 0)
        return sub;
    uint64_t low = (UINT64_C(1) << HISTOGRAM_SUB_BITS | sub) << (block - 1);
    return low + ((UINT64_C(1) << (block - 1)) - 1);
}

uint64_t histogram_at(const struct histogram *histogram, double share)
{
    if (histogram->count == 0)
        return 0;
    double exact = share * (double)histogram->count;
    uint64_t wanted = (uint64_t)exact;
    if ((double)wanted < exact || wanted == 0)
        wanted++;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted) {
            uint64_t end = bucket_end(i);
            return end < histogram->most ? end : histogram->most;
        }
    }
    return histogram->most;
}
