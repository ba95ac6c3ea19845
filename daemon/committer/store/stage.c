#include "daemon/committer/store/stage.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/committer/store/change_set_apply.h"
#include "daemon/committer/store/document.h"
#include "daemon/committer/store/stage_index.h"
#include "daemon/committer/store/stage_rights.h"
#include "shared/base/memory.h"
#include "shared/json/compare.h"
#include "shared/store/access_tag.h"
#include "shared/store/former_name.h"
#include "shared/store/record.h"
#include "shared/store/set_work.h"

#define ID_FORMAT "\"%.*s\""
#define ID_OF(work) (int)(work)->change->id.length, (work)->change->id.data
#define NAME_OF(work) (work)->collection->config->name

enum error_code stage_refuse(struct work *work, enum error_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(work->message, APPLY_MESSAGE, format, arguments);
    va_end(arguments);
    return code;
}

enum error_code stage_charge(struct work *work, uint64_t units)
{
    struct writer *writer = work->writer;
    uint64_t left = writer->bounds.work - writer->set_work;
    writer->set_work += units < left ? units : left;
    writer->work += units < left ? units : left;
    if (units <= left)
        return ERROR_NONE;
    return stage_refuse(work, ERROR_TOO_LARGE,
                        "These changes are too much work for one call; split them into several");
}

enum error_code stage_failed(struct work *work, const char *what, int rc)
{
    work->writer->spoilt = true;
    enum error_code code = store_error(what, rc);
    return stage_refuse(work, code, code == ERROR_STORE_FULL ? "The store is full" : "The store failed");
}

enum error_code stage_parse(struct work *work, struct json *json, struct slice text)
{
    enum error_code code = stage_charge(work, WORK_BYTE_PARSED * (uint64_t)text.length);
    if (code)
        return code;
    if (json_parse(json, text.data ? text.data : "", text.length))
        return ERROR_NONE;
    return stage_refuse(work, ERROR_INVALID, "Not usable as JSON: %s at byte %zu", json->error,
                        json->error_offset);
}

/* ---- what is there ---- */

enum error_code stage_look_up(struct work *work)
{
    const struct staged *staged = staging_find(&work->writer->documents, work->number, work->change->id);
    if (staged) {
        work->there = !staged->removed;
        work->current = staged->record;
        return ERROR_NONE;
    }
    MDB_val key = store_val(work->change->id), value;
    MDB_cursor **cursor = &work->writer->cursors[work->number];
    int rc = writer_cursor(work->writer, cursor, work->collection->dbi);
    if (!rc)
        rc = mdb_cursor_get(*cursor, &key, &value, MDB_SET);
    if (rc == MDB_NOTFOUND)
        return ERROR_NONE;
    if (rc)
        return stage_failed(work, "a document cannot be read", rc);
    work->there = record_read(store_slice(value), &work->current);
    return work->there ? ERROR_NONE : stage_failed(work, "a record is damaged", MDB_CORRUPTED);
}

enum error_code stage_need_old(struct work *work)
{
    if (work->old_parsed)
        return ERROR_NONE;
    enum error_code code = stage_charge(work, WORK_BYTE_PARSED * (uint64_t)work->current.full.length);
    if (code)
        return code;
    work->old_parsed = json_parse(&work->writer->old, work->current.full.data, work->current.full.length);
    return work->old_parsed ? ERROR_NONE : stage_failed(work, "a stored document is damaged", MDB_CORRUPTED);
}

enum error_code stage_need_next(struct work *work)
{
    if (work->next_parsed)
        return ERROR_NONE;
    enum error_code code = stage_parse(work, &work->writer->next, buffer_slice(&work->writer->text));
    work->next_parsed = !code;
    return code;
}

/** Whether something of a record of the collection is made from what is in the document. */
static bool looks_inside(const struct store_collection *collection)
{
    const struct config_collection *config = collection->config;
    return config->projector_count || config->sync_filter || config->has_rights || collection->index_count;
}

enum error_code stage_check_version(struct work *work)
{
    int64_t wanted = work->change->version;
    if (wanted == CHANGE_ANY_VERSION || (uint64_t)wanted == work->current.version)
        return ERROR_NONE;
    return stage_refuse(work, ERROR_CONFLICT, "Document " ID_FORMAT " has version %llu, not %lld",
                        ID_OF(work), (unsigned long long)work->current.version, (long long)wanted);
}

enum error_code stage_missing(struct work *work)
{
    return stage_refuse(work, ERROR_NOT_FOUND, "Document " ID_FORMAT " does not exist in %s", ID_OF(work),
                        NAME_OF(work));
}

/* ---- staging ---- */

void stage_add_outcome(struct work *work, enum outcome_kind kind, uint64_t version)
{
    struct writer *writer = work->writer;
    if (writer->outcome_count == writer->outcome_capacity) {
        writer->outcome_capacity = writer->outcome_capacity ? writer->outcome_capacity * 2 : 64;
        writer->outcomes =
            memory_resize(writer->outcomes, writer->outcome_capacity, sizeof *writer->outcomes);
    }
    writer->outcomes[writer->outcome_count++] =
        (struct outcome){kind, work->change->operation == CHANGE_REPLACE, work->change->id, version};
}

