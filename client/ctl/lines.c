#include "client/ctl/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "client/c/input.h"

enum { READ_BYTES = 131072 };

bool lines_open(struct lines *lines, const char *path)
{
    *lines = (struct lines){.line = 1};
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0 || (S_ISDIR(status.st_mode) && (errno = EISDIR))) {
        snprintf(lines->message, sizeof lines->message, "%s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    lines->total = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    lines->file = gzdopen(fd, "rb");
    if (!lines->file) {
        snprintf(lines->message, sizeof lines->message, "no memory");
        close(fd);
        return false;
    }
    gzbuffer(lines->file, READ_BYTES);
    return true;
}

/* What is wrong concerns the line in which the next document begins. */
static enum lines_result lines_wrong(struct lines *lines, const char *text)
{
    lines->number = lines->line;
    if (text)
        snprintf(lines->message, sizeof lines->message, "%s", text);
    return LINES_FAILED;
}

/* Moves what is left to the front and reads more after it. */
static bool read_more(struct lines *lines)
{
    buffer_consume(&lines->bytes, lines->at);
    lines->at = 0;
    if (lines->bytes.length > LINE_LIMIT) {
        snprintf(lines->message, sizeof lines->message, "the document is longer than %d MiB",
                 LINE_LIMIT >> 20);
        return false;
    }
    int got = gzread(lines->file, buffer_reserve(&lines->bytes, READ_BYTES), READ_BYTES);
    int problem = Z_OK;
    const char *text = gzerror(lines->file, &problem);
    /* A gzip file that is cut off gives its bytes first and Z_BUF_ERROR with the last of them. */
    if (got < 0 || (got == 0 && problem != Z_OK && problem != Z_STREAM_END)) {
        snprintf(lines->message, sizeof lines->message, "%s",
                 problem == Z_ERRNO       ? strerror(errno)
                 : problem == Z_BUF_ERROR ? "the gzip file is cut off"
                                          : text);
        return false;
    }
    lines->bytes.length += (size_t)got;
    lines->ended = got == 0;
    return true;
}

static struct slice unread(const struct lines *lines)
{
    size_t length = lines->bytes.length - lines->at;
    return slice_of(length > 0 ? lines->bytes.data + lines->at : "", length);
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* ---- what the file is ---- */

/* Whether it begins with "[", after white space; no byte of it is taken. */
static enum lines_result find_form(struct lines *lines)
{
    for (size_t i = 0;; i++) {
        while (i >= unread(lines).length && !lines->ended)
            if (!read_more(lines))
                return lines_wrong(lines, NULL);
        struct slice text = unread(lines);
        if (i < text.length && is_space(text.data[i]))
            continue;
        lines->form = i < text.length && text.data[i] == '[' ? LINES_ARRAY : LINES_EACH_LINE;
        return LINES_LINE;
    }
}

static enum lines_result find_out(struct lines *lines)
{
    size_t skip;
    while (unread(lines).length < INPUT_HEAD && !lines->ended)
        if (!read_more(lines))
            return lines_wrong(lines, NULL);
    const char *foreign = input_foreign(unread(lines), &skip), *packed = input_packed(unread(lines));
    if (foreign || packed)
        return lines_wrong(lines, packed ? packed : foreign);
    lines->at += skip;
    return find_form(lines);
}

/* ---- lines ---- */

static enum lines_result next_line(struct lines *lines, struct slice *line)
{
    size_t searched = 0;
    for (;;) {
        struct slice text = unread(lines);
        const char *end =
            text.length > searched ? memchr(text.data + searched, '\n', text.length - searched) : NULL;
        if (end || (lines->ended && text.length > 0)) {
            size_t bytes = end ? (size_t)(end - text.data) : text.length;
            lines->at += bytes + (end ? 1 : 0);
            lines->number = lines->line++;
            if (bytes > 0 && text.data[bytes - 1] == '\r')
                bytes--;
            *line = slice_of(text.data, bytes);
            return LINES_LINE;
        }
        if (lines->ended)
            return LINES_END;
        searched = text.length;
        if (!read_more(lines))
            return lines_wrong(lines, NULL);
    }
}

/* ---- elements of an array ---- */

/* Takes white space; *@byte: what comes after it, or '\0' for the end. False: ->message. */
static bool skip_space(struct lines *lines, char *byte)
{
    for (;;) {
        struct slice text = unread(lines);
        size_t i = 0;
        for (; i < text.length && is_space(text.data[i]); i++)
            lines->line += text.data[i] == '\n';
        lines->at += i;
        *byte = i < text.length ? text.data[i] : '\0';
        if (i < text.length || lines->ended)
            return true;
        if (!read_more(lines))
            return false;
    }
}

/* Where in an element it is looked at: strings and what is nested hide commas and brackets. */
struct scan {
    size_t at;
    uint64_t depth, newlines;
    bool in_string, escaped, complete;
};

/* Whether the element ends at @byte, which is not of it. */
static bool scan_byte(struct scan *scan, char byte)
{
    if (scan->in_string) {
        scan->in_string = scan->escaped || byte != '"';
        scan->escaped = !scan->escaped && byte == '\\';
        scan->complete = !scan->in_string && scan->depth == 0;
        return false;
    }
    if (scan->complete || (scan->depth == 0 && (byte == ',' || byte == ']' || byte == '}')))
        return true;
    scan->in_string = byte == '"';
    if (byte == '[' || byte == '{')
        scan->depth++;
    else if (byte == ']' || byte == '}')
        scan->complete = --scan->depth == 0;
    return false;
}

static enum lines_result take_element(struct lines *lines, struct slice *element)
{
    struct scan scan = {0};
    for (;; scan.at++) {
        while (scan.at >= unread(lines).length) {
            if (lines->ended)
                return lines_wrong(lines, "the file ends within the array");
            if (!read_more(lines))
                return lines_wrong(lines, NULL);
        }
        char byte = unread(lines).data[scan.at];
        if (scan_byte(&scan, byte))
            break;
        scan.newlines += byte == '\n';
    }
    *element = slice_of(unread(lines).data, scan.at);
    lines->at += scan.at;
    lines->number = lines->line;
    lines->line += scan.newlines;
    lines->some = true;
    while (element->length > 0 && is_space(element->data[element->length - 1]))
        element->length--;
    return element->length > 0 ? LINES_LINE : lines_wrong(lines, "a document is missing in the array");
}

static enum lines_result end_array(struct lines *lines)
{
    char byte;
    lines->form = LINES_ARRAY_ENDED;
    if (!skip_space(lines, &byte))
        return lines_wrong(lines, NULL);
    return unread(lines).length == 0 ? LINES_END : lines_wrong(lines, "there is more after the array");
}

static enum lines_result next_element(struct lines *lines, struct slice *element)
{
    char byte;
    if (!skip_space(lines, &byte))
        return lines_wrong(lines, NULL);
    bool began = byte == '[' && lines->number == 0;
    if (began || (byte == ',' && lines->some)) {
        lines->at++;
        if (!skip_space(lines, &byte))
            return lines_wrong(lines, NULL);
        lines->number = lines->line;
        if (byte != ']' || !began)
            return take_element(lines, element);
    }
    if (byte != ']')
        return lines_wrong(lines, byte ? "expected a comma or the end of the array"
                                       : "the file ends within the array");
    lines->at++;
    return end_array(lines);
}

enum lines_result lines_next(struct lines *lines, struct slice *line)
{
    if (lines->form == LINES_UNKNOWN) {
        enum lines_result result = find_out(lines);
        if (result == LINES_FAILED)
            return result;
    }
    if (lines->form == LINES_ARRAY)
        return next_element(lines, line);
    return lines->form == LINES_EACH_LINE ? next_line(lines, line) : LINES_END;
}

uint64_t lines_position(const struct lines *lines)
{
    z_off_t at = gzoffset(lines->file);
    return at > 0 ? (uint64_t)at : 0;
}

void lines_close(struct lines *lines)
{
    if (lines->file)
        gzclose_r(lines->file);
    buffer_free(&lines->bytes);
    *lines = (struct lines){0};
}
