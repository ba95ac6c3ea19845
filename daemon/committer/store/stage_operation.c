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
#define ID_OF(stage) (int)(stage)->change->id.length, (stage)->change->id.data
#define NAME_OF(stage) (stage)->collection->config->name

/* What is larger than is allowed now was stored before: it may be read, and become smaller. */
static bool is_larger(const struct stage *stage)
{
    return stage->there && stage->current.full.length > stage->writer->bounds.document_bytes;
}

static void allow_for_larger(struct stage *stage)
{
    uint64_t needed = (uint64_t)stage->current.full.length * SET_WORK_OF_DOCUMENT;
    if (is_larger(stage) && stage->writer->bounds.work < needed)
        stage->writer->bounds.work = needed;
}

static enum error_code need_object(struct stage *stage, const char *what)
{
    enum error_code code = stage_parse(stage, &stage->writer->body, stage->change->body);
    if (code)
        return code;
    enum json_type type = json_type(json_root(&stage->writer->body));
    if (type == JSON_OBJECT)
        return ERROR_NONE;
    return stage_refuse(stage, ERROR_INVALID, "%s must be an object, not %s", what, json_type_name(type));
}

static enum error_code insert_or_replace(struct stage *stage)
{
    enum error_code code = need_object(stage, "A document");
    if (code)
        return code;
    const struct change *change = stage->change;
    bool insert = change->operation == CHANGE_INSERT;
    if (stage->hidden && !insert)
        return stage_missing(stage);
    if (stage->hidden || (stage->there && insert && !(change->flags & CHANGE_SKIP_SAME)))
        return stage_refuse(stage, ERROR_EXISTS, "Document " ID_FORMAT " already exists in %s", ID_OF(stage),
                            NAME_OF(stage));
    if (!insert) {
        if (!stage->there && change->version != CHANGE_ANY_VERSION)
            return stage_missing(stage);
        code = stage->there ? stage_check_version(stage) : ERROR_NONE;
        if (code)
            return code;
    }
    stage_compose(stage, json_root(&stage->writer->body));
    if (stage->there && insert) {
        code = stage_need_old(stage);
        if (!code)
            code = stage_need_next(stage);
        if (!code && !json_same_digits(json_root(&stage->writer->old), json_root(&stage->writer->next)))
            return stage_refuse(stage, ERROR_EXISTS,
                                "Document " ID_FORMAT " already exists in %s, with other content",
                                ID_OF(stage), NAME_OF(stage));
        if (!code)
            stage_add_outcome(stage, OUTCOME_SAME, stage->current.version);
        return code;
    }
    return stage_text(stage);
}

static enum error_code id_stays(struct stage *stage, struct json_value id, bool needed)
{
    if ((!id.json && !needed) || json_string_is(id, stage->change->id))
        return ERROR_NONE;
    return stage_refuse(stage, ERROR_INVALID, "_id cannot be changed");
}

/** Stages what a patch made of the document, in ->patched. */
static enum error_code stage_patched(struct stage *stage)
{
    struct writer *writer = stage->writer;
    buffer_clear(&writer->scratch);
    document_append_head(&writer->scratch, stage->change->id, stage_text_version(stage));
    size_t head = writer->scratch.length;
    struct slice patched = buffer_slice(&writer->patched);
    bool complete = stage->there || !stage->acts; /* otherwise it may need its owner */
    if (complete && patched.length > head && memcmp(patched.data, writer->scratch.data, head) == 0 &&
        (patched.data[head] == ',' || patched.data[head] == '}')) {
        struct buffer taken = writer->text;
        writer->text = writer->patched;
        writer->patched = taken;
        stage->next_parsed = false;
        enum error_code code = stage_need_next(stage); /* for its levels */
        stage->depth = writer->next.depth;
        return code ? code : stage_text(stage);
    }
    enum error_code code = stage_parse(stage, &writer->body, patched);
    if (code)
        return code;
    struct json_value root = json_root(&writer->body);
    if (json_type(root) != JSON_OBJECT)
        return stage_refuse(stage, ERROR_INVALID, "The changes would make the document %s",
                            json_type_name(json_type(root)));
    code = id_stays(stage, json_member(root, SLICE("_id")), stage->there);
    if (code)
        return code;
    stage_compose(stage, root);
    return stage_text(stage);
}

static enum error_code merge_document(struct stage *stage)
{
    struct writer *writer = stage->writer;
    enum error_code code = need_object(stage, "The changes");
    if (code)
        return code;
    unsigned flags = stage->change->flags;
    if (!stage->there && flags & CHANGE_SKIP_MISSING) {
        stage_add_outcome(stage, OUTCOME_MISSING, 0);
        return ERROR_NONE;
    }
    code = id_stays(stage, json_member(json_root(&writer->body), SLICE("_id")), false);
    if (code)
        return code;
    if (!stage->there &&
        (stage->hidden || !(flags & CHANGE_UPSERT) || stage->change->version != CHANGE_ANY_VERSION))
        return stage_missing(stage);
    struct json_value patch = json_root(&writer->body), old = {0};
    if (stage->there)
        code = stage_check_version(stage);
    if (!code && stage->there)
        code = stage_need_old(stage);
    if (code)
        return code;
    if (stage->there)
        old = json_root(&writer->old);
    code = stage_charge(stage, 2 * (uint64_t)(stage->change->body.length + json_text(old).length));
    if (code)
        return code;
    buffer_clear(&writer->patched);
    json_merge_patch(&writer->patched, old, patch);
    return stage_patched(stage);
}

