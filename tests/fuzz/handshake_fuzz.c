/* What a client may send before it speaks WebSocket. The answer does not depend on how the bytes came. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "worker/net/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_accepted(const struct handshake *handshake, size_t used, size_t length)
{
    if (used == 0 || used > length || used > HTTP_HEAD_MOST)
        abort();
    if (!memchr(handshake->token, '\0', sizeof handshake->token) ||
        !memchr(handshake->browser, '\0', sizeof handshake->browser))
        abort();
}

/* The same but for the time. */
static bool is_same(const struct buffer *a, const struct buffer *b)
{
    static const char name[] = "\r\nDate: ";
    enum { DATE = sizeof name - 1 + 29 };
    const char *date = memmem(a->data, a->length, name, sizeof name - 1);
    if (!date || a->length != b->length)
        return false;
    size_t before = (size_t)(date - a->data), behind = before + DATE;
    return memcmp(a->data, b->data, before) == 0 &&
           memcmp(a->data + behind, b->data + behind, a->length - behind) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static char *const origins[] = {"https://allowed.example"};
    const struct handshake_options options = {.origins = origins, .origin_count = 1};
    static struct buffer whole, pieces;
    struct handshake handshake;
    size_t used, cut = length ? bytes[0] % (length + 1) : 0;
    buffer_clear(&whole);
    buffer_clear(&pieces);
    struct slice text = slice_of((const char *)bytes, length);
    enum handshake_result result = handshake_parse(&options, text, &used, &handshake, &whole);
    if ((result == HANDSHAKE_INCOMPLETE) != (whole.length == 0))
        abort();
    if (result == HANDSHAKE_ACCEPTED)
        check_accepted(&handshake, used, length);
    else if (used != 0)
        abort();

    enum handshake_result early =
        handshake_parse(&options, slice_of(text.data, cut), &used, &handshake, &pieces);
    if (early != HANDSHAKE_INCOMPLETE && (early != result || !is_same(&whole, &pieces)))
        abort();
    return 0;
}
