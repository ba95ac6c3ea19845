#include "client/bench/traffic.h"

static void default_fanout(struct bench_options *options)
{
    options->subscribers = 1000;
    options->in_flight = 32;
    options->duration = 10;
    options->document_bytes = 256;
    options->warm_up = 200;
}

static bool run_fanout(struct bench *bench)
{
    return traffic_run(bench, false);
}

const struct bench_case case_fanout = {
    .name = "fanout",
    .options = "subscribers in-flight until-answered duration count warm-up document-bytes keep",
    .help = "changes to many subscribers, as fast as possible: CPU of the server for each delivery",
    .defaults = default_fanout,
    .run = run_fanout,
};
