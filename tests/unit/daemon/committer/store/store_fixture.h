#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/committer/store/change_set_apply.h"
#include "daemon/committer/store/write.h"
#include "daemon/committer/store/write_open.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/store/change_log.h"
#include "shared/store/change_set.h"
#include "shared/store/read.h"

/* A store of its own in a new directory for each test. */

struct fixture {
    char directory[64];
    struct config *config;
    struct writer *writer;
    struct store *store; /* as the writer reads it */
    uint64_t epoch;      /* each opening begins a run with the next number, from 1 */
    struct buffer set;
    struct apply_result result;
};

/** The collections that most tests use, as the "collections" of a configuration file. In these, here and
 * below, ' stands for ". */
extern const char *const plain_collections;

/** A configuration with these collections that keeps its data in @directory. */
struct config *fixture_config(const char *directory, const char *collections);

/** Opens a new store; fails the test when it cannot. */
void fixture_open(struct fixture *fixture, const char *collections);
/** Opens the store in ->directory with @config as a part of @run; it must be closed. False: it is refused,
 * and @message says why. */
bool fixture_open_as(struct fixture *fixture, const struct config *config, const struct store_run *run,
                     char message[STORE_MESSAGE]);
/** Closes the store and opens it again, with these collections if not NULL. */
void fixture_reopen(struct fixture *fixture, const char *collections);
/** Closes it and removes the directory. */
void fixture_close(struct fixture *fixture);

/** A fixture on the heap, open; ended by fixture_tear_down(). */
struct fixture *fixture_new(const char *collections);
/* For cmocka: *@state is a fixture with plain_collections. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);
#define with_store(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

unsigned fixture_collection(const struct fixture *fixture, const char *name);

/* Change sets in ->set. */
void set_begin(struct fixture *fixture, enum change_answer answer);
void set_add(struct fixture *fixture, enum change_operation operation, unsigned flags, const char *collection,
             const char *id, int64_t version, const char *body);

/** Applies ->set in the open transaction. */
enum error_code set_apply(struct fixture *fixture);

/** A transaction with ->set alone: begun, applied, committed (or aborted when it fails). */
enum error_code set_run(struct fixture *fixture);

/** set_begin (ANSWER_ID_VERSION), one operation, set_run. */
enum error_code run_one(struct fixture *fixture, enum change_operation operation, unsigned flags,
                        const char *collection, const char *id, int64_t version, const char *body);

/** store_count() in the snapshot that is open. */
uint64_t stored_count(struct store *store, unsigned collection);

/** The full document, NULL when there is none; valid until the next call. */
const char *document(struct fixture *fixture, const char *collection, const char *id);
/** The minimal one. */
const char *minimal(struct fixture *fixture, const char *collection, const char *id);

/** The version of a document that is there, which both of its texts say too. */
uint64_t stored_version(struct fixture *fixture, const char *collection, const char *id);

/** How many documents of the collection the query finds through store_search_*, and matches; *@index: the one
 * used. */
size_t search_count(struct fixture *fixture, const char *collection, const char *query, const char **index);

/** Compares indexes with documents, both ways. Fails the test when they differ. */
void check_indexes(struct fixture *fixture);

/* Damage, written past the store. */

/** The stored record says that it is longer than it is. */
void damage_record(struct store *store, unsigned collection, const char *id);
/** It is whole, but its text is no JSON. */
void damage_text(struct store *store, unsigned collection, const char *id);
/** The entry of the change log is cut off. */
void damage_log(struct store *store, uint64_t seq);

#define assert_answer(fixture, text)                                                                         \
    do {                                                                                                     \
        struct slice answer_ = (fixture)->result.answer;                                                     \
        assert_non_null(answer_.data);                                                                       \
        char *copy_ = memory_copy(answer_.data, answer_.length);                                             \
        assert_string_equal(copy_, text);                                                                    \
        free(copy_);                                                                                         \
    } while (0)

#endif
