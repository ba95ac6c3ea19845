/* The tokens of sessions, and what is kept of them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "worker/authority/token.h"

static void tokens_differ_and_hash_the_same(void **state)
{
    (void)state;
    char a[TOKEN_TEXT + 1], b[TOKEN_TEXT + 1], id[TOKEN_ID + 1], again[TOKEN_ID + 1];
    uint8_t hash[TOKEN_HASH_BYTES];
    token_make(a);
    token_make(b);
    assert_int_equal(strlen(a), TOKEN_TEXT);
    assert_string_not_equal(a, b);
    token_hash(slice_text(a), hash);
    token_id(hash, id);
    token_hash(slice_text(a), hash);
    token_id(hash, again);
    assert_string_equal(id, again);
    assert_int_equal(strlen(id), TOKEN_ID);
    assert_null(strstr(id, a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_differ_and_hash_the_same),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
