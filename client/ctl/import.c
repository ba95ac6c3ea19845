#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/batch.h"
#include "client/ctl/ctl.h"
#include "client/ctl/lines.h"
#include "shared/base/clock.h"

/* So many batches are on their way at once: while the server commits one, the next are read, checked and
 * sent. */
enum { IN_FLIGHT = 4, PROGRESS_MS = 200, ANSWER_MS = 120000 };

struct import {
    const struct ctl *ctl;
    const char *collection;
    const char *file;
    bool replace;
    bool show_progress;
    struct client client;
    struct lines lines;
    struct json json; /* of the current line */
    struct batch batches[IN_FLIGHT];
    bool sent; /* a batch was */
    uint64_t inserted, replaced, skipped;
    uint64_t started_ms, shown_ms;
    uint64_t waits_ms; /* since when for an answer */
    bool failed;       /* the first thing that goes wrong is reported, what follows from it is not */
};

static double seconds_since(uint64_t ms)
{
    return (double)(clock_monotonic_ms() - ms + 1) / 1000;
}

static void print_progress(struct import *import)
{
    uint64_t now = clock_monotonic_ms();
    if (!import->show_progress || now - import->shown_ms < PROGRESS_MS)
        return;
    import->shown_ms = now;
    uint64_t done = import->inserted + import->replaced + import->skipped;
    fprintf(stderr, "\r%s: %" PRIu64 " documents, %.0f a second", import->collection, done,
            (double)done / seconds_since(import->started_ms));
    if (import->lines.total > 0)
        fprintf(stderr, ", %.0f %% of the file",
                100 * (double)lines_position(&import->lines) / (double)import->lines.total);
    fputs("\033[K", stderr);
}

static void end_progress(const struct import *import)
{
    if (import->show_progress && import->shown_ms)
        fputs("\r\033[K", stderr);
}

static bool bad_line(struct import *import, uint64_t line, const char *what)
{
    end_progress(import);
    if (!import->failed)
        ctl_fail("%s:%" PRIu64 ": %s", import->file, line, what);
    import->failed = true;
    return false;
}

static void count_answer(struct import *import, struct json_value data)
{
    int64_t number;
    if (json_integer(json_member(data, SLICE("inserted")), &number))
        import->inserted += (uint64_t)number;
    if (json_integer(json_member(data, SLICE("replaced")), &number))
        import->replaced += (uint64_t)number;
    if (json_integer(json_member(data, SLICE("skipped")), &number))
        import->skipped += (uint64_t)number;
}

static bool connection_failed(struct import *import)
{
    end_progress(import);
    if (!import->failed)
        ctl_call_failed(import->ctl, &import->client);
    import->failed = true;
    return false;
}

/* A batch was refused and no document was named. When it is about the documents, the lines are all that is
 * known. */
static bool import_refused(struct import *import, const struct batch *batch, struct json_value code)
{
    bool about_documents = json_string_is(code, SLICE("invalid")) || json_string_is(code, SLICE("exists")) ||
                           json_string_is(code, SLICE("too_large")) ||
                           json_string_is(code, SLICE("conflict"));
    end_progress(import);
    if (!import->failed && about_documents && batch->count > 0)
        ctl_fail("%s: one of the lines %" PRIu64 " to %" PRIu64 ": %s", import->file, batch->lines[0],
                 batch->lines[batch->count - 1], import->client.message);
    else if (!import->failed)
        ctl_fail("%s: %s", import->collection, import->client.message);
    import->failed = true;
    return false;
}

/* What else comes, as pings do, is no answer. False: it is not waited for any longer. */
static bool may_wait(const struct import *import, int *timeout_ms)
{
    uint64_t waited = clock_monotonic_ms() - import->waits_ms;
    *timeout_ms = waited < ANSWER_MS ? (int)(ANSWER_MS - waited) : 0;
    return waited < ANSWER_MS;
}

/* Takes one answer. A refused batch names the document that is to blame, when it is one. */
static bool take_answer(struct import *import)
{
    struct client_reply reply;
    int timeout_ms;
    bool waits = may_wait(import, &timeout_ms);
    enum client_event event = client_next(&import->client, &reply, timeout_ms);
    if (event == CLIENT_OTHER && !waits)
        event = CLIENT_TIMEOUT;
    if (event == CLIENT_TIMEOUT)
        snprintf(import->client.message, sizeof import->client.message, "no answer within %d s",
                 ANSWER_MS / 1000);
    if (event == CLIENT_TIMEOUT || event == CLIENT_FAILED) {
        for (size_t i = 0; i < IN_FLIGHT; i++)
            import->batches[i].tid = 0;
        return connection_failed(import);
    }
    for (size_t i = 0; event == CLIENT_REPLY && i < IN_FLIGHT; i++) {
        struct batch *batch = &import->batches[i];
        if (batch->tid != reply.tid)
            continue;
        batch->tid = 0;
        import->waits_ms = clock_monotonic_ms();
        if (reply.success) {
            count_answer(import, reply.data);
            print_progress(import);
            return true;
        }
        client_explain(&import->client, &reply);
        int64_t index;
        if (json_integer(json_member(reply.data, SLICE("index")), &index))
            return bad_line(import, batch_line(batch, index), import->client.message);
        return import_refused(import, batch, json_member(reply.data, SLICE("code")));
    }
    return true;
}

