#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/store/environment.h"

#define ANY CHANGE_ANY_VERSION

/* What the store knows of ids that had another document before. */

static int setup(void **state)
{
    static struct fixture f;
    fixture_open(&f, plain_collections);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture_close(*state);
    return 0;
}

static void insert(struct fixture *f, const char *collection, const char *id)
{
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, collection, id, ANY, "{\"n\":1}"), ERROR_NONE);
}

static void removal(struct fixture *f, const char *collection, const char *id)
{
    assert_int_equal(run_one(f, CHANGE_REMOVE, 0, collection, id, ANY, NULL), ERROR_NONE);
}

static bool is_reinserted(struct fixture *f, const char *collection, const char *id, uint64_t version)
{
    struct store_record record;
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_int_equal(store_get(f->store, fixture_collection(f, collection), slice_text(id), &record),
                     ERROR_NONE);
    assert_int_equal(record.version, version);
    store_end(f->store);
    return record.reinserted;
}

static size_t remembered(struct fixture *f)
{
    MDB_stat status;
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_int_equal(mdb_stat(f->store->snapshot, f->store->removed, &status), 0);
    store_end(f->store);
    return status.ms_entries;
}

/** So many changes that have nothing to do with the ids in question. */
static void other_changes(struct fixture *f, int count)
{
    static int number;
    for (int i = 0; i < count; i++) {
        char body[32];
        snprintf(body, sizeof body, "{\"n\":%d}", ++number);
        assert_int_equal(run_one(f, CHANGE_REPLACE, 0, "plain", "other", ANY, body), ERROR_NONE);
    }
}

static void a_new_id_is_new(void **state)
{
    struct fixture *f = *state;
    insert(f, "plain", "a");
    assert_false(is_reinserted(f, "plain", "a", 0));
    removal(f, "plain", "a");
    assert_int_equal(remembered(f), 1);
    insert(f, "plain", "ab");
    insert(f, "plain", "b");
    insert(f, "jobs", "a"); /* the same id of another collection */
    assert_false(is_reinserted(f, "plain", "ab", 0));
    assert_false(is_reinserted(f, "plain", "b", 0));
    assert_false(is_reinserted(f, "jobs", "a", 0));
    assert_int_equal(remembered(f), 1);
}

static void every_way_of_inserting_again_is_told(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum change_operation operation;
        unsigned flags;
    } ways[] = {{CHANGE_INSERT, 0},
                {CHANGE_INSERT, CHANGE_SKIP_SAME},
                {CHANGE_REPLACE, 0},
                {CHANGE_MERGE, CHANGE_UPSERT}};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        char id[8];
        snprintf(id, sizeof id, "w%zu", i);
        insert(f, "viruses", id);
        removal(f, "viruses", id);
        assert_int_equal(
            run_one(f, ways[i].operation, ways[i].flags, "viruses", id, ANY, "{\"abbreviation\":\"x\"}"),
            ERROR_NONE);
        assert_true(is_reinserted(f, "viruses", id, 0));
        assert_int_equal(remembered(f), 0);
    }
}

static void it_is_kept_by_later_versions(void **state)
{
    struct fixture *f = *state;
    insert(f, "viruses", "a");
    removal(f, "viruses", "a");
    insert(f, "viruses", "a");
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "viruses", "a", ANY, "{\"name\":\"m\"}"), ERROR_NONE);
    assert_true(is_reinserted(f, "viruses", "a", 1));
    assert_int_equal(run_one(f, CHANGE_REPLACE, 0, "viruses", "a", ANY, "{\"name\":\"r\"}"), ERROR_NONE);
    assert_true(is_reinserted(f, "viruses", "a", 2));
    assert_int_equal(run_one(f, CHANGE_PATCH, 0, "viruses", "a", ANY,
                             "[{\"op\":\"add\",\"path\":\"/abbreviation\",\"value\":\"p\"}]"),
                     ERROR_NONE);
    assert_true(is_reinserted(f, "viruses", "a", 3));
    f->config->change_log_entries = 1; /* nor is it lost with the log */
    other_changes(f, 5);
    fixture_reopen(f, NULL);
    assert_true(is_reinserted(f, "viruses", "a", 3));
    /* A rebuild makes the record anew. */
    fixture_reopen(f, "\"viruses\": {\"projector\": [\"abbreviation\"]}");
    assert_true(is_reinserted(f, "viruses", "a", 3));
    assert_string_equal(minimal(f, "viruses", "a"), "{\"_id\":\"a\",\"_version\":3,\"abbreviation\":\"p\"}");
}

