#include "daemon/committer/store/change_set_apply.h"

#include <stdio.h>

#include "daemon/committer/store/change_log_write.h"
#include "daemon/committer/store/clear.h"
#include "daemon/committer/store/former_name_write.h"
#include "daemon/committer/store/former_owner.h"
#include "daemon/committer/store/index_write.h"
#include "daemon/committer/store/once_write.h"
#include "daemon/committer/store/principal.h"
#include "daemon/committer/store/stage_operation.h"
#include "daemon/committer/store/write.h"
#include "daemon/committer/store/writer.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/store/former_name.h"
#include "shared/store/store_once.h"

/** Refuses a set for what is not the fault of one of its changes. */
static enum error_code refuse_set(struct apply_result *result, enum error_code code, const char *why)
{
    result->code = code;
    snprintf(result->message, sizeof result->message, "%s", why);
    return code;
}

static enum error_code set_broken(struct writer *writer, struct apply_result *result, const char *what,
                                  int rc)
{
    writer->spoilt = true;
    enum error_code code = writer_error(writer, what, rc);
    return refuse_set(result, code, code == ERROR_STORE_FULL ? "The store is full" : "The store failed");
}

/* ---- the answer ---- */

static void append_id_version(struct buffer *out, const struct outcome *outcome)
{
    buffer_append_slice(out, SLICE("{\"_id\":"));
    json_append_string(out, outcome->id);
    buffer_append_slice(out, SLICE(",\"_version\":"));
    buffer_append_unsigned(out, outcome->version);
    buffer_append_byte(out, '}');
}

static void append_list(struct buffer *out, const struct writer *writer)
{
    buffer_append_byte(out, '[');
    bool first = true;
    for (size_t i = 0; i < writer->outcome_count; i++) {
        if (writer->outcomes[i].kind == OUTCOME_MISSING)
            continue;
        if (!first)
            buffer_append_byte(out, ',');
        append_id_version(out, &writer->outcomes[i]);
        first = false;
    }
    buffer_append_byte(out, ']');
}

static void append_ids(struct buffer *out, const struct writer *writer, bool with_version)
{
    buffer_append_slice(out, SLICE("{\"_ids\":["));
    size_t count = 0;
    uint64_t version = 0;
    for (size_t i = 0; i < writer->outcome_count; i++) {
        const struct outcome *outcome = &writer->outcomes[i];
        if (outcome->kind == OUTCOME_MISSING)
            continue;
        if (count++)
            buffer_append_byte(out, ',');
        json_append_string(out, outcome->id);
        version = outcome->version;
    }
    buffer_append_byte(out, ']');
    if (with_version && count == 1) {
        buffer_append_slice(out, SLICE(",\"_version\":"));
        buffer_append_unsigned(out, version);
    }
    buffer_append_byte(out, '}');
}

static void append_import(struct buffer *out, const struct writer *writer)
{
    uint64_t inserted = 0, replaced = 0, skipped = 0;
    for (size_t i = 0; i < writer->outcome_count; i++) {
        enum outcome_kind kind = writer->outcomes[i].kind;
        inserted += kind == OUTCOME_INSERTED;
        replaced += kind == OUTCOME_CHANGED;
        skipped += kind == OUTCOME_SAME || kind == OUTCOME_MISSING;
    }
    buffer_append_slice(out, SLICE("{\"inserted\":"));
    buffer_append_unsigned(out, inserted);
    buffer_append_slice(out, SLICE(",\"replaced\":"));
    buffer_append_unsigned(out, replaced);
    buffer_append_slice(out, SLICE(",\"skipped\":"));
    buffer_append_unsigned(out, skipped);
    buffer_append_byte(out, '}');
}

static struct slice make_answer(struct writer *writer, const struct change_set *set)
{
    struct buffer *out = &writer->scratch;
    buffer_clear(out);
    switch (set->answer) {
    case ANSWER_LITERAL:
        buffer_append_slice(out, set->literal);
        break;
    case ANSWER_ID_VERSION:
        if (writer->outcome_count && writer->outcomes[0].kind != OUTCOME_MISSING)
            append_id_version(out, &writer->outcomes[0]);
        else
            buffer_append_slice(out, SLICE("null"));
        break;
    case ANSWER_LIST:
        append_list(out, writer);
        break;
    case ANSWER_IDS:
    case ANSWER_IDS_VERSION:
        append_ids(out, writer, set->answer == ANSWER_IDS_VERSION);
        break;
    case ANSWER_IMPORT:
        append_import(out, writer);
        break;
    }
    return arena_copy(&writer->arena, buffer_slice(out));
}

/* ---- putting what is staged ---- */

