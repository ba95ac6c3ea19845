#include "client/ctl/lines.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

/* A temporary file with these bytes; the caller removes it. */
static void make_file(char path[64], const char *bytes, size_t length)
{
    snprintf(path, 64, "/tmp/lines-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), length);
    close(fd);
}

static void assert_line(struct lines *lines, const char *expected, uint64_t number)
{
    struct slice line;
    assert_int_equal(lines_next(lines, &line), LINES_LINE);
    assert_int_equal(line.length, strlen(expected));
    assert_memory_equal(line.data, expected, line.length);
    assert_int_equal(lines->number, number);
}

static void gives_lines_without_their_ends(void **state)
{
    (void)state;
    static const char text[] = "one\n\ntwo\r\nlast";
    char path[64];
    struct lines lines;
    struct slice line;
    make_file(path, text, sizeof text - 1);
    assert_true(lines_open(&lines, path));
    assert_int_equal(lines.total, sizeof text - 1);
    assert_line(&lines, "one", 1);
    assert_line(&lines, "", 2);
    assert_line(&lines, "two", 3);
    assert_line(&lines, "last", 4);
    assert_int_equal(lines_next(&lines, &line), LINES_END);
    assert_int_equal(lines_next(&lines, &line), LINES_END);
    lines_close(&lines);
    unlink(path);
}

static void an_empty_file_has_no_lines(void **state)
{
    (void)state;
    char path[64];
    struct lines lines;
    struct slice line;
    make_file(path, "", 0);
    assert_true(lines_open(&lines, path));
    assert_int_equal(lines_next(&lines, &line), LINES_END);
    lines_close(&lines);
    unlink(path);
}

static void says_why_a_file_cannot_be_read(void **state)
{
    (void)state;
    struct lines lines;
    assert_false(lines_open(&lines, "/nonexistent/file"));
    assert_string_equal(lines.message, "No such file or directory");
    assert_false(lines_open(&lines, "/tmp"));
    assert_string_equal(lines.message, "Is a directory");
}

/* Lines longer than what is read at once, and many of them, whole and packed. */
static void gives_long_lines_of_packed_files(void **state)
{
    (void)state;
    enum { LINES = 40, LENGTH = 300000 };
    char path[64];
    make_file(path, "", 0);
    gzFile file = gzopen(path, "wb");
    char *text = malloc(LENGTH + 1);
    assert_non_null(text);
    for (int i = 0; i < LINES; i++) {
        memset(text, 'a' + i % 26, LENGTH);
        text[LENGTH] = '\n';
        assert_int_equal(gzwrite(file, text, LENGTH + 1), LENGTH + 1);
    }
    assert_int_equal(gzclose(file), Z_OK);
    struct lines lines;
    struct slice line;
    assert_true(lines_open(&lines, path));
    for (int i = 0; i < LINES; i++) {
        assert_int_equal(lines_next(&lines, &line), LINES_LINE);
        assert_int_equal(line.length, LENGTH);
        assert_int_equal(line.data[0], 'a' + i % 26);
        assert_int_equal(line.data[LENGTH - 1], 'a' + i % 26);
    }
    assert_int_equal(lines_next(&lines, &line), LINES_END);
    lines_close(&lines);
    free(text);
    unlink(path);
}

static void tells_when_a_packed_file_is_cut_off(void **state)
{
    (void)state;
    char path[64];
    make_file(path, "", 0);
    gzFile file = gzopen(path, "wb");
    for (int i = 0; i < 10000; i++)
        gzprintf(file, "%d\n", i * 7919);
    assert_int_equal(gzclose(file), Z_OK);
    assert_int_equal(truncate(path, 4000), 0);
    struct lines lines;
    struct slice line;
    enum lines_result result;
    uint64_t count = 0;
    assert_true(lines_open(&lines, path));
    while ((result = lines_next(&lines, &line)) == LINES_LINE)
        count++;
    assert_int_equal(result, LINES_FAILED);
    assert_string_equal(lines.message, "the gzip file is cut off");
    assert_int_equal(lines.number, count + 1);
    lines_close(&lines);
    unlink(path);
}

/* Elements with what looks like an end in strings, over many lines, longer than what is read at once. */
static void gives_the_elements_of_an_array(void **state)
{
    (void)state;
    enum { LENGTH = 300000 };
    static const char head[] = "\xEF\xBB\xBF \r\n[ {\"a\":\"]},\\\"{\\\\\"}\n, [[1],\n[2]] ,7 ,\n\n\"",
                      tail[] = "\"\n]\n";
    char path[64];
    struct lines lines;
    struct slice line;
    struct buffer text = {0};
    buffer_append(&text, head, sizeof head - 1);
    memset(buffer_reserve(&text, LENGTH), 'x', LENGTH);
    text.length += LENGTH;
    buffer_append_text(&text, tail);
    make_file(path, text.data, text.length);
    assert_true(lines_open(&lines, path));
    assert_line(&lines, "{\"a\":\"]},\\\"{\\\\\"}", 2);
    assert_line(&lines, "[[1],\n[2]]", 3);
    assert_line(&lines, "7", 4);
    assert_int_equal(lines_next(&lines, &line), LINES_LINE);
    assert_int_equal(line.length, LENGTH + 2);
    assert_int_equal(lines.number, 6);
    assert_int_equal(lines_next(&lines, &line), LINES_END);
    assert_int_equal(lines_next(&lines, &line), LINES_END);
    lines_close(&lines);
    buffer_free(&text);
    unlink(path);
}

static void says_what_is_wrong_with_an_array(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        uint64_t number;
    } cases[] = {
        {"[", "the file ends within the array", 1},
        {"[{},\n", "the file ends within the array", 2},
        {"[{}\n", "the file ends within the array", 2},
        {"[{},\n{\"a\"", "the file ends within the array", 2},
        {"[{}\n{}]", "expected a comma or the end of the array", 2},
        {"[{},]", "a document is missing in the array", 1},
        {"[,{}]", "a document is missing in the array", 1},
        {"[{}]\n\n[]", "there is more after the array", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[64];
        struct lines lines;
        struct slice line;
        enum lines_result result;
        make_file(path, cases[i].text, strlen(cases[i].text));
        assert_true(lines_open(&lines, path));
        while ((result = lines_next(&lines, &line)) == LINES_LINE)
            ;
        assert_int_equal(result, LINES_FAILED);
        assert_string_equal(lines.message, cases[i].message);
        assert_int_equal(lines.number, cases[i].number);
        lines_close(&lines);
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_lines_without_their_ends),
        cmocka_unit_test(an_empty_file_has_no_lines),
        cmocka_unit_test(says_why_a_file_cannot_be_read),
        cmocka_unit_test(gives_long_lines_of_packed_files),
        cmocka_unit_test(tells_when_a_packed_file_is_cut_off),
        cmocka_unit_test(gives_the_elements_of_an_array),
        cmocka_unit_test(says_what_is_wrong_with_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
