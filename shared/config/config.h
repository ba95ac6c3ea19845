#ifndef SHARED_CONFIG_CONFIG_H
#define SHARED_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/log.h"
#include "shared/config/application_settings.h"
#include "shared/config/permission.h"
#include "shared/json/query.h"

/*
 * What the configuration file and the command line said, checked: dispatchd.conf(5). Built once by the master
 * before it forks; nobody changes it afterwards. Scalars are filled from the table in option_table.c, the one
 * place that knows name, type, default, range and help of each.
 */

enum { COLLECTION_LIMIT = 512, COLLECTION_NAME_BYTES = 64, FIELD_BYTES = 128 };

/** The methods every collection may have; the ones that write are exposed only when the configuration lists
 * them. */
enum collection_method {
    METHOD_DETAIL,
    METHOD_FIND,
    METHOD_COUNT,
    METHOD_SYNC,
    METHOD_INSERT,
    METHOD_UPDATE,
    METHOD_PATCH,
    METHOD_REMOVE,
    METHOD_COUNT_OF /* how many there are */
};

struct config_method {
    bool exposed;
    struct permission_set needed;
};

/** Which fields say whose a document is, as in UNIX; each NULL when not declared. */
struct config_rights {
    char *owner;       /* field with a user's id: who may read and change */
    char *group;       /* field with a group's id */
    char *group_read;  /* boolean field: members of the group may read */
    char *group_write; /* boolean field: members of the group who may read may change, too */
    char *all_read;    /* boolean field: everybody may read */
    char *all_write;   /* boolean field: everybody who may read may change, too */
};

/** The collections that every dispatchd has, before the declared ones, under these indexes. */
enum builtin_collection {
    COLLECTION_USERS,       /* visible to modify_options */
    COLLECTION_GROUPS,      /* visible to modify_options */
    COLLECTION_SETTINGS,    /* internal; clients are sent all settings when it changes */
    COLLECTION_CREDENTIALS, /* internal: _id is the user's, "hash" the Argon2id string */
    COLLECTION_SESSIONS,    /* internal: _id is the hash of the token */
    COLLECTION_BUILTIN      /* how many; declared collections start here */
};
extern const char *const collection_names[COLLECTION_BUILTIN];

/** Whether changes of this collection may change what somebody may see or do. */
static inline bool config_collection_concerns_rights(unsigned collection)
{
    return collection == COLLECTION_USERS || collection == COLLECTION_GROUPS ||
           collection == COLLECTION_SESSIONS;
}

struct config_collection {
    char *name;
    uint16_t index;   /* its place in config->collections: in ring records and messages between processes */
    bool builtin;     /* not declared by the user */
    bool internal;    /* its documents are never exposed nor dispatched; its changes still pass the ring */
    char **projector; /* fields of the minimal document beside _id and _version */
    size_t projector_count;         /* 0: the whole document */
    struct json_query *sync_filter; /* NULL: clients hold every document */
    char **unique;
    size_t unique_count;
    char **index_fields; /* "index"; the unique ones are not among them */
    size_t index_field_count;
    int read;                    /* permission needed to see it; -1: none */
    struct permission_set sight; /* needed to be sent its documents: ->read, and what `sync` asks for */
    bool has_rights;
    struct config_rights rights;
    struct config_method methods[METHOD_COUNT_OF];
    char *declaration; /* canonical JSON of projector, sync_filter, unique, index, rights, read: what decides
                          the stored form and what clients hold; when the store has another, it is rebuilt and
                          gets a new epoch */
};

/** Whether clients are told of changes: of documents, or of the settings they make together. */
static inline bool config_collection_is_told(const struct config_collection *collection)
{
    return !collection->internal || collection->index == COLLECTION_SETTINGS;
}

/** A directory whose files clients can listen to. */
struct config_directory {
    char *name;
    uint16_t index;  /* its place in config->directories: in messages between processes */
    char *path;      /* absolute */
    char **patterns; /* fnmatch(3); a file is listed when one of them matches */
    size_t pattern_count;
    int read; /* permission needed to listen; -1: none */
};

enum { DIRECTORY_LIMIT = 64, DIRECTORY_PATTERNS = 64 };

enum durability { DURABILITY_FULL, DURABILITY_RELAXED };

