#include "client/bench/traffic.h"

static void default_paced(struct bench_options *options)
{
    options->subscribers = 1000;
    options->rate = 10;
    options->in_flight = 1; /* of the warm-up */
    options->duration = 20;
    options->document_bytes = 256;
    options->warm_up = 10;
}

static bool run_paced(struct bench *bench)
{
    return traffic_run(bench, false);
}

const struct bench_case case_paced = {
    .name = "paced",
    .options = "subscribers rate duration count warm-up document-bytes keep",
    .help = "a given number of changes a second to many subscribers: latency of a delivery",
    .defaults = default_paced,
    .run = run_paced,
};
