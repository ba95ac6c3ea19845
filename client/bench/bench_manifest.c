#include "client/bench/bench_manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"

enum { CALL_BYTES = 900000, LEARN_MS = 30000 };

static void add_entry(struct bench_manifest *manifest, struct slice id, int64_t version)
{
    if (manifest->count == manifest->capacity) {
        manifest->capacity = manifest->capacity ? 2 * manifest->capacity : 4096;
        manifest->entries = memory_resize(manifest->entries, manifest->capacity, sizeof *manifest->entries);
    }
    manifest->entries[manifest->count++] = (struct bench_manifest_entry){
        .id = manifest->ids.length, .id_length = (uint32_t)id.length, .version = version};
    buffer_append_slice(&manifest->ids, id);
}

static void add_documents(struct bench_manifest *manifest, struct json_value documents)
{
    struct json_iterator each = json_begin(documents);
    while (json_step(&each)) {
        int64_t version;
        struct json_value id = json_member(each.value, SLICE("_id"));
        if (json_type(id) == JSON_STRING &&
            json_integer(json_member(each.value, SLICE("_version")), &version))
            add_entry(manifest, json_text(id), version);
    }
}

static struct slice id_of(const struct bench_manifest *manifest, const struct bench_manifest_entry *entry)
{
    return slice_of(manifest->ids.data + entry->id, entry->id_length);
}

/* The quotes are left out of the comparison: a quote sorts before most, but not all, of what may follow a
 * prefix. */
static int compare_entries(const void *a, const void *b, void *context)
{
    struct slice x = id_of(context, a), y = id_of(context, b);
    return slice_compare(slice_of(x.data + 1, x.length - 2), slice_of(y.data + 1, y.length - 2));
}

bool bench_manifest_learn(struct bench_manifest *manifest, struct client *client, const char *collection)
{
    uint64_t tid = client_send(client, collection, "sync", SLICE("{}"));
    uint64_t moved_ms = clock_monotonic_ms();
    size_t seen = 0;
    for (;;) {
        struct client_reply reply;
        enum client_event event = client_next(client, &reply, LEARN_MS);
        /* The server's pings are no progress. */
        if (seen != manifest->count) {
            seen = manifest->count;
            moved_ms = clock_monotonic_ms();
        } else if (event == CLIENT_OTHER && clock_monotonic_ms() - moved_ms > LEARN_MS) {
            event = CLIENT_TIMEOUT;
        }
        switch (event) {
        case CLIENT_OTHER:
            if (json_string_is(json_member(reply.root, SLICE("operation")), SLICE("update")) &&
                json_string_is(json_member(reply.root, SLICE("collectionName")), slice_text(collection)))
                add_documents(manifest, reply.data);
            break;
        case CLIENT_REPLY:
            if (reply.tid != tid)
                break;
            if (!reply.success) {
                client_explain(client, &reply);
                return false;
            }
            qsort_r(manifest->entries, manifest->count, sizeof *manifest->entries, compare_entries, manifest);
            return true;
        case CLIENT_TIMEOUT:
            snprintf(client->message, sizeof client->message, "the sync does not go on");
            return false;
        case CLIENT_FAILED:
            return false;
        }
    }
}

static void begin_sync_call(struct buffer *text, const char *collection, size_t place)
{
    buffer_append_format(text, "{\"tid\":%zu,\"methodName\":\"sync\",\"collectionName\":", place);
    json_append_string(text, slice_text(collection));
    buffer_append_text(text, ",\"data\":{\"manifest\":{");
}

/* A range goes from its first id to the next range's first; the outermost ends are open. */
static void end_sync_call(const struct bench_manifest *manifest, struct buffer *text, size_t first,
                          size_t behind)
{
    buffer_append_byte(text, '}');
    if (first > 0) {
        buffer_append_text(text, ",\"from\":");
        buffer_append_slice(text, id_of(manifest, &manifest->entries[first]));
    }
    if (behind < manifest->count) {
        buffer_append_text(text, ",\"to\":");
        buffer_append_slice(text, id_of(manifest, &manifest->entries[behind]));
    }
    buffer_append_text(text, "}}");
}

size_t bench_manifest_calls(const struct bench_manifest *manifest, const char *collection,
                            uint64_t stale_every, struct buffer **calls, uint64_t *stale)
{
    size_t count = 0, at = 0;
    *calls = NULL;
    *stale = 0;
    do {
        *calls = memory_resize(*calls, count + 1, sizeof **calls);
        struct buffer *text = &(*calls)[count];
        *text = (struct buffer){0};
        begin_sync_call(text, collection, count++);
        size_t first = at;
        for (; at < manifest->count && text->length < CALL_BYTES; at++) {
            const struct bench_manifest_entry *entry = &manifest->entries[at];
            bool other = stale_every > 0 && at % stale_every == 0;
            if (at > first)
                buffer_append_byte(text, ',');
            buffer_append_slice(text, id_of(manifest, entry));
            buffer_append_format(text, ":%" PRId64, entry->version + (other ? 1 : 0));
            *stale += other;
        }
        end_sync_call(manifest, text, first, at);
    } while (at < manifest->count);
    return count;
}

void bench_manifest_free(struct bench_manifest *manifest)
{
    buffer_free(&manifest->ids);
    free(manifest->entries);
    *manifest = (struct bench_manifest){0};
}
