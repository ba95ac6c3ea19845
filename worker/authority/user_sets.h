#ifndef WORKER_AUTHORITY_USER_SETS_H
#define WORKER_AUTHORITY_USER_SETS_H

#include "shared/json/json.h"
#include "shared/store/change_set.h"
#include "worker/base/worker.h"

/*
 * What the methods of users and groups look up, and the operations they put together change sets from. All of
 * it needs a snapshot. A user is three things: the document in `users`, the one in `credentials` (the
 * password's hash, and a stamp that each log-in renews), and the stored log-ins.
 */

enum { USER_GROUPS_MOST = 256 }; /* groups of one user */

/** A document that was read; user_free() in any case. */
struct user_document {
    struct json json;
    struct json_value root;
    uint64_t version;
};

/** Reads a document of a built-in collection. ERROR_NOT_FOUND, or ERROR_INTERNAL: it cannot be read. */
[[gnu::warn_unused_result]] enum error_code user_get(struct worker *worker, unsigned collection,
                                                     struct slice id, struct user_document *document);
void user_free(struct user_document *document);

/** Also no when that cannot be read. */
bool user_is_administrator(struct worker *worker, struct slice user);
/** Whether the document names the group. */
bool user_in_group(const struct user_document *document, struct slice group);
bool user_is_administrator_group(struct slice group);

/** Whether a user can be put into that group: it exists and is not being removed; and its version. As
 * user_get(). */
[[gnu::warn_unused_result]] enum error_code user_group_get(struct worker *worker, struct slice group,
                                                           uint64_t *version);

/* ---- operations appended to a set ---- */

enum { NO_FLAGS = 0 };

/* Those that read the store are not to be committed when it cannot be read: then they say false. */

/** One operation of any kind. @version may be CHANGE_ANY_VERSION. */
void user_set_change(struct buffer *set, enum change_operation operation, unsigned flags,
                     enum builtin_collection collection, struct slice id, int64_t version, struct slice body);

/** The document has this version. */
void user_set_assert(struct buffer *set, enum builtin_collection collection, struct slice id,
                     uint64_t version);

/**
 * Nobody has logged in as that user, nor changed the password, since the snapshot: what user_set_end_sessions()
 * adds is then all of the user's sessions.
 */
[[gnu::warn_unused_result]] bool user_set_assert_sessions(struct worker *worker, struct buffer *set,
                                                          struct slice user);

/** Ends all stored log-ins of a user. */
[[gnu::warn_unused_result]] bool user_set_end_sessions(struct worker *worker, struct buffer *set,
                                                       struct slice user);

/** Removes them instead. */
[[gnu::warn_unused_result]] bool user_set_remove_sessions(struct worker *worker, struct buffer *set,
                                                          struct slice user);

/** Asserts that an administrator other than @user is left. ERROR_NOT_FOUND: there is none; ERROR_INTERNAL:
 * that cannot be read. */
[[gnu::warn_unused_result]] enum error_code
user_set_keep_administrator(struct worker *worker, struct buffer *set, struct slice user);

/** The user has these groups from now on (@groups: a JSON list); with @primary also no primary group. */
void user_set_groups(struct buffer *set, struct slice user, uint64_t version, struct slice groups,
                     bool primary);

/** The user's groups without @group as a JSON list, and with @more after them (absent: nothing). */
void user_append_groups(struct buffer *out, const struct user_document *document, struct slice group,
                        struct slice more);

/** Whether @group is the user's primary group. */
bool user_has_primary(const struct user_document *document, struct slice group);

#endif
