#include "worker/authority/throttle.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum { WINDOW_MS = 60000, FAILURE_BITS = 20 };

static_assert(LOGIN_SECRET_BYTES == crypto_shorthash_KEYBYTES, "the secret is the hash's key");

/* Since when is in the high bits, how many failures in the low ones: one word changes at once. */
static uint64_t throttle_pack(uint64_t since_ms, uint64_t failures)
{
    return since_ms << FAILURE_BITS | failures;
}

static uint64_t since_of(uint64_t count)
{
    return count >> FAILURE_BITS;
}

static uint64_t failures_of(uint64_t count)
{
    return count & ((UINT64_C(1) << FAILURE_BITS) - 1);
}

static uint64_t throttle_hash(const struct login_attempts *attempts, struct slice key)
{
    unsigned char out[crypto_shorthash_BYTES];
    crypto_shorthash(out, (const unsigned char *)key.data, key.length, attempts->secret);
    uint64_t number;
    memcpy(&number, out, sizeof number);
    return number ? number : 1;
}

bool throttle_closed(const struct login_attempts *attempts, uint64_t most, struct slice key, uint64_t now_ms)
{
    uint64_t number = throttle_hash(attempts, key);
    for (unsigned i = 0; i < LOGIN_WAYS; i++) {
        uint64_t count = atomic_load(&attempts->counts[number % LOGIN_SETS][i].count);
        if (atomic_load(&attempts->counts[number % LOGIN_SETS][i].key) == number &&
            now_ms - since_of(count) < WINDOW_MS)
            return failures_of(count) >= most;
    }
    return false;
}

void throttle_failed(struct login_attempts *attempts, struct slice key, uint64_t now_ms)
{
    uint64_t number = throttle_hash(attempts, key);
    unsigned oldest = 0;
    uint64_t oldest_ms = UINT64_MAX;
    for (unsigned i = 0; i < LOGIN_WAYS; i++) {
        _Atomic uint64_t *place = &attempts->counts[number % LOGIN_SETS][i].count;
        uint64_t count = atomic_load(place);
        if (since_of(count) < oldest_ms) {
            oldest = i;
            oldest_ms = since_of(count);
        }
        if (atomic_load(&attempts->counts[number % LOGIN_SETS][i].key) != number ||
            now_ms - since_of(count) >= WINDOW_MS)
            continue;
        while (failures_of(count) + 1 < UINT64_C(1) << FAILURE_BITS &&
               !atomic_compare_exchange_weak(place, &count, count + 1))
            continue;
        return;
    }
    atomic_store(&attempts->counts[number % LOGIN_SETS][oldest].count, throttle_pack(now_ms, 1));
    atomic_store(&attempts->counts[number % LOGIN_SETS][oldest].key, number);
}
