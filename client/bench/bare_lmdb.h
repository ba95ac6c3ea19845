#ifndef CLIENT_BENCH_BARE_LMDB_H
#define CLIENT_BENCH_BARE_LMDB_H

#include <stdbool.h>
#include <stdint.h>

/*
 * LMDB alone, for comparison: an environment of its own in a new directory, as the server opens its store (no
 * MDB_WRITEMAP, every commit synced). Failures end the program. The directory is removed at the end.
 */

struct bare_lmdb;

struct bare_lmdb *bare_lmdb_open(const char *directory);
void bare_lmdb_close(struct bare_lmdb *bare);

/**
 * Writes documents @from to @to (excluded) of a run, @batch in each transaction, each put under its id;
 * @durable: with the sync at every commit. Returns the seconds it took, documents made beforehand not
 * counted.
 */
double bare_lmdb_write(struct bare_lmdb *bare, const char *run, uint64_t from, uint64_t to, uint64_t batch,
                       uint64_t document_bytes, bool durable);

/** Reads through all documents with a cursor, touching every byte. Returns the seconds; @bytes: of
 * documents. */
double bare_lmdb_scan(struct bare_lmdb *bare, uint64_t *documents, uint64_t *bytes);

#endif
