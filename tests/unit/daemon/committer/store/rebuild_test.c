#include "store_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/store/access_tag.h"
#include "shared/store/environment.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

enum { DOCUMENTS = 5000 };

static void fill(struct fixture *f)
{
    set_begin(f, ANSWER_LITERAL);
    for (int i = 0; i < DOCUMENTS; i++) {
        char id[16], body[128];
        snprintf(id, sizeof id, "d%d", i);
        quoted_print(body, sizeof body, "{'name':'n%d','group':%d,'hidden':%s}", i, i % 10,
                     i % 2 ? "true" : "false");
        set_add(f, CHANGE_INSERT, 0, "things", id, ANY, body);
    }
    assert_int_equal(set_run(f), ERROR_NONE);
}

static unsigned flags_of(struct fixture *f, const char *id)
{
    struct store_record record;
    struct access_tag tag;
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_int_equal(store_get(f->store, fixture_collection(f, "things"), slice_text(id), &record),
                     ERROR_NONE);
    assert_true(access_tag_read(record.tag, &tag));
    store_end(f->store);
    return tag.flags;
}

static const char *const before = "'things': {'projector': ['name'], 'index': ['group']}";
static const char *const after = "'things': {'projector': ['group'], 'unique': ['name'],"
                                 " 'index': ['hidden'], 'sync_filter': {'hidden': false}}";

static void check_after(struct fixture *f)
{
    const char *index;
    check_indexes(f);
    assert_non_null(strstr(minimal(f, "things", "d7"), Q(",'group':7}")));
    assert_int_equal(flags_of(f, "d7"), ACCESS_ALL_READ);
    assert_int_equal(flags_of(f, "d8"), ACCESS_ALL_READ | ACCESS_IN_SYNC);
    assert_int_equal(search_count(f, "things", Q("{'name':'n4999'}"), &index), 1);
    assert_string_equal(index, "name");
    assert_int_equal(search_count(f, "things", Q("{'group':3}"), &index), DOCUMENTS / 10);
    assert_null(index);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "things", "new", ANY, Q("{'name':'n5'}")), ERROR_EXISTS);
}

static void a_changed_declaration_is_applied(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, before);
    fill(&f);
    fixture_reopen(&f, before);
    assert_int_equal(store_write_seq(f.writer), DOCUMENTS);
    fixture_reopen(&f, after);
    check_after(&f);
    assert_int_equal(stored_version(&f, "things", "d7"), 1);
    assert_int_equal(store_write_seq(f.writer), 2 * DOCUMENTS);
    fixture_reopen(&f, after);
    assert_int_equal(store_write_seq(f.writer), 2 * DOCUMENTS);
    fixture_reopen(&f, before);
    check_indexes(&f);
    assert_string_equal(minimal(&f, "things", "d7"), Q("{'_id':'d7','_version':2,'name':'n7'}"));
    assert_string_equal(document(&f, "things", "d7"),
                        Q("{'_id':'d7','_version':2,'name':'n7','group':7,'hidden':true}"));
    fixture_close(&f);
}

static struct store_log_entry entry_behind(struct fixture *f, uint64_t seq)
{
    struct store_log_entry entry;
    assert_int_equal(store_log_next(f->store, seq, &entry), STORE_STEP);
    return entry;
}

