#include "shared/store/change_set.h"

#include "shared/base/log.h"
#include "shared/store/bytes.h"
#include "shared/store/set_work.h"

/*
 * A set:       u8 answer, u64 document_bytes, u64 work, u32 literal (length plus 1; 0: absent), literal,
 *              operations.
 * Operation:   u8 operation, u8 flags, i64 version, u32 each length of collection, id and body, and these
 *              three.
 */
enum {
    SET_HEADER = 1 + 8 + 8 + 4,
    OPERATION_HEADER = 1 + 1 + 8 + 3 * 4,
    FLAGS_ALL = 255,
    ACTOR_ID_BYTES = 256
};

static uint32_t length_32(size_t length)
{
    if (length >= UINT32_MAX)
        log_fatal("a part of a change set has %zu bytes", length);
    return (uint32_t)length;
}

struct change_bounds change_bounds_of(const struct config_limits *limits)
{
    struct change_bounds bounds = {.document_bytes = limits->document_bytes, .work = limits->change_work};
    uint64_t one = limits->document_bytes * SET_WORK_OF_DOCUMENT;
    if (bounds.work < one)
        bounds.work = one;
    return bounds;
}

void change_set_begin(struct buffer *out, struct change_bounds bounds, enum change_answer answer,
                      struct slice literal)
{
    char header[SET_HEADER];
    header[0] = (char)answer;
    bytes_put_64(header + 1, bounds.document_bytes);
    bytes_put_64(header + 9, bounds.work);
    bytes_put_32(header + 17, literal.data ? length_32(literal.length) + 1 : 0);
    buffer_append(out, header, sizeof header);
    buffer_append_slice(out, literal);
}

/** Appends all of an operation but its body. */
static void append_operation(struct buffer *out, const struct change *change, size_t body)
{
    char header[OPERATION_HEADER];
    header[0] = (char)change->operation;
    header[1] = (char)change->flags;
    bytes_put_64(header + 2, (uint64_t)change->version);
    bytes_put_32(header + 10, length_32(change->collection.length));
    bytes_put_32(header + 14, length_32(change->id.length));
    bytes_put_32(header + 18, length_32(body));
    buffer_append(out, header, sizeof header);
    buffer_append_slice(out, change->collection);
    buffer_append_slice(out, change->id);
}

void change_set_add(struct buffer *out, const struct change *change)
{
    struct slice body = (change->flags & CHANGE_SAME_BODY) ? SLICE("") : change->body;
    append_operation(out, change, body.length);
    buffer_append_slice(out, body);
}

static void append_part(struct buffer *out, struct slice part)
{
    char length[2];
    bytes_put_16(length, (uint16_t)part.length);
    buffer_append(out, length, sizeof length);
    buffer_append_slice(out, part);
}

void change_actor_add(struct buffer *out, const struct change_actor *actor)
{
    size_t body = 2 + actor->session.length;
    for (size_t i = 0; i < actor->permission_count; i++)
        body += 2 + actor->permissions[i].length;
    struct change change = {.operation = CHANGE_ACTOR,
                            .flags = actor->administrator ? CHANGE_ADMINISTRATOR : 0,
                            .version = CHANGE_ANY_VERSION,
                            .id = actor->user};
    append_operation(out, &change, body);
    append_part(out, actor->session);
    for (size_t i = 0; i < actor->permission_count; i++)
        append_part(out, actor->permissions[i]);
}

static bool take_part(struct slice *rest, struct slice *part)
{
    struct slice from = *rest, length;
    if (!bytes_take(&from, 2, &length) || bytes_get_16(length.data) > ACTOR_ID_BYTES ||
        !bytes_take(&from, bytes_get_16(length.data), part))
        return false;
    *rest = from;
    return true;
}

bool change_actor_session(struct slice *rest, struct slice *session)
{
    return take_part(rest, session);
}

bool change_actor_permission(struct slice *rest, struct slice *permission)
{
    struct slice from = *rest;
    if (!take_part(&from, permission) || permission->length == 0)
        return false;
    *rest = from;
    return true;
}

static bool is_actor(const struct change *change)
{
    struct slice rest = change->body, part;
    if (change->id.length == 0 || change->id.length > ACTOR_ID_BYTES || change->collection.length ||
        !change_actor_session(&rest, &part))
        return false;
    while (change_actor_permission(&rest, &part))
        continue;
    return rest.length == 0;
}

bool change_set_open(struct change_set *set, struct slice bytes)
{
    *set = (struct change_set){0};
    struct slice header;
    if (!bytes_take(&bytes, SET_HEADER, &header))
        return false;
    unsigned answer = (unsigned char)header.data[0];
    if (answer > ANSWER_IMPORT)
        return false;
    set->answer = (enum change_answer)answer;
    set->bounds.document_bytes = bytes_get_64(header.data + 1);
    set->bounds.work = bytes_get_64(header.data + 9);
    uint32_t literal = bytes_get_32(header.data + 17);
    if (literal && !bytes_take(&bytes, literal - 1, &set->literal))
        return false;
    if ((set->answer == ANSWER_LITERAL) != (literal != 0))
        return false;
    set->rest = bytes;
    return true;
}

/* Finds what it is to have instead of a body of its own. False: there is none. */
static bool take_body(struct change_set *set, struct change *change)
{
    if (change->flags & CHANGE_SAME_BODY) {
        if (change->operation != CHANGE_MERGE || change->body.length || !set->merge.data)
            return false;
        change->body = set->merge;
    }
    set->merge = change->operation == CHANGE_MERGE ? change->body : (struct slice){0};
    return true;
}

int change_set_next(struct change_set *set, struct change *change)
{
    if (set->rest.length == 0)
        return 0;
    struct slice header;
    if (!bytes_take(&set->rest, OPERATION_HEADER, &header))
        return -1;
    unsigned operation = (unsigned char)header.data[0];
    unsigned flags = (unsigned char)header.data[1];
    int64_t version = (int64_t)bytes_get_64(header.data + 2);
    if (operation < CHANGE_INSERT || operation > CHANGE_CLEAR || flags > FLAGS_ALL ||
        version < CHANGE_ANY_VERSION)
        return -1;
    *change =
        (struct change){.operation = (enum change_operation)operation, .flags = flags, .version = version};
    if (!bytes_take(&set->rest, bytes_get_32(header.data + 10), &change->collection) ||
        !bytes_take(&set->rest, bytes_get_32(header.data + 14), &change->id) ||
        !bytes_take(&set->rest, bytes_get_32(header.data + 18), &change->body) || !take_body(set, change))
        return -1;
    return change->operation != CHANGE_ACTOR || is_actor(change) ? 1 : -1;
}
