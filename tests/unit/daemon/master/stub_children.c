/*
 * Children for the tests of the master: they obey orders as the real ones do and show what they got.
 *
 * A connection is greeted with "SLOT PID KIND\n". Then it may send one letter: 'e' is answered with the bytes
 * that follow it, 'f' with the number of open descriptors, 'l' with the number of links that came, 'k' kills
 * the worker, 'h' makes it deaf to ORDER_STOP, 's' asks for the stop of the whole.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/ipc/fdpass.h"
#include "shared/ipc/inheritance.h"
#include "shared/ipc/orders.h"

enum { CONNECTIONS = 256 };

static struct {
    int fds[CONNECTIONS];
    size_t count;
    int link;
    unsigned links;
    bool deaf;
} stub = {.link = -1};

static void report(const struct inheritance *inheritance, enum order_type type, const char *text)
{
    struct order order = {.type = type};
    snprintf(order.text, sizeof order.text, "%s", text);
    if (!fdpass_send(inheritance->order_channel, &order, sizeof order, NULL, 0))
        _exit(9);
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count - 3; /* ".", ".." and the directory itself */
}

static void say(int fd, const char *text, size_t length)
{
    (void)!send(fd, text, length, MSG_NOSIGNAL);
}

static void serve(const struct inheritance *inheritance, size_t index)
{
    char bytes[64];
    char line[64];
    int fd = stub.fds[index];
    ssize_t length = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (length < 0 && errno == EAGAIN)
        return;
    if (length <= 0) {
        close(fd);
        stub.fds[index] = stub.fds[--stub.count];
        atomic_fetch_sub(&inheritance->scoreboard->worker[inheritance->slot].connections, 1);
        return;
    }
    int written = 0;
    switch (bytes[0]) {
    case 'e':
        say(fd, bytes + 1, (size_t)length - 1);
        break;
    case 'f':
        written = snprintf(line, sizeof line, "%u\n", open_descriptors());
        break;
    case 'l':
        written = snprintf(line, sizeof line, "%u\n", stub.links);
        break;
    case 'k':
        raise(SIGKILL);
        break;
    case 'h':
        stub.deaf = true;
        written = snprintf(line, sizeof line, "deaf\n");
        break;
    case 's':
        report(inheritance, REPORT_STOP_REQUESTED, "");
        break;
    }
    say(fd, line, (size_t)written);
}

/* False: stop. */
static bool take_orders(const struct inheritance *inheritance)
{
    struct order order;
    int descriptors[FDPASS_MOST];
    size_t count = 0;
    ssize_t length = fdpass_receive(inheritance->order_channel, &order, sizeof order, descriptors, &count);
    if (length < 0 && errno == EAGAIN)
        return true;
    if (length <= 0)
        return false;
    if (order.type == ORDER_STOP)
        return stub.deaf;
    for (size_t i = 0; i < count; i++) {
        if (order.type == ORDER_LINK) {
            close(stub.link);
            stub.link = descriptors[i];
            stub.links++;
            continue;
        }
        char line[64];
        int written =
            snprintf(line, sizeof line, "%u %d %u\n", inheritance->slot, (int)getpid(), order.kinds[i]);
        say(descriptors[i], line, (size_t)written);
        stub.fds[stub.count++] = descriptors[i];
    }
    return true;
}

int worker_main(const struct inheritance *inheritance)
{
    report(inheritance, REPORT_READY, "");
    for (;;) {
        struct pollfd polled[CONNECTIONS + 1] = {{.fd = inheritance->order_channel, .events = POLLIN}};
        size_t count = stub.count;
        for (size_t i = 0; i < count; i++)
            polled[1 + i] = (struct pollfd){.fd = stub.fds[i], .events = POLLIN};
        if (poll(polled, 1 + (nfds_t)count, -1) < 0 && errno != EINTR)
            return 8;
        for (size_t i = count; i-- > 0;)
            if (polled[1 + i].revents)
                serve(inheritance, i);
        if (polled[0].revents && !take_orders(inheritance))
            return 0;
    }
}

static bool is_told(const struct inheritance *inheritance, const char *what)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", inheritance->config->data, what);
    return access(path, F_OK) == 0;
}

/* The committer and the watcher, once they have started. */
static int serve_links(const struct inheritance *inheritance)
{
    report(inheritance, REPORT_READY, "");
    struct pollfd polled = {.fd = inheritance->order_channel, .events = POLLIN};
    while (poll(&polled, 1, -1) >= 0 || errno == EINTR) {
        struct order order;
        int descriptors[FDPASS_MOST];
        size_t count = 0;
        ssize_t length =
            fdpass_receive(inheritance->order_channel, &order, sizeof order, descriptors, &count);
        if (length == 0 || (length > 0 && order.type == ORDER_STOP))
            return 0;
        /* the links stay open until it ends */
    }
    return 7;
}

/* Fails when the data directory holds a file "refuse"; is not ready while it holds "slow", and gets on with
 * it unless there is "still". */
int committer_main(const struct inheritance *inheritance)
{
    while (is_told(inheritance, "slow")) {
        usleep(10000);
        if (!is_told(inheritance, "still"))
            atomic_fetch_add(&inheritance->scoreboard->committer.loops, 1);
    }
    if (is_told(inheritance, "refuse")) {
        report(inheritance, REPORT_FAILED, "the stub refuses to start");
        return 1;
    }
    ring_start(inheritance->ring, 42);
    return serve_links(inheritance);
}

int watcher_main(const struct inheritance *inheritance)
{
    return serve_links(inheritance);
}
