/* A committer whose store is full or damaged. */
#include <lmdb.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "committer_fixture.h"
#include "tests/unit/quoted.h"

static void a_full_store_refuses_and_goes_on(void **state)
{
    struct fixture *fixture = *state;
    fixture->config->map_bytes = 4 << 20;
    fixture_start(fixture, NULL);
    (void)fixture_join(fixture, 0, 7);
    struct buffer body = {0};
    struct buffer huge = {0};
    quoted_append(&huge, "{'_id':'huge','x':'%0900000d'}", 1);
    buffer_append_byte(&huge, '\0');
    unsigned stored = 0;
    struct seen_result result = {0};
    while (result.code == ERROR_NONE) {
        char id[16];
        snprintf(id, sizeof id, "d%u", stored);
        buffer_clear(&body);
        quoted_append(&body, "{'_id':'%s','x':'%0200000d'}", id, 1);
        buffer_append_byte(&body, '\0');
        (void)fixture_send_one(fixture, 0, CHANGE_INSERT, "notes", id, body.data);
        result = fixture_result(fixture, 0);
        stored += result.code == ERROR_NONE;
        assert_true(stored < 40);
    }
    assert_int_equal(result.code, ERROR_STORE_FULL);
    assert_true(stored > 2);
    assert_int_equal(fixture_row(fixture)->store_full, 1);
    /* Set by set, whatever happens to each, the answer is the truth. */
    enum { MIXED = 5 };
    bool there[MIXED];
    fixture_pause(fixture);
    for (unsigned i = 0; i < MIXED; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%u", i);
        body.data[200 * (i + 1) * (i + 1)] = '\0'; /* 200 bytes to 5000 */
        memcpy(body.data + 200 * (i + 1) * (i + 1) - 2, Q("'}"), 2);
        (void)fixture_send_one(fixture, 0, CHANGE_REPLACE, "notes", id, body.data);
        memcpy(body.data + 200 * (i + 1) * (i + 1) - 2, "000", 3);
    }
    fixture_resume(fixture);
    for (unsigned i = 0; i < MIXED; i++)
        there[i] = fixture_result(fixture, 0).code == ERROR_NONE;
    for (unsigned i = 0; i < MIXED; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%u", i);
        assert_int_equal(fixture_has(fixture, "notes", id), there[i]);
        stored += there[i];
    }
    /* What makes room passes. */
    (void)fixture_send_one(fixture, 0, CHANGE_REMOVE, "notes", "d0", NULL);
    (void)fixture_send_one(fixture, 0, CHANGE_INSERT, "notes", "huge", huge.data);
    (void)fixture_send_one(fixture, 0, CHANGE_REMOVE, "notes", "d1", NULL);
    assert_int_equal(fixture_result(fixture, 0).code, ERROR_NONE);
    assert_int_equal(fixture_result(fixture, 0).code, ERROR_STORE_FULL);
    assert_int_equal(fixture_result(fixture, 0).code, ERROR_NONE);
    assert_false(fixture_has(fixture, "notes", "d0"));
    assert_true(fixture_has(fixture, "notes", "d2"));
    (void)fixture_do(fixture, 0, CHANGE_INSERT, "notes", "small", Q("{'_id':'small'}"));
    assert_int_equal(fixture_row(fixture)->store_full, 0);
    assert_int_equal(ring_last_seq(fixture->inheritance.ring), fixture_row(fixture)->seq);
    assert_int_equal(fixture_row(fixture)->changes, stored + 3);
    buffer_free(&huge);
    buffer_free(&body);
}

/* Gives the committer a document of @bytes. */
static void send_document(struct fixture *fixture, const char *id, unsigned bytes)
{
    struct buffer body = {0};
    quoted_append(&body, "{'_id':'%s','x':'%0*d'}", id, (int)bytes, 1);
    buffer_append_byte(&body, '\0');
    (void)fixture_send_one(fixture, 0, CHANGE_INSERT, "notes", id, body.data);
    buffer_free(&body);
}

/* Inserts documents of @bytes, "@kind0" and on, until the store is full; returns how many there are. */
static unsigned fill_store(struct fixture *fixture, char kind, unsigned bytes)
{
    for (unsigned count = 0;; count++) {
        char id[16];
        snprintf(id, sizeof id, "%c%u", kind, count);
        send_document(fixture, id, bytes);
        struct seen_result result = fixture_result(fixture, 0);
        if (result.code == ERROR_STORE_FULL)
            return count;
        assert_int_equal(result.code, ERROR_NONE);
        assert_true(count < 1000);
    }
}

