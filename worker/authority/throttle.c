#include "worker/authority/throttle.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "shared/random.h"

enum { SETS = 1024, WAYS = 4, WINDOW_MS = 60000 };

struct count {
    uint64_t key; /* hash; 0: free */
    uint64_t since_ms;
    uint64_t failures;
};

struct throttle {
    uint64_t failures_most;
    unsigned char secret[crypto_shorthash_KEYBYTES]; /* so that nobody can choose keys that collide */
    struct count counts[SETS][WAYS];
};

static uint64_t hash(const struct throttle *throttle, struct slice key)
{
    unsigned char out[crypto_shorthash_BYTES];
    crypto_shorthash(out, (const unsigned char *)key.data, key.length, throttle->secret);
    uint64_t number;
    memcpy(&number, out, sizeof number);
    return number ? number : 1;
}

bool throttle_closed(const struct throttle *throttle, struct slice key, uint64_t now_ms)
{
    uint64_t number = hash(throttle, key);
    const struct count *set = throttle->counts[number % SETS];
    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].key == number && now_ms - set[i].since_ms < WINDOW_MS)
            return set[i].failures >= throttle->failures_most;
    return false;
}

void throttle_failed(struct throttle *throttle, struct slice key, uint64_t now_ms)
{
    uint64_t number = hash(throttle, key);
    struct count *set = throttle->counts[number % SETS];
    struct count *oldest = &set[0];
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].key == number && now_ms - set[i].since_ms < WINDOW_MS) {
            set[i].failures++;
            return;
        }
        if (set[i].since_ms < oldest->since_ms)
            oldest = &set[i];
    }
    *oldest = (struct count){.key = number, .since_ms = now_ms, .failures = 1};
}

struct throttle *throttle_create(uint64_t failures_most)
{
    struct throttle *throttle = memory_zeroed(1, sizeof *throttle);
    throttle->failures_most = failures_most;
    random_bytes(throttle->secret, sizeof throttle->secret);
    return throttle;
}

void throttle_free(struct throttle **throttle)
{
    free(*throttle);
    *throttle = NULL;
}