struct staged *stage_new(struct work *work)
{
    struct writer *writer = work->writer;
    struct staged *staged = arena_allocate(&writer->arena, sizeof *staged);
    *staged = (struct staged){.collection = work->number,
                              .seq = writer->state.seq + writer->staged_count + 1,
                              .id = arena_copy(&writer->arena, work->change->id)};
    if (!work->there)
        return staged;
    staged->tag_before = arena_copy(&writer->arena, work->current.tag);
    staged->tag_seq_before = work->current.tag_seq;
    if (work->number == COLLECTION_USERS || work->number == COLLECTION_GROUPS)
        staged->before = arena_copy(&writer->arena, work->current.full);
    return staged;
}

void stage_add(struct work *work, struct staged *staged)
{
    struct writer *writer = work->writer;
    if (writer->staged_count == writer->staged_capacity) {
        writer->staged_capacity = writer->staged_capacity ? writer->staged_capacity * 2 : 64;
        writer->staged = memory_resize(writer->staged, writer->staged_capacity, sizeof *writer->staged);
    }
    writer->staged[writer->staged_count++] = staged;
    staging_put(&writer->documents, staged->collection, staged->id, staged);
}

/** The record of the document in ->text, and @root, when something looks inside, in the arena. */
static void make_record(struct work *work, struct staged *staged, uint64_t version, struct json_value root)
{
    struct writer *writer = work->writer;
    const struct config_collection *config = work->collection->config;
    buffer_clear(&writer->tag);
    access_tag_append(&writer->tag, config, root);
    struct store_record record = {
        .version = version, .seq = staged->seq, .full = buffer_slice(&writer->text)};
    record.tag = buffer_slice(&writer->tag);
    bool same_tag = work->there && access_tag_same_sight(record.tag, work->current.tag);
    record.tag_seq = same_tag ? work->current.tag_seq : staged->seq;
    record.minimal = record.full;
    if (config->projector_count) {
        buffer_clear(&writer->minimal);
        document_append_minimal(&writer->minimal, config, staged->id, version, root);
        if (writer->minimal.length != record.full.length)
            record.minimal = buffer_slice(&writer->minimal);
    }
    buffer_clear(&writer->record);
    record_append(&writer->record, &record);
    staged->bytes = arena_copy(&writer->arena, buffer_slice(&writer->record));
    if (!record_read(staged->bytes, &staged->record))
        abort();
}

uint64_t stage_text_version(const struct work *work)
{
    if (work->there)
        return work->current.version;
    return (work->change->flags & CHANGE_NEW_ID) ? 0 : work->writer->floors[work->number].staged;
}

void stage_compose(struct work *work, struct json_value body)
{
    buffer_clear(&work->writer->text);
    document_append(&work->writer->text, work->change->id, stage_text_version(work), body);
    if (work->acts && !work->there)
        stage_give_owner(work, body);
    work->next_parsed = false;
}

/** Gives the document in ->text its new version; when that has as many digits, its parse stays right. */
static void next_version(struct work *work)
{
    struct writer *writer = work->writer;
    struct buffer *head = &writer->scratch;
    buffer_clear(head);
    document_append_head(head, work->change->id, work->current.version);
    size_t before = head->length;
    buffer_clear(head);
    document_append_head(head, work->change->id, work->current.version + 1);
    if (head->length == before) {
        memcpy(writer->text.data, head->data, before);
        return;
    }
    buffer_append(head, writer->text.data + before, writer->text.length - before);
    buffer_clear(&writer->text);
    buffer_append_slice(&writer->text, buffer_slice(head));
    work->next_parsed = false;
}

static enum error_code too_large(struct work *work)
{
    return stage_refuse(work, ERROR_TOO_LARGE,
                        "Document " ID_FORMAT " would have %zu bytes; at most %llu are allowed", ID_OF(work),
                        work->writer->text.length, (unsigned long long)work->writer->bounds.document_bytes);
}

enum error_code stage_text(struct work *work)
{
    struct writer *writer = work->writer;
    uint64_t version = stage_text_version(work);
    enum error_code code = ERROR_NONE;
    struct slice text = buffer_slice(&writer->text);
    if (work->there) {
        code = stage_charge(work, 2 * (uint64_t)text.length);
        if (code)
            return code;
        bool same = slice_equal(text, work->current.full);
        if (!same) {
            code = stage_need_old(work);
            if (!code)
                code = stage_need_next(work);
            same = !code && json_same_digits(json_root(&writer->old), json_root(&writer->next));
        }
        if (code)
            return code;
        if (same) {
            stage_add_outcome(work, OUTCOME_SAME, work->current.version);
            return ERROR_NONE;
        }
        version++;
        next_version(work);
    }
    if (writer->text.length > writer->bounds.document_bytes)
        return too_large(work);
    struct json_value root = {0};
    code = stage_charge(work, WORK_CHANGE + 4 * (uint64_t)writer->text.length);
    if (!code && !work->there)
        code = stage_former_name(work);
    if (!code && (work->limited || looks_inside(work->collection))) {
        code = stage_need_next(work);
        root = json_root(&writer->next);
    }
    if (!code && work->limited)
        code = stage_rights_after(work);
    if (!code && work->limited && !work->there)
        code = stage_former_owner(work);
    if (code)
        return code;
    struct staged *staged = stage_new(work);
    staged->took_over = !work->there && is_of_names(work->number) && work->change->flags & CHANGE_TAKE_OVER;
    make_record(work, staged, version, root);
    code = stage_indexes(work, staged, root);
    if (code)
        return code;
    stage_add(work, staged);
    stage_add_outcome(work, work->there ? OUTCOME_CHANGED : OUTCOME_INSERTED, version);
    return ERROR_NONE;
}
