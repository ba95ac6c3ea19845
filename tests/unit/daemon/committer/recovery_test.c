/* A committer that is killed at the worst moments, and what the one after it makes good. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "committer_fixture.h"
#include "shared/store/change_log.h"
#include "tests/unit/quoted.h"

static void die(void)
{
    raise(SIGKILL);
}

static void what_was_committed_and_not_published_is_made_good(void **state)
{
    struct fixture *fixture = *state;
    struct seen_record record;
    bool ended;
    fixture_start(fixture, die);
    (void)fixture_join(fixture, 0, 7);
    uint64_t id = fixture_send_one(fixture, 0, CHANGE_INSERT, "viruses", "a", Q("{'_id':'a','name':'n'}"));
    struct seen_result result;
    assert_false(fixture_read(fixture, 0, &result, &ended));
    assert_true(ended);
    int status = fixture_wait_end(fixture);
    assert_true(WIFSIGNALED(status));
    assert_false(fixture_ring_next(fixture, &record));

    fixture_start(fixture, NULL);
    assert_true(fixture_ring_next(fixture, &record)); /* workers read it in the change log */
    assert_true(record.fetch && record.update[0] == '\0' && record.id[0] == '\0');
    assert_false(fixture_ring_next(fixture, &record));
    fixture_link(fixture, 0);
    fixture_hello(fixture, 0, 7);
    assert_true(fixture_read(fixture, 0, &result, &ended));
    assert_int_equal(result.id, id);
    assert_int_equal(result.code, ERROR_NONE);
    assert_string_equal(result.text, Q("[{'_id':'a','_version':0}]"));
    assert_int_equal(result.seq, record.seq);
    assert_false(fixture_read(fixture, 0, &result, &ended)); /* the welcome */
    assert_false(ended);
    assert_int_equal(fixture_join(fixture, 0, 8), 0); /* another worker in the same slot has no part in it */
    struct seen_result next = fixture_do(fixture, 0, CHANGE_INSERT, "viruses", "b", Q("{'_id':'b'}"));
    assert_int_equal(next.seq, record.seq + 1);
}

static void the_ring_reaches_the_end_of_the_store_whatever_is_there(void **state)
{
    struct fixture *fixture = *state;
    struct seen_record record;
    struct seen_result result;
    bool ended;
    fixture_start(fixture, die);
    (void)fixture_join(fixture, 0, 7);
    (void)fixture_send_one(fixture, 0, CHANGE_INSERT, "notes", "a", Q("{'_id':'a'}"));
    assert_false(fixture_read(fixture, 0, &result, &ended));
    assert_true(WIFSIGNALED(fixture_wait_end(fixture)));

    assert_string_equal(fixture->config->collections[fixture->config->collection_count - 1].name, "notes");
    fixture->config->collection_count--; /* nobody declares "notes" any more */
    fixture_start(fixture, NULL);
    fixture->config->collection_count++;
    assert_true(fixture_ring_next(fixture, &record));
    assert_int_equal(record.seq, fixture_row(fixture)->seq);
    assert_true(!record.is && !record.was && record.update[0] == '\0' && record.remove[0] == '\0');
    assert_false(fixture_ring_next(fixture, &record));
    (void)fixture_join(fixture, 0, 8);
    result = fixture_do(fixture, 0, CHANGE_INSERT, "viruses", "b", Q("{'_id':'b'}"));
    assert_true(fixture_ring_next(fixture, &record));
    assert_int_equal(record.seq, result.seq);
}

static void what_was_not_published_is_one_record(void **state)
{
    enum { CHANGES = 8 };
    struct fixture *fixture = *state;
    struct seen_record record;
    fixture->config->change_log_entries = 3; /* whether the log has all of it is for the workers to see */
    fixture_start(fixture, die);
    (void)fixture_join(fixture, 0, 7);
    struct buffer set = {0};
    for (unsigned i = 0; i < CHANGES; i++)
        fixture_set(&set, CHANGE_INSERT, "notes", (char[]){(char)('a' + i), 0}, "{}");
    (void)fixture_send(fixture, 0, &set);
    buffer_free(&set);
    assert_true(WIFSIGNALED(fixture_wait_end(fixture)));
    uint64_t start = fixture->cursor.seq;
    fixture_start(fixture, NULL);
    assert_true(fixture_ring_next(fixture, &record));
    assert_true(record.fetch);
    assert_int_equal(record.seq, start + CHANGES);
    assert_false(fixture_ring_next(fixture, &record));
}

