#include "shared/ipc/status.h"

#include <inttypes.h>

#include "shared/base/clock.h"

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

static void append_committer(struct buffer *out, const struct scoreboard_committer *committer)
{
    buffer_append_format(
        out,
        "\"committer\":{\"pid\":%" PRId32 ",\"state\":\"%s\",\"commits\":%" PRIu64 ",\"sets\":%" PRIu64
        ",\"changes\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"store_used_bytes\":%" PRIu64
        ",\"store_map_bytes\":%" PRIu64 ",\"store_full\":%s,\"still_ms\":%" PRIu64 ",\"work_units\":%" PRIu64
        ",\"cpu_us\":%" PRIu64 ",\"largest_work\":%" PRIu64 ",\"largest_cpu_us\":%" PRIu64 "}",
        atomic_load(&committer->pid), state_name(atomic_load(&committer->state)),
        atomic_load(&committer->commits), atomic_load(&committer->sets), atomic_load(&committer->changes),
        atomic_load(&committer->refused), atomic_load(&committer->store_used_bytes),
        atomic_load(&committer->store_map_bytes), atomic_load(&committer->store_full) ? "true" : "false",
        atomic_load(&committer->still_ms), atomic_load(&committer->work_units),
        atomic_load(&committer->cpu_us), atomic_load(&committer->largest_work),
        atomic_load(&committer->largest_cpu_us));
}

static void append_watcher(struct buffer *out, const struct scoreboard_watcher *watcher)
{
    buffer_append_format(
        out,
        "\"watcher\":{\"pid\":%" PRId32 ",\"state\":\"%s\",\"directories\":%" PRIu32 ",\"watches\":%" PRIu32
        ",\"files\":%" PRIu64 ",\"looks\":%" PRIu64 ",\"still_ms\":%" PRIu64 ",\"cpu_us\":%" PRIu64
        ",\"largest_pass_cpu_us\":%" PRIu64 "}",
        atomic_load(&watcher->pid), state_name(atomic_load(&watcher->state)),
        atomic_load(&watcher->directories), atomic_load(&watcher->watches), atomic_load(&watcher->files),
        atomic_load(&watcher->looks), atomic_load(&watcher->still_ms), atomic_load(&watcher->cpu_us),
        atomic_load(&watcher->largest_pass_cpu_us));
}

static void append_worker(struct buffer *out, unsigned slot, const struct scoreboard_worker *worker,
                          uint64_t head)
{
    uint64_t position = atomic_load(&worker->ring_position);
    bool reading = atomic_load(&worker->state) != PROCESS_NONE && position > 0 && position < head;
    buffer_append_format(
        out,
        "{\"slot\":%u,\"pid\":%" PRId32 ",\"state\":\"%s\",\"connections\":%" PRIu32
        ",\"authorized\":%" PRIu32 ",\"accepted\":%" PRIu64 ",\"calls\":%" PRIu64 ",\"deliveries\":%" PRIu64
        ",\"bytes_out\":%" PRIu64 ",\"ring_lag_bytes\":%" PRIu64 ",\"ring_seq\":%" PRIu64
        ",\"backlog_bytes\":%" PRIu64 ",\"backlog_frames\":%" PRIu64 ",\"overruns\":%" PRIu64
        ",\"catching_up\":%" PRIu64 ",\"work_units\":%" PRIu64 ",\"largest_step_units\":%" PRIu64
        ",\"largest_pass_cpu_us\":%" PRIu64,
        slot, atomic_load(&worker->pid), state_name(atomic_load(&worker->state)),
        atomic_load(&worker->connections), atomic_load(&worker->authorized), atomic_load(&worker->accepted),
        atomic_load(&worker->calls), atomic_load(&worker->deliveries), atomic_load(&worker->bytes_out),
        reading ? head - position : 0, atomic_load(&worker->ring_seq), atomic_load(&worker->backlog_bytes),
        atomic_load(&worker->backlog_frames), atomic_load(&worker->overruns),
        atomic_load(&worker->catching_up), atomic_load(&worker->work_units),
        atomic_load(&worker->largest_step_units), atomic_load(&worker->largest_pass_cpu_us));
    buffer_append_format(out,
                         ",\"largest_pass_units\":%" PRIu64 ",\"cpu_us\":%" PRIu64
                         ",\"connections_most\":%" PRIu32 ",\"still_ms\":%" PRIu64 ",\"calls_bytes\":%" PRIu64
                         "}",
                         atomic_load(&worker->largest_pass_units), atomic_load(&worker->cpu_us),
                         atomic_load(&worker->connections_most), atomic_load(&worker->still_ms),
                         atomic_load(&worker->calls_bytes));
}

static double rate_per_second(const struct scoreboard *scoreboard, enum scoreboard_rate which)
{
    return (double)atomic_load(&scoreboard->rates[which]) / 10;
}

void status_append(struct buffer *out, const struct scoreboard *scoreboard, const struct ring *ring)
{
    uint64_t head = ring_head(ring);
    uint64_t published = ring_last_seq(ring);
    uint64_t committed = atomic_load(&scoreboard->committer.seq); /* 0 while the committer is dead */
    buffer_append_format(
        out,
        "{\"version\":\"" DISPATCHD_VERSION "\",\"pid\":%d,\"uptime_ms\":%" PRIu64 ",\"seq\":%" PRIu64
        ",\"restarts\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"short_of_descriptors\":%s,\"listen\":[%s",
        (int)atomic_load(&scoreboard->master_pid), clock_wall_ms() - atomic_load(&scoreboard->started_ms),
        committed > published ? committed : published, atomic_load(&scoreboard->restarts),
        atomic_load(&scoreboard->refused), atomic_load(&scoreboard->short_of_descriptors) ? "true" : "false",
        scoreboard->listen);
    buffer_append_format(
        out,
        "],\"ring\":{\"bytes\":%zu,\"head\":%" PRIu64 ",\"last_seq\":%" PRIu64
        "},\"rates\":{\"calls\":%.1f,\"deliveries\":%.1f,\"changes\":%.1f,\"accepted\":%.1f},",
        ring_bytes(ring), head, published, rate_per_second(scoreboard, RATE_CALLS),
        rate_per_second(scoreboard, RATE_DELIVERIES), rate_per_second(scoreboard, RATE_CHANGES),
        rate_per_second(scoreboard, RATE_ACCEPTED));
    append_committer(out, &scoreboard->committer);
    if (scoreboard->watches) {
        buffer_append_byte(out, ',');
        append_watcher(out, &scoreboard->watcher);
    }
    buffer_append_text(out, ",\"workers\":[");
    for (unsigned slot = 0; slot < scoreboard->workers; slot++) {
        if (slot)
            buffer_append_byte(out, ',');
        append_worker(out, slot, &scoreboard->worker[slot], head);
    }
    buffer_append_text(out, "]}");
}
