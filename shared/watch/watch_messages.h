#ifndef SHARED_WATCH_WATCH_MESSAGES_H
#define SHARED_WATCH_WATCH_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buffer.h"

/*
 * The stream between a worker and the watcher. Each message: u16 length of what follows, u8 type, u16 number of
 * the directory (its place in the configuration), body; integers little-endian.
 *
 * A worker says LISTEN when the first of its connections does, and UNLISTEN with the last. The watcher answers
 * with BEGIN, which repeats the number that LISTEN had (what comes before it belongs to an earlier LISTEN),
 * then FILE for each file that is there, then WHOLE; files that were not named between the two are not there.
 * FILE and GONE go on from there. The watcher may BEGIN again at any time, when a worker is far behind. On a
 * new link nobody listens yet.
 */

enum watch_message_type {
    WATCH_LISTEN = 1, /* u32 serial */
    WATCH_UNLISTEN,
    WATCH_BEGIN, /* u32 serial */
    WATCH_FILE,  /* u64 size, i64 modified (ms), name */
    WATCH_GONE,  /* name */
    WATCH_WHOLE,
};

enum { WATCH_MESSAGE_MOST = 2 + 1 + 2 + 8 + 8 + 255 };

struct watch_message {
    enum watch_message_type type;
    unsigned directory; /* may be one that is not there */
    uint32_t serial;
    uint64_t size;
    int64_t modified_ms;
    struct slice name; /* file_name_is_valid() */
};

/** Appends a message; its ->name is valid where its type has one. */
void watch_message_append(struct buffer *out, const struct watch_message *message);

/** Takes one whole message off the front of @bytes (moves ->data on); its name points into them. 1: taken; 0:
 * not whole yet; -1: malformed. */
[[gnu::warn_unused_result]] int watch_message_take(struct slice *bytes, struct watch_message *message);

#endif
