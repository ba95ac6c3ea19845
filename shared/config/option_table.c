#include "shared/config/option_table.h"

#include <inttypes.h>
#include <string.h>

#include "shared/base/default_paths.h"
#include "shared/config/nearest.h"

#define AT(member) offsetof(struct config, member)
#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

enum { PATH_BYTES = 4095, NAME_BYTES = 255 };

const struct option_row option_table[] = {
    {"listen", OPTION_TEXT_LIST, AT(listen), "127.0.0.1:9950", 1, NAME_BYTES, "ADDRESS:PORT",
     "where clients connect; * for every address, port 0 for any free one; may be repeated"},
    {"data", OPTION_TEXT, AT(data), DEFAULT_DATA, 1, PATH_BYTES, "DIRECTORY", "where the documents are kept"},
    {"workers", OPTION_NUMBER, AT(workers), "0", 0, 256, "NUMBER", "worker processes; 0 for one on each CPU"},
    {"control", OPTION_TEXT, AT(control), "", 0, PATH_BYTES, "PATH",
     "the control socket; empty for control in the data directory"},
    {"control_mode", OPTION_MODE, AT(control_mode), "0600", 0, 0777, "MODE",
     "who may use the control socket, octal"},
    {"user", OPTION_TEXT, AT(user), NULL, 1, NAME_BYTES, "USER", "user to become after the start"},
    {"pid_file", OPTION_TEXT, AT(pid_file), NULL, 1, PATH_BYTES, "PATH",
     "file for the number of the master process"},
    {"foreground", OPTION_FLAG, AT(foreground), "false", 0, 0, NULL, "do not go into the background"},
    {"log", OPTION_TEXT, AT(log), "stderr", 1, PATH_BYTES, "PATH",
     "stderr, syslog or a file; in the background stderr means syslog"},
    {"log_level", OPTION_LOG_LEVEL, AT(log_level), "info", 0, 0, "LEVEL",
     "error, warning, notice, info or debug"},
    {"durability", OPTION_DURABILITY, AT(durability), "full", 0, 0, "DURABILITY",
     "full: answered changes survive a power failure; relaxed: only a crash of dispatchd"},
    {"origins", OPTION_TEXT_LIST, AT(origins), NULL, 1, NAME_BYTES, "ORIGIN",
     "web origin that may connect beside the server's own; may be repeated"},
    {"map_bytes", OPTION_BYTES, AT(map_bytes), "64G", MIB, 16384 * GIB, "BYTES",
     "size that the store can grow to"},
    {"ring_bytes", OPTION_BYTES, AT(ring_bytes), "32M", 64 * KIB, GIB, "BYTES",
     "change ring in shared memory, a power of two"},
    {"backlog_bytes", OPTION_BYTES, AT(backlog_bytes), "8M", 64 * KIB, 4 * GIB, "BYTES",
     "frames each worker keeps for slow clients"},
    {"change_log_entries", OPTION_NUMBER, AT(change_log_entries), "1000000", 1, 1000000000, "NUMBER",
     "changes kept for clients that come back"},
    {"once_hours", OPTION_NUMBER, AT(once_hours), "24", 1, 8760, "HOURS",
     "how long the answers of once are kept"},
    {"session_days", OPTION_NUMBER, AT(session_days), "30", 1, 3650, "DAYS",
     "a token unused for this long expires"},
    {"ping_interval_ms", OPTION_NUMBER, AT(ping_interval_ms), "10000", 100, 3600000, "MILLISECONDS",
     "time between two pings of a client"},
    {"stop_timeout_ms", OPTION_NUMBER, AT(stop_timeout_ms), "10000", 100, 600000, "MILLISECONDS",
     "how long an orderly stop may take"},
    {"start_timeout_ms", OPTION_NUMBER, AT(start_timeout_ms), "600000", 1000, 86400000, "MILLISECONDS",
     "how long the committer may get no further at a start"},
    {"stall_timeout_ms", OPTION_NUMBER, AT(stall_timeout_ms), "60000", 0, 3600000, "MILLISECONDS",
     "a process that stands still for this long is killed; 0 for never"},
    {"threads", OPTION_NUMBER, AT(threads), "2", 1, 64, "NUMBER",
     "threads of each worker for what must block"},
    {"watch_interval_ms", OPTION_NUMBER, AT(watch_interval_ms), "300", 10, 60000, "MILLISECONDS",
     "a file of a watched directory that changes is told of once in this time"},

    {"limits.message_bytes", OPTION_BYTES, AT(limits.message_bytes), "1M", KIB, 128 * MIB, "BYTES",
     "one message from a client"},
    {"limits.document_bytes", OPTION_BYTES, AT(limits.document_bytes), "900K", KIB, 128 * MIB, "BYTES",
     "one document"},
    {"limits.calls_in_flight", OPTION_NUMBER, AT(limits.calls_in_flight), "128", 1, 65536, "NUMBER",
     "open calls of one connection"},
    {"limits.connections", OPTION_NUMBER, AT(limits.connections), "100000", 1, 10000000, "NUMBER",
     "connections in all"},
    {"limits.connections_per_address", OPTION_NUMBER, AT(limits.connections_per_address), "0", 0, 10000000,
     "NUMBER", "connections from one address; 0 for no limit"},
    {"limits.reply_queue_bytes", OPTION_BYTES, AT(limits.reply_queue_bytes), "4M", 64 * KIB, GIB, "BYTES",
     "answers that a connection has not read; its next calls wait at a quarter"},
    {"limits.read_ahead_bytes", OPTION_BYTES, AT(limits.read_ahead_bytes), "256K", KIB, GIB, "BYTES",
     "messages of a connection that are read while its calls wait"},
    {"limits.open_calls_bytes", OPTION_BYTES, AT(limits.open_calls_bytes), "8M", 64 * KIB, 4 * GIB, "BYTES",
     "memory of one connection's open calls; further ones wait"},
    {"limits.worker_calls_bytes", OPTION_BYTES, AT(limits.worker_calls_bytes), "256M", MIB, 1024 * GIB,
     "BYTES", "memory of all open calls of a worker; further ones are answered busy"},
    {"limits.stranger_message_bytes", OPTION_BYTES, AT(limits.stranger_message_bytes), "16K", KIB, GIB,
     "BYTES", "one message from a client that has not logged in"},
    {"limits.stranger_calls", OPTION_NUMBER, AT(limits.stranger_calls), "20", 1, 1000000, "NUMBER",
     "calls in a minute on a connection that has not logged in; then it is closed"},
    {"limits.strangers_bytes", OPTION_BYTES, AT(limits.strangers_bytes), "4M", 64 * KIB, GIB, "BYTES",
     "what has come in part from all clients of a worker that have not logged in"},
    {"limits.result_bytes", OPTION_BYTES, AT(limits.result_bytes), "900K", KIB, 128 * MIB, "BYTES",
     "the documents of one answer of find, the ids of one of a method that writes"},
    {"limits.pongs", OPTION_NUMBER, AT(limits.pongs), "16", 1, 1024, "NUMBER",
     "pongs waiting for one connection; older ones are dropped"},
    {"limits.handshake_ms", OPTION_NUMBER, AT(limits.handshake_ms), "10000", 100, 600000, "MILLISECONDS",
     "until the head of a request has come, the handshake's or another"},
    {"limits.request_ms", OPTION_NUMBER, AT(limits.request_ms), "30000", 100, 3600000, "MILLISECONDS",
     "until the rest of an HTTP request has come, and until its answer is read"},
    {"limits.authorize_ms", OPTION_NUMBER, AT(limits.authorize_ms), "60000", 100, 3600000, "MILLISECONDS",
     "until a connection has logged in"},
    {"limits.login_attempts", OPTION_NUMBER, AT(limits.login_attempts), "10", 1, 1000000, "NUMBER",
     "failed log-ins in a minute for each user and for each address"},
    {"limits.login_queue", OPTION_NUMBER, AT(limits.login_queue), "64", 1, 4096, "NUMBER",
     "password checks that wait in one worker"},
    {"limits.committer_queue_bytes", OPTION_BYTES, AT(limits.committer_queue_bytes), "32M", 64 * KIB, 4 * GIB,
     "BYTES", "changes that one worker has handed in and that are not answered yet"},
    {"limits.change_work", OPTION_BYTES, AT(limits.change_work), "128M", MIB, 1024 * GIB, "UNITS",
     "work that applying one call's changes may take"},
    {"limits.bulk_documents", OPTION_NUMBER, AT(limits.bulk_documents), "10000", 1, 1000000, "NUMBER",
     "documents in one insert, update by query or remove"},
    {"limits.sessions_per_user", OPTION_NUMBER, AT(limits.sessions_per_user), "64", 1, 1024, "NUMBER",
     "sessions of one user; a log-in ends the least recently used beyond that"},
    {"limits.watch_files", OPTION_NUMBER, AT(limits.watch_files), "100000", 1, 1000000, "NUMBER",
     "files of one watched directory; further ones are not listed"},
};
const size_t option_count = sizeof option_table / sizeof option_table[0];

