/* sort of find: whatever comes, what is given is what a plain sort would give first. */

#include "tests/unit/quoted.h"
#include "worker/methods/find_sort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "shared/base/memory.h"
#include "tests/unit/worker/worker_world.h"
#include "worker/methods/projection.h"

struct item {
    int a, b;
    char id[16];
    char *text;
    size_t length;
};

static int plain_order(const void *left, const void *right)
{
    const struct item *x = left, *y = right;
    if (x->a != y->a)
        return x->a < y->a ? -1 : 1;
    if (x->b != y->b)
        return x->b > y->b ? -1 : 1;
    return strcmp(x->id, y->id);
}

static struct find_sort *read_sort(const char *text, uint64_t keep)
{
    struct json json = {0};
    struct find_sort *sort;
    assert_true(json_parse(&json, text, strlen(text)));
    assert_true(find_sort_read(NULL, json_root(&json), keep, &sort));
    json_free(&json);
    return sort;
}

static void make_item(struct item *item, uint64_t *random, unsigned number, size_t padding)
{
    struct buffer text = {0};
    item->a = (int)world_random(random, 5);
    item->b = (int)world_random(random, 5);
    snprintf(item->id, sizeof item->id, "%08x", number * 2654435761u);
    quoted_append(&text, "{'_id':'%s','a':%d,'b':{'c':%d},'p':'", item->id, item->a, item->b);
    for (size_t i = 0; i < padding; i++)
        buffer_append_byte(&text, 'x');
    buffer_append_text(&text, Q("'}"));
    item->text = text.data;
    item->length = text.length;
}

static void add(struct find_sort *sort, const struct item *item)
{
    struct json json = {0};
    assert_true(json_parse(&json, item->text, item->length));
    find_sort_add(sort, slice_text(item->id), json_root(&json), slice_of(item->text, item->length));
    json_free(&json);
}

/* Returns how many came. They are the first of all, in order. */
static size_t check(struct find_sort *sort, struct item *items, size_t count)
{
    struct slice full;
    size_t given = 0;
    qsort(items, count, sizeof *items, plain_order);
    assert_true(find_sort_finish(sort, 1));
    while (find_sort_next(sort, &full)) {
        assert_true(given < count);
        assert_int_equal(full.length, items[given].length);
        assert_memory_equal(full.data, items[given].text, full.length);
        given++;
    }
    assert_int_equal(find_sort_cut(sort), given < count);
    return given;
}

static void gives_what_a_plain_sort_gives(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (unsigned round = 0; round < 300; round++) {
        struct item items[200];
        size_t count = world_random(&random, 200);
        uint64_t keep = 1 + world_random(&random, 60);
        struct find_sort *sort = read_sort(Q("{'a':1,'b.c':-1}"), keep);
        for (size_t i = 0; i < count; i++) {
            make_item(&items[i], &random, round * 1000 + (unsigned)i, world_random(&random, 20));
            add(sort, &items[i]);
        }
        assert_int_equal(check(sort, items, count), count < keep ? count : keep);
        find_sort_free(&sort);
        for (size_t i = 0; i < count; i++)
            free(items[i].text);
    }
}

/* Once bytes run out, a small document that comes later must not take the place of a large one before it. */
static void gives_the_first_also_when_bytes_run_out(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static struct item items[COUNT];
    uint64_t random = 7;
    struct find_sort *sort = read_sort(Q("{'a':1,'b.c':-1}"), 1000);
    for (unsigned i = 0; i < COUNT; i++) {
        make_item(&items[i], &random, i, world_random(&random, 2) ? 900000 : 100);
        add(sort, &items[i]);
    }
    size_t given = check(sort, items, COUNT);
    assert_in_range(given, 10, COUNT - 1);
    find_sort_free(&sort);
    for (unsigned i = 0; i < COUNT; i++)
        free(items[i].text);
}

static void gives_the_fields_that_are_named(void **state)
{
    (void)state;
    struct json fields = {0}, document = {0};
    struct projection projection = {0};
    struct buffer out = {0};
    static const char text[] =
        "{\"_id\":\"a\",\"_version\":3,\"n\":1.50,\"caf\\u00e9\":[1,2],\"x\":{\"n\":2}}";
    static const char names[] = "[\"n\",\"caf\xc3\xa9\",\"absent\"]";
    assert_true(json_parse(&document, text, sizeof text - 1));
    assert_true(json_parse(&fields, names, sizeof names - 1));
    assert_true(projection_read(NULL, json_root(&fields), &projection));
    projection_append(&out, &projection, json_root(&document), slice_text(text));
    buffer_append_byte(&out, 0);
    assert_string_equal(out.data, Q("{'_id':'a','_version':3,'n':1.50,'caf\\u00e9':[1,2]}"));
    projection_free(&projection);
    buffer_clear(&out);
    projection_append(&out, &projection, (struct json_value){0}, slice_text(text)); /* none named: all */
    assert_memory_equal(out.data, text, sizeof text - 1);
    json_free(&fields);
    json_free(&document);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_what_a_plain_sort_gives),
        cmocka_unit_test(gives_the_first_also_when_bytes_run_out),
        cmocka_unit_test(gives_the_fields_that_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
