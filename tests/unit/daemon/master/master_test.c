/* The master as a whole, seen from outside: real sockets, real children (of stub_children.c), real
 * signals. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
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
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/master/master.h"
#include "shared/base/clock.h"
#include "shared/config/config.h"
#include "shared/config/options.h"
#include "tests/unit/quoted.h"

enum { PATIENCE_MS = 20000, STEP_US = 5000 };

struct place {
    char directory[64];
    char log[96], control[96], pid_file[96], said[96];
    struct config *config;
    pid_t master;
};

/* ---- set-up ---- */

static void set(struct config *config, const char *name, const char *value)
{
    char message[CONFIG_MESSAGE];
    assert_true(option_set(config, option_find(name, strlen(name)), value, true, message));
}

static int set_up(void **state)
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
    set(config, "listen", "127.0.0.1:0");
    set(config, "data", place->directory);
    set(config, "log", place->log);
    set(config, "control", place->control);
    set(config, "pid_file", place->pid_file);
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

static int tear_down(void **state)
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

static void start(struct place *place)
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

static int wait_for_end(struct place *place)
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

static void assert_ended_well(struct place *place)
{
    int status = wait_for_end(place);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(access(place->control, F_OK), -1);
    assert_int_equal(access(place->pid_file, F_OK), -1);
}

static void assert_refused(struct place *place, const char *line)
{
    int status = wait_for_end(place);
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

/* ---- clients ---- */

static int control_connect(const struct place *place)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, place->control, strlen(place->control) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Reads one line, or to the end. The length without the line feed; -1: the end, or nothing came. */
static int read_line(int fd, char *out, size_t capacity)
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

static bool ask(const struct place *place, const char *line, char *answer, size_t capacity)
{
    int fd = control_connect(place);
    bool good = fd >= 0 && send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line) &&
                read_line(fd, answer, capacity) > 0;
    if (fd >= 0)
        close(fd);
    return good;
}

