#include <inttypes.h>

#include "client/bench/load.h"

/* Loads that change much, or would. */

const struct load_kind load_quiet = {.name = "quiet", .help = "nothing: what the others are compared with"};

/* ---- import: long lists of small documents ---- */

enum { LIST = 10000 };

static void append_list(struct load *load, struct buffer *out)
{
    load_append_call(out, "insert", load->collection);
    for (unsigned i = 0; i < load_scaled(load, LIST); i++) {
        buffer_append_byte(out, i == 0 ? '[' : ',');
        load_append_document(load, out, load->user);
        buffer_append_format(out, ",\"n\":%u}", i);
    }
    buffer_append_byte(out, ']');
}

const struct load_kind load_import = {
    .name = "import",
    .help = "lists of 10,000 small documents inserted, 4 in flight",
    .callers = 1,
    .in_flight = 4,
    .request = append_list,
};

/* ---- update: by query, of large documents ---- */

enum { UPDATED = 100, UPDATED_AT_ONCE = 4 };

static void prepare_large(struct load *load)
{
    load_insert(load, load_scaled(load, UPDATED), 1, load_append_large);
}

static void update_some(struct load *load, struct buffer *out)
{
    load_append_call(out, "update", load->collection);
    buffer_append_text(out, "{\"query\":{\"_id\":{\"$in\":[");
    for (unsigned i = 0; i < UPDATED_AT_ONCE && load->first + i < load->documents; i++) {
        if (i > 0)
            buffer_append_byte(out, ',');
        load_append_id(load, out, load->first + i);
    }
    buffer_append_format(out, "]}},\"changes\":{\"n\":%" PRIu64 "}}", load->calls);
}

const struct load_kind load_update = {
    .name = "update",
    .help = "an update by query of 4 documents of 0.9 MB, 2 in flight",
    .callers = 1,
    .in_flight = 2,
    .prepare = prepare_large,
    .request = update_some,
};

static void update_all(struct load *load, struct buffer *out)
{
    load_append_call(out, "update", load->collection);
    buffer_append_format(out, "{\"query\":{},\"changes\":{\"n\":%" PRIu64 "}}", load->calls);
}

const struct load_kind load_update_too_large = {
    .name = "update_too_large",
    .help = "an update by query of 100 documents of 0.9 MB, which is refused, 2 in flight",
    .callers = 1,
    .in_flight = 2,
    .prepare = prepare_large,
    .request = update_all,
};

/* ---- patch: a large value to and fro ---- */

enum { MOVES = 4500 };

static void prepare_patch(struct load *load)
{
    struct buffer *out = &load->request;
    load_insert(load, 1, 1, load_append_large);
    load_append_call(out, "patch", load->collection);
    buffer_append_text(out, "{\"_id\":");
    load_append_id(load, out, load->first);
    buffer_append_text(out, ",\"operations\":[");
    for (unsigned i = 0; i < MOVES; i++)
        buffer_append_format(out,
                             "%s{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b\"},"
                             "{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/a\"}",
                             i ? "," : "");
    buffer_append_text(out, "]}");
}

const struct load_kind load_patch = {
    .name = "patch",
    .help = "a patch that moves 0.9 MB to and fro 4,500 times, which is refused, 128 in flight",
    .callers = 1,
    .in_flight = 128,
    .prepare = prepare_patch,
};
