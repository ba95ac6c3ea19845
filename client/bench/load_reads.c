#include <inttypes.h>

#include "client/bench/load.h"

/* Loads that read much with few bytes, or are answered with many. */

/* ---- busy: many calls, each of them little ---- */

static void append_little(struct load *load, struct buffer *out)
{
    load_append_document(load, out, load->user);
    buffer_append_byte(out, '}');
}

static void prepare_busy(struct load *load)
{
    load_insert(load, 1, 1, append_little);
    load_append_call(&load->request, "detail", load->collection);
    buffer_append_text(&load->request, "{\"_id\":");
    load_append_id(load, &load->request, load->first);
    buffer_append_byte(&load->request, '}');
}

const struct load_kind load_busy = {
    .name = "busy",
    .help =
        "20 clients with 4 details of a small document in flight: what a busy worker is without long steps",
    .callers = 20,
    .in_flight = 4,
    .prepare = prepare_busy,
};

/* ---- conditions: on paths through an array of objects ---- */

enum { CONDITIONS = 499 };

static void append_array(struct load *load, struct buffer *out)
{
    load_append_document(load, out, load->user);
    buffer_append_text(out, ",\"k\":[{}");
    for (unsigned i = load_scaled(load, LOAD_LARGE_BYTES / 3); i > 1; i--)
        buffer_append_text(out, ",{}");
    buffer_append_text(out, "]}");
}

static void prepare_conditions(struct load *load)
{
    struct buffer *out = &load->request;
    load_insert(load, 1, 1, append_array);
    load_append_call(out, "count", load->collection);
    buffer_append_text(out, "{\"query\":{");
    for (unsigned i = 0; i < CONDITIONS; i++)
        buffer_append_format(out, "%s\"k.a%u\":1", i ? "," : "", i);
    buffer_append_text(out, "}}");
}

const struct load_kind load_conditions = {
    .name = "conditions",
    .help = "counts with 499 conditions on paths through an array of 333,000 objects",
    .callers = 4,
    .in_flight = 1,
    .prepare = prepare_conditions,
};

/* ---- range: over an indexed array ---- */

enum { TAGGED = 400, TAGS = 500, TAGGED_AT_ONCE = 20 };

static void append_tagged(struct load *load, struct buffer *out)
{
    uint64_t number = load->documents;
    load_append_document(load, out, load->user);
    buffer_append_text(out, ",\"tags\":[");
    for (unsigned i = 0; i < TAGS; i++)
        buffer_append_format(out, "%s\"t%03u-%" PRIu64 "\"", i ? "," : "", i, number);
    buffer_append_text(out, "]}");
}

static void prepare_range(struct load *load)
{
    load_insert(load, load_scaled(load, TAGGED), TAGGED_AT_ONCE, append_tagged);
    load_append_call(&load->request, "count", load->collection);
    buffer_append_text(&load->request, "{\"query\":{\"tags\":{\"$gte\":\"t\"}}}");
}

const struct load_kind load_range = {
    .name = "range",
    .help = "a range of an indexed array field: 400 documents with 500 tags each",
    .callers = 4,
    .in_flight = 1,
    .prepare = prepare_range,
};

/* ---- sorted: a find over many documents ---- */

enum { SORTED = 50000, SORTED_AT_ONCE = 5000, SHUFFLE = 7919 };

static void append_small(struct load *load, struct buffer *out)
{
    uint64_t number = load->documents;
    load_append_document(load, out, load->user);
    buffer_append_format(out, ",\"n\":%" PRIu64 "}", number * SHUFFLE % SORTED);
}

static void prepare_sorted(struct load *load)
{
    load_insert(load, load_scaled(load, SORTED), SORTED_AT_ONCE, append_small);
    load_append_call(&load->request, "find", load->collection);
    buffer_append_text(&load->request, "{\"sort\":{\"n\":-1},\"skip\":9000,\"limit\":1000}");
}

const struct load_kind load_sorted = {
    .name = "sorted",
    .help = "a sorted find over 50,000 documents, from the 9,000th on",
    .callers = 4,
    .in_flight = 1,
    .prepare = prepare_sorted,
};

/* ---- counts: many small ones ---- */

enum { COUNTED = 1000 };

static void prepare_counts(struct load *load)
{
    load_insert(load, load_scaled(load, COUNTED), SORTED_AT_ONCE, append_small);
    load_append_call(&load->request, "count", load->collection);
    buffer_append_text(&load->request, "{\"query\":{\"n\":{\"$gt\":100}}}");
}

const struct load_kind load_counts = {
    .name = "counts",
    .help = "10 clients with 128 small counts in flight each",
    .callers = 10,
    .in_flight = 128,
    .prepare = prepare_counts,
};

/* ---- sync: large manifests ---- */

static void prepare_sync(struct load *load)
{
    struct buffer *out = &load->request;
    load_append_call(out, "sync", load->collection);
    buffer_append_text(out, "{\"manifest\":{");
    for (unsigned i = 0; out->length < load_scaled(load, LOAD_LARGE_BYTES); i++)
        buffer_append_format(out, "%s\"gone-%07u\":0", i ? "," : "", i);
    buffer_append_text(out, "}}");
}

const struct load_kind load_sync = {
    .name = "sync",
    .help = "sync with a manifest of 0.9 MB of ids that are gone, 128 of them in flight on one connection",
    .callers = 1,
    .in_flight = 128,
    .callers_hear = true,
    .prepare = prepare_sync,
};

const struct load_kind load_sync_unread = {
    .name = "sync_unread",
    .help = "the same from one that reads no answers",
    .callers = 1,
    .in_flight = 128,
    .callers_hear = true,
    .callers_deaf = true,
    .prepare = prepare_sync,
};

/* ---- details: of a large document ---- */

static void prepare_details(struct load *load)
{
    load_insert(load, 1, 1, load_append_large);
    load_append_call(&load->request, "detail", load->collection);
    buffer_append_text(&load->request, "{\"_id\":");
    load_append_id(load, &load->request, load->first);
    buffer_append_byte(&load->request, '}');
}

const struct load_kind load_details = {
    .name = "details",
    .help = "detail of a document of 0.9 MB, 32 in flight on each of 4 connections",
    .callers = 4,
    .in_flight = 32,
    .prepare = prepare_details,
};
