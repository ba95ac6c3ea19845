#include "worker/output/sight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/worker/output/world.h"

enum { BLOCK = 512 }; /* frames that are decided together */

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

static bool sees(struct viewer *viewer, uint64_t number)
{
    bool seen;
    uint64_t next = sight_next(viewer, backlog, number, number + 1, NULL, &seen);
    assert_int_equal(next, seen ? number : number + 1);
    return seen;
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
            assert_int_equal(sees(anna, 2 * i + 1), cases[i].anna_update);
            assert_int_equal(sees(anna, 2 * i + 2), cases[i].anna_remove);
            assert_int_equal(sees(bert, 2 * i + 1), cases[i].bert_update);
            assert_int_equal(sees(bert, 2 * i + 2), cases[i].bert_remove);
            assert_false(sees(blind, 2 * i + 1) || sees(blind, 2 * i + 2));
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
    append_numbered(5 * BLOCK);
    struct viewer *anna = world_viewer(table, 1 << OWNED, "anna", NULL);
    struct viewer *bert = world_viewer(table, 1 << OWNED, "bert", NULL);
    uint64_t random = 3;
    for (unsigned i = 0; i < 50000; i++) {
        uint64_t start = 1 + random_below(&random, 5 * BLOCK), length = random_below(&random, 30);
        for (uint64_t number = start; number < start + length && number < backlog_next(backlog); number++) {
            assert_int_equal(sees(anna, number), anna_sees(number));
            assert_int_equal(sees(bert, number), !anna_sees(number));
        }
    }
    viewer_put(table, anna);
    viewer_put(table, bert);
}

static void assert_run(struct viewer *viewer, bool is_anna, uint64_t first)
{
    const struct sight_run *run = sight_run(viewer, backlog, first, NULL);
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
    assert_true(run->upto == backlog_next(backlog) || run->count == SIGHT_RUN_VECTORS ||
                run->bytes >= SIGHT_RUN_BYTES);
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

/* Many connections of one viewer that hardly sees anything, wherever they stand: each frame is decided once,
 * and passed over with others of its block after that. */
static void what_is_not_seen_costs_little(void **state)
{
    (void)state;
    enum { FRAMES = 20000, WALKERS = 300, RARE = 500 };
    for (uint64_t number = 1; number <= FRAMES; number++) {
        struct ring_record record = {.seq = number,
                                     .collection = OWNED,
                                     .tag_after = number % RARE ? TAG_BERT : TAG_ANNA,
                                     .update_frame = SLICE("<update>")};
        backlog_append(backlog, &record);
    }
    struct viewer *anna = world_viewer(table, 1 << OWNED, "anna", NULL);
    struct work work = {.left = UINT64_MAX};
    for (unsigned i = 0; i < WALKERS; i++) {
        uint64_t begin = 1 + i * 7, from = begin, seen_count = 0;
        bool seen;
        while ((from = sight_next(anna, backlog, from, FRAMES + 1, &work, &seen)) <= FRAMES) {
            assert_true(seen && from % RARE == 0);
            const struct sight_run *run = sight_run(anna, backlog, from, &work);
            seen_count += run->frames;
            from = run->upto;
        }
        assert_int_equal(seen_count, FRAMES / RARE - (begin - 1) / RARE);
    }
    /* Each walk asks once for each block and each frame that is seen, and some are asked about twice. */
    assert_in_range(work.used, FRAMES, 2 * FRAMES + WALKERS * 2 * (FRAMES / BLOCK + FRAMES / RARE));
    viewer_put(table, anna);
}

static void a_walk_ends_when_work_runs_out(void **state)
{
    (void)state;
    append_numbered(4000);
    struct viewer *blind = world_viewer(table, 1 << OPEN, NULL, NULL);
    struct work work = {0};
    bool seen = true;
    uint64_t at = 1, steps = 0;
    for (; at < 4001; steps++) {
        uint64_t next = sight_next(blind, backlog, at, 4001, &work, &seen);
        assert_in_range(next, at + 1, at + BLOCK); /* it always gets on */
        assert_false(seen);
        at = next;
    }
    assert_int_equal(steps, 4000 / BLOCK + 1);
    assert_in_range(work.largest_step, BLOCK, BLOCK + 2);
    viewer_put(table, blind);
}

/* More blocks than there is room for: those that gave way are decided again. */
static void blocks_that_gave_way_are_decided_again(void **state)
{
    (void)state;
    enum { VIEWERS = 3000 };
    static struct viewer *viewers[VIEWERS];
    append_numbered(3 * BLOCK);
    for (unsigned i = 0; i < VIEWERS; i++) {
        struct slice group = slice_text(i % 2 ? "odd" : "even");
        char name[20];
        (void)snprintf(name, sizeof name, "user %u", i);
        struct viewer_rights rights = {.collections = {[OWNED] = true},
                                       .user = slice_text(i < 2 ? "anna" : name),
                                       .groups = &group,
                                       .group_count = 1};
        viewers[i] = viewer_get(table, &rights);
    }
    uint64_t random = 9;
    for (unsigned i = 0; i < 40000; i++) {
        unsigned who = i % 8 ? random_below(&random, VIEWERS) : random_below(&random, 2);
        uint64_t number = 1 + random_below(&random, 3 * BLOCK);
        assert_int_equal(sees(viewers[who], number), who < 2 && anna_sees(number));
    }
    for (unsigned i = 0; i < VIEWERS; i++)
        viewer_put(table, viewers[i]);
}

#define SIGHT_TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SIGHT_TEST(a_change_is_an_update_or_a_remove_or_nothing),
        SIGHT_TEST(remembers_in_whatever_order_it_is_asked),
        SIGHT_TEST(runs_are_what_is_seen_merged),
        SIGHT_TEST(runs_are_not_mistaken_for_a_predecessors),
        SIGHT_TEST(what_is_not_seen_costs_little),
        SIGHT_TEST(a_walk_ends_when_work_runs_out),
        SIGHT_TEST(blocks_that_gave_way_are_decided_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
