#include "store_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/memory.h"
#include "shared/store/access_tag.h"
#include "shared/store/environment.h"

#define ANY CHANGE_ANY_VERSION

enum { DOCUMENTS = 5000 };

static void fill(struct fixture *f)
{
    set_begin(f, ANSWER_LITERAL);
    for (int i = 0; i < DOCUMENTS; i++) {
        char id[16], body[128];
        snprintf(id, sizeof id, "d%d", i);
        snprintf(body, sizeof body, "{\"name\":\"n%d\",\"group\":%d,\"hidden\":%s}", i, i % 10,
                 i % 2 ? "true" : "false");
        set_add(f, CHANGE_INSERT, 0, "things", id, ANY, body);
    }
    assert_int_equal(set_run(f), ERROR_NONE);
}

static uint64_t epoch(struct fixture *f)
{
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    uint64_t number = store_epoch(f->store);
    store_end(f->store);
    return number;
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

static const char *const before = "\"things\": {\"projector\": [\"name\"], \"index\": [\"group\"]}";
static const char *const after = "\"things\": {\"projector\": [\"group\"], \"unique\": [\"name\"],"
                                 " \"index\": [\"hidden\"], \"sync_filter\": {\"hidden\": false}}";

static void check_after(struct fixture *f)
{
    const char *index;
    check_indexes(f);
    assert_string_equal(minimal(f, "things", "d7"), "{\"_id\":\"d7\",\"_version\":0,\"group\":7}");
    assert_int_equal(flags_of(f, "d7"), ACCESS_ALL_READ);
    assert_int_equal(flags_of(f, "d8"), ACCESS_ALL_READ | ACCESS_IN_SYNC);
    assert_int_equal(search_count(f, "things", "{\"name\":\"n4999\"}", &index), 1);
    assert_string_equal(index, "name");
    assert_int_equal(search_count(f, "things", "{\"group\":3}", &index), DOCUMENTS / 10);
    assert_null(index);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "things", "new", ANY, "{\"name\":\"n5\"}"), ERROR_EXISTS);
}

static void a_changed_declaration_is_applied(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, before);
    fill(&f);
    uint64_t first = epoch(&f);
    fixture_reopen(&f, before);
    assert_int_equal(epoch(&f), first);
    fixture_reopen(&f, after);
    uint64_t second = epoch(&f);
    assert_int_not_equal(first, second);
    check_after(&f);
    assert_int_equal(store_write_seq(f.store), DOCUMENTS);
    fixture_reopen(&f, after);
    assert_int_equal(epoch(&f), second);
    fixture_reopen(&f, before);
    check_indexes(&f);
    assert_string_equal(minimal(&f, "things", "d7"), "{\"_id\":\"d7\",\"_version\":0,\"name\":\"n7\"}");
    fixture_close(&f);
}

static bool remade(struct fixture *f, const char *id)
{
    struct store_record record;
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    assert_int_equal(store_get(f->store, fixture_collection(f, "things"), slice_text(id), &record),
                     ERROR_NONE);
    store_end(f->store);
    return record.remade;
}

/* What clients hold of them under the same version is another text; until the next version. */
static void documents_made_anew_say_so(void **state)
{
    (void)state;
    static const char *const filtered = "\"things\": {\"projector\": [\"name\"], \"index\": [\"group\"],"
                                        " \"sync_filter\": {\"hidden\": false}}";
    struct fixture f;
    fixture_open(&f, before);
    fill(&f);
    fixture_reopen(&f, filtered); /* the same minimal documents */
    assert_false(remade(&f, "d7"));
    fixture_reopen(&f, after);
    assert_true(remade(&f, "d7"));
    assert_true(remade(&f, "d8"));
    assert_int_equal(run_one(&f, CHANGE_MERGE, 0, "things", "d8", ANY, "{\"group\":99}"), ERROR_NONE);
    assert_false(remade(&f, "d8"));
    fixture_reopen(&f, after);
    assert_true(remade(&f, "d7"));
    fixture_close(&f);
}

static void duplicates_are_named(void **state)
{
    (void)state;
    struct fixture f;
    char message[STORE_MESSAGE];
    fixture_open(&f, before);
    fill(&f);
    assert_int_equal(run_one(&f, CHANGE_INSERT, 0, "things", "twin", ANY, "{\"name\":[\"n77\"]}"),
                     ERROR_NONE);
    store_close(&f.store);
    struct config *wanted = fixture_config(f.directory, after);
    assert_null(store_open(wanted, STORE_WRITE, message));
    assert_non_null(strstr(message, "collection things"));
    assert_non_null(strstr(message, "field name"));
    assert_non_null(strstr(message, "\"d77\""));
    assert_non_null(strstr(message, "\"twin\""));
    /* Back to the old declaration: all is there, and the duplicate can be removed. */
    fixture_reopen(&f, before);
    check_indexes(&f);
    assert_int_equal(search_count(&f, "things", "{\"group\":3}", NULL), DOCUMENTS / 10);
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
    store_close(&f.store);
    struct config *wanted = fixture_config(f.directory, after);
    assert_null(store_open(wanted, STORE_READ, message));
    assert_non_null(strstr(message, "things"));
    config_free(wanted);
    fixture_close(&f);
}

static void a_killed_rebuild_starts_over(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, before);
    fill(&f);
    uint64_t first = epoch(&f);
    store_close(&f.store);
    for (unsigned round = 0; round < 12; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            char message[STORE_MESSAGE];
            fclose(stderr);
            struct config *wanted = fixture_config(f.directory, after);
            _exit(store_open(wanted, STORE_WRITE, message) ? 0 : 1);
        }
        /* Killed at some moment on the way, or behind it. */
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
            assert_int_equal(search_count(&f, "things", "{\"group\":3}", NULL), DOCUMENTS / 10);
            store_close(&f.store);
        }
    }
    fixture_reopen(&f, after);
    check_after(&f);
    assert_int_not_equal(epoch(&f), first);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_changed_declaration_is_applied),
        cmocka_unit_test(documents_made_anew_say_so),
        cmocka_unit_test(duplicates_are_named),
        cmocka_unit_test(readers_wait_for_the_rebuild),
        cmocka_unit_test(a_killed_rebuild_starts_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
