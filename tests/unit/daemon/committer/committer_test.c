/* The committer as a process: sets in, results out, records in the ring; killed at the worst moments. */
#include <lmdb.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "committer_fixture.h"
#include "shared/store/change_log.h"
#include "tests/unit/quoted.h"

static struct scoreboard_committer *row(struct fixture *fixture)
{
    return &fixture->inheritance.scoreboard->committer;
}

static void a_set_is_committed_published_and_answered(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture, NULL);
    assert_int_equal(fixture_join(fixture, 0, 7), 0);
    struct seen_result result =
        fixture_do(fixture, 0, CHANGE_INSERT, "viruses", "a", Q("{'_id':'a','name':'Potato virus Y','x':1}"));
    assert_string_equal(result.text, Q("[{'_id':'a','_version':0}]"));
    struct seen_record record;
    assert_true(fixture_ring_next(fixture, &record)); /* there before the answer */
    assert_int_equal(record.seq, result.seq);
    assert_string_equal(record.id, "a");
    assert_false(record.was);
    assert_true(record.is);
    assert_non_null(strstr(record.update, Q("'operation':'update','collectionName':'viruses'")));
    assert_non_null(strstr(record.update, Q("'name':'Potato virus Y'")));
    assert_null(strstr(record.update, Q("'x'"))); /* the minimal document */
    assert_string_equal(record.remove, "");
    assert_false(fixture_ring_next(fixture, &record));
    assert_true(fixture_has(fixture, "viruses", "a"));
    assert_int_equal(row(fixture)->sets, 1);
    assert_int_equal(row(fixture)->seq, result.seq);
    fixture_stop(fixture);
}

static void frames_are_for_those_who_may_see(void **state)
{
    struct fixture *fixture = *state;
    struct seen_record record;
    fixture_start(fixture, NULL);
    (void)fixture_join(fixture, 0, 7);
    (void)fixture_do(fixture, 0, CHANGE_INSERT, "viruses", "a", Q("{'_id':'a','archived':true}"));
    assert_true(fixture_ring_next(fixture, &record));
    assert_true(record.is && record.update[0] == '\0' &&
                record.remove[0] == '\0'); /* clients do not hold it */
    (void)fixture_do(fixture, 0, CHANGE_MERGE, "viruses", "a", Q("{'archived':false}"));
    assert_true(fixture_ring_next(fixture, &record));
    assert_true(record.was && record.is && record.update[0] && record.remove[0] == '\0');
    (void)fixture_do(fixture, 0, CHANGE_MERGE, "viruses", "a", Q("{'name':'n'}"));
    assert_true(fixture_ring_next(fixture, &record));
    assert_true(record.update[0] && record.remove[0] == '\0'); /* the same tags: nobody loses it */
    (void)fixture_do(fixture, 0, CHANGE_MERGE, "viruses", "a", Q("{'archived':true}"));
    assert_true(fixture_ring_next(fixture, &record));
    assert_true(record.is && record.update[0] == '\0');
    assert_non_null(strstr(record.remove, Q("'operation':'remove'")));
    assert_non_null(strstr(record.remove, Q("['a']")));
    (void)fixture_do(fixture, 0, CHANGE_REMOVE, "viruses", "a", NULL);
    assert_true(fixture_ring_next(fixture, &record));
    assert_true(!record.is && record.was && record.remove[0] == '\0'); /* gone from the clients before */
    (void)fixture_do(fixture, 0, CHANGE_INSERT, "sessions", "s", Q("{'_id':'s'}"));
    assert_true(fixture_ring_next(fixture, &record));
    assert_true(record.is && record.update[0] == '\0' && record.remove[0] == '\0'); /* internal */
    assert_int_equal(record.collection, COLLECTION_SESSIONS);
}

static void who_may_change_takes_nothing_away(void **state)
{
    struct fixture *fixture = *state;
    struct seen_record record;
    fixture_start(fixture, NULL);
    (void)fixture_join(fixture, 0, 7);
    (void)fixture_do(fixture, 0, CHANGE_INSERT, "samples", "a", Q("{'user':'ann','read':true}"));
    assert_true(fixture_ring_next(fixture, &record));
    (void)fixture_do(fixture, 0, CHANGE_MERGE, "samples", "a", Q("{'write':true}"));
    assert_true(fixture_ring_next(fixture, &record));
    assert_true(record.update[0] && record.remove[0] == '\0');
    (void)fixture_do(fixture, 0, CHANGE_MERGE, "samples", "a", Q("{'read':null}"));
    assert_true(fixture_ring_next(fixture, &record));
    assert_true(record.update[0] && record.remove[0]);
    fixture_stop(fixture);
}

