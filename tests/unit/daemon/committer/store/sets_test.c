#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/memory.h"
#include "shared/store/store_once.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

static void a_set_that_fails_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "there", ANY, Q("{'name':'taken'}")),
                     ERROR_NONE);
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "viruses", "before", ANY, Q("{'name':'n'}"));
    assert_int_equal(set_apply(f), ERROR_NONE);
    assert_int_equal(f->result.seq, 2);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "viruses", "x", ANY, Q("{'name':'x','abbreviation':'q'}"));
    set_add(f, CHANGE_REMOVE, 0, "viruses", "there", ANY, NULL);
    set_add(f, CHANGE_MERGE, 0, "viruses", "before", ANY, Q("{'y':1}"));
    set_add(f, CHANGE_INSERT, 0, "viruses", "z", ANY, Q("{'name':'n'}"));
    assert_int_equal(set_apply(f), ERROR_EXISTS);
    assert_int_equal(f->result.at_fault, 4);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "viruses", "after", ANY, Q("{'name':'x'}"));
    assert_int_equal(set_apply(f), ERROR_NONE);
    assert_int_equal(f->result.seq, 3);
    assert_int_equal(store_write_commit(f->writer), ERROR_NONE);
    size_t count;
    const struct applied_change *changes = store_write_changes(f->writer, &count);
    assert_int_equal(count, 2);
    assert_true(slice_equal(changes[1].id, SLICE("after")));
    assert_null(document(f, "viruses", "x"));
    assert_non_null(document(f, "viruses", "there"));
    assert_string_equal(document(f, "viruses", "before"), Q("{'_id':'before','_version':0,'name':'n'}"));
    check_indexes(f);
}

static void a_set_sees_its_own_operations(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "a", ANY, Q("{'name':'A'}")), ERROR_NONE);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_MERGE, 0, "viruses", "a", 0, Q("{'name':'B'}"));
    set_add(f, CHANGE_INSERT, 0, "viruses", "b", ANY, Q("{'name':'A'}")); /* free by now */
    set_add(f, CHANGE_REMOVE, 0, "viruses", "a", 1, NULL);
    set_add(f, CHANGE_INSERT, 0, "viruses", "a", ANY, Q("{'name':['B','C']}"));
    set_add(f, CHANGE_MERGE, 0, "viruses", "a", 2, Q("{'name':'C','tags':[1,2]}"));
    set_add(f, CHANGE_PATCH, 0, "viruses", "a", 3, Q("[{'op':'remove','path':'/tags/0'}]"));
    set_add(f, CHANGE_ASSERT, 0, "viruses", "a", 4, NULL);
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_int_equal(f->result.seq, 7);
    assert_string_equal(document(f, "viruses", "a"), Q("{'_id':'a','_version':4,'name':'C','tags':[2]}"));
    check_indexes(f);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "viruses", "c", ANY, Q("{'name':'D'}"));
    set_add(f, CHANGE_INSERT, 0, "viruses", "d", ANY, Q("{'name':['D']}"));
    assert_int_equal(set_run(f), ERROR_EXISTS);
    assert_int_equal(f->result.at_fault, 2);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "viruses", "c", ANY, "{}");
    set_add(f, CHANGE_INSERT, 0, "viruses", "c", ANY, "{}");
    assert_int_equal(set_run(f), ERROR_EXISTS);
    check_indexes(f);
}

static void swaps_of_unique_values_work(void **state)
{
    struct fixture *f = *state;
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "viruses", "a", ANY, Q("{'name':'A'}"));
    set_add(f, CHANGE_INSERT, 0, "viruses", "b", ANY, Q("{'name':'B'}"));
    assert_int_equal(set_run(f), ERROR_NONE);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_MERGE, 0, "viruses", "a", ANY, Q("{'name':null}"));
    set_add(f, CHANGE_MERGE, 0, "viruses", "b", ANY, Q("{'name':'A'}"));
    set_add(f, CHANGE_MERGE, 0, "viruses", "a", ANY, Q("{'name':'B'}"));
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "c", ANY, Q("{'name':'A'}")), ERROR_EXISTS);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "viruses", "c", ANY, Q("{'name':'B'}")), ERROR_EXISTS);
    check_indexes(f);
}

