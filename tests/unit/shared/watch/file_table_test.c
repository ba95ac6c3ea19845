/* A table of files, and those who are told of its changes: played at random, each of them ends with what is
 * there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/watch/file_table.h"

enum { NAMES = 40, READERS = 5, STEPS = 20000, MOST = 60 };

struct reader {
    bool prompt; /* is always told of everything at once */
    uint64_t cursor, began;
    uint64_t size[NAMES]; /* of what it holds; 0: it does not */
};

struct scene {
    struct file_table *table;
    uint64_t size[NAMES]; /* of what is there */
    struct reader readers[READERS];
    unsigned anew;
};

static struct slice name_of(unsigned number, char text[16])
{
    return slice_of(text, (size_t)snprintf(text, 16, "file %u", number));
}

static unsigned number_of(const struct file *file)
{
    return (unsigned)strtoul(file->name.data + sizeof "file", NULL, 10);
}

static void put(struct scene *scene, unsigned number, uint64_t size)
{
    char text[16];
    struct file *file;
    enum file_put result = file_table_put(scene->table, name_of(number, text), size, 0, &file);
    assert_int_equal(result, size == scene->size[number] ? FILE_SAME : FILE_CHANGED);
    assert_int_equal(number_of(file), number);
    scene->size[number] = size;
}

static void take_away(struct scene *scene, unsigned number)
{
    char text[16];
    struct file *file = file_table_find(scene->table, name_of(number, text));
    if (!scene->size[number]) {
        assert_true(!file || file->gone);
        return;
    }
    file_table_remove(scene->table, file);
    scene->size[number] = 0;
}

static void begin(struct scene *scene, struct reader *reader)
{
    *reader = (struct reader){.prompt = reader->prompt, .began = file_table_last(scene->table)};
}

static void tell_file(struct reader *reader, const struct file *file, uint64_t from)
{
    unsigned number = number_of(file);
    assert_true(file->stamp > reader->cursor);
    if (!file->gone) {
        assert_true(reader->size[number] != file->size); /* nothing is told twice */
        reader->size[number] = file->size;
    } else if (file_was_told(file, from, reader->began)) {
        assert_true(reader->size[number] || !reader->prompt);
        reader->size[number] = 0;
    } else {
        assert_int_equal(reader->size[number], 0); /* nothing is left out */
    }
    reader->cursor = file->stamp;
}

/* Up to @most files. True: it knows all. */
static bool tell(struct scene *scene, struct reader *reader, unsigned most)
{
    uint64_t horizon = file_table_horizon(scene->table);
    if (reader->cursor < horizon && reader->began < horizon) {
        begin(scene, reader);
        scene->anew++;
    }
    struct file_walk walk = file_table_walk(scene->table, reader->cursor);
    const struct file *file = NULL;
    uint64_t from = reader->cursor;
    while (most-- > 0 && (file = file_table_next(&walk, NULL)))
        tell_file(reader, file, from);
    if (!file && most + 1 > 0)
        reader->cursor = file_table_last(scene->table);
    return reader->cursor == file_table_last(scene->table);
}

static void check_all(struct scene *scene)
{
    size_t count = 0;
    for (unsigned i = 0; i < NAMES; i++)
        count += scene->size[i] != 0;
    assert_int_equal(file_table_count(scene->table), count);
    for (unsigned i = 0; i < READERS; i++) {
        while (!tell(scene, &scene->readers[i], scene->readers[i].prompt ? UINT_MAX : 3))
            ;
        assert_memory_equal(scene->readers[i].size, scene->size, sizeof scene->size);
    }
    file_table_forget(scene->table, file_table_last(scene->table), SIZE_MAX);
    assert_int_equal(file_table_gone(scene->table), 0);
}

