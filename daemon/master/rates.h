#ifndef DAEMON_MASTER_RATES_H
#define DAEMON_MASTER_RATES_H

#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/ipc/inheritance.h"

/* Rates from samples of the scoreboard. The status itself: shared/ipc/status.h. */

enum { RATES_SAMPLES = 6, RATES_SAMPLE_MS = 1000 };

/** Counters of processes start at 0 when they do; the totals here go on. */
struct rates_sample {
    uint64_t at_ms; /* monotonic */
    uint64_t total[RATE_COUNT];
};

struct rates {
    struct rates_sample samples[RATES_SAMPLES]; /* a ring; the oldest is overwritten */
    unsigned taken;
    uint64_t seen_committer;
    uint64_t seen[RING_WORKERS][RATE_COUNT]; /* each worker's counters when they were last looked at */
};

/** Takes a sample: once a second. @now_ms: monotonic. */
void rates_sample(struct rates *rates, const struct scoreboard *scoreboard, uint64_t now_ms);

/** Per second between the oldest and the newest sample; 0 with fewer than two. */
double rates_of(const struct rates *rates, enum scoreboard_rate which);

/** Writes the rates where every process reads them. */
void rates_share(const struct rates *rates, struct scoreboard *scoreboard);

#endif
