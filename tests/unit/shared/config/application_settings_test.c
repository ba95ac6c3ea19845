/* Settings as they were declared: what fits, in which form it is kept, and what is said of what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/config/config.h"
#include "tests/unit/quoted.h"

#define DEFAULTS                                                                                             \
    Q("{'limit':4,'wide':-9223372036854775808,'share':0.50,'free':1e400,"                                    \
      "'title':'\xc3\xa9\\'','channel':'b','step':10,'closed':true}")

static struct config *config;

static int set_up(void **state)
{
    (void)state;
    char message[CONFIG_MESSAGE] = "";
    const char *const text = Q("{'settings':{"
                               "'limit':{'min':-5,'default':4.0,'type':'integer'},"
                               "'wide':{'type':'integer','default':-9223372036854775808},"
                               "'share':{'type':'number','default':0.50,'min':0,'max':1e0},"
                               "'free':{'type':'number','default':1e400},"
                               "'title':{'type':'string','default':'\\u00e9\\'','max_length':4},"
                               "'channel':{'type':'string','default':'b','values':['a','\\u0062']},"
                               "'step':{'type':'integer','default':10,'max':30,'values':[10,20.0]},"
                               "'closed':{'type':'boolean','default':true}},"
                               "'user_settings':{'theme':{'type':'string','default':'light'}}}");
    config = config_defaults();
    if (!config_read_text(config, "f", text, strlen(text), message))
        fail_msg("%s", message);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    config_free(config);
    return 0;
}

static void assert_settings(const char *stored, const char *expected)
{
    struct buffer out = {0};
    config_settings_append_stored(&out, &config->settings, slice_text(stored));
    buffer_append_byte(&out, 0);
    assert_string_equal(out.data, expected);
    buffer_free(&out);
}

static void declarations_are_read(void **state)
{
    (void)state;
    assert_int_equal(config->settings.count, 8);
    assert_int_equal(config->user_settings.count, 1);
    assert_null(config_settings_find(&config->settings, SLICE("theme")));
    const struct config_setting *theme = config_settings_find(&config->user_settings, SLICE("theme"));
    assert_non_null(theme);
    assert_int_equal(theme->type, SETTING_STRING);
    assert_int_equal(theme->length_most, SETTING_STRING_BYTES);
    assert_string_equal(theme->fallback, Q("'light'"));
    assert_null(theme->least);
    const struct config_setting *limit = config_settings_find(&config->settings, SLICE("limit"));
    assert_string_equal(limit->least, "-5");
    assert_null(limit->most);
    const struct config_setting *step = config_settings_find(&config->settings, SLICE("step"));
    assert_int_equal(step->value_count, 2);
    assert_string_equal(step->values[1], "20");
}

static void what_is_stored_and_fits_counts(void **state)
{
    (void)state;
    assert_settings(NULL, DEFAULTS);
    assert_settings(Q("{'_id':'settings','_version':3}"), DEFAULTS);
    assert_settings("[]", DEFAULTS);
    assert_settings(Q("{'limit':-6,'wide':1.5,'share':1.01,'free':'1','title':'abcde','channel':'c',"
                      "'step':15,'closed':null,'more':1}"),
                    DEFAULTS);
    assert_settings(Q("{'closed':false,'step':2e1,'channel':'\\u0061','title':'ab\\/','free':1.10,"
                      "'share':1,'wide':9223372036854775807,'limit':-5.0}"),
                    Q("{'limit':-5,'wide':9223372036854775807,'share':1,'free':1.10,'title':'ab/',"
                      "'channel':'a','step':20,'closed':false}"));
}

static void assert_said(const char *name, const char *value, const char *expected)
{
    struct json json = {0};
    char message[SETTING_MESSAGE] = "";
    assert_true(json_parse(&json, value, strlen(value)));
    const struct config_setting *setting = config_settings_find(&config->settings, slice_text(name));
    assert_false(config_setting_check(setting, json_root(&json), message));
    assert_string_equal(message, expected);
    json_free(&json);
}

static void what_does_not_fit_is_said(void **state)
{
    (void)state;
    assert_said("limit", "-6", "limit: expected an integer of at least -5, found -6");
    assert_said("limit", Q("'1'"), "limit: expected an integer of at least -5, found a string");
    assert_said("wide", "9223372036854775808",
                "wide: expected an integer of 64 bits, found 9223372036854775808");
    assert_said("share", "1.00001", "share: expected a number from 0 to 1e0, found 1.00001");
    assert_said("free", "[]", "free: expected a number of at most 64 characters, found an array");
    assert_said("free", "1.0000000000000000000000000000000000000000000000000000000000000000",
                "free: expected a number of at most 64 characters, found a number");
    assert_said("title", Q("'\\u00e9\\u00e9x'"),
                "title: expected a string of at most 4 bytes, found another value");
    assert_said("channel", Q("'secret'"), Q("channel: expected one of 'a', 'b', found another value"));
    assert_said("step", "30", "step: expected one of 10, 20, found 30");
    assert_said("closed", "{}", "closed: expected true or false, found an object");
}

static void a_long_list_of_values_is_not_repeated(void **state)
{
    (void)state;
    struct buffer many = {0};
    buffer_append_text(&many, Q("{'settings':{'s':{'type':'integer','default':100,'values':[100"));
    for (unsigned i = 101; i < 200; i++)
        buffer_append_format(&many, ",%u", i);
    buffer_append_text(&many, "]}}}");
    char message[CONFIG_MESSAGE];
    struct config *other = config_defaults();
    assert_true(config_read_text(other, "f", many.data, many.length, message));
    char expected[SETTING_TEXT];
    config_setting_expected(&other->settings.list[0], expected);
    assert_string_equal(expected, "one of the 100 values that are declared");
    config_free(other);
    buffer_free(&many);
}

int main(void)
{
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(declarations_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_stored_and_fits_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_list_of_values_is_not_repeated, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
