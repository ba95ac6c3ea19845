#include "worker/authority/authority.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/ipc/presence.h"
#include "shared/store/change_set.h"
#include "worker/authority/token.h"
#include "worker/authority/user_document.h"
#include "worker/base/committer_link.h"
#include "worker/history/former_rights.h"
#include "worker/output/backlog.h"
#include "worker/session/session.h"

static const char session_over[] = "The session has ended";

LIST_HEAD(account_list, account);
LIST_HEAD(session_list, session);

enum { BUCKETS = 1024, BLINK_ENTRIES = 1024 };

struct authority {
    struct worker *worker;
    void (*bootstrap_done)(struct worker *worker);
    struct account_list buckets[BUCKETS];    /* by user */
    struct session_list tokens[BUCKETS];     /* sessions with a token, by its hash */
    TAILQ_HEAD(session_queue, session) used; /* sessions with a token, the longest connected first */
    TAILQ_HEAD(, account) outdated;
    struct account *control; /* while somebody has it; no user has it, whatever the user's name is */
    uint64_t last_rights_serial;
    uint64_t applied_seq; /* all accounts have what changed up to here */
    struct json user;     /* a document being read; reused */
};

static struct account_list *bucket_of(struct authority *authority, struct slice user)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < user.length; i++)
        hash = (hash ^ (unsigned char)user.data[i]) * 16777619u;
    return &authority->buckets[hash % BUCKETS];
}

struct group_lookup {
    struct worker *worker;
    bool failed; /* a group cannot be read */
};

static bool find_group(void *argument, struct slice group, struct slice *document)
{
    struct group_lookup *lookup = argument;
    struct store_record record;
    enum error_code code = store_get(lookup->worker->store, COLLECTION_GROUPS, group, &record);
    lookup->failed |= code != ERROR_NONE && code != ERROR_NOT_FOUND;
    if (code == ERROR_NONE)
        *document = record.full;
    return code == ERROR_NONE;
}

/* Reads the account's rights from the snapshot; ->exists says whether there is such a user. False: that, or
 * what it may do, cannot be read; it counts as not there. */
static bool load(struct authority *authority, struct account *account)
{
    struct worker *worker = authority->worker;
    struct slice user = slice_of(account->user, account->user_length);
    struct group_lookup lookup = {.worker = worker};
    account->loaded_seq = store_seq(worker->store);
    struct store_record record;
    rights_free(&account->rights);
    account->exists = false;
    enum error_code code = store_get(worker->store, COLLECTION_USERS, user, &record);
    if (code != ERROR_NONE)
        return code == ERROR_NOT_FOUND;
    if (!store_record_parse(worker->store, COLLECTION_USERS, user, &record, &authority->user))
        return false;
    account->version = record.version;
    account->exists =
        rights_read(&account->rights, worker->config, json_root(&authority->user), find_group, &lookup) &&
        !lookup.failed;
    if (!account->exists)
        rights_free(&account->rights);
    return account->exists;
}

static struct account *account_new(struct authority *authority, struct slice user)
{
    struct account *account = memory_zeroed(1, sizeof *account);
    account->user = memory_copy(user.data, user.length);
    account->user_length = user.length;
    account->rights_serial = ++authority->last_rights_serial;
    LIST_INIT(&account->sessions);
    LIST_INSERT_HEAD(bucket_of(authority, user), account, all);
    return account;
}

static struct account *account_find(struct authority *authority, struct slice user)
{
    struct account *account;
    LIST_FOREACH (account, bucket_of(authority, user), all)
        if (!account->control && slice_equal(slice_of(account->user, account->user_length), user))
            return account;
    return NULL;
}

static void account_free(struct authority *authority, struct account *account)
{
    LIST_REMOVE(account, all);
    if (account->control)
        authority->control = NULL;
    if (account->outdated)
        TAILQ_REMOVE(&authority->outdated, account, queue);
    rights_free(&account->rights);
    free(account->user);
    free(account);
}

enum error_code account_get(struct authority *authority, struct slice user, struct account **out)
{
    struct account *account = account_find(authority, user);
    bool known = true;
    if (!account) {
        account = account_new(authority, user);
        known = load(authority, account);
    }
    *out = NULL;
    if (!account->exists) {
        if (account->references == 0)
            account_free(authority, account);
        return known ? ERROR_NOT_FOUND : ERROR_INTERNAL;
    }
    account->references++;
    *out = account;
    return ERROR_NONE;
}

struct account *account_control(struct authority *authority)
{
    if (!authority->control) {
        authority->control = account_new(authority, SLICE("(control)"));
        authority->control->control = true;
        rights_of_administrator(&authority->control->rights);
    }
    authority->control->references++;
    return authority->control;
}

void account_put(struct authority *authority, struct account *account)
{
    if (--account->references == 0)
        account_free(authority, account);
}

/* Whether the stored session of that token is over. When that cannot be known now it counts as over: the
 * client may come back with its token. */
