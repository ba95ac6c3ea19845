#include "tests/unit/daemon/watcher/watched_fixture.h"

#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/memory.h"

enum { LOOKS = 50, FILES_MOST = 1000 };

int fixture_set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->path, sizeof fixture->path, "/tmp/dispatchd-test-XXXXXX");
    if (!mkdtemp(fixture->path))
        return -1;
    struct config *config = fixture->config = config_defaults();
    config->limits.watch_files = FILES_MOST;
    config->directories = memory_zeroed(1, sizeof *config->directories);
    config->directory_count = 1;
    config->directories[0].name = memory_copy("d", 1);
    config->directories[0].path = memory_copy(fixture->path, strlen(fixture->path));
    config->directories[0].patterns = memory_zeroed(1, sizeof(char *));
    config->directories[0].patterns[0] = memory_copy("*", 1);
    config->directories[0].pattern_count = 1;
    fixture->base = event_base_new();
    fixture->now_ms = 1000000;
    watched_init(&fixture->watched, config, 0, fixture->base);
    *state = fixture;
    return 0;
}

int fixture_tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    while (fixture->watched.listeners > 0)
        watched_leave(&fixture->watched, &fixture->graves);
    file_table_free(&fixture->graves);
    event_base_free(fixture->base);
    config_free(fixture->config);
    snprintf(command, sizeof command, "rm -r %s*", fixture->path);
    int status = system(command);
    free(fixture);
    return status;
}

static void full_name(const struct fixture *fixture, const char *name, char path[512])
{
    snprintf(path, 512, "%s/%s", fixture->path, name);
}

void fixture_write(const struct fixture *fixture, const char *name, size_t bytes)
{
    char path[512];
    full_name(fixture, name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    close(fd);
}

void fixture_remove(const struct fixture *fixture, const char *name)
{
    char path[512];
    full_name(fixture, name, path);
    assert_int_equal(unlink(path), 0);
}

/* The kernel queues events before the call that makes them returns. */
static bool has_events(const struct watched *watched)
{
    struct pollfd polled = {.fd = watched->inotify, .events = POLLIN};
    return watched->inotify >= 0 && poll(&polled, 1, 0) == 1;
}

void fixture_settle(struct fixture *fixture)
{
    struct watched *watched = &fixture->watched;
    bool more = true;
    for (unsigned passes = 0; more; passes++) {
        assert_true(passes < 10000);
        watched->events = has_events(watched);
        size_t before = watched->looked;
        more = watched_step(watched, fixture->now_ms, LOOKS);
        /* Events are taken in as they were read; all else keeps to what it was allowed. */
        assert_true(watched->looked - before <= LOOKS + 600);
        more |= has_events(watched);
    }
}

void fixture_expect_count(const struct fixture *fixture, size_t count)
{
    assert_int_equal(file_table_count(fixture->watched.table), count);
}

void fixture_expect(const struct fixture *fixture, const char *name, uint64_t bytes)
{
    const struct file *file = file_table_find(fixture->watched.table, slice_text(name));
    assert_non_null(file);
    assert_false(file->gone);
    assert_true(file->size == bytes);
}
