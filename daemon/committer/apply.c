#include "daemon/committer/apply.h"

#include <time.h>

#include "daemon/committer/store/change_set_apply.h"
#include "daemon/committer/store/write.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

/* ---- the results of one link in this batch: u64 incarnation, then RESULT messages; so they are stored, too
 * ---- */

enum { INCARNATION_BYTES = 8 };

enum { FULL_AGAIN_MS = 60000 };

static void append_incarnation(struct buffer *out, uint64_t incarnation)
{
    for (unsigned i = 0; i < INCARNATION_BYTES; i++)
        buffer_append_byte(out, (char)(unsigned char)(incarnation >> (8 * i)));
}

static uint64_t read_incarnation(struct slice bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < INCARNATION_BYTES; i++)
        value |= (uint64_t)(unsigned char)bytes.data[i] << (8 * i);
    return value;
}

static void add_result(const struct batch_set *set, const struct apply_result *result)
{
    struct buffer *results = &set->link->results;
    if (results->length == 0)
        append_incarnation(results, set->link->incarnation);
    struct committer_result message = {
        .id = set->id,
        .code = result->code,
        .seq = result->seq,
        .at_fault = result->at_fault,
        .text = result->code == ERROR_NONE ? result->answer : slice_text(result->message),
    };
    committer_result_append(results, &message);
}

/* What the open transaction added. */
static void forget_results(struct applier *applier)
{
    for (size_t i = 0; i < applier->count; i++) {
        struct link *link = applier->batch[i].link;
        buffer_shorten(&link->results, link->settled);
    }
}

static void settle_results(struct applier *applier)
{
    for (size_t i = 0; i < applier->count; i++) {
        struct link *link = applier->batch[i].link;
        link->settled = link->results.length;
    }
}

static void answer_all(struct applier *applier)
{
    for (size_t i = 0; i < applier->count; i++) {
        struct link *link = applier->batch[i].link;
        struct slice results = buffer_slice(&link->results);
        if (results.length == 0)
            continue; /* answered with an earlier set of this batch */
        if (!link->ended) {
            buffer_append(&link->out, results.data + INCARNATION_BYTES, results.length - INCARNATION_BYTES);
            intake_flush(link);
        }
        buffer_clear(&link->results);
        link->settled = 0;
    }
}

void apply_greet(struct applier *applier, struct link *link)
{
    struct buffer stored = {0};
    store_write_read_results(applier->writer, link->slot, &stored);
    struct slice bytes = buffer_slice(&stored);
    if (bytes.length > INCARNATION_BYTES && read_incarnation(bytes) == link->incarnation)
        buffer_append(&link->out, bytes.data + INCARNATION_BYTES, bytes.length - INCARNATION_BYTES);
    committer_welcome_append(&link->out);
    buffer_free(&stored);
}

/* ---- transactions ---- */

static void begin_batch(struct applier *applier)
{
    if (store_write_begin(applier->writer) != ERROR_NONE)
        log_fatal("the store takes no transaction: the committer ends");
    atomic_fetch_add_explicit(&applier->row->loops, 1, memory_order_relaxed);
}

static enum error_code commit_batch(struct applier *applier)
{
    atomic_store(&applier->row->syncing, true);
    enum error_code code = store_write_commit(applier->writer);
    atomic_store(&applier->row->syncing, false);
    if (code == ERROR_STORE_FULL) {
        store_write_abort(applier->writer);
        return code;
    }
    if (code !=
        ERROR_NONE) /* it may be on disk or not: the callers learn that from a committer that can read it */
        log_fatal("a transaction could not be committed: the committer ends");
    return code;
}

static void publish_committed(struct applier *applier)
{
    struct scoreboard_committer *row = applier->row;
    if (applier->after_commit)
        applier->after_commit();
    size_t count = 0;
    const struct applied_change *changes = store_write_changes(applier->writer, &count);
    publish_changes(applier->publisher, changes, count);
    atomic_store(&row->seq, store_write_seq(applier->writer));
    atomic_fetch_add(&row->commits, 1);
    atomic_fetch_add(&row->changes, count);
    atomic_store(&row->store_full, 0);
}

static void count_result(struct applier *applier, enum error_code code)
{
    atomic_fetch_add(code == ERROR_NONE ? &applier->row->sets : &applier->row->refused, 1);
}

/* Stores the results of every link that has some in this batch. */
static enum error_code store_results(struct applier *applier)
{
    const struct link *done[RING_WORKERS] = {0};
    for (size_t i = 0; i < applier->count; i++) {
        const struct link *link = applier->batch[i].link;
        if (done[link->slot] || link->results.length == 0)
            continue;
        done[link->slot] = link;
        enum error_code code = store_write_results(applier->writer, link->slot, buffer_slice(&link->results));
        if (code != ERROR_NONE)
            return code;
    }
    return ERROR_NONE;
}

/* The next set of the batch: one that was taken and not done, or one that waits. NULL: there is none, or the
 * batch is full. */
static const struct batch_set *next_set(struct applier *applier, size_t at)
{
    struct batch_set *next = &applier->batch[at];
    if (at < applier->count)
        return next;
    if (applier->count == APPLY_SETS || applier->bytes >= APPLY_BYTES ||
        !intake_next_set(applier->intake, &next->link, &next->id, &next->set))
        return NULL;
    applier->bytes += next->set.length;
    applier->count++;
    return next;
}