static int put_keys(struct writer *writer, const struct staged *staged)
{
    int rc = 0;
    for (const struct staged_key *key = staged->keys; !rc && key; key = key->next)
        rc = key->added ? index_put(writer->txn, key->dbi, key->value, staged->id)
                        : index_remove(writer->txn, key->dbi, key->value, staged->id);
    return rc;
}

static void add_change(struct writer *writer, const struct staged *staged)
{
    if (writer->change_count == writer->change_capacity) {
        writer->change_capacity = writer->change_capacity ? writer->change_capacity * 2 : 256;
        writer->changes = memory_resize(writer->changes, writer->change_capacity, sizeof *writer->changes);
    }
    writer->changes[writer->change_count++] = (struct applied_change){
        .seq = staged->seq,
        .version = staged->record.version,
        .collection = (uint16_t)staged->collection,
        .removed = staged->removed,
        .id = staged->id,
        .tag_before = staged->tag_before,
        .tag_after = staged->record.tag,
        .minimal = staged->record.minimal,
    };
}

static int put_record(struct writer *writer, const struct staged *staged)
{
    MDB_cursor **cursor = &writer->cursors[staged->collection];
    MDB_dbi dbi = writer->store->collections[staged->collection].dbi;
    MDB_val key = store_val(staged->id), value = store_val(staged->bytes);
    if (staged->removed) {
        writer_cursor_close(cursor);
        return mdb_del(writer->txn, dbi, &key, NULL);
    }
    int rc = writer_cursor(writer, cursor, dbi);
    return rc ? rc : mdb_cursor_put(*cursor, &key, &value, 0);
}

/** What is to be known of an id that was removed, or is in use again. */
static int put_former_owner(struct writer *writer, const struct staged *staged)
{
    const struct store *store = writer->store;
    MDB_txn *txn = writer->txn;
    if (staged->disowned)
        return former_owner_put(txn, store, staged->collection, staged->id, staged->seq,
                                staged->former_owner);
    bool changed = !staged->removed && staged->tag_before.length;
    return changed ? 0 : former_owner_forget(txn, store, staged->collection, staged->id);
}

static void rights_changed(struct writer *writer, const struct staged *staged)
{
    writer->state.rights_seq = staged->seq;
    principals_forget(writer->principals);
}

static void log_taking_over(const struct writer *writer, const struct staged *staged)
{
    struct slice actor = writer->actor.acts ? writer->actor.user : SLICE("local control");
    log_notice("%s %.*s: takes over the name and the documents of a removed one, as %.*s said",
               staged->collection == COLLECTION_USERS ? "user" : "group", (int)staged->id.length,
               staged->id.data, (int)actor.length, actor.data);
}

static int put_staged(struct writer *writer, const struct staged *staged)
{
    struct store *store = writer->store;
    if (staged->took_over)
        log_taking_over(writer, staged);
    int rc = put_record(writer, staged);
    if (!rc)
        rc = put_keys(writer, staged);
    if (!rc && store->collections[staged->collection].config->has_rights)
        rc = put_former_owner(writer, staged);
    if (!rc && staged->removed && former_name_is_kept(staged->collection))
        rc = former_name_put(writer->txn, store, staged->collection, staged->id, staged->seq);
    if (rc)
        return rc;
    struct store_log_entry entry = {.seq = staged->seq,
                                    .collection = staged->collection,
                                    .removed = staged->removed,
                                    .version = staged->record.version,
                                    .tag_seq_before = staged->tag_seq_before,
                                    .id = staged->id,
                                    .tag_before = staged->tag_before,
                                    .tag_after = staged->record.tag,
                                    .before = staged->before};
    rc = writer_cursor(writer, &writer->log_cursor, store->log);
    if (!rc)
        rc = change_log_append(store, writer->log_cursor, &entry, &writer->scratch);
    if (rc)
        return rc;
    add_change(writer, staged);
    writer->state.seq = staged->seq;
    if (config_collection_concerns_rights(staged->collection))
        rights_changed(writer, staged);
    return 0;
}

/* ---- once ---- */

/** The CHANGE_ONCE of a set, wherever it stands; 1, 0 when there is none, -1 when the set is malformed. */
static int find_once(struct change_set set, struct change *once)
{
    int found = 0, more;
    struct change change;
    while ((more = change_set_next(&set, &change)) > 0)
        if (change.operation == CHANGE_ONCE && !found) {
            *once = change;
            found = 1;
        }
    return more < 0 ? -1 : found;
}

/* ---- clear ---- */

