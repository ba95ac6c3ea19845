#include "store_fixture.h"

#include <stdlib.h>

#include "shared/memory.h"

static void insert_reads_back(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, plain_collections);
    assert_int_equal(run_one(&f, CHANGE_INSERT, 0, "viruses", "v1", CHANGE_ANY_VERSION,
                             "{ \"name\" : \"TMV\", \"_id\":\"other\", \"_version\":17, \"n\": 1.50 }"),
                     ERROR_NONE);
    assert_answer(&f, "{\"_id\":\"v1\",\"_version\":0}");
    assert_int_equal(f.result.seq, 1);
    assert_string_equal(document(&f, "viruses", "v1"),
                        "{\"_id\":\"v1\",\"_version\":0,\"name\":\"TMV\",\"n\":1.50}");
    assert_string_equal(minimal(&f, "viruses", "v1"), "{\"_id\":\"v1\",\"_version\":0,\"name\":\"TMV\"}");
    size_t count;
    const struct applied_change *changes = store_write_changes(f.store, &count);
    assert_int_equal(count, 1);
    assert_int_equal(changes[0].seq, 1);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(insert_reads_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
