#include "client/bench/outcomes.h"
#include "tests/unit/quoted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define REPLY                                                                                                \
    "{\"operation\":\"fulfill\",\"collectionName\":\"transaction\",\"data\":{\"tid\":18446744073709551615,"

static bool refuse(struct outcomes *outcomes, const char *code)
{
    char text[400];
    snprintf(text, sizeof text,
             REPLY "\"success\":false,\"data\":{\"warning\":true,\"code\":\"%s\",\"message\":\"\"}}}", code);
    return outcomes_take(outcomes, slice_text(text));
}

static void answers_are_counted_and_others_are_not(void **state)
{
    (void)state;
    struct outcomes outcomes = {0};
    assert_true(outcomes_take(&outcomes, SLICE(REPLY "\"success\":true,\"data\":0}}")));
    assert_false(
        outcomes_take(&outcomes, slice_text(Q("{'operation':'update','collectionName':'a','data':[]}"))));
    assert_false(outcomes_take(&outcomes, SLICE("")));
    assert_int_equal(outcomes.succeeded, 1);
    assert_int_equal(outcomes_refused(&outcomes), 0);
}

static void refusals_are_counted_by_their_code(void **state)
{
    (void)state;
    struct outcomes outcomes = {0};
    assert_true(refuse(&outcomes, "busy"));
    assert_true(refuse(&outcomes, "too_large"));
    assert_true(refuse(&outcomes, "busy"));
    assert_int_equal(outcomes_refused(&outcomes), 3);
    assert_int_equal(outcomes.code_count, 2);
    assert_string_equal(outcomes.codes[0].name, "busy");
    assert_int_equal(outcomes.codes[0].count, 2);
    assert_string_equal(outcomes.codes[1].name, "too_large");
    assert_string_equal(outcomes.wrong, "");
}

static void a_call_that_was_wrong_is_noted(void **state)
{
    (void)state;
    struct outcomes outcomes = {0};
    assert_true(refuse(&outcomes, "invalid"));
    assert_true(refuse(&outcomes, "forbidden"));
    assert_non_null(strstr(outcomes.wrong, "invalid"));
}

static void there_is_room_for_any_codes(void **state)
{
    (void)state;
    struct outcomes outcomes = {0};
    char code[2 * OUTCOME_CODE_BYTES];
    memset(code, 'x', sizeof code);
    code[sizeof code - 1] = 0;
    assert_true(refuse(&outcomes, code));
    for (unsigned i = 0; i < 2 * OUTCOME_CODES; i++) {
        snprintf(code, sizeof code, "code%u", i);
        assert_true(refuse(&outcomes, code));
    }
    assert_int_equal(strlen(outcomes.codes[0].name), OUTCOME_CODE_BYTES - 1);
    assert_int_equal(outcomes.code_count, OUTCOME_CODES);
    assert_int_equal(outcomes_refused(&outcomes), 1 + 2 * OUTCOME_CODES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_counted_and_others_are_not),
        cmocka_unit_test(refusals_are_counted_by_their_code),
        cmocka_unit_test(a_call_that_was_wrong_is_noted),
        cmocka_unit_test(there_is_room_for_any_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