/* What clients see of a document is another text, or another's to see: a change like any other. */
static void what_clients_see_in_another_way_has_a_new_version(void **state)
{
    (void)state;
    static const char *const filtered = "'things': {'projector': ['name'], 'index': ['group'],"
                                        " 'sync_filter': {'hidden': false}}";
    struct fixture f;
    struct access_tag tag;
    fixture_open(&f, before);
    fill(&f);
    fixture_reopen(&f, filtered); /* the same minimal documents; every other one is not to be held any more */
    assert_int_equal(stored_version(&f, "things", "d7"), 1);
    assert_int_equal(stored_version(&f, "things", "d8"), 0);
    assert_int_equal(store_write_seq(f.writer), DOCUMENTS + DOCUMENTS / 2);
    assert_int_equal(store_begin(f.store), ERROR_NONE);
    struct store_log_entry entry = entry_behind(&f, DOCUMENTS);
    assert_int_equal(entry.seq, DOCUMENTS + 1);
    assert_int_equal(entry.version, 1);
    assert_false(entry.removed);
    assert_true(access_tag_read(entry.tag_before, &tag) && tag.flags & ACCESS_IN_SYNC);
    assert_true(access_tag_read(entry.tag_after, &tag) && !(tag.flags & ACCESS_IN_SYNC));
    assert_int_not_equal(entry.tag_seq_before, 0);
    struct store_record record;
    assert_int_equal(store_get(f.store, fixture_collection(&f, "things"), entry.id, &record), ERROR_NONE);
    assert_int_equal(record.seq, entry.seq);
    assert_int_equal(record.tag_seq, entry.seq);
    assert_int_equal(store_log_horizon(f.store), 0);
    store_end(f.store);
    fixture_reopen(&f, "'things': {'projector': ['name'], 'index': ['hidden'], 'sync_filter': {'hidden': "
                       "false}}"); /* an index is nothing to clients */
    assert_int_equal(store_write_seq(f.writer), DOCUMENTS + DOCUMENTS / 2);
    assert_int_equal(run_one(&f, CHANGE_MERGE, 0, "things", "d8", 0, Q("{'group':99}")), ERROR_NONE);
    assert_int_equal(f.result.seq, DOCUMENTS + DOCUMENTS / 2 + 1);
    fixture_close(&f);
}

static void a_rebuild_keeps_to_the_size_of_the_change_log(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, before);
    fill(&f);
    store_write_close(&f.writer);
    struct config *wanted = fixture_config(f.directory, after);
    wanted->change_log_entries = 100;
    char message[STORE_MESSAGE];
    assert_true(fixture_open_as(&f, wanted, NULL, message));
    assert_int_equal(store_begin(f.store), ERROR_NONE);
    assert_int_equal(store_log_horizon(f.store), 2 * DOCUMENTS - 100);
    assert_int_equal(entry_behind(&f, 0).seq, 2 * DOCUMENTS - 99);
    store_end(f.store);
    store_write_close(&f.writer);
    config_free(wanted);
    fixture_close(&f);
}

/* Nothing in a document says who may see the whole collection: the log has no entry for what is gained or
 * lost by that, so it starts anew. Versions stay. */
static void other_readers_start_the_change_log_anew(void **state)
{
    (void)state;
    const char *const reads[] = {"", Q("'read': 'see'"), Q("'read': 'look'"), ""};
    struct fixture f;
    fixture_open(&f, "'things': {}");
    assert_int_equal(run_one(&f, CHANGE_INSERT, 0, "things", "a", ANY, Q("{'x':1}")), ERROR_NONE);
    for (size_t i = 1; i < sizeof reads / sizeof *reads; i++) {
        uint64_t seq = store_write_seq(f.writer);
        char text[256], message[CONFIG_MESSAGE];
        quoted_print(text, sizeof text, "{'permissions': ['see', 'look'], 'collections': {'things': {%s}}}",
                     reads[i]);
        store_write_close(&f.writer);
        struct config *wanted = config_defaults();
        if (!config_read_text(wanted, "test", text, strlen(text), message))
            fail_msg("%s", message);
        free(wanted->data);
        wanted->data = memory_copy(f.directory, strlen(f.directory));
        wanted->map_bytes = f.config->map_bytes;
        config_free(f.config);
        f.config = wanted;
        fixture_reopen(&f, NULL);
        assert_int_equal(store_begin(f.store), ERROR_NONE);
        assert_int_equal(store_seq(f.store), seq + 1);
        assert_int_equal(store_log_horizon(f.store), seq + 1);
        struct store_log_entry entry;
        assert_int_equal(store_log_next(f.store, 0, &entry), STORE_END);
        store_end(f.store);
        assert_int_equal(stored_version(&f, "things", "a"), i - 1);
        fixture_reopen(&f, NULL);
        assert_int_equal(store_write_seq(f.writer), seq + 1);
        assert_int_equal(
            run_one(&f, CHANGE_MERGE, 0, "things", "a", ANY, i % 2 ? Q("{'x':2}") : Q("{'x':3}")),
            ERROR_NONE);
    }
    fixture_close(&f);
}