/** Bounds on what peers can make grow. Bytes unless the name says otherwise. */
struct config_limits {
    uint64_t message_bytes;           /* one message from a client; 1 MiB */
    uint64_t document_bytes;          /* one document; 900 KiB */
    uint64_t calls_in_flight;         /* open calls of one connection; 128 */
    uint64_t connections;             /* in all; 100000 */
    uint64_t connections_per_address; /* 0: no limit */
    uint64_t reply_queue_bytes;  /* answers that a connection has not read: its next calls wait at a quarter;
                                    4 MiB */
    uint64_t read_ahead_bytes;   /* messages of a connection whose calls wait; 256 KiB; then it is not read */
    uint64_t open_calls_bytes;   /* memory of a connection's open calls: further ones wait; 8 MiB */
    uint64_t worker_calls_bytes; /* of all open calls of a worker; 256 MiB; then busy */
    uint64_t stranger_message_bytes; /* one message of a client that has not logged in; 16 KiB */
    uint64_t stranger_calls;         /* calls of such a connection in a minute; 20; then close 1008 */
    uint64_t strangers_bytes; /* what has come in part of all such clients of a worker; 4 MiB; then closed */
    uint64_t result_bytes;    /* one answer of find, or of ids; 900 KiB */
    uint64_t pongs;           /* pongs waiting for one connection; 16: older ones are dropped */
    uint64_t handshake_ms;    /* until the handshake is complete; 10 s */
    uint64_t request_ms;      /* for the rest of an HTTP request, and for its answer to be read; 30 s */
    uint64_t authorize_ms;    /* until the connection is authorised; 60 s */
    uint64_t login_attempts;  /* failed log-ins for each user and for each address in a minute; 10 */
    uint64_t login_queue;     /* password checks that wait; 64; then busy */
    uint64_t committer_queue_bytes; /* change sets that one worker has given and not seen answered; 32 MiB;
                                       then busy */
    uint64_t change_work;           /* units of work that a change set may be for the committer; 128 Mi */
    uint64_t bulk_documents;        /* documents in one insert, ids in one remove or query update; 10000 */
    uint64_t sessions_per_user;     /* stored sessions of one user; 64: the least recently used gives way */
    uint64_t watch_files;           /* of one watched directory; 100000: the others are not listed */
};

struct config {
    bool new_epoch; /* --new-epoch: the run that begins ends the history before it */
    char *file;     /* the configuration file's path, NULL when there is none */
    /* scalars of the options table */
    char **listen; /* "ADDRESS:PORT", "[V6]:PORT"; port 0: any free one */
    size_t listen_count;
    char *data;            /* directory of the store */
    uint64_t workers;      /* 0: one for each CPU */
    char *control;         /* path of the control socket; default DATA/control */
    uint64_t control_mode; /* its file mode, octal on the command line */
    char *user;            /* to run as; NULL: stay who we are */
    char *pid_file;
    bool foreground;
    char *log; /* stderr, syslog or a path */
    enum log_level log_level;
    enum durability durability;
    char **origins; /* allowed Origin values beside the server's own host */
    size_t origin_count;
    uint64_t map_bytes;          /* address space of the store; 64 GiB */
    uint64_t ring_bytes;         /* change ring; 32 MiB; a power of two */
    uint64_t backlog_bytes;      /* frames a worker keeps; 8 MiB */
    uint64_t change_log_entries; /* 1,000,000 */
    uint64_t once_hours;         /* how long answers of `once` are kept; 24 */
    uint64_t session_days;       /* a token unused for so long expires; 30 */
    uint64_t ping_interval_ms;   /* 10 s */
    uint64_t stop_timeout_ms;    /* how long an orderly stop may take; 10 s */
    uint64_t start_timeout_ms;   /* how long the committer may get no further at a start; 600 s */
    uint64_t stall_timeout_ms;   /* how long a process may stand still, 0: for ever; 60 s */
    uint64_t threads;            /* of each worker, for what must block; 2 */
    uint64_t watch_interval_ms;  /* a file that changes is told of once in this; 300 */
    struct config_limits limits;

    char **permissions; /* names by number; modify_options is number 0 */
    size_t permission_count;
    struct config_collection *collections; /* built-in ones first */
    size_t collection_count;
    struct config_directory *directories; /* "watch" */
    size_t directory_count;
    struct config_settings settings, user_settings;
};

enum { PERMISSION_MODIFY_OPTIONS = 0 };

/** "detail", "find", ...: the method's name in the configuration and on the wire. */
const char *config_method_name(enum collection_method method);

enum { CONFIG_MESSAGE = 512 };

/** The collection of that name, NULL when there is none. */
const struct config_collection *config_collection(const struct config *config, struct slice name);

/** The watched directory of that name, NULL when there is none. */
const struct config_directory *config_directory(const struct config *config, struct slice name);

/** The number of a permission, -1 when there is no such. */
int config_permission(const struct config *config, struct slice name);

/** All defaults, the built-in permission and collections; no declared collections. */
struct config *config_defaults(void);

/**
 * Reads a configuration file (JSON with // comments) into @config. False: @message is one line,
 * "FILE:LINE:COLUMN: KEY: what was expected, what was found". Unknown keys are errors.
 */
[[gnu::warn_unused_result]] bool config_read_file(struct config *config, const char *path,
                                                  char message[CONFIG_MESSAGE]);

/** The same for a text; @name stands for the file in messages. For tests and the fuzz target. */
[[gnu::warn_unused_result]] bool config_read_text(struct config *config, const char *name, const char *text,
                                                  size_t length, char message[CONFIG_MESSAGE]);

/**
 * The path of the control socket of a server with this configuration file: of the file, only `control` and
 * `data` are looked at. The caller's; NULL: @message as of config_read_file().
 */
[[nodiscard]] char *config_read_control(const char *path, char message[CONFIG_MESSAGE]);

/** Settles where the control socket is, of `control` and `data`. */
[[gnu::warn_unused_result]] bool config_check_control(struct config *config, char message[CONFIG_MESSAGE]);

/** What can only be checked when file and command line are both known (ring at least 8 messages, ...). */
[[gnu::warn_unused_result]] bool config_check(struct config *config, char message[CONFIG_MESSAGE]);

void config_free(struct config *config);

#endif
