#include "worker/session/token_use.h"

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/ipc/presence.h"
#include "worker/authority/token.h"
#include "worker/authority/user_sets.h"
#include "worker/base/committer_link.h"
#include "worker/base/snapshot.h"
#include "worker/session/session.h"

/* How often the time of last use is stored: often enough for an expiry counted in days. And by how much the
 * wall clock must leave the monotonic one to have jumped. */
enum { STORED_EVERY_MS = 3600000, JUMP_MS = 600000 };

/* At how many of the connected sessions each second looks. */
enum { LOOKED_AT_ONCE = 256 };

static uint64_t unused_most_ms(const struct worker *worker)
{
    return worker->config->session_days * 86400000;
}

/* What the workers have noted, on the wall clock as it goes now. 0: nothing. */
static uint64_t noted_by_workers(const struct worker *worker, struct slice id, uint64_t now_ms,
                                 bool *connected)
{
    uint8_t hash[TOKEN_HASH_BYTES];
    *connected = false;
    if (!token_hash_of_id(id, hash))
        return 0;
    struct presence_seen seen = presence_look(worker->scoreboard->presence, hash);
    uint64_t monotonic_ms = clock_monotonic_ms();
    *connected = seen.connected;
    if (!seen.last_ms)
        return 0;
    uint64_t ago_ms = monotonic_ms > seen.last_ms ? monotonic_ms - seen.last_ms : 0;
    return now_ms > ago_ms ? now_ms - ago_ms : 0;
}

struct token_use token_use_read(const struct worker *worker, struct slice id, struct json_value document,
                                uint64_t now_ms)
{
    int64_t stored;
    bool connected;
    struct token_use use = {.over = true};
    if (!json_integer(json_member(document, SLICE("used")), &stored))
        return use;
    uint64_t noted_ms = noted_by_workers(worker, id, now_ms, &connected);
    use.noted_ms = stored > 0 ? (uint64_t)stored : 0;
    bool ahead = use.noted_ms > now_ms + STORED_EVERY_MS;
    if (noted_ms && (ahead || noted_ms > use.noted_ms)) {
        use.noted_ms = noted_ms;
        ahead = false;
    }
    use.used_ms = connected ? now_ms : use.noted_ms;
    use.rank = connected ? TOKEN_CONNECTED : ahead ? TOKEN_AHEAD : TOKEN_KNOWN;
    use.over = json_type(json_member(document, SLICE("ended"))) != JSON_NONE ||
               (now_ms > use.used_ms && now_ms - use.used_ms > unused_most_ms(worker));
    return use;
}

static void ignore_result(void *argument, const struct committer_result *result)
{
    (void)argument, (void)result;
}

/* Not waited for: when it fails, the next use writes it. */
static void write_used(struct worker *worker, struct slice id, uint64_t now_ms)
{
    struct buffer set = {0}, body = {0};
    enum error_code code;
    buffer_append_format(&body, "{\"used\":%llu}", (unsigned long long)now_ms);
    change_set_begin(&set, change_bounds_of(&worker->config->limits), ANSWER_LITERAL, SLICE("null"));
    struct change change = {
        .operation = CHANGE_MERGE,
        .flags = CHANGE_SKIP_MISSING,
        .version = CHANGE_ANY_VERSION,
        .collection = slice_text(collection_names[COLLECTION_SESSIONS]),
        .id = id,
        .body = buffer_slice(&body),
    };
    change_set_add(&set, &change);
    if (!committer_link_submit(worker->link, buffer_slice(&set), ignore_result, NULL, &code))
        log_debug("the last use of a session was not stored: %s", error_code_name(code));
    buffer_free(&set);
    buffer_free(&body);
}

/* A clock that is in the past since a boot without a battery has been set after an hour; before that, what it
 * put back would be too old as soon as it is. */
static bool clock_is_steady(const struct worker *worker)
{
    return clock_monotonic_ms() - worker->clock_steady_ms >= STORED_EVERY_MS;
}

void token_use_store(struct worker *worker, struct slice id, struct json_value document)
{
    int64_t used;
    uint64_t now_ms = clock_wall_ms();
    if (!json_integer(json_member(document, SLICE("used")), &used))
        return;
    uint64_t stored_ms = used > 0 ? (uint64_t)used : 0;
    if (now_ms > stored_ms + STORED_EVERY_MS ||
        (stored_ms > now_ms + STORED_EVERY_MS && clock_is_steady(worker)))
        write_used(worker, id, now_ms);
}

static void store_use_of(struct worker *worker, const struct login *login)
{
    struct user_document document;
    char id[TOKEN_ID + 1];
    token_id(login->token_hash, id);
    if (user_get(worker, COLLECTION_SESSIONS, slice_text(id), &document) == ERROR_NONE &&
        json_type(json_member(document.root, SLICE("ended"))) == JSON_NONE)
        token_use_store(worker, slice_text(id), document.root);
    user_free(&document);
}

static void look_at_clock(struct worker *worker, uint64_t now_ms)
{
    int64_t ahead_ms = (int64_t)(clock_wall_ms() - now_ms), jump_ms = ahead_ms - worker->clock_ahead_ms;
    if (jump_ms > -JUMP_MS && jump_ms < JUMP_MS)
        return;
    worker->clock_ahead_ms = ahead_ms;
    worker->clock_steady_ms = now_ms;
    if (worker->slot == 0)
        log_notice("the system clock has jumped by %lld s; connected sessions go on",
                   (long long)jump_ms / 1000);
}

void token_use_tick(struct worker *worker)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct login *login;
    look_at_clock(worker, now_ms);
    for (unsigned i = 0; i < LOOKED_AT_ONCE; i++) {
        login = authority_take_used(worker->authority, now_ms, STORED_EVERY_MS, worker->clock_steady_ms);
        if (!login || !snapshot_take(worker))
            return;
        store_use_of(worker, login);
    }
}