/* The number behind "KEY": at its @nth place (from 0) in the status. */
static long status_number(const struct place *place, const char *key, unsigned nth)
{
    static char answer[65536];
    if (!ask(place, "status\n", answer, sizeof answer))
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

static unsigned ready_children(const struct place *place)
{
    static char answer[65536];
    unsigned count = 0;
    if (!ask(place, "status\n", answer, sizeof answer))
        return 0;
    for (const char *at = answer; (at = strstr(at, Q("'state':'ready'"))); at++)
        count++;
    return count;
}

#define WAIT_UNTIL(condition)                                                                                \
    do {                                                                                                     \
        uint64_t wait_deadline = clock_monotonic_ms() + PATIENCE_MS;                                         \
        while (!(condition)) {                                                                               \
            assert_true(clock_monotonic_ms() < wait_deadline);                                               \
            usleep(STEP_US);                                                                                 \
        }                                                                                                    \
    } while (0)

/* A committer and two workers, and the listening socket is open. */
static void wait_until_ready(const struct place *place)
{
    WAIT_UNTIL(access(place->pid_file, F_OK) == 0);
    WAIT_UNTIL(ready_children(place) == 3);
}

static int client_connect(const struct place *place)
{
    uint16_t port = (uint16_t)status_number(place, Q("'listen':['127.0.0.1:"), 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

struct greeting {
    unsigned slot;
    int pid;
    unsigned kind;
};

static struct greeting greeted(int fd)
{
    struct greeting greeting;
    char line[64];
    assert_true(read_line(fd, line, sizeof line) > 0);
    assert_int_equal(sscanf(line, "%u %d %u", &greeting.slot, &greeting.pid, &greeting.kind), 3);
    return greeting;
}

static long ask_worker(int fd, const char *letter)
{
    char line[64];
    assert_int_equal(send(fd, letter, strlen(letter), MSG_NOSIGNAL), strlen(letter));
    assert_true(read_line(fd, line, sizeof line) > 0);
    return strtol(line, NULL, 10);
}

static void assert_closed(int fd)
{
    char line[16];
    assert_int_equal(read_line(fd, line, sizeof line), -1);
    close(fd);
}

/* ---- cases ---- */

static void hands_each_connection_to_the_worker_with_the_fewest(void **state)
{
    struct place *place = *state;
    start(place);
    wait_until_ready(place);
    int fds[12];
    int of_slot[12];
    unsigned count[2] = {0};
    for (size_t i = 0; i < 8; i++) {
        fds[i] = client_connect(place);
        struct greeting greeting = greeted(fds[i]);
        assert_int_equal(greeting.kind, 0);
        of_slot[i] = (int)greeting.slot;
        count[greeting.slot]++;
    }
    assert_int_equal(count[0], 4);
    assert_int_equal(count[1], 4);
    /* All of worker 1's leave: the next three are its. */
    for (size_t i = 0; i < 8; i++)
        if (of_slot[i] == 1)
            close(fds[i]);
    WAIT_UNTIL(status_number(place, Q("'connections':"), 1) == 0);
    for (size_t i = 8; i < 11; i++) {
        fds[i] = client_connect(place);
        assert_int_equal(greeted(fds[i]).slot, 1);
        of_slot[i] = 0;
    }
    assert_int_equal(status_number(place, Q("'connections':"), 0), 4);
    assert_int_equal(status_number(place, Q("'connections':"), 1), 3);
    for (size_t i = 0; i < 11; i++)
        if (of_slot[i] == 0)
            close(fds[i]);
    kill(place->master, SIGTERM);
    assert_ended_well(place);
}

static void a_burst_of_connections_is_handed_over_completely(void **state)
{
    struct place *place = *state;
    start(place);
    wait_until_ready(place);
    int fds[300];
    unsigned count[2] = {0};
    for (size_t i = 0; i < 300; i++)
        fds[i] = client_connect(place);
    for (size_t i = 0; i < 300; i++)
        count[greeted(fds[i]).slot]++;
    assert_int_equal(count[0], 150);
    assert_int_equal(count[1], 150);
    for (size_t i = 0; i < 300; i++)
        close(fds[i]);
}

static void a_control_session_reaches_a_worker_with_all_that_follows_the_line(void **state)
{
    struct place *place = *state;
    start(place);
    wait_until_ready(place);
    int fd = control_connect(place);
    static const char said[] = "session\neGET /ws\n";
    assert_int_equal(send(fd, said, strlen(said), 0), strlen(said));
    assert_int_equal(greeted(fd).kind, 1);
    char line[64];
    assert_int_equal(read_line(fd, line, sizeof line), 7);
    assert_string_equal(line, "GET /ws");
    close(fd);
}

static void the_control_socket_refuses_what_it_does_not_know(void **state)
{
    struct place *place = *state;
    char answer[256];
    start(place);
    wait_until_ready(place);
    assert_true(ask(place, "reboot\n", answer, sizeof answer));
    assert_non_null(strstr(answer, Q("{'error':'unknown command")));
    char longer[100];
    memset(longer, 's', sizeof longer);
    longer[99] = '\0';
    assert_true(ask(place, longer, answer, sizeof answer));
    assert_non_null(strstr(answer, Q("{'error':'the line is too long")));
    int fds[32];
    for (size_t i = 0; i < 32; i++)
        fds[i] = control_connect(place);
    assert_true(ask(place, "", answer, sizeof answer) == false || strstr(answer, "too many"));
    for (size_t i = 0; i < 32; i++)
        close(fds[i]);
    WAIT_UNTIL(ready_children(place) == 3);
    struct stat status;
    assert_int_equal(stat(place->control, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void a_dead_worker_is_started_again_and_linked(void **state)
{
    struct place *place = *state;
    start(place);
    wait_until_ready(place);
    int first = client_connect(place);
    int second = client_connect(place);
    struct greeting dead = greeted(first);
    struct greeting other = greeted(second);
    assert_int_not_equal(dead.pid, other.pid);
    assert_int_equal(send(first, "k", 1, 0), 1);
    assert_closed(first);
    WAIT_UNTIL(status_number(place, Q("'restarts':"), 0) == 1 && ready_children(place) == 3);
    assert_int_equal(status_number(place, Q("'connections':"), dead.slot), 0);
    assert_int_equal(ask_worker(second, "l"), 1); /* the other one keeps its link and its client */
    int third = client_connect(place);
    struct greeting again = greeted(third);
    assert_int_equal(again.slot, dead.slot);
    assert_int_not_equal(again.pid, dead.pid);
    assert_int_equal(ask_worker(third, "l"), 1);
    close(second);
    close(third);
    kill(place->master, SIGINT);
    assert_ended_well(place);
}

static void a_dead_committer_is_started_again_and_linked_with_every_worker(void **state)
{
    struct place *place = *state;
    start(place);
    wait_until_ready(place);
    int fd = client_connect(place);
    (void)greeted(fd);
    pid_t committer = (pid_t)status_number(place, Q("'committer':{'pid':"), 0);
    assert_int_equal(ask_worker(fd, "l"), 1);
    assert_int_equal(kill(committer, SIGKILL), 0);
    WAIT_UNTIL(ask_worker(fd, "l") == 2);
    assert_int_not_equal(status_number(place, Q("'committer':{'pid':"), 0), committer);
    assert_int_equal(status_number(place, Q("'last_seq':"), 0), 42); /* the same ring */
    close(fd);
}

static void a_worker_inherits_nothing_but_what_it_needs(void **state)
{
    struct place *place = *state;
    start(place);
    wait_until_ready(place);
    int others[10];
    for (size_t i = 0; i < 10; i++)
        others[i] = control_connect(place);
    int fd = client_connect(place);
    struct greeting greeting = greeted(fd);
    /* 0 to 2, order channel, lock, two wake-ups, log, link, this connection */
    assert_int_equal(ask_worker(fd, "f"), 10);
    assert_int_equal(send(fd, "k", 1, 0), 1);
    assert_closed(fd);
    WAIT_UNTIL(status_number(place, Q("'restarts':"), 0) == 1 && ready_children(place) == 3);
    fd = client_connect(place);
    assert_int_equal(greeted(fd).slot, greeting.slot);
    assert_int_equal(ask_worker(fd, "f"), 10); /* also when it is forked from a busy master */
    close(fd);
    for (size_t i = 0; i < 10; i++)
        close(others[i]);
}

static void stop_over_the_control_socket_keeps_the_connection_until_the_end(void **state)
{
    struct place *place = *state;
    char line[64];
    start(place);
    wait_until_ready(place);
    int fd = control_connect(place);
    assert_int_equal(send(fd, "stop\n", 5, 0), 5);
    assert_true(read_line(fd, line, sizeof line) > 0);
    assert_string_equal(line, Q("{'stopping':true}"));
    assert_closed(fd);
    assert_ended_well(place);
}

static void a_worker_may_ask_for_the_stop(void **state)
{
    struct place *place = *state;
    start(place);
    wait_until_ready(place);
    int fd = client_connect(place);
    (void)greeted(fd);
    assert_int_equal(send(fd, "s", 1, 0), 1);
    assert_closed(fd);
    assert_ended_well(place);
}

static void a_worker_that_does_not_stop_is_killed(void **state)
{
    struct place *place = *state;
    place->config->stop_timeout_ms = 200;
    start(place);
    wait_until_ready(place);
    int fd = client_connect(place);
    (void)greeted(fd);
    (void)ask_worker(fd, "h");
    kill(place->master, SIGTERM);
    assert_closed(fd);
    assert_ended_well(place);
}

static void a_second_signal_kills_at_once(void **state)
{
    struct place *place = *state;
    place->config->stop_timeout_ms = 10 * PATIENCE_MS;
    start(place);
    wait_until_ready(place);
    int fd = client_connect(place);
    (void)greeted(fd);
    (void)ask_worker(fd, "h");
    kill(place->master, SIGTERM);
    WAIT_UNTIL(ready_children(place) == 1);
    kill(place->master, SIGTERM);
    assert_closed(fd);
    int status = wait_for_end(place);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
}

static void a_daemon_holds_nothing_of_whoever_started_it(void **state)
{
    struct place *place = *state;
    char answer[64];
    int ends[2];
    place->config->foreground = false;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    place->master = fork();
    assert_true(place->master >= 0);
    if (place->master == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        int status = master_run(place->config);
        config_free(place->config);
        exit(status);
    }
    close(ends[1]);
    int status = wait_for_end(place); /* the first process leaves when all is ready */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(ready_children(place), 3);
    assert_int_equal(read_line(ends[0], answer, sizeof answer), -1);
    struct pollfd polled = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&polled, 1, 0), 1); /* the end, not the end of our patience */
    close(ends[0]);
    assert_true(ask(place, "stop\n", answer, sizeof answer));
    WAIT_UNTIL(access(place->pid_file, F_OK) != 0);
}

static void touch(const struct place *place, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", place->directory, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void a_committer_that_stands_still_at_a_start_is_killed(void **state)
{
    struct place *place = *state;
    place->config->start_timeout_ms = 300;
    touch(place, "slow");
    touch(place, "still");
    start(place);
    assert_refused(place, "has got no further");
}

static void a_committer_that_gets_on_is_waited_for(void **state)
{
    struct place *place = *state;
    char path[128];
    place->config->start_timeout_ms = 1000;
    touch(place, "slow");
    start(place);
    uint64_t until = clock_monotonic_ms() + 2 * place->config->start_timeout_ms + 200;
    WAIT_UNTIL(clock_monotonic_ms() > until);
    snprintf(path, sizeof path, "%s/slow", place->directory);
    assert_int_equal(unlink(path), 0);
    wait_until_ready(place);
}

static void a_second_dispatchd_is_refused(void **state)
{
    struct place *place = *state;
    start(place);
    wait_until_ready(place);
    struct place second = *place;
    start(&second);
    char line[200];
    snprintf(line, sizeof line, "dispatchd: data: %s is in use by another dispatchd, process %d",
             place->directory, (int)place->master);
    assert_refused(&second, line);
    assert_int_equal(ready_children(place), 3);
}

static void a_new_master_waits_for_the_orphans_of_a_dead_one(void **state)
{
    struct place *place = *state;
    start(place);
    wait_until_ready(place);
    int fd = client_connect(place);
    (void)greeted(fd);
    kill(place->master, SIGKILL);
    (void)wait_for_end(place);
    unlink(place->pid_file);
    start(place);
    wait_until_ready(place);
    assert_closed(fd); /* its worker saw the end of the order channel */
    kill(place->master, SIGTERM);
    assert_ended_well(place);
}

static void a_committer_that_cannot_start_ends_it_with_its_words(void **state)
{
    struct place *place = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/refuse", place->directory);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    start(place);
    assert_refused(place, "dispatchd: the stub refuses to start\n");
    assert_int_equal(access(place->control, F_OK), -1);
}

static void an_address_in_use_is_refused(void **state)
{
    struct place *place = *state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    char line[100];
    snprintf(line, sizeof line, "127.0.0.1:%u", ntohs(address.sin_port));
    set(place->config, "listen", line);
    start(place);
    snprintf(line, sizeof line, "dispatchd: listen: 127.0.0.1:%u: Address already in use\n",
             ntohs(address.sin_port));
    assert_refused(place, line);
    close(fd);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(hands_each_connection_to_the_worker_with_the_fewest),
        CASE(a_burst_of_connections_is_handed_over_completely),
        CASE(a_control_session_reaches_a_worker_with_all_that_follows_the_line),
        CASE(the_control_socket_refuses_what_it_does_not_know),
        CASE(a_dead_worker_is_started_again_and_linked),
        CASE(a_dead_committer_is_started_again_and_linked_with_every_worker),
        CASE(a_worker_inherits_nothing_but_what_it_needs),
        CASE(stop_over_the_control_socket_keeps_the_connection_until_the_end),
        CASE(a_worker_may_ask_for_the_stop),
        CASE(a_worker_that_does_not_stop_is_killed),
        CASE(a_second_signal_kills_at_once),
        CASE(a_daemon_holds_nothing_of_whoever_started_it),
        CASE(a_committer_that_stands_still_at_a_start_is_killed),
        CASE(a_committer_that_gets_on_is_waited_for),
        CASE(a_second_dispatchd_is_refused),
        CASE(a_new_master_waits_for_the_orphans_of_a_dead_one),
        CASE(a_committer_that_cannot_start_ends_it_with_its_words),
        CASE(an_address_in_use_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
