#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/collection_list.h"
#include "shared/base/clock.h"

enum { PROGRESS_MS = 200, ANSWER_BYTES = 128, PIECE_MS = 120000 };

struct removal {
    const char *name;
    bool found, configured;
    uint64_t documents, bytes; /* that there are */
    uint64_t removed;
    uint64_t shown_ms;
    bool show_progress;
};

static void find_collection(void *argument, struct json_value collection)
{
    struct removal *removal = argument;
    int64_t number;
    if (!json_string_is(json_member(collection, SLICE("name")), slice_text(removal->name)))
        return;
    removal->found = true;
    removal->configured = !json_string_is(json_member(collection, SLICE("state")), SLICE("not_configured"));
    if (json_integer(json_member(collection, SLICE("documents")), &number))
        removal->documents = (uint64_t)number;
    if (json_integer(json_member(collection, SLICE("bytes")), &number))
        removal->bytes = (uint64_t)number;
}

static bool may_be_removed(const struct removal *removal)
{
    if (!removal->found)
        ctl_fail("nothing is stored of a collection %s", removal->name);
    else if (removal->configured)
        ctl_fail(
            "the collection %s is configured: take it out of the configuration and restart dispatchd first",
            removal->name);
    return removal->found && !removal->configured;
}

/* ---- asking ---- */

static bool write_all(int fd, const char *text)
{
    return write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* One line of the terminal, as it edits it. */
static bool read_answer(int terminal, char answer[ANSWER_BYTES])
{
    ssize_t got;
    do
        got = read(terminal, answer, ANSWER_BYTES - 1);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return false;
    answer[got] = '\0';
    answer[strcspn(answer, "\r\n")] = '\0';
    return true;
}

static bool ask(const struct removal *removal)
{
    char question[300], answer[ANSWER_BYTES], size[CTL_BYTES_TEXT];
    int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0) {
        ctl_fail("no terminal to ask whether the documents of %s are to go; use --yes", removal->name);
        return false;
    }
    snprintf(question, sizeof question,
             "Remove all %" PRIu64 " documents of %s (%s) for good? Type the collection's name to do so: ",
             removal->documents, removal->name, ctl_bytes(size, removal->bytes));
    bool yes =
        write_all(terminal, question) && read_answer(terminal, answer) && strcmp(answer, removal->name) == 0;
    close(terminal);
    if (!yes)
        ctl_fail("nothing was removed");
    return yes;
}

/* ---- removing ---- */

static void show(struct removal *removal)
{
    uint64_t now = clock_monotonic_ms();
    if (!removal->show_progress || now - removal->shown_ms < PROGRESS_MS)
        return;
    removal->shown_ms = now;
    fprintf(stderr, "\r%s: %" PRIu64 " of %" PRIu64 " documents removed\033[K", removal->name,
            removal->removed, removal->documents);
}

static int remove_all(const struct ctl *ctl, struct client *client, struct removal *removal)
{
    struct client_reply reply;
    struct buffer data = {0};
    bool more = true, good = true;
    buffer_append_byte(&data, '{');
    ctl_append_id(&data, "name", removal->name);
    buffer_append_byte(&data, '}');
    while (more && good) {
        int64_t number;
        good = client_call(client, "dispatcher", "remove_collection", buffer_slice(&data), &reply, PIECE_MS);
        if (!good)
            break;
        if (json_integer(json_member(reply.data, SLICE("removed")), &number))
            removal->removed += (uint64_t)number;
        more = json_boolean(json_member(reply.data, SLICE("more")), &more) && more;
        show(removal);
    }
    if (removal->show_progress && removal->shown_ms)
        fputs("\r\033[K", stderr);
    if (!good)
        ctl_call_failed(ctl, client);
    fprintf(stderr, "%s%s: %" PRIu64 " documents removed\n", removal->name, good ? "" : " (incomplete)",
            removal->removed);
    buffer_free(&data);
    return good ? 0 : 1;
}

static int remove_collection(const struct ctl *ctl, const struct words *words)
{
    struct removal removal = {.name = words->operands[0], .show_progress = isatty(STDERR_FILENO) == 1};
    struct client client = {0};
    int status = 1;
    if (!ctl_name(removal.name))
        return 1;
    if (ctl_connect_quiet(ctl, &client) && collection_each(ctl, &client, find_collection, &removal) &&
        may_be_removed(&removal) && (words_has(words, WORDS_YES) || ask(&removal)))
        status = remove_all(ctl, &client, &removal);
    client_close(&client);
    return status;
}

const struct ctl_command command_collection_remove = {
    .name = "collection remove",
    .operands = "NAME",
    .options = WORDS_BIT(WORDS_YES),
    .help = "removes the documents of a collection that is configured no more, after asking",
    .run = remove_collection,
};
