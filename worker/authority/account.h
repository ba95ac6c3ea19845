#ifndef WORKER_AUTHORITY_ACCOUNT_H
#define WORKER_AUTHORITY_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "shared/json/json.h"
#include "shared/store/rights.h"
#include "worker/base/worker.h"

/*
 * Who is connected to this worker, and what they may do: one struct account for each user with a live
 * connection, made from the documents of `users` and `groups`.
 */

enum { TOKEN_HASH_BYTES = 32 };

/* That a connection is somebody's: its place in the lists by which those are found whom a change concerns. */
struct login {
    LIST_ENTRY(login) of_account;
    LIST_ENTRY(login) of_token; /* when ->has_token: with others of the same hash */
    TAILQ_ENTRY(login) by_use;  /* when ->has_token: in the order of ->used_ms */
    struct account *account;    /* NULL: nobody's */
    uint64_t used_ms;           /* monotonic: when the token last counted as used */
    bool has_token;
    uint8_t token_hash[TOKEN_HASH_BYTES]; /* _id of its document in `sessions`, before hex */
};

struct account {
    LIST_ENTRY(account) all;
    LIST_HEAD(, login) logins;
    LIST_HEAD(, login) untold; /* these, too: while they wait to be told what the rights are now */
    char *user;
    size_t user_length;
    struct rights rights;   /* local control has those of an administrator */
    uint64_t rights_serial; /* another one for other rights, and for every account */
    bool control;           /* the control socket's */
    bool exists;            /* the user's document is there */
    bool outdated;          /* to be read again: in the table's queue */
    TAILQ_ENTRY(account) queue;
    uint64_t version;    /* of the user's document */
    uint64_t loaded_seq; /* the last change that the rights were read after */
    unsigned references;
};

struct account_table;

struct account_table *account_table_create(struct worker *worker);
void account_table_free(struct account_table **table);

/** *@account: the account of a user, with one more reference. ERROR_NOT_FOUND: there is no such user;
 *  ERROR_INTERNAL: who it is, or what it may do, cannot be read. Needs a snapshot. */
[[gnu::warn_unused_result]] enum error_code account_get(struct account_table *table, struct slice user,
                                                        struct account **account);

/** The account of the control socket, with one more reference. */
struct account *account_control(struct account_table *table);

void account_put(struct account_table *table, struct account *account);

/** The @login is the account's from now on; ends with account_leave(). The reference is not touched. */
void account_enter(struct account *account, struct login *login);
void account_leave(struct login *login);

/** The text of a user's or a group's document as it is in the snapshot, which is charged to the worker.
 * ERROR_NOT_FOUND: there is none. */
[[gnu::warn_unused_result]] enum error_code account_find_document(struct worker *worker,
                                                                  enum builtin_collection collection,
                                                                  struct slice id, struct slice *document);

/** Reads the account's rights from the snapshot, and the user's document into @document; ->exists says
 * whether there is such a user. False: that, or what it may do, cannot be read; it counts as not there. */
[[gnu::warn_unused_result]] bool account_load(struct account_table *table, struct account *account,
                                              struct json *document);

/** The account's rights have changed: another ->rights_serial. */
void account_count_rights(struct account_table *table, struct account *account);

/** The user's account, if it has one, is to be read again. */
void account_outdate(struct account_table *table, struct slice user);

/** Those of the members of @group are; without a group, all. */
void account_outdate_group(struct account_table *table, struct slice group);

/** Takes one that is to be read again; NULL: there is none. */
struct account *account_take_outdated(struct account_table *table);

bool account_none_outdated(const struct account_table *table);

#endif
