#ifndef SHARED_CONFIG_READER_H
#define SHARED_CONFIG_READER_H

#include "shared/base/buffer.h"
#include "shared/config/config.h"
#include "shared/config/nearest.h"

/* A configuration file while it is read: where we are in it, for messages. Only the files of this directory
 * use it. */

struct config_reader {
    struct config *config;
    const char *name; /* of the file */
    const char *text; /* as it was written, with its comments */
    size_t length;
    char *message;            /* CONFIG_MESSAGE bytes */
    struct buffer path;       /* "collections.viruses.unique[1]" */
    struct buffer characters; /* of the string at hand, when it has escapes */
};

/** Goes down to a key or an element; returns what config_leave() needs to come back. */
size_t config_enter_key(struct config_reader *reader, struct json_value key);
size_t config_enter_name(struct config_reader *reader, const char *key);
size_t config_enter_element(struct config_reader *reader, uint32_t number);
void config_leave(struct config_reader *reader, size_t before);

/** Line and column of an offset, from 1; a column is a character, whatever its width. */
void config_place(const struct config_reader *reader, size_t offset, size_t *line, size_t *column);

/** "FILE:LINE:COLUMN: PATH: TEXT" with the place of @at; returns false. */
[[gnu::format(printf, 3, 4)]] bool config_wrong(struct config_reader *reader, struct json_value at,
                                                const char *format, ...);

/** The same, ending in ", found " and what @at is; returns false. */
[[gnu::format(printf, 3, 4)]] bool config_expected(struct config_reader *reader, struct json_value at,
                                                   const char *format, ...);

/** Refuses the unknown key at which the reader is; @nearest has been offered the known ones. Returns
 * false. */
bool config_unknown(struct config_reader *reader, struct json_value key, const struct nearest *nearest);

/** The characters of a string (or key), until the next call. Absent when @value is no string. */
struct slice config_string(struct config_reader *reader, struct json_value value);

/** a-z A-Z 0-9 _, 1 to 64 of them. */
bool config_is_name(struct slice name);

#endif
