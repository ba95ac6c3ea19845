/* How many documents are larger than so many bytes. */

#include "tests/unit/daemon/committer/store/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/store/larger.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

/* Inserts a document of @bytes, as it is stored, with an id of four characters. */
static void insert(struct fixture *f, const char *collection, unsigned number, size_t bytes)
{
    char id[8];
    struct buffer body = {0};
    const size_t around = strlen("{'_id':'0000','_version':0,'x':''}");
    snprintf(id, sizeof id, "%04u", number);
    buffer_append_text(&body, Q("{'x':'"));
    for (size_t i = around; i < bytes; i++)
        buffer_append_byte(&body, 'y');
    buffer_append(&body, "\"}", 3);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, collection, id, ANY, body.data), ERROR_NONE);
    if (bytes <= 1000)
        assert_int_equal(strlen(document(f, collection, id)), bytes);
    buffer_free(&body);
}

/* In steps of @units, each in another snapshot; *@steps: how many it took. */
static uint64_t count_larger(struct fixture *f, const char *collection, uint64_t bytes, uint64_t units,
                             unsigned *steps)
{
    struct store_larger larger;
    enum store_step step = STORE_STEP;
    store_larger_start(&larger, fixture_collection(f, collection), bytes);
    for (*steps = 0; step == STORE_STEP; ++*steps) {
        uint64_t used = units;
        assert_int_equal(store_begin(f->store), ERROR_NONE);
        step = store_larger_some(f->store, &larger, &used);
        store_end(f->store);
        assert_in_range(used, 1, units + 100);
    }
    assert_int_equal(step, STORE_END);
    store_larger_free(&larger);
    return larger.count;
}

static void counts_what_is_larger(void **state)
{
    struct fixture *f = *state;
    unsigned steps;
    for (unsigned i = 0; i < 50; i++) {
        insert(f, "plain", i, 200);
        insert(f, "viruses", i, i % 10 == 0 ? 5000 : 200);
    }
    for (unsigned i = 0; i < 7; i++)
        insert(f, "plain", 100 + i, 1000 + i); /* 1000 to 1006 */
    for (uint64_t units = 1; units <= 100000; units *= 1000) {
        assert_int_equal(count_larger(f, "plain", 199, units, &steps), 57);
        assert_int_equal(count_larger(f, "plain", 200, units, &steps), 7);
        assert_int_equal(count_larger(f, "plain", 1003, units, &steps), 3);
        assert_int_equal(count_larger(f, "plain", 1006, units, &steps), 0);
        assert_true(units == 1 ? steps >= 57 : steps == 1);
        /* with a minimal document beside the full one, neither of which has so many bytes */
        assert_int_equal(count_larger(f, "viruses", 4999, units, &steps), 5);
        assert_int_equal(count_larger(f, "viruses", 5000, units, &steps), 0);
        assert_int_equal(count_larger(f, "jobs", 0, units, &steps), 0);
    }
}

/* Where there cannot be any, no entry is looked at. */
static void few_pages_are_a_proof(void **state)
{
    struct fixture *f = *state;
    unsigned steps;
    for (unsigned i = 0; i < 100; i++)
        insert(f, "plain", i, 500);
    insert(f, "plain", 100, 30000); /* on pages of its own */
    assert_int_equal(count_larger(f, "plain", 40000, 1, &steps), 0);
    assert_int_equal(steps, 1);
    assert_int_equal(count_larger(f, "plain", 29999, 1, &steps), 1);
    assert_int_equal(steps, 102);
    insert(f, "plain", 101, 30000);
    assert_int_equal(count_larger(f, "plain", 40000, 1, &steps), 0);
    assert_int_equal(steps, 103);
}

static void damage_is_passed(void **state)
{
    struct fixture *f = *state;
    unsigned steps;
    for (unsigned i = 0; i < 5; i++)
        insert(f, "plain", i, 500);
    damage_record(f->store, fixture_collection(f, "plain"), "0002");
    assert_int_equal(count_larger(f, "plain", 400, 1000, &steps), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(counts_what_is_larger),
        with_store(few_pages_are_a_proof),
        with_store(damage_is_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
