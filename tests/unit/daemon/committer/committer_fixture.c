#include "committer_fixture.h"
#include "shared/config/option_value.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/committer/committer.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/config/option_table.h"
#include "shared/ipc/orders.h"

enum { PATIENCE_MS = 30000, STEP_US = 2000 };

static const char configuration[] =
    "{\"collections\":{\"viruses\":{\"projector\":[\"name\"],\"sync_filter\":{\"archived\":{\"$ne\":true}}},"
    "\"samples\":{\"rights\":{\"owner\":\"user\",\"all_read\":\"read\",\"all_write\":\"write\"}},"
    "\"notes\":{}}}";

int fixture_set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    char message[CONFIG_MESSAGE];
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/dispatchd-committer-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    fixture->config = config_defaults();
    if (!config_read_text(fixture->config, "test", configuration, strlen(configuration), message))
        fail_msg("%s", message);
    assert_true(option_set(fixture->config, option_find("data", 4), fixture->directory, true, message));
    fixture->config->map_bytes = 64 << 20;
    fixture->config->ring_bytes = 1 << 20;
    fixture->config->stop_timeout_ms = 5000;
    fixture->inheritance.config = fixture->config;
    fixture->inheritance.scoreboard = scoreboard_create(FIXTURE_LINKS);
    fixture->inheritance.ring = ring_create(fixture->config->ring_bytes);
    assert_non_null(fixture->inheritance.scoreboard);
    assert_non_null(fixture->inheritance.ring);
    assert_true(ring_wakeup_open(fixture->inheritance.ring, FIXTURE_LINKS));
    fixture->orders = -1;
    for (unsigned slot = 0; slot < FIXTURE_LINKS; slot++)
        fixture->links[slot] = -1;
    *state = fixture;
    return 0;
}

static void forget_links(struct fixture *fixture)
{
    for (unsigned slot = 0; slot < FIXTURE_LINKS; slot++) {
        if (fixture->links[slot] >= 0)
            close(fixture->links[slot]);
        fixture->links[slot] = -1;
        buffer_clear(&fixture->in[slot]);
    }
}

int fixture_tear_down(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->pid > 0) {
        kill(fixture->pid, SIGKILL);
        waitpid(fixture->pid, NULL, 0);
    }
    forget_links(fixture);
    if (fixture->orders >= 0)
        close(fixture->orders);
    ring_close(&fixture->inheritance.ring);
    DIR *directory = opendir(fixture->directory);
    struct dirent *entry;
    while (directory && (entry = readdir(directory)))
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(fixture->directory);
    for (unsigned slot = 0; slot < FIXTURE_LINKS; slot++)
        buffer_free(&fixture->in[slot]);
    buffer_free(&fixture->text);
    config_free(fixture->config);
    free(fixture);
    return 0;
}

static void fork_committer(struct fixture *fixture, void (*after_commit)(void))
{
    int ends[2];
    forget_links(fixture);
    if (fixture->orders >= 0)
        close(fixture->orders);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    fflush(NULL);
    fixture->pid = fork();
    assert_true(fixture->pid >= 0);
    if (fixture->pid == 0) {
        close(ends[0]);
        log_process("committer");
        committer_after_commit = after_commit;
        fixture->inheritance.order_channel = ends[1];
        _exit(committer_main(&fixture->inheritance));
    }
    close(ends[1]);
    fixture->orders = ends[0];
}

static struct order next_report(struct fixture *fixture)
{
    struct order report;
    int fds[FDPASS_MOST];
    size_t count;
    struct pollfd polled = {.fd = fixture->orders, .events = POLLIN};
    assert_int_equal(poll(&polled, 1, PATIENCE_MS), 1);
    assert_int_equal(fdpass_receive(fixture->orders, &report, sizeof report, fds, &count), sizeof report);
    return report;
}

void fixture_start(struct fixture *fixture, void (*after_commit)(void))
{
    bool fresh = !ring_started(fixture->inheritance.ring);
    fork_committer(fixture, after_commit);
    struct order report = next_report(fixture);
    if (report.type != REPORT_READY)
        fail_msg("%s", report.text);
    if (fresh)
        ring_cursor_start(&fixture->cursor, fixture->inheritance.ring);
}