const struct option_row *option_find(const char *name, size_t length)
{
    for (size_t i = 0; i < option_count; i++) {
        const char *known = option_table[i].name;
        size_t at = 0;
        while (at < length && known[at] && known[at] == (name[at] == '-' ? '_' : name[at]))
            at++;
        if (at == length && known[at] == '\0')
            return &option_table[i];
    }
    return NULL;
}

/* "  --pid-file PATH" or "  --limits pongs=NUMBER" */
static void append_name(struct buffer *out, const struct option_row *row)
{
    static const char limits[] = "limits.";
    size_t start = out->length;
    if (strncmp(row->name, limits, sizeof limits - 1) == 0) {
        buffer_append_format(out, "  --limits %s=%s", row->name + sizeof limits - 1, row->value);
        return;
    }
    buffer_append_format(out, "  --%s", row->name);
    for (size_t i = start; i < out->length; i++)
        if (out->data[i] == '_')
            out->data[i] = '-';
    if (row->value)
        buffer_append_format(out, " %s", row->value);
}

void options_help(struct buffer *out)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *row = &option_table[i];
        append_name(out, row);
        buffer_append_format(out, "\n        %s", row->help);
        if (row->fallback && *row->fallback && row->type != OPTION_FLAG)
            buffer_append_format(out, " (%s)", row->fallback);
        buffer_append_byte(out, '\n');
    }
}

static const char *type_name(enum option_type type)
{
    switch (type) {
    case OPTION_TEXT:
        return "text";
    case OPTION_TEXT_LIST:
        return "texts";
    case OPTION_FLAG:
        return "flag";
    case OPTION_NUMBER:
        return "number";
    case OPTION_BYTES:
        return "bytes";
    case OPTION_MODE:
        return "mode";
    case OPTION_LOG_LEVEL:
        return "level";
    case OPTION_DURABILITY:
        return "durability";
    }
    return "";
}

void options_table(struct buffer *out)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *row = &option_table[i];
        buffer_append_format(out, "%s\t%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t%s\t%s\n", row->name,
                             type_name(row->type), row->fallback ? row->fallback : "", row->least, row->most,
                             row->value ? row->value : "", row->help);
    }
}

const struct option_row *option_nearest(const char *name, size_t length)
{
    struct nearest nearest = nearest_to(slice_of(name, length));
    for (size_t i = 0; i < option_count; i++)
        nearest_offer(&nearest, option_table[i].name);
    return nearest.best ? option_find(nearest.best, strlen(nearest.best)) : NULL;
}
