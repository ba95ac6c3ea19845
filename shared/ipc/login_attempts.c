#include "shared/ipc/login_attempts.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "shared/base/random.h"

enum { WINDOW_MS = 60000, FAILURE_BITS = 20, SETS = 1024, WAYS = 4 };

struct login_attempts {
    /* Of the keys' hash, so that nobody can choose keys that collide. */
    unsigned char secret[crypto_shorthash_KEYBYTES];
    struct {
        _Atomic uint64_t key;   /* hash; 0: free */
        _Atomic uint64_t count; /* since when, in ms, and how many failures */
    } counts[SETS][WAYS];
};

struct login_attempts *login_attempts_create(void)
{
    struct login_attempts *attempts =
        mmap(NULL, sizeof *attempts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (attempts == MAP_FAILED)
        return NULL;
    random_bytes(attempts->secret, sizeof attempts->secret);
    return attempts;
}

/* Since when is in the high bits, how many failures in the low ones: one word changes at once. */
static uint64_t pack_count(uint64_t since_ms, uint64_t failures)
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

static uint64_t hash_key(const struct login_attempts *attempts, struct slice key)
{
    unsigned char out[crypto_shorthash_BYTES];
    crypto_shorthash(out, (const unsigned char *)key.data, key.length, attempts->secret);
    uint64_t number;
    memcpy(&number, out, sizeof number);
    return number ? number : 1;
}

bool login_attempts_reach(const struct login_attempts *attempts, uint64_t most, struct slice key,
                          uint64_t now_ms)
{
    uint64_t number = hash_key(attempts, key);
    for (unsigned i = 0; i < WAYS; i++) {
        uint64_t count = atomic_load(&attempts->counts[number % SETS][i].count);
        if (atomic_load(&attempts->counts[number % SETS][i].key) == number &&
            now_ms - since_of(count) < WINDOW_MS)
            return failures_of(count) >= most;
    }
    return false;
}

void login_attempts_add(struct login_attempts *attempts, struct slice key, uint64_t now_ms)
{
    uint64_t number = hash_key(attempts, key);
    unsigned oldest = 0;
    uint64_t oldest_ms = UINT64_MAX;
    for (unsigned i = 0; i < WAYS; i++) {
        _Atomic uint64_t *place = &attempts->counts[number % SETS][i].count;
        uint64_t count = atomic_load(place);
        if (since_of(count) < oldest_ms) {
            oldest = i;
            oldest_ms = since_of(count);
        }
        if (atomic_load(&attempts->counts[number % SETS][i].key) != number ||
            now_ms - since_of(count) >= WINDOW_MS)
            continue;
        while (failures_of(count) + 1 < UINT64_C(1) << FAILURE_BITS &&
               !atomic_compare_exchange_weak(place, &count, count + 1))
            continue;
        return;
    }
    atomic_store(&attempts->counts[number % SETS][oldest].count, pack_count(now_ms, 1));
    atomic_store(&attempts->counts[number % SETS][oldest].key, number);
}
