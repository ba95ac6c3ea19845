#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/bench/bench_document.h"
#include "client/bench/load.h"
#include "client/bench/prober.h"
#include "client/bench/report.h"
#include "client/bench/setup.h"
#include "shared/base/memory.h"

/*
 * What others notice of one that asks for much: for each load (load.h) in turn, how long `detail` and
 * `insert` take for a prober (prober.h) on the same server meanwhile. How long they take decides nothing
 * about the exit status; that each of them is answered does.
 */

static const struct load_kind *const kinds[] = {
    &load_quiet,       &load_busy,      &load_unseen,           &load_import, &load_conditions,
    &load_range,       &load_sorted,    &load_counts,           &load_sync,   &load_sync_unread,
    &load_details,     &load_update,    &load_update_too_large, &load_patch,  &load_rights,
    &load_slow_reader, &load_strangers, &load_logins,
};
enum { KINDS = sizeof kinds / sizeof *kinds };

struct fairness {
    struct bench *bench;
    struct load load;
    struct prober prober;
    uint64_t inserted; /* by the prober */
    unsigned rows;
    bool whole;
};

static struct report_cell latency_cell(const char *key, const char *label, const struct histogram *histogram,
                                       double share)
{
    return (struct report_cell){key, label, (double)histogram_at(histogram, share) / 1e6, 2, false};
}

static struct report_cell number_cell(const char *key, const char *label, uint64_t value)
{
    return (struct report_cell){key, label, (double)value, 0, false};
}

static struct report_cell aside_cell(const char *key, const char *label, uint64_t value)
{
    return (struct report_cell){key, label, (double)value, 0, true};
}

static void report_load(struct fairness *fairness)
{
    const struct load *load = &fairness->load;
    const struct prober *prober = &fairness->prober;
    const struct report_cell cells[] = {
        number_cell("probes", "probes", prober->detail.count + prober->insert.count),
        latency_cell("detail_p50_ms", "detail p50", &prober->detail, 0.5),
        latency_cell("detail_p99_ms", "p99", &prober->detail, 0.99),
        latency_cell("detail_max_ms", "longest", &prober->detail, 1),
        latency_cell("insert_p50_ms", "insert p50", &prober->insert, 0.5),
        latency_cell("insert_p99_ms", "p99", &prober->insert, 0.99),
        latency_cell("insert_max_ms", "longest", &prober->insert, 1),
        number_cell("answered", "answered", load->outcomes.succeeded),
        aside_cell("heard", "changes heard", load->heard),
        aside_cell("ended", "cut off", load->ended),
        aside_cell("unanswered", "unanswered", load->unanswered),
        aside_cell("probes_refused", "PROBES REFUSED", prober->refused),
        aside_cell("probes_unanswered", "PROBES UNANSWERED", prober->unanswered),
    };
    enum { CELLS = sizeof cells / sizeof *cells };
    struct report_cell all[CELLS + OUTCOME_CODES];
    char keys[OUTCOME_CODES][OUTCOME_CODE_BYTES + 16];
    const struct outcomes *outcomes = &load->outcomes;
    memcpy(all, cells, sizeof cells);
    for (unsigned i = 0; i < outcomes->code_count; i++) {
        snprintf(keys[i], sizeof keys[i], "refused_%s", outcomes->codes[i].name);
        all[CELLS + i] = aside_cell(keys[i], outcomes->codes[i].name, outcomes->codes[i].count);
    }
    report_row(fairness->bench->report, load->kind->name, fairness->rows++ == 0, all,
               CELLS + outcomes->code_count);
}

static bool was_whole(const struct fairness *fairness)
{
    const struct prober *prober = &fairness->prober;
    const char *name = fairness->load.kind->name;
    if (prober->refused > 0)
        fprintf(stderr, "dispatchbench: %s: a probe was refused: %s\n", name, prober->refusal);
    if (prober->unanswered > 0)
        fprintf(stderr, "dispatchbench: %s: a probe was not answered\n", name);
    const char *wrong = fairness->load.outcomes.wrong;
    if (*wrong)
        fprintf(stderr, "dispatchbench: %s: a call of the load was wrong: %s\n", name, wrong);
    return !*wrong && prober->refused == 0 && prober->unanswered == 0 && prober->insert.count > 0;
}

static bool has_probed_enough(void *context)
{
    struct fairness *fairness = context;
    return atomic_load(&fairness->prober.answered) >= fairness->bench->options.count;
}

static void run_load(struct fairness *fairness, const struct load_kind *kind)
{
    struct bench *bench = fairness->bench;
    const char *token = bench_token(bench) ? bench_token(bench) : fairness->load.token.data;
    load_prepare(&fairness->load, kind);
    prober_open(&fairness->prober, bench, token, (unsigned)bench->options.probers, fairness->inserted);
    load_connect(&fairness->load);
    prober_start(&fairness->prober);
    load_run(&fairness->load, (double)bench->options.duration,
             bench->options.count ? has_probed_enough : NULL, fairness);
    prober_stop(&fairness->prober);
    fairness->inserted = fairness->prober.inserted;
    prober_close(&fairness->prober);
    load_close(&fairness->load);
    report_load(fairness);
    fairness->whole = was_whole(fairness) && fairness->whole;
}

/* The bench as the prober's user sees it, for documents of its collection. */
static struct bench of_prober(const struct fairness *fairness)
{
    struct bench bench = *fairness->bench;
    if (!bench_token(&bench))
        bench.token = fairness->load.token;
    return bench;
}

static void insert_first(struct fairness *fairness)
{
    struct bench bench = of_prober(fairness);
    struct client client;
    struct client_reply reply;
    struct buffer text = {0};
    bench_document_append(&text, bench.run, 0, 0, BENCH_DOCUMENT_LEAST);
    setup_client(&bench, &client);
    setup_call(&client, &bench, "insert", buffer_slice(&text), &reply);
    client_close(&client);
    buffer_free(&text);
}

static void check_load(const char *name)
{
    struct buffer names = {0};
    for (unsigned i = 0; i < KINDS; i++) {
        if (!name || strcmp(kinds[i]->name, name) == 0) {
            buffer_free(&names);
            return;
        }
        buffer_append_format(&names, " %s", kinds[i]->name);
    }
    bench_fail("--load %s: expected one of:%.*s", name, (int)names.length, names.data);
}

static void default_fairness(struct bench_options *options)
{
    options->duration = 5;
    options->probers = 1;
    options->scale = 100;
}

static bool run_fairness(struct bench *bench)
{
    const char *only = bench->options.load;
    check_load(only);
    struct fairness *fairness = memory_zeroed(1, sizeof *fairness);
    fairness->bench = bench;
    fairness->whole = true;
    load_init(&fairness->load, bench);
    insert_first(fairness);
    report_count(bench->report, "duration", "each load", bench->options.duration, "s");
    report_count(bench->report, "scale", "size of the loads", bench->options.scale, "%");
    for (unsigned i = 0; i < KINDS; i++)
        if (!only || strcmp(kinds[i]->name, only) == 0)
            run_load(fairness, kinds[i]);
    struct bench prober = of_prober(fairness);
    setup_remove(&prober, 0, fairness->inserted + 1);
    load_free(&fairness->load);
    bool whole = fairness->whole;
    free(fairness);
    return whole;
}

const struct bench_case case_fairness = {
    .name = "fairness",
    .options = "load duration count probers scale fairness-collection keep",
    .help = "what another client's detail and insert take while some ask for much",
    .defaults = default_fairness,
    .run = run_fairness,
};