static void who_is_at_fault_is_counted_among_the_changes(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "users", "ann", ANY, "{}"), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "there", ANY, "{}"), ERROR_NONE);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_ONCE, 0, "m", "k", 5000, "u");
    change_actor_add(&f->set, &(struct change_actor){.user = SLICE("ann")});
    set_add(f, CHANGE_ASSERT, 0, "plain", "there", 0, NULL);
    set_add(f, CHANGE_REMOVE, CHANGE_SKIP_MISSING, "plain", "none", ANY, NULL);
    set_add(f, CHANGE_MERGE, 0, "plain", "there", ANY, "{}");
    set_add(f, CHANGE_ASSERT, 0, "plain", "there", 0, NULL);
    size_t length = f->set.length;
    set_add(f, CHANGE_INSERT, 0, "plain", "there", ANY, "{}");
    assert_int_equal(set_run(f), ERROR_EXISTS);
    assert_int_equal(f->result.at_fault, 3);
    /* What a set rests on is none of its changes. */
    f->set.length = length;
    set_add(f, CHANGE_ASSERT, 0, "plain", "there", 1, NULL);
    assert_int_equal(set_run(f), ERROR_CONFLICT);
    assert_int_equal(f->result.at_fault, 0);
}

static void large_sets_work(void **state)
{
    struct fixture *f = *state;
    enum { DOCUMENTS = 5000 };
    set_begin(f, ANSWER_IMPORT);
    for (int i = 0; i < DOCUMENTS; i++) {
        char id[16], body[64];
        snprintf(id, sizeof id, "v%d", i);
        quoted_print(body, sizeof body, "{'name':'n%d','abbreviation':%d}", i, i % 7);
        set_add(f, CHANGE_REPLACE, 0, "viruses", id, ANY, body);
    }
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_answer(f, Q("{'inserted':5000,'replaced':0,'skipped':0}"));
    set_add(f, CHANGE_INSERT, 0, "viruses", "v77", ANY, "{}");
    assert_int_equal(set_run(f), ERROR_EXISTS);
    assert_int_equal(f->result.at_fault, DOCUMENTS + 1);
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_int_equal(stored_count(f->store, fixture_collection(f, "viruses")), DOCUMENTS);
    store_end(f->store);
    check_indexes(f);
}

static void an_aborted_transaction_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    set_begin(f, ANSWER_LIST);
    set_add(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{}");
    assert_int_equal(set_apply(f), ERROR_NONE);
    assert_int_equal(store_write_results(f->writer, 3, SLICE("never")), ERROR_NONE);
    store_write_abort(f->writer);
    struct buffer results = {0};
    store_write_read_results(f->writer, 3, &results);
    assert_int_equal(results.length, 0);
    assert_null(document(f, "plain", "a"));
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_int_equal(f->result.seq, 1);
    buffer_free(&results);
}

static void results_are_kept_with_the_transaction(void **state)
{
    struct fixture *f = *state;
    struct buffer results = {0};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
        assert_int_equal(store_write_results(f->writer, 1, i ? SLICE("second") : SLICE("first")), ERROR_NONE);
        assert_int_equal(store_write_results(f->writer, 12, SLICE("other")), ERROR_NONE);
        assert_int_equal(store_write_commit(f->writer), ERROR_NONE);
    }
    fixture_reopen(f, NULL);
    store_write_read_results(f->writer, 1, &results);
    store_write_read_results(f->writer, 12, &results);
    assert_true(slice_equal(buffer_slice(&results), SLICE("secondother")));
    buffer_free(&results);
}

/* ---- the change log ---- */

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

/* ---- once ---- */

