#include "daemon/committer/store/stage_operation.h"

#include "daemon/committer/store/document.h"
#include "daemon/committer/store/principal.h"
#include "daemon/committer/store/stage.h"
#include "daemon/committer/store/stage_index.h"
#include "daemon/committer/store/stage_rights.h"
#include "shared/json/compare.h"
#include "shared/json/merge_patch.h"
#include "shared/json/patch.h"
#include "shared/store/set_work.h"

/* What each operation of a change set makes of the document that it speaks of. */

#define ID_FORMAT "\"%.*s\""
#define ID_OF(work) (int)(work)->change->id.length, (work)->change->id.data
#define NAME_OF(work) (work)->collection->config->name

static enum error_code need_object(struct work *work, const char *what)
{
    enum error_code code = stage_parse(work, &work->writer->body, work->change->body);
    if (code)
        return code;
    enum json_type type = json_type(json_root(&work->writer->body));
    if (type == JSON_OBJECT)
        return ERROR_NONE;
    return stage_refuse(work, ERROR_INVALID, "%s must be an object, not %s", what, json_type_name(type));
}

static enum error_code insert_or_replace(struct work *work)
{
    enum error_code code = need_object(work, "A document");
    if (code)
        return code;
    const struct change *change = work->change;
    bool insert = change->operation == CHANGE_INSERT;
    if (work->hidden && !insert)
        return stage_missing(work);
    if (work->hidden || (work->there && insert && !(change->flags & CHANGE_SKIP_SAME)))
        return stage_refuse(work, ERROR_EXISTS, "Document " ID_FORMAT " already exists in %s", ID_OF(work),
                            NAME_OF(work));
    if (!insert) {
        if (!work->there && change->version != CHANGE_ANY_VERSION)
            return stage_missing(work);
        code = work->there ? stage_check_version(work) : ERROR_NONE;
        if (code)
            return code;
    }
    stage_compose(work, json_root(&work->writer->body));
    if (work->there && insert) {
        code = stage_need_old(work);
        if (!code)
            code = stage_need_next(work);
        if (!code && !json_same_digits(json_root(&work->writer->old), json_root(&work->writer->next)))
            return stage_refuse(work, ERROR_EXISTS,
                                "Document " ID_FORMAT " already exists in %s, with other content",
                                ID_OF(work), NAME_OF(work));
        if (!code)
            stage_add_outcome(work, OUTCOME_SAME, work->current.version);
        return code;
    }
    return stage_text(work);
}

static enum error_code id_stays(struct work *work, struct json_value id, bool needed)
{
    if ((!id.json && !needed) || json_string_is(id, work->change->id))
        return ERROR_NONE;
    return stage_refuse(work, ERROR_INVALID, "_id cannot be changed");
}

/** Stages what a patch made of the document, in ->patched. */
static enum error_code stage_patched(struct work *work)
{
    struct writer *writer = work->writer;
    buffer_clear(&writer->scratch);
    document_append_head(&writer->scratch, work->change->id, stage_text_version(work));
    size_t head = writer->scratch.length;
    struct slice patched = buffer_slice(&writer->patched);
    bool complete = work->there || !work->acts; /* otherwise it may need its owner */
    if (complete && patched.length > head && memcmp(patched.data, writer->scratch.data, head) == 0 &&
        (patched.data[head] == ',' || patched.data[head] == '}')) {
        struct buffer taken = writer->text;
        writer->text = writer->patched;
        writer->patched = taken;
        work->next_parsed = false;
        enum error_code code = stage_need_next(work); /* it may be nested too deeply now */
        return code ? code : stage_text(work);
    }
    enum error_code code = stage_parse(work, &writer->body, patched);
    if (code)
        return code;
    struct json_value root = json_root(&writer->body);
    if (json_type(root) != JSON_OBJECT)
        return stage_refuse(work, ERROR_INVALID, "The changes would make the document %s",
                            json_type_name(json_type(root)));
    code = id_stays(work, json_member(root, SLICE("_id")), work->there);
    if (code)
        return code;
    stage_compose(work, root);
    return stage_text(work);
}

static enum error_code merge(struct work *work)
{
    struct writer *writer = work->writer;
    enum error_code code = need_object(work, "The changes");
    if (code)
        return code;
    unsigned flags = work->change->flags;
    if (!work->there && flags & CHANGE_SKIP_MISSING) {
        stage_add_outcome(work, OUTCOME_MISSING, 0);
        return ERROR_NONE;
    }
    code = id_stays(work, json_member(json_root(&writer->body), SLICE("_id")), false);
    if (code)
        return code;
    if (!work->there &&
        (work->hidden || !(flags & CHANGE_UPSERT) || work->change->version != CHANGE_ANY_VERSION))
        return stage_missing(work);
    struct json_value patch = json_root(&writer->body), old = {0};
    if (work->there)
        code = stage_check_version(work);
    if (!code && work->there)
        code = stage_need_old(work);
    if (code)
        return code;
    if (work->there)
        old = json_root(&writer->old);
    code = stage_charge(work, 2 * (uint64_t)(work->change->body.length + json_text(old).length));
    if (code)
        return code;
    buffer_clear(&writer->patched);
    json_merge_patch(&writer->patched, old, patch);
    return stage_patched(work);
}

