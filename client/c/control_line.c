#include "client/c/control_line.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/json/json.h"

enum { ANSWER_LIMIT = 16 << 20 };

/* Reads what comes until @deadline: 1 bytes came, 0 the end, -1 with errno. */
static int read_line_bytes(int fd, struct buffer *answer, uint64_t deadline)
{
    for (;;) {
        uint64_t now = clock_monotonic_ms();
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = now >= deadline ? 0 : poll(&wait, 1, (int)(deadline - now));
        if (ready == 0)
            errno = ETIMEDOUT;
        if (ready == 0 || (ready < 0 && errno != EINTR))
            return -1;
        if (ready < 0)
            continue;
        ssize_t got = read(fd, buffer_reserve(answer, 65536), 65536);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        answer->length += (size_t)got;
        return got > 0;
    }
}

static int connect_to(const char *path, char message[CONTROL_LINE_MESSAGE])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        snprintf(message, CONTROL_LINE_MESSAGE, "%.100s: the path is too long for a socket", path);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        snprintf(message, CONTROL_LINE_MESSAGE, "dispatchd does not answer at %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* {"error":"..."}: what was asked cannot be had. */
static bool is_refusal(const struct buffer *answer, char message[CONTROL_LINE_MESSAGE])
{
    struct json json = {0};
    struct buffer scratch = {0};
    bool refused = !json_parse(&json, answer->data, answer->length);
    if (refused) {
        snprintf(message, CONTROL_LINE_MESSAGE, "dispatchd gave an answer that is not JSON");
    } else {
        struct slice error = json_string(json_member(json_root(&json), SLICE("error")), &scratch);
        refused = error.data != NULL;
        if (refused)
            snprintf(message, CONTROL_LINE_MESSAGE, "%.*s", (int)(error.length < 250 ? error.length : 250),
                     error.data);
    }
    buffer_free(&scratch);
    json_free(&json);
    return refused;
}

int control_line_ask(const char *path, const char *word, int timeout_ms, struct buffer *answer,
                     char message[CONTROL_LINE_MESSAGE])
{
    int fd = connect_to(path, message);
    if (fd < 0)
        return -1;
    uint64_t deadline = clock_monotonic_ms() + (uint64_t)timeout_ms;
    char line[32];
    int length = snprintf(line, sizeof line, "%s\n", word);
    int state = send(fd, line, (size_t)length, MSG_NOSIGNAL) == length ? 1 : -1;
    char *end = NULL;
    while (state > 0 && answer->length < ANSWER_LIMIT) {
        state = read_line_bytes(fd, answer, deadline);
        end = answer->length ? memchr(answer->data, '\n', answer->length) : NULL;
        if (end)
            break;
    }
    if (end) {
        answer->length = (size_t)(end - answer->data);
        if (!is_refusal(answer, message))
            return fd;
    } else if (state < 0) {
        snprintf(message, CONTROL_LINE_MESSAGE, "dispatchd does not answer at %s: %s", path, strerror(errno));
    } else {
        snprintf(message, CONTROL_LINE_MESSAGE, "dispatchd does not answer at %s: it closed the connection",
                 path);
    }
    close(fd);
    return -1;
}

bool control_line_wait(int fd, int timeout_ms)
{
    uint64_t deadline = clock_monotonic_ms() + (uint64_t)timeout_ms;
    struct buffer ignored = {0};
    int state;
    while ((state = read_line_bytes(fd, &ignored, deadline)) > 0)
        buffer_clear(&ignored);
    buffer_free(&ignored);
    return state == 0 || errno == ECONNRESET;
}
