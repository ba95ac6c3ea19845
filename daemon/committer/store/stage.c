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
#define ID_OF(stage) (int)(stage)->change->id.length, (stage)->change->id.data
#define NAME_OF(stage) (stage)->collection->config->name

enum error_code stage_refuse(struct stage *stage, enum error_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(stage->message, APPLY_MESSAGE, format, arguments);
    va_end(arguments);
    return code;
}

enum error_code stage_charge(struct stage *stage, uint64_t units)
{
    struct writer *writer = stage->writer;
    uint64_t left = writer->bounds.work - writer->set_work;
    writer->set_work += units < left ? units : left;
    writer->work += units < left ? units : left;
    if (units <= left)
        return ERROR_NONE;
    return stage_refuse(stage, ERROR_TOO_LARGE,
                        "These changes are too much work for one call; split them into several");
}

enum error_code stage_failed(struct stage *stage, const char *what, int rc)
{
    stage->writer->spoilt = true;
    enum error_code code = store_error(what, rc);
    return stage_refuse(stage, code, code == ERROR_STORE_FULL ? "The store is full" : "The store failed");
}

enum error_code stage_parse(struct stage *stage, struct json *json, struct slice text)
{
    enum error_code code = stage_charge(stage, SET_WORK_BYTE_PARSED * (uint64_t)text.length);
    if (code)
        return code;
    if (json_parse(json, text.data ? text.data : "", text.length))
        return ERROR_NONE;
    return stage_refuse(stage, ERROR_INVALID, "Not usable as JSON: %s at byte %zu", json->error,
                        json->error_offset);
}

/* ---- what is there ---- */

enum error_code stage_look_up(struct stage *stage)
{
    const struct staged *staged = staging_find(&stage->writer->documents, stage->number, stage->change->id);
    if (staged) {
        stage->there = !staged->removed;
        stage->current = staged->record;
        return ERROR_NONE;
    }
    MDB_val key = store_val(stage->change->id), value;
    MDB_cursor **cursor = &stage->writer->cursors[stage->number];
    int rc = writer_cursor(stage->writer, cursor, stage->collection->dbi);
    if (!rc)
        rc = mdb_cursor_get(*cursor, &key, &value, MDB_SET);
    if (rc == MDB_NOTFOUND)
        return ERROR_NONE;
    if (rc)
        return stage_failed(stage, "a document cannot be read", rc);
    stage->there = record_read(store_slice(value), &stage->current);
    return stage->there ? ERROR_NONE : stage_failed(stage, "a record is damaged", MDB_CORRUPTED);
}

enum error_code stage_need_old(struct stage *stage)
{
    if (stage->old_parsed)
        return ERROR_NONE;
    enum error_code code = stage_charge(stage, SET_WORK_BYTE_PARSED * (uint64_t)stage->current.full.length);
    if (code)
        return code;
    stage->old_parsed = json_parse(&stage->writer->old, stage->current.full.data, stage->current.full.length);
    return stage->old_parsed ? ERROR_NONE
                             : stage_failed(stage, "a stored document is damaged", MDB_CORRUPTED);
}

enum error_code stage_need_next(struct stage *stage)
{
    if (stage->next_parsed)
        return ERROR_NONE;
    enum error_code code = stage_parse(stage, &stage->writer->next, buffer_slice(&stage->writer->text));
    stage->next_parsed = !code;
    return code;
}

/** Whether something of a record of the collection is made from what is in the document. */
static bool looks_inside(const struct store_collection *collection)
{
    const struct config_collection *config = collection->config;
    return config->projector_count || config->sync_filter || config->has_rights || collection->index_count;
}

enum error_code stage_check_version(struct stage *stage)
{
    int64_t wanted = stage->change->version;
    if (wanted == CHANGE_ANY_VERSION || (uint64_t)wanted == stage->current.version)
        return ERROR_NONE;
    return stage_refuse(stage, ERROR_CONFLICT, "Document " ID_FORMAT " has version %llu, not %lld",
                        ID_OF(stage), (unsigned long long)stage->current.version, (long long)wanted);
}

enum error_code stage_missing(struct stage *stage)
{
    return stage_refuse(stage, ERROR_NOT_FOUND, "Document " ID_FORMAT " does not exist in %s", ID_OF(stage),
                        NAME_OF(stage));
}

/* ---- staging ---- */

void stage_add_outcome(struct stage *stage, enum outcome_kind kind, uint64_t version)
{
    struct writer *writer = stage->writer;
    if (writer->outcome_count == writer->outcome_capacity) {
        writer->outcome_capacity = writer->outcome_capacity ? writer->outcome_capacity * 2 : 64;
        writer->outcomes =
            memory_resize(writer->outcomes, writer->outcome_capacity, sizeof *writer->outcomes);
    }
    writer->outcomes[writer->outcome_count++] =
        (struct outcome){kind, stage->change->operation == CHANGE_REPLACE, stage->change->id, version};
}

struct staged *stage_new(struct stage *stage)
{
    struct writer *writer = stage->writer;
    struct staged *staged = arena_allocate(&writer->arena, sizeof *staged);
    *staged = (struct staged){.collection = stage->number,
                              .seq = writer->state.seq + writer->staged_count + 1,
                              .id = arena_copy(&writer->arena, stage->change->id)};
    if (!stage->there)
        return staged;
    staged->tag_before = arena_copy(&writer->arena, stage->current.tag);
    staged->tag_seq_before = stage->current.tag_seq;
    if (stage->number == COLLECTION_USERS || stage->number == COLLECTION_GROUPS)
        staged->before = arena_copy(&writer->arena, stage->current.full);
    return staged;
}

