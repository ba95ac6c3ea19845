#include "shared/base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { READ_MOST = 1 << 20 };

static char path[] = "/tmp/dispatchd-log-XXXXXX";

static int open_log(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    log_process("tester");
    return log_open(path, LOG_LEVEL_INFO) ? 0 : 1;
}

static int close_log(void **state)
{
    (void)state;
    return unlink(path);
}

/* Everything in the file; the file is then empty. */
static char *take(void)
{
    static char text[READ_MOST];
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_int_equal(truncate(path, 0), 0);
    return text;
}

/* What follows the head of the one line in the file. */
static const char *text_of_line(const char *level)
{
    char *line = take();
    char head[64];
    unsigned year, month, day, hour, minute, second, ms;
    int length = 0;
    assert_int_equal(sscanf(line, "%4u-%2u-%2uT%2u:%2u:%2u.%3uZ %n", &year, &month, &day, &hour, &minute,
                            &second, &ms, &length),
                     7);
    assert_int_equal(length, sizeof "2026-01-31T23:59:59.999Z " - 1);
    snprintf(head, sizeof head, "tester[%d] %s: ", (int)getpid(), level);
    assert_memory_equal(line + length, head, strlen(head));
    char *text = line + length + strlen(head), *end = strchr(text, '\n');
    assert_non_null(end);
    assert_int_equal(end[1], '\0');
    *end = '\0';
    return text;
}

static void a_line_says_when_who_and_what(void **state)
{
    (void)state;
    log_notice("the %s has %d", "store", 7);
    assert_string_equal(take(), ""); /* gathered */
    log_flush();
    assert_string_equal(text_of_line("notice"), "the store has 7");
    log_text(LOG_LEVEL_INFO, SLICE("ready made"));
    log_flush();
    assert_string_equal(text_of_line("info"), "ready made");
    log_error("at once");
    assert_string_equal(text_of_line("error"), "at once");
    log_debug("not wanted");
    log_text(LOG_LEVEL_DEBUG, SLICE("not wanted either"));
    log_flush();
    assert_string_equal(take(), "");
}

static void control_characters_are_shown(void **state)
{
    (void)state;
    /* At every place of the words in which they are looked for. */
    for (size_t before = 0; before < 20; before++) {
        static const char *const controls[] = {"\n", "\x1f", "\x7f", "\x01"};
        static const char *const shown[] = {"\\x0a", "\\x1f", "\\x7f", "\\x01"};
        for (size_t i = 0; i < 4; i++) {
            char text[64], expected[64];
            snprintf(text, sizeof text, "%.*s%s! \xc3\xa4 after", (int)before, "abcdefghijklmnopqrst",
                     controls[i]);
            snprintf(expected, sizeof expected, "%.*s%s! \xc3\xa4 after", (int)before, "abcdefghijklmnopqrst",
                     shown[i]);
            log_text(LOG_LEVEL_INFO, slice_text(text));
            log_flush();
            assert_string_equal(text_of_line("info"), expected);
        }
    }
    log_text(LOG_LEVEL_INFO, SLICE("a\0b"));
    log_flush();
    assert_string_equal(text_of_line("info"), "a\\x00b");
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    static char text[5000];
    memset(text, 'x', sizeof text - 1);
    log_info("%s", text);
    log_flush();
    assert_int_equal(strlen(text_of_line("info")), 1500);
    memset(text, '\n', sizeof text - 1);
    log_text(LOG_LEVEL_INFO, slice_text(text));
    log_flush();
    assert_int_equal(strlen(text_of_line("info")), 4 * 1500);
}

