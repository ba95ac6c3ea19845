#ifndef WORKER_NET_FRAME_H
#define WORKER_NET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/slice.h"

/*
 * Frames from the client, RFC 6455 sections 5 to 8, on wslay's frame API: the only file that includes wslay.
 * No socket in it. A connection that is between messages holds no memory here: the reader (wslay's context
 * and the message being put together) is borrowed from the pool with the first byte of a message and given
 * back with its last. What was given to the sink, or is given up, is in no memory of the pool any more. (The
 * bytes that are fed are the caller's to wipe.)
 */

struct frame_pool;   /* readers not in use, of one worker */
struct frame_reader; /* borrowed */

struct frame_pool *frame_pool_create(uint64_t message_most);
void frame_pool_free(struct frame_pool **pool);
/** Readers lent out now, for tests. */
size_t frame_pool_lent(const struct frame_pool *pool);

/* Of a length. FRAME_WAITS: it is not known yet: no more is taken, as if a function had returned false, and
 * frame_feed() asks again when it is called again. */
enum frame_verdict { FRAME_FITS, FRAME_IS_TOO_LONG, FRAME_WAITS };

/**
 * What the frames mean, in order of arrival. Slices are valid during the call. Return false to stop: what has
 * been given and not looked at is kept, and frame_feed() goes on with it when it is called again, also
 * without new bytes.
 */
struct frame_sink {
    bool (*message)(void *owner, struct slice message, bool binary); /* whole, UTF-8 checked when text */
    bool (*ping)(void *owner, struct slice payload);
    bool (*pong)(void *owner, struct slice payload);
    /** Whether a message may have @bytes, as far as its frames announce them so far. NULL: by @message_most.
     */
    enum frame_verdict (*judge)(void *owner, uint64_t bytes);
    /** The peer's close frame: code 1005 when it had none. After it nothing more is read. */
    void (*close)(void *owner, uint16_t code, struct slice reason);
};

/**
 * Feeds bytes as they came from the socket, any number. @reader is the connection's slot: NULL between
 * messages. Returns 0, or the close code to send (1002 protocol error, also unmasked frames, reserved bits
 * and opcodes, bad control frames and bad close payloads; 1003 for binary when @text_only; 1007 bad UTF-8
 * (fail fast within a fragmented message is allowed, not needed); 1009 when a message's frames announce more
 * than the limit: before memory is taken). After a code no more may be fed. @message_most: this connection's
 * limit (0: the pool's).
 */
[[gnu::warn_unused_result]] uint16_t frame_feed(struct frame_pool *pool, struct frame_reader **reader,
                                                struct slice bytes, bool text_only, uint64_t message_most,
                                                const struct frame_sink *sink, void *owner);

/** Bytes that @reader holds: of a message that is incomplete, and after one at which the sink said stop. */
size_t frame_reader_bytes(const struct frame_reader *reader);

/** Gives back what @reader holds (the connection has gone). */
void frame_drop(struct frame_pool *pool, struct frame_reader **reader);

#endif
