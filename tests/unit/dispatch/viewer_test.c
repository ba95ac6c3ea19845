#include "worker/dispatch/viewer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/dispatch/world.h"

static struct viewer_table *table;
static struct backlog *backlog;

static int open_world(void **state)
{
    (void)state;
    table = viewer_table_create(&world_config);
    backlog = backlog_create(1 << 20);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    viewer_table_free(&table);
    backlog_free(&backlog);
    return table || backlog ? -1 : 0;
}

static void equal_rights_share_a_viewer(void **state)
{
    (void)state;
    struct slice groups[] = {SLICE("b"), SLICE("a"), SLICE("b"), SLICE("")};
    struct slice sorted[] = {SLICE("a"), SLICE("b")};
    struct viewer_rights rights = {
        .collections = {[OWNED] = true}, .user = SLICE("u"), .groups = groups, .group_count = 4};
    struct viewer *one = viewer_get(table, &rights);
    rights.groups = sorted;
    rights.group_count = 2;
    struct viewer *two = viewer_get(table, &rights);
    assert_ptr_equal(one, two);
    rights.group_count = 1;
    struct viewer *fewer_groups = viewer_get(table, &rights);
    assert_ptr_not_equal(one, fewer_groups);
    rights.user = SLICE("v");
    struct viewer *other_user = viewer_get(table, &rights);
    assert_ptr_not_equal(fewer_groups, other_user);
    rights.collections[OPEN] = true;
    struct viewer *more = viewer_get(table, &rights);
    assert_ptr_not_equal(other_user, more);
    viewer_put(table, one);
    assert_true(viewer_sees_collection(two, OWNED)); /* still referred to */
    viewer_put(table, two);
    viewer_put(table, fewer_groups);
    viewer_put(table, other_user);
    viewer_put(table, more);
}

static void those_who_see_everything_share_a_viewer(void **state)
{
    (void)state;
    struct viewer_rights rights = {.collections = {[OWNED] = true}, .everything = true, .user = SLICE("u")};
    struct viewer *one = viewer_get(table, &rights);
    rights.user = SLICE("v");
    struct viewer *two = viewer_get(table, &rights);
    assert_ptr_equal(one, two);
    viewer_put(table, one);
    viewer_put(table, two);
}

static void without_owners_all_users_share_a_viewer(void **state)
{
    (void)state;
    struct config config = {.collections = world_collections, .collection_count = 1};
    struct viewer_table *open = viewer_table_create(&config);
    struct viewer *anna = world_viewer(open, 1 << OPEN, "anna", "staff");
    struct viewer *bert = world_viewer(open, 1 << OPEN, "bert", NULL);
    assert_ptr_equal(anna, bert);
    viewer_put(open, anna);
    viewer_put(open, bert);
    viewer_table_free(&open);
}

static void keeps_thousands_apart(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    static struct viewer *viewers[MANY];
    char name[20];
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof name, "user %u", i);
        viewers[i] = world_viewer(table, 1 << OWNED, name, NULL);
    }
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof name, "user %u", i);
        assert_ptr_equal(world_viewer(table, 1 << OWNED, name, NULL), viewers[i]);
        viewer_put(table, viewers[i]);
        if (i % 2)
            viewer_put(table, viewers[i]);
    }
    struct viewer *again = world_viewer(table, 1 << OWNED, "user 1", NULL); /* was freed */
    struct slice tag = SLICE("\x01\x06\0user 1\0\0");
    assert_true(viewer_holds(again, OWNED, tag));
    for (unsigned i = 0; i < MANY; i += 2)
        viewer_put(table, viewers[i]);
    viewer_put(table, again);
}

static void rights_decide_who_holds_and_reads(void **state)
{
    (void)state;
    static const struct {
        const char *user, *group;
        struct slice tag;
        bool reads, holds;
    } cases[] = {
        {NULL, NULL, TAG_HELD, true, true},
        {NULL, NULL, TAG_OUT_OF_SYNC, true, false},
        {NULL, NULL, TAG_ANNA, false, false},
        {"anna", NULL, TAG_ANNA, true, true},
        {"anna", NULL, TAG_ANNA_OUT_OF_SYNC, true, false},
        {"bert", NULL, TAG_ANNA, false, false},
        {"bert", "staff", TAG_ANNA, false, false}, /* the group may not */
        {"bert", "staff", TAG_ANNA_GROUP, true, true},
        {"bert", "guests", TAG_ANNA_GROUP, false, false},
        {"bert", NULL, TAG_ANNA_GROUP, false, false},
        {NULL, NULL, SLICE("\x01\0\0\0\0"), false, false}, /* nobody's: not those who are nobody */
        {NULL, "", SLICE("\x05\0\0\0\0"), false, false},
        {"anna", "staff", TAG_NONE, false, false},              /* no document */
        {"anna", "staff", SLICE("\x01\xff\xff"), false, false}, /* no tag */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct viewer *viewer = world_viewer(table, 1 << OWNED, cases[i].user, cases[i].group);
        assert_int_equal(viewer_reads(viewer, OWNED, cases[i].tag), cases[i].reads);
        assert_int_equal(viewer_holds(viewer, OWNED, cases[i].tag), cases[i].holds);
        viewer_put(table, viewer);
    }
    struct viewer_rights all = {.collections = {[OWNED] = true}, .everything = true};
    struct viewer *viewer = viewer_get(table, &all);
    assert_true(viewer_holds(viewer, OWNED, TAG_ANNA));
    assert_false(viewer_holds(viewer, OWNED, TAG_ANNA_OUT_OF_SYNC));
    assert_true(viewer_reads(viewer, OWNED, TAG_ANNA_OUT_OF_SYNC));
    viewer_put(table, viewer);
}