/* What there is no room for does not break up the batch that it is in. */
static void in_a_full_store_a_batch_is_one_commit(void **state)
{
    struct fixture *fixture = *state;
    fixture->config->map_bytes = 4 << 20;
    fixture_start(fixture, NULL);
    (void)fixture_join(fixture, 0, 7);
    unsigned large = fill_store(fixture, 'l', 200000);
    (void)fill_store(fixture, 's', 20000);
    assert_true(large > 4);
    uint64_t before = fixture_row(fixture)->commits, refused = fixture_row(fixture)->refused;
    fixture_pause(fixture);
    for (unsigned i = 0; i < 3; i++) {
        char id[16];
        snprintf(id, sizeof id, "l%u", i);
        send_document(fixture, "more", 20000);
        (void)fixture_send_one(fixture, 0, CHANGE_REMOVE, "notes", id, NULL);
        (void)fixture_send_one(fixture, 0, CHANGE_INSERT, "sessions", id, Q("{'user':'u'}"));
    }
    fixture_resume(fixture);
    for (unsigned i = 0; i < 3; i++) {
        struct seen_result result = fixture_result(fixture, 0);
        assert_int_equal(result.code, ERROR_STORE_FULL);
        assert_int_equal(result.at_fault, 0);
        assert_int_equal(fixture_result(fixture, 0).code, ERROR_NONE);
        assert_int_equal(fixture_result(fixture, 0).code, ERROR_NONE);
    }
    assert_int_equal(fixture_row(fixture)->commits, before + 1);
    assert_int_equal(fixture_row(fixture)->refused, refused + 3);
    assert_int_equal(fixture_row(fixture)->store_full, 1);
    send_document(fixture, "more", 20000);
    assert_int_equal(fixture_result(fixture, 0).code, ERROR_NONE);
    assert_int_equal(fixture_row(fixture)->store_full, 0);
}

/* A store of 4 MiB with room for some documents of 5000 bytes; its committer is stopped. */
static void fill_but_for_a_little(struct fixture *fixture)
{
    fixture->config->map_bytes = 4 << 20;
    fixture_start(fixture, NULL);
    (void)fixture_join(fixture, 0, 7);
    (void)fill_store(fixture, 'l', 200000);
    (void)fill_store(fixture, 's', 20000);
    (void)fixture_do(fixture, 0, CHANGE_REMOVE, "notes", "l0", NULL);
    fixture_stop(fixture);
}

/* "m0", "m1" and so on. */
static void send_documents(struct fixture *fixture, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%u", i);
        send_document(fixture, id, 5000);
    }
}

static void die_at_the_second(void)
{
    static unsigned commits;
    if (++commits == 2)
        raise(SIGKILL);
}

/* There is not room enough to take them together, but for most of them one after the other; the committer
 * dies in the middle. */
static void a_batch_too_large_for_the_room_is_done_in_parts(void **state)
{
    enum { SETS = 24 };
    struct fixture *fixture = *state;
    fill_but_for_a_little(fixture);

    fixture_start(fixture, die_at_the_second);
    fixture_link(fixture, 0);
    fixture_hello(fixture, 0, 8);
    struct seen_result result;
    bool ended;
    assert_false(fixture_read(fixture, 0, &result, &ended));
    assert_false(ended);
    fixture_pause(fixture);
    send_documents(fixture, SETS);
    fixture_resume(fixture);
    assert_false(fixture_read(fixture, 0, &result, &ended));
    assert_true(ended);
    assert_true(WIFSIGNALED(fixture_wait_end(fixture)));

    fixture_start(fixture, NULL);
    fixture_link(fixture, 0);
    fixture_hello(fixture, 0, 8);
    unsigned told = 0, stored = 0;
    while (fixture_read(fixture, 0, &result, &ended)) {
        assert_int_equal(result.code, ERROR_NONE);
        told++;
    }
    for (unsigned i = 0; i < SETS; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%u", i);
        stored += fixture_has(fixture, "notes", id);
    }
    assert_int_equal(told, stored);
    assert_true(stored > 2 && stored < SETS);
}

/* Puts what is no record into the store, while no committer runs. */
static void damage(struct fixture *fixture, const char *id)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val key = {strlen(id), (void *)(uintptr_t)id}, value = {1, (void *)(uintptr_t) "?"};
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
    assert_int_equal(mdb_env_set_mapsize(env, fixture->config->map_bytes), 0);
    assert_int_equal(mdb_env_open(env, fixture->config->data, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "c/notes", 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

/* What the first transactions of a batch came to stays when a later one comes to nothing. */
static void a_part_that_fails_does_not_take_others_with_it(void **state)
{
    enum { SETS = 24 };
    struct fixture *fixture = *state;
    fill_but_for_a_little(fixture);
    damage(fixture, "bad");
    fixture_start(fixture, NULL);
    (void)fixture_join(fixture, 0, 8);
    uint64_t commits = fixture_row(fixture)->commits;
    fixture_pause(fixture);
    send_documents(fixture, SETS);
    (void)fixture_send_one(fixture, 0, CHANGE_MERGE, "notes", "bad", Q("{'a':1}"));
    fixture_resume(fixture);
    for (unsigned i = 0; i < SETS; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%u", i);
        enum error_code code = fixture_result(fixture, 0).code;
        assert_true(code == ERROR_NONE || code == ERROR_STORE_FULL);
        assert_int_equal(fixture_has(fixture, "notes", id), code == ERROR_NONE);
    }
    assert_int_equal(fixture_result(fixture, 0).code, ERROR_INTERNAL);
    assert_true(fixture_row(fixture)->commits > commits + 1);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_full_store_refuses_and_goes_on),
        CASE(in_a_full_store_a_batch_is_one_commit),
        CASE(a_batch_too_large_for_the_room_is_done_in_parts),
        CASE(a_part_that_fails_does_not_take_others_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
