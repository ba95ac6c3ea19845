/* What is stored of a collection that is configured no more goes piece by piece. */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "shared/store/holdings.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

enum { DOCUMENTS = 5000 };

static const char *const with_things =
    "'things': {'projector': ['name'], 'unique': ['name'], 'index': ['group']},"
    " 'plain': {}";
static const char *const without_things = "'plain': {}";

static void fill(struct fixture *f)
{
    set_begin(f, ANSWER_LITERAL);
    for (int i = 0; i < DOCUMENTS; i++) {
        char id[16], body[128];
        snprintf(id, sizeof id, "d%d", i);
        quoted_print(body, sizeof body, "{'name':'n%d','group':%d}", i, i % 10);
        set_add(f, CHANGE_INSERT, 0, "things", id, ANY, body);
    }
    assert_int_equal(set_run(f), ERROR_NONE);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            run_one(f, CHANGE_MERGE, 0, "things", "d3", ANY, i % 2 ? Q("{'x':1}") : Q("{'x':2}")),
            ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "plain", "p", ANY, "{}"), ERROR_NONE);
}

static void begin_clear(struct fixture *f, const char *name)
{
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_CLEAR, 0, name, "", ANY, NULL);
}

/* A piece in a transaction of its own. Returns whether there is more; adds to *@removed. */
static bool clear_piece(struct fixture *f, const char *name, uint64_t *removed)
{
    struct json json = {0};
    int64_t number;
    bool more;
    begin_clear(f, name);
    assert_int_equal(set_run(f), ERROR_NONE);
    assert_true(json_parse(&json, f->result.answer.data, f->result.answer.length));
    assert_true(json_integer(json_member(json_root(&json), SLICE("removed")), &number));
    assert_true(json_boolean(json_member(json_root(&json), SLICE("more")), &more));
    json_free(&json);
    assert_in_range(number, 0, 2000);
    *removed += (uint64_t)number;
    return more;
}

static uint64_t horizon(struct fixture *f)
{
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    uint64_t at = store_log_horizon(f->store);
    store_end(f->store);
    return at;
}

static uint64_t count(struct fixture *f, const char *collection)
{
    assert_int_equal(store_begin(f->store), ERROR_NONE);
    uint64_t documents = stored_count(f->store, fixture_collection(f, collection));
    store_end(f->store);
    return documents;
}

static bool is_stored(struct fixture *f, const char *name)
{
    struct store_holding holding = {0};
    while (store_holding_next(f->store, &holding) == STORE_STEP)
        if (strcmp(holding.name, name) == 0)
            return true;
    return false;
}

static void all_of_it_goes_in_pieces(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t removed = 0, seq;
    unsigned pieces = 1;
    fixture_open(&f, with_things);
    fill(&f);
    seq = store_write_seq(f.writer);
    fixture_reopen(&f, without_things);
    assert_true(is_stored(&f, "things"));
    for (; clear_piece(&f, "things", &removed); pieces++) {
        size_t changes;
        store_write_changes(f.writer, &changes);
        assert_int_equal(changes, 0);
        assert_true(store_write_work(f.writer) > 0);
        if (pieces % 2)
            fixture_reopen(&f, NULL);
    }
    assert_int_equal(removed, DOCUMENTS);
    assert_in_range(pieces, 5, 20);
    assert_int_equal(store_write_seq(f.writer), seq);
    assert_false(is_stored(&f, "things"));
    assert_int_equal(count(&f, "plain"), 1);
    assert_false(clear_piece(&f, "things", &removed)); /* there is none any more */
    assert_int_equal(removed, DOCUMENTS);
    fixture_close(&f);
}

