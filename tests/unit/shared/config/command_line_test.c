/* The command line: every option, what wins over what, and every wrong thing with its line. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/master/command_line.h"
#include "shared/config/option_table.h"
#include "shared/config/option_value.h"
#include "tests/unit/quoted.h"

enum { ARGUMENTS = 16 };

static char file[] = "/tmp/command_line_test.XXXXXX";

struct result {
    bool read;
    struct config *config;
    enum command_line_action action;
    char message[CONFIG_MESSAGE];
};

/* Words with a space between each. */
static struct result run(const char *words)
{
    struct result result = {0};
    char *argv[ARGUMENTS] = {strdup("dispatchd")};
    int argc = 1;
    char *copy = strdup(words);
    for (char *rest = copy; rest && *rest && argc < ARGUMENTS - 1;)
        argv[argc++] = strdup(strsep(&rest, " "));
    free(copy);
    result.read = command_line_read(argc, argv, &result.config, &result.action, result.message);
    while (argc)
        free(argv[--argc]); /* nothing of argv is used later */
    return result;
}

static struct config *accept(const char *words)
{
    struct result result = run(words);
    if (!result.read)
        fail_msg("%s: %s", words, result.message);
    assert_non_null(result.config);
    return result.config;
}

static void write_file(const char *text)
{
    int fd = open(file, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void test_actions(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        enum command_line_action action;
    } cases[] = {
        {"", COMMAND_LINE_RUN},
        {"--check-config --workers 2", COMMAND_LINE_CHECK},
        {"--help", COMMAND_LINE_HELP},
        {"--workers 1 --check-config --help", COMMAND_LINE_HELP},
        {"--help=table", COMMAND_LINE_HELP_TABLE},
        {"--version", COMMAND_LINE_VERSION},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct result result = run(cases[i].words);
        assert_true(result.read);
        assert_int_equal(result.action, cases[i].action);
        bool runs = cases[i].action == COMMAND_LINE_RUN || cases[i].action == COMMAND_LINE_CHECK;
        assert_int_equal(result.config != NULL, runs);
        config_free(result.config);
    }
}

static void test_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        const char *message;
    } cases[] = {
        {"start", "expected an option such as --config, found \"start\""},
        {"-h", "expected an option such as --config, found \"-h\""},
        {"--", "expected an option such as --config, found \"--\""},
        {"--wrokers 2", "unknown option --wrokers; did you mean --workers?"},
        {"--pidfile x", "unknown option --pidfile; did you mean --pid-file?"},
        {"--check_confg", "unknown option --check_confg; did you mean --check-config?"},
        {"--elephant", "unknown option --elephant"},
        {"--limits.pongs 3", "unknown option --limits.pongs"},
        {"--workers", "--workers: expected a value (NUMBER), found nothing"},
        {"--config", "--config: expected a value (FILE), found nothing"},
        {"--config=", "--config: expected a path, found nothing"},
        {"--workers x", "--workers: expected a number from 0 to 256, found \"x\""},
        {"--workers=", "--workers: expected a number from 0 to 256, found \"\""},
        {"--foreground=yes", "--foreground: expected true or false, found \"yes\""},
        {"--help=x", "--help: expected no value"},
        {"--limits", "--limits: expected a value (NAME=VALUE), found nothing"},
        {"--limits pongs", "--limits: expected NAME=VALUE, found \"pongs\""},
        {"--limits pong=3", "--limits: unknown limit \"pong\"; did you mean pongs?"},
        {"--limits elephants=3", "--limits: unknown limit \"elephants\""},
        {"--limits pongs=0", "--limits.pongs: expected a number from 1 to 1024, found \"0\""},
        {"--limits message_bytes=1Q",
         "--limits.message_bytes: expected a number of bytes from 1K to 128M, found \"1Q\""},
        {"--ring-bytes 4M",
         "ring_bytes: expected at least 8 times limits.message_bytes (8388608), found 4194304"},
        {"--config /nowhere/at/all",
         "/nowhere/at/all: cannot open the configuration file: No such file or directory"},
        {"--config /nowhere/at/all --version --zap", "unknown option --zap"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct result result = run(cases[i].words);
        assert_string_equal(result.message, cases[i].message);
        assert_false(result.read);
        assert_null(result.config);
    }
}

static const char *sample(const struct option_row *row)
{
    static char number[32];
    switch (row->type) {
    case OPTION_TEXT:
        return "/else";
    case OPTION_TEXT_LIST:
        return strcmp(row->name, "listen") == 0 ? "*:1" : "http://a";
    case OPTION_FLAG:
        return "true";
    case OPTION_NUMBER:
        snprintf(number, sizeof number, "%ju", (uintmax_t)row->most);
        return number;
    case OPTION_BYTES: /* large enough beside the defaults, for all checks */
        return strcmp(row->name, "limits.message_bytes") == 0 ||
                       strcmp(row->name, "limits.document_bytes") == 0 ||
                       strcmp(row->name, "limits.result_bytes") == 0
                   ? "2M"
                   : "1G";
    case OPTION_MODE:
        return "0640";
    case OPTION_LOG_LEVEL:
        return "debug";
    case OPTION_DURABILITY:
        return "relaxed";
    }
    return "";
}