static void collections_decide_what_is_held(void **state)
{
    (void)state;
    struct viewer *viewer = world_viewer(table, 1 << OPEN | 1 << INTERNAL, "anna", NULL);
    assert_true(viewer_sees_collection(viewer, OPEN));
    assert_false(viewer_sees_collection(viewer, OWNED));
    assert_false(viewer_sees_collection(viewer, INTERNAL)); /* never */
    assert_false(viewer_sees_collection(viewer, UINT16_MAX));
    assert_true(viewer_holds(viewer, OPEN, TAG_HELD));
    assert_false(viewer_holds(viewer, HIDDEN, TAG_HELD));
    assert_false(viewer_holds(viewer, INTERNAL, TAG_HELD));
    assert_false(viewer_holds(viewer, UINT16_MAX, TAG_HELD));
    assert_true(viewer_reads(viewer, HIDDEN, TAG_HELD)); /* whatever it subscribed to */
    assert_false(viewer_reads(viewer, UINT16_MAX, TAG_HELD));
    viewer_put(table, viewer);
}

static void append(uint64_t seq, uint16_t collection, struct slice before, struct slice after)
{
    struct ring_record record = {.seq = seq,
                                 .collection = collection,
                                 .tag_before = before,
                                 .tag_after = after,
                                 .update_frame = SLICE("<update>"),
                                 .remove_frame = SLICE("<remove>")};
    backlog_append(backlog, &record);
}

static void a_change_is_an_update_or_a_remove_or_nothing(void **state)
{
    (void)state;
    static const struct {
        struct slice before, after;
        bool anna_update, anna_remove, bert_update, bert_remove;
    } cases[] = {
        {TAG_NONE, TAG_HELD, true, false, true, false},
        {TAG_HELD, TAG_NONE, false, true, false, true},
        {TAG_HELD, TAG_OUT_OF_SYNC, false, true, false, true},
        {TAG_OUT_OF_SYNC, TAG_HELD, true, false, true, false},
        {TAG_OUT_OF_SYNC, TAG_NONE, false, false, false, false},
        {TAG_ANNA, TAG_BERT, false, true, true, false},
        {TAG_HELD, TAG_ANNA, true, false, false, true},
        {TAG_ANNA, TAG_ANNA_OUT_OF_SYNC, false, true, false, false},
        {TAG_ANNA, TAG_ANNA_GROUP, true, false, true, false},
    };
    struct viewer *anna = world_viewer(table, 1 << OWNED, "anna", "staff");
    struct viewer *bert = world_viewer(table, 1 << OWNED, "bert", "staff");
    struct viewer *blind = world_viewer(table, 1 << OPEN, "anna", "staff");
    size_t count = sizeof cases / sizeof *cases;
    for (size_t i = 0; i < count; i++)
        append(i + 1, OWNED, cases[i].before, cases[i].after);
    for (unsigned again = 0; again < 2; again++)
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(viewer_sees(anna, backlog, 2 * i + 1), cases[i].anna_update);
            assert_int_equal(viewer_sees(anna, backlog, 2 * i + 2), cases[i].anna_remove);
            assert_int_equal(viewer_sees(bert, backlog, 2 * i + 1), cases[i].bert_update);
            assert_int_equal(viewer_sees(bert, backlog, 2 * i + 2), cases[i].bert_remove);
            assert_false(viewer_sees(blind, backlog, 2 * i + 1) || viewer_sees(blind, backlog, 2 * i + 2));
        }
    viewer_put(table, anna);
    viewer_put(table, bert);
    viewer_put(table, blind);
}

/* Frame n goes to anna, to bert, or to both, by its number alone. */
static bool anna_sees(uint64_t number)
{
    return number % 7 < 5;
}

