#ifndef SHARED_BASE_RANDOM_H
#define SHARED_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

enum { RANDOM_ID_LENGTH = 12 };

/** An id of RANDOM_ID_LENGTH characters of a-z0-9, evenly distributed, with a NUL after it. Cryptographic
 * source. */
void random_id(char out[RANDOM_ID_LENGTH + 1]);

void random_bytes(void *out, size_t length);

uint64_t random_number(void);

/** 1 to 2^53 - 1: what JavaScript can count. */
uint64_t random_epoch(void);

#endif