static bool token_ended(struct authority *authority, const uint8_t *hash)
{
    struct worker *worker = authority->worker;
    struct store_record record;
    char id[TOKEN_ID + 1];
    token_id(hash, id);
    return !worker_snapshot(worker) ||
           store_get(worker->store, COLLECTION_SESSIONS, slice_text(id), &record) != ERROR_NONE ||
           !json_parse(&authority->user, record.full.data, record.full.length) ||
           json_type(json_member(json_root(&authority->user), SLICE("ended"))) != JSON_NONE;
}

/*
 * Tells the account's sessions what changed for them. Sessions may end on the way. The rights are those of
 * the snapshot, which may be ahead of what was taken in: a session that is over there has no part in them,
 * which may even be those of somebody who has the name by now.
 */
static void tell_sessions(struct authority *authority, struct account *account, bool known, bool blinked,
                          struct slice document)
{
    struct session *session = LIST_FIRST(&account->sessions);
    while (session) {
        struct session *next = LIST_NEXT(session, of_account);
        if (!known)
            session_cut(session, "your rights cannot be read");
        else if (!account->exists)
            session_deauthorize(session, "Your account was removed");
        else if (token_ended(authority, session->token_hash))
            session_deauthorize(session, session_over);
        else
            session_rights_changed(session, blinked, document);
        session = next;
    }
}

static bool is_as_now(void *argument, const struct rights *rights, uint64_t from, uint64_t to)
{
    const struct account *account = argument;
    (void)from, (void)to;
    return rights_equal(&account->rights, rights);
}

/*
 * Whether the rights, the same now, were others for a while since they were read: what was numbered in that
 * while was for other eyes than these. When that cannot be found out soon, they were.
 */
static bool have_blinked(struct authority *authority, struct account *account, uint64_t since)
{
    struct former_rights *former = former_rights_create(slice_of(account->user, account->user_length), since);
    bool same = former_rights_step(authority->worker, former, BLINK_ENTRIES) == FORMER_RIGHTS_KNOWN &&
                former_rights_undo(authority->worker, former, is_as_now, account);
    former_rights_free(&former);
    return !same;
}

static void reload(struct authority *authority, struct account *account)
{
    struct rights before = account->rights;
    uint64_t version = account->version, since = account->loaded_seq;
    if (since < authority->applied_seq)
        since = authority->applied_seq;
    account->rights = (struct rights){0};
    bool known = load(authority, account);
    bool same_rights = account->exists && rights_equal(&account->rights, &before);
    rights_free(&before);
    bool blinked = same_rights && have_blinked(authority, account, since);
    if (same_rights && account->version == version && !blinked)
        return;
    if (!same_rights || blinked)
        account->rights_serial = ++authority->last_rights_serial;
    struct buffer document = {0};
    if (account->exists)
        user_document_append(&document, authority->worker, account, json_text(json_root(&authority->user)));
    account->references++; /* the last session may end on the way */
    tell_sessions(authority, account, known, blinked, buffer_slice(&document));
    account_put(authority, account);
    buffer_free(&document);
}

static void outdate(struct authority *authority, struct account *account)
{
    if (account->outdated || account->control)
        return;
    account->outdated = true;
    TAILQ_INSERT_TAIL(&authority->outdated, account, queue);
}

void authority_apply(struct authority *authority)
{
    struct account *account;
    while ((account = TAILQ_FIRST(&authority->outdated))) {
        if (!worker_snapshot(authority->worker))
            return; /* the next pass tries again */
        TAILQ_REMOVE(&authority->outdated, account, queue);
        account->outdated = false;
        reload(authority, account);
    }
    authority->applied_seq = backlog_last_seq(authority->worker->backlog);
}

/* Without a group: any may have changed. */
static void group_changed(struct authority *authority, struct slice group)
{
    struct account *account;
    for (unsigned i = 0; i < BUCKETS; i++)
        LIST_FOREACH (account, &authority->buckets[i], all)
            if (!group.data || rights_in_group(&account->rights, group) || account->rights.names_missing)
                outdate(authority, account);
}

bool authority_is_current(const struct authority *authority)
{
    return TAILQ_EMPTY(&authority->outdated);
}

/* The hash is one already. */
static struct session_list *bucket_of_token(struct authority *authority, const uint8_t *hash)
{
    return &authority->tokens[(hash[0] | (unsigned)hash[1] << 8) % BUCKETS];
}

void authority_watch_token(struct authority *authority, struct session *session)
{
    LIST_INSERT_HEAD(bucket_of_token(authority, session->token_hash), session, of_token);
    session->used_ms = clock_monotonic_ms();
    presence_add(authority->worker->scoreboard->presence, authority->worker->slot, session->token_hash,
                 session->used_ms);
    TAILQ_INSERT_TAIL(&authority->used, session, by_use);
}

void authority_forget_token(struct authority *authority, struct session *session)
{
    LIST_REMOVE(session, of_token);
    TAILQ_REMOVE(&authority->used, session, by_use);
    presence_remove(authority->worker->scoreboard->presence, authority->worker->slot, session->token_hash,
                    clock_monotonic_ms());
}

