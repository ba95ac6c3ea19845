/* What readers see while the store is written. */

#include "store_fixture.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

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
        with_store(a_snapshot_stays_as_it_was),
        with_store(readers_in_other_processes_have_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
