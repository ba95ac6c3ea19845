#include "worker/session/tokens.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/base/random.h"
#include "worker/authority/lookup.h"
#include "worker/authority/token.h"
#include "worker/authority/user_document.h"
#include "worker/authority/user_sets.h"
#include "worker/base/snapshot.h"
#include "worker/session/token_use.h"

/* How many stored log-ins one log-in removes. */
enum { PRUNED_AT_ONCE = 1024 };

static const char unreadable[] = "The store cannot be read now";

/* The user of a stored log-in that is not over; otherwise what is wrong. */
static const char *read_session(struct worker *worker, struct slice id, struct json *json,
                                struct buffer *user)
{
    struct store_record record;
    enum error_code code = store_get(worker->store, COLLECTION_SESSIONS, id, &record);
    if (code == ERROR_NOT_FOUND)
        return "Token does not exist";
    if (code != ERROR_NONE || !store_record_parse(worker->store, COLLECTION_SESSIONS, id, &record, json))
        return unreadable;
    struct json_value document = json_root(json);
    if (token_use_read(worker, id, document, clock_wall_ms()).over)
        return "Token was invalidated";
    struct buffer scratch = {0};
    buffer_append_slice(user, json_string(json_member(document, SLICE("user")), &scratch));
    buffer_free(&scratch);
    token_use_store(worker, id, document);
    return NULL;
}

/* The account of a user, with one more reference, and the user's document; otherwise what is wrong. */
static const char *read_account(struct worker *worker, struct slice user, struct account **account,
                                struct store_record *record)
{
    enum error_code code = account_get(worker->accounts, user, account);
    if (code == ERROR_NONE)
        code = store_get(worker->store, COLLECTION_USERS, user, record);
    if (code == ERROR_NONE)
        return NULL;
    return code == ERROR_NOT_FOUND ? "Token was invalidated" : unreadable;
}

const char *token_authorize(struct session *session, struct slice token, struct buffer *document)
{
    struct worker *worker = session->worker;
    uint8_t hash[TOKEN_HASH_BYTES];
    char id[TOKEN_ID + 1];
    struct json json = {0};
    struct buffer user = {0};
    token_hash(token, hash);
    token_id(hash, id);
    const char *wrong = unreadable;
    if (snapshot_take(worker)) {
        struct account *account = NULL;
        struct store_record record;
        wrong = read_session(worker, slice_text(id), &json, &user);
        if (!wrong)
            wrong = read_account(worker, buffer_slice(&user), &account, &record);
        if (!wrong) {
            user_document_append(document, worker, account, record.full);
            session_authorize(session, account, hash);
        } else if (account) {
            account_put(worker->accounts, account);
        }
    }
    json_free(&json);
    buffer_free(&user);
    return wrong;
}

bool token_is_known(struct worker *worker, struct slice token)
{
    uint8_t hash[TOKEN_HASH_BYTES];
    char id[TOKEN_ID + 1];
    struct json json = {0};
    struct buffer user = {0};
    token_hash(token, hash);
    token_id(hash, id);
    bool known = snapshot_take(worker) && !read_session(worker, slice_text(id), &json, &user);
    json_free(&json);
    buffer_free(&user);
    return known;
}

void token_authorize_handshake(struct session *session, struct slice token)
{
    struct buffer document = {0}, data = {0};
    const char *wrong = token_authorize(session, token, &document);
    if (wrong) {
        buffer_append_slice(&data, SLICE("{\"reason\":"));
        json_append_string(&data, slice_text(wrong));
        buffer_append_byte(&data, '}');
        session_send(session, "deauthorize", "users", buffer_slice(&data));
    } else {
        session_send(session, "amend", "users", buffer_slice(&document));
    }
    buffer_free(&document);
    buffer_free(&data);
}

