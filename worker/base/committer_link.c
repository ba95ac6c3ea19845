#include "worker/base/committer_link.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"

enum { READ_BYTES = 65536, DOWN_MOST_MS = 10000, SETS_LEAST = 64, SETS_KEPT = 4096 };
enum { SET_AROUND = 16384 }; /* more than head, actor, collection, id and key of one change */

enum {
    WRITE_MOST = 1 << 20, /* bytes in one go, however fast the committer reads */
    COPIED = 2            /* a set that is given is written where nothing was: its bytes count so often */
};

enum link_state { LINK_DOWN, LINK_GREETING, LINK_UP };

struct waiting_set {
    uint64_t id;
    size_t bytes;
    committer_done *done;
    void *argument;
};

/* Bytes on their way. What has been written stays in front until it is as much as the rest: to move that up
 * costs no more than writing did. */
struct outgoing {
    struct buffer bytes;
    size_t written;
};

struct committer_link {
    struct worker *worker;
    committer_link_may_read *may_read;
    enum link_state state;
    int fd;
    struct event readable, writable;
    struct buffer in;
    struct outgoing greeting; /* HELLO: goes out before everything else */
    struct outgoing out;      /* sets */
    uint64_t last_id;
    uint64_t given_id; /* sets up to this were written to a link, in part at least: only the committer knows
                          of them */
    /* In the order given: results come in the same. The i-th is sets[(first + i) % capacity], a power
     * of two. */
    struct waiting_set *sets;
    size_t first, waiting, capacity;
    size_t waiting_bytes;
    uint64_t down_since_ms; /* while not LINK_UP: since when no committer has said what it knows */
};

static void forget_outgoing(struct outgoing *outgoing)
{
    buffer_clear(&outgoing->bytes);
    outgoing->written = 0;
}

/* Everything but the last @kept bytes, which were not written. */
static void cut_outgoing(struct outgoing *outgoing, size_t kept)
{
    buffer_consume(&outgoing->bytes, outgoing->bytes.length - kept);
    outgoing->written = 0;
}

static struct waiting_set *set_at(const struct committer_link *link, size_t place)
{
    return place < link->waiting ? &link->sets[(link->first + place) & (link->capacity - 1)] : NULL;
}

/* Room for one more after the last one. */
static struct waiting_set *add_set(struct committer_link *link)
{
    if (link->waiting == link->capacity) {
        size_t capacity = link->capacity ? link->capacity * 2 : SETS_LEAST;
        struct waiting_set *sets = memory_zeroed(capacity, sizeof *sets);
        for (size_t i = 0; i < link->waiting; i++)
            sets[i] = *set_at(link, i);
        free(link->sets);
        link->sets = sets;
        link->first = 0;
        link->capacity = capacity;
    }
    link->waiting++;
    return set_at(link, link->waiting - 1);
}

static void answer_first(struct committer_link *link, const struct committer_result *result)
{
    struct waiting_set set = *set_at(link, 0); /* who is told may give the next one */
    link->first = (link->first + 1) & (link->capacity - 1);
    link->waiting--;
    link->waiting_bytes -= set.bytes;
    if (!link->waiting && link->capacity > SETS_KEPT) {
        free(link->sets);
        link->sets = NULL;
        link->first = link->capacity = 0;
    }
    set.done(set.argument, result);
}

/* For a set that is certainly not stored, nor will be. */
static void refuse_first(struct committer_link *link)
{
    struct committer_result result = {
        .code = ERROR_UNAVAILABLE,
        .text = SLICE("The change could not be stored, and nothing of it was"),
    };
    answer_first(link, &result);
}

static bool first_is_given(const struct committer_link *link)
{
    return link->waiting && set_at(link, 0)->id <= link->given_id;
}

/* Nobody says any more what has become of it. */
static void give_up_first(struct committer_link *link)
{
    struct committer_result result = {
        .code = ERROR_TIMEOUT,
        .text = SLICE("It is not known whether the change was stored; "
                      "with a key in `once` it is safe to send it again"),
    };
    if (first_is_given(link))
        answer_first(link, &result);
    else
        refuse_first(link);
}