static uint64_t thread_cpu_us(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

/* The transaction that began at @since_us of the processor's time has ended. */
static void show_work(struct applier *applier, uint64_t since_us)
{
    struct scoreboard_committer *row = applier->row;
    uint64_t work = store_write_work(applier->writer), cpu_us = thread_cpu_us() - since_us;
    atomic_fetch_add(&row->work_units, work);
    atomic_fetch_add(&row->cpu_us, cpu_us);
    if (work > atomic_load(&row->largest_work))
        atomic_store(&row->largest_work, work);
    if (cpu_us > atomic_load(&row->largest_cpu_us))
        atomic_store(&row->largest_cpu_us, cpu_us);
}

/*
 * Applies the sets from @from up to @to (SIZE_MAX: as many as wait) in one transaction, as far as there is
 * room and time for them in it. Returns the first that was not done; @from when the transaction failed.
 */
static size_t apply_together(struct applier *applier, size_t from, size_t to, uint64_t now_ms)
{
    const struct batch_set *set;
    size_t good = 0, end = from;
    uint64_t began_us = thread_cpu_us();
    begin_batch(applier);
    for (; end < to && store_write_work(applier->writer) < APPLY_WORK && (set = next_set(applier, end));
         end++) {
        struct apply_result result;
        enum error_code code = change_set_apply(applier->writer, set->set, now_ms, &result);
        if (result.spoilt)
            goto spoilt;
        if (result.again)
            break;
        good += code == ERROR_NONE;
        applier->full = applier->full || code == ERROR_STORE_FULL;
        add_result(set, &result);
    }
    if (good == 0) {
        store_write_abort(applier->writer); /* refusals need not be durable */
    } else {
        if (store_results(applier) != ERROR_NONE || commit_batch(applier) != ERROR_NONE)
            goto spoilt;
        publish_committed(applier);
    }
    settle_results(applier);
    show_work(applier, began_us);
    atomic_fetch_add(&applier->row->sets, good);
    atomic_fetch_add(&applier->row->refused, end - from - good);
    return end;

spoilt:
    show_work(applier, began_us);
    store_write_abort(applier->writer);
    forget_results(applier);
    return from;
}

static void fail_set(struct apply_result *result, enum error_code code)
{
    *result = (struct apply_result){.code = code};
    const char *why = code == ERROR_STORE_FULL ? "The store is full" : "Internal error";
    memcpy(result->message, why, strlen(why) + 1);
}

/* One set in a transaction of its own. Its result joins those its worker has in this batch already, which are
 * stored again with it, since none of them has been written out. */
static enum error_code apply_alone(struct applier *applier, struct batch_set *set, uint64_t now_ms)
{
    struct buffer *results = &set->link->results;
    size_t before = results->length;
    struct apply_result result = {0};
    begin_batch(applier);
    enum error_code code = change_set_apply(applier->writer, set->set, now_ms, &result);
    if (code == ERROR_NONE) {
        add_result(set, &result);
        code = store_write_results(applier->writer, set->link->slot, buffer_slice(results));
        if (code == ERROR_NONE) {
            code = commit_batch(applier);
            if (code == ERROR_NONE) {
                publish_committed(applier);
                return code;
            }
        } else {
            store_write_abort(applier->writer);
        }
        buffer_shorten(results, before);
        fail_set(&result, code);
    } else {
        store_write_abort(applier->writer);
    }
    if (result.spoilt)
        fail_set(&result, code);
    add_result(set, &result);
    return code;
}

static void complain_full(struct applier *applier)
{
    uint64_t now = clock_monotonic_ms();
    atomic_store(&applier->row->store_full, 1);
    if (applier->full_said_ms && now - applier->full_said_ms < FULL_AGAIN_MS)
        return;
    applier->full_said_ms = now;
    log_error("the store is full: what needs more room is refused (see map_bytes and the disk)");
}

/* What failed together is done in halves: what is to blame ends up alone. */
static void apply_range(struct applier *applier, size_t from, size_t to, uint64_t now_ms)
{
    if (to - from == 1) {
        uint64_t began_us = thread_cpu_us();
        enum error_code code = apply_alone(applier, &applier->batch[from], now_ms);
        show_work(applier, began_us);
        count_result(applier, code);
        applier->full = applier->full || code == ERROR_STORE_FULL;
        return;
    }
    while (from < to) {
        size_t half = from + (to - from + 1) / 2;
        size_t end = half - from > 1 ? apply_together(applier, from, half, now_ms) : from;
        if (end == from) {
            apply_range(applier, from, half, now_ms);
            end = half;
        }
        from = end;
    }
}

/* The first transaction decides how many sets the batch has; what it left of them is done in more. */
static void apply_all(struct applier *applier, uint64_t now_ms)
{
    applier->full = false;
    size_t done = apply_together(applier, 0, SIZE_MAX, now_ms);
    while (done < applier->count) {
        size_t end = apply_together(applier, done, applier->count, now_ms);
        if (end == done) {
            apply_range(applier, done, applier->count, now_ms);
            end = applier->count;
        }
        done = end;
    }
    if (applier->full)
        complain_full(applier);
}

bool apply_batch(struct applier *applier, struct intake *intake)
{
    applier->intake = intake;
    applier->count = applier->bytes = 0;
    if (next_set(applier, 0)) {
        apply_all(applier, clock_wall_ms());
        answer_all(applier);
    }
    intake_release(intake);
    return applier->count > 0;
}
