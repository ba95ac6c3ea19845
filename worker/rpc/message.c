#include "worker/rpc/message.h"

#include "worker/rpc/transaction.h"

const char message_tid_name[] = "tid";

/* As JSON text, which comes back in every answer: each character may be written as an escape of six bytes; and
 * no number needs more than that. */
enum { TID_TEXT_MOST = 6 * TID_BYTES + 2 };

/* An integer of 64 bits as JSON writes it, or a string of at most TID_BYTES characters (in bytes). */
static bool tid_usable(struct json_value tid, struct buffer *scratch)
{
    int64_t integer;
    if (json_text(tid).length > TID_TEXT_MOST)
        return false;
    if (json_type(tid) == JSON_NUMBER)
        return json_integer(tid, &integer);
    if (json_type(tid) != JSON_STRING)
        return false;
    size_t before = scratch->length;
    bool usable = json_string(tid, scratch).length <= TID_BYTES;
    buffer_shorten(scratch, before);
    return usable;
}

/* Unescaped names are put one after the other in @scratch, which has the room beforehand, so none of them
 * moves. */
static struct slice message_name(struct json_value value, struct buffer *scratch)
{
    return json_string(value, scratch);
}

bool message_read(const struct json *json, struct buffer *scratch, struct message *message,
                  const char **fault)
{
    *message = (struct message){0};
    struct json_value root = json_root(json);
    if (json_type(root) != JSON_OBJECT) {
        *fault = "A message must be a JSON object";
        return false;
    }
    struct json_value tid = {0}, collection = {0}, method = {0}, once = {0};
    struct json_iterator each = json_begin(root);
    while (json_step(&each)) {
        if (json_string_is(each.key, slice_text(message_tid_name)))
            tid = each.value;
        else if (json_string_is(each.key, SLICE("methodName")))
            method = each.value;
        else if (json_string_is(each.key, SLICE("collectionName")))
            collection = each.value;
        else if (json_string_is(each.key, SLICE("data")))
            message->data = each.value;
        else if (json_string_is(each.key, SLICE("once")))
            once = each.value;
    }
    buffer_clear(scratch);
    buffer_reserve(scratch, json->length);
    if (!tid_usable(tid, scratch)) {
        *fault = "tid: expected an integer or a string of up to 128 bytes";
        return false;
    }
    message->tid = json_text(tid);
    message->method = message_name(method, scratch);
    message->collection = message_name(collection, scratch);
    message->once = message_name(once, scratch);
    if (!message->method.data)
        message->fault = "methodName: expected a string";
    else if (json_type(collection) > JSON_NULL && !message->collection.data)
        message->fault = "collectionName: expected a string or null";
    else if (json_type(once) > JSON_NULL &&
             (!message->once.data || message->once.length > ONCE_BYTES || message->once.length == 0))
        message->fault = "once: expected a string of 1 to 128 bytes";
    return true;
}

struct slice message_salvaged_tid(const struct json *json, const struct json_salvage *salvage,
                                  struct buffer *scratch)
{
    struct slice text = json_salvage_value(salvage, json);
    struct json tid = {0};
    bool usable = text.data && text.length <= TID_TEXT_MOST && json_parse(&tid, text.data, text.length) &&
                  tid_usable(json_root(&tid), scratch);
    json_free(&tid);
    return usable ? text : (struct slice){0};
}

bool message_keep(struct worker *worker, struct message_kept *kept)
{
    if (!worker->message_text)
        return false;
    *kept = (struct message_kept){.json = worker->message, .text = *worker->message_text};
    worker->message = (struct json){0};
    *worker->message_text = (struct buffer){0};
    worker->message_text = NULL;
    return true;
}

size_t message_kept_bytes(const struct message_kept *kept)
{
    return kept->json.capacity * sizeof *kept->json.nodes + kept->text.capacity;
}

void message_kept_free(struct message_kept *kept)
{
    json_free(&kept->json);
    buffer_free(&kept->text);
}
