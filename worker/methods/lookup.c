#include "worker/methods/lookup.h"

#include "shared/log.h"

static struct json_query *compile(const char *field, struct slice value)
{
    struct buffer text = {0};
    struct json json = {0};
    char message[JSON_QUERY_MESSAGE];
    buffer_append_format(&text, "{\"%s\":", field);
    json_append_string(&text, value);
    buffer_append_byte(&text, '}');
    struct json_query *query =
        json_parse(&json, text.data, text.length) ? json_query_compile(json_root(&json), message) : NULL;
    if (!query)
        log_fatal("the query %.*s is wrong", (int)text.length, text.data);
    json_free(&json);
    buffer_free(&text);
    return query;
}

void lookup(struct worker *worker, unsigned collection, const char *field, struct slice value,
            lookup_found *found, void *argument)
{
    struct json_query *query = compile(field, value);
    struct store_search *search = store_search_start(worker->store, collection, query);
    struct json document = {0};
    struct slice id;
    struct store_record record;
    bool more = true;
    store_search_resume(worker->store, search);
    while (more && store_search_step(search, &id, &record) == STORE_STEP)
        if (json_parse(&document, record.full.data, record.full.length) &&
            json_query_matches(query, json_root(&document)))
            more = found(argument, id, json_root(&document), record.version);
    store_search_pause(search);
    store_search_free(search);
    json_free(&document);
    json_query_free(query);
}
