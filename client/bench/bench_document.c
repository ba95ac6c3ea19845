#include "client/bench/bench_document.h"

#include <inttypes.h>
#include <string.h>

void bench_document_append(struct buffer *out, const char *run, uint64_t number, uint64_t time_ns,
                           size_t bytes)
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

void bench_document_append_id(struct buffer *out, const char *run, uint64_t number)
{
    buffer_append_format(out, "\"%s-%010" PRIu64 "\"", run, number);
}

void bench_document_finder_init(struct bench_document_finder *finder, const char *run)
{
    *finder = (struct bench_document_finder){.at = 0};
    memcpy(finder->mark, run, BENCH_DOCUMENT_RUN);
    finder->mark[BENCH_DOCUMENT_RUN] = '-';
}