static void play(unsigned seed, size_t most)
{
    struct scene scene = {.table = file_table_create(most)};
    srandom(seed);
    scene.readers[READERS - 1].prompt = true;
    for (unsigned step = 0; step < STEPS; step++) {
        struct reader *reader = &scene.readers[random() % READERS];
        unsigned number = (unsigned)(random() % NAMES);
        switch (random() % 8) {
        case 0:
        case 1:
            put(&scene, number, step + 1);
            break;
        case 2:
            if (scene.size[number])
                put(&scene, number, scene.size[number]); /* no change */
            break;
        case 3:
        case 4:
            take_away(&scene, number);
            break;
        case 5:
            if (random() % 16 == 0)
                begin(&scene, reader);
            break;
        default: /* readers of different speed */
            if (!reader->prompt)
                (void)tell(&scene, reader, (unsigned)(reader - scene.readers));
        }
        assert_true(tell(&scene, &scene.readers[READERS - 1], UINT_MAX));
        if (random() % 512 == 0)
            check_all(&scene);
    }
    check_all(&scene);
    assert_true(most >= NAMES || scene.anew > 0);
    file_table_free(&scene.table);
    assert_null(scene.table);
}

static void test_random_changes(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 3; seed++)
        play(seed, MOST);
}

/* What is there is bounded, and what has gone and is remembered. */
static void test_bounds(void **state)
{
    (void)state;
    struct file_table *table = file_table_create(2);
    struct file *file;
    char text[16];
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(file_table_put(table, name_of(i, text), 1, 0, &file), FILE_CHANGED);
        file_table_remove(table, file);
        assert_int_equal(file_table_gone(table), i < 1 ? 1 : 2);
    }
    assert_true(file_table_horizon(table) == 8); /* the fourth file's going */
    assert_int_equal(file_table_put(table, name_of(0, text), 1, 0, &file), FILE_CHANGED);
    assert_int_equal(file_table_put(table, name_of(1, text), 1, 0, &file), FILE_CHANGED);
    assert_int_equal(file_table_put(table, name_of(2, text), 1, 0, &file), FILE_NO_ROOM);
    assert_null(file);
    assert_int_equal(file_table_put(table, name_of(1, text), 1, 0, &file), FILE_SAME);
    assert_int_equal(file_table_put(table, name_of(5, text), 1, 0, &file), FILE_NO_ROOM); /* it had gone */
    assert_int_equal(file_table_count(table), 2);
    file_table_free(&table);
}

/* A slow reader of what never stands still is told of each file as it is, not of each change. */
static void test_changes_of_one_file(void **state)
{
    (void)state;
    struct file_table *table = file_table_create(10);
    struct file *file;
    for (uint64_t i = 0; i < 100000; i++)
        assert_int_equal(file_table_put(table, SLICE("x"), i, 0, &file), FILE_CHANGED);
    struct file_walk walk = file_table_walk(table, 5);
    uint64_t passed = 0;
    assert_ptr_equal(file_table_next(&walk, &passed), file);
    assert_null(file_table_next(&walk, &passed));
    assert_true(passed <= 64);
    file_table_free(&table);
}

static void test_doubt(void **state)
{
    (void)state;
    struct file_table *table = file_table_create(1000);
    struct file *file;
    char text[16];
    uint64_t stamp = 0;
    unsigned found = 0;
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(file_table_put(table, name_of(i, text), 1, 0, &file), FILE_CHANGED);
    file_table_doubt(table);
    for (unsigned i = 0; i < 500; i += 2)
        assert_int_equal(file_table_put(table, name_of(i, text), 1, 0, &file), FILE_SAME);
    while ((file = file_table_doubtful(table, &stamp, 10)) || stamp < file_table_last(table)) {
        if (!file)
            continue;
        assert_int_equal(number_of(file) % 2, 1);
        file_table_remove(table, file);
        found++;
    }
    assert_int_equal(found, 250);
    assert_int_equal(file_table_count(table), 250);
    struct file_table *graves = NULL;
    file_table_bury(&graves, table);
    file_table_bury(&graves, file_table_create(1));
    while (graves)
        file_table_free_some(&graves, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_changes),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_changes_of_one_file),
        cmocka_unit_test(test_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
