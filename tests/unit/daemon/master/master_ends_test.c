/* How a master starts, or is refused, and how it stops. */

#include <arpa/inet.h>
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
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/master/master.h"
#include "tests/unit/daemon/master/master_place.h"
#include "tests/unit/quoted.h"

static void stop_over_the_control_socket_keeps_the_connection_until_the_end(void **state)
{
    struct place *place = *state;
    char line[64];
    place_start(place);
    place_wait_until_ready(place);
    int fd = place_connect_control(place);
    assert_int_equal(send(fd, "stop\n", 5, 0), 5);
    assert_true(place_read_line(fd, line, sizeof line) > 0);
    assert_string_equal(line, Q("{'stopping':true}"));
    stub_assert_closed(fd);
    place_assert_ended_well(place);
}

static void a_worker_may_ask_for_the_stop(void **state)
{
    struct place *place = *state;
    place_start(place);
    place_wait_until_ready(place);
    int fd = place_connect_client(place);
    (void)stub_greeting(fd);
    assert_int_equal(send(fd, "s", 1, 0), 1);
    stub_assert_closed(fd);
    place_assert_ended_well(place);
}

static void a_worker_that_does_not_stop_is_killed(void **state)
{
    struct place *place = *state;
    place->config->stop_timeout_ms = 200;
    place_start(place);
    place_wait_until_ready(place);
    int fd = place_connect_client(place);
    (void)stub_greeting(fd);
    (void)stub_ask(fd, "h");
    kill(place->master, SIGTERM);
    stub_assert_closed(fd);
    place_assert_ended_well(place);
}

static void a_second_signal_kills_at_once(void **state)
{
    struct place *place = *state;
    place->config->stop_timeout_ms = 10 * PATIENCE_MS;
    place_start(place);
    place_wait_until_ready(place);
    int fd = place_connect_client(place);
    (void)stub_greeting(fd);
    (void)stub_ask(fd, "h");
    kill(place->master, SIGTERM);
    WAIT_UNTIL(place_ready_children(place) == 1);
    kill(place->master, SIGTERM);
    stub_assert_closed(fd);
    int status = place_wait_for_end(place);
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
    int status = place_wait_for_end(place); /* the first process leaves when all is ready */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(place_ready_children(place), 3);
    assert_int_equal(place_read_line(ends[0], answer, sizeof answer), -1);
    struct pollfd polled = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&polled, 1, 0), 1); /* the end, not the end of our patience */
    close(ends[0]);
    assert_true(place_ask(place, "stop\n", answer, sizeof answer));
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
    place_start(place);
    place_assert_refused(place, "has got no further");
}

static void a_committer_that_gets_on_is_waited_for(void **state)
{
    struct place *place = *state;
    char path[128];
    place->config->start_timeout_ms = 1000;
    touch(place, "slow");
    place_start(place);
    uint64_t until = clock_monotonic_ms() + 2 * place->config->start_timeout_ms + 200;
    WAIT_UNTIL(clock_monotonic_ms() > until);
    snprintf(path, sizeof path, "%s/slow", place->directory);
    assert_int_equal(unlink(path), 0);
    place_wait_until_ready(place);
}

static void a_second_dispatchd_is_refused(void **state)
{
    struct place *place = *state;
    place_start(place);
    place_wait_until_ready(place);
    struct place second = *place;
    place_start(&second);
    char line[200];
    snprintf(line, sizeof line, "dispatchd: data: %s is in use by another dispatchd, process %d",
             place->directory, (int)place->master);
    place_assert_refused(&second, line);
    assert_int_equal(place_ready_children(place), 3);
}

static void a_new_master_waits_for_the_orphans_of_a_dead_one(void **state)
{
    struct place *place = *state;
    place_start(place);
    place_wait_until_ready(place);
    int fd = place_connect_client(place);
    (void)stub_greeting(fd);
    kill(place->master, SIGKILL);
    (void)place_wait_for_end(place);
    unlink(place->pid_file);
    place_start(place);
    place_wait_until_ready(place);
    stub_assert_closed(fd); /* its worker saw the end of the order channel */
    kill(place->master, SIGTERM);
    place_assert_ended_well(place);
}

static void a_committer_that_cannot_start_ends_it_with_its_words(void **state)
{
    struct place *place = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/refuse", place->directory);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    place_start(place);
    place_assert_refused(place, "dispatchd: the stub refuses to start\n");
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
    place_set_option(place->config, "listen", line);
    place_start(place);
    snprintf(line, sizeof line, "dispatchd: listen: 127.0.0.1:%u: Address already in use\n",
             ntohs(address.sin_port));
    place_assert_refused(place, line);
    close(fd);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
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
