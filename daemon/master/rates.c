#include "daemon/master/rates.h"

/* A counter that is smaller than before belongs to a new process. */
static uint64_t advance_counter(uint64_t *seen, uint64_t now)
{
    uint64_t more = now >= *seen ? now - *seen : now;
    *seen = now;
    return more;
}

void rates_sample(struct rates *rates, const struct scoreboard *scoreboard, uint64_t now_ms)
{
    struct rates_sample next = {0};
    if (rates->taken > 0)
        next = rates->samples[(rates->taken - 1) % RATES_SAMPLES];
    next.at_ms = now_ms;
    for (unsigned slot = 0; slot < scoreboard->workers; slot++) {
        const struct scoreboard_worker *worker = &scoreboard->worker[slot];
        uint64_t *seen = rates->seen[slot];
        next.total[RATE_CALLS] += advance_counter(&seen[RATE_CALLS], atomic_load(&worker->calls));
        next.total[RATE_DELIVERIES] +=
            advance_counter(&seen[RATE_DELIVERIES], atomic_load(&worker->deliveries));
        next.total[RATE_ACCEPTED] += advance_counter(&seen[RATE_ACCEPTED], atomic_load(&worker->accepted));
    }
    next.total[RATE_CHANGES] +=
        advance_counter(&rates->seen_committer, atomic_load(&scoreboard->committer.changes));
    rates->samples[rates->taken++ % RATES_SAMPLES] = next;
    if (rates->taken == 2 * RATES_SAMPLES) /* the count never wraps */
        rates->taken = RATES_SAMPLES;
}

double rates_of(const struct rates *rates, enum scoreboard_rate which)
{
    if (rates->taken < 2)
        return 0;
    const struct rates_sample *newest = &rates->samples[(rates->taken - 1) % RATES_SAMPLES];
    const struct rates_sample *oldest =
        &rates->samples[rates->taken > RATES_SAMPLES ? rates->taken % RATES_SAMPLES : 0];
    if (newest->at_ms <= oldest->at_ms)
        return 0;
    return (double)(newest->total[which] - oldest->total[which]) * 1000.0 /
           (double)(newest->at_ms - oldest->at_ms);
}

void rates_share(const struct rates *rates, struct scoreboard *scoreboard)
{
    for (unsigned which = 0; which < RATE_COUNT; which++)
        atomic_store(&scoreboard->rates[which],
                     (uint64_t)(rates_of(rates, (enum scoreboard_rate)which) * 10));
}