static enum error_code patch_document(struct stage *stage)
{
    struct writer *writer = stage->writer;
    enum error_code code = stage_parse(stage, &writer->body, stage->change->body);
    if (code)
        return code;
    if (!stage->there)
        return stage_missing(stage);
    code = stage_check_version(stage);
    if (!code)
        code = stage_need_old(stage);
    if (code)
        return code;
    char message[JSON_PATCH_MESSAGE];
    struct json_patch_bounds bounds = {.bytes = is_larger(stage) ? stage->current.full.length
                                                                 : writer->bounds.document_bytes,
                                       .work = writer->bounds.work - writer->set_work};
    buffer_clear(&writer->patched);
    enum json_patch_result result =
        json_patch(&writer->patched, json_root(&writer->old), json_root(&writer->body), &bounds, message);
    code = stage_charge(stage, bounds.done);
    if (code)
        return code;
    switch (result) {
    case JSON_PATCH_OK:
        return stage_patched(stage);
    case JSON_PATCH_MALFORMED:
    case JSON_PATCH_NO_TARGET:
        return stage_refuse(stage, ERROR_INVALID, "%s", message);
    case JSON_PATCH_TEST_FAILED:
        return stage_refuse(stage, ERROR_CONFLICT, "%s", message);
    case JSON_PATCH_TOO_LARGE:
        return stage_refuse(stage, ERROR_TOO_LARGE, "%s", message);
    }
    return ERROR_INTERNAL;
}

static enum error_code remove_document(struct stage *stage)
{
    if (!stage->there && stage->change->flags & CHANGE_SKIP_MISSING) {
        stage_add_outcome(stage, OUTCOME_MISSING, 0);
        return ERROR_NONE;
    }
    if (!stage->there)
        return stage_missing(stage);
    enum error_code code = stage_check_version(stage);
    if (code)
        return code;
    code = stage_charge(stage, SET_WORK_CHANGE);
    if (code)
        return code;
    struct staged *staged = stage_new(stage);
    staged->removed = true;
    staged->record.version = stage->current.version;
    staged->disowned = stage->limited && !stage->owns;
    if (staged->disowned)
        staged->former_owner = stage_owner(stage);
    version_floor_raise(&stage->writer->floors[stage->number], stage->current.version);
    code = stage_indexes(stage, staged, (struct json_value){0});
    if (code)
        return code;
    stage_add_outcome(stage, OUTCOME_REMOVED, stage->current.version);
    stage_add(stage, staged);
    return ERROR_NONE;
}

static enum error_code assert_version(struct stage *stage)
{
    if (stage->change->flags & CHANGE_ABSENT) {
        if (stage->there || stage->hidden)
            return stage_refuse(stage, ERROR_EXISTS, "Document " ID_FORMAT " already exists in %s",
                                ID_OF(stage), NAME_OF(stage));
        return ERROR_NONE;
    }
    return stage->there ? stage_check_version(stage) : stage_missing(stage);
}

enum error_code stage_operation(struct writer *writer, const struct change *change,
                                char message[APPLY_MESSAGE])
{
    struct store *store = writer->store;
    struct stage stage = {.store = store, .writer = writer, .change = change, .message = message};
    if (change->operation == CHANGE_ONCE)
        return ERROR_NONE;
    if (change->operation == CHANGE_ACTOR)
        return principal_act(writer, change, message);
    const struct config_collection *config = config_collection(store->config, change->collection);
    if (!config)
        return stage_refuse(&stage, ERROR_UNKNOWN_COLLECTION, "There is no such collection");
    stage.number = config->index;
    stage.collection = &store->collections[stage.number];
    if (!document_id_valid(change->id))
        return stage_refuse(&stage, ERROR_INVALID,
                            "_id must be 1 to %d bytes of UTF-8 without control characters", STORE_ID_BYTES);
    enum error_code code = stage_charge(&stage, SET_WORK_OPERATION);
    if (!code)
        code = stage_look_up(&stage);
    if (!code)
        allow_for_larger(&stage);
    if (!code && writer->actor.acts && config->has_rights)
        code = stage_rights(&stage);
    if (code)
        return code;
    switch (change->operation) {
    case CHANGE_INSERT:
    case CHANGE_REPLACE:
        return insert_or_replace(&stage);
    case CHANGE_MERGE:
        return merge_document(&stage);
    case CHANGE_PATCH:
        return patch_document(&stage);
    case CHANGE_REMOVE:
        return remove_document(&stage);
    case CHANGE_ASSERT:
        return assert_version(&stage);
    case CHANGE_ONCE:
    case CHANGE_ACTOR:
    case CHANGE_CLEAR:
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
