#include "daemon/committer/store/principal.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/committer/store/writer.h"
#include "shared/base/memory.h"
#include "shared/json/json.h"
#include "shared/store/record.h"
#include "shared/store/rights.h"

/* So many users and sessions are kept; then they are looked up anew. */
enum { KEPT_MOST = 65536 };

enum space { SPACE_USERS, SPACE_SESSIONS };

struct known_user {
    struct known_user *next;
    bool there;
    struct rights rights;
};

/* A stored session that is not over; user absent: it is over, or not there. */
struct known_session {
    struct slice user;
};

struct principals {
    struct staging table; /* space, id -> known_user or known_session */
    struct arena arena;   /* these and their keys */
    struct known_user *users;
    size_t count;
    bool outdated;
    struct json json;
};

struct principals *principals_new(void)
{
    struct principals *principals = memory_zeroed(1, sizeof *principals);
    staging_clear(&principals->table);
    return principals;
}

static void clear_principals(struct principals *principals)
{
    for (struct known_user *user = principals->users; user; user = user->next)
        rights_free(&user->rights);
    principals->users = NULL;
    principals->count = 0;
    principals->outdated = false;
    staging_clear(&principals->table);
    arena_reset(&principals->arena);
}

void principals_free(struct principals **principals)
{
    if (!*principals)
        return;
    clear_principals(*principals);
    staging_free(&(*principals)->table);
    arena_free(&(*principals)->arena);
    json_free(&(*principals)->json);
    free(*principals);
    *principals = NULL;
}

void principals_forget(struct principals *principals)
{
    principals->outdated = true; /* somebody may be using what is known */
}

/** The record of a built-in collection's document, as the open transaction has it. An error of LMDB. */
static int find_record(struct writer *writer, unsigned collection, struct slice id,
                       struct store_record *record)
{
    MDB_val key = store_val(id), value;
    int rc = mdb_get(writer->txn, writer->store->collections[collection].dbi, &key, &value);
    if (!rc && !record_read(store_slice(value), record))
        rc = MDB_CORRUPTED;
    return rc;
}

struct group_search {
    struct writer *writer;
    int rc; /* of LMDB */
};

static enum error_code group_as_written(void *argument, struct slice group, struct slice *document)
{
    struct group_search *search = argument;
    struct store_record record;
    int rc = find_record(search->writer, COLLECTION_GROUPS, group, &record);
    if (rc == MDB_NOTFOUND)
        return ERROR_NOT_FOUND;
    search->rc = rc;
    if (rc)
        return ERROR_INTERNAL;
    *document = record.full;
    return ERROR_NONE;
}

static void *keep_known(struct principals *principals, enum space space, struct slice id, size_t bytes)
{
    void *value = arena_allocate(&principals->arena, bytes);
    memset(value, 0, bytes);
    staging_put(&principals->table, space, arena_copy(&principals->arena, id), value);
    principals->count++;
    return value;
}

/** What is known of a user, looked up if need be. An error of LMDB. */
static int user_known(struct writer *writer, struct slice id, const struct known_user **out)
{
    struct principals *principals = writer->principals;
    struct store_record record;
    struct known_user *user = staging_find(&principals->table, SPACE_USERS, id);
    *out = user;
    if (user)
        return 0;
    int rc = find_record(writer, COLLECTION_USERS, id, &record);
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    bool there = !rc;
    if (there && !json_parse(&principals->json, record.full.data, record.full.length))
        return MDB_CORRUPTED;
    struct group_search search = {writer, 0};
    struct rights rights = {0};
    if (there &&
        !rights_read(&rights, writer->store->config, json_root(&principals->json), group_as_written,
                     &search) &&
        !search.rc)
        search.rc = MDB_CORRUPTED;
    if (search.rc) {
        rights_free(&rights);
        return search.rc;
    }
    user = keep_known(principals, SPACE_USERS, id, sizeof *user);
    *user = (struct known_user){principals->users, there, rights};
    principals->users = user;
    *out = user;
    return 0;
}

/** The same of a stored session. */
static int session_known(struct writer *writer, struct slice id, const struct known_session **out)
{
    struct principals *principals = writer->principals;
    struct store_record record;
    struct known_session *session = staging_find(&principals->table, SPACE_SESSIONS, id);
    *out = session;
    if (session)
        return 0;
    int rc = find_record(writer, COLLECTION_SESSIONS, id, &record);
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    struct slice user = {0};
    struct buffer scratch = {0};
    if (!rc && !json_parse(&principals->json, record.full.data, record.full.length))
        return MDB_CORRUPTED;
    struct json_value root = json_root(&principals->json);
    if (!rc && json_type(json_member(root, SLICE("ended"))) == JSON_NONE)
        user = arena_copy(&principals->arena, json_string(json_member(root, SLICE("user")), &scratch));
    buffer_free(&scratch);
    session = keep_known(principals, SPACE_SESSIONS, id, sizeof *session);
    session->user = user;
    *out = session;
    return 0;
}

static enum error_code refuse_actor(char message[APPLY_MESSAGE], enum error_code code, const char *text,
                                    struct slice name)
{
    snprintf(message, APPLY_MESSAGE, "%s%.*s", text, (int)name.length, name.data ? name.data : "");
    return code;
}

static enum error_code check_permissions(struct store *store, const struct rights *rights, struct slice names,
                                         char message[APPLY_MESSAGE])
{
    struct slice name;
    while (change_actor_permission(&names, &name)) {
        int number = config_permission(store->config, name);
        if (number < 0 || !permission_has(&rights->permissions, (unsigned)number))
            return refuse_actor(message, ERROR_FORBIDDEN, "You need the permission ", name);
    }
    return ERROR_NONE;
}

/** What cannot be read is no right, and spoils nothing. */
static enum error_code principal_unreadable(int rc, char message[APPLY_MESSAGE])
{
    return refuse_actor(message, store_error("who acts cannot be read", rc), "Your rights cannot be read",
                        (struct slice){0});
}

enum error_code principal_act(struct writer *writer, const struct change *change, char message[APPLY_MESSAGE])
{
    struct principals *principals = writer->principals;
    struct slice rest = change->body, session_id;
    const struct known_user *user;
    const struct known_session *session;
    if (principals->outdated || principals->count >= KEPT_MOST)
        clear_principals(principals);
    int rc = user_known(writer, change->id, &user);
    if (rc)
        return principal_unreadable(rc, message);
    if (!user->there)
        return refuse_actor(message, ERROR_UNAUTHORIZED, "Your account was removed", (struct slice){0});
    if (!change_actor_session(&rest, &session_id))
        return refuse_actor(message, ERROR_INVALID, "The change set is malformed", (struct slice){0});
    if (session_id.length) {
        rc = session_known(writer, session_id, &session);
        if (rc)
            return principal_unreadable(rc, message);
        if (!session->user.data || !slice_equal(session->user, change->id))
            return refuse_actor(message, ERROR_UNAUTHORIZED, "Your session has ended", (struct slice){0});
    }
    if (change->flags & CHANGE_ADMINISTRATOR && !user->rights.administrator)
        return refuse_actor(message, ERROR_FORBIDDEN, "Only administrators may do this", (struct slice){0});
    writer->actor = (struct actor){.acts = true, .user = change->id, .rights = &user->rights};
    return check_permissions(writer->store, &user->rights, rest, message);
}
