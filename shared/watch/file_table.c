#include "shared/watch/file_table.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"

enum { PLACES_LEAST = 64 };

/* One change. The file's last one: ->file; an earlier one: NULL. */
struct place {
    uint64_t stamp;
    struct file *file;
};

struct file_table {
    struct file_table *next; /* in a grave */
    void *tree; /* of tsearch(3): names in byte order, so nobody picks names that are slow to find */
    struct place *places;
    size_t used, capacity;
    size_t most;
    size_t count, gone_count;
    struct file_queue gone; /* in the order in which they went */
    uint64_t last, horizon;
    uint32_t generation;
};

static int compare_files(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

struct file_table *file_table_create(size_t most)
{
    struct file_table *table = memory_zeroed(1, sizeof *table);
    table->most = most;
    TAILQ_INIT(&table->gone);
    return table;
}

static void drop_file(struct file_table *table, struct file *file)
{
    if (file->gone) {
        TAILQ_REMOVE(&table->gone, file, queue);
        table->gone_count--;
    } else {
        table->count--;
    }
    (void)tdelete(file, &table->tree, compare_files);
    free(file);
}

void file_table_bury(struct file_table **graves, struct file_table *table)
{
    if (!table)
        return;
    table->next = *graves;
    *graves = table;
}

void file_table_free_some(struct file_table **graves, size_t files)
{
    struct file_table *gone;
    while ((gone = *graves)) {
        while (gone->used && files > 0) {
            struct file *file = gone->places[--gone->used].file;
            if (!file)
                continue;
            drop_file(gone, file);
            files--;
        }
        if (gone->used)
            return;
        assert(!gone->tree);
        *graves = gone->next;
        free(gone->places);
        free(gone);
    }
}

void file_table_free(struct file_table **graves)
{
    file_table_free_some(graves, SIZE_MAX);
}

uint64_t file_table_last(const struct file_table *table)
{
    return table->last;
}

size_t file_table_count(const struct file_table *table)
{
    return table->count;
}

size_t file_table_gone(const struct file_table *table)
{
    return table->gone_count;
}

uint64_t file_table_horizon(const struct file_table *table)
{
    return table->horizon;
}

struct file *file_table_find(const struct file_table *table, struct slice name)
{
    void *const *found = tfind(&name, &table->tree, compare_files);
    return found ? *found : NULL;
}

/* The first place behind @stamp. */
static size_t place_after(const struct file_table *table, uint64_t stamp)
{
    size_t low = 0, high = table->used;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->places[middle].stamp <= stamp)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void leave_place(struct file_table *table, const struct file *file)
{
    size_t at = place_after(table, file->stamp - 1);
    assert(at < table->used && table->places[at].file == file);
    table->places[at].file = NULL;
}

/* Places of which the file has moved on are closed up when they are half of all; else there are more. */
static void make_place(struct file_table *table)
{
    size_t files = table->count + table->gone_count;
    if (table->used < table->capacity)
        return;
    if (table->used >= PLACES_LEAST && files <= table->used / 2) {
        size_t kept = 0;
        for (size_t i = 0; i < table->used; i++)
            if (table->places[i].file)
                table->places[kept++] = table->places[i];
        table->used = kept;
        return;
    }
    table->capacity = table->capacity ? table->capacity * 2 : PLACES_LEAST;
    table->places = memory_resize(table->places, table->capacity, sizeof *table->places);
}

static void take_place(struct file_table *table, struct file *file)
{
    make_place(table);
    file->stamp = ++table->last;
    table->places[table->used++] = (struct place){file->stamp, file};
}

static struct file *add_file(struct file_table *table, struct slice name)
{
    struct file *file = memory_allocate(sizeof *file + name.length + 1);
    char *bytes = (char *)(file + 1);
    *file = (struct file){.name = slice_of(bytes, name.length), .born = table->last + 1};
    memcpy(bytes, name.data, name.length);
    bytes[name.length] = '\0';
    if (!tsearch(file, &table->tree, compare_files))
        log_fatal("out of memory");
    table->count++;
    return file;
}

static void revive_file(struct file_table *table, struct file *file)
{
    TAILQ_REMOVE(&table->gone, file, queue);
    table->gone_count--;
    table->count++;
    file->gone = false;
    leave_place(table, file);
}

enum file_put file_table_put(struct file_table *table, struct slice name, uint64_t size, int64_t modified_ms,
                             struct file **out)
{
    struct file *file = file_table_find(table, name);
    *out = file;
    if (file && !file->gone) {
        file->generation = table->generation;
        if (file->size == size && file->modified_ms == modified_ms)
            return FILE_SAME;
        leave_place(table, file);
    } else if (table->count >= table->most) {
        *out = NULL;
        return FILE_NO_ROOM;
    } else if (file) {
        revive_file(table, file);
    } else {
        *out = file = add_file(table, name);
    }
    file->size = size;
    file->modified_ms = modified_ms;
    file->generation = table->generation;
    take_place(table, file);
    return FILE_CHANGED;
}

static void forget_first(struct file_table *table)
{
    struct file *file = TAILQ_FIRST(&table->gone);
    leave_place(table, file);
    drop_file(table, file);
}

void file_table_remove(struct file_table *table, struct file *file)
{
    assert(!file->gone && !file->waits);
    leave_place(table, file);
    file->before = file->stamp;
    file->gone = true;
    table->count--;
    table->gone_count++;
    TAILQ_INSERT_TAIL(&table->gone, file, queue);
    take_place(table, file);
    if (table->gone_count <= table->most)
        return;
    table->horizon = TAILQ_FIRST(&table->gone)->stamp;
    forget_first(table);
}

void file_table_forget(struct file_table *table, uint64_t stamp, size_t files)
{
    while (files-- > 0 && table->gone_count && TAILQ_FIRST(&table->gone)->stamp <= stamp)
        forget_first(table);
}

void file_table_doubt(struct file_table *table)
{
    table->generation++;
}

struct file *file_table_doubtful(const struct file_table *table, uint64_t *stamp, size_t most)
{
    size_t at = place_after(table, *stamp);
    for (; at < table->used && most > 0; at++, most--) {
        struct file *file = table->places[at].file;
        *stamp = table->places[at].stamp;
        if (file && !file->gone && file->generation != table->generation)
            return file;
    }
    if (at == table->used)
        *stamp = table->last;
    return NULL;
}

struct file_walk file_table_walk(const struct file_table *table, uint64_t stamp)
{
    return (struct file_walk){table, place_after(table, stamp)};
}

const struct file *file_table_next(struct file_walk *walk, uint64_t *passed)
{
    while (walk->at < walk->table->used) {
        const struct file *file = walk->table->places[walk->at++].file;
        if (passed)
            ++*passed;
        if (file)
            return file;
    }
    return NULL;
}

bool file_was_told(const struct file *file, uint64_t stamp, uint64_t began)
{
    if (file->born > stamp || file->stamp <= began)
        return false;
    return file->before > began || file->before <= stamp;
}
