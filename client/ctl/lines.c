#include "client/ctl/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { READ_BYTES = 131072 };

bool lines_open(struct lines *lines, const char *path)
{
    *lines = (struct lines){0};
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

/* Moves what is left to the front and reads more after it. */
static bool read_more(struct lines *lines)
{
    buffer_consume(&lines->bytes, lines->at);
    lines->at = 0;
    if (lines->bytes.length > LINE_LIMIT) {
        lines->number++;
        snprintf(lines->message, sizeof lines->message, "the line is longer than %d MiB", LINE_LIMIT >> 20);
        return false;
    }
    int got = gzread(lines->file, buffer_reserve(&lines->bytes, READ_BYTES), READ_BYTES);
    int problem = Z_OK;
    const char *text = gzerror(lines->file, &problem);
    /* A gzip file that is cut off gives its bytes first and Z_BUF_ERROR with the last of them. */
    if (got < 0 || (got == 0 && problem != Z_OK && problem != Z_STREAM_END)) {
        lines->number++;
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

enum lines_result lines_next(struct lines *lines, struct slice *line)
{
    size_t searched = 0;
    for (;;) {
        size_t length = lines->bytes.length - lines->at;
        const char *start = length > 0 ? lines->bytes.data + lines->at : "";
        const char *end = length > searched ? memchr(start + searched, '\n', length - searched) : NULL;
        if (end || (lines->ended && length > 0)) {
            size_t bytes = end ? (size_t)(end - start) : length;
            lines->at += bytes + (end ? 1 : 0);
            lines->number++;
            if (bytes > 0 && start[bytes - 1] == '\r')
                bytes--;
            *line = slice_of(start, bytes);
            return LINES_LINE;
        }
        if (lines->ended)
            return LINES_END;
        searched = length;
        if (!read_more(lines))
            return LINES_FAILED;
    }
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
