/* The worker's end of the committer's stream, with the test as the committer. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "worker/base/committer_link.h"

enum { SLOT = 3, INCARNATION = 77, SETS = 8 };

struct fixture {
    struct config config;
    struct worker worker;
    struct committer_link *link;
    int committer; /* our end */
    struct buffer received;
    enum error_code codes[SETS];
    unsigned answered[SETS];
    uint64_t seqs[SETS];
};

/* There is no ring here. */
static bool may_read(struct worker *worker)
{
    (void)worker;
    return true;
}

static struct fixture *fixture;
static unsigned skipped_s; /* the clock is ahead by these */

int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);

int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
    int rc = __real_clock_gettime(id, now);
    now->tv_sec += skipped_s;
    return rc;
}

static void done(void *argument, const struct committer_result *result)
{
    size_t i = (size_t)(uintptr_t)argument;
    fixture->answered[i]++;
    fixture->codes[i] = result->code;
    fixture->seqs[i] = result->seq;
}

static void spin(void)
{
    for (int i = 0; i < 4; i++)
        event_base_loop(fixture->worker.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void connect_link(void)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    fixture->committer = ends[0];
    buffer_clear(&fixture->received);
    committer_link_connect(fixture->link, ends[1]);
}

static void submit(size_t i, const char *set)
{
    enum error_code code = ERROR_NONE;
    assert_true(committer_link_submit(fixture->link, slice_text(set), done, (void *)(uintptr_t)i, &code));
}

/* The next message that the worker has sent. */
static enum committer_message_type receive(struct slice *body)
{
    for (;;) {
        struct slice bytes = buffer_slice(&fixture->received);
        enum committer_message_type type;
        static char kept[4096];
        if (committer_message_take(&bytes, &type, body) == 1) {
            assert_true(body->length <= sizeof kept);
            memcpy(kept, body->data, body->length);
            body->data = kept;
            buffer_consume(&fixture->received, fixture->received.length - bytes.length);
            return type;
        }
        char *place = buffer_reserve(&fixture->received, 4096);
        ssize_t got = recv(fixture->committer, place, 4096, MSG_DONTWAIT);
        assert_true(got > 0);
        fixture->received.length += (size_t)got;
    }
}

static void say(const struct buffer *bytes)
{
    assert_int_equal(send(fixture->committer, bytes->data, bytes->length, MSG_NOSIGNAL), bytes->length);
}

static void say_welcome(void)
{
    struct buffer out = {0};
    committer_welcome_append(&out);
    say(&out);
    buffer_free(&out);
}

static void say_result(uint64_t id, enum error_code code, uint64_t seq)
{
    struct buffer out = {0};
    struct committer_result result = {.id = id, .code = code, .seq = seq, .text = SLICE("null")};
    committer_result_append(&out, &result);
    say(&out);
    buffer_free(&out);
}

static void greet(void)
{
    struct slice body;
    uint32_t slot;
    uint64_t incarnation;
    assert_int_equal(receive(&body), COMMITTER_HELLO);
    assert_true(committer_hello_read(body, &slot, &incarnation));
    assert_int_equal(slot, SLOT);
    assert_int_equal(incarnation, INCARNATION);
    say_welcome();
    spin();
}

static uint64_t receive_set(const char *expected)
{
    struct slice body, set;
    uint64_t id;
    assert_int_equal(receive(&body), COMMITTER_SET);
    assert_true(committer_set_read(body, &id, &set));
    assert_true(slice_equal(set, slice_text(expected)));
    return id;
}

static void results_reach_their_callers_in_order(void **state)
{
    (void)state;
    connect_link();
    greet();
    submit(0, "a");
    submit(1, "b");
    committer_link_flush(fixture->link);
    uint64_t a = receive_set("a"), b = receive_set("b");
    say_result(a, ERROR_NONE, 10);
    say_result(b, ERROR_EXISTS, 0);
    spin();
    assert_int_equal(fixture->answered[0], 1);
    assert_int_equal(fixture->seqs[0], 10);
    assert_int_equal(fixture->codes[1], ERROR_EXISTS);
    assert_int_equal(committer_link_waiting(fixture->link), 0);
}

static void sets_wait_for_a_committer(void **state)
{
    (void)state;
    submit(0, "early");
    committer_link_flush(fixture->link);
    connect_link();
    submit(1, "second");
    greet();
    uint64_t first = receive_set("early");
    receive_set("second");
    say_result(first, ERROR_NONE, 1);
    spin();
    assert_int_equal(fixture->answered[0], 1);
    assert_int_equal(fixture->answered[1], 0);
}

/* Results in the dead committer's stream count; of the rest the new one says which were committed; what was
 * never given to the dead one is given to the new one. */
static void committer_dies_between_two_steps(void **state)
{
    (void)state;
    connect_link();
    greet();
    for (size_t i = 0; i < 4; i++)
        submit(i, "set");
    committer_link_flush(fixture->link);
    uint64_t ids[4];
    for (size_t i = 0; i < 4; i++)
        ids[i] = receive_set("set");
    say_result(ids[0], ERROR_NONE, 1);
    close(fixture->committer);
    spin();
    assert_int_equal(fixture->answered[0], 1);
    assert_int_equal(fixture->answered[1], 0); /* not known yet */
    submit(4, "later");
    connect_link();
    struct slice body;
    assert_int_equal(receive(&body), COMMITTER_HELLO);
    say_result(ids[2], ERROR_NONE, 3);
    say_welcome();
    spin();
    assert_int_equal(fixture->codes[1], ERROR_UNAVAILABLE);
    assert_int_equal(fixture->codes[2], ERROR_NONE);
    assert_int_equal(fixture->seqs[2], 3);
    assert_int_equal(fixture->codes[3], ERROR_UNAVAILABLE);
    assert_int_equal(fixture->answered[4], 0);
    say_result(receive_set("later"), ERROR_NONE, 4);
    spin();
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(fixture->answered[i], 1);
}

/* What was given and not answered may be stored; what was not given is not. */
static void nobody_knows_of_a_set_that_was_given_to_a_lost_committer(void **state)
{
    (void)state;
    enum error_code code = ERROR_NONE;
    connect_link();
    greet();
    submit(0, "given");
    submit(1, "given too");
    committer_link_flush(fixture->link);
    uint64_t first = receive_set("given"), second = receive_set("given too");
    say_result(first, ERROR_NONE, 1);
    close(fixture->committer);
    spin();
    submit(2, "kept");
    skipped_s += 9;
    committer_link_tick(fixture->link);
    assert_int_equal(committer_link_waiting(fixture->link), 2);
    skipped_s += 2;
    committer_link_tick(fixture->link);
    assert_int_equal(committer_link_waiting(fixture->link), 0);
    assert_int_equal(fixture->codes[0], ERROR_NONE);
    assert_int_equal(fixture->codes[1], ERROR_TIMEOUT);
    assert_int_equal(fixture->codes[2], ERROR_UNAVAILABLE);
    assert_false(committer_link_submit(fixture->link, SLICE("late"), done, (void *)3, &code));
    assert_int_equal(code, ERROR_UNAVAILABLE);
    /* Whatever the next committer says of them, they have been answered; what was kept is not sent any
     * more. */
    connect_link();
    struct slice body;
    assert_int_equal(receive(&body), COMMITTER_HELLO);
    say_result(second, ERROR_NONE, 2);
    say_welcome();
    spin();
    submit(4, "new");
    committer_link_flush(fixture->link);
    say_result(receive_set("new"), ERROR_NONE, 3);
    spin();
    assert_int_equal(fixture->answered[4], 1);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(fixture->answered[i], 1);
}

/* One after the other dies before it has said which sets it found: that is no committer either. */
static void committers_that_never_welcome_do_not_count(void **state)
{
    (void)state;
    connect_link();
    greet();
    submit(0, "given");
    committer_link_flush(fixture->link);
    receive_set("given");
    close(fixture->committer);
    spin();
    for (int i = 0; i < 3; i++) {
        skipped_s += 4;
        connect_link();
        if (i < 2) {
            close(fixture->committer);
            spin();
        }
    }
    assert_int_equal(fixture->answered[0], 0);
    committer_link_tick(fixture->link);
    assert_int_equal(fixture->answered[0], 1);
    assert_int_equal(fixture->codes[0], ERROR_TIMEOUT);
    greet();
    skipped_s += 60;
    submit(1, "set");
    committer_link_flush(fixture->link);
    committer_link_tick(fixture->link);
    say_result(receive_set("set"), ERROR_NONE, 1);
    spin();
    assert_int_equal(fixture->codes[1], ERROR_NONE);
}

static void a_worker_that_ends_says_what_it_knows(void **state)
{
    (void)state;
    connect_link();
    submit(0, "kept");
    committer_link_free(&fixture->link);
    assert_int_equal(fixture->codes[0], ERROR_UNAVAILABLE);
    fixture->link = committer_link_create(&fixture->worker, may_read);
    close(fixture->committer);
    connect_link();
    greet();
    submit(1, "given");
    committer_link_flush(fixture->link);
    committer_link_free(&fixture->link);
    assert_int_equal(fixture->codes[1], ERROR_TIMEOUT);
}

/* The master replaces the link before the worker has seen the old one's end. */
static void results_in_a_replaced_link_count(void **state)
{
    (void)state;
    connect_link();
    greet();
    submit(0, "set");
    committer_link_flush(fixture->link);
    say_result(receive_set("set"), ERROR_NONE, 9);
    close(fixture->committer);
    connect_link();
    assert_int_equal(fixture->answered[0], 1);
    assert_int_equal(fixture->seqs[0], 9);
}

static void waiting_bytes_are_bounded(void **state)
{
    (void)state;
    enum error_code code = ERROR_NONE;
    static const char set[20000]; /* beside the bound there is room for what is around a document */
    submit(0, "x");
    assert_false(committer_link_submit(fixture->link, slice_of(set, sizeof set), done, NULL, &code));
    assert_int_equal(code, ERROR_TOO_LARGE); /* it would never fit */
    assert_true(committer_link_submit(fixture->link, slice_of(set, 10000), done, (void *)1, &code));
    assert_false(committer_link_submit(fixture->link, slice_of(set, 10000), done, (void *)2, &code));
    assert_int_equal(code, ERROR_BUSY);
    assert_int_equal(fixture->answered[2], 0);
}

/* The committer takes little at a time of much that waits: what that costs is in proportion to the bytes. */
static void what_is_written_is_charged(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20, GIVEN = 8, PIECE = 1 << 16 };
    static char set[BYTES], piece[PIECE];
    fixture->config.limits.committer_queue_bytes = (GIVEN + 1) * (uint64_t)BYTES;
    connect_link();
    greet();
    uint64_t used = fixture->worker.work.used;
    for (size_t i = 0; i < GIVEN; i++) {
        enum error_code code;
        memset(set, (int)('a' + i), sizeof set);
        assert_true(committer_link_submit(fixture->link, slice_of(set, sizeof set), done, (void *)i, &code));
    }
    assert_in_range(fixture->worker.work.used - used, GIVEN * BYTES / 64, GIVEN * BYTES / 16);
    used = fixture->worker.work.used;
    size_t counts[256] = {0};
    committer_link_flush(fixture->link);
    for (ssize_t got; (got = recv(fixture->committer, piece, sizeof piece, MSG_DONTWAIT)) > 0; spin())
        for (ssize_t i = 0; i < got; i++)
            counts[(unsigned char)piece[i]]++;
    for (size_t i = 0; i < GIVEN; i++)
        assert_in_range(counts['a' + i], BYTES, BYTES + 16);
    assert_in_range(fixture->worker.work.used - used, GIVEN * BYTES / 64, GIVEN * BYTES / 4);
}

