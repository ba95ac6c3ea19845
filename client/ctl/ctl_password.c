#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "client/c/input.h"
#include "client/ctl/ctl.h"

enum { PASSWORD_BYTES = 1024 };

static volatile sig_atomic_t caught;

static void password_on_signal(int number)
{
    caught = number;
}

/* One line without its end. Signals come through only while this waits, as @mask has it. False: the end came
   before the line, it is too long, or a signal was caught. */
static bool read_line(int fd, struct buffer *line, const sigset_t *mask)
{
    buffer_clear(line);
    for (;;) {
        char byte;
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = ppoll(&wait, 1, NULL, mask);
        if (caught || (ready < 0 && errno != EINTR))
            return false;
        if (ready < 0)
            continue;
        ssize_t got = read(fd, &byte, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || (got == 0 && line->length == 0))
            return false;
        if (got == 0 || byte == '\n')
            return true;
        if (line->length == PASSWORD_BYTES)
            return false;
        buffer_append_byte(line, byte);
    }
}

static bool ask_password(int terminal, const char *prompt, struct buffer *line, const sigset_t *mask)
{
    if (write(terminal, prompt, strlen(prompt)) < 0)
        return false;
    bool read = read_line(terminal, line, mask);
    return write(terminal, "\n", 1) == 1 && read;
}

/* Asks twice with the echo off. Signals are caught meanwhile, so that the echo is on again when they take
 * effect. */
static const char *ask_twice(int terminal, struct buffer *password)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    enum { SIGNALS = sizeof signals / sizeof *signals };
    struct sigaction action = {.sa_handler = password_on_signal}, before[SIGNALS];
    struct termios shown, hidden;
    sigset_t blocked, mask;
    if (tcgetattr(terminal, &shown) < 0)
        return strerror(errno);
    sigemptyset(&blocked);
    for (size_t i = 0; i < SIGNALS; i++) {
        sigaddset(&blocked, signals[i]);
        sigaction(signals[i], &action, &before[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, &mask);
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(terminal, TCSAFLUSH, &hidden);

    struct buffer again = {0};
    const char *problem = NULL;
    if (!ask_password(terminal, "Password: ", password, &mask) ||
        !ask_password(terminal, "The same again: ", &again, &mask))
        problem = "no password was given";
    else if (!slice_equal(buffer_slice(password), buffer_slice(&again)))
        problem = "the passwords differ";

    tcsetattr(terminal, TCSAFLUSH, &shown);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    buffer_free(&again);
    if (caught)
        raise(caught);
    return problem;
}

/* Leaves in @line what is of the password. Says why it can be none. */
static const char *trim_password(struct buffer *line)
{
    struct slice password;
    const char *problem = input_password(line->length ? buffer_slice(line) : SLICE(""), &password);
    if (problem)
        return problem;
    size_t front = (size_t)(password.data - line->data);
    buffer_shorten(line, front + password.length);
    buffer_consume(line, front);
    return NULL;
}

bool ctl_password(bool from_stdin, struct buffer *password)
{
    const char *problem = NULL;
    if (from_stdin) {
        if (!read_line(STDIN_FILENO, password, NULL))
            problem = "no password on the standard input";
    } else {
        int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
        problem = terminal < 0 ? "no terminal to ask for the password; use --password-stdin"
                               : ask_twice(terminal, password);
        if (terminal >= 0)
            close(terminal);
    }
    if (!problem)
        problem = trim_password(password);
    if (problem)
        ctl_fail("%s", problem);
    return !problem;
}
