#include "worker/methods/credentials.h"

#include "shared/base/clock.h"
#include "shared/ipc/login_attempts.h"
#include "worker/authority/user_sets.h"

struct login_source credentials_source(const struct session *session)
{
    struct login_source source = {.key = {'a'}};
    session_network(session, source.key + 1);
    return source;
}

static struct slice source_key(const struct login_source *source)
{
    return slice_of(source->key, sizeof source->key);
}

static struct slice user_key(struct slice user, struct buffer *key)
{
    buffer_append_byte(key, 'u');
    buffer_append_slice(key, user);
    return buffer_slice(key);
}

bool credentials_throttled(struct transaction *transaction, struct slice user,
                           const struct login_source *source)
{
    struct buffer key = {0};
    uint64_t now_ms = clock_monotonic_ms();
    const struct login_attempts *attempts = transaction->worker->attempts;
    uint64_t most = transaction->worker->config->limits.login_attempts;
    bool closed = login_attempts_reach(attempts, most, user_key(user, &key), now_ms) ||
                  login_attempts_reach(attempts, most, source_key(source), now_ms);
    buffer_free(&key);
    if (closed)
        transaction_fail(transaction, ERROR_RATE_LIMITED, "Too many failed log-ins; try again in a minute");
    return closed;
}

void credentials_failed(struct worker *worker, struct slice user, const struct login_source *source)
{
    struct buffer key = {0};
    uint64_t now_ms = clock_monotonic_ms();
    login_attempts_add(worker->attempts, user_key(user, &key), now_ms);
    login_attempts_add(worker->attempts, source_key(source), now_ms);
    buffer_free(&key);
}

struct slice credentials_read(struct worker *worker, struct slice user, struct buffer *hash,
                              uint64_t *version)
{
    struct user_document document;
    struct slice found = {0};
    if (user_get(worker, COLLECTION_CREDENTIALS, user, &document) == ERROR_NONE) {
        struct buffer scratch = {0};
        buffer_append_slice(hash, json_string(json_member(document.root, SLICE("hash")), &scratch));
        buffer_free(&scratch);
        found = buffer_slice(hash);
    }
    *version = document.version;
    user_free(&document);
    return found;
}

void credentials_append(struct buffer *body, struct slice hash)
{
    buffer_append_slice(body, SLICE("{\"hash\":"));
    json_append_string(body, hash);
    buffer_append_byte(body, '}');
}
