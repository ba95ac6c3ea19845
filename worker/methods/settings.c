/*
 * The methods of `settings`, and what a user sets for themselves. The settings are one document of an
 * internal collection, a user's are in the user's document; each holds only what was set. Connections learn
 * of a change like of every other, from the committer's frame and from `amend`.
 */

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/config/nearest.h"
#include "shared/store/former_name.h"
#include "worker/authority/user_sets.h"
#include "worker/base/committer_link.h"
#include "worker/base/snapshot.h"
#include "worker/methods/user_answers.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"
#include "worker/session/session.h"

enum { SHOWN_KEY_BYTES = 64 };

static const struct slice document_id = {"settings", sizeof "settings" - 1};

/* A change on its way: the answer is what the settings then are. */
struct setting_change {
    struct transaction *transaction;
    char *user; /* whose; NULL: everybody's */
};

static void setting_change_free(struct setting_change *change)
{
    free(change->user);
    free(change);
}

/* Appends the settings of the user who had the name at change @since. ERROR_NOT_FOUND: there is no such user
 * any more, though another one may have the name by now. */
static enum error_code append_own(struct buffer *out, struct worker *worker, const char *user, uint64_t since)
{
    struct user_document document;
    uint64_t removed;
    enum error_code code = store_name_was_used(worker->store, COLLECTION_USERS, slice_text(user), &removed);
    if (code == ERROR_NONE && removed > since)
        code = ERROR_NOT_FOUND;
    if (code != ERROR_NONE)
        return code;
    code = user_get(worker, COLLECTION_USERS, slice_text(user), &document);
    if (code == ERROR_NONE)
        config_settings_append(out, &worker->config->user_settings,
                               json_member(document.root, SLICE("settings")));
    user_free(&document);
    return code;
}

/* Appends those of all; without a document all of them are defaults. */
static enum error_code append_all(struct buffer *out, struct worker *worker)
{
    struct store_record record = {0};
    enum error_code code = store_get(worker->store, COLLECTION_SETTINGS, document_id, &record);
    if (code != ERROR_NONE && code != ERROR_NOT_FOUND)
        return code;
    config_settings_append_stored(out, &worker->config->settings,
                                  code == ERROR_NONE ? record.full : (struct slice){0});
    return ERROR_NONE;
}

/* Answers with the settings as they are now, in their place among the changes. @user: whose they were at
 * change @since; NULL: everybody's. */
static void answer_settings(struct transaction *transaction, const char *user, uint64_t since)
{
    struct worker *worker = transaction->worker;
    struct buffer out = {0};
    if (!snapshot_take(worker)) {
        transaction_fail(transaction, ERROR_INTERNAL, "%s", text_store_unreadable);
        return;
    }
    enum error_code code = user ? append_own(&out, worker, user, since) : append_all(&out, worker);
    if (code == ERROR_NONE)
        transaction_fulfill(transaction, buffer_slice(&out), store_seq(worker->store));
    else
        user_fail(transaction, code, text_user_missing);
    buffer_free(&out);
}

static void settings_changed(void *argument, const struct committer_result *result)
{
    struct setting_change *change = argument;
    if (result->code == ERROR_NONE)
        answer_settings(change->transaction, change->user, result->seq);
    else
        transaction_fail(change->transaction, result->code, "%.*s", (int)result->text.length,
                         result->text.data);
    setting_change_free(change);
}

static void submit_settings(struct transaction *transaction, enum builtin_collection collection,
                            struct slice id, struct slice patch, const char *user)
{
    struct setting_change *change = memory_zeroed(1, sizeof *change);
    struct buffer set = {0};
    enum error_code code;
    change->transaction = transaction;
    change->user = user ? memory_copy(user, strlen(user)) : NULL;
    transaction_begin_set(transaction, &set, ANSWER_LITERAL, SLICE("null"));
    struct change merge = {
        .operation = CHANGE_MERGE,
        .flags = user ? 0 : CHANGE_UPSERT,
        .version = CHANGE_ANY_VERSION,
        .collection = slice_text(collection_names[collection]),
        .id = id,
        .body = patch,
    };
    change_set_add(&set, &merge);
    if (!committer_link_submit(transaction->worker->link, buffer_slice(&set), settings_changed, change,
                               &code)) {
        setting_change_free(change);
        transaction_fail(transaction, code, "%s", committer_link_refusal(code));
    }
    buffer_free(&set);
}

