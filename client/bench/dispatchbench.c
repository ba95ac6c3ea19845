/*
 * dispatchbench: bounded measurements against a running server. Read the table of cases, then the file of a
 * case; what they share is in loop (connections), traffic (one sender, many subscribers), setup (log-in,
 * documents), server (the processes that are measured) and report.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/bench/bench.h"
#include "client/bench/bench_options.h"
#include "client/bench/report.h"
#include "client/bench/setup.h"
#include "shared/base/default_paths.h"
#include "shared/base/random.h"
#include "shared/base/standard_descriptors.h"

static const struct bench_case *const cases[] = {
    &case_fanout, &case_paced,     &case_calls,  &case_inserts, &case_idle,     &case_churn,
    &case_sync,   &case_broadcast, &case_logins, &case_unseen,  &case_fairness,
};
enum { CASES = sizeof cases / sizeof *cases };

void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("dispatchbench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void print_help(void)
{
    printf("usage: dispatchbench CASE [OPTION]... URL\n\n"
           "Measures a running server: ws://HOST:PORT/ws, or unix:PATH of a control socket (where no log-in "
           "is needed).\n"
           "Every run ends by itself. Nobody else should write to the collection meanwhile.\n\n"
           "Cases:\n");
    for (size_t i = 0; i < CASES; i++)
        printf("  %-10s %s\n             takes: %s\n", cases[i]->name, cases[i]->help, cases[i]->options);
    bench_options_print();
    printf("  %-24s %s\n  %-24s %s\n", "--help", "this text", "--version", "the version");
    printf(
        "\nExit status: 0; 1 when the run failed, or when a delivery was lost, doubled or out of order.\n");
}

static const struct bench_case *find_case(const char *name)
{
    for (size_t i = 0; i < CASES; i++)
        if (strcmp(cases[i]->name, name) == 0)
            return cases[i];
    bench_fail("%s: no such case; see dispatchbench --help", name);
}

static bool says_written(bool written)
{
    if (!written)
        fprintf(stderr, "dispatchbench: standard output cannot be written\n");
    return written;
}

int main(int argc, char **argv)
{
    standard_descriptors_take();
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2)
        bench_fail("a case is missing; see dispatchbench --help");
    if (strcmp(argv[1], "--help") == 0) {
        print_help();
        return says_written(fflush(stdout) == 0 && !ferror(stdout)) ? 0 : 1;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("dispatchbench %s\n", DISPATCHD_VERSION);
        return says_written(fflush(stdout) == 0 && !ferror(stdout)) ? 0 : 1;
    }
    const struct bench_case *chosen = find_case(argv[1]);
    struct report report = {0};
    struct bench bench = {
        .options = {.collection = "bench",
                    .unseen = "bench_unseen",
                    .fairness = "bench_fairness",
                    .control = DEFAULT_CONTROL},
        .report = &report,
    };
    chosen->defaults(&bench.options);
    bench_options_read(&bench.options, chosen, argc - 1, argv + 1);
    report.json = bench.options.json;
    char message[WS_TARGET_MESSAGE], run[RANDOM_ID_LENGTH + 1];
    if (!ws_target_parse(&bench.target, bench.options.url, message))
        bench_fail("%s", message);
    random_id(run);
    memcpy(bench.run, run, sizeof bench.run - 1);
    if (!chosen->plain)
        setup_token(&bench);
    report_text(&report, "case", "case", chosen->name);
    bool whole = chosen->run(&bench);
    buffer_free(&bench.token);
    buffer_free(&bench.login);
    return says_written(report_print(&report)) && whole ? 0 : 1;
}