static void once_remembers_the_answer(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 2; round++) {
        set_begin(f, ANSWER_ID_VERSION);
        set_add(f, CHANGE_INSERT, 0, "plain", round ? "other" : "a", ANY, "{}");
        set_add(f, CHANGE_ONCE, 0, "plain.insert", "key", 5000, "ann");
        assert_int_equal(set_run(f), ERROR_NONE);
        assert_answer(f, Q("{'_id':'a','_version':0}"));
        assert_int_equal(f->result.seq, 1);
        fixture_reopen(f, NULL);
    }
    assert_null(document(f, "plain", "other"));
    /* Another user, method or key: another call. */
    static const char *const others[][3] = {
        {"bob", "plain.insert", "key"}, {"ann", "plain.update", "key"}, {"ann", "plain.insert", "ke"}};
    for (size_t i = 0; i < 3; i++) {
        char id[8];
        snprintf(id, sizeof id, "n%zu", i);
        set_begin(f, ANSWER_ID_VERSION);
        set_add(f, CHANGE_ONCE, 0, others[i][1], others[i][2], 5000, others[i][0]);
        set_add(f, CHANGE_INSERT, 0, "plain", id, ANY, "{}");
        assert_int_equal(set_run(f), ERROR_NONE);
        assert_non_null(document(f, "plain", id));
    }
    struct slice answer;
    uint64_t seq;
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_true(
        store_once_get(f->store, SLICE("ann"), SLICE("plain.insert"), SLICE("key"), 4999, &answer, &seq));
    assert_true(slice_equal(answer, slice_text(Q("{'_id':'a','_version':0}"))));
    assert_int_equal(seq, 1);
    assert_false(
        store_once_get(f->store, SLICE("ann"), SLICE("plain.insert"), SLICE("key"), 5000, &answer, &seq));
    assert_false(
        store_once_get(f->store, SLICE("ann"), SLICE("plain.insertk"), SLICE("ey"), 1, &answer, &seq));
    store_end(f->store);
}

static void once_is_seen_by_later_sets_of_the_transaction(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    set_begin(f, ANSWER_ID_VERSION);
    set_add(f, CHANGE_ONCE, 0, "m", "k", 5000, "u");
    set_add(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{}");
    assert_int_equal(set_apply(f), ERROR_NONE);
    assert_int_equal(set_apply(f), ERROR_NONE);
    assert_int_equal(f->result.seq, 1);
    assert_int_equal(store_write_commit(f->writer), ERROR_NONE);
    /* A set that fails is not remembered. */
    set_begin(f, ANSWER_ID_VERSION);
    set_add(f, CHANGE_ONCE, 0, "m", "k2", 5000, "u");
    set_add(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{}");
    assert_int_equal(set_run(f), ERROR_EXISTS);
    assert_int_equal(f->result.at_fault, 1);
    assert_int_equal(run_one(f, CHANGE_REMOVE, 0, "plain", "a", ANY, NULL), ERROR_NONE);
    set_begin(f, ANSWER_ID_VERSION);
    set_add(f, CHANGE_ONCE, 0, "m", "k2", 5000, "u");
    set_add(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{}");
    assert_int_equal(set_run(f), ERROR_NONE);
}

static void expired_answers_go(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        set_begin(f, ANSWER_LITERAL);
        set_add(f, CHANGE_ONCE, 0, "m", key, i < 100 ? 2000 : 9000, "u");
        assert_int_equal(set_run(f), ERROR_NONE);
    }
    /* Time passes: the next transactions remove what has expired, and the key can be used again. */
    for (int i = 0; i < 3; i++) {
        set_begin(f, ANSWER_LITERAL);
        set_add(f, CHANGE_ONCE, 0, "m", "k99", 9500, "u");
        assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
        assert_int_equal(change_set_apply(f->writer, buffer_slice(&f->set), 3000, &f->result), ERROR_NONE);
        assert_int_equal(store_write_commit(f->writer), ERROR_NONE);
    }
    struct slice answer;
    uint64_t seq;
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    for (int i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        bool there = store_once_get(f->store, SLICE("u"), SLICE("m"), slice_text(key), 1, &answer, &seq);
        assert_int_equal(there, i >= 99);
    }
    store_end(f->store);
}

/* ---- snapshots ---- */

static void a_snapshot_stays_as_it_was(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "a", ANY, Q("{'n':1}")), ERROR_NONE);
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    struct store_record old, now;
    unsigned plain = fixture_collection(f, "plain");
    assert_int_equal(store_get(f->store, plain, SLICE("a"), &old), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'n':2}")), ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "b", ANY, "{}"), ERROR_NONE);
    assert_int_equal(store_get(f->store, plain, SLICE("a"), &now), ERROR_NONE);
    assert_true(slice_equal(now.full, slice_text(Q("{'_id':'a','_version':0,'n':1}"))));
    assert_true(slice_equal(old.full, now.full));
    assert_int_equal(store_get(f->store, plain, SLICE("b"), &now), ERROR_NOT_FOUND);
    assert_int_equal(store_seq(f->store), 1);
    store_end(f->store);
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_int_equal(store_seq(f->store), 3);
    assert_int_equal(store_get(f->store, plain, SLICE("b"), &now), ERROR_NONE);
    assert_int_equal(now.seq, 3);
    store_end(f->store);
}

