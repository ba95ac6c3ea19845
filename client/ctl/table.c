#include "client/ctl/table.h"

#include <assert.h>
#include <stdlib.h>

#include "shared/base/memory.h"

/* Control characters: U+0000 to 1F, 7F, and U+0080 to 9F, which UTF-8 writes as C2 80 to C2 9F. */
static void append_plain(struct buffer *out, struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        bool second = byte == 0xC2 && i + 1 < text.length && (unsigned char)text.data[i + 1] < 0xA0;
        if (second)
            i++;
        buffer_append_byte(out, second || byte < 0x20 || byte == 0x7f ? '?' : (char)byte);
    }
}

void table_add(struct table *table, struct slice text)
{
    struct buffer plain = {0};
    append_plain(&plain, text.length ? text : SLICE("-"));
    table->cells = memory_resize(table->cells, table->count + 1, sizeof *table->cells);
    table->cells[table->count++] = memory_copy(plain.data, plain.length);
    buffer_free(&plain);
}

/* Characters, not bytes: those of UTF-8 that begin one. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static size_t column_width(const struct table *table, size_t column)
{
    size_t widest = 0;
    for (size_t i = column; i < table->count; i += table->columns) {
        size_t width = width_of(table->cells[i]);
        widest = width > widest ? width : widest;
    }
    return widest;
}

void table_append(const struct table *table, struct buffer *out)
{
    assert(table->columns > 0);
    size_t *widths = memory_zeroed(table->columns, sizeof *widths);
    for (size_t column = 0; column < table->columns; column++)
        widths[column] = column_width(table, column);
    for (size_t i = 0; i < table->count - table->count % table->columns; i++) {
        size_t column = i % table->columns;
        buffer_append_text(out, table->cells[i]);
        if (column + 1 == table->columns) {
            buffer_append_byte(out, '\n');
            continue;
        }
        for (size_t at = width_of(table->cells[i]); at < widths[column] + 2; at++)
            buffer_append_byte(out, ' ');
    }
    free(widths);
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table){.columns = table->columns};
}
