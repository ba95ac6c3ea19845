/*
 * dispatchd-echo: the network code of a worker (connection, handshake, frames, closing, pings) with an echo
 * of text and binary messages in place of the message layer, so that any RFC 6455 conformance suite can be
 * run against the code that serves. It listens on loopback only, accepts any path, and is not installed.
 *
 *   dispatchd-echo [OPTION]... PORT      (port 0: any free one)
 *
 * It prints one line, "listening on PORT", and runs until SIGTERM, SIGINT or the end of its standard input
 * with --stdin.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/ipc/frame_header.h"
#include "worker/net/connection.h"
#include "worker/net/connection_hold.h"
#include "worker/net/frame_write.h"
#include "worker/net/network.h"

enum { LISTEN_BACKLOG = 1024, ACCEPT_BATCH = 64, FLUSH_BATCH = 256, BACKLOG_BYTES = 1 << 20 };

struct echo {
    struct event_base *base;
    struct network *network;
    struct backlog *backlog;
    struct config config;
    struct buffer frame;
    int listener;
    bool text_only;
    bool until_input_ends;
    bool running;
};

static void on_opened(void *context, struct connection *connection, const struct handshake *handshake)
{
    (void)context;
    (void)handshake;
    connection_authorized(connection, true);
}

/* A client that sends faster than it reads is not read from while a quarter of its reply queue is full. */
static void on_message(void *context, struct connection *connection, struct slice message, bool binary)
{
    struct echo *echo = context;
    buffer_clear(&echo->frame);
    frame_append(&echo->frame, binary ? OPCODE_BINARY : OPCODE_TEXT, message);
    connection_send_frames(connection, buffer_slice(&echo->frame), 0);
    if (connection->output.reply_bytes >= echo->config.limits.reply_queue_bytes / 4)
        connection_hold(connection, true);
}

static void on_drained(void *context, struct connection *connection)
{
    (void)context;
    connection_hold(connection, false);
}

static void on_closed(void *context, struct connection *connection)
{
    (void)context;
    (void)connection;
}

static void on_listener(evutil_socket_t listener, short what, void *argument)
{
    (void)what;
    struct echo *echo = argument;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return; /* none is left; whatever else it is, the next one tells again */
        network_add(echo->network, fd, CONNECTION_CLIENT);
    }
}

static void on_signal(evutil_socket_t number, short what, void *argument)
{
    (void)number;
    (void)what;
    ((struct echo *)argument)->running = false;
}

static void on_input(evutil_socket_t fd, short what, void *argument)
{
    (void)what;
    char bytes[64];
    if (read(fd, bytes, sizeof bytes) == 0)
        ((struct echo *)argument)->running = false;
}

static int listen_on(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    const int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, LISTEN_BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        log_fatal("port %u of 127.0.0.1 cannot be listened on: %s", port, strerror(errno));
    printf("listening on %u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static uint64_t parse_number(const char *text, const char *what, uint64_t most)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno || *text < '0' || *text > '9' || *end || number > most) {
        fprintf(stderr, "dispatchd-echo: %s: expected a number up to %llu, found \"%s\"\n", what,
                (unsigned long long)most, text);
        exit(1);
    }
    return number;
}

static void usage(void)
{
    fprintf(stderr,
            "usage: dispatchd-echo [--message-bytes N] [--reply-bytes N] [--ping-ms N] [--handshake-ms N]\n"
            "                      [--per-address N] [--text-only] [--stdin] PORT\n");
    exit(1);
}

static unsigned read_options(struct echo *echo, int count, char **arguments)
{
    static const struct option options[] = {{"message-bytes", required_argument, NULL, 'm'},
                                            {"reply-bytes", required_argument, NULL, 'r'},
                                            {"ping-ms", required_argument, NULL, 'p'},
                                            {"handshake-ms", required_argument, NULL, 'h'},
                                            {"per-address", required_argument, NULL, 'a'},
                                            {"text-only", no_argument, NULL, 't'},
                                            {"stdin", no_argument, NULL, 's'},
                                            {0}};
    struct config_limits *limits = &echo->config.limits;
    int option, index;
    while ((option = getopt_long(count, arguments, "", options, &index)) != -1) {
        const char *name = option == '?' ? "" : options[index].name;
        switch (option) {
        case 'm':
            limits->message_bytes = parse_number(optarg, name, UINT32_MAX / 4);
            break;
        case 'r':
            limits->reply_queue_bytes = parse_number(optarg, name, UINT32_MAX / 4);
            break;
        case 'p':
            echo->config.ping_interval_ms = parse_number(optarg, name, 3600000);
            break;
        case 'h':
            limits->handshake_ms = parse_number(optarg, name, 3600000);
            break;
        case 'a':
            limits->connections_per_address = parse_number(optarg, name, UINT32_MAX);
            break;
        case 't':
            echo->text_only = true;
            break;
        case 's':
            echo->until_input_ends = true;
            break;
        default:
            usage();
        }
    }
    if (optind + 1 != count)
        usage();
    return (unsigned)parse_number(arguments[optind], "PORT", UINT16_MAX);
}

static struct event *watch(struct echo *echo, int what, short events, event_callback_fn callback)
{
    struct event *event = event_new(echo->base, what, (short)(events | EV_PERSIST), callback, echo);
    if (!event || event_add(event, NULL) != 0)
        log_fatal("an event could not be added");
    return event;
}

static void run(struct echo *echo)
{
    struct event *events[] = {watch(echo, echo->listener, EV_READ, on_listener),
                              watch(echo, SIGTERM, EV_SIGNAL, on_signal),
                              watch(echo, SIGINT, EV_SIGNAL, on_signal),
                              echo->until_input_ends ? watch(echo, STDIN_FILENO, EV_READ, on_input) : NULL};
    bool more = false;
    while (echo->running) {
        if (event_base_loop(echo->base, EVLOOP_ONCE | (more ? EVLOOP_NONBLOCK : 0)) < 0)
            log_fatal("the event loop failed");
        more = network_flush(echo->network, FLUSH_BATCH);
        log_flush();
    }
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (events[i])
            event_free(events[i]);
    }
}

int main(int count, char **arguments)
{
    struct echo echo = {.running = true};
    echo.config.limits = (struct config_limits){.message_bytes = 64 << 20,
                                                .worker_calls_bytes = UINT64_MAX,
                                                .reply_queue_bytes = 256 << 20,
                                                .connections = 100000,
                                                .pongs = 16,
                                                .handshake_ms = 10000,
                                                .authorize_ms = 60000};
    echo.config.ping_interval_ms = 0; /* a conformance suite expects nothing that it did not ask for */
    unsigned port = read_options(&echo, count, arguments);
    echo.listener = listen_on(port);
    echo.base = event_base_new();
    if (!echo.base)
        log_fatal("the event loop could not be made");
    echo.backlog = backlog_create(BACKLOG_BYTES);
    const struct network_options options = {
        .config = &echo.config, .backlog = echo.backlog, .text_only = echo.text_only, .any_path = true};
    const struct network_events events = {
        .opened = on_opened, .message = on_message, .closed = on_closed, .drained = on_drained};
    echo.network = network_create(echo.base, &options, &events, &echo);
    run(&echo);
    network_free(&echo.network);
    backlog_free(&echo.backlog);
    buffer_free(&echo.frame);
    event_base_free(echo.base);
    close(echo.listener);
    return 0;
}
