/* What a client may send as a message, from its text to its parts. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "worker/rpc/message.h"
#include "worker/rpc/transaction.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* In one go, and in steps as small as there are: what is found is the same, and usable. */
static void look_for_tid(const struct json *json, struct buffer *scratch)
{
    struct json_salvage whole, steps;
    uint64_t units = UINT64_MAX;
    json_salvage_start(&whole, json, message_tid_name);
    while (!json_salvage_go_on(&whole, json, &units))
        units = UINT64_MAX;
    json_salvage_start(&steps, json, message_tid_name);
    do
        units = 1;
    while (!json_salvage_go_on(&steps, json, &units));
    struct slice found = json_salvage_value(&whole, json), again = json_salvage_value(&steps, json);
    if (found.data != again.data || found.length != again.length)
        abort();
    struct slice tid = message_salvaged_tid(json, &whole, scratch);
    if (tid.data && (tid.data < json->text || tid.data + tid.length > json->text + json->length))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct json json;
    static struct buffer scratch;
    struct message message;
    const char *fault = NULL;
    if (!json_parse(&json, (const char *)bytes, length)) {
        look_for_tid(&json, &scratch);
        return 0;
    }
    if (!message_read(&json, &scratch, &message, &fault)) {
        if (!fault)
            abort();
        return 0;
    }
    if (!message.tid.data || message.tid.length == 0)
        abort();
    if (!message.fault && (!message.method.data || message.once.length > ONCE_BYTES))
        abort();
    return 0;
}
