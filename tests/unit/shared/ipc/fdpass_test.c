#include "shared/ipc/fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int pair[2];

static int open_pair(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
}

static int close_pair(void **state)
{
    (void)state;
    close(pair[0]);
    close(pair[1]);
    return 0;
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    for (int i = 0; i < 1024; i++)
        count += fcntl(i, F_GETFD) >= 0;
    return count;
}

static void assert_same_file(int a, int b)
{
    struct stat first, second;
    assert_int_equal(fstat(a, &first), 0);
    assert_int_equal(fstat(b, &second), 0);
    assert_true(first.st_dev == second.st_dev && first.st_ino == second.st_ino);
}

static void passes_any_number_of_descriptors(void **state)
{
    (void)state;
    int sent[FDPASS_MOST], received[FDPASS_MOST];
    for (size_t i = 0; i < FDPASS_MOST; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        close(ends[1]);
        sent[i] = ends[0];
    }
    for (size_t count = 0; count <= FDPASS_MOST; count++) {
        char bytes[16];
        size_t got = 99;
        assert_true(fdpass_send(pair[0], "packet", 6, sent, count));
        assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, received, &got), 6);
        assert_memory_equal(bytes, "packet", 6);
        assert_int_equal(got, count);
        for (size_t i = 0; i < count; i++) {
            assert_same_file(sent[i], received[i]);
            assert_true(fcntl(received[i], F_GETFD) & FD_CLOEXEC);
            close(received[i]);
        }
    }
    for (size_t i = 0; i < FDPASS_MOST; i++)
        close(sent[i]);
}

static void keeps_packets_apart(void **state)
{
    (void)state;
    char bytes[16];
    int received[FDPASS_MOST];
    size_t count;
    assert_true(fdpass_send(pair[0], "one", 3, NULL, 0));
    assert_true(fdpass_send(pair[0], "three", 5, &pair[0], 1));
    assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, received, &count), 3);
    assert_int_equal(count, 0);
    assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, received, &count), 5);
    assert_int_equal(count, 1);
    close(received[0]);
    assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, received, &count), -1);
    assert_int_equal(errno, EAGAIN);
}

static void closes_the_descriptors_of_a_packet_that_was_cut_off(void **state)
{
    (void)state;
    char bytes[4];
    int received[FDPASS_MOST], sent[3] = {pair[0], pair[1], pair[0]};
    size_t before = open_descriptors(), count = 99;
    assert_true(fdpass_send(pair[0], "too long", 8, sent, 3));
    assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, received, &count), -1);
    assert_int_equal(errno, EBADMSG);
    assert_int_equal(count, 0);
    assert_int_equal(open_descriptors(), before);
}

/* A sender other than fdpass_send() may put in more than fits the caller's array. */
static void refuses_more_descriptors_than_asked_for(void **state)
{
    (void)state;
    enum { MANY = FDPASS_MOST + 20 };
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(MANY * sizeof(int))] = {0};
    struct iovec vector = {"x", 1};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(MANY * sizeof(int));
    for (size_t i = 0; i < MANY; i++)
        memcpy(CMSG_DATA(header) + i * sizeof(int), &pair[0], sizeof(int));
    assert_int_equal(sendmsg(pair[0], &message, 0), 1);

    char bytes[4];
    int received[FDPASS_MOST];
    size_t before = open_descriptors(), count;
    assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, received, &count), -1);
    assert_int_equal(errno, EBADMSG);
    assert_int_equal(open_descriptors(), before);
}

static void says_when_the_receiver_is_behind(void **state)
{
    (void)state;
    char packet[1024] = {0};
    unsigned sent = 0;
    while (sent < 100000 && fdpass_send(pair[0], packet, sizeof packet, NULL, 0))
        sent++;
    assert_int_equal(errno, EAGAIN);
    assert_in_range(sent, 1, 99999);
}

static void gives_what_was_sent_before_the_peer_went(void **state)
{
    (void)state;
    char bytes[16];
    int received[FDPASS_MOST];
    size_t count;
    assert_true(fdpass_send(pair[1], "never read", 10, NULL, 0)); /* makes the kernel report a reset */
    assert_true(fdpass_send(pair[0], "last", 4, &pair[1], 1));
    close(pair[0]);
    pair[0] = -1;
    assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, received, &count), 4);
    assert_int_equal(count, 1);
    close(received[0]);
    assert_int_equal(fdpass_receive(pair[1], bytes, sizeof bytes, received, &count), 0);
    assert_false(fdpass_send(pair[1], "x", 1, NULL, 0));
    assert_int_equal(errno, EPIPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(passes_any_number_of_descriptors, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(keeps_packets_apart, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(closes_the_descriptors_of_a_packet_that_was_cut_off, open_pair,
                                        close_pair),
        cmocka_unit_test_setup_teardown(refuses_more_descriptors_than_asked_for, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(says_when_the_receiver_is_behind, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(gives_what_was_sent_before_the_peer_went, open_pair, close_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
