#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/memory.h"
#include "shared/store/environment.h"
#include "shared/store/history.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

static void expect_words(const char *message, const char *words)
{
    if (!strstr(message, words) || strchr(message, '\n'))
        fail_msg("expected \"%s\", found: %s", words, message);
}

static void expect_no_writer(const struct config *config, const char *words)
{
    char message[STORE_MESSAGE];
    assert_null(store_write_open(config, NULL, message));
    expect_words(message, words);
}

static void expect_no_reader(const struct config *config, const char *words)
{
    char message[STORE_MESSAGE];
    assert_null(store_open(config, message));
    expect_words(message, words);
}

static void write_file(const char *directory, const char *text, size_t length)
{
    char path[128];
    snprintf(path, sizeof path, "%s/data.mdb", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void what_is_no_store_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    char path[128], junk[16384];
    fixture_open(&f, plain_collections);
    store_write_close(&f.writer);
    snprintf(path, sizeof path, "%s/data.mdb", f.directory);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);

    memset(junk, 'x', sizeof junk);
    write_file(f.directory, junk, sizeof junk);
    expect_no_writer(f.config, "is not a store");
    write_file(f.directory, junk, 10);
    expect_no_writer(f.config, "is not a store");
    assert_int_equal(remove(path), 0);
    expect_no_reader(f.config, "there is no store");

    char *data = f.config->data;
    f.config->data = path;
    write_file(f.directory, junk, 10);
    expect_no_writer(f.config, "is not a directory");
    f.config->data = "/nonexistent/deep/directory";
    expect_no_writer(f.config, "cannot be made");
    expect_no_reader(f.config, "cannot be used");
    f.config->data = data;
    assert_int_equal(remove(path), 0);
    fixture_reopen(&f, NULL);
    fixture_close(&f);
}