struct session *authority_take_used(struct authority *authority, uint64_t now_ms, uint64_t every_ms,
                                    uint64_t since_ms)
{
    struct session *session = TAILQ_FIRST(&authority->used);
    if (!session || now_ms < session->used_ms ||
        (now_ms - session->used_ms < every_ms && session->used_ms >= since_ms))
        return NULL;
    session->used_ms = now_ms;
    TAILQ_REMOVE(&authority->used, session, by_use);
    TAILQ_INSERT_TAIL(&authority->used, session, by_use);
    return session;
}

static void end_sessions(struct authority *authority, const uint8_t *hash)
{
    struct session *session = LIST_FIRST(bucket_of_token(authority, hash));
    while (session) {
        struct session *next = LIST_NEXT(session, of_token);
        if (memcmp(session->token_hash, hash, TOKEN_HASH_BYTES) == 0)
            session_deauthorize(session, session_over);
        session = next;
    }
}

static void token_changed(struct authority *authority, struct slice id)
{
    uint8_t hash[TOKEN_HASH_BYTES];
    if (!token_hash_of_id(id, hash))
        return;
    struct session *session;
    LIST_FOREACH (session, bucket_of_token(authority, hash), of_token)
        if (memcmp(session->token_hash, hash, TOKEN_HASH_BYTES) == 0) {
            if (token_ended(authority, hash))
                end_sessions(authority, hash);
            return;
        }
}

static void tokens_changed(struct authority *authority)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        struct session *session = LIST_FIRST(&authority->tokens[i]);
        while (session) {
            struct session *next = LIST_NEXT(session, of_token);
            if (token_ended(authority, session->token_hash))
                session_deauthorize(session, session_over);
            session = next;
        }
    }
}

void authority_changed(struct authority *authority, unsigned collection, struct slice id)
{
    if (collection == COLLECTION_USERS) {
        struct account *account = account_find(authority, id);
        if (account)
            outdate(authority, account);
    } else if (collection == COLLECTION_GROUPS) {
        group_changed(authority, id);
    } else if (collection == COLLECTION_SESSIONS) {
        token_changed(authority, id);
    }
}

void authority_changed_all(struct authority *authority)
{
    group_changed(authority, (struct slice){0});
    tokens_changed(authority);
}

static void bootstrapped(void *argument, const struct committer_result *result)
{
    struct authority *authority = argument;
    if (result->code != ERROR_NONE && result->code != ERROR_EXISTS)
        log_error("the group %s could not be made: %.*s", administrator_group, (int)result->text.length,
                  result->text.data);
    authority->bootstrap_done(authority->worker);
}

static bool has_administrators(struct worker *worker)
{
    struct store_record record;
    bool there = worker_snapshot(worker) && store_get(worker->store, COLLECTION_GROUPS,
                                                      slice_text(administrator_group), &record) == ERROR_NONE;
    worker_snapshot_end(worker);
    return there;
}

/* Every worker does, and all but one find it made meanwhile: so none has to wait for another. */
void authority_bootstrap(struct authority *authority, void (*done)(struct worker *worker))
{
    struct worker *worker = authority->worker;
    authority->bootstrap_done = done;
    if (has_administrators(worker)) {
        done(worker);
        return;
    }
    struct buffer set = {0};
    change_set_begin(&set, change_bounds_of(&worker->config->limits), ANSWER_LITERAL, SLICE("null"));
    struct change change = {
        .operation = CHANGE_INSERT,
        .version = CHANGE_ANY_VERSION,
        .collection = SLICE("groups"),
        .id = slice_text(administrator_group),
        .body = SLICE("{\"permissions\":{}}"),
    };
    change_set_add(&set, &change);
    enum error_code code;
    if (!committer_link_submit(worker->link, buffer_slice(&set), bootstrapped, authority, &code)) {
        log_error("the group %s could not be made: %s", administrator_group, error_code_name(code));
        done(worker);
    }
    buffer_free(&set);
}

struct authority *authority_create(struct worker *worker)
{
    struct authority *authority = memory_zeroed(1, sizeof *authority);
    authority->worker = worker;
    for (unsigned i = 0; i < BUCKETS; i++)
        LIST_INIT(&authority->buckets[i]);
    for (unsigned i = 0; i < BUCKETS; i++)
        LIST_INIT(&authority->tokens[i]);
    TAILQ_INIT(&authority->used);
    TAILQ_INIT(&authority->outdated);
    return authority;
}

void authority_free(struct authority **authority)
{
    if (!*authority)
        return;
    for (unsigned i = 0; i < BUCKETS; i++)
        while (!LIST_EMPTY(&(*authority)->buckets[i]))
            account_free(*authority, LIST_FIRST(&(*authority)->buckets[i]));
    json_free(&(*authority)->user);
    free(*authority);
    *authority = NULL;
}
