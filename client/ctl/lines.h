#ifndef CLIENT_CTL_LINES_H
#define CLIENT_CTL_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/slice.h"

/* A file read line by line, unpacked on the way when it is gzip (whatever its name). */

enum { LINES_MESSAGE = 200, LINE_LIMIT = 160 << 20 };

struct lines {
    void *file;          /* zlib's */
    struct buffer bytes; /* what was read, from @at on not yet given out */
    size_t at;
    bool ended;
    uint64_t number; /* of the last line given out, from 1 */
    uint64_t total;  /* bytes of the file; 0: not known (a pipe) */
    char message[LINES_MESSAGE];
};

enum lines_result { LINES_LINE, LINES_END, LINES_FAILED };

/** Opens @path, or the standard input for "-". False: ->message says why not. */
[[gnu::warn_unused_result]] bool lines_open(struct lines *lines, const char *path);

/** The next line without its end (LF or CRLF). LINES_FAILED: ->message; it concerns line ->number. */
enum lines_result lines_next(struct lines *lines, struct slice *line);

/** Bytes of the file that were read so far, as it lies on the disk. */
uint64_t lines_position(const struct lines *lines);

void lines_close(struct lines *lines);

#endif