void stage_add(struct stage *stage, struct staged *staged)
{
    struct writer *writer = stage->writer;
    if (writer->staged_count == writer->staged_capacity) {
        writer->staged_capacity = writer->staged_capacity ? writer->staged_capacity * 2 : 64;
        writer->staged = memory_resize(writer->staged, writer->staged_capacity, sizeof *writer->staged);
    }
    writer->staged[writer->staged_count++] = staged;
    staging_put(&writer->documents, staged->collection, staged->id, staged);
}

/** The record of the document in ->text, and @root, when something looks inside, in the arena. */
static void make_record(struct stage *stage, struct staged *staged, uint64_t version, struct json_value root)
{
    struct writer *writer = stage->writer;
    const struct config_collection *config = stage->collection->config;
    buffer_clear(&writer->tag);
    access_tag_append(&writer->tag, config, root);
    struct store_record record = {
        .version = version, .seq = staged->seq, .full = buffer_slice(&writer->text)};
    record.tag = buffer_slice(&writer->tag);
    bool same_tag = stage->there && access_tag_same_sight(record.tag, stage->current.tag);
    record.tag_seq = same_tag ? stage->current.tag_seq : staged->seq;
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

uint64_t stage_text_version(const struct stage *stage)
{
    if (stage->there)
        return stage->current.version;
    return (stage->change->flags & CHANGE_NEW_ID) ? 0 : stage->writer->floors[stage->number].staged;
}

void stage_compose(struct stage *stage, struct json_value body)
{
    buffer_clear(&stage->writer->text);
    document_append(&stage->writer->text, stage->change->id, stage_text_version(stage), body);
    if (stage->acts && !stage->there)
        stage_give_owner(stage, body);
    stage->depth = body.json->depth;
    stage->next_parsed = false;
}

/** Gives the document in ->text its new version; when that has as many digits, its parse stays right. */
static void next_version(struct stage *stage)
{
    struct writer *writer = stage->writer;
    struct buffer *head = &writer->scratch;
    buffer_clear(head);
    document_append_head(head, stage->change->id, stage->current.version);
    size_t before = head->length;
    buffer_clear(head);
    document_append_head(head, stage->change->id, stage->current.version + 1);
    if (head->length == before) {
        memcpy(writer->text.data, head->data, before);
        return;
    }
    buffer_append(head, writer->text.data + before, writer->text.length - before);
    buffer_clear(&writer->text);
    buffer_append_slice(&writer->text, buffer_slice(head));
    stage->next_parsed = false;
}

/* What is larger than is allowed now was stored before: it may become smaller. */
static enum error_code check_size(struct stage *stage)
{
    const struct writer *writer = stage->writer;
    size_t bytes = writer->text.length;
    if (bytes <= writer->bounds.document_bytes || (stage->there && bytes < stage->current.full.length))
        return ERROR_NONE;
    return stage_refuse(stage, ERROR_TOO_LARGE,
                        "Document " ID_FORMAT " would have %zu bytes; at most %llu are allowed", ID_OF(stage),
                        bytes, (unsigned long long)writer->bounds.document_bytes);
}

/* The same for levels. */
static enum error_code check_depth(struct stage *stage)
{
    if (stage->depth <= JSON_DEPTH_DOCUMENT)
        return ERROR_NONE;
    enum error_code code = stage->there ? stage_need_old(stage) : ERROR_NONE;
    if (code || (stage->there && stage->depth < stage->writer->old.depth))
        return code;
    return stage_refuse(stage, ERROR_INVALID,
                        "Document " ID_FORMAT " would be nested in %u levels; at most %d are allowed",
                        ID_OF(stage), stage->depth, JSON_DEPTH_DOCUMENT);
}

enum error_code stage_text(struct stage *stage)
{
    struct writer *writer = stage->writer;
    uint64_t version = stage_text_version(stage);
    enum error_code code = ERROR_NONE;
    struct slice text = buffer_slice(&writer->text);
    if (stage->there) {
        code = stage_charge(stage, 2 * (uint64_t)text.length);
        if (code)
            return code;
        bool same = slice_equal(text, stage->current.full);
        if (!same) {
            code = stage_need_old(stage);
            if (!code)
                code = stage_need_next(stage);
            same = !code && json_same_digits(json_root(&writer->old), json_root(&writer->next));
        }
        if (code)
            return code;
        if (same) {
            stage_add_outcome(stage, OUTCOME_SAME, stage->current.version);
            return ERROR_NONE;
        }
        version++;
        next_version(stage);
    }
    code = check_size(stage);
    if (!code)
        code = check_depth(stage);
    if (code)
        return code;
    struct json_value root = {0};
    code = stage_charge(stage, SET_WORK_CHANGE + 4 * (uint64_t)writer->text.length);
    if (!code && !stage->there)
        code = stage_former_name(stage);
    if (!code && (stage->limited || looks_inside(stage->collection))) {
        code = stage_need_next(stage);
        root = json_root(&writer->next);
    }
    if (!code && stage->limited)
        code = stage_rights_after(stage);
    if (!code && stage->limited && !stage->there)
        code = stage_former_owner(stage);
    if (code)
        return code;
    struct staged *staged = stage_new(stage);
    staged->took_over =
        !stage->there && former_name_is_kept(stage->number) && stage->change->flags & CHANGE_TAKE_OVER;
    make_record(stage, staged, version, root);
    code = stage_indexes(stage, staged, root);
    if (code)
        return code;
    stage_add(stage, staged);
    stage_add_outcome(stage, stage->there ? OUTCOME_CHANGED : OUTCOME_INSERTED, version);
    return ERROR_NONE;
}