static void a_directory_without_rights_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, plain_collections);
    store_write_close(&f.writer);
    assert_int_equal(chmod(f.directory, 0555), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char message[STORE_MESSAGE];
        if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
            _exit(3);
        struct writer *writer = store_write_open(f.config, NULL, message);
        _exit(writer ? 1 : strstr(message, "is not writable") ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(chmod(f.directory, 0755), 0);
    fixture_reopen(&f, NULL);
    fixture_close(&f);
}

static void a_newer_format_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, plain_collections);
    MDB_txn *txn;
    char format[4] = {99, 0, 0, 0};
    MDB_val key = {6, "format"}, value = {4, format};
    assert_int_equal(mdb_txn_begin(f.store->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, f.store->meta, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    store_write_close(&f.writer);
    expect_no_writer(f.config, "newer dispatchd");
    expect_no_reader(f.config, "newer dispatchd");
    fixture_close(&f);
}

/* Format 1: a state of three numbers, and entries of the change log that say less. */
static void an_older_format_is_brought_up_to_date(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, plain_collections);
    assert_int_equal(run_one(&f, CHANGE_INSERT, 0, "plain", "a", CHANGE_ANY_VERSION, Q("{'x':1}")),
                     ERROR_NONE);
    assert_int_equal(run_one(&f, CHANGE_REMOVE, 0, "plain", "a", CHANGE_ANY_VERSION, ""), ERROR_NONE);
    assert_int_equal(run_one(&f, CHANGE_INSERT, 0, "plain", "b", CHANGE_ANY_VERSION, Q("{'x':2}")),
                     ERROR_NONE);
    MDB_txn *txn;
    char format[4] = {1, 0, 0, 0}, numbers[24] = {7, [8] = 3}, seq[8] = {[7] = 3};
    MDB_val key = {6, "format"}, value = {sizeof format, format};
    assert_int_equal(mdb_txn_begin(f.store->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, f.store->meta, &key, &value, 0), 0);
    key = (MDB_val){5, "state"};
    value = (MDB_val){sizeof numbers, numbers};
    assert_int_equal(mdb_put(txn, f.store->meta, &key, &value, 0), 0);
    key = (MDB_val){sizeof seq, seq};
    value = (MDB_val){3, "old"};
    assert_int_equal(mdb_put(txn, f.store->log, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    store_write_close(&f.writer);
    expect_no_reader(f.config, "format 1");
    fixture_reopen(&f, NULL);
    assert_string_equal(document(&f, "plain", "b"), Q("{'_id':'b','_version':1,'x':2}"));
    struct store_log_entry entry;
    assert_int_equal(store_begin(f.store), ERROR_NONE);
    bool holds;
    assert_int_equal(store_history_holds(f.store, 7, 3, &holds), ERROR_NONE);
    assert_false(holds);
    assert_int_equal(store_seq(f.store), 3);
    assert_int_equal(store_log_horizon(f.store), 3);
    assert_int_equal(store_rights_seq(f.store), 3);
    assert_int_equal(store_log_next(f.store, 0, &entry), STORE_END);
    store_end(f.store);
    fixture_reopen(&f, NULL);
    assert_int_equal(run_one(&f, CHANGE_MERGE, 0, "plain", "b", 1, Q("{'x':3}")), ERROR_NONE);
    assert_int_equal(f.result.seq, 4);
    fixture_close(&f);
}

/* Format 2 remembered removed ids beside the documents, and knew no runs. */
static void format_2_is_brought_up_to_date(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, plain_collections);
    assert_int_equal(run_one(&f, CHANGE_INSERT, 0, "plain", "b", CHANGE_ANY_VERSION, Q("{'x':2}")),
                     ERROR_NONE);
    MDB_txn *txn;
    MDB_dbi removed;
    MDB_stat status;
    char format[4] = {2, 0, 0, 0};
    MDB_val key = {6, "format"}, value = {sizeof format, format};
    assert_int_equal(mdb_txn_begin(f.store->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, f.store->meta, &key, &value, 0), 0);
    assert_int_equal(mdb_dbi_open(txn, "removed", MDB_CREATE, &removed), 0);
    key = (MDB_val){3, "\1\0a"};
    value = (MDB_val){8, "\0\0\0\0\0\0\0\1"};
    assert_int_equal(mdb_put(txn, removed, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    store_write_close(&f.writer);
    expect_no_reader(f.config, "format 2");
    fixture_reopen(&f, NULL);
    bool holds;
    assert_int_equal(store_begin(f.store), ERROR_NONE);
    assert_int_equal(store_history_holds(f.store, 1, 1, &holds), ERROR_NONE);
    assert_false(holds);
    assert_int_equal(store_history_holds(f.store, 2, 1, &holds), ERROR_NONE);
    assert_true(holds);
    assert_int_equal(mdb_dbi_open(f.store->snapshot, "removed", 0, &removed), MDB_NOTFOUND);
    assert_int_equal(mdb_stat(f.store->snapshot, f.store->log, &status), 0);
    assert_int_equal(status.ms_entries, 1);
    store_end(f.store);
    assert_string_equal(document(&f, "plain", "b"), Q("{'_id':'b','_version':0,'x':2}"));
    fixture_close(&f);
}

static void a_strangers_database_is_left_alone(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, plain_collections);
    store_write_close(&f.writer);
    char path[128];
    snprintf(path, sizeof path, "%s/data.mdb", f.directory);
    assert_int_equal(remove(path), 0);
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val key = {1, "k"}, value = {1, "v"};
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_open(env, f.directory, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    expect_no_writer(f.config, "is not a store");
    fixture_close(&f);
}

static void a_file_cut_short_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    char path[128];
    fixture_open(&f, plain_collections);
    set_begin(&f, ANSWER_LITERAL);
    for (int i = 0; i < 2000; i++) {
        char id[16];
        snprintf(id, sizeof id, "d%d", i);
        set_add(&f, CHANGE_INSERT, 0, "plain", id, ANY,
                Q("{'text':'some text that takes room in the file'}"));
    }
    assert_int_equal(set_run(&f), ERROR_NONE);
    store_write_close(&f.writer);
    snprintf(path, sizeof path, "%s/data.mdb", f.directory);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(truncate(path, status.st_size / 2 / 4096 * 4096), 0);
    expect_no_writer(f.config, "cut short");
    expect_no_writer(f.config, "cut short");
    struct stat now;
    assert_int_equal(stat(path, &now), 0);
    assert_int_equal(now.st_size, status.st_size / 2 / 4096 * 4096);
    fixture_close(&f);
}

static void what_is_stored_stays(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, plain_collections);
    assert_int_equal(run_one(&f, CHANGE_INSERT, 0, "plain", "a", ANY, Q("{'x':1}")), ERROR_NONE);
    fixture_reopen(&f, NULL);
    assert_int_equal(store_write_seq(f.writer), 1);
    assert_string_equal(document(&f, "plain", "a"), Q("{'_id':'a','_version':0,'x':1}"));
    /* Collections come and go; the ones that are gone keep their documents. */
    fixture_reopen(&f, "'fresh': {'index': ['q']}");
    assert_int_equal(run_one(&f, CHANGE_INSERT, 0, "fresh", "b", ANY, Q("{'q':1}")), ERROR_NONE);
    fixture_reopen(&f, "'plain': {}, 'fresh': {'index': ['q']}");
    assert_string_equal(document(&f, "plain", "a"), Q("{'_id':'a','_version':0,'x':1}"));
    assert_int_equal(search_count(&f, "fresh", Q("{'q':1}"), NULL), 1);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_store_is_refused),
        cmocka_unit_test(a_directory_without_rights_is_refused),
        cmocka_unit_test(a_newer_format_is_refused),
        cmocka_unit_test(an_older_format_is_brought_up_to_date),
        cmocka_unit_test(format_2_is_brought_up_to_date),
        cmocka_unit_test(a_strangers_database_is_left_alone),
        cmocka_unit_test(a_file_cut_short_is_refused),
        cmocka_unit_test(what_is_stored_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
