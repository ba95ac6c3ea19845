#include "client/bench/bench_manifest.h"
#include "tests/unit/quoted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DOCUMENTS = 100000 };

static struct bench_manifest manifest;

static int fill(void **state)
{
    (void)state;
    manifest.entries = calloc(DOCUMENTS, sizeof *manifest.entries);
    if (!manifest.entries)
        return -1;
    for (unsigned i = 0; i < DOCUMENTS; i++) {
        manifest.entries[i] =
            (struct bench_manifest_entry){.id = manifest.ids.length, .id_length = 12, .version = i % 10};
        quoted_append(&manifest.ids, "'id%08u'", i);
    }
    manifest.count = DOCUMENTS;
    return 0;
}

static int empty(void **state)
{
    (void)state;
    bench_manifest_free(&manifest);
    return 0;
}

/* Every document is in exactly one range, and that in its bounds; the ranges meet and have open ends. */
static void ranges_cover_everything_once(void **state)
{
    (void)state;
    struct buffer *calls, scratch = {0}, border = {0};
    uint64_t stale, documents = 0, other = 0;
    size_t count = bench_manifest_calls(&manifest, "bench", 100, &calls, &stale);
    assert_true(count > 1);
    assert_int_equal(stale, DOCUMENTS / 100);
    for (size_t i = 0; i < count; i++) {
        struct json json = {0};
        assert_true(calls[i].length < 1 << 20);
        assert_true(json_parse(&json, calls[i].data, calls[i].length));
        struct json_value data = json_member(json_root(&json), SLICE("data"));
        struct json_value from = json_member(data, SLICE("from")), to = json_member(data, SLICE("to"));
        assert_int_equal(json_type(from), i == 0 ? JSON_NONE : JSON_STRING);
        assert_int_equal(json_type(to), i + 1 == count ? JSON_NONE : JSON_STRING);
        assert_true(
            slice_equal(json_string(from, &scratch), i == 0 ? (struct slice){0} : buffer_slice(&border)));
        struct json_iterator each = json_begin(json_member(data, SLICE("manifest")));
        while (json_step(&each)) {
            struct slice id = json_string(each.key, &scratch);
            int64_t version;
            assert_true(i == 0 || slice_compare(id, json_string(from, &scratch)) >= 0);
            assert_true(i + 1 == count || slice_compare(id, json_string(to, &scratch)) < 0);
            assert_true(json_integer(each.value, &version));
            other += version != (int64_t)(documents % 10);
            documents++;
        }
        buffer_clear(&border);
        if (i + 1 < count)
            buffer_append_slice(&border, json_string(to, &scratch));
        json_free(&json);
        buffer_free(&calls[i]);
    }
    assert_int_equal(documents, DOCUMENTS);
    assert_int_equal(other, stale);
    free(calls);
    buffer_free(&scratch);
    buffer_free(&border);
}

static void nothing_is_one_call(void **state)
{
    (void)state;
    struct bench_manifest nothing = {0};
    struct buffer *calls;
    uint64_t stale;
    assert_int_equal(bench_manifest_calls(&nothing, "bench", 0, &calls, &stale), 1);
    assert_int_equal(stale, 0);
    buffer_append_byte(&calls[0], 0);
    assert_string_equal(calls[0].data,
                        Q("{'tid':0,'methodName':'sync','collectionName':'bench','data':{'manifest':{}}}"));
    buffer_free(&calls[0]);
    free(calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ranges_cover_everything_once, fill, empty),
        cmocka_unit_test(nothing_is_one_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