static void what_waits_is_committed_together(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture, NULL);
    (void)fixture_join(fixture, 0, 7);
    (void)fixture_join(fixture, 1, 8);
    uint64_t before = row(fixture)->commits;
    fixture_pause(fixture);
    for (unsigned i = 0; i < 200; i++) {
        char id[16];
        char body[64];
        snprintf(id, sizeof id, "d%u", i);
        quoted_print(body, sizeof body, "{'_id':'d%u'}", i);
        (void)fixture_send_one(fixture, i % 2, CHANGE_INSERT, "notes", id, body);
    }
    fixture_resume(fixture);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(fixture_result(fixture, i % 2).code, ERROR_NONE);
    assert_int_equal(row(fixture)->sets, 200);
    assert_true(row(fixture)->commits - before <= 2);
    struct seen_record record;
    uint64_t seq = 0;
    for (unsigned i = 0; i < 200; i++) {
        assert_true(fixture_ring_next(fixture, &record));
        assert_true(record.seq > seq);
        seq = record.seq;
    }
}

static void a_set_that_fails_leaves_the_others_of_its_batch_alone(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture, NULL);
    (void)fixture_join(fixture, 0, 7);
    fixture_pause(fixture);
    (void)fixture_send_one(fixture, 0, CHANGE_INSERT, "notes", "a", Q("{'_id':'a'}"));
    struct buffer set = {0};
    fixture_set(&set, CHANGE_INSERT, "notes", "b", Q("{'_id':'b'}"));
    fixture_set(&set, CHANGE_INSERT, "notes", "a", Q("{'_id':'a'}"));
    (void)fixture_send(fixture, 0, &set);
    buffer_free(&set);
    (void)fixture_send_one(fixture, 0, CHANGE_INSERT, "notes", "c", Q("{'_id':'c'}"));
    fixture_resume(fixture);
    assert_int_equal(fixture_result(fixture, 0).code, ERROR_NONE);
    struct seen_result refused = fixture_result(fixture, 0);
    assert_int_equal(refused.code, ERROR_EXISTS);
    assert_int_equal(refused.at_fault, 2);
    assert_int_equal(fixture_result(fixture, 0).code, ERROR_NONE);
    assert_true(fixture_has(fixture, "notes", "a"));
    assert_false(fixture_has(fixture, "notes", "b"));
    assert_true(fixture_has(fixture, "notes", "c"));
    assert_int_equal(row(fixture)->refused, 1);
}

static void refusals_cost_no_commit(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture, NULL);
    (void)fixture_join(fixture, 0, 7);
    (void)fixture_do(fixture, 0, CHANGE_INSERT, "notes", "a", Q("{'_id':'a'}"));
    uint64_t before = row(fixture)->commits;
    (void)fixture_send_one(fixture, 0, CHANGE_INSERT, "notes", "a", Q("{'_id':'a'}"));
    assert_int_equal(fixture_result(fixture, 0).code, ERROR_EXISTS);
    assert_int_equal(row(fixture)->commits, before);
    struct seen_record record;
    assert_true(fixture_ring_next(fixture, &record));
    assert_false(fixture_ring_next(fixture, &record));
}

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
    assert_int_equal(record.seq, row(fixture)->seq);
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
    assert_int_equal(row(fixture)->seq, seq);
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
    assert_int_equal(row(fixture)->store_full, 1);
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
    assert_int_equal(row(fixture)->store_full, 0);
    assert_int_equal(ring_last_seq(fixture->inheritance.ring), row(fixture)->seq);
    assert_int_equal(row(fixture)->changes, stored + 3);
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
    uint64_t before = row(fixture)->commits, refused = row(fixture)->refused;
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
    assert_int_equal(row(fixture)->commits, before + 1);
    assert_int_equal(row(fixture)->refused, refused + 3);
    assert_int_equal(row(fixture)->store_full, 1);
    send_document(fixture, "more", 20000);
    assert_int_equal(fixture_result(fixture, 0).code, ERROR_NONE);
    assert_int_equal(row(fixture)->store_full, 0);
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
    uint64_t commits = row(fixture)->commits;
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
    assert_true(row(fixture)->commits > commits + 1);
}

static void a_worker_that_does_not_read_its_results_is_not_served(void **state)
{
    enum { SETS = 400, ANSWER = 16384 };
    struct fixture *fixture = *state;
    fixture_start(fixture, NULL);
    (void)fixture_join(fixture, 0, 7);
    (void)fixture_join(fixture, 1, 8);
    char *literal = malloc(ANSWER);
    memset(literal, '1', ANSWER);
    struct buffer bytes = {0};
    for (unsigned i = 1; i <= SETS; i++) {
        char id[16];
        struct buffer set = {0};
        snprintf(id, sizeof id, "d%u", i);
        change_set_begin(&set, CHANGE_UNBOUNDED, ANSWER_LITERAL, slice_of(literal, ANSWER));
        fixture_set(&set, CHANGE_REPLACE, "notes", id, "{}");
        committer_set_append(&bytes, i, buffer_slice(&set));
        buffer_free(&set);
    }
    /* Nobody reads: sooner or later the committer takes no more, and nothing more fits into the socket. */
    size_t written = 0;
    while (written < bytes.length) {
        struct pollfd polled = {.fd = fixture->links[0], .events = POLLOUT};
        if (poll(&polled, 1, 1000) == 0)
            break;
        ssize_t length = send(fixture->links[0], bytes.data + written, bytes.length - written, MSG_NOSIGNAL);
        assert_true(length > 0);
        written += (size_t)length;
    }
    assert_true(written < bytes.length);
    uint64_t taken = row(fixture)->sets;
    assert_true(taken < SETS);
    (void)fixture_do(fixture, 1, CHANGE_INSERT, "notes", "other", Q("{'_id':'other'}")); /* others go on */
    assert_int_equal(row(fixture)->sets, taken + 1);
    /* Once it reads, everything comes. */
    for (unsigned i = 1; i <= SETS; i++) {
        if (written < bytes.length) {
            ssize_t length =
                send(fixture->links[0], bytes.data + written, bytes.length - written, MSG_NOSIGNAL);
            written += length > 0 ? (size_t)length : 0;
        }
        struct seen_result result = fixture_result(fixture, 0);
        assert_int_equal(result.id, i);
        assert_int_equal(result.code, ERROR_NONE);
    }
    buffer_free(&bytes);
    free(literal);
}

