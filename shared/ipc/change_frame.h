#ifndef SHARED_IPC_CHANGE_FRAME_H
#define SHARED_IPC_CHANGE_FRAME_H

#include <stdint.h>

#include "shared/base/buffer.h"

/*
 * The messages that carry changes, {"operation":"update","collectionName":C,"data":[DOC],"seq":N} and its
 * kin, as complete WebSocket text frames (header and payload), appended to a buffer. The committer makes them
 * once for the whole host; workers make the ones with "sync":true.
 */

/** An `update` with one minimal document (JSON text). */
void change_frame_update(struct buffer *out, struct slice collection, struct slice document, uint64_t seq);

/** A `remove` with one id (plain characters). */
void change_frame_remove(struct buffer *out, struct slice collection, struct slice id, uint64_t seq);

/** {"operation":"set","collectionName":"settings","data":SETTINGS}; @settings is the JSON of all of them. */
void change_frame_settings(struct buffer *out, struct slice settings);

/** An `update` or `remove` with "sync":true; @list is what stands between [ and ], already JSON. */
void change_frame_sync(struct buffer *out, const char *operation, struct slice collection, struct slice list);

/** The same without "sync":true, and without a number: of files, which are in no store. */
void change_frame_event(struct buffer *out, const char *operation, struct slice collection,
                        struct slice list);

/** Any text message. */
void change_frame_text(struct buffer *out, struct slice message);

#endif
