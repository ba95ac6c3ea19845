#include "worker/methods/tokens.h"

#include "shared/clock.h"
#include "shared/store/change_set.h"
#include "worker/authority/token.h"
#include "worker/authority/user_document.h"
#include "worker/committer_link.h"

/* How often the time of last use is written: often enough for an expiry counted in days. */
enum { USED_EVERY_MS = 3600000, PRUNED_AT_ONCE = 100 };

static uint64_t session_most_ms(const struct worker *worker)
{
    return worker->config->session_days * 86400000;
}

static bool is_over(const struct worker *worker, struct json_value document, uint64_t now_ms)
{
    int64_t used;
    return json_type(json_member(document, SLICE("ended"))) != JSON_NONE ||
           !json_integer(json_member(document, SLICE("used")), &used) ||
           (now_ms > (uint64_t)used && now_ms - (uint64_t)used > session_most_ms(worker));
}

static void nothing(void *argument, const struct committer_result *result)
{
    (void)argument, (void)result;
}

/* Not waited for: when it fails, the next use writes it. */
static void write_used(struct worker *worker, struct slice id, uint64_t now_ms)
{
    struct buffer set = {0}, body = {0};
    enum error_code code;
    buffer_append_format(&body, "{\"used\":%llu}", (unsigned long long)now_ms);
    change_set_begin(&set, ANSWER_LITERAL, SLICE("null"));
    struct change change = {
        .operation = CHANGE_MERGE,
        .flags = CHANGE_SKIP_MISSING,
        .version = CHANGE_ANY_VERSION,
        .collection = SLICE("sessions"),
        .id = id,
        .body = buffer_slice(&body),
    };
    change_set_add(&set, &change);
    if (!committer_link_submit(worker->link, buffer_slice(&set), nothing, NULL, &code))
        log_debug("the last use of a session was not stored: %s", error_code_name(code));
    buffer_free(&set);
    buffer_free(&body);
}

/* The user of a stored session that is not over; otherwise what is wrong. */
static const char *read_session(struct worker *worker, struct slice id, struct json *json,
                                struct buffer *user)
{
    struct store_record record;
    int64_t used = 0;
    uint64_t now_ms = clock_wall_ms();
    if (store_get(worker->store, COLLECTION_SESSIONS, id, &record) != ERROR_NONE ||
        !json_parse(json, record.full.data, record.full.length))
        return "Token does not exist";
    struct json_value document = json_root(json);
    if (is_over(worker, document, now_ms))
        return "Token was invalidated";
    struct buffer scratch = {0};
    buffer_append_slice(user, json_string(json_member(document, SLICE("user")), &scratch));
    buffer_free(&scratch);
    if (json_integer(json_member(document, SLICE("used")), &used) && now_ms - (uint64_t)used > USED_EVERY_MS)
        write_used(worker, id, now_ms);
    return NULL;
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
    const char *wrong = "The store cannot be read now";
    if (worker_snapshot(worker)) {
        wrong = read_session(worker, slice_text(id), &json, &user);
        struct account *account = wrong ? NULL : account_get(worker->authority, buffer_slice(&user));
        struct store_record record;
        if (!wrong && (!account || store_get(worker->store, COLLECTION_USERS, buffer_slice(&user), &record)))
            wrong = "Token was invalidated";
        if (!wrong) {
            user_document_append(document, worker, account, record.full);
            session_authorize(session, account, hash);
        } else if (account) {
            account_put(worker->authority, account);
        }
    }
    json_free(&json);
    buffer_free(&user);
    return wrong;
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

void token_add_session(struct worker *worker, struct buffer *set, struct slice user, const char *address,
                       struct slice browser, char *token, uint8_t *hash)
{
    (void)worker;
    char id[TOKEN_ID + 1];
    unsigned long long now_ms = clock_wall_ms();
    struct buffer body = {0};
    token_make(token);
    token_hash(slice_text(token), hash);
    token_id(hash, id);
    buffer_append_slice(&body, SLICE("{\"user\":"));
    json_append_string(&body, user);
    buffer_append_format(&body, ",\"created\":%llu,\"used\":%llu,\"address\":", now_ms, now_ms);
    json_append_string(&body, slice_text(address));
    buffer_append_slice(&body, SLICE(",\"browser\":"));
    json_append_string(&body, browser);
    buffer_append_byte(&body, '}');
    struct change change = {
        .operation = CHANGE_INSERT,
        .version = CHANGE_ANY_VERSION,
        .collection = SLICE("sessions"),
        .id = slice_text(id),
        .body = buffer_slice(&body),
    };
    change_set_add(set, &change);
    buffer_free(&body);
}

static void prune_one(struct worker *worker, struct buffer *set, struct slice id, struct json_value document)
{
    struct change change = {
        .operation = CHANGE_REMOVE,
        .flags = CHANGE_SKIP_MISSING,
        .version = CHANGE_ANY_VERSION,
        .collection = SLICE("sessions"),
        .id = id,
    };
    if (is_over(worker, document, clock_wall_ms()))
        change_set_add(set, &change);
}

void token_prune(struct worker *worker, struct buffer *set, struct slice user)
{
    struct buffer text = {0};
    struct json json = {0};
    char message[JSON_QUERY_MESSAGE];
    buffer_append_slice(&text, SLICE("{\"user\":"));
    json_append_string(&text, user);
    buffer_append_byte(&text, '}');
    struct json_query *query =
        json_parse(&json, text.data, text.length) ? json_query_compile(json_root(&json), message) : NULL;
    if (query) {
        struct store_search *search = store_search_start(worker->store, COLLECTION_SESSIONS, query);
        struct slice id;
        struct store_record record;
        struct json document = {0};
        store_search_resume(worker->store, search);
        for (unsigned i = 0; i < PRUNED_AT_ONCE && store_search_step(search, &id, &record); i++)
            if (json_parse(&document, record.full.data, record.full.length) &&
                json_query_matches(query, json_root(&document)))
                prune_one(worker, set, id, json_root(&document));
        store_search_pause(search);
        store_search_free(search);
        json_free(&document);
        json_query_free(query);
    }
    json_free(&json);
    buffer_free(&text);
}

void token_answer(struct buffer *out, struct slice document, struct slice token)
{
    buffer_append(out, document.data, document.length - 1); /* without its closing brace: it has members */
    buffer_append_slice(out, SLICE(",\"token\":"));
    json_append_string(out, token);
    buffer_append_byte(out, '}');
}
