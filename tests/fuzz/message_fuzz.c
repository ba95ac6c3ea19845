/* What a client may send as a message, from its text to its parts. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "worker/rpc/message.h"
#include "worker/rpc/transaction.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct json json;
    static struct buffer scratch;
    struct message message;
    const char *fault = NULL;
    if (!json_parse(&json, (const char *)bytes, length))
        return 0;
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
