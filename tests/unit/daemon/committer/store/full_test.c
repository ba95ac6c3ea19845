#include "store_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/memory.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

enum { MAP_BYTES = 4 * 1024 * 1024 };

static char body[2100];

static void open_small(struct fixture *f)
{
    fixture_open(f, plain_collections);
    store_write_close(&f->writer);
    f->config->map_bytes = MAP_BYTES;
    f->config->change_log_entries = 100;
    fixture_reopen(f, NULL);
    int head = snprintf(body, sizeof body, "{\"text\":\"");
    memset(body + head, 'x', 2000);
    memcpy(body + head + 2000, Q("'}"), 3);
}

/** In one set. */
static enum error_code insert_some(struct fixture *f, int from, int to)
{
    set_begin(f, ANSWER_LITERAL);
    for (int i = from; i < to; i++) {
        char id[16];
        snprintf(id, sizeof id, "d%05d", i);
        set_add(f, CHANGE_INSERT, 0, "plain", id, ANY, body);
    }
    return set_run(f);
}

static enum error_code insert(struct fixture *f, int number)
{
    return insert_some(f, number, number + 1);
}

/** Inserts until the store says that it is full, many at once as long as they fit; how many there are. */
static int fill(struct fixture *f, int from)
{
    int count = from;
    for (int some = 64; some > 0;) {
        enum error_code code = insert_some(f, count, count + some);
        assert_true(!code || code == ERROR_STORE_FULL);
        if (code)
            some /= 2;
        else
            count += some;
        assert_true(count < 10000);
    }
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
    assert_int_equal(stored_count(f->store, fixture_collection(f, "plain")), count);
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
    assert_int_equal(run_one(&f, CHANGE_MERGE, 0, "plain", "d00001", ANY, Q("{'more':1}")), ERROR_STORE_FULL);
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

/* What a log-in writes, about. */
static enum error_code log_in(struct fixture *f, int number)
{
    char id[80], session[256], stamp[64];
    snprintf(id, sizeof id, "%064d", number);
    quoted_print(stamp, sizeof stamp, "{'stamp':'%016d'}", number);
    quoted_print(session, sizeof session, "{'id':'%012d','user':'u','created':1,'used':1,'browser':'%0100d'}",
                 number, 0);
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_MERGE, CHANGE_UPSERT, "credentials", "u", ANY, stamp);
    set_add(f, CHANGE_INSERT, 0, "sessions", id, ANY, session);
    return set_run(f);
}

static void remove_some(struct fixture *f, int from, int to)
{
    for (int i = from; i < to; i++) {
        char id[16];
        snprintf(id, sizeof id, "d%05d", i);
        assert_int_equal(run_one(f, CHANGE_REMOVE, 0, "plain", id, ANY, NULL), ERROR_NONE);
    }
}

static void a_full_store_lets_people_log_in_and_clean_up(void **state)
{
    (void)state;
    struct fixture f;
    open_small(&f);
    int count = fill(&f, 0), logged_in = 0;
    enum error_code code;
    while (!(code = log_in(&f, logged_in)))
        if (++logged_in > 10000)
            fail_msg("log-ins are not bounded");
    assert_int_equal(code, ERROR_STORE_FULL);
    assert_true(logged_in > 20);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(log_in(&f, logged_in), ERROR_STORE_FULL);
        assert_int_equal(insert(&f, count), ERROR_STORE_FULL);
    }
    remove_some(&f, 0, 100);
    assert_int_equal(log_in(&f, logged_in), ERROR_NONE);
    remove_some(&f, 100, 300);
    assert_int_equal(insert(&f, 0), ERROR_NONE);
    fixture_close(&f);
}