/* Appends `"NAME":VALUE` of the merge patch. False: answered. */
static bool append_value(struct transaction *transaction, struct buffer *patch,
                         const struct config_setting *setting, struct json_value value)
{
    char message[SETTING_MESSAGE];
    buffer_append_format(patch, "\"%s\":", setting->name);
    if (json_type(value) == JSON_NULL) { /* the default again */
        buffer_append_text(patch, "null");
        return true;
    }
    if (!config_setting_check(setting, value, message)) {
        transaction_fail(transaction, ERROR_INVALID, "%s", message);
        return false;
    }
    config_setting_append(patch, setting, value);
    return true;
}

static void fail_unknown(struct transaction *transaction, struct slice key)
{
    const struct config_settings *settings = &transaction->worker->config->settings;
    struct nearest nearest = nearest_to(key);
    for (size_t i = 0; i < settings->count; i++)
        nearest_offer(&nearest, settings->list[i].name);
    int length = key.length < SHOWN_KEY_BYTES ? (int)key.length : SHOWN_KEY_BYTES;
    if (nearest.best)
        transaction_fail(transaction, ERROR_INVALID, "%.*s: unknown setting, perhaps %s", length, key.data,
                         nearest.best);
    else
        transaction_fail(transaction, ERROR_INVALID, "%.*s: unknown setting", length, key.data);
}

/* The merge patch for the stored document. False: answered. */
static bool read_setting_changes(struct transaction *transaction, struct json_value data,
                                 struct buffer *patch)
{
    struct worker *worker = transaction->worker;
    struct json_iterator each = json_begin(data);
    buffer_append_byte(patch, '{');
    while (json_step(&each)) {
        struct slice key = json_string(each.key, &worker->scratch);
        const struct config_setting *setting = config_settings_find(&worker->config->settings, key);
        if (!setting) {
            fail_unknown(transaction, key);
            return false;
        }
        if (patch->length > 1)
            buffer_append_byte(patch, ',');
        if (!append_value(transaction, patch, setting, each.value))
            return false;
    }
    buffer_append_byte(patch, '}');
    return true;
}

static void download_settings(struct transaction *transaction, struct json_value data)
{
    if (params_none(transaction, data))
        answer_settings(transaction, NULL, 0);
}

static void set_settings(struct transaction *transaction, struct json_value data)
{
    struct buffer patch = {0};
    if (json_type(data) != JSON_OBJECT)
        transaction_fail(transaction, ERROR_INVALID, "data: expected {setting: value, ...}, found %s",
                         json_type_name(json_type(data)));
    else if (json_count(data) == 0)
        answer_settings(transaction, NULL, 0);
    else if (read_setting_changes(transaction, data, &patch))
        submit_settings(transaction, COLLECTION_SETTINGS, document_id, buffer_slice(&patch), NULL);
    buffer_free(&patch);
}

static void change_user_setting(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"key", "value"};
    struct worker *worker = transaction->worker;
    const struct account *account = transaction->session->login.account;
    struct json_value value = json_member(data, SLICE("value"));
    struct slice key;
    if (!params_object(transaction, data, keys) ||
        !params_text(transaction, json_member(data, SLICE("key")), "key", 0, STORE_ID_BYTES, &worker->scratch,
                     &key))
        return;
    const struct config_setting *setting = config_settings_find(&worker->config->user_settings, key);
    struct buffer patch = {0};
    buffer_append_slice(&patch, SLICE("{\"settings\":{"));
    if (account->control) {
        transaction_fail(transaction, ERROR_INVALID, "Only users have settings of their own");
    } else if (!setting) {
        transaction_fail(transaction, ERROR_INVALID, "Unknown user setting %.*s", (int)key.length, key.data);
    } else if (append_value(transaction, &patch, setting, value)) {
        buffer_append_slice(&patch, SLICE("}}"));
        submit_settings(transaction, COLLECTION_USERS, slice_of(account->user, account->user_length),
                        buffer_slice(&patch), account->user);
    }
    buffer_free(&patch);
}

static const struct method methods[] = {
    {"download", ACCESS_AUTHORIZED, download_settings, UNDECLARED},
    {"set", ACCESS_OPTIONS, set_settings, UNDECLARED_ANSWERS_AGAIN},
};

const struct method_table settings_methods = {methods, sizeof methods / sizeof *methods};

static const struct method user_methods[] = {
    {"change_user_setting", ACCESS_AUTHORIZED, change_user_setting, UNDECLARED_ANSWERS_AGAIN},
};

const struct method_table user_setting_methods = {user_methods, sizeof user_methods / sizeof *user_methods};
