#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/c/input.h"
#include "client/ctl/ctl.h"
#include "shared/base/clock.h"

/* CALL_BYTES: what the standard input may have; the server says what is too large for it. */
enum { CALL_BYTES = 160 << 20, READ_BYTES = 65536, NOT_KNOWN = 2 };

static bool read_input(struct buffer *text)
{
    for (;;) {
        size_t got = fread(buffer_reserve(text, READ_BYTES), 1, READ_BYTES, stdin);
        text->length += got;
        if (text->length > CALL_BYTES) {
            ctl_fail("standard input: it is longer than %d MiB", CALL_BYTES >> 20);
            return false;
        }
        if (got > 0)
            continue;
        if (ferror(stdin))
            ctl_fail("standard input: it cannot be read");
        return !ferror(stdin);
    }
}

/* The data of the call as compact JSON. False: it was said what is wrong with it. */
static bool take_data(struct slice text, struct buffer *data)
{
    struct json json = {0};
    size_t skip;
    const char *foreign = input_foreign(text, &skip);
    if (foreign) {
        ctl_fail("the data: %s", foreign);
        return false;
    }
    bool good = json_parse(&json, text.data + skip, text.length - skip);
    if (good)
        json_append_compact(data, json_root(&json));
    else
        ctl_fail("the data is not JSON: %s at byte %zu", json.error, json.error_offset + skip + 1);
    json_free(&json);
    return good;
}

static bool read_data(const struct words *words, struct buffer *data)
{
    struct buffer text = {0};
    bool good = true;
    if (words->operand_count < 3)
        buffer_append_text(data, "null");
    else if (strcmp(words->operands[2], "-") != 0)
        good = take_data(slice_text(words->operands[2]), data);
    else
        good = read_input(&text) && take_data(text.length ? buffer_slice(&text) : SLICE(""), data);
    buffer_free(&text);
    return good;
}

static void print_progress(struct slice text)
{
    fprintf(stderr, "%.*s\n", (int)text.length, text.data);
}

/* What else comes: progress of the call, and messages that belong to it, as those of a sync do. */
static bool take_progress(const struct client_reply *reply)
{
    bool sync;
    if (json_string_is(json_member(reply->root, SLICE("collectionName")), SLICE("transaction")))
        print_progress(json_text(json_member(reply->data, SLICE("data"))));
    else if (json_boolean(json_member(reply->root, SLICE("sync")), &sync) && sync)
        print_progress(reply->text);
    else
        return false;
    return true;
}

/* Nobody knows now whether it was done: that is another outcome than that it failed. */
static int no_answer(const struct ctl *ctl, const char *why)
{
    ctl_fail("no answer came from %s, and so it is not known whether it was done: %s", ctl->control, why);
    return NOT_KNOWN;
}

static int print_refusal(struct client *client, const struct client_reply *reply)
{
    struct buffer scratch = {0};
    struct slice code = json_string(json_member(reply->data, SLICE("code")), &scratch);
    client_explain(client, reply);
    ctl_fail("%.*s: %s", (int)code.length, code.length ? code.data : "", client->message);
    buffer_free(&scratch);
    return 1;
}

/* So long without the answer or any progress. */
static int wait_for_answer(const struct ctl *ctl, struct client *client, uint64_t tid, int timeout_ms)
{
    uint64_t end = clock_monotonic_ms() + (uint64_t)timeout_ms;
    for (;;) {
        struct client_reply reply;
        uint64_t now = clock_monotonic_ms();
        switch (client_next(client, &reply, now < end ? (int)(end - now) : 0)) {
        case CLIENT_REPLY:
            if (reply.tid != tid)
                break;
            if (!reply.success)
                return print_refusal(client, &reply);
            ctl_print(json_text(reply.data));
            ctl_print(SLICE("\n"));
            return 0;
        case CLIENT_OTHER:
            if (take_progress(&reply))
                end = clock_monotonic_ms() + (uint64_t)timeout_ms;
            break;
        case CLIENT_TIMEOUT:
            return no_answer(ctl, "the time is up");
        case CLIENT_FAILED:
            return no_answer(ctl, client->message);
        }
    }
}

static int call_and_wait(const struct ctl *ctl, const struct words *words, struct slice data, int timeout_ms)
{
    struct client client;
    int status = 1;
    /* What is synced must be subscribed to. */
    bool follows = strcmp(words->operands[1], "sync") == 0 || strcmp(words->operands[1], "resume") == 0;
    if (follows ? ctl_connect(ctl, &client) : ctl_connect_quiet(ctl, &client))
        status = wait_for_answer(
            ctl, &client, client_send(&client, words->operands[0], words->operands[1], data), timeout_ms);
    client_close(&client);
    return status;
}

static int run_call(const struct ctl *ctl, const struct words *words)
{
    const char *text = words_value(words, WORDS_TIMEOUT);
    struct buffer data = {0};
    long seconds = CTL_TIMEOUT_MS / 1000;
    int status = 1;
    if (text && !ctl_seconds(&command_call, text, &seconds))
        return 1;
    if (ctl_name(words->operands[0]) && ctl_name(words->operands[1]) && read_data(words, &data))
        status = call_and_wait(ctl, words, buffer_slice(&data), (int)seconds * 1000);
    buffer_free(&data);
    return status;
}

const struct ctl_command command_call = {
    .name = "call",
    .operands = "COLLECTION METHOD [JSON|-]",
    .options = WORDS_BIT(WORDS_TIMEOUT),
    .takes_dashes = true,
    .help = "calls a method with this data and prints the answer, its progress on the standard error",
    .run = run_call,
};
