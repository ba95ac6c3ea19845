#ifndef CLIENT_CTL_LISTING_H
#define CLIENT_CTL_LISTING_H

#include "client/ctl/ctl.h"
#include "client/ctl/table.h"

/** How a collection is shown as a table. */
struct listing {
    const char *collection;
    const char *const *heads; /* of the columns */
    size_t columns;
    /** NULL, or called with each page before its rows are made. False: it was said what failed. */
    bool (*prepare)(void *context, struct json_value documents);
    void (*add_row)(void *context, struct table *table, struct json_value document);
    void *context; /* of both */
};

/** Lists a collection, in the order of ids: as a table, or with --json a document in each line. Returns the
 * exit status. */
int listing_show(const struct ctl *ctl, const struct listing *listing, const struct words *words);

/** Adds a cell with the characters of a string; an empty one for anything else. */
void listing_add_text(struct table *table, struct json_value value);

/** Appends a name, with a comma in front when it is not the first. */
void listing_append_name(struct buffer *out, struct slice name);

/** Adds the first row: the names of the columns. */
void listing_add_heads(struct table *table, const char *const *heads, size_t count);

/** Prints the table. */
void listing_print(const struct table *table);

/** Prints a value as a line of JSON. */
void listing_print_line(struct json_value value);

#endif
