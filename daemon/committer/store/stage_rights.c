#include "daemon/committer/store/stage_rights.h"

#include "daemon/committer/store/former_owner.h"
#include "shared/json/compare.h"
#include "shared/store/access_tag.h"
#include "shared/store/former_name.h"
#include "shared/store/rights.h"

#define ID_OF(stage) (int)(stage)->change->id.length, (stage)->change->id.data
#define NAME_OF(stage) (stage)->collection->config->name

static bool has_group(const struct actor *actor, struct slice group)
{
    return group.length && rights_in_group(actor->rights, group);
}

/* ---- before the change ---- */

static bool is_change(enum change_operation operation)
{
    switch (operation) {
    case CHANGE_REPLACE:
    case CHANGE_MERGE:
    case CHANGE_PATCH:
    case CHANGE_REMOVE:
        return true;
    case CHANGE_INSERT:
    case CHANGE_ASSERT:
    case CHANGE_ONCE:
    case CHANGE_ACTOR:
    case CHANGE_CLEAR:
        break;
    }
    return false;
}

enum error_code stage_rights(struct stage *stage)
{
    const struct actor *actor = &stage->writer->actor;
    stage->acts = true;
    stage->limited = !actor->rights->administrator;
    if (!stage->limited || !stage->there)
        return ERROR_NONE;
    struct access_tag tag;
    if (!access_tag_read(stage->current.tag, &tag))
        return stage_failed(stage, "a record is damaged", MDB_CORRUPTED);
    bool member = has_group(actor, tag.group);
    stage->owns = slice_equal(tag.owner, actor->user);
    if (!stage->owns && !(tag.flags & ACCESS_ALL_READ) && !(member && tag.flags & ACCESS_GROUP_READ)) {
        stage->there = false;
        stage->hidden = true;
        return ERROR_NONE;
    }
    if (stage->owns || tag.flags & ACCESS_ALL_WRITE || (member && tag.flags & ACCESS_GROUP_WRITE) ||
        !is_change(stage->change->operation))
        return ERROR_NONE;
    return stage_refuse(stage, ERROR_FORBIDDEN, "You may read document \"%.*s\" of %s, but not change it",
                        ID_OF(stage), NAME_OF(stage));
}

/* ---- after the change ---- */

static struct json_value field_of(struct json_value document, const char *field)
{
    return field ? json_member(document, slice_text(field)) : (struct json_value){0};
}

static bool same_value(struct json_value a, struct json_value b)
{
    return a.json && b.json ? json_equal(a, b) : a.json == b.json;
}

/** Whose the document is, and who may do what: nobody but its owner changes that. */
static enum error_code check_unchanged(struct stage *stage, struct json_value old, struct json_value next)
{
    const struct config_rights *rights = &stage->collection->config->rights;
    const char *const fields[] = {rights->owner,       rights->group,    rights->group_read,
                                  rights->group_write, rights->all_read, rights->all_write};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!same_value(field_of(old, fields[i]), field_of(next, fields[i])))
            return stage_refuse(stage, ERROR_FORBIDDEN,
                                "Field \"%s\" may only be changed by the owner of the document", fields[i]);
    return ERROR_NONE;
}

/** A group that the document did not have before must be one of the actor's. */
static enum error_code check_group(struct stage *stage, struct json_value old, struct json_value next)
{
    const char *field = stage->collection->config->rights.group;
    struct json_value named = field_of(next, field);
    if (json_type(named) != JSON_STRING || same_value(field_of(old, field), named))
        return ERROR_NONE;
    struct buffer scratch = {0};
    struct slice group = json_string(named, &scratch);
    bool good = group.length == 0 || has_group(&stage->writer->actor, group);
    buffer_free(&scratch);
    return good ? ERROR_NONE
                : stage_refuse(stage, ERROR_FORBIDDEN, "Field \"%s\": you are not a member of that group",
                               field);
}

enum error_code stage_rights_after(struct stage *stage)
{
    const struct config_rights *rights = &stage->collection->config->rights;
    struct json_value old = stage->there ? json_root(&stage->writer->old) : (struct json_value){0};
    struct json_value next = json_root(&stage->writer->next);
    if (stage->there && !stage->owns)
        return check_unchanged(stage, old, next);
    if (!stage->there && !json_string_is(field_of(next, rights->owner), stage->writer->actor.user))
        return stage_refuse(stage, ERROR_FORBIDDEN, "Field \"%s\" of a new document must be your own id",
                            rights->owner);
    return check_group(stage, old, next);
}

struct slice stage_owner(struct stage *stage)
{
    struct access_tag tag;
    return access_tag_read(stage->current.tag, &tag) ? arena_copy(&stage->writer->arena, tag.owner)
                                                     : (struct slice){0};
}

enum error_code stage_former_owner(struct stage *stage)
{
    const struct staged *removed = staging_find(&stage->writer->documents, stage->number, stage->change->id);
    struct slice owner = {0};
    bool disowned = removed && removed->disowned;
    int rc = 0;
    if (removed)
        owner = removed->former_owner;
    else
        rc = former_owner_find(stage->writer->txn, stage->store, stage->number, stage->change->id, &disowned,
                               &owner);
    if (rc)
        return stage_failed(stage, "a former owner cannot be read", rc);
    if (!disowned || slice_equal(owner, stage->writer->actor.user))
        return ERROR_NONE;
    return stage_refuse(stage, ERROR_FORBIDDEN,
                        "Document \"%.*s\" of %s was not yours: only its owner may insert it again",
                        ID_OF(stage), NAME_OF(stage));
}

enum error_code stage_former_name(struct stage *stage)
{
    if (!former_name_is_kept(stage->number) || stage->change->flags & CHANGE_TAKE_OVER)
        return ERROR_NONE;
    const struct staged *removed = staging_find(&stage->writer->documents, stage->number, stage->change->id);
    uint64_t seq = removed ? removed->seq : 0;
    int rc = 0;
    if (!removed)
        rc = former_name_find(stage->writer->txn, stage->store, stage->number, stage->change->id, &seq);
    if (rc)
        return stage_failed(stage, "a former name cannot be read", rc);
    if (!seq)
        return ERROR_NONE;
    return stage_refuse(stage, ERROR_EXISTS, "The name \"%.*s\" in %s was used before", ID_OF(stage),
                        NAME_OF(stage));
}

void stage_give_owner(struct stage *stage, struct json_value body)
{
    const char *field = stage->collection->config->rights.owner;
    struct buffer *text = &stage->writer->text;
    if (field_of(body, field).json)
        return;
    buffer_shorten(text, text->length - 1); /* the closing brace */
    buffer_append_byte(text, ',');
    json_append_string(text, slice_text(field));
    buffer_append_byte(text, ':');
    json_append_string(text, stage->writer->actor.user);
    buffer_append_byte(text, '}');
}