static void append_numbered(uint64_t until)
{
    while (backlog_next(backlog) <= until) {
        uint64_t number = backlog_next(backlog);
        struct ring_record record = {.seq = number,
                                     .collection = OWNED,
                                     .tag_after = anna_sees(number) ? TAG_ANNA : TAG_BERT,
                                     .update_frame = SLICE("<update>")};
        backlog_append(backlog, &record);
    }
}

static void remembers_in_whatever_order_it_is_asked(void **state)
{
    (void)state;
    append_numbered(5 * VIEWER_WINDOW);
    struct viewer *anna = world_viewer(table, 1 << OWNED, "anna", NULL);
    struct viewer *bert = world_viewer(table, 1 << OWNED, "bert", NULL);
    uint64_t random = 3;
    for (unsigned i = 0; i < 50000; i++) {
        uint64_t start = 1 + random_below(&random, 5 * VIEWER_WINDOW), length = random_below(&random, 30);
        for (uint64_t number = start; number < start + length && number < backlog_next(backlog); number++) {
            assert_int_equal(viewer_sees(anna, backlog, number), anna_sees(number));
            assert_int_equal(viewer_sees(bert, backlog, number), !anna_sees(number));
        }
    }
    viewer_put(table, anna);
    viewer_put(table, bert);
}

static void assert_run(struct viewer *viewer, bool is_anna, uint64_t first)
{
    const struct viewer_run *run = viewer_run(viewer, backlog, first);
    assert_int_equal(run->first, first);
    uint64_t frames = 0;
    int vector = -1;
    const char *at = NULL, *end = NULL;
    for (uint64_t number = first; number < run->upto; number++) {
        if (anna_sees(number) != is_anna)
            continue;
        const struct backlog_frame *frame = backlog_frame(backlog, number);
        if (at == end) {
            assert_true(++vector < run->count);
            at = run->vectors[vector].iov_base;
            end = at + run->vectors[vector].iov_len;
        }
        assert_ptr_equal(at, frame->bytes);
        at += frame->length;
        frames++;
    }
    assert_int_equal(vector + 1, run->count);
    assert_ptr_equal(at, end);
    assert_int_equal(run->frames, frames);
    assert_int_equal(run->bytes, frames * 8);
    assert_true(run->upto == backlog_next(backlog) || run->count == VIEWER_RUN_VECTORS ||
                run->bytes >= VIEWER_RUN_BYTES);
}

static void runs_are_what_is_seen_merged(void **state)
{
    (void)state;
    struct viewer *anna = world_viewer(table, 1 << OWNED, "anna", NULL);
    struct viewer *bert = world_viewer(table, 1 << OWNED, "bert", NULL);
    uint64_t random = 5;
    for (unsigned i = 0; i < 20000; i++) {
        if (i % 3 == 0)
            append_numbered(backlog_next(backlog) + random_below(&random, 3));
        uint64_t kept = backlog_next(backlog) - backlog_first(backlog) + 1;
        uint64_t back = random_below(&random, random_below(&random, 4) ? 20 : 400) % kept;
        assert_run(anna, true, backlog_next(backlog) - back);
        assert_run(bert, false, backlog_next(backlog) - back);
        if (i % 500 == 499) { /* somebody else in its place */
            viewer_put(table, bert);
            bert = world_viewer(table, 1 << OWNED, "bert", i % 1000 == 999 ? NULL : "other");
        }
    }
    viewer_put(table, anna);
    viewer_put(table, bert);
}

/* A new viewer at the place in memory of one that is gone must not get that one's runs. */
static void runs_are_not_mistaken_for_a_predecessors(void **state)
{
    (void)state;
    append_numbered(50);
    for (unsigned i = 0; i < 200; i++) {
        bool is_anna = i / 64 % 2; /* all that a run is kept under comes again */
        struct viewer *viewer = world_viewer(table, 1 << OWNED, is_anna ? "anna" : "bert", NULL);
        assert_run(viewer, is_anna, 1);
        viewer_put(table, viewer);
    }
}

#define VIEWER_TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VIEWER_TEST(equal_rights_share_a_viewer),
        VIEWER_TEST(those_who_see_everything_share_a_viewer),
        VIEWER_TEST(without_owners_all_users_share_a_viewer),
        VIEWER_TEST(keeps_thousands_apart),
        VIEWER_TEST(rights_decide_who_holds_and_reads),
        VIEWER_TEST(collections_decide_what_is_held),
        VIEWER_TEST(a_change_is_an_update_or_a_remove_or_nothing),
        VIEWER_TEST(remembers_in_whatever_order_it_is_asked),
        VIEWER_TEST(runs_are_what_is_seen_merged),
        VIEWER_TEST(runs_are_not_mistaken_for_a_predecessors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
