#include "daemon/committer/first_group.h"

#include "daemon/committer/store/change_set_apply.h"
#include "daemon/committer/store/write.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/store/change_set.h"
#include "shared/store/read.h"
#include "shared/store/rights.h"

static enum error_code is_there(struct store *store)
{
    struct store_record record;
    enum error_code code = store_begin(store);
    if (code != ERROR_NONE)
        return code;
    code = store_get(store, COLLECTION_GROUPS, slice_text(administrator_group), &record);
    store_end(store);
    return code;
}

static void compose_set(struct buffer *set, const struct config *config)
{
    struct change change = {
        .operation = CHANGE_INSERT,
        .version = CHANGE_ANY_VERSION,
        .collection = slice_text(collection_names[COLLECTION_GROUPS]),
        .id = slice_text(administrator_group),
        .body = SLICE("{\"permissions\":{}}"),
    };
    change_set_begin(set, change_bounds_of(&config->limits), ANSWER_LITERAL, SLICE("null"));
    change_set_add(set, &change);
}

static enum error_code commit_set(struct writer *writer, struct slice set)
{
    struct apply_result result;
    enum error_code code = store_write_begin(writer);
    if (code != ERROR_NONE)
        return code;
    code = change_set_apply(writer, set, clock_wall_ms(), &result);
    if (code == ERROR_NONE)
        return store_write_commit(writer);
    store_write_abort(writer);
    return code;
}

bool first_group_make(struct writer *writer, const struct config *config)
{
    struct buffer set = {0};
    enum error_code code = is_there(store_write_reader(writer));
    if (code == ERROR_NOT_FOUND) {
        compose_set(&set, config);
        code = commit_set(writer, buffer_slice(&set));
        buffer_free(&set);
    }
    if (code != ERROR_NONE)
        log_error("the group %s could not be made: %s", administrator_group, error_code_name(code));
    return code == ERROR_NONE;
}
