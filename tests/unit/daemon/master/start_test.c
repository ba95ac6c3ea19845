/* The parts of the start: pid file, going into the background, title, privileges. Each in processes of its
 * own. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/master/daemonize.h"
#include "daemon/master/pid_file.h"
#include "daemon/master/priority.h"
#include "daemon/master/privileges.h"
#include "daemon/master/process_title.h"

static char directory[] = "/tmp/start_test.XXXXXX";
static char pid_path[64];

/* The contents of a file; empty when it cannot be read. */
static void read_back(const char *path, char *out, size_t capacity)
{
    memset(out, 0, capacity);
    int fd = open(path, O_RDONLY);
    ssize_t got = fd < 0 ? 0 : read(fd, out, capacity - 1);
    assert_true(got >= 0);
    if (fd >= 0)
        close(fd);
}

static int exit_status(pid_t child)
{
    int status;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_pid_file_lives_as_long_as_its_process(void **state)
{
    (void)state;
    char message[PID_FILE_MESSAGE];
    char text[64];
    char own[64];
    struct pid_file file;
    assert_true(pid_file_open(&file, pid_path, message));
    read_back(pid_path, text, sizeof text);
    assert_string_equal(text, ""); /* not ready yet */
    assert_true(pid_file_write(&file, message));
    read_back(pid_path, text, sizeof text);
    snprintf(own, sizeof own, "%d\n", (int)getpid());
    assert_string_equal(text, own);
    pid_file_close(&file);
    assert_int_equal(access(pid_path, F_OK), -1);
    assert_int_equal(errno, ENOENT);
    pid_file_close(&file); /* once more does nothing */
}

static void test_pid_file_without_a_path(void **state)
{
    (void)state;
    char message[PID_FILE_MESSAGE];
    struct pid_file file;
    assert_true(pid_file_open(&file, NULL, message));
    assert_true(pid_file_write(&file, message));
    pid_file_close(&file);
}

static void test_pid_file_of_a_dead_process_is_taken_over(void **state)
{
    (void)state;
    char message[PID_FILE_MESSAGE];
    char text[64];
    pid_t child = fork();
    if (child == 0) {
        struct pid_file file;
        bool made = pid_file_open(&file, pid_path, message) && pid_file_write(&file, message);
        _exit(made ? 0 : 1); /* as after kill -9: nothing is tidied */
    }
    assert_int_equal(exit_status(child), 0);
    /* The number in it may be in use again: here by our parent, who lives. */
    FILE *stale = fopen(pid_path, "w");
    assert_non_null(stale);
    fprintf(stale, "%d and a longer line than ours will be\n", (int)getppid());
    fclose(stale);
    struct pid_file file;
    assert_true(pid_file_open(&file, pid_path, message));
    assert_true(pid_file_write(&file, message));
    read_back(pid_path, text, sizeof text);
    assert_int_equal(strtol(text, NULL, 10), getpid());
    assert_null(strstr(text, "longer"));
    pid_file_close(&file);
}

static void test_pid_file_of_a_living_process_is_refused(void **state)
{
    (void)state;
    char message[PID_FILE_MESSAGE];
    char expected[PID_FILE_MESSAGE];
    struct pid_file file;
    assert_true(pid_file_open(&file, pid_path, message));
    assert_true(pid_file_write(&file, message));
    snprintf(expected, sizeof expected, "pid_file: %s belongs to dispatchd, process %d, which runs", pid_path,
             (int)getpid());
    pid_t child = fork();
    if (child == 0) {
        struct pid_file second;
        pid_file_forget(&file); /* what children do: the lock stays with the parent */
        bool opened = pid_file_open(&second, pid_path, message);
        _exit(!opened && strcmp(message, expected) == 0 ? 0 : 1);
    }
    assert_int_equal(exit_status(child), 0);
    assert_int_equal(access(pid_path, F_OK), 0);
    pid_file_close(&file);
}

static void test_pid_file_that_cannot_be(void **state)
{
    (void)state;
    char message[PID_FILE_MESSAGE];
    struct pid_file file;
    assert_false(pid_file_open(&file, "/nowhere/at/all", message));
    assert_string_equal(message, "pid_file: cannot open /nowhere/at/all: No such file or directory");
    pid_file_close(&file);
}

/* Runs @daemon as a daemon; returns the exit status of the first process, and what it wrote to standard
 * error. */
static int run_daemon(void (*daemon)(void), char *errors, size_t capacity)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        char message[DAEMONIZE_MESSAGE];
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        if (!daemonize_begin(message))
            _exit(9);
        daemon();
        _exit(7); /* the first process has left long before */
    }
    close(ends[1]);
    int status = exit_status(child);
    memset(errors, 0, capacity);
    size_t length = 0;
    ssize_t got;
    while (length < capacity - 1 && (got = read(ends[0], errors + length, capacity - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    return status;
}

static char report_path[64];

/* What a daemon says of itself, written before it is ready. */
static void daemon_that_is_ready(void)
{
    char here[64];
    struct stat null;
    struct stat out;
    FILE *report = fopen(report_path, "w");
    bool at_null =
        stat("/dev/null", &null) == 0 && fstat(STDOUT_FILENO, &out) == 0 && out.st_rdev == null.st_rdev;
    fprintf(report, "%s %d %d %d", getcwd(here, sizeof here), getsid(0) != getpid(), getpgid(0) == getsid(0),
            at_null);
    fclose(report);
    daemonize_ready();
    static const char lost[] = "not seen by anybody\n";
    (void)!write(STDERR_FILENO, lost, sizeof lost - 1);
    daemonize_failed("too late to be told");
}

static void daemon_that_fails(void)
{
    daemonize_failed("the data directory is on fire");
}

static void daemon_that_crashes(void)
{
    raise(SIGKILL);
}

static int hold[2]; /* the child stays until the test closes the writing end */

static void daemon_with_a_child_that_stays(void)
{
    char byte;
    close(hold[1]);
    if (fork() == 0) {
        daemonize_forget();
        close(STDERR_FILENO);
        (void)!read(hold[0], &byte, 1);
        _exit(0);
    }
    static const char seen[] = "a last word\n";
    (void)!write(STDERR_FILENO, seen, sizeof seen - 1);
    raise(SIGKILL);
}

static void test_daemonize(void **state)
{
    (void)state;
    char errors[256];
    char report[256];
    assert_int_equal(run_daemon(daemon_that_is_ready, errors, sizeof errors), 0);
    assert_string_equal(errors, "");
    read_back(report_path, report, sizeof report);
    assert_string_equal(report, "/ 1 1 1");
    assert_int_equal(run_daemon(daemon_that_fails, errors, sizeof errors), 1);
    assert_string_equal(errors, "dispatchd: the data directory is on fire\n");
    assert_int_equal(run_daemon(daemon_that_crashes, errors, sizeof errors), 1);
    assert_string_equal(errors, "");
    assert_int_equal(pipe(hold), 0);
    assert_int_equal(run_daemon(daemon_with_a_child_that_stays, errors, sizeof errors), 1);
    assert_string_equal(errors, "a last word\n");
    close(hold[0]);
    close(hold[1]);
}

static void test_without_daemonizing(void **state)
{
    (void)state;
    daemonize_ready();
    daemonize_failed("nobody hears this");
    daemonize_forget();
}

static char *self;

/* The test runs itself again, because a title lies in what exec gave the process. */
static int title_child(int argc, char **argv)
{
    char line[1024];
    char name[32] = "";
    alarm(60);
    process_title_init(argc, argv);
    process_title_set("dispatchd: %s %d", "worker", 3);
    read_back("/proc/self/cmdline", line, sizeof line);
    if (strcmp(line, "dispatchd: worker 3") != 0)
        return 10;
    if (prctl(PR_GET_NAME, name) != 0 || strcmp(name, "dispatchd: work") != 0)
        return 11;
    if (!getenv("TITLE_TEST") || strcmp(getenv("TITLE_TEST"), "still here") != 0)
        return 12;
    process_title_set("%0400d", 7); /* cut at what fits, and the environment is not touched */
    if (strcmp(getenv("TITLE_TEST"), "still here") != 0)
        return 13;
    process_title_set("short");
    read_back("/proc/self/cmdline", line, sizeof line);
    return strcmp(line, "short") == 0 ? 0 : 14;
}

static void test_title(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        setenv("TITLE_TEST", "still here", 1);
        execl(self, self, "--title", "a", "", NULL);
        _exit(20);
    }
    assert_int_equal(exit_status(child), 0);
}

static void test_privileges_unknown_user(void **state)
{
    (void)state;
    char message[PRIVILEGES_MESSAGE];
    uid_t uid;
    gid_t gid;
    assert_false(privileges_find("no such user", &uid, &gid, message));
    assert_string_equal(message, "user: there is no user \"no such user\"");
    assert_true(privileges_find(NULL, &uid, &gid, message));
    assert_int_equal(uid, (uid_t)-1);
}

static int drop_and_look(const char *user)
{
    char message[PRIVILEGES_MESSAGE];
    uid_t uid;
    gid_t gid;
    if (!privileges_find(user, &uid, &gid, message) || !privileges_drop(user, message))
        return 1;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 2;
    if (user &&
        (getuid() != uid || geteuid() != uid || getgid() != gid || getegid() != gid || setuid(0) == 0))
        return 3;
    gid_t groups[64];
    int count = getgroups(64, groups);
    for (int i = 0; user && i < count; i++)
        if (groups[i] == 0)
            return 4;
    /* There is no way on from here to anybody else. */
    if (user && privileges_drop("root", message))
        return 5;
    return 0;
}

static void test_privileges_drop(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0)
        _exit(drop_and_look(NULL));
    assert_int_equal(exit_status(child), 0);
    if (geteuid() != 0)
        return; /* only root can become somebody else */
    child = fork();
    if (child == 0)
        _exit(drop_and_look("nobody"));
    assert_int_equal(exit_status(child), 0);
    child = fork();
    if (child == 0)
        _exit(drop_and_look("65534")); /* the same by number */
    assert_int_equal(exit_status(child), 0);
}

