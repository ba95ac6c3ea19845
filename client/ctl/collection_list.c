#include "client/ctl/collection_list.h"

#include <stdio.h>

#include "client/ctl/listing.h"

static void append_indexes(struct buffer *out, struct json_value indexes)
{
    struct json_iterator each = json_begin(indexes);
    while (json_step(&each)) {
        struct buffer scratch = {0};
        bool unique;
        listing_append_name(out, json_string(json_member(each.value, SLICE("field")), &scratch));
        if (json_boolean(json_member(each.value, SLICE("unique")), &unique) && unique)
            buffer_append_text(out, " (unique)");
        buffer_free(&scratch);
    }
}

static uint64_t number_of(struct json_value object, const char *key)
{
    int64_t value;
    return json_integer(json_member(object, slice_text(key)), &value) && value > 0 ? (uint64_t)value : 0;
}

/* With its indexes. */
static uint64_t all_bytes(struct json_value collection)
{
    uint64_t bytes = number_of(collection, "bytes");
    struct json_iterator each = json_begin(json_member(collection, SLICE("indexes")));
    while (json_step(&each))
        bytes += number_of(each.value, "bytes");
    return bytes;
}

static void add_state(struct table *table, struct json_value state)
{
    if (json_string_is(state, SLICE("not_configured")))
        table_add(table, SLICE("not configured"));
    else if (json_string_is(state, SLICE("built_in")))
        table_add(table, SLICE("built in"));
    else
        listing_add_text(table, state);
}

static void add_collection_row(void *argument, struct json_value collection)
{
    struct table *table = argument;
    struct buffer indexes = {0};
    char text[CTL_BYTES_TEXT];
    append_indexes(&indexes, json_member(collection, SLICE("indexes")));
    listing_add_text(table, json_member(collection, SLICE("name")));
    add_state(table, json_member(collection, SLICE("state")));
    table_add(table, json_text(json_member(collection, SLICE("documents"))));
    table_add(table, slice_text(ctl_bytes(text, all_bytes(collection))));
    table_add(table, buffer_slice(&indexes));
    buffer_free(&indexes);
}

bool collection_each(const struct ctl *ctl, struct client *client, collection_visit *visit, void *argument)
{
    struct client_reply reply;
    struct buffer data = {0}, after = {0};
    bool more = true, good = true;
    while (more && good) {
        buffer_clear(&data);
        buffer_append_text(&data, "{\"after\":");
        buffer_append_slice(&data, after.length ? buffer_slice(&after) : SLICE("null"));
        buffer_append_byte(&data, '}');
        good = client_call(client, "dispatcher", "collections", buffer_slice(&data), &reply, CTL_TIMEOUT_MS);
        if (!good) {
            ctl_call_failed(ctl, client);
            break;
        }
        struct json_iterator each = json_begin(json_member(reply.data, SLICE("collections")));
        while (json_step(&each))
            visit(argument, each.value);
        struct json_value last = json_member(reply.data, SLICE("after"));
        more = json_type(last) == JSON_STRING;
        buffer_clear(&after);
        buffer_append_slice(&after, json_text(last));
    }
    buffer_free(&data);
    buffer_free(&after);
    return good;
}

static void print_collection(void *argument, struct json_value collection)
{
    (void)argument;
    listing_print_line(collection);
}

static int list_collections(const struct ctl *ctl, const struct words *words)
{
    static const char *const heads[] = {"NAME", "STATE", "DOCUMENTS", "SIZE", "INDEXES"};
    struct table table = {.columns = sizeof heads / sizeof *heads};
    struct client client = {0};
    bool as_json = words_has(words, WORDS_JSON);
    listing_add_heads(&table, heads, table.columns);
    bool good = ctl_connect_quiet(ctl, &client) &&
                collection_each(ctl, &client, as_json ? print_collection : add_collection_row, &table);
    if (good && !as_json)
        listing_print(&table);
    client_close(&client);
    table_free(&table);
    return good ? 0 : 1;
}

const struct ctl_command command_collections = {
    .name = "collections",
    .operands = "",
    .options = WORDS_BIT(WORDS_JSON),
    .help = "shows all collections that are stored, how large they are, their indexes, and which are not "
            "configured",
    .run = list_collections,
};
