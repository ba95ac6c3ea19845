/* A worker's copy of a watched directory, and what it says to the watcher, whose part the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shared/base/memory.h"
#include "worker/intake/directory.h"

enum { FILES_MOST = 2 };

static struct scoreboard_worker score;
static struct worker worker;
static struct directory *directory;

static int set_up(void **state)
{
    (void)state;
    struct config *config = config_defaults();
    config->limits.watch_files = FILES_MOST;
    config->directories = memory_zeroed(1, sizeof *config->directories);
    config->directory_count = 1;
    worker = (struct worker){.config = config};
    work_start(&worker.work, &score);
    work_pass(&worker.work);
    worker.directories = directory_all_create(&worker);
    directory = directory_at(&worker, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    directory_all_free(&worker.directories);
    config_free((struct config *)worker.config);
    return 0;
}

/* What the worker says now: the type of its one message, 0: nothing. */
static unsigned said(void)
{
    struct buffer out = {0};
    struct watch_message message;
    directory_link_events.fill(&worker, &out);
    struct slice rest = buffer_slice(&out);
    unsigned type = watch_message_take(&rest, &message) == 1 ? message.type : 0;
    assert_int_equal(rest.length, 0);
    buffer_free(&out);
    return type;
}

static void hear(enum watch_message_type type, uint32_t serial, const char *name)
{
    struct watch_message message = {.type = type, .serial = serial, .name = slice_text(name)};
    assert_true(directory_link_events.message(&worker, &message));
}

static bool has(const char *name)
{
    const struct file *file = file_table_find(directory->table, slice_text(name));
    return file && !file->gone;
}

/* Files that are gone for good must not keep those out that are there, however often the watcher died. */
static void test_it_begins_anew_again_and_again(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    directory_enter(directory);
    for (size_t i = 0; i < sizeof names / sizeof *names; i += 2) {
        assert_int_equal(said(), WATCH_LISTEN);
        hear(WATCH_BEGIN, directory->wanted, "");
        hear(WATCH_FILE, 0, names[i]);
        hear(WATCH_FILE, 0, names[i + 1]);
        if (i < 6)
            directory_link_events.ended(&worker);
    }
    hear(WATCH_WHOLE, 0, "");
    assert_false(directory_step(&worker));
    assert_true(directory->whole);
    assert_int_equal(file_table_count(directory->table), 2);
    assert_true(has("g") && has("h"));
    struct watch_message more = {.type = WATCH_FILE, .name = SLICE("i")};
    assert_true(directory_link_events.message(&worker, &more));
    more.name = SLICE("j");
    assert_true(directory_link_events.message(&worker, &more));
    more.name = SLICE("k"); /* no watcher says that */
    assert_false(directory_link_events.message(&worker, &more));
    directory_leave(directory);
}

/* While the watcher has not answered, what its clients want meanwhile becomes one wish. */
static void test_wishes_do_not_pile_up(void **state)
{
    (void)state;
    directory_enter(directory);
    assert_int_equal(said(), WATCH_LISTEN);
    uint32_t first = directory->wanted;
    for (int i = 0; i < 3; i++) {
        directory_leave(directory);
        assert_int_equal(said(), 0);
        directory_enter(directory);
        assert_int_equal(said(), 0);
    }
    hear(WATCH_BEGIN, first, "");
    assert_false(directory->begun);
    assert_int_equal(said(), WATCH_LISTEN);
    assert_int_equal(said(), 0);
    hear(WATCH_BEGIN, directory->wanted, "");
    assert_true(directory->begun);
    directory_leave(directory);
    assert_int_equal(said(), WATCH_UNLISTEN);
    directory_enter(directory);
    assert_int_equal(said(), WATCH_LISTEN);
    directory_link_events.ended(&worker);
    assert_int_equal(said(), WATCH_LISTEN);
    directory_leave(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_begins_anew_again_and_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wishes_do_not_pile_up, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
