#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/ctl.h"

/* The status is one line of JSON; this shows it as a table for people. A key that is absent counts as 0 or
 * "". */

/* The columns that do not speak for themselves, in their order. Who adds one explains it here and in
 * dispatchctl(8). */
static const struct {
    const char *name, *meaning;
} columns[] = {
    {"COMMITS", "transactions"},
    {"SETS", "change sets that were applied: what a call writes, or a part of it"},
    {"CHANGES", "documents that were inserted, changed and removed"},
    {"REFUSED", "change sets that failed and changed nothing"},
    {"CONNECTIONS", "open now"},
    {"AUTHORIZED", "of these, logged in"},
    {"CALLS", "made by clients"},
    {"DELIVERIES", "messages with changes, counted for each connection that they were sent to"},
    {"SENT", "bytes sent to clients"},
    {"RING LAG", "bytes of changes that the committer has published and the worker has not yet taken"},
    {"BACKLOG", "bytes of changes that the worker keeps in memory for clients that read slowly"},
    {"FRAMES", "messages in the backlog"},
    {"OVERRUNS", "times the worker lagged by more than the ring holds, and read the change log instead"},
    {"BEHIND", "connections that are sent changes from the change log, slower than from the backlog"},
    {"STEP", "units of work in the longest step of the worker, in which it does nothing else"},
    {"PASS MS", "CPU time of the longest pass of its loop, in milliseconds"},
};

static uint64_t status_number(struct json_value object, const char *key)
{
    int64_t value = 0;
    if (!json_integer(json_member(object, slice_text(key)), &value) || value < 0)
        return 0;
    return (uint64_t)value;
}

/* Names and states of the service itself: plain words, shown as they are written. */
static struct slice status_word(struct json_value value)
{
    struct slice text = json_text(value);
    if (json_type(value) == JSON_STRING)
        text = slice_of(text.data + 1, text.length - 2);
    return text.data ? text : SLICE("");
}

static const char *duration_text(char out[48], uint64_t ms)
{
    uint64_t s = ms / 1000;
    uint64_t days = s / 86400;
    int at = days ? snprintf(out, 48, "%" PRIu64 " d ", days) : 0;
    snprintf(out + at, 48 - (size_t)at, "%02u:%02u:%02u", (unsigned)(s / 3600 % 24), (unsigned)(s / 60 % 60),
             (unsigned)(s % 60));
    return out;
}

static void print_service(struct json_value status)
{
    char text[48], one[32], two[32];
    struct slice version = status_word(json_member(status, SLICE("version")));
    printf("dispatchd %.*s, pid %" PRIu64 ", up %s, children restarted %" PRIu64 "\n", (int)version.length,
           version.data, status_number(status, "pid"),
           duration_text(text, status_number(status, "uptime_ms")), status_number(status, "restarts"));
    printf("listening on");
    struct json_iterator each = json_begin(json_member(status, SLICE("listen")));
    while (json_step(&each)) {
        struct slice address = status_word(each.value);
        printf(" %.*s", (int)address.length, address.data);
    }
    struct json_value rates = json_member(status, SLICE("rates"));
    printf("\na second: %" PRIu64 " calls, %" PRIu64 " changes, %" PRIu64 " deliveries, %" PRIu64
           " connections accepted\n",
           status_number(rates, "calls"), status_number(rates, "changes"), status_number(rates, "deliveries"),
           status_number(rates, "accepted"));
    struct json_value ring = json_member(status, SLICE("ring"));
    printf("last change: seq %" PRIu64 "; change ring: %s, %" PRIu64 " bytes written, up to seq %" PRIu64
           "\n",
           status_number(status, "seq"), ctl_bytes(one, status_number(ring, "bytes")),
           status_number(ring, "head"), status_number(ring, "last_seq"));
    struct json_value committer = json_member(status, SLICE("committer"));
    bool full = false, short_of_descriptors = false;
    if (json_boolean(json_member(status, SLICE("short_of_descriptors")), &short_of_descriptors) &&
        short_of_descriptors)
        printf("NO DESCRIPTORS ARE LEFT: connections are refused, %" PRIu64 " so far\n",
               status_number(status, "refused"));
    if (json_boolean(json_member(committer, SLICE("store_full")), &full) && full)
        printf("THE STORE IS FULL: writing is refused\n");
    printf("store %s of %s\n\n", ctl_bytes(one, status_number(committer, "store_used_bytes")),
           ctl_bytes(two, status_number(committer, "store_map_bytes")));
}