/* Sets before the result's were given to a committer that died before it committed them. */
static void take_result(struct committer_link *link, const struct committer_result *result)
{
    struct waiting_set *set;
    while ((set = set_at(link, 0)) && set->id < result->id)
        refuse_first(link);
    if (set && set->id == result->id)
        answer_first(link, result);
}

static void take_welcome(struct committer_link *link)
{
    while (first_is_given(link))
        refuse_first(link);
    link->state = LINK_UP;
    committer_link_flush(link);
}

static void link_down(struct committer_link *link)
{
    if (link->fd < 0)
        return;
    event_del(&link->readable);
    event_del(&link->writable);
    close(link->fd);
    link->fd = -1;
    if (link->state == LINK_UP)
        link->down_since_ms = clock_monotonic_ms();
    link->state = LINK_DOWN;
    buffer_clear(&link->in);
    forget_outgoing(&link->greeting);
    /* A set of which a part is in ->out may be half written: it counts as given and is not sent again. */
    size_t unsent = 0;
    for (size_t i = 0; i < link->waiting; i++)
        if (set_at(link, i)->id > link->given_id)
            unsent += set_at(link, i)->bytes;
    cut_outgoing(&link->out, unsent);
}

static bool handle_message(struct committer_link *link, enum committer_message_type type, struct slice body)
{
    struct committer_result result;
    switch (type) {
    case COMMITTER_RESULT:
        if (!committer_result_read(body, &result))
            return false;
        take_result(link, &result);
        return true;
    case COMMITTER_WELCOME:
        take_welcome(link);
        return true;
    case COMMITTER_HELLO:
    case COMMITTER_SET:
        break;
    }
    return false;
}

static void handle_messages(struct committer_link *link)
{
    struct slice rest = buffer_slice(&link->in);
    enum committer_message_type type;
    struct slice body;
    int taken = 0;
    while ((taken = committer_message_take(&rest, &type, &body)) == 1)
        if (!handle_message(link, type, body)) {
            taken = -1;
            break;
        }
    if (taken < 0) {
        log_error("the committer sent something malformed: its link is closed");
        link_down(link);
        while (first_is_given(link)) /* results may have been lost, which no committer repeats */
            give_up_first(link);
        return;
    }
    buffer_consume(&link->in, link->in.length - rest.length);
}

/* Reads what is there, or everything to the end of a link that is being replaced. False: the link has
 * ended. */
