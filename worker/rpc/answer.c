#include "worker/rpc/answer.h"

#include "shared/json/json.h"

void answer_error_append(struct buffer *out, enum error_code code, struct slice message, struct slice members)
{
    buffer_append_slice(out, SLICE("{\"warning\":true,\"code\":\""));
    buffer_append_text(out, error_code_name(code));
    buffer_append_slice(out, SLICE("\",\"message\":"));
    json_append_string(out, message);
    if (members.length)
        buffer_append_byte(out, ',');
    buffer_append_slice(out, members);
    buffer_append_byte(out, '}');
}