static void duplicates_are_named(void **state)
{
    (void)state;
    struct fixture f;
    char message[STORE_MESSAGE];
    fixture_open(&f, before);
    fill(&f);
    assert_int_equal(run_one(&f, CHANGE_INSERT, 0, "things", "twin", ANY, Q("{'name':['n77']}")), ERROR_NONE);
    store_write_close(&f.writer);
    struct config *wanted = fixture_config(f.directory, after);
    assert_null(store_write_open(wanted, NULL, message));
    assert_non_null(strstr(message, "collection things"));
    assert_non_null(strstr(message, "field name"));
    assert_non_null(strstr(message, Q("'d77'")));
    assert_non_null(strstr(message, Q("'twin'")));
    /* Back to the old declaration: all is there, and the duplicate can be removed. */
    fixture_reopen(&f, before);
    check_indexes(&f);
    assert_int_equal(search_count(&f, "things", Q("{'group':3}"), NULL), DOCUMENTS / 10);
    assert_int_equal(run_one(&f, CHANGE_REMOVE, 0, "things", "twin", ANY, NULL), ERROR_NONE);
    config_free(wanted);
    fixture_reopen(&f, after);
    check_after(&f);
    fixture_close(&f);
}

static void readers_wait_for_the_rebuild(void **state)
{
    (void)state;
    struct fixture f;
    char message[STORE_MESSAGE];
    fixture_open(&f, before);
    store_write_close(&f.writer);
    struct config *wanted = fixture_config(f.directory, after);
    assert_null(store_open(wanted, message));
    assert_non_null(strstr(message, "things"));
    config_free(wanted);
    fixture_close(&f);
}

/* So many more pieces are wanted. */
static bool wants_more(void *argument)
{
    unsigned *pieces = argument;
    return *pieces > 0 && (*pieces)-- > 0;
}

/* False: it was stopped on the way. */
static bool open_for(struct fixture *f, unsigned pieces)
{
    char message[STORE_MESSAGE];
    struct store_run run = {.epoch = ++f->epoch, .may_go_on = wants_more, .argument = &pieces};
    store_write_close(&f->writer);
    bool opened = fixture_open_as(f, f->config, &run, message);
    if (!opened && !strstr(message, "is stopped"))
        fail_msg("%s", message);
    return opened;
}

static void declare(struct fixture *f, const char *collections)
{
    store_write_close(&f->writer);
    config_free(f->config);
    f->config = fixture_config(f->directory, collections);
}

static void a_stopped_rebuild_goes_on(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, before);
    fill(&f);
    declare(&f, after);
    assert_false(open_for(&f, 0));
    unsigned openings = 1;
    while (!open_for(&f, openings == 1 ? 4 : 1)) /* one old index, the end of these, a piece */
        assert_true(++openings < 20);
    assert_true(openings > 1);
    check_after(&f);
    assert_int_equal(store_write_seq(f.writer), 2 * DOCUMENTS); /* no document was made anew twice */
    for (int i = 0; i < DOCUMENTS; i += 99) {
        char id[16];
        snprintf(id, sizeof id, "d%d", i);
        assert_int_equal(stored_version(&f, "things", id), 1);
    }
    fixture_close(&f);
}

