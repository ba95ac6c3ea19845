#ifndef CLIENT_BENCH_LOAD_H
#define CLIENT_BENCH_LOAD_H

#include "client/bench/loop.h"
#include "client/bench/outcomes.h"
#include "client/bench/peer.h"
#include "client/c/client.h"

/*
 * A load: connections that keep one kind of expensive thing going for a while, for the case fairness. Each
 * kind says who its connections are, what is to be there before, and what they call; load.c does the rest: it
 * keeps so many calls open on each of them and counts how they end.
 *
 * All documents of loads are in one collection of their own (--fairness-collection) and have an owner, as a
 * rule the user that was made for the run, who is also the one that calls. Their numbers go on from load to
 * load.
 */

struct load;

enum { LOAD_LARGE_BYTES = 900000 }; /* a document or message just below the default limits */

enum load_caller {
    LOAD_USER,    /* the run's user */
    LOAD_CONTROL, /* a client on the control socket: an administrator */
    LOAD_STRANGER /* not logged in; comes again when its connection has ended */
};

struct load_kind {
    const char *name;
    const char *help;
    unsigned listeners; /* connections of the run's user that only hear changes */
    bool listeners_deaf;
    unsigned callers, in_flight; /* connections that call, and open calls of each */
    enum load_caller caller;
    bool callers_hear; /* changes, as who calls `sync` must */
    bool callers_deaf; /* they do not read the answers, so they call @in_flight times and no more */
    bool leave;        /* strangers: one call, then another connection */
    void (*prepare)(struct load *load); /* may be NULL */
    /** Appends the rest of a message after its tid. NULL: load->request is it. */
    void (*request)(struct load *load, struct buffer *out);
};

/** What the loads of a run have in common, and what the present one has done. */
struct load {
    struct bench *bench;
    struct client control; /* while something is prepared or put away */
    struct ws_target control_target;
    const char *collection;
    char user[32], group[32]; /* @group: of documents and of nobody, unless the load `rights` says so */
    struct buffer log_in;     /* data of authorize_by_login */
    struct buffer token;      /* with a NUL after it */
    uint64_t documents;       /* made so far: the next one's number */

    const struct load_kind *kind;
    struct loop loop;
    struct peer *listeners, *callers;
    unsigned listener_count, in_flight;
    unsigned *open; /* calls of each caller */
    uint64_t calls; /* sent */
    uint64_t first; /* document of this load */
    struct buffer request, text;
    bool running;

    struct outcomes outcomes;
    uint64_t heard;      /* other messages: changes, mostly */
    uint64_t ended;      /* connections that the server ended */
    uint64_t unanswered; /* calls of those, and those that took too long after the end */
};

/** The user and group of the run, and its token. Ends the program when they cannot be had. */
void load_init(struct load *load, struct bench *bench);

/** Removes user and group. */
void load_free(struct load *load);

/** Makes what the kind needs. */
void load_prepare(struct load *load, const struct load_kind *kind);

/** Opens its connections. */
void load_connect(struct load *load);

/** Calls for @seconds, or with @enough until that says so and one call at least is answered. */
void load_run(struct load *load, double seconds, bool (*enough)(void *context), void *context);

/** Waits up to 30 s for the open calls, ends the connections, removes the documents (unless --keep). */
void load_close(struct load *load);

/* ---- for kinds ---- */

/** @number, or what --scale makes of it; at least 1. */
unsigned load_scaled(const struct load *load, unsigned number);

/** "methodName":"METHOD","collectionName":"COLLECTION","data": of a message. */
void load_append_call(struct buffer *out, const char *method, const char *collection);

/** {"_id":ID,"user":OWNER and no end, for a document with a new number. */
void load_append_document(struct load *load, struct buffer *out, const char *owner);

/** A document of LOAD_LARGE_BYTES, most of them one text, "a". */
void load_append_large(struct load *load, struct buffer *out);

/** A document's id as a JSON string. */
void load_append_id(const struct load *load, struct buffer *out, uint64_t number);

/** Inserts @count documents, @at_once in a call; @append appends one. Ends the program when that fails. */
void load_insert(struct load *load, unsigned count, unsigned at_once,
                 void (*append)(struct load *load, struct buffer *out));

/** One call over the control socket; ends the program when it is refused. */
void load_call(struct load *load, const char *collection, const char *method, struct slice data);

/** Every kind, in order. */
extern const struct load_kind load_quiet, load_busy, load_unseen, load_import, load_conditions, load_range,
    load_sorted, load_counts, load_sync, load_sync_unread, load_details, load_update, load_update_too_large,
    load_patch, load_rights, load_slow_reader, load_strangers, load_logins;

#endif