const char *fixture_start_failing(struct fixture *fixture)
{
    fork_committer(fixture, NULL);
    struct order report = next_report(fixture);
    assert_int_equal(report.type, REPORT_FAILED);
    int status = fixture_wait_end(fixture);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    buffer_clear(&fixture->text);
    buffer_append(&fixture->text, report.text, sizeof report.text);
    return fixture->text.data;
}

int fixture_wait_end(struct fixture *fixture)
{
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(fixture->pid, &status, WNOHANG)) == 0 && clock_monotonic_ms() < deadline)
        usleep(STEP_US);
    assert_int_equal(ended, fixture->pid);
    fixture->pid = 0;
    return status;
}

void fixture_stop(struct fixture *fixture)
{
    struct order order = {.type = ORDER_STOP};
    assert_true(fdpass_send(fixture->orders, &order, sizeof order, NULL, 0));
    forget_links(fixture);
    int status = fixture_wait_end(fixture);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

void fixture_link(struct fixture *fixture, unsigned slot)
{
    int ends[2];
    struct order order = {.type = ORDER_LINK, .slot = slot, .count = 1};
    if (fixture->links[slot] >= 0)
        close(fixture->links[slot]);
    buffer_clear(&fixture->in[slot]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    assert_true(fdpass_send(fixture->orders, &order, sizeof order, &ends[1], 1));
    close(ends[1]);
    fixture->links[slot] = ends[0];
}

/* All of it, waiting for room. False: the link has ended. */
static bool write_all(int fd, const struct buffer *bytes)
{
    for (size_t done = 0; done < bytes->length;) {
        ssize_t wrote = send(fd, bytes->data + done, bytes->length - done, MSG_NOSIGNAL);
        if (wrote < 0 && errno == EAGAIN) {
            struct pollfd polled = {.fd = fd, .events = POLLOUT};
            assert_int_equal(poll(&polled, 1, PATIENCE_MS), 1);
            continue;
        }
        if (wrote < 0)
            return false;
        done += (size_t)wrote;
    }
    return true;
}

void fixture_hello(struct fixture *fixture, unsigned slot, uint64_t incarnation)
{
    struct buffer hello = {0};
    committer_hello_append(&hello, slot, incarnation);
    (void)write_all(fixture->links[slot], &hello);
    buffer_free(&hello);
}

bool fixture_read(struct fixture *fixture, unsigned slot, struct seen_result *result, bool *ended)
{
    struct buffer *in = &fixture->in[slot];
    enum committer_message_type type;
    struct slice body;
    *ended = false;
    for (;;) {
        struct slice rest = buffer_slice(in);
        int whole = committer_message_take(&rest, &type, &body);
        assert_int_not_equal(whole, -1);
        if (whole == 1) {
            struct committer_result read = {0};
            if (type == COMMITTER_RESULT) {
                assert_true(committer_result_read(body, &read));
                *result = (struct seen_result){read.id, read.code, read.seq, read.at_fault, ""};
                snprintf(result->text, sizeof result->text, "%.*s", (int)read.text.length, read.text.data);
            }
            buffer_consume(in, in->length - rest.length);
            return type == COMMITTER_RESULT;
        }
        struct pollfd polled = {.fd = fixture->links[slot], .events = POLLIN};
        assert_int_equal(poll(&polled, 1, PATIENCE_MS), 1);
        ssize_t length = recv(fixture->links[slot], buffer_reserve(in, 65536), 65536, 0);
        if (length <= 0) {
            *ended = true;
            return false;
        }
        in->length += (size_t)length;
    }
}

struct seen_result fixture_result(struct fixture *fixture, unsigned slot)
{
    struct seen_result result;
    bool ended;
    assert_true(fixture_read(fixture, slot, &result, &ended));
    return result;
}

unsigned fixture_join(struct fixture *fixture, unsigned slot, uint64_t incarnation)
{
    struct seen_result result;
    bool ended;
    unsigned before = 0;
    fixture_link(fixture, slot);
    fixture_hello(fixture, slot, incarnation);
    while (fixture_read(fixture, slot, &result, &ended))
        before++;
    assert_false(ended);
    return before;
}

void fixture_set(struct buffer *out, enum change_operation operation, const char *collection, const char *id,
                 const char *body)
{
    struct change change = {
        .operation = operation,
        .version = CHANGE_ANY_VERSION,
        .collection = slice_text(collection),
        .id = slice_text(id),
        .body = slice_text(body),
    };
    if (out->length == 0)
        change_set_begin(out, CHANGE_UNBOUNDED, ANSWER_LIST, (struct slice){0});
    change_set_add(out, &change);
}

uint64_t fixture_send(struct fixture *fixture, unsigned slot, const struct buffer *set)
{
    struct buffer message = {0};
    uint64_t id = ++fixture->next_id;
    committer_set_append(&message, id, buffer_slice(set));
    (void)write_all(fixture->links[slot], &message);
    buffer_free(&message);
    return id;
}

uint64_t fixture_send_one(struct fixture *fixture, unsigned slot, enum change_operation operation,
                          const char *collection, const char *id, const char *body)
{
    struct buffer set = {0};
    fixture_set(&set, operation, collection, id, body);
    uint64_t number = fixture_send(fixture, slot, &set);
    buffer_free(&set);
    return number;
}

struct seen_result fixture_do(struct fixture *fixture, unsigned slot, enum change_operation operation,
                              const char *collection, const char *id, const char *body)
{
    uint64_t number = fixture_send_one(fixture, slot, operation, collection, id, body);
    struct seen_result result = fixture_result(fixture, slot);
    assert_int_equal(result.id, number);
    if (result.code != ERROR_NONE)
        fail_msg("%s: %s", error_code_name(result.code), result.text);
    return result;
}

static void copy_frame(char *out, size_t capacity, struct slice frame)
{
    const char *text = frame.length ? memchr(frame.data, '{', frame.length) : NULL;
    size_t length = text ? frame.length - (size_t)(text - frame.data) : 0;
    assert_true(length < capacity);
    if (length)
        memcpy(out, text, length);
    out[length] = '\0';
}

bool fixture_ring_next(struct fixture *fixture, struct seen_record *record)
{
    struct ring_record read;
    enum ring_result got = ring_read(&fixture->cursor, &read);
    assert_int_not_equal(got, RING_OVERRUN);
    if (got == RING_END)
        return false;
    *record = (struct seen_record){
        .seq = read.seq,
        .version = read.version,
        .collection = read.collection,
        .was = read.tag_before.length > 0,
        .is = read.tag_after.length > 0,
        .fetch = read.fetch,
    };
    snprintf(record->id, sizeof record->id, "%.*s", (int)read.id.length, read.id.data);
    copy_frame(record->update, sizeof record->update, read.update_frame);
    copy_frame(record->remove, sizeof record->remove, read.remove_frame);
    assert_int_equal(ring_confirm(&fixture->cursor), RING_OK);
    return true;
}

void fixture_pause(struct fixture *fixture)
{
    int status;
    assert_int_equal(kill(fixture->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(fixture->pid, &status, WUNTRACED), fixture->pid);
    assert_true(WIFSTOPPED(status));
}

void fixture_resume(struct fixture *fixture)
{
    assert_int_equal(kill(fixture->pid, SIGCONT), 0);
}

struct store *fixture_store(struct fixture *fixture)
{
    char message[STORE_MESSAGE];
    struct store *store = store_open(fixture->config, message);
    if (!store)
        fail_msg("%s", message);
    return store;
}

bool fixture_has(struct fixture *fixture, const char *collection, const char *id)
{
    struct store *store = fixture_store(fixture);
    struct store_record record;
    assert_int_equal(store_begin(store), ERROR_NONE);
    enum error_code code = store_get(store, config_collection(fixture->config, slice_text(collection))->index,
                                     slice_text(id), &record);
    store_end(store);
    store_close(&store);
    return code == ERROR_NONE;
}
