#ifndef WORKER_AUTHORITY_TOKEN_H
#define WORKER_AUTHORITY_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/slice.h"
#include "worker/authority/authority.h"

/* Session tokens: 256 random bits as text; only their hash is stored. */

enum { TOKEN_TEXT = 43, TOKEN_ID = 2 * TOKEN_HASH_BYTES };

/** A new token as URL-safe base64 without padding, with a NUL after it. */
void token_make(char text[TOKEN_TEXT + 1]);

/** The hash under which it is stored (BLAKE2b). The token is 256 random bits, so the hash needs no salt. */
void token_hash(struct slice token, uint8_t hash[TOKEN_HASH_BYTES]);

/** The hash as the _id of the session's document: lower-case hex, with a NUL after it. */
void token_id(const uint8_t hash[TOKEN_HASH_BYTES], char id[TOKEN_ID + 1]);

/** The hash from such an _id. False: it is malformed. */
[[gnu::warn_unused_result]] bool token_hash_of_id(struct slice id, uint8_t hash[TOKEN_HASH_BYTES]);

#endif
