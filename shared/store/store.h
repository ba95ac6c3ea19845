#ifndef SHARED_STORE_STORE_H
#define SHARED_STORE_STORE_H

#include <stdint.h>

#include "shared/config/config.h"

/*
 * The store: one LMDB environment in config->data, opened after the fork, read-only by the workers, written
 * by the committer alone, with what is in daemon/committer/store. lmdb.h may be included in these two
 * directories, nowhere else; headers that others include do without it. Errors of LMDB end at this border:
 * readers get enum error_code and a line in the log.
 */

enum { STORE_ID_BYTES = 256, STORE_MESSAGE = 400 };

struct store;

/** What a step of a walk comes to. */
enum store_step {
    STORE_STEP,  /* it gave the next one */
    STORE_END,   /* there is none */
    STORE_FAILED /* the next one cannot be read, which the log explains; so will all further steps end.
                    Nothing is known of what lies after it */
};

/**
 * Opens the store for reading: it must be one that a writer has prepared for this configuration
 * (store_write_open()). NULL: @message is one clear line (no store, not readable, another format, other
 * collections...).
 */
[[gnu::warn_unused_result]] struct store *store_open(const struct config *config,
                                                     char message[STORE_MESSAGE]);
void store_close(struct store **store);

/** Removes reader slots of dead processes; call it every minute or so. */
void store_check_readers(struct store *store);

/** Bytes in use in the map, and its size: for status. */
void store_usage(struct store *store, uint64_t *used_bytes, uint64_t *map_bytes);

#endif
