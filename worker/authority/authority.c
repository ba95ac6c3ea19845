#include "worker/authority/authority.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "worker/authority/token_watch.h"
#include "worker/authority/user_document.h"
#include "worker/base/snapshot.h"
#include "worker/output/backlog.h"

struct authority {
    struct worker *worker;
    const struct authority_events *events;
    struct account_table *accounts;
    struct token_watch *tokens;
    uint64_t applied_seq; /* all accounts have what changed up to here */
    struct json user;     /* a document being read; reused */
};

/*
 * Tells those who are logged in what changed for them. They may end on the way. The rights are those of the
 * snapshot, which may be ahead of what was taken in: a session that is over there has no part in them, which
 * may even be those of somebody who has the name by now.
 */
static void tell_logins(struct authority *authority, struct account *account, bool known, bool blinked,
                        struct slice document)
{
    const struct authority_events *events = authority->events;
    struct login *login = LIST_FIRST(&account->logins);
    while (login) {
        struct login *next = LIST_NEXT(login, of_account);
        if (!known)
            events->unreadable(login);
        else if (!account->exists)
            events->ended(login, "Your account was removed");
        else if (token_watch_is_over(authority->tokens, login->token_hash))
            events->ended(login, token_watch_over);
        else
            events->changed(login, blinked, document);
        login = next;
    }
}

static void reload(struct authority *authority, struct account *account)
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
    struct buffer document = {0};
    if (account->exists)
        user_document_append(&document, authority->worker, account, json_text(json_root(&authority->user)));
    account->references++; /* the last login may end on the way */
    tell_logins(authority, account, known, blinked, buffer_slice(&document));
    account_put(authority->accounts, account);
    buffer_free(&document);
}

void authority_apply(struct authority *authority)
{
    while (!account_none_outdated(authority->accounts)) {
        if (!snapshot_take(authority->worker))
            return; /* the next pass tries again */
        reload(authority, account_take_outdated(authority->accounts));
    }
    authority->applied_seq = backlog_last_seq(authority->worker->backlog);
}

bool authority_is_current(const struct authority *authority)
{
    return account_none_outdated(authority->accounts);
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
    account_table_free(&(*authority)->accounts);
    token_watch_free(&(*authority)->tokens);
    json_free(&(*authority)->user);
    free(*authority);
    *authority = NULL;
}