static int nice_value(void)
{
    return getpriority(PRIO_PROCESS, 0);
}

/* 0: as it must be; otherwise which look was wrong. */
static int raise_and_restore(int low)
{
    if (setpriority(PRIO_PROCESS, 0, low) != 0 || nice_value() != low)
        return 1;
    priority_restore(); /* of nothing */
    if (nice_value() != low)
        return 2;
    bool may = geteuid() == 0;
    priority_raise();
    if (may ? nice_value() >= low : nice_value() > low)
        return 3;
    int raised = nice_value();
    pid_t child = fork();
    if (child == 0) {
        priority_restore();
        _exit(nice_value() == low ? 0 : 4);
    }
    int status = exit_status(child);
    return status ? status : nice_value() == raised ? 0 : 5;
}

static void test_priority(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0)
        _exit(raise_and_restore(nice_value() < 4 ? 4 : nice_value()));
    assert_int_equal(exit_status(child), 0);
}

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(pid_path, sizeof pid_path, "%s/pid", directory);
    snprintf(report_path, sizeof report_path, "%s/report", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(pid_path);
    unlink(report_path);
    return rmdir(directory);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--title") == 0)
        return title_child(argc, argv);
    self = argv[0];
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pid_file_lives_as_long_as_its_process),
        cmocka_unit_test(test_pid_file_without_a_path),
        cmocka_unit_test(test_pid_file_of_a_dead_process_is_taken_over),
        cmocka_unit_test(test_pid_file_of_a_living_process_is_refused),
        cmocka_unit_test(test_pid_file_that_cannot_be),
        cmocka_unit_test(test_daemonize),
        cmocka_unit_test(test_without_daemonizing),
        cmocka_unit_test(test_title),
        cmocka_unit_test(test_privileges_unknown_user),
        cmocka_unit_test(test_privileges_drop),
        cmocka_unit_test(test_priority),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