/* Whatever is the last that fits, what is kept back for log-ins is left. */
static void no_set_takes_what_is_kept_back(void **state)
{
    (void)state;
    for (int documents = 1; documents <= 121; documents += 20) {
        struct fixture f;
        open_small(&f);
        enum error_code code = ERROR_NONE;
        for (int next = 0; !code; next += documents)
            code = insert_some(&f, next, next + documents);
        assert_int_equal(code, ERROR_STORE_FULL);
        for (int i = 0; i < 20; i++)
            assert_int_equal(log_in(&f, i), ERROR_NONE);
        fixture_close(&f);
    }
}

/* Answers that are remembered need room too; a removal makes its own. */
static void what_changes_nothing_cannot_fill_a_store(void **state)
{
    (void)state;
    struct fixture f;
    open_small(&f);
    fill(&f, 0);
    enum error_code code = ERROR_NONE;
    int answers = 0;
    for (; !code && answers < 10000; answers++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", answers);
        set_begin(&f, ANSWER_IDS);
        set_add(&f, CHANGE_ONCE, 0, "plain.remove", key, 5000, "u");
        set_add(&f, CHANGE_REMOVE, CHANGE_SKIP_MISSING, "plain", "none", ANY, NULL);
        code = set_run(&f);
    }
    assert_int_equal(code, ERROR_STORE_FULL);
    for (int i = 0; i < 20; i++)
        assert_int_equal(log_in(&f, i), ERROR_NONE);
    set_begin(&f, ANSWER_IDS);
    set_add(&f, CHANGE_ONCE, 0, "plain.remove", "more", 5000, "u");
    set_add(&f, CHANGE_REMOVE, CHANGE_SKIP_MISSING, "plain", "d00001", ANY, NULL);
    assert_int_equal(set_run(&f), ERROR_NONE);
    fixture_close(&f);
}

/* As when map_bytes was made smaller, or when removals needed the last page. */
static void a_store_without_a_page_left_comes_up_again(void **state)
{
    (void)state;
    struct fixture f;
    open_small(&f);
    int count = fill(&f, 0);
    char path[128];
    struct stat file;
    snprintf(path, sizeof path, "%s/data.mdb", f.config->data);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(stat(path, &file), 0);
        f.config->map_bytes = (uint64_t)file.st_size;
        fixture_reopen(&f, NULL);
        for (int i = 0; i < 20; i++)
            assert_int_equal(log_in(&f, 20 * round + i), ERROR_NONE);
        assert_int_equal(insert(&f, count), ERROR_STORE_FULL);
        check_reads(&f, count);
    }
    remove_some(&f, 0, 400);
    assert_int_equal(insert(&f, 0), ERROR_NONE);
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
    uint64_t seq = store_write_seq(f.writer);
    set_begin(&f, ANSWER_LITERAL);
    for (int i = 1; i < 3000; i++) {
        char id[16];
        snprintf(id, sizeof id, "d%05d", i);
        set_add(&f, CHANGE_INSERT, 0, "plain", id, ANY, body);
    }
    assert_int_equal(set_run(&f), ERROR_STORE_FULL);
    assert_int_equal(store_write_seq(f.writer), seq);
    size_t count;
    store_write_changes(f.writer, &count);
    assert_int_equal(count, 0);
    check_reads(&f, 1);
    assert_int_equal(insert(&f, 1), ERROR_NONE);
    assert_int_equal(f.result.seq, seq + 1);
    fixture_close(&f);
}

enum { NOT_ALLOWED = 77 };

static char disk[] = "/tmp/dispatchd-disk-XXXXXX";

/** Opens a store in a file system of its own, which ends with the process. False: that is not allowed
 * here. */
static bool open_on_disk(struct fixture *f, const char *kind, const char *options)
{
    if (!mkdtemp(disk))
        return false;
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", disk, kind, 0, options)) {
        rmdir(disk);
        return false;
    }
    open_small(f);
    store_write_close(&f->writer);
    free(f->config->data);
    f->config->data = memory_copy(disk, strlen(disk));
    f->config->map_bytes = 64 * 1024 * 1024;
    fixture_reopen(f, NULL);
    return true;
}

