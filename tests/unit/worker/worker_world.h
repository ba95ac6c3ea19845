#ifndef TESTS_WORKER_WORLD_H
#define TESTS_WORKER_WORLD_H

#include "daemon/committer/publish.h"
#include "shared/ipc/inheritance.h"
#include "tests/unit/daemon/committer/store/store_fixture.h"
#include "worker/base/worker.h"

/*
 * A whole worker with a real store and a real ring. The test is its master, its committer and its clients,
 * all in one thread, so what happens when is the test's choice.
 */

/* Of the loop: what does not come in so many does not come. */
enum { WORLD_ROUNDS_MOST = 200000 };

struct world {
    struct fixture fixture; /* the store; its change sets are run with world_change() */
    struct worker worker;
    struct publisher publisher;
    struct inheritance inheritance;
    int order_channel;     /* the master's end */
    int committer;         /* the committer's end of the link; -1: none */
    struct buffer sets;    /* what came on it */
    bool committer_waits;  /* it takes nothing now */
    bool committer_silent; /* it commits, and publishes nothing */
    bool committer_mute;   /* it commits, and answers nothing */
    uint64_t pass_units;   /* of work that a pass may spend, if less than ever; 0: as ever */
};

/** What a client was sent: its copy of the documents, and the last answer. */
struct held {
    char *collection, *id, *document;
};

struct client {
    struct world *world;
    int fd;
    struct buffer bytes;
    struct held *held;
    size_t held_count;
    uint64_t seq;       /* of the last change */
    unsigned changes;   /* messages of changes, without those of a sync */
    struct buffer past; /* "COLLECTION/ID\n" of all it ever held */
    unsigned strays;    /* removals of what it never held; and these, as in ->past */
    struct buffer stray_ids;
    unsigned answers;   /* fulfils */
    char *answer;       /* the last fulfil's data */
    struct buffer seen; /* operations other than changes and answers: "amend resync " */
    /* What came, in its order: "c7" a change with seq 7, "s" a piece of a sync, "a" an answer ("a7" one with
     * that seq), others by their operation; a space behind each. */
    struct buffer journal;
    unsigned close_code;
    bool ended;
    /* Called for each document that comes, if set. */
    void (*took)(void *argument, const struct client *client, struct slice collection, struct slice document);
    void *took_argument;
};

/** @collections as for fixture_open(), with ' for "; @ring_bytes and @backlog_bytes 0: the defaults. */
void world_open(struct world *world, const char *collections, uint64_t ring_bytes, uint64_t backlog_bytes);
void world_close(struct world *world);

/** One pass: the committer takes what waits, then the worker's loop goes round once. */
void world_pass(struct world *world);
/** Passes until the worker has no more to do at once and the ring is read. */
void world_settle(struct world *world);

/** One operation of somebody else, committed and published. */
enum error_code world_change(struct world *world, enum change_operation operation, const char *collection,
                             const char *id, const char *body);

/** The user @id in @groups (a JSON list), with a stored session whose token is written to @token. */
void world_add_user(struct world *world, const char *id, const char *groups, char token[64]);

/* Clients: world_client.c. */

/** A connection with @token; NULL: over the control socket. */
void client_open(struct client *client, struct world *world, const char *token);
void client_close(struct client *client);

/** Sends a message; its answer comes later. */
void client_send(struct client *client, const char *text);
/** Takes in everything that has come, at most @most bytes of it at a time. */
void client_read(struct client *client, size_t most);
/** Sends a call and goes on until it is answered; returns the data of its fulfil. */
const char *client_call(struct client *client, const char *collection, const char *method, const char *data);
/** The same with members of the message of its own: `"tid":1,...`. */
const char *client_call_message(struct client *client, const char *members);
/** Goes on until nothing more comes. */
void client_settle(struct client *client);

/** ->journal as a string. */
const char *client_journal(struct client *client);

/** The minimal document that the client holds; NULL: none. */
const char *client_holds(const struct client *client, const char *collection, const char *id);
/** Closes the connection and opens another with @token; the copy stays. */
void client_reopen(struct client *client, const char *token);

/** Compares the client's copy of a collection with the documents of the sync set in the store. Fails when
 * they differ. */
void client_check(struct client *client, const char *collection);
/** Forgets its copy of a collection. */
void client_drop(struct client *client, const char *collection);
/** {id: version} of what the client holds. */
void client_manifest(const struct client *client, const char *collection, struct buffer *out);

/** The two ends of a socket of @type, and all of @bytes sent on one; @bytes is empty then. */
void world_pair(int fds[2], int type);
void world_send(int fd, struct buffer *bytes);

/** Random numbers that come again. */
uint32_t world_random(uint64_t *state, uint32_t below);

#endif