/* An empty batch, waiting for an answer when all are on their way. NULL: it was said what failed. */
static struct batch *free_batch(struct import *import)
{
    import->waits_ms = clock_monotonic_ms();
    for (;;) {
        for (size_t i = 0; i < IN_FLIGHT; i++) {
            if (import->batches[i].tid == 0) {
                batch_begin(&import->batches[i]);
                return &import->batches[i];
            }
        }
        if (!take_answer(import))
            return NULL;
    }
}

static void send_import_batch(struct import *import, struct batch *batch)
{
    batch->tid =
        client_send(&import->client, import->collection, "import", batch_finish(batch, import->replace));
    ws_client_flush(&import->client.ws);
    import->sent = true;
}

static bool take_all_answers(struct import *import)
{
    import->waits_ms = clock_monotonic_ms();
    for (size_t i = 0; i < IN_FLIGHT; i++)
        while (import->batches[i].tid != 0)
            if (!take_answer(import))
                return false;
    return true;
}

/* Parses the line. False: it was said what is wrong with it. */
static bool check_line(struct import *import, struct slice line)
{
    char message[200];
    if (!json_parse(&import->json, line.data, line.length)) {
        bool open = import->json.error_offset >= line.length && import->lines.form == LINES_EACH_LINE &&
                    (line.data[0] == '{' || line.data[0] == '[');
        snprintf(message, sizeof message, "%s at byte %zu%s", import->json.error,
                 import->json.error_offset + 1,
                 open ? "; each document stands on a line of its own, or all in one array" : "");
        return bad_line(import, import->lines.number, message);
    }
    if (import->json.depth > JSON_DEPTH_DOCUMENT) {
        snprintf(message, sizeof message, "nested in %u levels, at most %d are allowed", import->json.depth,
                 JSON_DEPTH_DOCUMENT);
        return bad_line(import, import->lines.number, message);
    }
    enum json_type type = json_type(json_root(&import->json));
    if (type == JSON_OBJECT)
        return true;
    snprintf(message, sizeof message, "%s, expected a document (an object)", json_type_name(type));
    return bad_line(import, import->lines.number, message);
}

static bool is_blank(struct slice line)
{
    for (size_t i = 0; i < line.length; i++)
        if (line.data[i] != ' ' && line.data[i] != '\t')
            return false;
    return true;
}

static bool send_documents(struct import *import)
{
    struct batch *batch = free_batch(import);
    struct slice line;
    enum lines_result result;
    while ((result = lines_next(&import->lines, &line)) == LINES_LINE) {
        if (is_blank(line))
            continue;
        if (!check_line(import, line))
            return false;
        if (!batch_fits(batch, line)) {
            send_import_batch(import, batch);
            batch = free_batch(import);
            if (!batch)
                return false;
        }
        batch_add(batch, json_root(&import->json), import->lines.number);
    }
    if (result == LINES_FAILED)
        return bad_line(import, import->lines.number, import->lines.message);
    /* Without any document it is asked all the same whether the collection takes some. */
    if (batch->count > 0 || !import->sent)
        send_import_batch(import, batch);
    return take_all_answers(import);
}

static void report_import(const struct import *import, bool complete)
{
    end_progress(import);
    uint64_t done = import->inserted + import->replaced + import->skipped;
    double seconds = seconds_since(import->started_ms);
    if (!complete && done == 0)
        return;
    fprintf(stderr,
            "%s%s: %" PRIu64 " documents (%" PRIu64 " inserted, %" PRIu64 " replaced, %" PRIu64
            " already there) in %.1f s, %.0f a second\n",
            import->collection, complete ? "" : " (incomplete)", done, import->inserted, import->replaced,
            import->skipped, seconds, (double)done / seconds);
}

static int import_file(struct import *import)
{
    if (!lines_open(&import->lines, import->file))
        return ctl_fail("%s: %s", import->file, import->lines.message);
    int status = 1;
    if (ctl_connect_quiet(import->ctl, &import->client)) {
        import->started_ms = clock_monotonic_ms();
        import->show_progress = isatty(STDERR_FILENO) == 1;
        status = send_documents(import) ? 0 : 1;
        /* What is on its way may still be stored: wait for it, so that the numbers are true. Each try ends
           with at least one answer, or with the time. */
        for (int tries = 0; status != 0 && tries < IN_FLIGHT && import->client.ws.state == WS_STATE_OPEN;
             tries++)
            if (take_all_answers(import))
                break;
        report_import(import, status == 0);
    }
    client_close(&import->client);
    lines_close(&import->lines);
    json_free(&import->json);
    for (size_t i = 0; i < IN_FLIGHT; i++)
        batch_free(&import->batches[i]);
    return status;
}

static int run_import(const struct ctl *ctl, const struct words *words)
{
    struct import import = {.ctl = ctl,
                            .collection = words->operands[0],
                            .file = words->operands[1],
                            .replace = words_has(words, WORDS_REPLACE)};
    return ctl_name(import.collection) ? import_file(&import) : 1;
}

const struct ctl_command command_import = {
    .name = "import",
    .operands = "COLLECTION FILE|-",
    .options = WORDS_BIT(WORDS_REPLACE),
    .help =
        "stores the documents of a file, JSON lines or an array, also gzip; what is there already is skipped",
    .run = run_import,
};
