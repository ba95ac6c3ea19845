#include "client/bench/bench_options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/default_paths.h"
#include "shared/base/memory.h"

enum kind { NUMBER, TEXT, FLAG, PID };

struct row {
    const char *name;
    enum kind kind;
    size_t offset; /* in struct bench_options */
    uint64_t least, most;
    const char *value;
    const char *help;
    bool common; /* every case takes it */
};

#define MEMBER(name) offsetof(struct bench_options, name)

static const struct row rows[] = {
    {"subscribers", NUMBER, MEMBER(subscribers), 1, 1000000, "N", "connections that receive every change",
     false},
    {"connections", NUMBER, MEMBER(connections), 1, 1000000, "N", "connections", false},
    {"in-flight", NUMBER, MEMBER(in_flight), 1, 65536, "N",
     "changes under way at once (calls: on each connection)", false},
    {"until-answered", FLAG, MEMBER(until_answered), 0, 0, NULL,
     "a change is under way until it is answered, not until every subscriber has it", false},
    {"rate", NUMBER, MEMBER(rate), 1, 100000, "N",
     "changes a second (logins: calls of all connections that call)", false},
    {"duration", NUMBER, MEMBER(duration), 1, 3600, "SECONDS", "how long to measure", false},
    {"count", NUMBER, MEMBER(count), 1, 100000000, "N", "how many to measure, instead of a time", false},
    {"warm-up", NUMBER, MEMBER(warm_up), 1, 1000000, "N", "changes before the measurement begins", false},
    {"document-bytes", NUMBER, MEMBER(document_bytes), 96, 262144, "N", "size of a document as JSON text",
     false},
    {"documents", NUMBER, MEMBER(documents), 1, 100000000, "N", "documents that the collection holds", false},
    {"hold", NUMBER, MEMBER(hold), 1, 3600, "SECONDS",
     "how long the idle connections are held before measuring", false},
    {"bare-lmdb", TEXT, MEMBER(bare_lmdb), 0, 0, "DIR",
     "compare with LMDB alone, in this directory (on the disk of the server's store)", false},
    {"unseen-collection", TEXT, MEMBER(unseen), 0, 0, "NAME",
     "another collection with insert and remove exposed (default bench_unseen)", false},
    {"fairness-collection", TEXT, MEMBER(fairness), 0, 0, "NAME",
     "another collection for the loads (default bench_fairness), as examples/bench.conf has it", false},
    {"load", TEXT, MEMBER(load), 0, 0, "NAME", "one load only", false},
    {"probers", NUMBER, MEMBER(probers), 1, 1000, "N", "connections that measure: as many as workers", false},
    {"scale", NUMBER, MEMBER(scale), 1, 100, "PERCENT", "size of the loads: fewer and smaller documents",
     false},
    {"keep", FLAG, MEMBER(keep), 0, 0, NULL, "leave the documents of the run in the collection", false},
    {"publish", TEXT, MEMBER(publish_url), 0, 0, "URL", "where to publish, when not at URL itself", false},
    {"collection", TEXT, MEMBER(collection), 0, 0, "NAME",
     "a collection with insert, remove and detail exposed (default bench)", true},
    {"login", TEXT, MEMBER(login), 0, 0, "USER", "log in once; every connection then uses the token", true},
    {"password-stdin", FLAG, MEMBER(password_stdin), 0, 0, NULL,
     "with --login: the password is the first line of "
     "the standard input (otherwise DISPATCHBENCH_PASSWORD)",
     true},
    {"token", TEXT, MEMBER(token), 0, 0, "TOKEN", "a token instead of a log-in", true},
    {"control", TEXT, MEMBER(control), 0, 0, "PATH",
     "control socket, for the server's process ids (default " DEFAULT_CONTROL ")", true},
    {"pid", PID, 0, 1, 0x7fffffff, "PID", "a process of the server, instead of asking; may be repeated",
     true},
    {"json", FLAG, MEMBER(json), 0, 0, NULL, "print the results as one JSON object", true},
};
enum { ROWS = sizeof rows / sizeof *rows };

static bool takes_option(const struct bench_case *chosen, const struct row *row)
{
    if (row->common)
        return true;
    size_t length = strlen(row->name);
    for (const char *at = chosen->options; (at = strstr(at, row->name)); at += length)
        if ((at == chosen->options || at[-1] == ' ') && (at[length] == ' ' || at[length] == 0))
            return true;
    return false;
}

static uint64_t read_number(const struct row *row, const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno || value < row->least || value > row->most)
        bench_fail("--%s %s: expected a number from %llu to %llu", row->name, text,
                   (unsigned long long)row->least, (unsigned long long)row->most);
    return value;
}

static void set_option(struct bench_options *options, const struct row *row, const char *text)
{
    char *at = (char *)options + row->offset;
    switch (row->kind) {
    case NUMBER: {
        uint64_t value = read_number(row, text);
        memcpy(at, &value, sizeof value);
        break;
    }
    case TEXT:
        memcpy(at, &text, sizeof text);
        break;
    case FLAG:
        *(bool *)at = true;
        break;
    case PID:
        if (options->pid_count == PID_LIMIT)
            bench_fail("--pid may be given %d times", PID_LIMIT);
        options->pids[options->pid_count++] = (pid_t)read_number(row, text);
        break;
    }
    if (row->offset == MEMBER(control) && row->kind == TEXT)
        options->control_given = true;
}

void bench_options_read(struct bench_options *options, const struct bench_case *chosen, int argc, char **argv)
{
    struct option *table = memory_zeroed(ROWS + 1, sizeof *table);
    for (int i = 0; i < ROWS; i++)
        table[i] = (struct option){rows[i].name, rows[i].kind == FLAG ? no_argument : required_argument, NULL,
                                   256 + i};
    optind = 0;
    int option;
    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (option < 256)
            exit(1);
        const struct row *row = &rows[option - 256];
        if (!takes_option(chosen, row))
            bench_fail("%s does not take --%s; it takes:%s%s", chosen->name, row->name,
                       chosen->options ? " " : "", chosen->options);
        set_option(options, row, optarg);
    }
    free(table);
    if (argc - optind != 1)
        bench_fail("%s: expected one URL (ws://HOST:PORT/ws, or unix:PATH of a control socket)",
                   chosen->name);
    options->url = argv[optind];
    if (options->login && options->token)
        bench_fail("--login and --token exclude each other");
}

void bench_options_print(void)
{
    for (int common = 0; common < 2; common++) {
        printf(common ? "\nOptions of all cases:\n" : "\nOptions of the cases that name them above:\n");
        for (int i = 0; i < ROWS; i++) {
            if (rows[i].common != (common == 1))
                continue;
            char name[64];
            snprintf(name, sizeof name, "--%s %s", rows[i].name, rows[i].value ? rows[i].value : "");
            printf("  %-24s %s\n", name, rows[i].help);
        }
    }
}
