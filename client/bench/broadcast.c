#include "client/bench/traffic.h"

static void default_broadcast(struct bench_options *options)
{
    options->subscribers = 1000;
    options->in_flight = 32;
    options->duration = 10;
    options->document_bytes = 256;
    options->warm_up = 200;
}

static bool run_broadcast(struct bench *bench)
{
    return traffic_run(bench, true);
}

const struct bench_case case_broadcast = {
    .name = "broadcast",
    .options = "subscribers in-flight rate duration count warm-up document-bytes publish",
    .help = "fanout (or, with --rate, paced) for any server that sends every subscriber what is published, "
            "as nchan",
    .defaults = default_broadcast,
    .run = run_broadcast,
    .plain = true,
};
