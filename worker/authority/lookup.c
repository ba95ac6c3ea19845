#include "worker/authority/lookup.h"

#include "shared/base/log.h"
#include "shared/store/store_search.h"

static struct json_query *compile_lookup(const char *field, struct slice value)
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

bool lookup(struct worker *worker, unsigned collection, const char *field, struct slice value,
            lookup_found *found, void *argument)
{
    struct json_query *query = compile_lookup(field, value);
    struct store_search *search = store_search_start(worker->store, collection, query);
    struct json document = {0};
    struct slice id;
    struct store_record record;
    enum store_step result = STORE_STEP;
    bool more = true;
    store_search_resume(worker->store, search);
    while (more && result == STORE_STEP) {
        uint64_t units = UINT64_MAX;
        result = store_search_some(search, &id, &record, &units);
        work_charge(&worker->work, units);
        if (result == STORE_STEP && !store_record_parse(worker->store, collection, id, &record, &document))
            result = STORE_FAILED;
        if (result == STORE_STEP)
            work_charge(&worker->work, work_parsed(record.full.length, document.count));
        if (result == STORE_STEP && json_query_matches(query, json_root(&document)))
            more = found(argument, id, json_root(&document), record.version);
    }
    store_search_pause(search);
    store_search_free(search);
    json_free(&document);
    json_query_free(query);
    return result != STORE_FAILED;
}
