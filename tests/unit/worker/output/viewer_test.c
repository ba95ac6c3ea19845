#include "worker/output/viewer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/worker/output/world.h"

static struct viewer_table *table;

static int open_world(void **state)
{
    (void)state;
    table = viewer_table_create(&world_config);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    viewer_table_free(&table);
    return table ? -1 : 0;
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
