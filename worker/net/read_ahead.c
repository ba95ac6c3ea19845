#include "worker/net/read_ahead.h"

#include "shared/base/buffer.h"
#include "shared/base/memory.h"

/* Before each message stands its length and whether it is binary. */
struct head {
    uint32_t length;
    bool binary;
};

struct read_ahead {
    struct buffer bytes;
    size_t taken; /* of ->bytes */
    uint64_t moved_ms;
    uint64_t *sum;
    uint64_t counted; /* in ->sum */
};

enum { TAKEN_MOST = 65536 }; /* bytes that are taken before the rest is moved to the front */

static void count_read_ahead(struct read_ahead *ahead)
{
    uint64_t bytes = read_ahead_memory(ahead);
    *ahead->sum += bytes - ahead->counted;
    ahead->counted = bytes;
}

void read_ahead_add(struct read_ahead **slot, uint64_t *sum, struct slice message, bool binary,
                    uint64_t now_ms)
{
    struct head head = {.length = (uint32_t)message.length, .binary = binary};
    if (!*slot) {
        *slot = memory_zeroed(1, sizeof **slot);
        (*slot)->moved_ms = now_ms;
        (*slot)->sum = sum;
    }
    buffer_append(&(*slot)->bytes, (const char *)&head, sizeof head);
    buffer_append_slice(&(*slot)->bytes, message);
    count_read_ahead(*slot);
}

bool read_ahead_take(struct read_ahead **slot, uint64_t now_ms, struct slice *message, bool *binary)
{
    struct read_ahead *ahead = *slot;
    struct head head;
    if (!ahead)
        return false;
    if (ahead->taken == ahead->bytes.length) {
        read_ahead_free(slot);
        return false;
    }
    if (ahead->taken >= TAKEN_MOST && ahead->taken >= ahead->bytes.length / 2) {
        buffer_consume(&ahead->bytes, ahead->taken);
        ahead->taken = 0;
    }
    memcpy(&head, ahead->bytes.data + ahead->taken, sizeof head);
    *message = slice_of(ahead->bytes.data + ahead->taken + sizeof head, head.length);
    *binary = head.binary;
    ahead->taken += sizeof head + head.length;
    ahead->moved_ms = now_ms;
    return true;
}

size_t read_ahead_bytes(const struct read_ahead *ahead)
{
    return ahead ? ahead->bytes.length - ahead->taken : 0;
}

size_t read_ahead_memory(const struct read_ahead *ahead)
{
    return ahead ? sizeof *ahead + ahead->bytes.capacity : 0;
}

uint64_t read_ahead_moved_ms(const struct read_ahead *ahead)
{
    return ahead->moved_ms;
}

void read_ahead_free(struct read_ahead **slot)
{
    if (!*slot)
        return;
    *(*slot)->sum -= (*slot)->counted;
    buffer_free(&(*slot)->bytes);
    memory_release(*slot, sizeof **slot);
    *slot = NULL;
}
