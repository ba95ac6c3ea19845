#ifndef CLIENT_CTL_LINES_H
#define CLIENT_CTL_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/slice.h"

/*
 * A file read document by document: a line each, or the elements of an array when it begins with "[". What
 * it is packed with and a byte order mark are told by its first bytes, whatever its name: gzip is unpacked
 * on the way, the mark is left out, what is no UTF-8 is refused.
 */

enum { LINES_MESSAGE = 200, LINE_LIMIT = 160 << 20 };

enum lines_form { LINES_UNKNOWN, LINES_EACH_LINE, LINES_ARRAY, LINES_ARRAY_ENDED };

struct lines {
    void *file;          /* zlib's */
    struct buffer bytes; /* what was read, from @at on not yet given out */
    size_t at;
    bool ended;
    enum lines_form form;
    bool some;       /* an element was given out */
    uint64_t line;   /* that ->at is in, from 1 */
    uint64_t number; /* of the last line given out, or of that in which the last element began */
    uint64_t total;  /* bytes of the file; 0: not known (a pipe) */
    char message[LINES_MESSAGE];
};

enum lines_result { LINES_LINE, LINES_END, LINES_FAILED };

/** Opens @path, or the standard input for "-". False: ->message says why not. */
[[gnu::warn_unused_result]] bool lines_open(struct lines *lines, const char *path);

/** The next line without its end (LF or CRLF), or the next element without white space around it.
 * LINES_FAILED: ->message; it concerns line ->number. */
enum lines_result lines_next(struct lines *lines, struct slice *line);

/** Bytes of the file that were read so far, as it lies on the disk. */
uint64_t lines_position(const struct lines *lines);

void lines_close(struct lines *lines);

#endif
