#ifndef WORKER_AUTHORITY_PASSWORD_H
#define WORKER_AUTHORITY_PASSWORD_H

#include <stdbool.h>

#include "shared/base/slice.h"
#include "worker/base/worker.h"

/* Argon2id (RFC 9106) in the thread pool: a check costs about 100 ms and 64 MiB wherever it happens. */

enum { PASSWORD_LEAST = 1, PASSWORD_MOST = 1024, PASSWORD_HASH = 128 };

/** Unchecked: there was no memory for it, or the threads end; it says nothing about the password. */
enum password_result { PASSWORD_RIGHT, PASSWORD_WRONG, PASSWORD_UNCHECKED };

typedef void password_checked(void *argument, enum password_result result);

/** Checks @password against @hash (a string as password_hash() made it). With an absent hash a made-up one is
 * checked, which takes as long and is never right. False: too many wait (`busy`); @done is then not
 * called. */
[[gnu::warn_unused_result]] bool password_check(struct worker *worker, struct slice password,
                                                struct slice hash, password_checked *done, void *argument);

/** @hash: NUL-terminated, valid during the call; NULL: it failed (no memory). */
typedef void password_hashed(void *argument, const char *hash);

[[gnu::warn_unused_result]] bool password_hash(struct worker *worker, struct slice password,
                                               password_hashed *done, void *argument);

#endif
