#include "client/ctl/batch.h"
#include "tests/unit/quoted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add(struct batch *batch, const char *text, uint64_t line)
{
    struct json json = {0};
    assert_true(json_parse(&json, text, strlen(text)));
    batch_add(batch, json_root(&json), line);
    json_free(&json);
}

static void assert_data(struct slice data, const char *expected)
{
    assert_int_equal(data.length, strlen(expected));
    assert_memory_equal(data.data, expected, data.length);
}

static void gathers_compact_documents(void **state)
{
    (void)state;
    struct batch batch = {0};
    batch_begin(&batch);
    add(&batch, Q("{ '_id' : 'a', 'n': 12345678901234567890 }"), 3);
    add(&batch, "{}", 7);
    assert_data(batch_finish(&batch, false), Q("{'documents':[{'_id':'a','n':12345678901234567890},{}]}"));
    batch_begin(&batch);
    add(&batch, "{}", 8);
    assert_data(batch_finish(&batch, true), Q("{'documents':[{}],'replace':true}"));
    batch_free(&batch);
}

static void knows_the_line_of_each_document(void **state)
{
    (void)state;
    struct batch batch = {0};
    batch_begin(&batch);
    assert_int_equal(batch_line(&batch, 0), 0);
    add(&batch, "{}", 3);
    add(&batch, "{}", 7);
    assert_int_equal(batch_line(&batch, 0), 3);
    assert_int_equal(batch_line(&batch, 1), 7);
    assert_int_equal(batch_line(&batch, 2), 3);
    assert_int_equal(batch_line(&batch, -1), 3);
    batch_free(&batch);
}

static void is_bounded_in_documents(void **state)
{
    (void)state;
    struct batch batch = {0};
    batch_begin(&batch);
    for (unsigned i = 0; i < BATCH_DOCUMENTS; i++) {
        assert_true(batch_fits(&batch, SLICE("{}")));
        add(&batch, "{}", i);
    }
    assert_false(batch_fits(&batch, SLICE("{}")));
    batch_free(&batch);
}

static void is_bounded_in_bytes(void **state)
{
    (void)state;
    enum { LENGTH = 10000 };
    struct batch batch = {0};
    char document[LENGTH + 1];
    memset(document, 'x', LENGTH);
    memcpy(document, Q("{'a':'"), 6);
    memcpy(document + LENGTH - 2, Q("'}"), 3);
    batch_begin(&batch);
    while (batch_fits(&batch, slice_of(document, LENGTH)))
        add(&batch, document, 1);
    assert_in_range(batch.data.length, BATCH_BYTES - LENGTH - 1, BATCH_BYTES);
    assert_true(batch_finish(&batch, true).length < (1 << 20) - 256);
    batch_free(&batch);
}

static void a_large_document_goes_alone(void **state)
{
    (void)state;
    struct batch batch = {0};
    char *large = malloc(2 << 20);
    assert_non_null(large);
    batch_begin(&batch);
    assert_true(batch_fits(&batch, slice_of(large, 2 << 20)));
    add(&batch, "{}", 1);
    assert_false(batch_fits(&batch, slice_of(large, 2 << 20)));
    batch_free(&batch);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gathers_compact_documents),   cmocka_unit_test(knows_the_line_of_each_document),
        cmocka_unit_test(is_bounded_in_documents),     cmocka_unit_test(is_bounded_in_bytes),
        cmocka_unit_test(a_large_document_goes_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
