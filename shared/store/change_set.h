#ifndef SHARED_STORE_CHANGE_SET_H
#define SHARED_STORE_CHANGE_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/slice.h"
#include "shared/config/config.h"

/*
 * A change set: what a method wants to have changed, as plain data; atomic as a whole and deterministic to
 * apply (ids, times and random values are already in it). The same bytes can be applied on another host:
 * collections are named, not numbered; integers are little-endian; nothing is a pointer.
 */

enum change_operation {
    CHANGE_INSERT = 1, /* body: the document; ERROR_EXISTS when the id is there */
    CHANGE_REPLACE,    /* body: the document; inserts when the id is not there */
    CHANGE_MERGE,      /* body: a JSON Merge Patch */
    CHANGE_PATCH,      /* body: a JSON Patch */
    CHANGE_REMOVE,
    CHANGE_ASSERT, /* nothing but the precondition: the id is there, with ->version if one is given */
    CHANGE_ONCE, /* id: the key; collection: the method, "COLLECTION.METHOD"; body: the user; version: when it
                    expires (wall clock ms). If it is remembered, the set is not applied and the remembered
                    answer is the answer; otherwise the set's answer is remembered. */
    CHANGE_ACTOR, /* who acts, and what it needs for that: see change_actor_add(). Without one the server
                     itself acts, or local control, with all rights. */
    CHANGE_CLEAR, /* alone in its set: removes a piece of what is stored of ->collection, which is configured no
                     more; nothing of it is dispatched */
};

enum change_flag {
    CHANGE_UPSERT = 1,       /* MERGE: insert when the id is not there (the merge applied to nothing) */
    CHANGE_SKIP_MISSING = 2, /* MERGE, REMOVE: no error when the id is not there; the answer leaves it out */
    CHANGE_SKIP_SAME = 4,    /* INSERT: the same document (but for _version) that is there counts as done */
    CHANGE_ABSENT = 8,       /* ASSERT: the id must not be there */
    CHANGE_ADMINISTRATOR = 16, /* ACTOR: must be in the group administrator */
    CHANGE_NEW_ID = 32, /* INSERT, REPLACE: the id was made for this document (random_id()): nothing had it */
    CHANGE_TAKE_OVER =
        64, /* INSERT, REPLACE in `users` and `groups`: the name may be that of one who was removed */
    CHANGE_SAME_BODY = 128 /* MERGE: the body is that of the operation in front, which is one of these too or
                              has it itself; so a set does not grow with what is repeated */
};

#define CHANGE_ANY_VERSION (-1)

struct change {
    enum change_operation operation;
    unsigned flags;
    int64_t version;         /* precondition; CHANGE_ANY_VERSION: none */
    struct slice collection; /* its name */
    struct slice id;
    struct slice body; /* JSON */
};

/** How the committer makes the answer of the call from what the set did (ids and versions by operation in
 * order; ASSERT, ONCE and ACTOR do not count). */
enum change_answer {
    ANSWER_LITERAL,     /* the set's ->literal */
    ANSWER_ID_VERSION,  /* {"_id":I,"_version":V} of the first operation */
    ANSWER_LIST,        /* [{"_id":I,"_version":V},...] */
    ANSWER_IDS,         /* {"_ids":[...]} of those that were there */
    ANSWER_IDS_VERSION, /* {"_ids":[I],"_version":V}; without _version when not exactly one */
    ANSWER_IMPORT,      /* {"inserted":N,"replaced":N,"skipped":N} */
};

/** What a set may cost. It travels in the set, so that whether it applies is the same everywhere. */
struct change_bounds {
    uint64_t document_bytes; /* one document that it makes */
    uint64_t work;           /* units: set_work.h */
};

/** None. */
#define CHANGE_UNBOUNDED ((struct change_bounds){UINT64_MAX, UINT64_MAX})

/** Those of a configuration: its limits, but at least the work that one document of document_bytes takes. */
struct change_bounds change_bounds_of(const struct config_limits *limits);

/** Starts a set in @out (appended). @literal: the answer's JSON with ANSWER_LITERAL, otherwise absent. */
void change_set_begin(struct buffer *out, struct change_bounds bounds, enum change_answer answer,
                      struct slice literal);
void change_set_add(struct buffer *out, const struct change *change);

/** Who acts in a set. */
struct change_actor {
    struct slice user;               /* 1 to 256 bytes */
    struct slice session;            /* _id of its document in `sessions`; empty: not tied to one */
    const struct slice *permissions; /* names, each 1 to 256 bytes: all are needed */
    size_t permission_count;
    bool administrator; /* must be in the group administrator */
};

/**
 * Adds a CHANGE_ACTOR, before what it acts in. When the set is applied, at its place in the order, the
 * user must be there, its session must hold, and the permissions must be held; otherwise nothing of it is
 * done (ERROR_UNAUTHORIZED, ERROR_FORBIDDEN). In collections with rights, what the actor may not read is not
 * there for it, what it may read but not change is refused with ERROR_FORBIDDEN, as are changes of whose a
 * document is by others than its owner; a document that is made without an owner becomes the actor's. In the
 * set: id: the user; body: u16 length and the session, then for each permission u16 length and its name.
 */
void change_actor_add(struct buffer *out, const struct change_actor *actor);

/** Takes the session off the front of the body of a CHANGE_ACTOR. False: it is malformed. */
[[gnu::warn_unused_result]] bool change_actor_session(struct slice *rest, struct slice *session);

/** Takes the next permission after it. False: there is none, or (@rest is not empty) the body is
 * malformed. */
[[gnu::warn_unused_result]] bool change_actor_permission(struct slice *rest, struct slice *permission);

/** Reads a set. Slices point into @set. */
struct change_set {
    enum change_answer answer;
    struct change_bounds bounds;
    struct slice literal;
    struct slice rest;
    struct slice merge; /* the body of the operation in front, if that was a MERGE */
};

/** False: malformed. Every length is checked. */
[[gnu::warn_unused_result]] bool change_set_open(struct change_set *set, struct slice bytes);

/** 1: @change is the next; 0: the end; -1: malformed. */
[[gnu::warn_unused_result]] int change_set_next(struct change_set *set, struct change *change);

#endif
