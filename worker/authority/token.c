#include "worker/authority/token.h"

#include <sodium.h>

#include "shared/base/random.h"

void token_make(char text[TOKEN_TEXT + 1])
{
    uint8_t bits[32];
    random_bytes(bits, sizeof bits);
    sodium_bin2base64(text, TOKEN_TEXT + 1, bits, sizeof bits, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(bits, sizeof bits);
}

void token_hash(struct slice token, uint8_t hash[TOKEN_HASH_BYTES])
{
    crypto_generichash(hash, TOKEN_HASH_BYTES, (const unsigned char *)token.data, token.length, NULL, 0);
}

void token_id(const uint8_t hash[TOKEN_HASH_BYTES], char id[TOKEN_ID + 1])
{
    sodium_bin2hex(id, TOKEN_ID + 1, hash, TOKEN_HASH_BYTES);
}

bool token_hash_of_id(struct slice id, uint8_t hash[TOKEN_HASH_BYTES])
{
    size_t length;
    return id.length == TOKEN_ID &&
           sodium_hex2bin(hash, TOKEN_HASH_BYTES, id.data, id.length, NULL, &length, NULL) == 0 &&
           length == TOKEN_HASH_BYTES;
}
