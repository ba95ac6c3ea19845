#include "worker/authority/token_watch.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/ipc/presence.h"
#include "worker/authority/token.h"
#include "worker/base/snapshot.h"

const char token_watch_over[] = "The session has ended";

/* What it is to tell a session that it is over. */
enum { BUCKETS = 1024, WORK_ENDED = 80 };

LIST_HEAD(login_list, login);

struct token_watch {
    struct worker *worker;
    struct login_list buckets[BUCKETS]; /* by the token's hash */
    TAILQ_HEAD(, login) used;           /* the longest connected first */
    struct json document;               /* being read; reused */
};

/* The hash is one already. */
static struct login_list *token_bucket(struct token_watch *watch, const uint8_t *hash)
{
    return &watch->buckets[(hash[0] | (unsigned)hash[1] << 8) % BUCKETS];
}

void token_watch_add(struct token_watch *watch, struct login *login)
{
    const struct worker *worker = watch->worker;
    LIST_INSERT_HEAD(token_bucket(watch, login->token_hash), login, of_token);
    login->used_ms = clock_monotonic_ms();
    presence_add(worker->scoreboard->presence, worker->slot, login->token_hash, login->used_ms);
    TAILQ_INSERT_TAIL(&watch->used, login, by_use);
}

void token_watch_remove(struct token_watch *watch, struct login *login)
{
    const struct worker *worker = watch->worker;
    LIST_REMOVE(login, of_token);
    TAILQ_REMOVE(&watch->used, login, by_use);
    presence_remove(worker->scoreboard->presence, worker->slot, login->token_hash, clock_monotonic_ms());
}

struct login *token_watch_take_used(struct token_watch *watch, uint64_t now_ms, uint64_t every_ms,
                                    uint64_t since_ms)
{
    struct login *login = TAILQ_FIRST(&watch->used);
    if (!login || now_ms < login->used_ms ||
        (now_ms - login->used_ms < every_ms && login->used_ms >= since_ms))
        return NULL;
    login->used_ms = now_ms;
    TAILQ_REMOVE(&watch->used, login, by_use);
    TAILQ_INSERT_TAIL(&watch->used, login, by_use);
    return login;
}

bool token_watch_is_over(struct token_watch *watch, const uint8_t *hash)
{
    struct worker *worker = watch->worker;
    struct store_record record;
    char id[TOKEN_ID + 1];
    token_id(hash, id);
    work_charge(&worker->work, 2 * WORK_LOOKUP);
    return !snapshot_take(worker) ||
           store_get(worker->store, COLLECTION_SESSIONS, slice_text(id), &record) != ERROR_NONE ||
           !json_parse(&watch->document, record.full.data, record.full.length) ||
           json_type(json_member(json_root(&watch->document), SLICE("ended"))) != JSON_NONE;
}

static struct login *first_of(struct login *login, const uint8_t *hash)
{
    while (login && memcmp(login->token_hash, hash, TOKEN_HASH_BYTES) != 0)
        login = LIST_NEXT(login, of_token);
    return login;
}

void token_watch_changed(struct token_watch *watch, struct slice id,
                         void (*ended)(struct login *, const char *))
{
    uint8_t hash[TOKEN_HASH_BYTES];
    if (!token_hash_of_id(id, hash))
        return;
    struct login *login = first_of(LIST_FIRST(token_bucket(watch, hash)), hash);
    if (!login || !token_watch_is_over(watch, hash))
        return;
    while (login) {
        struct login *next = first_of(LIST_NEXT(login, of_token), hash);
        ended(login, token_watch_over);
        work_charge(&watch->worker->work, WORK_ENDED);
        login = next;
    }
}

void token_watch_changed_all(struct token_watch *watch, void (*ended)(struct login *, const char *))
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        struct login *login = LIST_FIRST(&watch->buckets[i]);
        while (login) {
            struct login *next = LIST_NEXT(login, of_token);
            if (token_watch_is_over(watch, login->token_hash))
                ended(login, token_watch_over);
            login = next;
        }
    }
}

struct token_watch *token_watch_create(struct worker *worker)
{
    struct token_watch *watch = memory_zeroed(1, sizeof *watch);
    watch->worker = worker;
    for (unsigned i = 0; i < BUCKETS; i++)
        LIST_INIT(&watch->buckets[i]);
    TAILQ_INIT(&watch->used);
    return watch;
}

void token_watch_free(struct token_watch **watch)
{
    if (!*watch)
        return;
    json_free(&(*watch)->document);
    free(*watch);
    *watch = NULL;
}
