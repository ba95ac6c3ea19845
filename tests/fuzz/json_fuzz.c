/*
 * Any bytes as JSON. What is accepted must come back the same from its compact form, and be a fixed point of
 * it; it is compiled as a query and run on itself, merged into itself, and applied to itself as a JSON Patch.
 */

#include <stdint.h>
#include <stdlib.h>

#include "shared/json/compare.h"
#include "shared/json/json.h"
#include "shared/json/merge_patch.h"
#include "shared/json/patch.h"
#include "shared/json/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_strings(struct json_value value)
{
    struct buffer characters = {0};
    struct buffer written = {0};
    struct json again = {0};
    for (struct json_iterator i = json_begin(value); json_step(&i);) {
        if (i.object) {
            buffer_clear(&characters);
            struct slice key = json_string(i.key, &characters);
            require(json_string_is(i.key, key));
            require(json_utf8_valid(key.data, key.length));
            struct json_value found = json_member(value, key);
            require(found.json && found.index == i.value.index);
            buffer_clear(&written);
            json_append_string(&written, key);
            require(json_parse(&again, written.data, written.length));
            require(json_equal(json_root(&again), i.key));
        }
        check_strings(i.value);
    }
    json_free(&again);
    buffer_free(&characters);
    buffer_free(&written);
}

static void check_compact(const struct json *json, struct buffer *compact)
{
    struct json again = {0};
    json_append_compact(compact, json_root(json));
    require(json_parse(&again, compact->data, compact->length));
    require(again.compact && again.count == json->count);
    require(json_equal(json_root(json), json_root(&again)));
    json_free(&again);
}

/* In steps as short as can be it comes to the same. */
static void check_matching(const struct json_query *query, struct json_value value)
{
    struct json_matching *matching = json_matching_create(query);
    enum json_match match = JSON_MATCH_MORE;
    json_matching_begin(matching);
    while (match == JSON_MATCH_MORE) {
        uint64_t units = 1;
        match = json_matching_go_on(matching, value, &units);
        require(match != JSON_MATCH_MORE || units >= 1);
    }
    require((match == JSON_MATCH_YES) == json_query_matches(query, value));
    json_matching_free(matching);
}

static void check_query(struct json_value value)
{
    char message[JSON_QUERY_MESSAGE];
    struct json_query *query = json_query_compile(value, message);
    if (!query) {
        require(json_utf8_valid(message, strnlen(message, sizeof(message))));
        return;
    }
    check_matching(query, value);
    for (struct json_iterator i = json_begin(value); json_step(&i);) {
        struct json_query_bounds bounds;
        (void)json_query_bounds(query, SLICE("a"), &bounds);
        check_matching(query, i.value);
    }
    json_query_free(query);
}

static void check_merge(struct json_value value)
{
    struct buffer merged = {0};
    struct json again = {0};
    json_merge_patch(&merged, value, value);
    require(json_parse(&again, merged.data, merged.length));
    json_free(&again);
    buffer_free(&merged);
}

/* The text is applied to itself, and its member "p" to its member "d". */
static void check_patch(struct json_value target, struct json_value operations)
{
    enum { LIMIT = 10000, WORK = 4 * 1024 * 1024 };
    struct json_patch_bounds bounds = {.bytes = LIMIT, .work = WORK};
    char message[JSON_PATCH_MESSAGE];
    struct buffer patched = {0};
    struct json again = {0};
    if (json_patch(&patched, target, operations, &bounds, message) == JSON_PATCH_OK) {
        require(json_count(operations) == 0 || patched.length <= LIMIT || json_text(target).length > LIMIT);
        require(json_parse(&again, patched.data, patched.length));
    } else {
        require(patched.length == 0);
    }
    json_free(&again);
    buffer_free(&patched);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json json = {0};
    struct buffer compact = {0};
    if (json_parse(&json, (const char *)data, size)) {
        struct json_value root = json_root(&json);
        require(json_utf8_valid((const char *)data, size));
        check_compact(&json, &compact);
        check_strings(root);
        check_query(root);
        check_merge(root);
        check_patch(root, root);
        check_patch(json_member(root, SLICE("d")), json_member(root, SLICE("p")));
    } else {
        require(json.error && json.error_offset <= size);
    }
    buffer_free(&compact);
    json_free(&json);
    return 0;
}
