/* What a worker and the watcher tell each other, from bytes to messages: each that is taken is as it would be
 * written. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "shared/watch/watch_messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct slice rest = slice_of((const char *)bytes, length);
    struct watch_message message;
    for (;;) {
        struct slice before = rest;
        if (watch_message_take(&rest, &message) != 1)
            return 0;
        struct buffer again = {0};
        watch_message_append(&again, &message);
        if (!slice_equal(buffer_slice(&again), slice_of(before.data, (size_t)(rest.data - before.data))))
            abort();
        buffer_free(&again);
    }
}
