#ifndef DAEMON_STATUS_H
#define DAEMON_STATUS_H

#include <stdint.h>

#include "shared/buffer.h"
#include "shared/ipc/inheritance.h"

/* The status of the whole as JSON, from the scoreboard, and rates from samples of it. */

enum { STATUS_SAMPLES = 6, STATUS_SAMPLE_MS = 1000 };

enum status_rate { RATE_CALLS, RATE_DELIVERIES, RATE_CHANGES, RATE_ACCEPTED, RATE_COUNT };

/** Counters of processes start at 0 when they do; the totals here go on. */
struct status_sample {
    uint64_t at_ms; /* monotonic */
    uint64_t total[RATE_COUNT];
};

struct status_rates {
    struct status_sample samples[STATUS_SAMPLES]; /* a ring; the oldest is overwritten */
    unsigned taken;
    uint64_t seen_committer;
    uint64_t seen[RING_WORKERS][RATE_COUNT]; /* each worker's counters when they were last looked at */
};

/** Takes a sample: once a second. @now_ms: monotonic. */
void status_sample(struct status_rates *rates, const struct scoreboard *scoreboard, uint64_t now_ms);

/** Per second between the oldest and the newest sample; 0 with fewer than two. */
double status_rate(const struct status_rates *rates, enum status_rate which);

/** Appends the JSON object that the control socket answers to "status". @listen: names of the listening
 * sockets. */
void status_append(struct buffer *out, const struct inheritance *common, const struct status_rates *rates,
                   const char *const *listen, size_t listen_count);

#endif
