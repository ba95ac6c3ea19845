#include "worker/history/former_rights.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/store/change_log.h"

enum { BLINK_ENTRIES = 1024 };

/* One change of the user's document, or of a group's. */
struct former_change {
    uint64_t seq;
    bool of_user;
    struct slice id;     /* allocated */
    struct slice before; /* the document, allocated; absent: it was not there */
};

struct former_rights {
    uint64_t since;    /* the log is read from here */
    uint64_t seq;      /* up to here */
    struct slice user; /* allocated */
    struct former_change *changes;
    size_t change_count;
    size_t known_count; /* of ->changes, when the undoing began */
    size_t to_undo;     /* so many of the first ones are left */
};

static struct slice copy_slice(struct slice text)
{
    return text.data ? slice_of(memory_copy(text.data, text.length), text.length) : text;
}

static void slice_free(struct slice text)
{
    free((char *)(uintptr_t)text.data);
}

struct former_rights *former_rights_create(struct slice user, uint64_t seq)
{
    struct former_rights *former = memory_zeroed(1, sizeof *former);
    former->since = former->seq = seq;
    former->user = copy_slice(user);
    return former;
}

void former_rights_free(struct former_rights **former)
{
    if (!*former)
        return;
    for (size_t i = 0; i < (*former)->change_count; i++) {
        slice_free((*former)->changes[i].id);
        slice_free((*former)->changes[i].before);
    }
    slice_free((*former)->user);
    free((*former)->changes);
    free(*former);
    *former = NULL;
}

/* False: there is no room. */
static bool take_log_entry(struct former_rights *former, const struct store_log_entry *entry)
{
    bool of_user = entry->collection == COLLECTION_USERS && slice_equal(entry->id, former->user);
    if (!of_user && entry->collection != COLLECTION_GROUPS)
        return true;
    if (former->change_count == FORMER_CHANGES)
        return false;
    former->changes = memory_resize(former->changes, former->change_count + 1, sizeof *former->changes);
    former->changes[former->change_count++] =
        (struct former_change){entry->seq, of_user, copy_slice(entry->id), copy_slice(entry->before)};
    return true;
}

enum former_rights_result former_rights_step(struct worker *worker, struct former_rights *former,
                                             unsigned entries)
{
    struct store_log_entry entry;
    if (former->seq < store_log_horizon(worker->store))
        return FORMER_RIGHTS_UNKNOWN;
    while (entries-- > 0) {
        work_charge(&worker->work, WORK_LOOKUP);
        switch (store_log_next(worker->store, former->seq, &entry)) {
        case STORE_STEP:
            break;
        case STORE_END:
            return FORMER_RIGHTS_KNOWN;
        case STORE_FAILED:
            return FORMER_RIGHTS_UNKNOWN;
        }
        former->seq = entry.seq;
        if (!take_log_entry(former, &entry))
            return FORMER_RIGHTS_UNKNOWN;
    }
    return FORMER_RIGHTS_MORE;
}

uint64_t former_rights_last(const struct former_rights *former)
{
    return former->change_count ? former->changes[former->change_count - 1].seq - 1 : former->since;
}

/* The documents as they were before change number ->from, which is the first that matters for each of
 * them. */
struct lookup {
    struct worker *worker;
    const struct former_rights *former;
    size_t from;
};

static enum error_code find_document(struct lookup *lookup, bool of_user, struct slice id,
                                     struct slice *document)
{
    struct work *work = &lookup->worker->work;
    work_charge(work, (lookup->former->change_count - lookup->from) * WORK_NODE / 2);
    for (size_t i = lookup->from; i < lookup->former->change_count; i++) {
        const struct former_change *change = &lookup->former->changes[i];
        if (change->of_user == of_user && slice_equal(change->id, id)) {
            *document = change->before;
            work_charge(work, WORK_LOOKUP + work_parsed(change->before.length, 0));
            return document->data ? ERROR_NONE : ERROR_NOT_FOUND;
        }
    }
    return account_find_document(lookup->worker, of_user ? COLLECTION_USERS : COLLECTION_GROUPS, id,
                                 document);
}

static enum error_code former_group(void *argument, struct slice group, struct slice *document)
{
    return find_document(argument, false, group, document);
}

/* The rights before change @i, given to @each. */
static bool undo_change(struct worker *worker, const struct former_rights *former, size_t i,
                        former_rights_each *each, void *argument)
{
    struct lookup lookup = {worker, former, i};
    struct json user = {0};
    struct rights rights = {0};
    struct slice text;
    bool good =
        find_document(&lookup, true, former->user, &text) == ERROR_NONE &&
        json_parse(&user, text.data, text.length) &&
        rights_read(&rights, worker->config, json_root(&user), former_group, &lookup) &&
        each(argument, &rights, i > 0 ? former->changes[i - 1].seq - 1 : 0, former->changes[i].seq - 1);
    rights_free(&rights);
    json_free(&user);
    return good;
}

enum former_rights_result former_rights_undo(struct worker *worker, struct former_rights *former,
                                             uint64_t most, former_rights_each *each, void *argument)
{
    if (former->known_count != former->change_count)
        former->to_undo = former->known_count = former->change_count;
    for (; former->to_undo > 0; former->to_undo--) {
        if (worker->work.used >= most)
            return FORMER_RIGHTS_MORE;
        if (!undo_change(worker, former, former->to_undo - 1, each, argument))
            return FORMER_RIGHTS_UNKNOWN;
    }
    return FORMER_RIGHTS_KNOWN;
}

static bool is_as_now(void *argument, const struct rights *rights, uint64_t from, uint64_t to)
{
    const struct account *account = argument;
    (void)from, (void)to;
    return rights_equal(&account->rights, rights);
}

bool former_rights_have_blinked(struct worker *worker, const struct account *account, uint64_t since)
{
    const uint64_t most = worker->work.used + BLINK_ENTRIES * WORK_LOOKUP + WORK_TURN;
    struct former_rights *former = former_rights_create(slice_of(account->user, account->user_length), since);
    bool same = former_rights_step(worker, former, BLINK_ENTRIES) == FORMER_RIGHTS_KNOWN &&
                former_rights_undo(worker, former, most, is_as_now, (void *)(uintptr_t)account) ==
                    FORMER_RIGHTS_KNOWN;
    former_rights_free(&former);
    return !same;
}
