#include "shared/config/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/base/buffer.h"
#include "shared/base/memory.h"
#include "shared/store/set_work.h"

/* STALL_LEAST_MS: the processes are looked at once a second. WORK_A_MS: units that the committer does in a
 * millisecond, with a processor that is three times as slow as they are meant for. */
enum { PAGE_BYTES = 4096, STALL_LEAST_MS = 3000, WORK_A_MS = 333333 };

/* The daemon leaves the directory in which it was started. */
static bool make_absolute(char **path, char message[CONFIG_MESSAGE])
{
    if (!*path || **path == '/')
        return true;
    char *here = getcwd(NULL, 0);
    if (!here) {
        snprintf(message, CONFIG_MESSAGE, "cannot find out the current directory: %s", strerror(errno));
        return false;
    }
    struct buffer joined = {0};
    buffer_append_format(&joined, "%s/%s", strcmp(here, "/") == 0 ? "" : here, *path);
    free(here);
    free(*path);
    *path = memory_copy(joined.data, joined.length);
    buffer_free(&joined);
    return true;
}

static bool settle_log(struct config *config, char message[CONFIG_MESSAGE])
{
    static const char system_log[] = "syslog";
    if (strcmp(config->log, "stderr") == 0) {
        if (!config->foreground) { /* where it would go to /dev/null */
            free(config->log);
            config->log = memory_copy(system_log, sizeof system_log - 1);
        }
        return true;
    }
    if (strcmp(config->log, system_log) == 0 || *config->log == '/')
        return true;
    snprintf(message, CONFIG_MESSAGE, "log: expected stderr, syslog or an absolute path, found \"%.200s\"",
             config->log);
    return false;
}

bool config_check_control(struct config *config, char message[CONFIG_MESSAGE])
{
    if (*config->control == '\0') {
        struct buffer path = {0};
        buffer_append_format(&path, "%s/control", config->data);
        free(config->control);
        config->control = memory_copy(path.data, path.length);
        buffer_free(&path);
    }
    for (size_t i = 0; i < config->directory_count; i++)
        if (!make_absolute(&config->directories[i].path, message))
            return false;
    if (!make_absolute(&config->control, message))
        return false;
    size_t most = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    if (strlen(config->control) > most) {
        snprintf(message, CONFIG_MESSAGE, "control: expected a path of at most %zu bytes, found %zu: %.200s",
                 most, strlen(config->control), config->control);
        return false;
    }
    return true;
}

static bool settle_paths(struct config *config, char message[CONFIG_MESSAGE])
{
    return make_absolute(&config->file, message) && make_absolute(&config->data, message) &&
           make_absolute(&config->pid_file, message) && settle_log(config, message) &&
           config_check_control(config, message);
}

/* Says that @name must be @what, found @value. */
static bool wrong_size(char message[CONFIG_MESSAGE], const char *name, const char *what, uint64_t value)
{
    snprintf(message, CONFIG_MESSAGE, "%s: expected %s, found %" PRIu64, name, what, value);
    return false;
}

static bool at_least(const char *name, uint64_t value, unsigned times, const char *other, uint64_t base,
                     char message[CONFIG_MESSAGE])
{
    if (value / times >= base)
        return true;
    char what[128];
    snprintf(what, sizeof what, "at least %s%s (%" PRIu64 ")",
             times == 8   ? "8 times "
             : times == 4 ? "4 times "
             : times == 2 ? "twice "
                          : "",
             other, base * times);
    return wrong_size(message, name, what, value);
}

/* One who is alone must get through what one message may be; that may be less than it is called. */
static bool check_strangers(const struct config_limits *limits, char message[CONFIG_MESSAGE])
{
    bool own = limits->stranger_message_bytes <= limits->message_bytes;
    return at_least("limits.strangers_bytes", limits->strangers_bytes, 1,
                    own ? "limits.stranger_message_bytes" : "limits.message_bytes",
                    own ? limits->stranger_message_bytes : limits->message_bytes, message);
}

/* What must pass somewhere in one piece must fit there. */
static bool check_sizes(const struct config *config, char message[CONFIG_MESSAGE])
{
    const struct config_limits *limits = &config->limits;
    bool messages = limits->message_bytes >= limits->document_bytes;
    const char *name = messages ? "limits.message_bytes" : "limits.document_bytes";
    uint64_t largest = messages ? limits->message_bytes : limits->document_bytes;
    if (config->ring_bytes & (config->ring_bytes - 1))
        return wrong_size(message, "ring_bytes", "a power of two", config->ring_bytes);
    if (config->map_bytes % PAGE_BYTES)
        return wrong_size(message, "map_bytes", "a multiple of 4096", config->map_bytes);
    return at_least("ring_bytes", config->ring_bytes, 8, name, largest, message) &&
           at_least("backlog_bytes", config->backlog_bytes, 4, name, largest, message) &&
           at_least("limits.committer_queue_bytes", limits->committer_queue_bytes, 1, name, largest,
                    message) &&
           at_least("limits.worker_calls_bytes", limits->worker_calls_bytes, 2, name, largest, message) &&
           at_least("limits.worker_calls_bytes", limits->worker_calls_bytes, 2, "limits.result_bytes",
                    limits->result_bytes, message) &&
           check_strangers(limits, message);
}

/* The committer is within one call's changes for so long, and is not to be killed for that. */
static bool check_stall(const struct config *config, char message[CONFIG_MESSAGE])
{
    const struct config_limits *limits = &config->limits;
    uint64_t document = limits->document_bytes * SET_WORK_OF_DOCUMENT;
    bool own = limits->change_work >= document;
    uint64_t least_ms = (own ? limits->change_work : document) / WORK_A_MS;
    if (config->stall_timeout_ms == 0 ||
        (config->stall_timeout_ms >= STALL_LEAST_MS && config->stall_timeout_ms >= least_ms))
        return true;
    char what[128];
    if (least_ms < STALL_LEAST_MS)
        snprintf(what, sizeof what, "0 or at least %d", STALL_LEAST_MS);
    else
        snprintf(what, sizeof what, "0 or at least what %s may take (%" PRIu64 ")",
                 own ? "limits.change_work" : "limits.document_bytes", least_ms);
    return wrong_size(message, "stall_timeout_ms", what, config->stall_timeout_ms);
}

bool config_check(struct config *config, char message[CONFIG_MESSAGE])
{
    if (config->listen_count == 0) {
        snprintf(message, CONFIG_MESSAGE, "listen: expected at least one ADDRESS:PORT, found an empty list");
        return false;
    }
    return check_stall(config, message) && check_sizes(config, message) && settle_paths(config, message);
}