static void a_new_ring_starts_at_the_end_of_the_store(void **state)
{
    struct fixture *fixture = *state;
    struct seen_record record;
    fixture_start(fixture, NULL);
    (void)fixture_join(fixture, 0, 7);
    uint64_t seq = fixture_do(fixture, 0, CHANGE_INSERT, "notes", "a", Q("{'_id':'a'}")).seq;
    fixture_stop(fixture);
    ring_close(&fixture->inheritance.ring);
    fixture->inheritance.ring = ring_create(fixture->config->ring_bytes);
    assert_true(ring_wakeup_open(fixture->inheritance.ring, FIXTURE_LINKS));
    fixture_start(fixture, NULL);
    assert_int_equal(ring_last_seq(fixture->inheritance.ring), seq);
    assert_false(fixture_ring_next(fixture, &record));
    assert_int_equal(fixture_row(fixture)->seq, seq);
    (void)fixture_join(fixture, 0, 8);
    assert_int_equal(fixture_do(fixture, 0, CHANGE_INSERT, "notes", "b", Q("{'_id':'b'}")).seq, seq + 1);
}

static void dispatch(bool *dispatched, struct slice id)
{
    unsigned number = (unsigned)strtoul(id.data + 1, NULL, 10);
    assert_false(dispatched[number]);
    dispatched[number] = true;
}

/* A worker that keeps 32 inserts in flight, and a committer that is killed at random moments, 25 times. */
static void killed_at_random_moments_it_loses_nothing(void **state)
{
    enum { ROUNDS = 25, SETS = 4000 };
    struct fixture *fixture = *state;
    static enum { UNSENT, SENT, DONE, REFUSED } sets[SETS + 1];
    memset(sets, 0, sizeof sets);
    srand(20);
    unsigned next = 1;
    unsigned done = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct seen_result result;
        bool ended;
        fixture_start(fixture, NULL);
        fixture_link(fixture, 0);
        fixture_hello(fixture, 0, 7);
        while (fixture_read(fixture, 0, &result, &ended))
            sets[result.id] = DONE;
        for (unsigned i = 1; i < next; i++)
            if (sets[i] == SENT)
                sets[i] = REFUSED;
        unsigned kill_after = (unsigned)rand() % 120;
        for (unsigned answers = 0, flying = 0; answers < kill_after;) {
            for (; flying < 32 && next <= SETS; flying++, next++) {
                char id[16];
                char body[64];
                snprintf(id, sizeof id, "d%u", next);
                quoted_print(body, sizeof body, "{'_id':'d%u'}", next);
                assert_int_equal(fixture_send_one(fixture, 0, CHANGE_INSERT, "notes", id, body), next);
                sets[next] = SENT;
            }
            assert_true(fixture_read(fixture, 0, &result, &ended));
            assert_int_equal(result.code, ERROR_NONE);
            sets[result.id] = DONE;
            answers++;
            flying--;
        }
        for (unsigned spin = (unsigned)rand() % 200000; spin > 0; spin--)
            __asm__ volatile("");
        kill(fixture->pid, SIGKILL);
        (void)fixture_wait_end(fixture);
        while (fixture_read(fixture, 0, &result, &ended)) /* to the end of the link */
            sets[result.id] = DONE;
    }
    struct seen_result result;
    bool ended;
    fixture_start(fixture, NULL);
    fixture_link(fixture, 0);
    fixture_hello(fixture, 0, 7);
    while (fixture_read(fixture, 0, &result, &ended))
        sets[result.id] = DONE;
    fixture_stop(fixture);
    static bool dispatched[SETS + 1];
    memset(dispatched, 0, sizeof dispatched);
    struct seen_record record;
    struct store *store = fixture_store(fixture);
    assert_int_equal(store_begin(store), ERROR_NONE);
    uint64_t seq = 0;
    while (fixture_ring_next(fixture, &record)) {
        struct store_log_entry entry;
        if (!record.fetch) {
            dispatch(dispatched, slice_text(record.id));
            seq = record.seq;
        }
        for (; seq < record.seq; seq = entry.seq) {
            assert_int_equal(store_log_next(store, seq, &entry), STORE_STEP);
            dispatch(dispatched, entry.id);
        }
    }
    unsigned notes = config_collection(fixture->config, SLICE("notes"))->index;
    for (unsigned i = 1; i < next; i++) {
        char id[16];
        struct store_record document;
        snprintf(id, sizeof id, "d%u", i);
        bool there = store_get(store, notes, slice_text(id), &document) == ERROR_NONE;
        assert_int_equal(there, sets[i] == DONE); /* an answer if and only if it was committed */
        assert_int_equal(dispatched[i], there);
        done += there;
    }
    uint64_t count = 0;
    assert_int_equal(store_count(store, notes, &count), ERROR_NONE);
    assert_int_equal(count, done);
    store_end(store);
    store_close(&store);
    assert_true(done > 100);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_was_committed_and_not_published_is_made_good),
        CASE(the_ring_reaches_the_end_of_the_store_whatever_is_there),
        CASE(what_was_not_published_is_one_record),
        CASE(a_new_ring_starts_at_the_end_of_the_store),
        CASE(killed_at_random_moments_it_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
