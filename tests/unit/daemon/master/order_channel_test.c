#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/master/order_channel.h"

struct fixture {
    struct event_base *base;
    struct order_channel *channel;
    int child; /* the child's end */
    unsigned drained;
    unsigned reports;
};

static void on_report(void *context, const struct order *report)
{
    struct fixture *fixture = context;
    fixture->reports += report->type == REPORT_READY;
}

static void on_drained(void *context)
{
    struct fixture *fixture = context;
    fixture->drained++;
}

static const struct order_channel_callbacks callbacks = {on_report, on_drained};

static int set_up(void **state)
{
    static struct fixture fixture;
    int ends[2];
    fixture = (struct fixture){.base = event_base_new()};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    fixture.child = ends[1];
    fixture.channel = order_channel_create(fixture.base, ends[0], &callbacks, &fixture);
    assert_non_null(fixture.channel);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    order_channel_free(&fixture->channel);
    event_base_free(fixture->base);
    if (fixture->child >= 0)
        close(fixture->child);
    return 0;
}

static int lowest_free_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY);
    close(fd);
    return fd;
}

/* Sends orders with one descriptor each, numbered, until one must wait. Returns how many were sent in all. */
static unsigned fill(struct fixture *fixture, unsigned waiting)
{
    unsigned number = 0;
    while (order_channel_waiting(fixture->channel) < waiting) {
        struct order order = {.type = ORDER_CONNECTIONS, .slot = number++, .count = 1};
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_true(order_channel_send(fixture->channel, &order, &fd));
    }
    return number;
}

static unsigned receive_all(struct fixture *fixture, unsigned expected)
{
    struct order order;
    int fds[FDPASS_MOST];
    size_t count;
    while (fdpass_receive(fixture->child, &order, sizeof order, fds, &count) == (ssize_t)sizeof order) {
        assert_int_equal(order.slot, expected);
        assert_int_equal(count, 1);
        close(fds[0]);
        expected++;
    }
    assert_int_equal(errno, EAGAIN);
    return expected;
}

static void what_the_child_is_behind_with_waits_and_comes_in_order(void **state)
{
    struct fixture *fixture = *state;
    int before = lowest_free_descriptor();
    unsigned sent = fill(fixture, 5);
    unsigned received = 0;
    while (fixture->drained == 0) {
        received = receive_all(fixture, received);
        event_base_loop(fixture->base, EVLOOP_ONCE);
    }
    received = receive_all(fixture, received);
    assert_int_equal(received, sent);
    assert_int_equal(order_channel_waiting(fixture->channel), 0);
    assert_int_equal(fixture->drained, 1);
    assert_int_equal(lowest_free_descriptor(), before); /* none is left open */
}

static void the_queue_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    (void)fill(fixture, ORDER_CHANNEL_MOST);
    int before = lowest_free_descriptor();
    struct order order = {.type = ORDER_CONNECTIONS, .count = 1};
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_false(order_channel_send(fixture->channel, &order, &fd));
    assert_int_equal(lowest_free_descriptor(), before);
    assert_int_equal(order_channel_waiting(fixture->channel), ORDER_CHANNEL_MOST);
}

static void a_child_that_is_gone_takes_nothing(void **state)
{
    struct fixture *fixture = *state;
    close(fixture->child);
    fixture->child = -1;
    int before = lowest_free_descriptor();
    struct order order = {.type = ORDER_CONNECTIONS, .count = 1};
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_false(order_channel_send(fixture->channel, &order, &fd));
    assert_int_equal(lowest_free_descriptor(), before);
}

static void last_words_are_read_after_the_end(void **state)
{
    struct fixture *fixture = *state;
    struct order report = {.type = REPORT_READY};
    assert_true(fdpass_send(fixture->child, &report, sizeof report, NULL, 0));
    assert_true(fdpass_send(fixture->child, &report, sizeof report, NULL, 0));
    close(fixture->child);
    fixture->child = -1;
    order_channel_read(fixture->channel);
    assert_int_equal(fixture->reports, 2);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_the_child_is_behind_with_waits_and_comes_in_order),
        CASE(the_queue_is_bounded),
        CASE(a_child_that_is_gone_takes_nothing),
        CASE(last_words_are_read_after_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
