/* The committer as a process: sets in, results out, records in the ring. */
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
#include "tests/unit/quoted.h"

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
    assert_int_equal(fixture_row(fixture)->sets, 1);
    assert_int_equal(fixture_row(fixture)->seq, result.seq);
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
    uint64_t before = fixture_row(fixture)->commits;
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
    assert_int_equal(fixture_row(fixture)->sets, 200);
    assert_true(fixture_row(fixture)->commits - before <= 2);
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
    assert_int_equal(fixture_row(fixture)->refused, 1);
}

static void refusals_cost_no_commit(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture, NULL);
    (void)fixture_join(fixture, 0, 7);
    (void)fixture_do(fixture, 0, CHANGE_INSERT, "notes", "a", Q("{'_id':'a'}"));
    uint64_t before = fixture_row(fixture)->commits;
    (void)fixture_send_one(fixture, 0, CHANGE_INSERT, "notes", "a", Q("{'_id':'a'}"));
    assert_int_equal(fixture_result(fixture, 0).code, ERROR_EXISTS);
    assert_int_equal(fixture_row(fixture)->commits, before);
    struct seen_record record;
    assert_true(fixture_ring_next(fixture, &record));
    assert_false(fixture_ring_next(fixture, &record));
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
    uint64_t taken = fixture_row(fixture)->sets;
    assert_true(taken < SETS);
    (void)fixture_do(fixture, 1, CHANGE_INSERT, "notes", "other", Q("{'_id':'other'}")); /* others go on */
    assert_int_equal(fixture_row(fixture)->sets, taken + 1);
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
        CASE(a_worker_that_does_not_read_its_results_is_not_served),
        CASE(a_malformed_link_ends_alone),
        CASE(at_the_stop_what_was_given_is_applied),
        CASE(it_ends_when_the_master_does),
        CASE(a_store_that_cannot_be_opened_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
