#include "tests/unit/daemon/master/master_place.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/master/master.h"
#include "shared/config/option_table.h"
#include "shared/config/option_value.h"
#include "tests/unit/quoted.h"

void place_set_option(struct config *config, const char *name, const char *value)
{
    char message[CONFIG_MESSAGE];
    assert_true(option_set(config, option_find(name, strlen(name)), value, true, message));
}

int place_set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->directory, sizeof place->directory, "/tmp/dispatchd-test-XXXXXX");
    if (!place || !mkdtemp(place->directory))
        return -1;
    snprintf(place->log, sizeof place->log, "%s/log", place->directory);
    snprintf(place->control, sizeof place->control, "%s/control", place->directory);
    snprintf(place->pid_file, sizeof place->pid_file, "%s/pid", place->directory);
    snprintf(place->said, sizeof place->said, "%s/said", place->directory);
    struct config *config = config_defaults();
    place_set_option(config, "listen", "127.0.0.1:0");
    place_set_option(config, "data", place->directory);
    place_set_option(config, "log", place->log);
    place_set_option(config, "control", place->control);
    place_set_option(config, "pid_file", place->pid_file);
    config->control_mode = 0600;
    config->foreground = true;
    config->workers = 2;
    config->ring_bytes = 1 << 20;
    config->stop_timeout_ms = 5000;
    config->log_level = LOG_LEVEL_DEBUG;
    place->config = config;
    *state = place;
    return 0;
}

int place_tear_down(void **state)
{
    struct place *place = *state;
    if (place->master > 0) {
        kill(place->master, SIGKILL);
        waitpid(place->master, NULL, 0);
    }
    DIR *directory = opendir(place->directory);
    struct dirent *entry;
    while (directory && (entry = readdir(directory)))
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(place->directory);
    config_free(place->config);
    free(place);
    return 0;
}

void place_start(struct place *place)
{
    fflush(NULL);
    place->master = fork();
    assert_true(place->master >= 0);
    if (place->master == 0) {
        int said = open(place->said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(said, STDERR_FILENO);
        close(said);
        int status = master_run(place->config);
        config_free(place->config);
        exit(status);
    }
}

int place_wait_for_end(struct place *place)
{
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(place->master, &status, WNOHANG)) == 0 && clock_monotonic_ms() < deadline)
        usleep(STEP_US);
    assert_int_equal(ended, place->master);
    place->master = 0;
    return status;
}

void place_assert_ended_well(struct place *place)
{
    int status = place_wait_for_end(place);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(access(place->control, F_OK), -1);
    assert_int_equal(access(place->pid_file, F_OK), -1);
}

void place_assert_refused(struct place *place, const char *line)
{
    int status = place_wait_for_end(place);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    char text[1024] = "";
    FILE *file = fopen(place->said, "r");
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    assert_non_null(strstr(text, line));
    assert_ptr_equal(strchr(text, '\n'), text + length - 1); /* one line */
}

int place_connect_control(const struct place *place)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, place->control, strlen(place->control) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

int place_read_line(int fd, char *out, size_t capacity)
{
    size_t length = 0;
    while (length + 1 < capacity) {
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        if (poll(&polled, 1, PATIENCE_MS) != 1 || recv(fd, out + length, 1, 0) != 1)
            return -1;
        if (out[length] == '\n')
            break;
        length++;
    }
    out[length] = '\0';
    return (int)length;
}

bool place_ask(const struct place *place, const char *line, char *answer, size_t capacity)
{
    int fd = place_connect_control(place);
    bool good = fd >= 0 && send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line) &&
                place_read_line(fd, answer, capacity) > 0;
    if (fd >= 0)
        close(fd);
    return good;
}

long place_status_number(const struct place *place, const char *key, unsigned nth)
{
    static char answer[65536];
    if (!place_ask(place, "status\n", answer, sizeof answer))
        return -1;
    const char *at = answer;
    for (unsigned i = 0; i <= nth; i++) {
        at = strstr(at, key);
        if (!at)
            return -1;
        at += strlen(key);
    }
    return strtol(at, NULL, 10);
}

unsigned place_ready_children(const struct place *place)
{
    static char answer[65536];
    unsigned count = 0;
    if (!place_ask(place, "status\n", answer, sizeof answer))
        return 0;
    for (const char *at = answer; (at = strstr(at, Q("'state':'ready'"))); at++)
        count++;
    return count;
}

void place_wait_until_ready(const struct place *place)
{
    WAIT_UNTIL(access(place->pid_file, F_OK) == 0);
    WAIT_UNTIL(place_ready_children(place) == 3);
}

int place_connect_client(const struct place *place)
{
    uint16_t port = (uint16_t)place_status_number(place, Q("'listen':['127.0.0.1:"), 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

struct greeting stub_greeting(int fd)
{
    struct greeting greeting;
    char line[64];
    assert_true(place_read_line(fd, line, sizeof line) > 0);
    assert_int_equal(sscanf(line, "%u %d %u", &greeting.slot, &greeting.pid, &greeting.kind), 3);
    return greeting;
}

long stub_ask(int fd, const char *letter)
{
    char line[64];
    assert_int_equal(send(fd, letter, strlen(letter), MSG_NOSIGNAL), strlen(letter));
    assert_true(place_read_line(fd, line, sizeof line) > 0);
    return strtol(line, NULL, 10);
}

void stub_assert_closed(int fd)
{
    char line[16];
    assert_int_equal(place_read_line(fd, line, sizeof line), -1);
    close(fd);
}
