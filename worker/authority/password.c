#include "worker/authority/password.h"

#include <errno.h>
#include <sodium.h>

#include "shared/base/memory.h"
#include "worker/base/thread_pool.h"

/* What is checked when there is no such user: a hash of random bytes, made with the same parameters. */
static const char nobody[] = "$argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
                             "y6qV1c1n4b0mJ3mXv2Yj2m0nq0o0o4wq0b9fQ0Z5X1k";

struct check {
    char *password;
    size_t length;
    char hash[crypto_pwhash_STRBYTES];
    bool possible; /* there was a hash to check against */
    enum password_result result;
    password_checked *done;
    void *argument;
};

static void check_work(void *argument)
{
    struct check *check = argument;
    errno = 0;
    int differs = crypto_pwhash_str_verify(check->hash, check->password, check->length);
    if (differs && errno == ENOMEM)
        return;
    check->result = check->possible && differs == 0 ? PASSWORD_RIGHT : PASSWORD_WRONG;
}

static void check_done(void *argument)
{
    struct check *check = argument;
    memory_release(check->password, check->length);
    check->done(check->argument, check->result);
    memory_release(check, sizeof *check);
}

bool password_check(struct worker *worker, struct slice password, struct slice hash, password_checked *done,
                    void *argument)
{
    struct check *check = memory_zeroed(1, sizeof *check);
    check->password = memory_copy(password.data, password.length);
    check->length = password.length;
    check->possible = hash.length > 0 && hash.length < sizeof check->hash;
    struct slice against = check->possible ? hash : slice_text(nobody);
    memcpy(check->hash, against.data, against.length);
    check->result = PASSWORD_UNCHECKED;
    check->done = done;
    check->argument = argument;
    if (thread_pool_add(worker->threads, (struct thread_task){check_work, check_done, check}))
        return true;
    memory_release(check->password, check->length);
    memory_release(check, sizeof *check);
    return false;
}

struct hashing {
    char *password;
    size_t length;
    char hash[crypto_pwhash_STRBYTES];
    bool made;
    password_hashed *done;
    void *argument;
};

static void hash_work(void *argument)
{
    struct hashing *hashing = argument;
    hashing->made = crypto_pwhash_str_alg(
                        hashing->hash, hashing->password, hashing->length, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                        crypto_pwhash_MEMLIMIT_INTERACTIVE, crypto_pwhash_ALG_ARGON2ID13) == 0;
}

static void hash_done(void *argument)
{
    struct hashing *hashing = argument;
    memory_release(hashing->password, hashing->length);
    hashing->done(hashing->argument, hashing->made ? hashing->hash : NULL);
    memory_release(hashing, sizeof *hashing);
}

bool password_hash(struct worker *worker, struct slice password, password_hashed *done, void *argument)
{
    struct hashing *hashing = memory_zeroed(1, sizeof *hashing);
    hashing->password = memory_copy(password.data, password.length);
    hashing->length = password.length;
    hashing->done = done;
    hashing->argument = argument;
    if (thread_pool_add(worker->threads, (struct thread_task){hash_work, hash_done, hashing}))
        return true;
    memory_release(hashing->password, hashing->length);
    memory_release(hashing, sizeof *hashing);
    return false;
}