static bool read_link(struct committer_link *link, bool to_the_end)
{
    for (;;) {
        char *place = buffer_reserve(&link->in, READ_BYTES);
        ssize_t got = recv(link->fd, place, READ_BYTES, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (got <= 0)
            return false;
        link->in.length += (size_t)got;
        handle_messages(link);
        if (link->fd < 0)
            return false;
        if (!to_the_end && got < READ_BYTES)
            return true;
    }
}

static void link_on_readable(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct committer_link *link = argument;
    if (!link->may_read(link->worker))
        return; /* the kernel announces them again in the next pass */
    if (!read_link(link, false))
        link_down(link);
}

static void link_on_writable(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    committer_link_flush(argument);
}

void committer_link_connect(struct committer_link *link, int fd)
{
    if (link->fd >= 0) {
        (void)read_link(link, true);
        link_down(link);
    }
    link->fd = fd;
    link->state = LINK_GREETING;
    event_assign(&link->readable, link->worker->base, fd, EV_READ | EV_PERSIST, link_on_readable, link);
    event_assign(&link->writable, link->worker->base, fd, EV_WRITE, link_on_writable, link);
    if (event_add(&link->readable, NULL) != 0)
        log_fatal("the committer's link cannot be watched");
    committer_hello_append(&link->greeting.bytes, link->worker->slot, link->worker->incarnation);
    committer_link_flush(link);
}

/* Sends what comes next, up to @most bytes in all. False: the link has ended. */
static bool link_send_some(struct committer_link *link, struct outgoing *outgoing, size_t most)
{
    const struct buffer *bytes = &outgoing->bytes;
    size_t end = bytes->length - outgoing->written > most ? outgoing->written + most : bytes->length;
    while (outgoing->written < end) {
        ssize_t wrote = send(link->fd, bytes->data + outgoing->written, end - outgoing->written,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
        work_charge(&link->worker->work, WORK_WRITE + work_bytes(wrote < 0 ? 0 : (size_t)wrote));
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        outgoing->written += (size_t)wrote;
    }
    return true;
}

/* False: there is more, for when the kernel has room again, or the link has ended. */
static bool write_link(struct committer_link *link, struct outgoing *outgoing)
{
    bool good = link_send_some(link, outgoing, WRITE_MOST);
    size_t rest = outgoing->bytes.length - outgoing->written;
    if (rest <= outgoing->written)
        cut_outgoing(outgoing, rest);
    if (!good)
        return false; /* the end is seen by the reading side, which has results to read first */
    if (rest)
        event_add(&link->writable, NULL);
    return !rest;
}

void committer_link_flush(struct committer_link *link)
{
    if (link->fd < 0 || (link->greeting.bytes.length && !write_link(link, &link->greeting)))
        return;
    if (link->state != LINK_UP || !link->out.bytes.length)
        return;
    link->given_id = link->last_id;
    (void)write_link(link, &link->out);
}

static bool is_given_up(const struct committer_link *link)
{
    return link->state != LINK_UP && clock_monotonic_ms() - link->down_since_ms > DOWN_MOST_MS;
}

/* What is around one document does not count, so that the largest one passes where it just has room. */
static size_t queue_most(const struct config *config)
{
    return config->limits.committer_queue_bytes + SET_AROUND;
}

size_t committer_link_set_most(const struct config *config)
{
    size_t queue = queue_most(config);
    return queue < COMMITTER_SET_MOST ? queue : COMMITTER_SET_MOST;
}

bool committer_link_would_take(const struct committer_link *link, size_t bytes, size_t beside,
                               enum error_code *code)
{
    if (is_given_up(link)) {
        *code = ERROR_UNAVAILABLE;
        return false;
    }
    if (bytes > committer_link_set_most(link->worker->config)) {
        *code = ERROR_TOO_LARGE;
        return false;
    }
    if (link->waiting_bytes + beside > queue_most(link->worker->config) - bytes) {
        *code = ERROR_BUSY;
        return false;
    }
    return true;
}

bool committer_link_submit(struct committer_link *link, struct slice set_bytes, committer_done *done,
                           void *argument, enum error_code *code)
{
    if (!committer_link_would_take(link, set_bytes.length, 0, code))
        return false;
    size_t before = link->out.bytes.length;
    committer_set_append(&link->out.bytes, ++link->last_id, set_bytes);
    size_t bytes = link->out.bytes.length - before;
    work_charge(&link->worker->work, COPIED * work_bytes(bytes));
    *add_set(link) =
        (struct waiting_set){.id = link->last_id, .bytes = bytes, .done = done, .argument = argument};
    link->waiting_bytes += bytes;
    return true;
}

const char *committer_link_refusal(enum error_code code)
{
    if (code == ERROR_TOO_LARGE)
        return "These changes are too large for one call";
    return code == ERROR_BUSY ? "Too many changes wait to be stored; try again"
                              : "Changes cannot be stored now; try again";
}

size_t committer_link_waiting(const struct committer_link *link)
{
    return link->waiting;
}

void committer_link_tick(struct committer_link *link)
{
    if (!is_given_up(link))
        return;
    while (link->waiting)
        give_up_first(link);
    forget_outgoing(&link->out);
}

struct committer_link *committer_link_create(struct worker *worker, committer_link_may_read *may_read)
{
    struct committer_link *link = memory_zeroed(1, sizeof *link);
    link->worker = worker;
    link->may_read = may_read;
    link->fd = -1;
    link->down_since_ms = clock_monotonic_ms();
    return link;
}

void committer_link_free(struct committer_link **link)
{
    if (!*link)
        return;
    link_down(*link);
    while ((*link)->waiting)
        give_up_first(*link);
    free((*link)->sets);
    buffer_free(&(*link)->in);
    buffer_free(&(*link)->out.bytes);
    buffer_free(&(*link)->greeting.bytes);
    free(*link);
    *link = NULL;
}