static void a_malformed_link_ends_alone(void **state)
{
    struct fixture *fixture = *state;
    struct seen_result result;
    bool ended;
    fixture_start(fixture, NULL);
    (void)fixture_join(fixture, 0, 7);
    fixture_link(fixture, 1);
    fixture_hello(fixture, 2, 9); /* no such link: nothing is sent */
    assert_int_equal(send(fixture->links[1], "\xff\xff\xff\xff\xff", 5, MSG_NOSIGNAL), 5);
    assert_false(fixture_read(fixture, 1, &result, &ended));
    assert_true(ended);
    fixture_link(fixture, 1);
    (void)fixture_send_one(fixture, 1, CHANGE_INSERT, "notes", "x", Q("{'_id':'x'}")); /* no greeting */
    assert_false(fixture_read(fixture, 1, &result, &ended));
    assert_true(ended);
    (void)fixture_join(fixture, 1, 8);
    struct buffer garbage = {0};
    buffer_append_text(&garbage, "\x02garbage");
    (void)fixture_send(fixture, 1, &garbage); /* a message that is whole, a set that is not */
    assert_int_not_equal(fixture_result(fixture, 1).code, ERROR_NONE);
    buffer_free(&garbage);
    assert_false(fixture_has(fixture, "notes", "x"));
    (void)fixture_do(fixture, 0, CHANGE_INSERT, "notes", "y", Q("{'_id':'y'}"));
}

static void at_the_stop_what_was_given_is_applied(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture, NULL);
    (void)fixture_join(fixture, 0, 7);
    fixture_pause(fixture);
    (void)fixture_send_one(fixture, 0, CHANGE_INSERT, "notes", "last", Q("{'_id':'last'}"));
    assert_int_equal(shutdown(fixture->links[0], SHUT_WR), 0);
    fixture_resume(fixture);
    fixture_stop(fixture);
    assert_true(fixture_has(fixture, "notes", "last"));
}

static void it_ends_when_the_master_does(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture, NULL);
    (void)fixture_join(fixture, 0, 7);
    close(fixture->orders);
    fixture->orders = -1;
    (void)fixture_do(fixture, 0, CHANGE_INSERT, "notes", "late",
                     Q("{'_id':'late'}")); /* the worker is not done */
    close(fixture->links[0]);
    fixture->links[0] = -1;
    int status = fixture_wait_end(fixture);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_store_that_cannot_be_opened_is_one_line(void **state)
{
    struct fixture *fixture = *state;
    free(fixture->config->data);
    fixture->config->data = strdup("/proc/dispatchd"); /* nobody can make it */
    const char *words = fixture_start_failing(fixture);
    assert_true(strlen(words) > 10);
    assert_null(strchr(words, '\n'));
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_set_is_committed_published_and_answered),
        CASE(frames_are_for_those_who_may_see),
        CASE(who_may_change_takes_nothing_away),
        CASE(what_waits_is_committed_together),
        CASE(a_set_that_fails_leaves_the_others_of_its_batch_alone),
        CASE(refusals_cost_no_commit),
        CASE(what_was_committed_and_not_published_is_made_good),
        CASE(the_ring_reaches_the_end_of_the_store_whatever_is_there),
        CASE(what_was_not_published_is_one_record),
        CASE(a_new_ring_starts_at_the_end_of_the_store),
        CASE(killed_at_random_moments_it_loses_nothing),
        CASE(a_full_store_refuses_and_goes_on),
        CASE(in_a_full_store_a_batch_is_one_commit),
        CASE(a_batch_too_large_for_the_room_is_done_in_parts),
        CASE(a_part_that_fails_does_not_take_others_with_it),
        CASE(a_worker_that_does_not_read_its_results_is_not_served),
        CASE(a_malformed_link_ends_alone),
        CASE(at_the_stop_what_was_given_is_applied),
        CASE(it_ends_when_the_master_does),
        CASE(a_store_that_cannot_be_opened_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
