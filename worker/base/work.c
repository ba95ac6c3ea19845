#include "worker/base/work.h"

#include <time.h>

#include "shared/ipc/scoreboard.h"

static uint64_t thread_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

void work_start(struct work *work, struct scoreboard_worker *score)
{
    *work = (struct work){.left = WORK_PASS, .score = score};
}

static void show_pass(const struct work *work, uint64_t pass_us)
{
    struct scoreboard_worker *score = work->score;
    atomic_store_explicit(&score->work_units, work->used, memory_order_relaxed);
    atomic_store_explicit(&score->largest_step_units, work->largest_step, memory_order_relaxed);
    atomic_store_explicit(&score->largest_pass_units, work->largest_pass, memory_order_relaxed);
    atomic_store_explicit(&score->cpu_us, work->passes_ns / 1000, memory_order_relaxed);
    if (pass_us > atomic_load_explicit(&score->largest_pass_cpu_us, memory_order_relaxed))
        atomic_store_explicit(&score->largest_pass_cpu_us, pass_us, memory_order_relaxed);
}

/* What a worker does before its loop runs is in no pass. */
void work_pass(struct work *work)
{
    (void)work_left(work, 0); /* a step ends with the pass */
    if (work->used - work->pass_used > work->largest_pass)
        work->largest_pass = work->used - work->pass_used;
    work->pass_used = work->used;
    work->left = WORK_PASS;
    if (!work->score)
        return;
    uint64_t now_ns = thread_cpu_ns();
    uint64_t pass_ns = work->cpu_ns ? now_ns - work->cpu_ns : 0;
    work->passes_ns += pass_ns;
    show_pass(work, pass_ns / 1000);
    work->cpu_ns = now_ns;
}