/** The CHANGE_CLEAR of a set; 1, 0 when there is none, -1 when it is not alone. */
static int find_clear(struct change_set set, struct change *clear)
{
    unsigned count = 0;
    bool found = false;
    struct change change;
    for (; change_set_next(&set, &change) > 0; count++) {
        if (change.operation != CHANGE_CLEAR)
            continue;
        *clear = change;
        found = true;
    }
    if (!found)
        return 0;
    return count == 1 ? 1 : -1;
}

/* ---- a set ---- */

/** apply_result.at_fault of a set of which @operation failed: each change before it has its outcome. */
static uint32_t find_fault(const struct writer *writer, enum change_operation operation, enum error_code code)
{
    if (code == ERROR_STORE_FULL || code == ERROR_INTERNAL)
        return 0;
    if (operation == CHANGE_ASSERT || operation == CHANGE_ONCE || operation == CHANGE_ACTOR)
        return 0;
    return (uint32_t)writer->outcome_count + 1;
}

static enum error_code stage_all(struct writer *writer, struct change_set set, struct apply_result *result)
{
    struct change change;
    while (change_set_next(&set, &change) > 0) {
        enum error_code code = stage_operation(writer, &change, result->message);
        if (code) {
            result->code = code;
            result->at_fault = find_fault(writer, change.operation, code);
            return code;
        }
    }
    return ERROR_NONE;
}

static enum error_code take_room(struct writer *writer, bool once, struct apply_result *result)
{
    enum room_verdict verdict = room_take(writer, result->answer, once);
    if (verdict == ROOM_ENOUGH)
        return ERROR_NONE;
    result->again = verdict == ROOM_LATER;
    return refuse_set(result, ERROR_STORE_FULL, "The store is full; removing documents makes room");
}

/** A remembered answer is for who may still have it: who acts is looked at first. */
static enum error_code act_all(struct writer *writer, struct change_set set, struct apply_result *result)
{
    struct change change;
    while (!result->code && change_set_next(&set, &change) > 0)
        if (change.operation == CHANGE_ACTOR)
            result->code = principal_act(writer, &change, result->message);
    return result->code;
}

static enum error_code apply_changes(struct writer *writer, const struct change_set *set,
                                     const struct change *once, struct apply_result *result)
{
    struct store *store = writer->store;
    int rc;
    if (once && act_all(writer, *set, result))
        return result->code;
    if (once) {
        rc = store_once_find(store, writer->txn, once->body, once->collection, once->id, writer->now_ms,
                             &result->answer, &result->seq);
        if (!rc) {
            result->answer = arena_copy(&writer->arena, result->answer);
            return ERROR_NONE;
        }
        if (rc != MDB_NOTFOUND)
            return set_broken(writer, result, "a remembered answer cannot be read", rc);
    }
    enum error_code code = stage_all(writer, *set, result);
    if (code)
        return code;
    result->answer = make_answer(writer, set);
    code = take_room(writer, once && once->version > 0, result);
    if (code)
        return code;
    rc = 0;
    for (size_t i = 0; !rc && i < writer->staged_count; i++)
        rc = put_staged(writer, writer->staged[i]);
    result->seq = writer->state.seq;
    if (!rc && once && once->version > 0)
        rc = once_put(store, writer->txn, once->body, once->collection, once->id, (uint64_t)once->version,
                      result->answer, result->seq);
    return rc ? set_broken(writer, result, "a change cannot be put", rc) : ERROR_NONE;
}

enum error_code change_set_apply(struct writer *writer, struct slice bytes, uint64_t now_ms,
                                 struct apply_result *result)
{
    *result = (struct apply_result){.seq = writer->state.seq};
    writer->now_ms = now_ms;
    if (!writer->txn || writer->spoilt) {
        result->spoilt = true;
        return refuse_set(result, ERROR_INTERNAL, "The store failed");
    }
    struct change_set set;
    struct change once;
    int found = change_set_open(&set, bytes) ? find_once(set, &once) : -1;
    if (found < 0)
        return refuse_set(result, ERROR_INVALID, "The change set is malformed");
    writer->bounds = set.bounds;
    struct arena_mark mark = arena_mark(&writer->arena);
    struct change clear;
    enum error_code code;
    int clears = find_clear(set, &clear);
    if (clears > 0)
        code = clear_apply(writer, &clear, result);
    else if (clears < 0)
        code = refuse_set(result, ERROR_INVALID, "The change set is malformed");
    else
        code = apply_changes(writer, &set, found ? &once : NULL, result);
    if (code) {
        result->answer = (struct slice){0};
        arena_release(&writer->arena, mark);
    }
    result->spoilt = writer->spoilt;
    stage_clear(writer, !code);
    return code;
}
