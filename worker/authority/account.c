#include "worker/authority/account.h"

#include <stdlib.h>

#include "shared/base/memory.h"

LIST_HEAD(account_list, account);

enum { BUCKETS = 1024 };

struct account_table {
    struct worker *worker;
    struct account_list buckets[BUCKETS]; /* by user */
    TAILQ_HEAD(, account) outdated;
    struct account *control; /* while somebody has it; no user has it, whatever the user's name is */
    uint64_t last_rights_serial;
    struct json document; /* being read; reused */
};

static struct account_list *account_bucket(struct account_table *table, struct slice user)
{
    return &table->buckets[slice_hash(user) % BUCKETS];
}

enum error_code account_find_document(struct worker *worker, enum builtin_collection collection,
                                      struct slice id, struct slice *document)
{
    struct store_record record;
    work_charge(&worker->work, WORK_LOOKUP);
    enum error_code code = store_get(worker->store, collection, id, &record);
    if (code != ERROR_NONE)
        return code;
    work_charge(&worker->work, work_parsed(record.full.length, 0));
    *document = record.full;
    return ERROR_NONE;
}

static enum error_code account_find_group(void *worker, struct slice group, struct slice *document)
{
    return account_find_document(worker, COLLECTION_GROUPS, group, document);
}

bool account_load(struct account_table *table, struct account *account, struct json *document)
{
    struct worker *worker = table->worker;
    struct slice user = slice_of(account->user, account->user_length);
    account->loaded_seq = store_seq(worker->store);
    struct store_record record;
    rights_free(&account->rights);
    account->exists = false;
    work_charge(&worker->work, WORK_LOOKUP);
    enum error_code code = store_get(worker->store, COLLECTION_USERS, user, &record);
    if (code != ERROR_NONE)
        return code == ERROR_NOT_FOUND;
    if (!store_record_parse(worker->store, COLLECTION_USERS, user, &record, document))
        return false;
    work_charge(&worker->work, work_parsed(record.full.length, document->count));
    account->version = record.version;
    account->exists =
        rights_read(&account->rights, worker->config, json_root(document), account_find_group, worker);
    if (!account->exists)
        rights_free(&account->rights);
    return account->exists;
}

void account_count_rights(struct account_table *table, struct account *account)
{
    account->rights_serial = ++table->last_rights_serial;
}

static struct account *account_new(struct account_table *table, struct slice user)
{
    struct account *account = memory_zeroed(1, sizeof *account);
    account->user = memory_copy(user.data, user.length);
    account->user_length = user.length;
    account_count_rights(table, account);
    LIST_INIT(&account->logins);
    LIST_INIT(&account->untold);
    LIST_INSERT_HEAD(account_bucket(table, user), account, all);
    return account;
}

static struct account *account_find(struct account_table *table, struct slice user)
{
    struct account *account;
    LIST_FOREACH (account, account_bucket(table, user), all)
        if (!account->control && slice_equal(slice_of(account->user, account->user_length), user))
            return account;
    return NULL;
}

static void account_free(struct account_table *table, struct account *account)
{
    LIST_REMOVE(account, all);
    if (account->control)
        table->control = NULL;
    if (account->outdated)
        TAILQ_REMOVE(&table->outdated, account, queue);
    rights_free(&account->rights);
    free(account->user);
    free(account);
}

enum error_code account_get(struct account_table *table, struct slice user, struct account **out)
{
    struct account *account = account_find(table, user);
    bool known = true;
    if (!account) {
        account = account_new(table, user);
        known = account_load(table, account, &table->document);
    }
    *out = NULL;
    if (!account->exists) {
        if (account->references == 0)
            account_free(table, account);
        return known ? ERROR_NOT_FOUND : ERROR_INTERNAL;
    }
    account->references++;
    *out = account;
    return ERROR_NONE;
}

struct account *account_control(struct account_table *table)
{
    if (!table->control) {
        table->control = account_new(table, SLICE("(control)"));
        table->control->control = true;
        rights_of_administrator(&table->control->rights);
    }
    table->control->references++;
    return table->control;
}

void account_put(struct account_table *table, struct account *account)
{
    if (--account->references == 0)
        account_free(table, account);
}

void account_enter(struct account *account, struct login *login)
{
    login->account = account;
    LIST_INSERT_HEAD(&account->logins, login, of_account);
}

void account_leave(struct login *login)
{
    LIST_REMOVE(login, of_account);
    login->account = NULL;
}

static void outdate_account(struct account_table *table, struct account *account)
{
    if (account->outdated || account->control)
        return;
    account->outdated = true;
    TAILQ_INSERT_TAIL(&table->outdated, account, queue);
}

void account_outdate(struct account_table *table, struct slice user)
{
    struct account *account = account_find(table, user);
    if (account)
        outdate_account(table, account);
}

void account_outdate_group(struct account_table *table, struct slice group)
{
    struct account *account;
    uint64_t nodes = BUCKETS;
    for (unsigned i = 0; i < BUCKETS; i++)
        LIST_FOREACH (account, &table->buckets[i], all) {
            nodes += 1 + account->rights.group_count;
            if (!group.data || rights_in_group(&account->rights, group) || account->rights.names_missing)
                outdate_account(table, account);
        }
    work_charge(&table->worker->work, nodes * WORK_NODE);
}

struct account *account_take_outdated(struct account_table *table)
{
    struct account *account = TAILQ_FIRST(&table->outdated);
    if (!account)
        return NULL;
    TAILQ_REMOVE(&table->outdated, account, queue);
    account->outdated = false;
    return account;
}

bool account_none_outdated(const struct account_table *table)
{
    return TAILQ_EMPTY(&table->outdated);
}

struct account_table *account_table_create(struct worker *worker)
{
    struct account_table *table = memory_zeroed(1, sizeof *table);
    table->worker = worker;
    for (unsigned i = 0; i < BUCKETS; i++)
        LIST_INIT(&table->buckets[i]);
    TAILQ_INIT(&table->outdated);
    return table;
}

void account_table_free(struct account_table **table)
{
    if (!*table)
        return;
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct account *account = LIST_FIRST(&(*table)->buckets[i]); account;) {
            struct account *next = LIST_NEXT(account, all);
            account_free(*table, account);
            account = next;
        }
    json_free(&(*table)->document);
    free(*table);
    *table = NULL;
}
