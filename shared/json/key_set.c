#include "shared/json/key_set.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/base/random.h"
#include "shared/json/characters.h"

struct hash_state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate_left(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static void hash_round(struct hash_state *state)
{
    state->v0 += state->v1;
    state->v1 = rotate_left(state->v1, 13) ^ state->v0;
    state->v0 = rotate_left(state->v0, 32);
    state->v2 += state->v3;
    state->v3 = rotate_left(state->v3, 16) ^ state->v2;
    state->v0 += state->v3;
    state->v3 = rotate_left(state->v3, 21) ^ state->v0;
    state->v2 += state->v1;
    state->v1 = rotate_left(state->v1, 17) ^ state->v2;
    state->v2 = rotate_left(state->v2, 32);
}

static void hash_word(struct hash_state *state, uint64_t word)
{
    state->v3 ^= word;
    hash_round(state);
    state->v0 ^= word;
}

/* One secret for each thread, chosen at its first use: no lock, and nothing to set up. */
static const uint64_t *hash_secret(void)
{
    static _Thread_local uint64_t secret[2];
    static _Thread_local bool chosen;
    if (!chosen) {
        random_bytes(secret, sizeof(secret));
        chosen = true;
    }
    return secret;
}

static struct hash_state hash_begin(void)
{
    const uint64_t *secret = hash_secret();
    return (struct hash_state){secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du,
                               secret[0] ^ 0x6c7967656e657261u, secret[1] ^ 0x7465646279746573u};
}

static uint32_t hash_end(struct hash_state *state, uint64_t last)
{
    hash_word(state, last);
    state->v2 ^= 0xff;
    hash_round(state);
    hash_round(state);
    hash_round(state);
    uint64_t hash = state->v0 ^ state->v1 ^ state->v2 ^ state->v3;
    return (uint32_t)(hash ^ hash >> 32);
}

/* The last word carries the length, so that words filled up with zeros differ. */
static uint32_t hash_plain(struct slice text)
{
    struct hash_state state = hash_begin();
    uint64_t word;
    size_t at = 0;
    for (; at + sizeof(word) <= text.length; at += sizeof(word)) {
        memcpy(&word, text.data + at, sizeof(word));
        hash_word(&state, word);
    }
    word = 0;
    memcpy(&word, text.data + at, text.length - at);
    hash_word(&state, word);
    return hash_end(&state, text.length);
}

/* The same hash of a key with escapes, from its unescaped characters. */
static uint32_t hash_escaped(struct json_value key)
{
    struct hash_state state = hash_begin();
    struct json_characters characters = json_characters_of(key);
    unsigned char bytes[8] = {0};
    uint64_t word;
    uint64_t length = 0;
    for (int byte; (byte = json_characters_next(&characters)) >= 0; length++) {
        bytes[length % 8] = (unsigned char)byte;
        if (length % 8 == 7) {
            memcpy(&word, bytes, sizeof(word));
            hash_word(&state, word);
            memset(bytes, 0, sizeof(bytes));
        }
    }
    memcpy(&word, bytes, sizeof(word));
    hash_word(&state, word);
    return hash_end(&state, length);
}

static uint32_t hash_key(struct json_value key)
{
    return json_escaped(key) ? hash_escaped(key) : hash_plain(json_string_raw(key));
}

/* The slot that holds an equal key, or the free one where it belongs. There always is a free one. */
static struct json_key_slot *find_slot(const struct json_key_set *set, struct json_value key, uint32_t hash)
{
    for (uint32_t at = hash & set->mask;; at = (at + 1) & set->mask) {
        struct json_key_slot *slot = &set->slots[at];
        if (!slot->key)
            return slot;
        if (slot->hash == hash && json_same_string((struct json_value){set->json, slot->key - 1}, key))
            return slot;
    }
}

void json_key_set_init(struct json_key_set *set, const struct json *json, uint32_t count)
{
    uint32_t slots = 32;
    while (slots / 2 < count)
        slots *= 2;
    *set = (struct json_key_set){json, memory_zeroed(slots, sizeof(*set->slots)), slots - 1};
}

void json_key_set_of(struct json_key_set *set, struct json_value object)
{
    json_key_set_init(set, object.json, json_count(object));
    for (struct json_iterator i = json_begin(object); json_step(&i);)
        (void)json_key_set_add(set, i.key.index);
}

bool json_key_set_add(struct json_key_set *set, uint32_t key)
{
    struct json_value value = {set->json, key};
    uint32_t hash = hash_key(value);
    struct json_key_slot *slot = find_slot(set, value, hash);
    if (slot->key)
        return false;
    *slot = (struct json_key_slot){hash, key + 1};
    return true;
}

struct json_value json_key_set_find(const struct json_key_set *set, struct json_value key)
{
    const struct json_key_slot *slot = find_slot(set, key, hash_key(key));
    return slot->key ? (struct json_value){set->json, slot->key} : (struct json_value){NULL, 0};
}

void json_key_set_free(struct json_key_set *set)
{
    free(set->slots);
    *set = (struct json_key_set){0};
}
