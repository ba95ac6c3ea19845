/* Passwords: what is computed, and what a check that was not made says. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "worker/authority/password.h"
#include "worker/base/thread_pool.h"

/*
 * A log-in of a user that does not exist must take as long. What libsodium is given is looked at rather than
 * the time: it says EINVAL for a hash that it has computed and that differs, and nothing of the kind for one
 * that it cannot read, and the parameters say how much there was to compute.
 */
static unsigned verified, computed;
static bool no_memory;

int __real_crypto_pwhash_str_verify(const char *hash, const char *password, unsigned long long length);
int __wrap_crypto_pwhash_str_verify(const char *hash, const char *password, unsigned long long length);

int __wrap_crypto_pwhash_str_verify(const char *hash, const char *password, unsigned long long length)
{
    verified++;
    if (no_memory) {
        errno = ENOMEM;
        return -1;
    }
    errno = 0;
    int differs = __real_crypto_pwhash_str_verify(hash, password, length);
    bool costly = crypto_pwhash_str_needs_rehash(hash, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                                 crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0;
    computed += costly && (differs == 0 || errno == EINVAL);
    return differs;
}

static void password_was_checked(void *argument, enum password_result result)
{
    *(int *)argument = (int)result;
}

static enum password_result check_password(struct worker *worker, const char *password, struct slice hash)
{
    int result = -1;
    assert_true(password_check(worker, slice_text(password), hash, password_was_checked, &result));
    while (result < 0)
        event_base_loop(worker->base, EVLOOP_ONCE);
    return (enum password_result)result;
}

static void passwords_of_nobody_are_computed_too(void **state)
{
    (void)state;
    struct worker worker = {.base = event_base_new()};
    worker.threads = thread_pool_create(worker.base, 1, 4);
    char hash[crypto_pwhash_STRBYTES], longer[crypto_pwhash_STRBYTES + 1];
    assert_int_equal(crypto_pwhash_str(hash, "correct horse", 13, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                       crypto_pwhash_MEMLIMIT_INTERACTIVE),
                     0);
    memset(longer, 'x', sizeof longer);
    verified = computed = 0;
    assert_int_equal(check_password(&worker, "correct horse", slice_text(hash)), PASSWORD_RIGHT);
    assert_int_equal(check_password(&worker, "wrong", slice_text(hash)), PASSWORD_WRONG);
    assert_int_equal(computed, 2);
    assert_int_equal(check_password(&worker, "correct horse", (struct slice){0}), PASSWORD_WRONG);
    assert_int_equal(check_password(&worker, "", (struct slice){0}), PASSWORD_WRONG);
    /* What cannot be a hash is none. */
    assert_int_equal(check_password(&worker, "x", slice_of(longer, sizeof longer)), PASSWORD_WRONG);
    assert_int_equal(check_password(&worker, "x", slice_of(longer, 0)), PASSWORD_WRONG);
    assert_int_equal(verified, 6);
    assert_int_equal(computed, 6);
    thread_pool_free(&worker.threads);
    event_base_free(worker.base);
}

/* Longer than it takes to end the pool. */
static void slow_work(void *argument)
{
    (void)argument;
    static const struct timespec while_ending = {.tv_nsec = 200000000};
    nanosleep(&while_ending, NULL);
}

static void ignore_end(void *argument)
{
    (void)argument;
}

/* That there was no memory, or no time, says nothing about the password: it is no failed log-in. */
static void passwords_that_were_not_checked_are_not_wrong(void **state)
{
    (void)state;
    struct worker worker = {.base = event_base_new()};
    worker.threads = thread_pool_create(worker.base, 1, 4);
    int results[4] = {-1, -1, -1, -1};
    no_memory = true;
    assert_int_equal(check_password(&worker, "x", (struct slice){0}), PASSWORD_UNCHECKED);
    no_memory = false;
    assert_true(thread_pool_add(worker.threads, (struct thread_task){slow_work, ignore_end, NULL}));
    for (int i = 0; i < 3; i++)
        assert_true(
            password_check(&worker, SLICE("x"), (struct slice){0}, password_was_checked, &results[i]));
    thread_pool_free(&worker.threads);
    assert_int_equal(results[2], PASSWORD_UNCHECKED);
    event_base_free(worker.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords_of_nobody_are_computed_too),
        cmocka_unit_test(passwords_that_were_not_checked_are_not_wrong),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
