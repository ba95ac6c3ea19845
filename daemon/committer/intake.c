#include "daemon/committer/intake.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"

/* READ_BYTES in one go; a link is read until ENOUGH_BYTES wait in it (or one whole message, when that is
 * longer). */
enum { READ_BYTES = 256 * 1024, ENOUGH_BYTES = 4 * 1024 * 1024 };

static void free_link(struct link *gone)
{
    close(gone->fd);
    buffer_free(&gone->in);
    buffer_free(&gone->out);
    buffer_free(&gone->results);
    free(gone);
}

static void end_link(struct link *link, const char *why)
{
    if (!link->ended && why)
        log_error("the link to worker %u is dropped: %s", link->slot, why);
    link->ended = true;
    buffer_clear(&link->out);
    link->written = 0;
}

/* A broken link gives nothing more, not even what was read before. */
static void break_link(struct link *link, const char *why)
{
    end_link(link, why);
    link->taken = link->in.length;
}

void intake_add(struct intake *intake, unsigned slot, int fd)
{
    if (slot >= RING_WORKERS) {
        log_error("a link to worker %u, which does not exist, is closed", slot);
        close(fd);
        return;
    }
    unsigned place = 0;
    while (place < intake->count && intake->links[place]->slot != slot)
        place++;
    if (place < intake->count)
        free_link(intake->links[place]);
    else
        intake->count++;
    struct link *link = memory_zeroed(1, sizeof *link);
    link->fd = fd;
    link->slot = slot;
    intake->links[place] = link;
}

static struct slice untaken_bytes(const struct link *link)
{
    struct slice all = buffer_slice(&link->in);
    return slice_of(all.data + link->taken, all.length - link->taken);
}

/* 1: a whole message waits, 0: not yet, -1: malformed. */
static int peek_message(const struct link *link, enum committer_message_type *type, struct slice *body,
                        struct slice *rest)
{
    *rest = untaken_bytes(link);
    return rest->length ? committer_message_take(rest, type, body) : 0;
}

static bool is_blocked(const struct link *link)
{
    return link->out.length > 0;
}

static bool has_whole_message(const struct link *link)
{
    enum committer_message_type type;
    struct slice body;
    struct slice rest;
    return peek_message(link, &type, &body, &rest) != 0; /* a malformed one is work too: it ends the link */
}

static bool wants_bytes(const struct link *link)
{
    return !link->ended && !is_blocked(link) && (link->in.length < ENOUGH_BYTES || !has_whole_message(link));
}

unsigned intake_poll(const struct intake *intake, struct pollfd *polled)
{
    for (unsigned i = 0; i < intake->count; i++) {
        const struct link *link = intake->links[i];
        polled[i] = (struct pollfd){.fd = link->ended ? -1 : link->fd};
        if (wants_bytes(link))
            polled[i].events |= POLLIN;
        if (is_blocked(link))
            polled[i].events |= POLLOUT;
    }
    return intake->count;
}

static void read_link(struct link *link)
{
    while (wants_bytes(link)) {
        ssize_t length = read(link->fd, buffer_reserve(&link->in, READ_BYTES), READ_BYTES);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0 && errno == EAGAIN)
            return;
        if (length <= 0) {
            end_link(link, NULL); /* the worker is gone; what it gave before is applied */
            return;
        }
        link->in.length += (size_t)length;
        if (length < READ_BYTES)
            return; /* most likely there is no more; poll(2) knows */
    }
}

void intake_flush(struct link *link)
{
    while (link->written < link->out.length) {
        ssize_t length = send(link->fd, link->out.data + link->written, link->out.length - link->written,
                              MSG_NOSIGNAL | MSG_DONTWAIT);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0 && errno == EAGAIN)
            return;
        if (length < 0) {
            end_link(link, NULL);
            return;
        }
        link->written += (size_t)length;
    }
    buffer_clear(&link->out);
    link->written = 0;
}

void intake_move(struct intake *intake, const struct pollfd *polled)
{
    for (unsigned i = 0; i < intake->count; i++) {
        struct link *link = intake->links[i];
        if (polled[i].revents == 0)
            continue;
        if (is_blocked(link))
            intake_flush(link);
        else
            read_link(link);
    }
}

static bool can_give(const struct link *link)
{
    return !is_blocked(link) && has_whole_message(link);
}

bool intake_has_work(const struct intake *intake)
{
    for (unsigned i = 0; i < intake->count; i++)
        if (can_give(intake->links[i]))
            return true;
    return false;
}

struct link *intake_next_greeting(struct intake *intake)
{
    for (unsigned i = 0; i < intake->count; i++) {
        struct link *link = intake->links[i];
        enum committer_message_type type;
        struct slice body;
        struct slice rest;
        if (link->greeted || link->ended || peek_message(link, &type, &body, &rest) == 0)
            continue;
        uint32_t said;
        if (peek_message(link, &type, &body, &rest) < 0 || type != COMMITTER_HELLO ||
            !committer_hello_read(body, &said, &link->incarnation) || said != link->slot) {
            break_link(link, "it does not begin with the worker's greeting");
            continue;
        }
        link->taken = link->in.length - rest.length;
        link->greeted = true;
        return link;
    }
    return NULL;
}

static bool take_set(struct link *link, uint64_t *id, struct slice *set)
{
    enum committer_message_type type;
    struct slice body;
    struct slice rest;
    int whole = peek_message(link, &type, &body, &rest);
    if (whole == 0)
        return false;
    if (whole < 0 || type != COMMITTER_SET || !committer_set_read(body, id, set)) {
        break_link(link, "a message is malformed");
        return false;
    }
    link->taken = link->in.length - rest.length;
    return true;
}

bool intake_next_set(struct intake *intake, struct link **link, uint64_t *id, struct slice *set)
{
    for (unsigned i = 0; i < intake->count; i++) {
        unsigned place = (intake->turn + i) % intake->count;
        struct link *asked = intake->links[place];
        if (!asked->greeted || is_blocked(asked) || !take_set(asked, id, set))
            continue;
        intake->turn = place + 1;
        *link = asked;
        return true;
    }
    return false;
}

void intake_release(struct intake *intake)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < intake->count; i++) {
        struct link *link = intake->links[i];
        if (link->taken == link->in.length && link->in.capacity > ENOUGH_BYTES)
            buffer_free(&link->in); /* one long message must not keep its memory for ever */
        else
            buffer_consume(&link->in, link->taken);
        link->taken = 0;
        if (link->ended && (!link->greeted || !has_whole_message(link)))
            free_link(link);
        else
            intake->links[kept++] = link;
    }
    intake->count = kept;
}

void intake_close(struct intake *intake)
{
    while (intake->count > 0)
        free_link(intake->links[--intake->count]);
}
