#ifndef DAEMON_COMMITTER_STORE_STAGE_H
#define DAEMON_COMMITTER_STORE_STAGE_H

#include "daemon/committer/store/writer.h"

/* An operation on its way: the document it speaks of, as it is now for this set. */
struct stage {
    struct store *store;
    struct writer *writer;
    const struct change *change;
    const struct store_collection *collection;
    unsigned number; /* its place in the configuration */
    bool there;
    bool old_parsed, next_parsed;
    bool acts;      /* the set names an actor and the collection has rights */
    bool limited;   /* and the actor may not do everything */
    bool hidden;    /* what is there the actor may not read: ->there is false */
    bool owns;      /* what is there is the actor's */
    unsigned depth; /* levels of the document in the writer's ->text */
    struct store_record current;
    char *message;
};

/** Writes the message for the client; returns @code. */
[[gnu::format(printf, 3, 4)]] enum error_code stage_refuse(struct stage *stage, enum error_code code,
                                                           const char *format, ...);

/** Charges the set @units of work (set_work.h), before it is done. ERROR_TOO_LARGE: it would be too much. */
[[gnu::warn_unused_result]] enum error_code stage_charge(struct stage *stage, uint64_t units);

/** LMDB failed with @rc: the transaction is spoilt. */
enum error_code stage_failed(struct stage *stage, const char *what, int rc);

/** Parses text of the set, which may be no JSON. */
enum error_code stage_parse(struct stage *stage, struct json *json, struct slice text);

/** Finds what is there, for this set. */
enum error_code stage_look_up(struct stage *stage);

/** Parses the document that is there into ->old, once. */
enum error_code stage_need_old(struct stage *stage);

/** Parses the document in ->text into ->next, once. */
enum error_code stage_need_next(struct stage *stage);

/** Whether what is there has the version that the change asks for. */
enum error_code stage_check_version(struct stage *stage);

/** Refuses a change of what is not there. */
enum error_code stage_missing(struct stage *stage);

void stage_add_outcome(struct stage *stage, enum outcome_kind kind, uint64_t version);

/** A change of the document, with what it was before; stage_add() makes it part of the set. */
struct staged *stage_new(struct stage *stage);
void stage_add(struct stage *stage, struct staged *staged);

/** The version of the document that is there, or the one with which it will begin. */
uint64_t stage_text_version(const struct stage *stage);

/** Sets ->text to the document with the members of @body, the root of its text. It is as good JSON as @body, and
 * nests as many levels. */
void stage_compose(struct stage *stage, struct json_value body);

/** Stages the document in ->text, which has the version that is there, or the first one. */
enum error_code stage_text(struct stage *stage);

#endif