void token_add_login(struct buffer *set, struct slice user, const char *address, struct slice browser,
                     char *token, uint8_t *hash)
{
    char id[TOKEN_ID + 1], shown[RANDOM_ID_LENGTH + 1];
    unsigned long long now_ms = clock_wall_ms();
    struct buffer body = {0};
    token_make(token);
    token_hash(slice_text(token), hash);
    token_id(hash, id);
    random_id(shown);
    buffer_append_format(&body, "{\"id\":\"%s\",\"user\":", shown);
    json_append_string(&body, user);
    buffer_append_format(&body, ",\"created\":%llu,\"used\":%llu,\"address\":", now_ms, now_ms);
    json_append_string(&body, slice_text(address));
    buffer_append_slice(&body, SLICE(",\"browser\":"));
    json_append_string(&body, browser);
    buffer_append_byte(&body, '}');
    struct change change = {
        .operation = CHANGE_INSERT,
        .version = CHANGE_ANY_VERSION,
        .collection = slice_text(collection_names[COLLECTION_SESSIONS]),
        .id = slice_text(id),
        .body = buffer_slice(&body),
    };
    change_set_add(set, &change);
    buffer_free(&body);
}

/* ---- what a user's stored log-ins may grow to ---- */

struct kept {
    struct token_use use;
    char id[TOKEN_ID + 1];
};

struct pruning {
    struct worker *worker;
    uint64_t now_ms; /* wall clock */
    struct buffer *set;
    struct kept *kept; /* not over */
    size_t count;
    size_t removed;
};

static void prune_one(struct pruning *pruning, struct slice id)
{
    if (pruning->removed++ < PRUNED_AT_ONCE)
        user_set_change(pruning->set, CHANGE_REMOVE, CHANGE_SKIP_MISSING, COLLECTION_SESSIONS, id,
                        CHANGE_ANY_VERSION, (struct slice){0});
}

static bool look_at_login(void *argument, struct slice id, struct json_value document, uint64_t version)
{
    struct pruning *pruning = argument;
    struct kept kept = {0};
    (void)version;
    kept.use = token_use_read(pruning->worker, id, document, pruning->now_ms);
    if (id.length != TOKEN_ID || kept.use.over) {
        prune_one(pruning, id);
        return true;
    }
    memcpy(kept.id, id.data, id.length);
    /* Grown by doubling: the count is a power of two when the room is used up. */
    if ((pruning->count & (pruning->count - 1)) == 0)
        pruning->kept =
            memory_resize(pruning->kept, pruning->count ? pruning->count * 2 : 1, sizeof *pruning->kept);
    pruning->kept[pruning->count++] = kept;
    return true;
}

/* What is connected anywhere comes last: it goes only when all the others are connected, too. */
static int by_use(const void *a, const void *b)
{
    const struct token_use *left = &((const struct kept *)a)->use, *right = &((const struct kept *)b)->use;
    if (left->rank != right->rank)
        return left->rank < right->rank ? -1 : 1;
    return (left->noted_ms > right->noted_ms) - (left->noted_ms < right->noted_ms);
}

bool token_prune(struct worker *worker, struct buffer *set, struct slice user)
{
    struct pruning pruning = {.worker = worker, .now_ms = clock_wall_ms(), .set = set};
    size_t most = worker->config->limits.sessions_per_user - 1; /* one is to be added */
    bool known = lookup(worker, COLLECTION_SESSIONS, "user", user, look_at_login, &pruning);
    if (known && pruning.count > most) {
        qsort(pruning.kept, pruning.count, sizeof *pruning.kept, by_use);
        for (size_t i = 0; i < pruning.count - most; i++)
            prune_one(&pruning, slice_of(pruning.kept[i].id, TOKEN_ID));
    }
    free(pruning.kept);
    return known;
}

void token_answer(struct buffer *out, struct slice document, struct slice token)
{
    buffer_append(out, document.data, document.length - 1); /* without its closing brace: it has members */
    buffer_append_slice(out, SLICE(",\"token\":"));
    json_append_string(out, token);
    buffer_append_byte(out, '}');
}
