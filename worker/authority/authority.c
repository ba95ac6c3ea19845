#include "worker/authority/authority.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "worker/authority/token_watch.h"
#include "worker/authority/user_document.h"
#include "worker/base/snapshot.h"
#include "worker/output/backlog.h"

/* What it is to tell a session, beside the look at its token and the bytes it is sent. */
enum { TELL_WORK = 80 };

/* What those who are logged in as one account are being told, after its rights were read. */
struct news {
    struct account *account; /* a reference; NULL: none is told anything now */
    bool known;              /* false: they cannot be read */
    bool blinked;
    struct buffer document; /* the user's, as clients see it; empty: there is none */
};

struct authority {
    struct worker *worker;
    const struct authority_events *events;
    struct account_table *accounts;
    struct token_watch *tokens;
    struct news news;
    uint64_t applied_seq; /* all accounts have what changed up to here */
    struct json user;     /* a document being read; reused */
};

/*
 * Tells one of those who are logged in what changed for it; it may end by that. The rights are those of the
 * snapshot, which may be ahead of what was taken in: a session that is over there has no part in them, which
 * may even be those of somebody who has the name by now.
 */
static void tell_login(struct authority *authority, struct login *login)
{
    const struct authority_events *events = authority->events;
    const struct news *news = &authority->news;
    struct slice document = buffer_slice(&news->document);
    LIST_REMOVE(login, of_account);
    LIST_INSERT_HEAD(&news->account->logins, login, of_account);
    work_charge(&authority->worker->work, TELL_WORK +
                                              authority->worker->config->collection_count * WORK_NODE +
                                              work_bytes(document.length));
    if (!news->known)
        events->unreadable(login);
    else if (!news->account->exists)
        events->ended(login, "Your account was removed");
    else if (token_watch_is_over(authority->tokens, login->token_hash))
        events->ended(login, token_watch_over);
    else
        events->changed(login, news->blinked, document);
}

/* The account lives as long as that takes: its last login may end on the way. */
static void open_news(struct authority *authority, struct account *account, bool known, bool blinked)
{
    struct news *news = &authority->news;
    struct login *login;
    account->references++;
    *news = (struct news){.account = account, .known = known, .blinked = blinked};
    if (account->exists)
        user_document_append(&news->document, authority->worker, account,
                             json_text(json_root(&authority->user)));
    while ((login = LIST_FIRST(&account->logins))) {
        work_charge(&authority->worker->work, WORK_NODE);
        LIST_REMOVE(login, of_account);
        LIST_INSERT_HEAD(&account->untold, login, of_account);
    }
}

static void close_news(struct authority *authority)
{
    struct account *account = authority->news.account;
    buffer_free(&authority->news.document);
    authority->news = (struct news){0};
    account_put(authority->accounts, account);
}

static void reload_account(struct authority *authority, struct account *account)
{
    struct rights before = account->rights;
    uint64_t version = account->version, since = account->loaded_seq;
    if (since < authority->applied_seq)
        since = authority->applied_seq;
    account->rights = (struct rights){0};
    bool known = account_load(authority->accounts, account, &authority->user);
    bool same_rights = account->exists && rights_equal(&account->rights, &before);
    rights_free(&before);
    bool blinked = same_rights && authority->events->have_blinked(authority->worker, account, since);
    if (same_rights && account->version == version && !blinked)
        return;
    if (!same_rights || blinked)
        account_count_rights(authority->accounts, account);
    open_news(authority, account, known, blinked);
}

/* A login is told, or else an account read. False: nothing is left to do, or it cannot be done now. */
static bool apply_step(struct authority *authority)
{
    struct news *news = &authority->news;
    if (authority_is_current(authority) || !snapshot_take(authority->worker))
        return false;
    if (!news->account) {
        reload_account(authority, account_take_outdated(authority->accounts));
        return true;
    }
    struct login *login = LIST_FIRST(&news->account->untold);
    if (login)
        tell_login(authority, login);
    else
        close_news(authority);
    return true;
}

bool authority_apply(struct authority *authority)
{
    struct worker *worker = authority->worker;
    bool goes_on;
    do
        goes_on = apply_step(authority);
    while (goes_on && work_left(&worker->work, WORK_KEPT_FOR_OUTPUT));
    if (!authority_is_current(authority))
        return goes_on;
    authority->applied_seq = backlog_last_seq(worker->backlog);
    return false;
}

bool authority_is_current(const struct authority *authority)
{
    return account_none_outdated(authority->accounts) && !authority->news.account;
}

void authority_watch_token(struct authority *authority, struct login *login)
{
    token_watch_add(authority->tokens, login);
}

void authority_forget_token(struct authority *authority, struct login *login)
{
    token_watch_remove(authority->tokens, login);
}

struct login *authority_take_used(struct authority *authority, uint64_t now_ms, uint64_t every_ms,
                                  uint64_t since_ms)
{
    return token_watch_take_used(authority->tokens, now_ms, every_ms, since_ms);
}

void authority_changed(struct authority *authority, unsigned collection, struct slice id)
{
    if (collection == COLLECTION_USERS)
        account_outdate(authority->accounts, id);
    else if (collection == COLLECTION_GROUPS)
        account_outdate_group(authority->accounts, id);
    else if (collection == COLLECTION_SESSIONS)
        token_watch_changed(authority->tokens, id, authority->events->ended);
}

void authority_changed_all(struct authority *authority)
{
    account_outdate_group(authority->accounts, (struct slice){0});
    token_watch_changed_all(authority->tokens, authority->events->ended);
}

struct account_table *authority_accounts(struct authority *authority)
{
    return authority->accounts;
}

struct authority *authority_create(struct worker *worker, const struct authority_events *events)
{
    struct authority *authority = memory_zeroed(1, sizeof *authority);
    authority->worker = worker;
    authority->events = events;
    authority->accounts = account_table_create(worker);
    authority->tokens = token_watch_create(worker);
    return authority;
}

void authority_free(struct authority **authority)
{
    if (!*authority)
        return;
    if ((*authority)->news.account)
        close_news(*authority);
    account_table_free(&(*authority)->accounts);
    token_watch_free(&(*authority)->tokens);
    json_free(&(*authority)->user);
    free(*authority);
    *authority = NULL;
}
