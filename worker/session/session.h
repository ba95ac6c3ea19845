#ifndef WORKER_SESSION_SESSION_H
#define WORKER_SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "worker/authority/authority.h"
#include "worker/net/connection.h"

struct listener;
struct transaction;

/* One client, from the opening of its connection to its end: who it is, what it wants to see, its open calls. */
struct session {
    struct login login;              /* as whom; ->account NULL: nobody has logged in */
    TAILQ_HEAD(, transaction) calls; /* open, in the order in which they came */
    size_t held;                     /* bytes of memory that these hold */
    struct worker *worker;
    struct connection *connection;
    bool *subscribed;                    /* by collection; NULL: all */
    SLIST_HEAD(, listener) listeners;    /* to directories: listening.h */
    struct rights_change *rights_change; /* while its copy is brought in line with other rights; else NULL */
    uint64_t synced_seq;      /* the newest snapshot that a piece of a sync or resume was made of */
    uint64_t position_seq;    /* up to where an answer to one of them says that the copy is complete */
    uint32_t account_changes; /* how often the account has become another one, or nobody */
    uint32_t open_calls;
    struct large_message *large_message; /* a large message that is not parsed yet; NULL: there is none */
    uint32_t bad_since_s;                /* start of the minute in which ->bad_messages are counted */
    uint8_t bad_messages;
    bool jobs_wait; /* a job of a call was told to wait until others have ended */
};

struct session *session_create(struct worker *worker, struct connection *connection);

/** Its connection has gone. It has no open calls. */
void session_free(struct session *session);

/** The session of a login. */
struct session *session_of_login(struct login *login);

/** The session is now this account's (takes the reference); sees changes from here on. */
void session_authorize(struct session *session, struct account *account, const uint8_t *token_hash);

/** Nobody's again; the client is told `deauthorize` with @reason. */
void session_deauthorize(struct session *session, const char *reason);

/** The session ends at once: what its client would have to be sent, or who it is, cannot be read. The client
 * may come back. */
void session_cut(struct session *session, const char *reason);

/** What the session would see with these rights, and wants to, with one more reference. */
struct viewer *session_viewer(const struct session *session, const struct rights *rights);

/** Only these collections from now on, by index (taken over); NULL: all. */
void session_subscribe(struct session *session, bool *collections);

/** The account's rights, or its document (@document, JSON), changed: the session is told, and what it may
 * hold is brought in line. @blinked: the rights are the same again, after others. Needs a snapshot. */
void session_rights_changed(struct session *session, bool blinked, struct slice document);

/** Sends {"operation":..., "collectionName":..., "data":...}; @collection NULL is null. */
void session_send(struct session *session, const char *operation, const char *collection, struct slice data);

/**
 * What the client has missed, or what it holds, is not known any more: it is told to `resync`, and sees
 * changes again that come after @seq and after all that is known here now.
 *
 * The client moves the position of its copy on by the numbers of changes, and one that is cut off goes on
 * from there. So none goes out before `resync` that comes after what is missing: all are passed over
 * that are not out yet, and those that a queued reply waits for. Those replies still go before it, for
 * pieces of a sync that came after it would bring back what a sync that begins with it does not look at.
 * Only an answer that says how far the copy is complete must not: then the connection is closed, and the
 * client, when it is back, goes on from where it was and is told the same by `resume`.
 */
void session_resync(struct session *session, const char *reason, uint64_t seq);

/** The session's user id; "(control)"; absent when nobody. */
struct slice session_user(const struct session *session);

/** Where its client is, for people: connection_address(). */
const char *session_address(const struct session *session, char text[64]);

/** Where its client is, for counts: connection_network(). */
void session_network(const struct session *session, char network[CONNECTION_NETWORK]);

/** A ping says to the client up to where its copy is complete, as soon as that is known. */
void session_ping_is_due(struct session *session);

bool session_may(const struct session *session, unsigned permission);

/** One more call before somebody has logged in. False: it is one too many in this minute on its connection;
 * that is closed, with 1008, or over HTTP with its answer. */
bool session_strange_call(struct session *session);

/** A malformed message: counts it, and closes with 1008 at the tenth in a minute. */
void session_bad_message(struct session *session, struct slice message);

#endif
