/* What a master does with connections and with its children. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/daemon/master/master_place.h"
#include "tests/unit/quoted.h"

static void hands_each_connection_to_the_worker_with_the_fewest(void **state)
{
    struct place *place = *state;
    place_start(place);
    place_wait_until_ready(place);
    int fds[12];
    int of_slot[12];
    unsigned count[2] = {0};
    for (size_t i = 0; i < 8; i++) {
        fds[i] = place_connect_client(place);
        struct greeting greeting = stub_greeting(fds[i]);
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
    WAIT_UNTIL(place_status_number(place, Q("'connections':"), 1) == 0);
    for (size_t i = 8; i < 11; i++) {
        fds[i] = place_connect_client(place);
        assert_int_equal(stub_greeting(fds[i]).slot, 1);
        of_slot[i] = 0;
    }
    assert_int_equal(place_status_number(place, Q("'connections':"), 0), 4);
    assert_int_equal(place_status_number(place, Q("'connections':"), 1), 3);
    for (size_t i = 0; i < 11; i++)
        if (of_slot[i] == 0)
            close(fds[i]);
    kill(place->master, SIGTERM);
    place_assert_ended_well(place);
}

static void a_burst_of_connections_is_handed_over_completely(void **state)
{
    struct place *place = *state;
    place_start(place);
    place_wait_until_ready(place);
    int fds[300];
    unsigned count[2] = {0};
    for (size_t i = 0; i < 300; i++)
        fds[i] = place_connect_client(place);
    for (size_t i = 0; i < 300; i++)
        count[stub_greeting(fds[i]).slot]++;
    assert_int_equal(count[0], 150);
    assert_int_equal(count[1], 150);
    for (size_t i = 0; i < 300; i++)
        close(fds[i]);
}

static void a_control_session_reaches_a_worker_with_all_that_follows_the_line(void **state)
{
    struct place *place = *state;
    place_start(place);
    place_wait_until_ready(place);
    int fd = place_connect_control(place);
    static const char said[] = "session\neGET /ws\n";
    assert_int_equal(send(fd, said, strlen(said), 0), strlen(said));
    assert_int_equal(stub_greeting(fd).kind, 1);
    char line[64];
    assert_int_equal(place_read_line(fd, line, sizeof line), 7);
    assert_string_equal(line, "GET /ws");
    close(fd);
}

static void the_control_socket_refuses_what_it_does_not_know(void **state)
{
    struct place *place = *state;
    char answer[256];
    place_start(place);
    place_wait_until_ready(place);
    assert_true(place_ask(place, "reboot\n", answer, sizeof answer));
    assert_non_null(strstr(answer, Q("{'error':'unknown command")));
    char longer[100];
    memset(longer, 's', sizeof longer);
    longer[99] = '\0';
    assert_true(place_ask(place, longer, answer, sizeof answer));
    assert_non_null(strstr(answer, Q("{'error':'the line is too long")));
    int fds[32];
    for (size_t i = 0; i < 32; i++)
        fds[i] = place_connect_control(place);
    assert_true(place_ask(place, "", answer, sizeof answer) == false || strstr(answer, "too many"));
    for (size_t i = 0; i < 32; i++)
        close(fds[i]);
    WAIT_UNTIL(place_ready_children(place) == 3);
    struct stat status;
    assert_int_equal(stat(place->control, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void a_dead_worker_is_started_again_and_linked(void **state)
{
    struct place *place = *state;
    place_start(place);
    place_wait_until_ready(place);
    int first = place_connect_client(place);
    int second = place_connect_client(place);
    struct greeting dead = stub_greeting(first);
    struct greeting other = stub_greeting(second);
    assert_int_not_equal(dead.pid, other.pid);
    assert_int_equal(send(first, "k", 1, 0), 1);
    stub_assert_closed(first);
    WAIT_UNTIL(place_status_number(place, Q("'restarts':"), 0) == 1 && place_ready_children(place) == 3);
    assert_int_equal(place_status_number(place, Q("'connections':"), dead.slot), 0);
    assert_int_equal(stub_ask(second, "l"), 1); /* the other one keeps its link and its client */
    int third = place_connect_client(place);
    struct greeting again = stub_greeting(third);
    assert_int_equal(again.slot, dead.slot);
    assert_int_not_equal(again.pid, dead.pid);
    assert_int_equal(stub_ask(third, "l"), 1);
    close(second);
    close(third);
    kill(place->master, SIGINT);
    place_assert_ended_well(place);
}

static void a_dead_committer_is_started_again_and_linked_with_every_worker(void **state)
{
    struct place *place = *state;
    place_start(place);
    place_wait_until_ready(place);
    int fd = place_connect_client(place);
    (void)stub_greeting(fd);
    pid_t committer = (pid_t)place_status_number(place, Q("'committer':{'pid':"), 0);
    assert_int_equal(stub_ask(fd, "l"), 1);
    assert_int_equal(kill(committer, SIGKILL), 0);
    WAIT_UNTIL(stub_ask(fd, "l") == 2);
    assert_int_not_equal(place_status_number(place, Q("'committer':{'pid':"), 0), committer);
    assert_int_equal(place_status_number(place, Q("'last_seq':"), 0), 42); /* the same ring */
    close(fd);
}

static void a_worker_inherits_nothing_but_what_it_needs(void **state)
{
    struct place *place = *state;
    place_start(place);
    place_wait_until_ready(place);
    int others[10];
    for (size_t i = 0; i < 10; i++)
        others[i] = place_connect_control(place);
    int fd = place_connect_client(place);
    struct greeting greeting = stub_greeting(fd);
    /* 0 to 2, order channel, lock, two wake-ups, log, link, this connection */
    assert_int_equal(stub_ask(fd, "f"), 10);
    assert_int_equal(send(fd, "k", 1, 0), 1);
    stub_assert_closed(fd);
    WAIT_UNTIL(place_status_number(place, Q("'restarts':"), 0) == 1 && place_ready_children(place) == 3);
    fd = place_connect_client(place);
    assert_int_equal(stub_greeting(fd).slot, greeting.slot);
    assert_int_equal(stub_ask(fd, "f"), 10); /* also when it is forked from a busy master */
    close(fd);
    for (size_t i = 0; i < 10; i++)
        close(others[i]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        CASE(hands_each_connection_to_the_worker_with_the_fewest),
        CASE(a_burst_of_connections_is_handed_over_completely),
        CASE(a_control_session_reaches_a_worker_with_all_that_follows_the_line),
        CASE(the_control_socket_refuses_what_it_does_not_know),
        CASE(a_dead_worker_is_started_again_and_linked),
        CASE(a_dead_committer_is_started_again_and_linked_with_every_worker),
        CASE(a_worker_inherits_nothing_but_what_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
