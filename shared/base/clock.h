#ifndef SHARED_BASE_CLOCK_H
#define SHARED_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/** Monotonic time, for durations. */
static inline uint64_t clock_monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline uint64_t clock_monotonic_ms(void)
{
    return clock_monotonic_us() / 1000;
}

/** Milliseconds since 1970-01-01 UTC, for what is stored. */
static inline uint64_t clock_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