/* Its number and where its versions begin stay; who has a copy is not told that it still is one. */
static void what_is_configured_again_is_new_to_its_clients(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t removed = 0, seq;
    fixture_open(&f, with_things);
    fill(&f);
    seq = store_write_seq(f.writer);
    fixture_reopen(&f, without_things);
    fixture_reopen(&f, with_things);
    assert_int_equal(horizon(&f), 0); /* nothing was removed: nothing is new */
    fixture_reopen(&f, without_things);
    while (clear_piece(&f, "things", &removed))
        ;
    assert_int_equal(horizon(&f), 0);
    fixture_reopen(&f, with_things);
    assert_int_equal(count(&f, "things"), 0);
    assert_true(horizon(&f) > seq);
    check_indexes(&f);
    assert_int_equal(run_one(&f, CHANGE_INSERT, 0, "things", "d7", ANY, Q("{'name':'n7'}")), ERROR_NONE);
    assert_int_equal(stored_version(&f, "things", "d7"), 4);
    fixture_close(&f);
}

static void what_is_left_is_a_collection_like_any_other(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t removed = 0;
    const char *index;
    fixture_open(&f, with_things);
    fill(&f);
    fixture_reopen(&f, without_things);
    while (clear_piece(&f, "things", &removed) && removed == 0)
        ;
    assert_in_range(removed, 1, DOCUMENTS - 1);
    fixture_reopen(&f, with_things);
    assert_int_equal(count(&f, "things"), DOCUMENTS - removed);
    check_indexes(&f);
    assert_int_equal(search_count(&f, "things", Q("{'name':'n999'}"), &index), 1);
    assert_string_equal(index, "name");
    fixture_close(&f);
}

static bool wants_more(void *argument)
{
    unsigned *pieces = argument;
    return (*pieces)-- > 0;
}

/* What a rebuild notes of how far it is says nothing of what is left. */
static void a_rebuild_that_was_stopped_begins_again(void **state)
{
    (void)state;
    static const char *const other = "'things': {'unique': ['name']}, 'plain': {}";
    struct fixture f;
    uint64_t removed = 0;
    char message[STORE_MESSAGE];
    unsigned pieces = 5; /* two old indexes, the end of these, two of the documents */
    struct store_run run = {.epoch = 77, .may_go_on = wants_more, .argument = &pieces};
    fixture_open(&f, with_things);
    fill(&f);
    store_write_close(&f.writer);
    config_free(f.config);
    f.config = fixture_config(f.directory, other);
    assert_false(fixture_open_as(&f, f.config, &run, message));
    assert_non_null(strstr(message, "is stopped"));
    fixture_reopen(&f, without_things);
    while (clear_piece(&f, "things", &removed) && removed == 0)
        ;
    assert_in_range(removed, 1, DOCUMENTS - 1);
    fixture_reopen(&f, other);
    assert_int_equal(count(&f, "things"), DOCUMENTS - removed);
    check_indexes(&f);
    fixture_close(&f);
}

static void what_must_not_be_cleared_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum error_code code;
    } cases[] = {{"things", ERROR_CONFLICT},   {"users", ERROR_CONFLICT}, {"sessions", ERROR_CONFLICT},
                 {"nothing", ERROR_NOT_FOUND}, {"", ERROR_INVALID},       {"things/name", ERROR_INVALID}};
    struct fixture f;
    fixture_open(&f, with_things);
    fill(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin_clear(&f, cases[i].name);
        assert_int_equal(set_run(&f), cases[i].code);
        assert_true(f.result.message[0] && !f.result.spoilt && !f.result.again);
    }
    fixture_reopen(&f, without_things);
    begin_clear(&f, "things"); /* not with anything else */
    set_add(&f, CHANGE_INSERT, 0, "plain", "q", ANY, "{}");
    assert_int_equal(set_run(&f), ERROR_INVALID);
    assert_int_equal(count(&f, "plain"), 1);
    fixture_reopen(&f, with_things);
    assert_int_equal(count(&f, "things"), DOCUMENTS);
    assert_int_equal(horizon(&f), 0);
    fixture_close(&f);
}

