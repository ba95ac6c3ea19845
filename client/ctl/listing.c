#include "client/ctl/listing.h"

enum { PAGE = 500 };

struct walk {
    const struct listing *listing;
    struct table *table; /* NULL: lines of JSON are printed */
    struct client client;
    struct buffer after; /* the id of the last document, as JSON; empty: none yet */
};

static void compose_page(struct buffer *data, const struct buffer *after)
{
    buffer_clear(data);
    buffer_append_format(data, "{\"limit\":%d", PAGE);
    if (after->length) {
        buffer_append_text(data, ",\"query\":{\"_id\":{\"$gt\":");
        buffer_append_slice(data, buffer_slice(after));
        buffer_append_text(data, "}}");
    }
    buffer_append_byte(data, '}');
}

/* False: it was said what failed. *@more: whether there are other pages. */
static bool take_page(struct walk *walk, struct json_value answer, bool *more)
{
    const struct listing *listing = walk->listing;
    struct json_value documents = json_member(answer, SLICE("documents"));
    bool some = json_count(documents) > 0;
    if (walk->table && listing->prepare && !listing->prepare(listing->context, documents))
        return false;
    struct json_iterator each = json_begin(documents);
    while (json_step(&each)) {
        if (walk->table)
            listing->add_row(listing->context, walk->table, each.value);
        else
            listing_print_line(each.value);
        buffer_clear(&walk->after);
        buffer_append_slice(&walk->after, json_text(json_member(each.value, SLICE("_id"))));
    }
    *more = some && json_boolean(json_member(answer, SLICE("more")), more) && *more;
    return true;
}

static int take_all_pages(const struct ctl *ctl, struct walk *walk)
{
    struct client_reply reply;
    struct buffer data = {0};
    int status = ctl_connect_quiet(ctl, &walk->client) ? 0 : 1;
    bool more = status == 0;
    while (more) {
        compose_page(&data, &walk->after);
        if (!client_call(&walk->client, walk->listing->collection, "find", buffer_slice(&data), &reply,
                         CTL_TIMEOUT_MS)) {
            status = ctl_call_failed(ctl, &walk->client);
            break;
        }
        if (!take_page(walk, reply.data, &more)) {
            status = 1;
            break;
        }
    }
    client_close(&walk->client);
    buffer_free(&walk->after);
    buffer_free(&data);
    return status;
}

int listing_show(const struct ctl *ctl, const struct listing *listing, const struct words *words)
{
    struct table table = {.columns = listing->columns};
    struct walk walk = {.listing = listing, .table = words_has(words, WORDS_JSON) ? NULL : &table};
    listing_add_heads(&table, listing->heads, listing->columns);
    int status = take_all_pages(ctl, &walk);
    if (status == 0 && walk.table)
        listing_print(&table);
    table_free(&table);
    return status;
}

void listing_add_text(struct table *table, struct json_value value)
{
    struct buffer scratch = {0};
    table_add(table, json_string(value, &scratch));
    buffer_free(&scratch);
}

void listing_append_name(struct buffer *out, struct slice name)
{
    if (out->length)
        buffer_append_byte(out, ',');
    buffer_append_slice(out, name);
}

void listing_add_heads(struct table *table, const char *const *heads, size_t count)
{
    for (size_t i = 0; i < count; i++)
        table_add(table, slice_text(heads[i]));
}

void listing_print(const struct table *table)
{
    struct buffer out = {0};
    table_append(table, &out);
    ctl_print(buffer_slice(&out));
    buffer_free(&out);
}

void listing_print_line(struct json_value value)
{
    ctl_print(json_text(value));
    ctl_print(SLICE("\n"));
}