static void print_committer(struct json_value committer)
{
    struct slice state = status_word(json_member(committer, SLICE("state")));
    printf("%-10s %7s %-8s %11s %11s %11s %11s\n", "PROCESS", "PID", "STATE", "COMMITS", "SETS", "CHANGES",
           "REFUSED");
    printf("%-10s %7" PRIu64 " %-8.*s %11" PRIu64 " %11" PRIu64 " %11" PRIu64 " %11" PRIu64 "\n\n",
           "committer", status_number(committer, "pid"), (int)state.length, state.data,
           status_number(committer, "commits"), status_number(committer, "sets"),
           status_number(committer, "changes"), status_number(committer, "refused"));
}

static void print_still(const char *name, struct json_value process)
{
    uint64_t still_ms = status_number(process, "still_ms");
    if (still_ms > 0)
        printf("%s HAS STOOD STILL for %" PRIu64 " s\n", name, still_ms / 1000);
}

static void print_worker(struct json_value worker)
{
    char name[32], lag[32], backlog[32], out[32];
    struct slice state = status_word(json_member(worker, SLICE("state")));
    bool catching_up = false;
    uint64_t behind = status_number(worker, "catching_up"); /* a number of connections, or a flag */
    if (behind == 0 && json_boolean(json_member(worker, SLICE("catching_up")), &catching_up))
        behind = catching_up;
    snprintf(name, sizeof name, "worker %" PRIu64, status_number(worker, "slot"));
    printf("%-10s %7" PRIu64 " %-8.*s %11" PRIu64 " %11" PRIu64 " %11" PRIu64 " %11" PRIu64
           " %10s %10s %10s %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8.1f\n",
           name, status_number(worker, "pid"), (int)state.length, state.data,
           status_number(worker, "connections"), status_number(worker, "authorized"),
           status_number(worker, "calls"), status_number(worker, "deliveries"),
           ctl_bytes(out, status_number(worker, "bytes_out")),
           ctl_bytes(lag, status_number(worker, "ring_lag_bytes")),
           ctl_bytes(backlog, status_number(worker, "backlog_bytes")),
           status_number(worker, "backlog_frames"), status_number(worker, "overruns"), behind,
           status_number(worker, "largest_step_units"),
           (double)status_number(worker, "largest_pass_cpu_us") / 1000);
}

static void print_columns(void)
{
    printf("\nCounts are of the process since it started.\n");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        printf("  %-12s %s\n", columns[i].name, columns[i].meaning);
}

static void print_status_table(struct json_value status)
{
    print_service(status);
    print_committer(json_member(status, SLICE("committer")));
    printf("%-10s %7s %-8s %11s %11s %11s %11s %10s %10s %10s %8s %8s %8s %8s %8s\n", "PROCESS", "PID",
           "STATE", "CONNECTIONS", "AUTHORIZED", "CALLS", "DELIVERIES", "SENT", "RING LAG", "BACKLOG",
           "FRAMES", "OVERRUNS", "BEHIND", "STEP", "PASS MS");
    struct json_iterator each = json_begin(json_member(status, SLICE("workers")));
    while (json_step(&each))
        print_worker(each.value);
    print_still("committer", json_member(status, SLICE("committer")));
    each = json_begin(json_member(status, SLICE("workers")));
    while (json_step(&each)) {
        char name[32];
        snprintf(name, sizeof name, "worker %" PRIu64, status_number(each.value, "slot"));
        print_still(name, each.value);
    }
    print_columns();
}

static int run_status(const struct ctl *ctl, const struct words *words)
{
    struct buffer answer = {0};
    int fd = ctl_ask(ctl, "status", &answer);
    if (fd < 0) {
        buffer_free(&answer);
        return 1;
    }
    close(fd);
    if (words_has(words, WORDS_JSON)) {
        buffer_append_byte(&answer, '\n');
        ctl_print(buffer_slice(&answer));
    } else {
        struct json json = {0};
        if (json_parse(&json, answer.data, answer.length))
            print_status_table(json_root(&json));
        json_free(&json);
    }
    buffer_free(&answer);
    return 0;
}

const struct ctl_command command_status = {
    .name = "status",
    .operands = "",
    .options = WORDS_BIT(WORDS_JSON),
    .help = "shows processes, connections, the sequence number, rates, ring and store",
    .run = run_status,
};