static void a_transaction_has_one_piece(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t removed = 0;
    fixture_open(&f, with_things);
    fill(&f);
    fixture_reopen(&f, without_things);
    assert_int_equal(store_write_begin(f.writer), ERROR_NONE);
    begin_clear(&f, "nothing");
    assert_int_equal(set_apply(&f), ERROR_NOT_FOUND);
    begin_clear(&f, "things");
    assert_int_equal(set_apply(&f), ERROR_NONE);
    begin_clear(&f, "things");
    assert_int_equal(set_apply(&f), ERROR_STORE_FULL);
    assert_true(f.result.again);
    set_begin(&f, ANSWER_LITERAL);
    set_add(&f, CHANGE_INSERT, 0, "plain", "q", ANY, "{}");
    assert_int_equal(set_apply(&f), ERROR_NONE);
    store_write_abort(f.writer);
    fixture_reopen(&f, with_things); /* nothing of it was done */
    assert_int_equal(horizon(&f), 0);
    assert_int_equal(count(&f, "things"), DOCUMENTS);
    check_indexes(&f);
    fixture_reopen(&f, without_things);
    while (clear_piece(&f, "things", &removed))
        ;
    assert_int_equal(removed, DOCUMENTS);
    fixture_close(&f);
}

/* Each leaves a database that is not empty; none of them stays open. */
static void many_may_be_broken_off(void **state)
{
    (void)state;
    enum { MANY = 60 };
    struct fixture f;
    struct buffer declared = {0};
    uint64_t removed = 0;
    for (int i = 0; i < MANY; i++)
        buffer_append_format(&declared, "'many%d': {},", i);
    buffer_append_text(&declared, "'plain': {}");
    buffer_append_byte(&declared, '\0');
    fixture_open(&f, declared.data);
    for (int i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "many%d", i);
        set_begin(&f, ANSWER_LITERAL);
        for (int d = 0; d < 2001; d++) {
            char id[16];
            snprintf(id, sizeof id, "%d", d);
            set_add(&f, CHANGE_INSERT, 0, name, id, ANY, "{}");
        }
        assert_int_equal(set_run(&f), ERROR_NONE);
    }
    fixture_reopen(&f, without_things);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < MANY; i++) {
            char name[16];
            snprintf(name, sizeof name, "many%d", i);
            assert_int_equal(clear_piece(&f, name, &removed), round == 0);
        }
    assert_int_equal(removed, MANY * 2001);
    buffer_free(&declared);
    fixture_close(&f);
}

static void a_damaged_document_goes_too(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t removed = 0;
    fixture_open(&f, with_things);
    fill(&f);
    damage_record(f.store, fixture_collection(&f, "things"), "d5");
    fixture_reopen(&f, without_things);
    while (clear_piece(&f, "things", &removed))
        ;
    assert_int_equal(removed, DOCUMENTS);
    fixture_close(&f);
}

static void tells_how_much_there_is(void **state)
{
    (void)state;
    struct fixture f;
    struct store_holding holding = {0};
    unsigned found = 0;
    fixture_open(&f, with_things);
    fill(&f);
    fixture_reopen(&f, without_things);
    while (store_holding_next(f.store, &holding) == STORE_STEP) {
        struct store_holding index = holding;
        if (strcmp(holding.name, "things") != 0)
            continue;
        found++;
        assert_int_equal(holding.entries, DOCUMENTS);
        assert_true(holding.bytes > DOCUMENTS * 30);
        assert_int_equal(store_holding_next_index(f.store, &index), STORE_STEP);
        assert_string_equal(index.field, "group");
        assert_int_equal(index.entries, DOCUMENTS);
        assert_int_equal(store_holding_next_index(f.store, &index), STORE_STEP);
        assert_string_equal(index.field, "name");
        assert_int_equal(store_holding_next_index(f.store, &index), STORE_END);
    }
    assert_int_equal(found, 1);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it_goes_in_pieces),
        cmocka_unit_test(what_is_configured_again_is_new_to_its_clients),
        cmocka_unit_test(what_is_left_is_a_collection_like_any_other),
        cmocka_unit_test(a_rebuild_that_was_stopped_begins_again),
        cmocka_unit_test(what_must_not_be_cleared_is_not),
        cmocka_unit_test(a_transaction_has_one_piece),
        cmocka_unit_test(many_may_be_broken_off),
        cmocka_unit_test(a_damaged_document_goes_too),
        cmocka_unit_test(tells_how_much_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