static void many_lines_come_whole(void **state)
{
    (void)state;
    enum { LINES = 2000 };
    for (unsigned i = 0; i < LINES; i++)
        log_info(
            "line %u %.*s", i, (int)(i % 300),
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    log_flush();
    char *at = take();
    for (unsigned i = 0; i < LINES; i++) {
        char *end = strchr(at, '\n'), *text = strstr(at, "info: line ");
        assert_true(end && text && text < end);
        assert_int_equal(strtoul(text + strlen("info: line "), NULL, 10), i);
        at = end + 1;
    }
    assert_int_equal(*at, '\0');
}

static void a_child_writes_under_its_own_number(void **state)
{
    (void)state;
    log_info("the parent's, not yet written");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        log_process("child");
        log_error("the child's");
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    char expected[64];
    snprintf(expected, sizeof expected, " child[%d] error: the child's\n", (int)child);
    const char *line = take();
    assert_non_null(strchr(line, ' '));
    assert_string_equal(strchr(line, ' '), expected);
    log_flush();
    assert_string_equal(text_of_line("info"), "the parent's, not yet written");
}

/* Writes @count numbered lines; whoever waits in it is ended by the alarm. */
static void write_lines(unsigned first, unsigned count)
{
    alarm(20);
    for (unsigned i = first; i < first + count; i++) {
        log_info("line %u %0200d", i, 0);
        if (i % 10 == 0)
            log_flush();
    }
    log_flush();
    alarm(0);
}

/* Reads what is there now, and lets the log write more, until it is all. */
static char *drain(int fd)
{
    static char text[4 * READ_MOST];
    size_t used = 0;
    ssize_t got;
    while ((got = read(fd, text + used, sizeof text - 1 - used)) > 0) {
        used += (size_t)got;
        log_flush();
    }
    text[used] = '\0';
    return text;
}

/* Lines come whole and in order, and where some are missing a line says how many. Returns that number. */
static unsigned check_lines(char *text, unsigned count)
{
    unsigned next = 0, dropped = 0;
    for (char *at = text, *end; *at; at = end + 1) {
        end = strchr(at, '\n');
        assert_non_null(end);
        *end = '\0';
        char *said = strstr(at, "warning: ");
        if (said) {
            unsigned more = (unsigned)strtoul(said + strlen("warning: "), NULL, 10);
            assert_non_null(strstr(said, " lines were dropped"));
            dropped += more;
            next += more;
            continue;
        }
        said = strstr(at, "info: line ");
        assert_non_null(said);
        assert_int_equal(strtoul(said + strlen("info: line "), NULL, 10), next);
        assert_int_equal(end - strrchr(at, ' '), 201);
        next++;
    }
    assert_int_equal(next, count);
    return dropped;
}

static void nobody_waits_for_a_pipe_that_is_full(void **state)
{
    (void)state;
    enum { LINES = 3000, MORE = 100 };
    char fifo[sizeof path + 8];
    snprintf(fifo, sizeof fifo, "%s.fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    int reader = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    assert_true(log_open(fifo, LOG_LEVEL_INFO));
    write_lines(0, LINES);
    char *text = drain(reader);
    assert_true(check_lines(text, LINES) > 1000);
    write_lines(0, MORE); /* it goes on as before */
    assert_int_equal(check_lines(drain(reader), MORE), 0);
    assert_true(log_open(path, LOG_LEVEL_INFO));
    close(reader);
    unlink(fifo);
}

static void the_pipe_of_others_stays_as_it_is(void **state)
{
    (void)state;
    enum { LINES = 3000 };
    int ends[2], before = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    bool opened = log_open("stderr", LOG_LEVEL_INFO);
    int flags = fcntl(STDERR_FILENO, F_GETFL);
    write_lines(0, LINES);
    char *text = drain(ends[0]);
    dup2(before, STDERR_FILENO);
    assert_true(opened);
    assert_int_equal(flags & O_NONBLOCK, 0);
    assert_true(check_lines(text, LINES) > 1000);
    assert_true(log_open(path, LOG_LEVEL_INFO));
    close(before);
    close(ends[0]);
    close(ends[1]);
}

static void on_a_full_disk_lines_wait(void **state)
{
    (void)state;
    enum { LINES = 3000 };
    assert_true(log_open("/dev/full", LOG_LEVEL_INFO));
    write_lines(0, LINES);
    assert_true(log_open(path, LOG_LEVEL_INFO)); /* where there is room */
    log_flush();
    assert_true(check_lines(take(), LINES) > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_when_who_and_what),
        cmocka_unit_test(control_characters_are_shown),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(many_lines_come_whole),
        cmocka_unit_test(nobody_waits_for_a_pipe_that_is_full),
        cmocka_unit_test(the_pipe_of_others_stays_as_it_is),
        cmocka_unit_test(on_a_full_disk_lines_wait),
        cmocka_unit_test(a_child_writes_under_its_own_number),
    };
    return cmocka_run_group_tests(tests, open_log, close_log);
}