static enum error_code patch(struct work *work)
{
    struct writer *writer = work->writer;
    enum error_code code = stage_parse(work, &writer->body, work->change->body);
    if (code)
        return code;
    if (!work->there)
        return stage_missing(work);
    code = stage_check_version(work);
    if (!code)
        code = stage_need_old(work);
    if (code)
        return code;
    char message[JSON_PATCH_MESSAGE];
    struct json_patch_bounds bounds = {.bytes = writer->bounds.document_bytes,
                                       .work = writer->bounds.work - writer->set_work};
    buffer_clear(&writer->patched);
    enum json_patch_result result =
        json_patch(&writer->patched, json_root(&writer->old), json_root(&writer->body), &bounds, message);
    code = stage_charge(work, bounds.done);
    if (code)
        return code;
    switch (result) {
    case JSON_PATCH_OK:
        return stage_patched(work);
    case JSON_PATCH_MALFORMED:
    case JSON_PATCH_NO_TARGET:
        return stage_refuse(work, ERROR_INVALID, "%s", message);
    case JSON_PATCH_TEST_FAILED:
        return stage_refuse(work, ERROR_CONFLICT, "%s", message);
    case JSON_PATCH_TOO_LARGE:
        return stage_refuse(work, ERROR_TOO_LARGE, "%s", message);
    }
    return ERROR_INTERNAL;
}

static enum error_code remove_document(struct work *work)
{
    if (!work->there && work->change->flags & CHANGE_SKIP_MISSING) {
        stage_add_outcome(work, OUTCOME_MISSING, 0);
        return ERROR_NONE;
    }
    if (!work->there)
        return stage_missing(work);
    enum error_code code = stage_check_version(work);
    if (code)
        return code;
    code = stage_charge(work, WORK_CHANGE);
    if (code)
        return code;
    struct staged *staged = stage_new(work);
    staged->removed = true;
    staged->record.version = work->current.version;
    staged->disowned = work->limited && !work->owns;
    if (staged->disowned)
        staged->former_owner = stage_owner(work);
    version_floor_raise(&work->writer->floors[work->number], work->current.version);
    code = stage_indexes(work, staged, (struct json_value){0});
    if (code)
        return code;
    stage_add_outcome(work, OUTCOME_REMOVED, work->current.version);
    stage_add(work, staged);
    return ERROR_NONE;
}

static enum error_code assert_version(struct work *work)
{
    if (work->change->flags & CHANGE_ABSENT) {
        if (work->there || work->hidden)
            return stage_refuse(work, ERROR_EXISTS, "Document " ID_FORMAT " already exists in %s",
                                ID_OF(work), NAME_OF(work));
        return ERROR_NONE;
    }
    return work->there ? stage_check_version(work) : stage_missing(work);
}

enum error_code stage_operation(struct writer *writer, const struct change *change,
                                char message[APPLY_MESSAGE])
{
    struct store *store = writer->store;
    struct work work = {.store = store, .writer = writer, .change = change, .message = message};
    if (change->operation == CHANGE_ONCE)
        return ERROR_NONE;
    if (change->operation == CHANGE_ACTOR)
        return principal_act(writer, change, message);
    const struct config_collection *config = config_collection(store->config, change->collection);
    if (!config)
        return stage_refuse(&work, ERROR_UNKNOWN_COLLECTION, "There is no such collection");
    work.number = config->index;
    work.collection = &store->collections[work.number];
    if (!document_id_valid(change->id))
        return stage_refuse(&work, ERROR_INVALID,
                            "_id must be 1 to %d bytes of UTF-8 without control characters", STORE_ID_BYTES);
    enum error_code code = stage_charge(&work, WORK_OPERATION);
    if (!code)
        code = stage_look_up(&work);
    if (!code && writer->actor.acts && config->has_rights)
        code = stage_rights(&work);
    if (code)
        return code;
    switch (change->operation) {
    case CHANGE_INSERT:
    case CHANGE_REPLACE:
        return insert_or_replace(&work);
    case CHANGE_MERGE:
        return merge(&work);
    case CHANGE_PATCH:
        return patch(&work);
    case CHANGE_REMOVE:
        return remove_document(&work);
    case CHANGE_ASSERT:
        return assert_version(&work);
    case CHANGE_ONCE:
    case CHANGE_ACTOR:
        break;
    }
    return ERROR_NONE;
}

void stage_clear(struct writer *writer, bool applied)
{
    version_floors_settle(writer->floors, writer->store->collection_count, applied);
    writer->staged_count = 0;
    writer->outcome_count = 0;
    writer->actor = (struct actor){0};
    writer->set_work = 0;
    staging_clear(&writer->documents);
    staging_clear(&writer->uniques);
}
