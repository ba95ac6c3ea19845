#include "store_fixture.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/memory.h"

#define ANY CHANGE_ANY_VERSION

enum { MAP_BYTES = 4 * 1024 * 1024 };

static char body[2100];

static void open_small(struct fixture *f)
{
    fixture_open(f, plain_collections);
    store_close(&f->store);
    f->config->map_bytes = MAP_BYTES;
    f->config->change_log_entries = 100;
    fixture_reopen(f, NULL);
    int head = snprintf(body, sizeof body, "{\"text\":\"");
    memset(body + head, 'x', 2000);
    memcpy(body + head + 2000, "\"}", 3);
}

static enum error_code insert(struct fixture *f, int number)
{
    char id[16];
    snprintf(id, sizeof id, "d%05d", number);
    return run_one(f, CHANGE_INSERT, 0, "plain", id, ANY, body);
}

/** Inserts until the store says that it is full; how many there are. */
static int fill(struct fixture *f, int from)
{
    int count = from;
    enum error_code code;
    while (!(code = insert(f, count)))
        if (++count > 10000)
            fail_msg("never full");
    assert_int_equal(code, ERROR_STORE_FULL);
    return count;
}

static void check_reads(struct fixture *f, int count)
{
    for (int i = 0; i < count; i += 37) {
        char id[16];
        snprintf(id, sizeof id, "d%05d", i);
        assert_non_null(document(f, "plain", id));
    }
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_int_equal(store_count(f->store, fixture_collection(f, "plain")), count);
    store_end(f->store);
}

static void a_full_store_goes_on_reading(void **state)
{
    (void)state;
    struct fixture f;
    open_small(&f);
    int count = fill(&f, 0);
    assert_true(count > 500);
    check_reads(&f, count);
    uint64_t used, map;
    store_usage(f.store, &used, &map);
    assert_int_equal(map, MAP_BYTES);
    assert_true(used > map * 8 / 10 && used <= map);
    for (int i = 0; i < 20; i++)
        assert_int_equal(insert(&f, count), ERROR_STORE_FULL);
    assert_non_null(strstr(f.result.message, "full"));
    assert_int_equal(f.result.at_fault, 0);
    assert_int_equal(run_one(&f, CHANGE_MERGE, 0, "plain", "d00001", ANY, "{\"more\":1}"), ERROR_STORE_FULL);
    check_reads(&f, count);
    fixture_reopen(&f, NULL);
    check_reads(&f, count);
    fixture_close(&f);
}

static void removing_makes_room(void **state)
{
    (void)state;
    struct fixture f;
    open_small(&f);
    int count = fill(&f, 0);
    for (int i = count - 1; i >= count - 200; i--) {
        char id[16];
        snprintf(id, sizeof id, "d%05d", i);
        assert_int_equal(run_one(&f, CHANGE_REMOVE, 0, "plain", id, ANY, NULL), ERROR_NONE);
    }
    for (int i = count - 200; i < count - 50; i++)
        assert_int_equal(insert(&f, i), ERROR_NONE);
    check_reads(&f, count - 50);
    fixture_close(&f);
}

static void a_larger_map_makes_room(void **state)
{
    (void)state;
    struct fixture f;
    open_small(&f);
    int count = fill(&f, 0);
    f.config->map_bytes = 2 * MAP_BYTES;
    fixture_reopen(&f, NULL);
    int more = fill(&f, count);
    assert_true(more > count + 500);
    check_reads(&f, more);
    /* And a smaller one refuses, but reads. */
    f.config->map_bytes = MAP_BYTES;
    fixture_reopen(&f, NULL);
    check_reads(&f, more);
    assert_int_equal(insert(&f, more), ERROR_STORE_FULL);
    fixture_close(&f);
}

static void a_transaction_too_large_leaves_nothing(void **state)
{
    (void)state;
    struct fixture f;
    open_small(&f);
    assert_int_equal(insert(&f, 0), ERROR_NONE);
    uint64_t seq = store_write_seq(f.store);
    set_begin(&f, ANSWER_LITERAL);
    for (int i = 1; i < 3000; i++) {
        char id[16];
        snprintf(id, sizeof id, "d%05d", i);
        set_add(&f, CHANGE_INSERT, 0, "plain", id, ANY, body);
    }
    assert_int_equal(set_run(&f), ERROR_STORE_FULL);
    assert_int_equal(store_write_seq(f.store), seq);
    size_t count;
    store_write_changes(f.store, &count);
    assert_int_equal(count, 0);
    check_reads(&f, 1);
    assert_int_equal(insert(&f, 1), ERROR_NONE);
    assert_int_equal(f.result.seq, seq + 1);
    fixture_close(&f);
}

/** In a file system of 3 MiB of its own; 77: that is not allowed here. */
static int on_a_small_disk(void)
{
    char directory[] = "/tmp/dispatchd-disk-XXXXXX";
    if (!mkdtemp(directory))
        return 77;
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", directory, "tmpfs", 0, "size=3m")) {
        rmdir(directory);
        return 77;
    }
    struct fixture f;
    open_small(&f);
    store_close(&f.store);
    char *data = f.config->data;
    f.config->data = directory;
    f.config->map_bytes = 64 * 1024 * 1024;
    fixture_reopen(&f, NULL);
    int count = fill(&f, 0);
    check_reads(&f, count);
    for (int i = 0; i < 5; i++)
        assert_int_equal(insert(&f, count), ERROR_STORE_FULL);
    fixture_reopen(&f, NULL);
    check_reads(&f, count);
    if (mount("none", directory, "tmpfs", MS_REMOUNT, "size=8m") == 0)
        assert_int_equal(insert(&f, count), ERROR_NONE);
    store_close(&f.store);
    f.config->data = data;
    if (umount(directory) == 0)
        rmdir(directory);
    fixture_close(&f);
    return 0;
}

static void a_full_disk_is_like_a_full_map(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        _exit(on_a_small_disk());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_store_goes_on_reading),
        cmocka_unit_test(removing_makes_room),
        cmocka_unit_test(a_larger_map_makes_room),
        cmocka_unit_test(a_transaction_too_large_leaves_nothing),
        cmocka_unit_test(a_full_disk_is_like_a_full_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
