#include "client/ctl/batch.h"

#include <stdlib.h>

#include "shared/base/memory.h"

void batch_begin(struct batch *batch)
{
    if (!batch->lines)
        batch->lines = memory_zeroed(BATCH_DOCUMENTS, sizeof *batch->lines);
    buffer_clear(&batch->data);
    buffer_append_text(&batch->data, "{\"documents\":[");
    batch->count = 0;
    batch->tid = 0;
}

bool batch_fits(const struct batch *batch, struct slice document)
{
    if (batch->count == 0)
        return true;
    return batch->count < BATCH_DOCUMENTS && document.length < BATCH_BYTES &&
           batch->data.length + 1 <= BATCH_BYTES - document.length;
}

void batch_add(struct batch *batch, struct json_value document, uint64_t line)
{
    if (batch->count > 0)
        buffer_append_byte(&batch->data, ',');
    json_append_compact(&batch->data, document);
    batch->lines[batch->count++] = line;
}

struct slice batch_finish(struct batch *batch, bool replace)
{
    buffer_append_text(&batch->data, replace ? "],\"replace\":true}" : "]}");
    return buffer_slice(&batch->data);
}

uint64_t batch_line(const struct batch *batch, int64_t index)
{
    if (batch->count == 0)
        return 0;
    return batch->lines[index >= 0 && (uint64_t)index < batch->count ? (size_t)index : 0];
}

void batch_free(struct batch *batch)
{
    buffer_free(&batch->data);
    free(batch->lines);
    *batch = (struct batch){0};
}
