#include "daemon/status.h"

#include <inttypes.h>
#include <unistd.h>

#include "shared/clock.h"

static const char *state_name(uint32_t state)
{
    switch ((enum process_state)state) {
    case PROCESS_NONE:
        return "none";
    case PROCESS_STARTING:
        return "starting";
    case PROCESS_READY:
        return "ready";
    case PROCESS_STOPPING:
        return "stopping";
    }
    return "none";
}

/* A counter that is smaller than before belongs to a new process. */
static uint64_t advance(uint64_t *seen, uint64_t now)
{
    uint64_t more = now >= *seen ? now - *seen : now;
    *seen = now;
    return more;
}

void status_sample(struct status_rates *rates, const struct scoreboard *scoreboard, uint64_t now_ms)
{
    struct status_sample next = {0};
    if (rates->taken > 0)
        next = rates->samples[(rates->taken - 1) % STATUS_SAMPLES];
    next.at_ms = now_ms;
    for (unsigned slot = 0; slot < scoreboard->workers; slot++) {
        const struct scoreboard_worker *worker = &scoreboard->worker[slot];
        uint64_t *seen = rates->seen[slot];
        next.total[RATE_CALLS] += advance(&seen[RATE_CALLS], atomic_load(&worker->calls));
        next.total[RATE_DELIVERIES] += advance(&seen[RATE_DELIVERIES], atomic_load(&worker->deliveries));
        next.total[RATE_ACCEPTED] += advance(&seen[RATE_ACCEPTED], atomic_load(&worker->accepted));
    }
    next.total[RATE_CHANGES] += advance(&rates->seen_committer, atomic_load(&scoreboard->committer.changes));
    rates->samples[rates->taken++ % STATUS_SAMPLES] = next;
    if (rates->taken == 2 * STATUS_SAMPLES) /* the count never wraps */
        rates->taken = STATUS_SAMPLES;
}

double status_rate(const struct status_rates *rates, enum status_rate which)
{
    if (rates->taken < 2)
        return 0;
    const struct status_sample *newest = &rates->samples[(rates->taken - 1) % STATUS_SAMPLES];
    const struct status_sample *oldest =
        &rates->samples[rates->taken > STATUS_SAMPLES ? rates->taken % STATUS_SAMPLES : 0];
    if (newest->at_ms <= oldest->at_ms)
        return 0;
    return (double)(newest->total[which] - oldest->total[which]) * 1000.0 /
           (double)(newest->at_ms - oldest->at_ms);
}

static void append_committer(struct buffer *out, const struct scoreboard_committer *committer)
{
    buffer_append_format(
        out,
        "\"committer\":{\"pid\":%" PRId32 ",\"state\":\"%s\",\"commits\":%" PRIu64 ",\"sets\":%" PRIu64
        ",\"changes\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"store_used_bytes\":%" PRIu64
        ",\"store_map_bytes\":%" PRIu64 ",\"store_full\":%s}",
        atomic_load(&committer->pid), state_name(atomic_load(&committer->state)),
        atomic_load(&committer->commits), atomic_load(&committer->sets), atomic_load(&committer->changes),
        atomic_load(&committer->refused), atomic_load(&committer->store_used_bytes),
        atomic_load(&committer->store_map_bytes), atomic_load(&committer->store_full) ? "true" : "false");
}

static void append_worker(struct buffer *out, unsigned slot, const struct scoreboard_worker *worker,
                          uint64_t head)
{
    uint64_t position = atomic_load(&worker->ring_position);
    bool reading = atomic_load(&worker->state) != PROCESS_NONE && position > 0 && position < head;
    buffer_append_format(out,
                         "{\"slot\":%u,\"pid\":%" PRId32 ",\"state\":\"%s\",\"connections\":%" PRIu32
                         ",\"authorized\":%" PRIu32 ",\"accepted\":%" PRIu64 ",\"calls\":%" PRIu64
                         ",\"deliveries\":%" PRIu64 ",\"bytes_out\":%" PRIu64 ",\"ring_lag_bytes\":%" PRIu64
                         ",\"ring_seq\":%" PRIu64 ",\"backlog_bytes\":%" PRIu64 ",\"backlog_frames\":%" PRIu64
                         ",\"overruns\":%" PRIu64 ",\"catching_up\":%" PRIu64 "}",
                         slot, atomic_load(&worker->pid), state_name(atomic_load(&worker->state)),
                         atomic_load(&worker->connections), atomic_load(&worker->authorized),
                         atomic_load(&worker->accepted), atomic_load(&worker->calls),
                         atomic_load(&worker->deliveries), atomic_load(&worker->bytes_out),
                         reading ? head - position : 0, atomic_load(&worker->ring_seq),
                         atomic_load(&worker->backlog_bytes), atomic_load(&worker->backlog_frames),
                         atomic_load(&worker->overruns), atomic_load(&worker->catching_up));
}

void status_append(struct buffer *out, const struct inheritance *common, const struct status_rates *rates,
                   const char *const *listen, size_t listen_count)
{
    const struct scoreboard *scoreboard = common->scoreboard;
    uint64_t head = ring_head(common->ring);
    uint64_t published = ring_last_seq(common->ring);
    uint64_t committed = atomic_load(&scoreboard->committer.seq); /* 0 while the committer is dead */
    buffer_append_format(out,
                         "{\"version\":\"" DISPATCHD_VERSION "\",\"pid\":%d,\"uptime_ms\":%" PRIu64
                         ",\"seq\":%" PRIu64 ",\"restarts\":%" PRIu64 ",\"listen\":[",
                         (int)getpid(), clock_wall_ms() - atomic_load(&scoreboard->started_ms),
                         committed > published ? committed : published, atomic_load(&scoreboard->restarts));
    for (size_t i = 0; i < listen_count; i++)
        buffer_append_format(out, "%s\"%s\"", i ? "," : "", listen[i]);
    buffer_append_format(
        out,
        "],\"ring\":{\"bytes\":%zu,\"head\":%" PRIu64 ",\"last_seq\":%" PRIu64
        "},\"rates\":{\"calls\":%.1f,\"deliveries\":%.1f,\"changes\":%.1f,\"accepted\":%.1f},",
        ring_bytes(common->ring), head, published, status_rate(rates, RATE_CALLS),
        status_rate(rates, RATE_DELIVERIES), status_rate(rates, RATE_CHANGES),
        status_rate(rates, RATE_ACCEPTED));
    append_committer(out, &scoreboard->committer);
    buffer_append_text(out, ",\"workers\":[");
    for (unsigned slot = 0; slot < scoreboard->workers; slot++) {
        if (slot)
            buffer_append_byte(out, ',');
        append_worker(out, slot, &scoreboard->worker[slot], head);
    }
    buffer_append_text(out, "]}");
}
