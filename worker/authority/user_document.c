#include "worker/authority/user_document.h"

static void append_permissions(struct buffer *out, const struct config *config,
                               const struct permission_set *permissions)
{
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < config->permission_count; i++)
        buffer_append_format(out, "%s\"%s\":%s", i ? "," : "", config->permissions[i],
                             permission_has(permissions, (unsigned)i) ? "true" : "false");
    buffer_append_byte(out, '}');
}

/* What is not made here, each member with a comma after it. */
static void append_stored(struct buffer *out, struct json_value document)
{
    struct json_iterator each = json_begin(document);
    while (json_step(&each)) {
        if (json_string_is(each.key, SLICE("settings")) || json_string_is(each.key, SLICE("permissions")))
            continue;
        buffer_append_slice(out, json_text(each.key));
        buffer_append_byte(out, ':');
        json_append_compact(out, each.value);
        buffer_append_byte(out, ',');
    }
}

void user_document_append(struct buffer *out, const struct worker *worker, const struct account *account,
                          struct slice stored)
{
    struct json json = {0};
    struct json_value document = {0};
    if (json_parse(&json, stored.data, stored.length))
        document = json_root(&json);
    buffer_append_byte(out, '{');
    append_stored(out, document);
    buffer_append_slice(out, SLICE("\"settings\":"));
    config_settings_append(out, &worker->config->user_settings, json_member(document, SLICE("settings")));
    buffer_append_slice(out, SLICE(",\"permissions\":"));
    append_permissions(out, worker->config, &account->rights.permissions);
    buffer_append_byte(out, '}');
    json_free(&json);
}