static void malformed_stream_ends_the_link(void **state)
{
    (void)state;
    connect_link();
    greet();
    submit(0, "set");
    committer_link_flush(fixture->link);
    receive_set("set");
    char bytes[64];
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(send(fixture->committer, bytes, sizeof bytes, MSG_NOSIGNAL), sizeof bytes);
    spin();
    assert_int_equal(recv(fixture->committer, bytes, sizeof bytes, 0), 0);
    assert_int_equal(fixture->codes[0], ERROR_TIMEOUT); /* its result may have been what was malformed */
    connect_link();
    greet();
    assert_int_equal(fixture->answered[0], 1);
}

static int set_up(void **state)
{
    (void)state;
    static struct fixture one;
    one = (struct fixture){.committer = -1};
    fixture = &one;
    one.config.limits.committer_queue_bytes = 1000;
    one.worker.config = &one.config;
    one.worker.slot = SLOT;
    one.worker.incarnation = INCARNATION;
    one.worker.base = event_base_new();
    one.link = committer_link_create(&one.worker, may_read);
    return one.worker.base ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    committer_link_free(&fixture->link);
    event_base_free(fixture->worker.base);
    if (fixture->committer >= 0)
        close(fixture->committer);
    buffer_free(&fixture->received);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(results_reach_their_callers_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sets_wait_for_a_committer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(committer_dies_between_two_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_knows_of_a_set_that_was_given_to_a_lost_committer, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(committers_that_never_welcome_do_not_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_worker_that_ends_says_what_it_knows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(results_in_a_replaced_link_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waiting_bytes_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_written_is_charged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(malformed_stream_ends_the_link, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
