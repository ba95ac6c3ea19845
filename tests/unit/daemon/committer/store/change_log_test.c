/* What the change log says of each change, and how long it keeps it. */

#include "store_fixture.h"

#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

static void the_log_tells_every_change(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "a", ANY, "{}"), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "viruses", "a", ANY, Q("{'archived':true}")), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_REMOVE, 0, "viruses", "a", ANY, NULL), ERROR_NONE);
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    struct store_log_entry entry;
    uint64_t seq = 0;
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(store_log_next(f->store, seq, &entry), STORE_STEP);
        seq = entry.seq;
        assert_int_equal(entry.seq, i);
        assert_int_equal(entry.collection, fixture_collection(f, "viruses"));
        assert_int_equal(entry.removed, i == 3);
        assert_int_equal(entry.version, i == 1 ? 0 : 1);
        assert_true(slice_equal(entry.id, SLICE("a")));
        assert_int_equal(entry.tag_before.length != 0, i > 1);
        assert_int_equal(entry.tag_after.length != 0, i < 3);
    }
    assert_int_equal(store_log_next(f->store, seq, &entry), STORE_END);
    assert_int_equal(store_seq(f->store), 3);
    store_end(f->store);
    /* A collection that is not declared any more. */
    fixture_reopen(f, "'plain': {}");
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_int_equal(store_log_next(f->store, 0, &entry), STORE_STEP);
    assert_int_equal(entry.collection, UINT32_MAX);
    store_end(f->store);
}

static void the_log_keeps_the_newest(void **state)
{
    struct fixture *f = *state;
    f->config->change_log_entries = 100;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "a", ANY, Q("{'n':0}")), ERROR_NONE);
    for (int i = 1; i < 700; i++) {
        char body[32];
        quoted_print(body, sizeof body, "{'n':%d}", i);
        assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, body), ERROR_NONE);
        if (i % 300 == 0)
            fixture_reopen(f, NULL);
    }
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    uint64_t horizon = store_log_horizon(f->store), seq = horizon, count = 0;
    assert_int_equal(horizon, 600);
    struct store_log_entry entry;
    assert_int_equal(store_log_next(f->store, 0, &entry), STORE_STEP);
    assert_int_equal(entry.seq, horizon + 1);
    while (store_log_next(f->store, seq, &entry) == STORE_STEP) {
        assert_int_equal(entry.seq, seq + 1);
        seq = entry.seq;
        count++;
    }
    assert_int_equal(count, 100);
    assert_int_equal(seq, 700);
    store_end(f->store);
}

/* What was before: the number of the version that is replaced, and of users and groups the document. */
static void entries_say_what_was_before(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{}"), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "groups", "g", ANY, Q("{'p':1}")), ERROR_NONE);
    set_begin(f, ANSWER_IDS);
    set_add(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'x':1}"));
    set_add(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'x':2}"));
    set_add(f, CHANGE_MERGE, 0, "groups", "g", ANY, Q("{'p':2}"));
    set_add(f, CHANGE_REMOVE, 0, "plain", "a", ANY, "");
    assert_int_equal(set_run(f), ERROR_NONE);
    static const uint64_t before[] = {0, 0, 1, 1, 2, 1};
    struct store_log_entry entry;
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    for (uint64_t seq = 0; seq < 6; seq++) {
        assert_int_equal(store_log_next(f->store, seq, &entry), STORE_STEP);
        assert_int_equal(entry.tag_seq_before, before[seq]);
        if (seq == 4)
            assert_true(slice_equal(entry.before, slice_text(Q("{'_id':'g','_version':0,'p':1}"))));
        else
            assert_null(entry.before.data);
    }
    assert_int_equal(store_rights_seq(f->store), 5);
    store_end(f->store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(the_log_tells_every_change),
        with_store(the_log_keeps_the_newest),
        with_store(entries_say_what_was_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
