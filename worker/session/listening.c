#include "worker/session/listening.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/ipc/change_frame.h"
#include "worker/net/connection.h"
#include "worker/net/connection_write.h"
#include "worker/session/directory_messages.h"

/* ROUNDS_MOST: a listing goes on with what changed meanwhile so often; the rest is told as changes. */
enum { ROUNDS_MOST = 8, FORGOTTEN_A_PASS = 1024 };

struct listener *listening_find(const struct session *session, const struct directory *directory)
{
    struct listener *listener;
    SLIST_FOREACH(listener, &session->listeners, of_session)
    if (listener->directory == directory)
        return listener;
    return NULL;
}

bool listening_may(const struct session *session, const struct directory *directory)
{
    const struct account *account = session->login.account;
    int read = directory->declared->read;
    return account && (read < 0 || permission_has(&account->rights.permissions, (unsigned)read));
}

static bool is_told(const struct listener *listener)
{
    return listener->cursor == file_table_last(listener->directory->table);
}

/* Who has been told of everything goes behind the others: when the first has, all have. */
static void move_to(struct listener *listener, struct listener_queue *queue)
{
    if (listener->in)
        TAILQ_REMOVE(listener->in, listener, queue);
    listener->in = queue;
    if (queue && is_told(listener))
        TAILQ_INSERT_TAIL(queue, listener, queue);
    else if (queue)
        TAILQ_INSERT_HEAD(queue, listener, queue);
}

struct listener *listening_begin(struct session *session, struct directory *directory, struct job *lister)
{
    struct listener *listener = memory_zeroed(1, sizeof *listener);
    directory_enter(directory);
    listener->session = session;
    listener->directory = directory;
    listener->lister = lister;
    listener->began = listener->mark = file_table_last(directory->table);
    SLIST_INSERT_HEAD(&session->listeners, listener, of_session);
    move_to(listener, &directory->listing);
    return listener;
}

void listening_end(struct listener *listener)
{
    struct session *session = listener->session;
    move_to(listener, NULL);
    SLIST_REMOVE(&session->listeners, listener, listener, of_session);
    if (listener->lister)
        job_wake(session->worker->jobs, listener->lister);
    directory_leave(listener->directory);
    free(listener);
}

void listening_end_all(struct session *session)
{
    struct listener *listener;
    while ((listener = SLIST_FIRST(&session->listeners)))
        listening_end(listener);
}

/* What the client holds of the directory does not count any more. */
static void say_resync(struct session *session, const struct directory *directory, const char *reason,
                       bool listening)
{
    struct buffer message = {0}, frame = {0};
    buffer_append_format(&message,
                         "{\"operation\":\"resync\",\"collectionName\":\"%s\",\"data\":{\"reason\":\"%s\","
                         "\"listening\":%s}}",
                         directory->declared->name, reason, listening ? "true" : "false");
    change_frame_text(&frame, buffer_slice(&message));
    connection_answer_frames(session->connection, buffer_slice(&frame), 0);
    buffer_free(&message);
    buffer_free(&frame);
}

void listening_review(struct session *session)
{
    struct listener *listener, *next;
    for (listener = SLIST_FIRST(&session->listeners); listener; listener = next) {
        next = SLIST_NEXT(listener, of_session);
        if (listening_may(session, listener->directory))
            continue;
        say_resync(session, listener->directory, "You may not listen to this directory any more", false);
        listening_end(listener);
    }
}

void listening_drained(struct session *session)
{
    struct listener *listener;
    SLIST_FOREACH(listener, &session->listeners, of_session)
    if (listener->in == &listener->directory->blocked)
        move_to(listener, &listener->directory->ready);
}

/* ---- telling ---- */

static void begin_anew(struct listener *listener)
{
    const struct file_table *table = listener->directory->table;
    uint64_t horizon = file_table_horizon(table);
    if (listener->cursor >= horizon || listener->began >= horizon)
        return;
    listener->cursor = 0;
    listener->began = listener->mark = file_table_last(table);
    say_resync(listener->session, listener->directory, "Too many files have gone meanwhile", true);
}

