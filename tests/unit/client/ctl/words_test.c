#include "client/ctl/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/buffer.h"

enum { MOST = 16 };

/* Reads words with spaces between; @memory keeps them. */
static void read_line(struct words *words, char memory[200], const char *line)
{
    char *argv[MOST] = {"dispatchctl"};
    int argc = 1;
    char *rest = NULL;
    assert_in_range(snprintf(memory, 200, "%s", line), 0, 199);
    for (char *word = strtok_r(memory, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        assert_in_range(argc, 1, MOST - 2);
        argv[argc++] = word;
    }
    words_read(words, argc, argv);
}

static void assert_operands(const struct words *words, const char *expected)
{
    struct buffer joined = {0};
    for (size_t i = 0; i < words->operand_count; i++)
        buffer_append_format(&joined, "%s%s", i ? " " : "", words->operands[i]);
    buffer_append_byte(&joined, 0);
    assert_string_equal(joined.data, expected);
    buffer_free(&joined);
}

static void takes_options_from_everywhere(void **state)
{
    (void)state;
    struct words words;
    char memory[200];
    read_line(&words, memory, "--group a user --json add -h name --group=b --no-g c - -- --yes");
    assert_string_equal(words.wrong, "");
    assert_operands(&words, "user add name - --yes");
    assert_int_equal(words.doubtful, 4);
    assert_int_equal(words.given_count, 5);
    assert_string_equal(words.given[0].value, "a");
    assert_string_equal(words_value(&words, WORDS_GROUP), "b");
    assert_string_equal(words_value(&words, WORDS_NO_GROUP), "c");
    assert_true(words_has(&words, WORDS_JSON) && words_has(&words, WORDS_HELP));
    assert_false(words_has(&words, WORDS_YES));
    assert_null(words_value(&words, WORDS_CONTROL));
    words_skip(&words, 2);
    assert_operands(&words, "name - --yes");
    assert_int_equal(words.doubtful, 2);
    words_free(&words);
}

static void one_dash_is_an_operand_for_now(void **state)
{
    (void)state;
    struct words words;
    char memory[200];
    read_line(&words, memory, "-5 settings -x set --timeout -7 -hx");
    assert_string_equal(words.wrong, "");
    assert_operands(&words, "-5 settings -x set -hx");
    assert_string_equal(words_value(&words, WORDS_TIMEOUT), "-7");
    words_free(&words);
    read_line(&words, memory, "");
    assert_int_equal(words.operand_count + words.given_count, 0);
    words_free(&words);
}

static void says_the_first_thing_that_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *line, *wrong;
    } cases[] = {
        {"status --jsn --bogus", "--jsn: no such option; did you mean --json?"},
        {"status --completely-else", "--completely-else: no such option"},
        {"status --json=1", "--json takes no value"},
        {"user add x --group", "--group: its value (GROUP) is missing"},
        {"user --p x", "--p: no such option"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct words words;
        char memory[200];
        read_line(&words, memory, cases[i].line);
        assert_string_equal(words.wrong, cases[i].wrong);
        words_free(&words);
    }
}

static void shows_the_options_of_a_set(void **state)
{
    (void)state;
    struct buffer out = {0};
    words_append_usage(&out, WORDS_BIT(WORDS_JSON) | WORDS_BIT(WORDS_GROUP) | WORDS_BIT(WORDS_END));
    buffer_append_byte(&out, '\0');
    assert_string_equal(out.data, " [--json] [--group GROUP]... [--end ID]");
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_options_from_everywhere),
        cmocka_unit_test(one_dash_is_an_operand_for_now),
        cmocka_unit_test(says_the_first_thing_that_is_wrong),
        cmocka_unit_test(shows_the_options_of_a_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
