#include "client/bench/bench_document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shared/json/json.h"
#include "tests/unit/quoted.h"

static const char run[] = "abcdefgh";

static void is_as_long_as_asked_for(void **state)
{
    (void)state;
    for (size_t bytes = BENCH_DOCUMENT_LEAST; bytes < 400; bytes += 7) {
        struct buffer text = {0};
        struct json json = {0};
        bench_document_append(&text, run, 9999999999, UINT64_MAX, bytes);
        assert_int_equal(text.length, bytes);
        assert_true(json_parse(&json, text.data, text.length));
        assert_true(json.compact);
        assert_true(
            json_string_is(json_member(json_root(&json), SLICE("_id")), SLICE("abcdefgh-9999999999")));
        json_free(&json);
        buffer_free(&text);
    }
}

static uint64_t find(struct bench_document_finder *finder, const char *before, uint64_t number)
{
    struct buffer text = {0};
    buffer_append_text(&text, before);
    bench_document_append(&text, run, number, 1, 256);
    uint64_t found = bench_document_find(finder, buffer_slice(&text));
    buffer_free(&text);
    return found;
}

static void finds_the_number_wherever_it_stands(void **state)
{
    (void)state;
    struct bench_document_finder finder;
    bench_document_finder_init(&finder, run);
    assert_int_equal(find(&finder, "", 0), 0);
    assert_int_equal(find(&finder, "", 1234567890), 1234567890);
    assert_int_equal(find(&finder, Q("{'data':["), 17), 17);
    assert_int_equal(find(&finder, "", 18), 18);
}

static void does_not_find_what_is_not_there(void **state)
{
    (void)state;
    struct bench_document_finder finder;
    bench_document_finder_init(&finder, run);
    assert_true(bench_document_find(&finder, SLICE("")) == UINT64_MAX);
    assert_true(bench_document_find(&finder, slice_text(Q("{'_id':'otherrun-0000000001'}"))) == UINT64_MAX);
    assert_true(bench_document_find(&finder, SLICE("abcdefgh-00000")) == UINT64_MAX);
}

static void reads_the_sequence_number_at_the_end(void **state)
{
    (void)state;
    assert_int_equal(bench_document_seq(slice_text(Q("{'data':[],'seq':42}"))), 42);
    assert_int_equal(bench_document_seq(slice_text(Q("{'seq':18446744073709551615}"))), UINT64_MAX);
    assert_int_equal(bench_document_seq(slice_text(Q("{'seq':}"))), 0);
    assert_int_equal(bench_document_seq(slice_text(Q("{'data':[],'sync':true}"))), 0);
    assert_int_equal(bench_document_seq(slice_text(Q("{'data':42}"))), 0);
    assert_int_equal(bench_document_seq(SLICE("12}")), 0);
    assert_int_equal(bench_document_seq(SLICE("")), 0);
    assert_int_equal(bench_document_seq(SLICE("1234567890}")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_as_long_as_asked_for),
        cmocka_unit_test(finds_the_number_wherever_it_stands),
        cmocka_unit_test(does_not_find_what_is_not_there),
        cmocka_unit_test(reads_the_sequence_number_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
