#ifndef SHARED_WATCH_FILE_TABLE_H
#define SHARED_WATCH_FILE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "shared/base/slice.h"

/*
 * The files of one directory, each once, in the order of their last changes. A change has a number, its stamp;
 * the file moves to the end. So whoever is told of the files needs nothing but the stamp up to which it was
 * told, and starts at 0: what lies behind that is exactly what it has not got yet, each file once and as it is
 * now, however often it has changed meanwhile. A file that has gone stays for a while, as one that has, so
 * that those can be told who stand before that.
 *
 * The watcher has such a table for each directory, and its links to the workers stand in it; a worker has a
 * copy, and its listeners stand in that.
 */

struct file {
    struct slice name; /* first: the tree's key; its bytes are behind the struct */
    uint64_t stamp;    /* of its last change */
    uint64_t born;     /* of its first: who stands before it was not told of it */
    uint64_t before;   /* it has gone: the one it had until then */
    uint64_t size;
    int64_t modified_ms;     /* since 1970-01-01 UTC */
    uint64_t time_ms;        /* the owner's */
    TAILQ_ENTRY(file) queue; /* when ->gone: the table's; else the owner's, while ->waits */
    uint32_t generation;     /* in which it was confirmed last */
    bool gone;
    bool waits;
};

TAILQ_HEAD(file_queue, file);

struct file_table;

/** @most: files that are there, and files that have gone and are remembered. */
struct file_table *file_table_create(size_t most);

/** Puts a table among @graves, to be freed in steps. NULL is allowed. */
void file_table_bury(struct file_table **graves, struct file_table *table);

/** Frees up to @files of the tables there; *@graves is NULL when all is freed. */
void file_table_free_some(struct file_table **graves, size_t files);

/** Frees all that is there. */
void file_table_free(struct file_table **graves);

/** The stamp of the last change; 0: there was none. */
uint64_t file_table_last(const struct file_table *table);

/** Files that are there. */
size_t file_table_count(const struct file_table *table);

/** Files that have gone and are remembered. */
size_t file_table_gone(const struct file_table *table);

/** Files of which somebody who stands before this may not have been told that they have gone: it must begin
 * anew. */
uint64_t file_table_horizon(const struct file_table *table);

/** Also one that has gone; NULL: neither. */
struct file *file_table_find(const struct file_table *table, struct slice name);

enum file_put { FILE_SAME, FILE_CHANGED, FILE_NO_ROOM };

/** The file is there, like that, in the present generation. @file: it; with FILE_NO_ROOM NULL. */
[[gnu::warn_unused_result]] enum file_put file_table_put(struct file_table *table, struct slice name,
                                                         uint64_t size, int64_t modified_ms,
                                                         struct file **file);

/** A file that is there, and does not wait, has gone. When too many have, the first of them is forgotten. */
void file_table_remove(struct file_table *table, struct file *file);

/** Forgets up to @files that have gone before or with change @stamp: all know. */
void file_table_forget(struct file_table *table, uint64_t stamp, size_t files);

/** All files are now to be confirmed (file_table_put()): another generation. */
void file_table_doubt(struct file_table *table);

/** The next file behind *@stamp that is there and was not confirmed, and *@stamp moves on to it, over @most
 * others at most. NULL: not so far; when all was looked at *@stamp is file_table_last(). */
struct file *file_table_doubtful(const struct file_table *table, uint64_t *stamp, size_t most);

/** A place in the order of changes; no longer valid when the table has changed. */
struct file_walk {
    const struct file_table *table;
    size_t at;
};

/** Starts with the first change behind @stamp. */
struct file_walk file_table_walk(const struct file_table *table, uint64_t stamp);

/** The next file, gone or not; NULL: the end. @passed, if any, is increased by the places looked at. */
const struct file *file_table_next(struct file_walk *walk, uint64_t *passed);

/** Who has been told up to @stamp, before what it is being told now, and began with all that was there when change @began was the last: whether it
 * knows of a file that has gone. Yes, too, when that is not known: it was behind when the file came, and
 * still was when it had gone. */
bool file_was_told(const struct file *file, uint64_t stamp, uint64_t began);

#endif