/* One piece of what it has not been told yet. */
static void tell_some(struct listener *listener)
{
    struct directory *directory = listener->directory;
    struct connection *connection = listener->session->connection;
    begin_anew(listener);
    bool sync = listener->in == &directory->listing || listener->cursor < listener->began;
    listener->cursor = directory_messages_make(directory, listener->cursor, listener->began, sync);
    struct slice frames = buffer_slice(&directory->made.frames);
    if (frames.length)
        connection_answer_frames(connection, frames, 0);
    work_charge(&directory->worker->work, WORK_DOCUMENT + work_bytes(frames.length));
}

/* It has come to the end of a round, and there is more. False: enough of them. */
static bool begin_round(struct listener *listener)
{
    const struct directory *directory = listener->directory;
    listener->mark = file_table_last(directory->table);
    if (directory->whole) /* else what there is more of is the first listing itself */
        listener->rounds++;
    return listener->rounds < ROUNDS_MOST;
}

enum listening_step listening_list(struct listener *listener)
{
    struct directory *directory = listener->directory;
    if (!is_told(listener)) {
        tell_some(listener);
        if (!is_told(listener) && (listener->cursor < listener->mark || begin_round(listener)))
            return LISTENING_MORE;
    }
    if (!directory->whole)
        return LISTENING_WAITS;
    listener->lister = NULL;
    move_to(listener, &directory->ready);
    return LISTENING_LISTED;
}

static void tell_listener(struct listener *listener)
{
    struct session *session = listener->session;
    struct directory *directory = listener->directory;
    if (!listening_may(session, directory)) {
        listening_review(session);
        return;
    }
    if (!connection_may_send(session->connection)) {
        move_to(listener, &directory->blocked);
        return;
    }
    tell_some(listener);
    if (is_told(listener))
        move_to(listener, &directory->ready);
}

static void wake_listers(struct directory *directory)
{
    struct listener *listener;
    TAILQ_FOREACH (listener, &directory->listing, queue)
        job_wake(directory->worker->jobs, listener->lister);
}

static void see_changes(struct directory *directory)
{
    bool whole = directory->whole && !directory->seen_whole;
    directory->seen_whole = directory->whole;
    if (directory->seen == file_table_last(directory->table) && !whole)
        return;
    directory->seen = file_table_last(directory->table);
    wake_listers(directory);
}

/* The first who has not been told of everything. */
static struct listener *next_untold(const struct directory *directory)
{
    struct listener *first = directory->table ? TAILQ_FIRST(&directory->ready) : NULL;
    return first && !is_told(first) ? first : NULL;
}

/* Who has been told of everything knows what has gone. */
static bool forget_gone(struct directory *directory)
{
    if (!TAILQ_EMPTY(&directory->listing) || !TAILQ_EMPTY(&directory->blocked) ||
        file_table_gone(directory->table) == 0)
        return false;
    file_table_forget(directory->table, UINT64_MAX, FORGOTTEN_A_PASS);
    work_charge(&directory->worker->work, (uint64_t)FORGOTTEN_A_PASS * WORK_DOCUMENT);
    return file_table_gone(directory->table) > 0;
}

static bool run_directory(struct directory *directory, bool *first)
{
    struct work *work = &directory->worker->work;
    struct listener *listener;
    see_changes(directory);
    while ((listener = next_untold(directory))) {
        if (!work_left(work, WORK_KEPT_BY_JOBS) && !*first)
            return true;
        *first = false;
        tell_listener(listener);
    }
    return directory->table && forget_gone(directory);
}

/* Each is the first in turn, so that one that never has nothing to tell leaves work for the others. */
bool listening_run(struct worker *worker)
{
    const size_t count = worker->config->directory_count;
    bool first = true, more = false;
    for (size_t i = 0; i < count; i++) {
        struct directory *directory = directory_at(worker, (worker->first_told + i) % count);
        if (directory->table)
            more |= run_directory(directory, &first);
    }
    if (more)
        worker->first_told = (worker->first_told + 1) % count;
    return more;
}

void listening_tick(struct worker *worker)
{
    struct directory *directory;
    for (size_t i = 0; (directory = directory_at(worker, i)); i++)
        if (directory->table && watcher_link_is_given_up(worker->watcher))
            wake_listers(directory);
}