static int close_on_disk(struct fixture *f)
{
    store_write_close(&f->writer);
    if (umount(disk) == 0)
        rmdir(disk);
    fixture_close(f);
    return 0;
}

/* What others put on the disk. */
static void fill_disk(void)
{
    static char block[65536];
    char path[64];
    snprintf(path, sizeof path, "%s/filler", disk);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (size_t bytes = sizeof block; bytes; bytes /= 2)
        while (write(fd, block, bytes) == (ssize_t)bytes)
            ;
    assert_int_equal(close(fd), 0);
}

/** There are documents up to @count; returns up to where there are then. */
static int log_in_and_remove(struct fixture *f, int count, int from)
{
    for (int i = 0; i < 20; i++)
        assert_int_equal(log_in(f, from + i), ERROR_NONE);
    int more = fill(f, count); /* it is full: pages that became free may take some */
    assert_true(more - count < 20);
    remove_some(f, from, from + 20);
    return more;
}

static int on_a_full_disk(void)
{
    struct fixture f;
    if (!open_on_disk(&f, "tmpfs", "size=10m"))
        return NOT_ALLOWED;
    int count = fill(&f, 0);
    assert_true(count > 1000);
    check_reads(&f, count);
    count = log_in_and_remove(&f, count, 0);
    fixture_reopen(&f, NULL);
    count = log_in_and_remove(&f, count, 20);
    remove_some(&f, 40, 400);
    assert_int_equal(insert(&f, 0), ERROR_NONE); /* into pages that are free again */
    count = fill(&f, count);
    if (mount("none", disk, "tmpfs", MS_REMOUNT, "size=20m") == 0)
        assert_int_equal(insert(&f, count), ERROR_NONE);
    return close_on_disk(&f);
}

/* What log-ins need is there, however little the store has taken of the disk before others filled it. */
static int on_a_disk_that_others_fill(void)
{
    struct fixture f;
    if (!open_on_disk(&f, "tmpfs", "size=20m"))
        return NOT_ALLOWED;
    for (int i = 0; i < 100; i++)
        assert_int_equal(insert(&f, i), ERROR_NONE);
    fill_disk();
    int count = fill(&f, 100);
    count = log_in_and_remove(&f, count, 0);
    fixture_reopen(&f, NULL);
    count = log_in_and_remove(&f, count, 20);
    return close_on_disk(&f);
}

static int on_a_file_system_that_keeps_no_blocks(void)
{
    struct fixture f;
    if (!open_on_disk(&f, "ramfs", ""))
        return NOT_ALLOWED;
    for (int i = 0; i < 100; i++)
        assert_int_equal(insert(&f, i), ERROR_NONE);
    return close_on_disk(&f);
}

static void in_a_process_of_its_own(int (*test)(void))
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(test());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NOT_ALLOWED)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_full_disk_is_like_a_full_map(void **state)
{
    (void)state;
    in_a_process_of_its_own(on_a_full_disk);
}

static void room_on_the_disk_is_kept(void **state)
{
    (void)state;
    in_a_process_of_its_own(on_a_disk_that_others_fill);
}

static void without_kept_blocks_writing_goes_on(void **state)
{
    (void)state;
    in_a_process_of_its_own(on_a_file_system_that_keeps_no_blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_store_goes_on_reading),
        cmocka_unit_test(removing_makes_room),
        cmocka_unit_test(a_full_store_lets_people_log_in_and_clean_up),
        cmocka_unit_test(no_set_takes_what_is_kept_back),
        cmocka_unit_test(what_changes_nothing_cannot_fill_a_store),
        cmocka_unit_test(a_store_without_a_page_left_comes_up_again),
        cmocka_unit_test(a_larger_map_makes_room),
        cmocka_unit_test(a_transaction_too_large_leaves_nothing),
        cmocka_unit_test(a_full_disk_is_like_a_full_map),
        cmocka_unit_test(room_on_the_disk_is_kept),
        cmocka_unit_test(without_kept_blocks_writing_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
