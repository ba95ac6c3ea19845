#ifndef SHARED_STORE_STORE_H
#define SHARED_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/error_code.h"
#include "shared/base/slice.h"
#include "shared/config/config.h"
#include "shared/json/json.h"

/*
 * The store: one LMDB environment in config->data, opened after the fork, read-only by the workers, written
 * by the committer alone. This header is what both need; store_write.h is the committer's. Inside this
 * directory lmdb.h may be included, nowhere else. Errors of LMDB end at this border: readers get enum
 * error_code and a line in the log.
 */

enum { STORE_FORMAT = 3, STORE_ID_BYTES = 256, STORE_MESSAGE = 400 };

struct store;

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

/** The present run of the server on this store: random, 1 to 2^53 - 1; 0 before the first one. As of the last
 * store_begin(). */
uint64_t store_epoch(struct store *store);

/* ---- reading: one short snapshot at a time ---- */

/** Takes a snapshot of what is committed now; what is read through it is valid until store_end(). A second
 * call without store_end() between is a broken invariant. */
[[gnu::warn_unused_result]] enum error_code store_begin(struct store *store);
void store_end(struct store *store);

/** Sequence number of the last change in the snapshot; and of the newest change no longer in the change log
 *  (0: the log is whole). */
uint64_t store_seq(struct store *store);
uint64_t store_log_horizon(struct store *store);

/**
 * *@holds: whether the state that somebody saw in run @epoch after change @seq is one that this store went
 * through: the run is one of its last 1,000, and the number is not beyond what of that run came to this
 * store. Not so after a copy was put back, and for what was lost with the power. Needs a snapshot.
 */
[[gnu::warn_unused_result]] enum error_code store_history_holds(struct store *store, uint64_t epoch,
                                                                uint64_t seq, bool *holds);

/** Sequence number of the last change of a user, a group or a session in the snapshot. */
uint64_t store_rights_seq(struct store *store);

/** A stored document. Slices point into the map, until store_end(). */
struct store_record {
    uint64_t version;
    uint64_t seq;         /* of the change that made this version */
    uint64_t tag_seq;     /* of the change since which it has a tag that shows it to the same people */
    struct slice tag;     /* access_tag.h */
    struct slice minimal; /* compact JSON, what clients hold: _id, _version, projector */
    struct slice full;    /* compact JSON, with _id and _version first */
};

/** ERROR_NOT_FOUND when there is none (also for ids that cannot be: empty, too long). ERROR_INTERNAL when it
 * cannot be read: it may be there. */
[[gnu::warn_unused_result]] enum error_code store_get(struct store *store, unsigned collection,
                                                      struct slice id, struct store_record *out);

/** Parses the full text of a document that was read, in ->full. False: it is damaged, which the log says. */
[[gnu::warn_unused_result]] bool store_record_parse(struct store *store, unsigned collection, struct slice id,
                                                    const struct store_record *record, struct json *out);

/** *@seq: the change that removed the last one who had this name in `users` or `groups` and lost it; 0:
 * nobody did. */
[[gnu::warn_unused_result]] enum error_code store_name_was_used(struct store *store, unsigned collection,
                                                                struct slice name, uint64_t *seq);

/** *@count: documents of a collection, in all (not only those in the sync set). */
[[gnu::warn_unused_result]] enum error_code store_count(struct store *store, unsigned collection,
                                                        uint64_t *count);

/** What a step of a walk comes to. */
enum store_step {
    STORE_STEP,  /* it gave the next one */
    STORE_END,   /* there is none */
    STORE_FAILED /* the next one cannot be read, which the log explains; so will all further steps end.
                    Nothing is known of what lies behind it */
};

/**
 * A walk over a collection in byte order of ids that goes on in a later snapshot where it stopped: put the
 * struct in your job, begin a snapshot, store_scan_resume(), step, store_scan_pause(), end the snapshot.
 */
struct store_scan {
    unsigned collection;
    struct buffer position; /* id of the last document given; empty at the start */
    struct buffer to;       /* first id not wanted; empty: no end */
    bool started;
    bool include_position; /* the first step may give ->position itself */
    struct store *store;   /* since it was first resumed */
    void *cursor;          /* while resumed; NULL: there could be none */
};

/** From @from (included; absent: the first) to @to (excluded; absent: the last). */
void store_scan_start(struct store_scan *scan, unsigned collection, struct slice from, struct slice to);
void store_scan_resume(struct store *store, struct store_scan *scan);
[[gnu::warn_unused_result]] enum store_step store_scan_step(struct store_scan *scan, struct slice *id,
                                                            struct store_record *record);
void store_scan_pause(struct store_scan *scan);
void store_scan_free(struct store_scan *scan);

/**
 * Candidates for a query, by the best declared index or a scan; every match of the query is among them, each
 * document at most once for each snapshot. Goes on in a later snapshot like a scan. The caller matches each
 * candidate (json_query_matches on ->full).
 */
struct store_search;
struct store_search *store_search_start(struct store *store, unsigned collection,
                                        const struct json_query *query);
/** Nothing in a document is looked at, whose tag @sees does not let pass: it is given as it is, for each of
 * its entries in the index. @argument stays the caller's. */
void store_search_limit(struct store_search *search, bool (*sees)(const void *argument, struct slice tag),
                        const void *argument);
void store_search_resume(struct store *store, struct store_search *search);
[[gnu::warn_unused_result]] enum store_step store_search_step(struct store_search *search, struct slice *id,
                                                              struct store_record *record);
/** The same in steps of bounded work: *@units says how many units of about 25 ns it may take, and then how
 * many it took; a document that must be parsed to know whether it was given before counts. STORE_STEP with an
 * absent
 * @id: they are used up, and there may be more. */
[[gnu::warn_unused_result]] enum store_step store_search_some(struct store_search *search, struct slice *id,
                                                              struct store_record *record, uint64_t *units);
void store_search_pause(struct store_search *search);
/** The index that is used; NULL: a scan. For tests and logs. */
const char *store_search_index(const struct store_search *search);
void store_search_free(struct store_search *search);

/* ---- the change log ---- */

struct store_log_entry {
    uint64_t seq;
    unsigned collection; /* index in this configuration; UINT_MAX: it is not declared any more */
    bool removed;
    uint64_t version;
    uint64_t tag_seq_before; /* of the change that gave the document before its tag; 0: it was not there */
    struct slice id;
    struct slice tag_before, tag_after; /* empty: not there */
    struct slice before; /* in `users` and `groups`: the document before, JSON; absent: it was not there */
};

/** The first entry behind @seq. Entries of ids that changed again later are given too: an entry is the newest
 * of its document when store_get() gives a record with the same ->seq (or nothing, when removed). */
[[gnu::warn_unused_result]] enum store_step store_log_next(struct store *store, uint64_t seq,
                                                           struct store_log_entry *out);

/* ---- once ---- */

/** The answer remembered under a key, if it has not expired at @now_ms (wall clock). */
bool store_once_get(struct store *store, struct slice user, struct slice method, struct slice key,
                    uint64_t now_ms, struct slice *answer, uint64_t *seq);

#endif
