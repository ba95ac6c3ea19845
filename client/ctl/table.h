#ifndef CLIENT_CTL_TABLE_H
#define CLIENT_CTL_TABLE_H

#include <stddef.h>

#include "shared/base/buffer.h"

/* Columns of text for people, each as wide as its widest cell. All zero but ->columns is empty. */
struct table {
    size_t columns;
    char **cells; /* row by row */
    size_t count;
};

/** Adds the next cell. What would move a terminal's cursor becomes '?'; nothing becomes "-". */
void table_add(struct table *table, struct slice text);

/** Appends all full rows, a line each. */
void table_append(const struct table *table, struct buffer *out);

void table_free(struct table *table);

#endif
