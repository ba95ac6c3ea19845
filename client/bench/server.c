#include "client/bench/server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/c/control_line.h"
#include "shared/json/json.h"

enum { STATUS_MS = 10000 };

static pid_t pid_of(struct json_value object)
{
    int64_t pid;
    return json_integer(json_member(object, SLICE("pid")), &pid) && pid > 0 ? (pid_t)pid : 0;
}

static void add_pid(struct server *server, struct json_value object)
{
    pid_t pid = pid_of(object);
    if (pid && server->count < PID_LIMIT)
        server->pids[server->count++] = pid;
}

static bool ask_status(const char *path, struct buffer *text, struct json *json,
                       char message[CONTROL_LINE_MESSAGE])
{
    int fd = control_line_ask(path, "status", STATUS_MS, text, message);
    if (fd < 0)
        return false;
    close(fd);
    return json_parse(json, text->data, text->length);
}

void server_find(struct server *server, const struct bench_options *options)
{
    *server = (struct server){.count = options->pid_count};
    memcpy(server->pids, options->pids, options->pid_count * sizeof *options->pids);
    snprintf(server->control, sizeof server->control, "%s", options->control);
    if (server->count > 0 && !options->control_given)
        return;
    struct buffer text = {0};
    struct json json = {0};
    char message[CONTROL_LINE_MESSAGE] = "";
    server->has_control = ask_status(options->control, &text, &json, message);
    if (!server->has_control && options->control_given)
        bench_fail("%s", message);
    if (!server->has_control)
        fprintf(stderr, "dispatchbench: no figures of the server's processes: %s\n", message);
    if (server->has_control)
        server->committer = pid_of(json_member(json_root(&json), SLICE("committer")));
    if (server->has_control && server->count == 0) {
        add_pid(server, json_root(&json));
        add_pid(server, json_member(json_root(&json), SLICE("committer")));
        struct json_iterator each = json_begin(json_member(json_root(&json), SLICE("workers")));
        while (json_step(&each))
            add_pid(server, each.value);
    }
    json_free(&json);
    buffer_free(&text);
}

/* Fields 14 and 15 of /proc/PID/stat, after the name in brackets, which may hold anything. */
static double cpu_of(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[length] = 0;
    const char *behind = strrchr(text, ')');
    uint64_t user, system;
    if (!behind || sscanf(behind + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
                          &user, &system) != 2)
        bench_fail("process %d of the server is gone", (int)pid);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

double server_cpu_seconds(const struct server *server)
{
    double sum = 0;
    for (size_t i = 0; i < server->count; i++)
        sum += cpu_of(server->pids[i]);
    return sum;
}

bool server_memory_read(const struct server *server, struct server_memory *memory)
{
    *memory = (struct server_memory){0};
    for (size_t i = 0; i < server->count; i++) {
        char path[64], line[256];
        snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)server->pids[i]);
        FILE *file = fopen(path, "r");
        if (!file)
            return false;
        uint64_t kib, pss = 0, file_pss = 0;
        while (fgets(line, sizeof line, file)) {
            if (sscanf(line, "Pss: %" SCNu64, &kib) == 1)
                pss = kib * 1024;
            else if (sscanf(line, "Pss_File: %" SCNu64, &kib) == 1)
                file_pss = kib * 1024;
        }
        fclose(file);
        memory->pss += pss;
        memory->anonymous += pss - file_pss;
    }
    return server->count > 0;
}

uint64_t server_anonymous(const struct server *server)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < server->count; i++) {
        char path[64], line[256];
        uint64_t kib;
        snprintf(path, sizeof path, "/proc/%d/status", (int)server->pids[i]);
        FILE *file = fopen(path, "r");
        while (file && fgets(line, sizeof line, file))
            if (sscanf(line, "RssAnon: %" SCNu64, &kib) == 1)
                sum += kib * 1024;
        if (file)
            fclose(file);
    }
    return sum;
}

bool server_share_processors(const struct server *server, cpu_set_t *before)
{
    cpu_set_t committers;
    return server->committer && sched_getaffinity(0, sizeof *before, before) == 0 &&
           sched_getaffinity(server->committer, sizeof committers, &committers) == 0 &&
           sched_setaffinity(0, sizeof committers, &committers) == 0;
}

void server_leave_processors(const cpu_set_t *before)
{
    if (sched_setaffinity(0, sizeof *before, before) != 0)
        bench_fail("sched_setaffinity: %s", strerror(errno));
}

uint64_t server_committer(const struct server *server, const char *key)
{
    if (!server->has_control)
        return 0;
    struct buffer text = {0};
    struct json json = {0};
    char message[CONTROL_LINE_MESSAGE];
    int64_t value = 0;
    if (ask_status(server->control, &text, &json, message) &&
        !json_integer(json_member(json_member(json_root(&json), SLICE("committer")), slice_text(key)),
                      &value))
        value = 0;
    json_free(&json);
    buffer_free(&text);
    return (uint64_t)value;
}