/** A reader in a process of its own: says what it sees each time it is asked. */
static int reader(const struct fixture *f, int ask, int tell)
{
    char message[STORE_MESSAGE], byte;
    struct store *store = store_open(f->config, message);
    if (!store)
        return 1;
    while (read(ask, &byte, 1) == 1) {
        uint64_t seen[2] = {0};
        if (byte == 'b' && store_begin(store))
            return 2;
        seen[0] = store_seq(store);
        seen[1] = stored_count(store, fixture_collection(f, "plain"));
        if (byte == 'e')
            store_end(store);
        if (write(tell, seen, sizeof seen) != sizeof seen)
            return 3;
    }
    store_close(&store);
    return 0;
}

static void expect(int ask, int tell, char what, uint64_t seq, uint64_t count)
{
    uint64_t seen[2];
    assert_int_equal(write(ask, &what, 1), 1);
    assert_int_equal(read(tell, seen, sizeof seen), sizeof seen);
    assert_int_equal(seen[0], seq);
    assert_int_equal(seen[1], count);
}

static void readers_in_other_processes_have_their_own(void **state)
{
    struct fixture *f = *state;
    /* Forked before this process has the store open: an environment does not survive a fork. */
    store_write_close(&f->writer);
    fixture_reopen(f, NULL);
    store_write_close(&f->writer);
    int ask[2][2], tell[2][2];
    pid_t pids[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe(ask[i]), 0);
        assert_int_equal(pipe(tell[i]), 0);
        pids[i] = fork();
        if (pids[i] == 0) {
            close(ask[i][1]);
            if (i)
                close(ask[0][1]);
            _exit(reader(f, ask[i][0], tell[i][1]));
        }
        close(ask[i][0]);
        close(tell[i][1]);
    }
    fixture_reopen(f, NULL);
    expect(ask[0][1], tell[0][0], 'b', 0, 0);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "a", ANY, "{}"), ERROR_NONE);
    expect(ask[1][1], tell[1][0], 'b', 1, 1);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "b", ANY, "{}"), ERROR_NONE);
    expect(ask[0][1], tell[0][0], 'e', 0, 0);
    expect(ask[1][1], tell[1][0], 'e', 1, 1);
    expect(ask[0][1], tell[0][0], 'b', 2, 2);
    expect(ask[0][1], tell[0][0], 'e', 2, 2);
    for (int i = 0; i < 2; i++) {
        int status;
        close(ask[i][1]);
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        close(tell[i][0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(a_set_that_fails_leaves_nothing),
        with_store(a_set_sees_its_own_operations),
        with_store(swaps_of_unique_values_work),
        with_store(who_is_at_fault_is_counted_among_the_changes),
        with_store(large_sets_work),
        with_store(an_aborted_transaction_leaves_nothing),
        with_store(results_are_kept_with_the_transaction),
        with_store(the_log_tells_every_change),
        with_store(the_log_keeps_the_newest),
        with_store(entries_say_what_was_before),
        with_store(once_remembers_the_answer),
        with_store(once_is_seen_by_later_sets_of_the_transaction),
        with_store(expired_answers_go),
        with_store(a_snapshot_stays_as_it_was),
        with_store(readers_in_other_processes_have_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
