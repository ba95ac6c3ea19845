/* sort of find: whatever comes, what is given is what a plain sort would give first. */

#include "sort_helpers.h"

#include "worker/methods/find_sort.h"

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

static void make_item(struct item *item, uint64_t *random, unsigned number, size_t padding)
{
    struct buffer text = {0};
    item->a = (int)chance(random, 5);
    item->b = (int)chance(random, 5);
    snprintf(item->id, sizeof item->id, "%08x", number * 2654435761u);
    quoted_append(&text, "{'_id':'%s','a':%d,'b':{'c':%d},'p':'", item->id, item->a, item->b);
    for (size_t i = 0; i < padding; i++)
        buffer_append_byte(&text, 'x');
    buffer_append_text(&text, Q("'}"));
    item->text = text.data;
    item->length = text.length;
}

static void add(struct find_sort *sort, const struct sort_order *order, const struct item *item)
{
    struct json json = {0};
    struct sort_keys keys = {0};
    struct json_units units = {.left = UINT64_MAX};
    assert_true(json_parse(&json, item->text, item->length));
    sort_keys_begin(&keys, order);
    assert_true(sort_keys_take(&keys, order, json_root(&json), &units));
    find_sort_add(sort, slice_text(item->id), keys.keys, slice_of(item->text, item->length));
    sort_keys_free(&keys);
    json_free(&json);
}

/* Returns how many came. They are the first of all, in order. */
static size_t check(struct find_sort *sort, struct item *items, size_t count)
{
    struct find_sorted next;
    size_t given = 0;
    qsort(items, count, sizeof *items, plain_order);
    assert_true(find_sort_finish(sort, 1));
    while (find_sort_next(sort, &next)) {
        assert_true(given < count);
        assert_int_equal(next.full.length, items[given].length);
        assert_memory_equal(next.full.data, items[given].text, next.full.length);
        assert_true(slice_equal(next.id, slice_text(items[given].id)));
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
        size_t count = chance(&random, 200);
        uint64_t keep = 1 + chance(&random, 60);
        struct sort_order order = order_of("{'a':1,'b.c':-1}", MUCH);
        struct find_sort *sort = find_sort_create(&order, NULL, keep, SIZE_MAX, &(size_t){0});
        for (size_t i = 0; i < count; i++) {
            make_item(&items[i], &random, round * 1000 + (unsigned)i, chance(&random, 20));
            add(sort, &order, &items[i]);
        }
        assert_int_equal(check(sort, items, count), count < keep ? count : keep);
        find_sort_free(&sort);
        sort_order_free(&order);
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
    struct sort_order order = order_of("{'a':1,'b.c':-1}", MUCH);
    struct find_sort *sort = find_sort_create(&order, NULL, 1000, 64 * MUCH, &(size_t){0});
    for (unsigned i = 0; i < COUNT; i++) {
        make_item(&items[i], &random, i, chance(&random, 2) ? 900000 : 100);
        add(sort, &order, &items[i]);
    }
    size_t given = check(sort, items, COUNT);
    assert_in_range(given, 10, COUNT - 1);
    find_sort_free(&sort);
    sort_order_free(&order);
    for (unsigned i = 0; i < COUNT; i++)
        free(items[i].text);
}

/* Page by page each comes once, also when there are bytes for one document only. */
static void goes_on_behind_a_document(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    uint64_t random = 3;
    struct item items[COUNT];
    struct sort_order order = order_of("{'a':1,'b.c':-1}", MUCH);
    for (unsigned i = 0; i < COUNT; i++)
        make_item(&items[i], &random, i, 0);
    qsort(items, COUNT, sizeof *items, plain_order);
    for (size_t bytes = 1; bytes < 10000; bytes += 4000) {
        struct sort_keys last = {0};
        bool more = true;
        size_t given = 0, pages = 0;
        for (; more; pages++) {
            struct find_sort *sort =
                find_sort_create(&order, NULL, 1 + 1 + chance(&random, 20), bytes, &(size_t){0});
            if (given)
                find_sort_after(sort, last.keys, slice_text(items[given - 1].id));
            for (unsigned i = 0; i < COUNT; i++)
                add(sort, &order, &items[i * 7 % COUNT]);
            struct find_sorted next;
            assert_true(find_sort_finish(sort, 1));
            while (find_sort_next(sort, &next)) {
                assert_true(slice_equal(next.id, slice_text(items[given].id)));
                assert_true(find_sort_documents(sort) >= 1);
                find_sort_given(sort);
                given++;
            }
            more = find_sort_cut(sort);
            find_sort_free(&sort);
            struct json json = {0};
            struct json_units units = {.left = UINT64_MAX};
            assert_true(json_parse(&json, items[given - 1].text, items[given - 1].length));
            sort_keys_begin(&last, &order);
            assert_true(sort_keys_take(&last, &order, json_root(&json), &units));
            json_free(&json);
        }
        assert_int_equal(given, COUNT);
        assert_true(bytes > 1 || pages == COUNT);
        sort_keys_free(&last);
    }
    for (unsigned i = 0; i < COUNT; i++)
        free(items[i].text);
    sort_order_free(&order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_what_a_plain_sort_gives),
        cmocka_unit_test(gives_the_first_also_when_bytes_run_out),
        cmocka_unit_test(goes_on_behind_a_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