static void it_is_told_again_and_again(void **state)
{
    struct fixture *f = *state;
    insert(f, "plain", "a");
    for (int i = 0; i < 3; i++) {
        removal(f, "plain", "a");
        assert_int_equal(remembered(f), 1);
        fixture_reopen(f, NULL);
        insert(f, "plain", "a");
        assert_true(is_reinserted(f, "plain", "a", 0));
        assert_int_equal(remembered(f), 0);
    }
}

static void one_set_may_do_both(void **state)
{
    struct fixture *f = *state;
    insert(f, "plain", "a");
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_REMOVE, 0, "plain", "a", ANY, NULL);
    set_add(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{\"n\":2}");
    set_add(f, CHANGE_MERGE, 0, "plain", "a", ANY, "{\"n\":3}");
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_true(is_reinserted(f, "plain", "a", 1));
    assert_int_equal(remembered(f), 0);
}

static void one_transaction_may_do_both(void **state)
{
    struct fixture *f = *state;
    insert(f, "plain", "a");
    assert_int_equal(store_write_begin(f->store), ERROR_NONE);
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_REMOVE, 0, "plain", "a", ANY, NULL);
    assert_int_equal(set_apply(f), ERROR_NONE);
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{\"n\":2}");
    assert_int_equal(set_apply(f), ERROR_NONE);
    assert_int_equal(store_write_commit(f->store), ERROR_NONE);
    assert_true(is_reinserted(f, "plain", "a", 0));
    assert_int_equal(remembered(f), 0);
}

static void what_fails_changes_nothing(void **state)
{
    struct fixture *f = *state;
    insert(f, "plain", "a");
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_REMOVE, 0, "plain", "a", ANY, NULL);
    set_add(f, CHANGE_REMOVE, 0, "plain", "not there", ANY, NULL);
    assert_int_equal(set_run(f), ERROR_NOT_FOUND);
    assert_int_equal(remembered(f), 0);
    removal(f, "plain", "a");
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{}");
    assert_int_equal(store_write_begin(f->store), ERROR_NONE);
    assert_int_equal(set_apply(f), ERROR_NONE);
    store_write_abort(f->store);
    assert_int_equal(remembered(f), 1);
    insert(f, "plain", "a");
    assert_true(is_reinserted(f, "plain", "a", 0));
}

static void removals_are_forgotten_with_the_log(void **state)
{
    struct fixture *f = *state;
    f->config->change_log_entries = 10;
    insert(f, "plain", "a");
    removal(f, "plain", "a");
    other_changes(f, 9);
    assert_int_equal(remembered(f), 1); /* the last moment */
    insert(f, "plain", "b");
    assert_int_equal(remembered(f), 0);
    insert(f, "plain", "a");
    assert_false(is_reinserted(f, "plain", "a", 0));
    for (int i = 0; i < 100; i++) {
        char id[8];
        snprintf(id, sizeof id, "r%d", i);
        insert(f, "plain", id);
        removal(f, "plain", id);
        assert_true(remembered(f) <= 5);
    }
}

static void a_later_removal_outlives_an_earlier_one(void **state)
{
    struct fixture *f = *state;
    f->config->change_log_entries = 10;
    insert(f, "plain", "a");
    removal(f, "plain", "a");
    other_changes(f, 5);
    insert(f, "plain", "a");
    removal(f, "plain", "a");
    other_changes(f, 5); /* the log has lost the first removal, not the second */
    assert_int_equal(remembered(f), 1);
    insert(f, "plain", "a");
    assert_true(is_reinserted(f, "plain", "a", 0));
}

static void collections_that_are_not_declared_are_trimmed(void **state)
{
    struct fixture *f = *state;
    insert(f, "jobs", "a");
    insert(f, "jobs", "b");
    removal(f, "jobs", "a");
    fixture_reopen(f, "\"plain\": {}");
    f->config->change_log_entries = 10;
    other_changes(f, 5);
    assert_int_equal(remembered(f), 1);
    other_changes(f, 6);
    assert_int_equal(remembered(f), 0);
}

static void the_longest_names_fit(void **state)
{
    struct fixture *f = *state;
    char id[STORE_ID_BYTES + 1];
    memset(id, 'i', STORE_ID_BYTES);
    id[STORE_ID_BYTES] = '\0';
    insert(f, "plain", id);
    removal(f, "plain", id);
    insert(f, "plain", id);
    assert_true(is_reinserted(f, "plain", id, 0));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_new_id_is_new),
        TEST(every_way_of_inserting_again_is_told),
        TEST(it_is_kept_by_later_versions),
        TEST(it_is_told_again_and_again),
        TEST(one_set_may_do_both),
        TEST(one_transaction_may_do_both),
        TEST(what_fails_changes_nothing),
        TEST(removals_are_forgotten_with_the_log),
        TEST(a_later_removal_outlives_an_earlier_one),
        TEST(collections_that_are_not_declared_are_trimmed),
        TEST(the_longest_names_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
