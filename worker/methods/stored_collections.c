/* dispatcher.collections, remove_collection: for dispatchctl, over the control socket only. What is stored is
 * listed whether it is configured or not; what is configured no more is removed piece by piece. */

#include "shared/base/memory.h"
#include "shared/store/holdings.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"

/* Databases looked at for one call: the next one goes on. */
enum { LOOKS_MOST = 256, LOOK_WORK = 4 * WORK_LOOKUP };

/* ---- collections ---- */

struct inventory {
    struct worker *worker;
    struct buffer *out;
    unsigned looks;
    bool first;
};

static const char *state_of(const struct config_collection *collection)
{
    if (!collection)
        return "not_configured";
    if (collection->internal)
        return "internal";
    return collection->builtin ? "built_in" : "configured";
}

static bool is_unique(const struct config_collection *collection, const char *field)
{
    for (size_t i = 0; collection && i < collection->unique_count; i++)
        if (strcmp(collection->unique[i], field) == 0)
            return true;
    return false;
}

static void append_index(struct inventory *inventory, const struct config_collection *collection,
                         const struct store_holding *index, bool first)
{
    struct buffer *out = inventory->out;
    buffer_append_text(out, first ? "{\"field\":" : ",{\"field\":");
    json_append_string(out, slice_text(index->field));
    buffer_append_format(out, ",\"unique\":%s,\"entries\":%llu,\"bytes\":%llu}",
                         is_unique(collection, index->field) ? "true" : "false",
                         (unsigned long long)index->entries, (unsigned long long)index->bytes);
}

static void look(struct inventory *inventory)
{
    inventory->looks++;
    work_charge(&inventory->worker->work, LOOK_WORK);
}

/* False: the store cannot be read. */
static bool append_collection(struct inventory *inventory, const struct store_holding *holding)
{
    struct buffer *out = inventory->out;
    const struct config_collection *collection =
        config_collection(inventory->worker->config, slice_text(holding->name));
    struct store_holding index = *holding;
    enum store_step step;
    buffer_append_text(out, inventory->first ? "{\"name\":" : ",{\"name\":");
    inventory->first = false;
    json_append_string(out, slice_text(holding->name));
    buffer_append_format(out, ",\"state\":\"%s\",\"documents\":%llu,\"bytes\":%llu,\"indexes\":[",
                         state_of(collection), (unsigned long long)holding->entries,
                         (unsigned long long)holding->bytes);
    for (bool first = true; (step = store_holding_next_index(inventory->worker->store, &index)) == STORE_STEP;
         first = false) {
        look(inventory);
        append_index(inventory, collection, &index, first);
    }
    buffer_append_text(out, "]}");
    return step == STORE_END;
}

static enum store_step append_collections(struct inventory *inventory, struct store_holding *holding)
{
    enum store_step step = STORE_STEP;
    while (inventory->looks < LOOKS_MOST &&
           (step = store_holding_next(inventory->worker->store, holding)) == STORE_STEP) {
        look(inventory);
        if (!append_collection(inventory, holding))
            return STORE_FAILED;
    }
    return step;
}

static void list_collections(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"after"};
    struct json_value given = json_member(data, SLICE("after"));
    struct buffer out = {0};
    struct inventory inventory = {.worker = transaction->worker, .out = &out, .first = true};
    struct store_holding holding = {0};
    struct slice after = SLICE("");
    if (!params_object(transaction, data, keys) ||
        (json_type(given) > JSON_NULL && !params_text(transaction, given, "after", 1, COLLECTION_NAME_BYTES,
                                                      &transaction->worker->scratch, &after)))
        return;
    memcpy(holding.name, after.data, after.length);
    buffer_append_text(&out, "{\"collections\":[");
    enum store_step step = append_collections(&inventory, &holding);
    buffer_append_text(&out, "],\"after\":");
    if (step == STORE_STEP)
        json_append_string(&out, slice_text(holding.name));
    else
        buffer_append_text(&out, "null");
    buffer_append_byte(&out, '}');
    if (step == STORE_FAILED)
        transaction_fail_unreadable(transaction, NULL);
    else
        transaction_fulfill(transaction, buffer_slice(&out), 0);
    buffer_free(&out);
}

/* ---- remove_collection ---- */

/* One piece: the answer says how many documents it was, and whether there are more. */
static void remove_collection(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"name"};
    struct buffer set = {0};
    struct slice name;
    if (!params_object(transaction, data, keys) ||
        !params_text(transaction, json_member(data, SLICE("name")), "name", 1, COLLECTION_NAME_BYTES,
                     &transaction->worker->scratch, &name))
        return;
    struct change change = {.operation = CHANGE_CLEAR, .version = CHANGE_ANY_VERSION, .collection = name};
    transaction_begin_step(transaction, &set);
    change_set_add(&set, &change);
    transaction_commit(transaction, &set);
    buffer_free(&set);
}

static const struct method methods[] = {
    {"collections", ACCESS_CONTROL, list_collections, UNDECLARED},
    {"remove_collection", ACCESS_CONTROL, remove_collection, UNDECLARED},
};

const struct method_table stored_collection_methods = {methods, sizeof methods / sizeof *methods};
