#include "client/bench/document.h"

#include <inttypes.h>
#include <string.h>

void document_append(struct buffer *out, const char *run, uint64_t number, uint64_t time_ns, size_t bytes)
{
    size_t start = out->length;
    buffer_append_format(out, "{\"_id\":\"%s-%010" PRIu64 "\",\"t\":%" PRIu64 ",\"pad\":\"", run, number,
                         time_ns);
    size_t length = out->length - start + 2;
    if (bytes > length) {
        memset(buffer_reserve(out, bytes - length), 'x', bytes - length);
        out->length += bytes - length;
    }
    buffer_append_slice(out, SLICE("\"}"));
}

void document_append_id(struct buffer *out, const char *run, uint64_t number)
{
    buffer_append_format(out, "\"%s-%010" PRIu64 "\"", run, number);
}

void document_finder_init(struct document_finder *finder, const char *run)
{
    *finder = (struct document_finder){.at = 0};
    memcpy(finder->mark, run, DOCUMENT_RUN);
    finder->mark[DOCUMENT_RUN] = '-';
}