static void a_stopped_rebuild_gives_way_to_another(void **state)
{
    (void)state;
    static const char *const other = "'things': {'projector': ['name'], 'index': ['group', 'name']}";
    struct fixture f;
    fixture_open(&f, before);
    fill(&f);
    declare(&f, after);
    assert_false(open_for(&f, 4));
    const char *const declared[] = {other, before};
    for (unsigned i = 0; i < 2; i++) {
        declare(&f, declared[i]);
        assert_false(open_for(&f, 4));
    }
    fixture_reopen(&f, other);
    check_indexes(&f);
    assert_int_equal(search_count(&f, "things", Q("{'group':3}"), NULL), DOCUMENTS / 10);
    for (int i = 0; i < DOCUMENTS; i += 99) {
        char id[16];
        snprintf(id, sizeof id, "d%d", i);
        (void)stored_version(&f, "things", id); /* its texts belong to it */
        assert_non_null(strstr(minimal(&f, "things", id), Q("'name'")));
    }
    fixture_close(&f);
}

/* Many keys of few documents: the pages of one transaction wait in memory. */
static void keys_end_a_transaction_too(void **state)
{
    (void)state;
    enum { MANY = 60, LISTS = 800 };
    struct fixture f;
    struct buffer body = {0};
    fixture_open(&f, "'things': {}");
    set_begin(&f, ANSWER_LITERAL);
    for (int i = 0; i < LISTS; i++) {
        char id[16];
        snprintf(id, sizeof id, "d%d", i);
        buffer_clear(&body);
        for (int k = 0; k < MANY; k++)
            buffer_append_format(&body, "%s%d", k ? "," : "{\"t\":[", k * LISTS + i);
        buffer_append_text(&body, "]}");
        buffer_append_byte(&body, 0);
        set_add(&f, CHANGE_INSERT, 0, "things", id, ANY, body.data);
    }
    assert_int_equal(set_run(&f), ERROR_NONE);
    declare(&f, "'things': {'index': ['t']}");
    unsigned openings = 0;
    while (!open_for(&f, 1 + (openings == 0)))
        assert_true(++openings < LISTS);
    assert_int_equal(openings, MANY * LISTS / 16384);
    check_indexes(&f);
    buffer_free(&body);
    fixture_close(&f);
}

static void a_killed_rebuild_goes_on_or_starts_over(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, before);
    fill(&f);
    store_write_close(&f.writer);
    for (unsigned round = 0; round < 12; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            char message[STORE_MESSAGE];
            fclose(stderr);
            struct config *wanted = fixture_config(f.directory, after);
            _exit(store_write_open(wanted, NULL, message) ? 0 : 1);
        }
        /* Killed at some moment on the way, or after it. */
        uint64_t until = clock_monotonic_us() + round * 5000;
        while (clock_monotonic_us() < until)
            ;
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_false(WIFEXITED(status) && WEXITSTATUS(status) != 0);
        if (round % 3 == 2) { /* sometimes back again */
            fixture_reopen(&f, before);
            check_indexes(&f);
            assert_int_equal(search_count(&f, "things", Q("{'group':3}"), NULL), DOCUMENTS / 10);
            store_write_close(&f.writer);
        }
    }
    fixture_reopen(&f, after);
    check_after(&f);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_changed_declaration_is_applied),
        cmocka_unit_test(what_clients_see_in_another_way_has_a_new_version),
        cmocka_unit_test(a_rebuild_keeps_to_the_size_of_the_change_log),
        cmocka_unit_test(other_readers_start_the_change_log_anew),
        cmocka_unit_test(duplicates_are_named),
        cmocka_unit_test(readers_wait_for_the_rebuild),
        cmocka_unit_test(a_stopped_rebuild_goes_on),
        cmocka_unit_test(a_stopped_rebuild_gives_way_to_another),
        cmocka_unit_test(keys_end_a_transaction_too),
        cmocka_unit_test(a_killed_rebuild_goes_on_or_starts_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