/* What the command line sets is what option_set() sets; whether that is right is the options' own test. */
static void expect_sample(const struct config *config, const struct option_row *row)
{
    struct config *set = config_defaults();
    char message[CONFIG_MESSAGE];
    assert_true(option_set(set, row, sample(row), true, message));
    const char *a = (const char *)config + row->offset;
    const char *b = (const char *)set + row->offset;
    if (row->type == OPTION_TEXT)
        assert_string_equal(*(char *const *)a, *(char *const *)b);
    else if (row->type == OPTION_TEXT_LIST)
        assert_string_equal(**(char **const *)a, **(char **const *)b);
    else if (row->type == OPTION_FLAG)
        assert_int_equal(*(const bool *)a, *(const bool *)b);
    else if (row->type == OPTION_LOG_LEVEL || row->type == OPTION_DURABILITY)
        assert_memory_equal(a, b, sizeof(int));
    else
        assert_int_equal(*(const uint64_t *)a, *(const uint64_t *)b);
    config_free(set);
}

static void test_every_option(void **state)
{
    (void)state;
    static const char *const shapes[] = {"--%s %s", "--%s=%s"};
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *row = &option_table[i];
        bool limit = strncmp(row->name, "limits.", 7) == 0;
        for (int shape = 0; shape < 4; shape++) {
            char name[64];
            char words[256];
            snprintf(name, sizeof name, "%s", row->name + (limit ? 7 : 0));
            for (char *at = name; shape < 2 && *at; at++) /* dashes and underscores are the same */
                if (*at == '_')
                    *at = '-';
            if (limit)
                snprintf(words, sizeof words, "--limits%c%s=%s", shape % 2 ? '=' : ' ', name, sample(row));
            else if (row->type == OPTION_FLAG)
                snprintf(words, sizeof words, shape % 2 ? "--%s=true" : "--%s", name);
            else
                snprintf(words, sizeof words, shape % 2 ? shapes[1] : shapes[0], name, sample(row));
            struct config *config = accept(words);
            expect_sample(config, row);
            config_free(config);
        }
    }
}

static void test_precedence(void **state)
{
    (void)state;
    char words[200];
    write_file(Q("{'workers': 3, 'threads': 5, 'listen': ['*:1', '*:2'], 'foreground': true,\n"
                 "'origins': ['http://a'], 'limits': {'pongs': 7, 'connections': 9}}"));

    snprintf(words, sizeof words, "--config %s", file);
    struct config *config = accept(words);
    assert_string_equal(config->file, file);
    assert_int_equal(config->workers, 3);
    assert_int_equal(config->listen_count, 2);
    assert_int_equal(config->limits.pongs, 7);
    config_free(config);

    /* The command line wins, also when it stands in front of --config, and the last of two wins. */
    snprintf(words, sizeof words,
             "--workers 4 --limits pongs=8 --listen *:3 --foreground=false --config %s --workers 6", file);
    config = accept(words);
    assert_int_equal(config->workers, 6);
    assert_int_equal(config->threads, 5);
    assert_int_equal(config->limits.pongs, 8);
    assert_int_equal(config->limits.connections, 9);
    assert_false(config->foreground);
    assert_int_equal(config->listen_count, 1);
    assert_string_equal(config->listen[0], "*:3");
    assert_string_equal(config->origins[0], "http://a");
    config_free(config);

    snprintf(words, sizeof words, "--listen *:3 --config %s --listen=[::1]:0 --origins http://b", file);
    config = accept(words);
    assert_int_equal(config->listen_count, 2);
    assert_string_equal(config->listen[1], "[::1]:0");
    assert_int_equal(config->origin_count, 1);
    assert_string_equal(config->origins[0], "http://b");
    config_free(config);
}

static void test_wrong_file(void **state)
{
    (void)state;
    char words[200];
    char message[200];
    write_file(Q("{'workers': 3,\n  'thread': 5}"));
    snprintf(words, sizeof words, "--workers 1 --config %s", file);
    snprintf(message, sizeof message,
             "%s:2:3: thread: expected a known key, perhaps \"threads\", found \"thread\"", file);
    struct result result = run(words);
    assert_false(result.read);
    assert_null(result.config);
    assert_string_equal(result.message, message);
}

/* Nothing of the table is missing from what people and programs are shown. */
static void test_help(void **state)
{
    (void)state;
    struct buffer help = {0};
    options_help(&help);
    buffer_append_byte(&help, 0);
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *row = &option_table[i];
        assert_non_null(strstr(help.data, row->help));
    }
    assert_non_null(strstr(help.data, "  --pid-file PATH\n"));
    assert_non_null(strstr(help.data, "  --limits pongs=NUMBER\n"));
    assert_non_null(strstr(help.data, "(127.0.0.1:9950)"));
    buffer_clear(&help);
    options_table(&help);
    size_t lines = 0;
    for (size_t i = 0; i < help.length; i++)
        lines += help.data[i] == '\n';
    assert_int_equal(lines, option_count);
    buffer_free(&help);
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(file);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file);
}

int main(void)
{
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_actions),      cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_every_option), cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_wrong_file),   cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
