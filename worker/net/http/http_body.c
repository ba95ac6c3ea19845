#include "worker/net/http/http_body.h"

#include "worker/net/http/http_text.h"

enum body_state {
    BODY_LENGTH,       /* content of a known length */
    CHUNK_SIZE,        /* in the digits of a chunk's size */
    CHUNK_EXTENSION,   /* behind them */
    CHUNK_SIZE_FEED,   /* the CR of that line has come */
    CHUNK_DATA,        /* content */
    CHUNK_DATA_RETURN, /* the CRLF behind it */
    CHUNK_DATA_FEED,
    TRAILER_START, /* behind the last chunk: a trailer or the empty line */
    TRAILER,
    TRAILER_FEED,
    LAST_FEED, /* of the empty line */
    BODY_DONE,
};

bool http_body_start(struct http_body *body, enum http_framing framing, uint64_t length, uint64_t most)
{
    bool chunked = framing == HTTP_FRAMING_CHUNKED;
    *body = (struct http_body){.left = length, .room = most, .state = chunked ? CHUNK_SIZE : BODY_LENGTH};
    return chunked || length <= most;
}

static int digit_value(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    char lower = (char)(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static enum http_body_result http_body_go_to(struct http_body *body, enum body_state state)
{
    body->state = (uint8_t)state;
    return HTTP_BODY_MORE;
}

static enum http_body_result size_byte(struct http_body *body, char byte)
{
    int value = digit_value(byte);
    if (value >= 0) {
        if (body->digits < UINT8_MAX)
            body->digits++;
        body->left = body->left * 16 + (uint64_t)value;
        return body->left > body->room ? HTTP_BODY_TOO_LARGE : HTTP_BODY_MORE; /* so it does not overflow */
    }
    if (body->digits == 0)
        return HTTP_BODY_MALFORMED;
    if (byte == '\r')
        return http_body_go_to(body, CHUNK_SIZE_FEED);
    return byte == ';' || byte == ' ' || byte == '\t' ? http_body_go_to(body, CHUNK_EXTENSION)
                                                      : HTTP_BODY_MALFORMED;
}

/* Bytes of an extension, or of a trailer behind its first. */
static bool is_text(char byte)
{
    return byte == '\t' || ((unsigned char)byte >= 0x20 && byte != 0x7F);
}

static enum http_body_result feed_byte(struct http_body *body, char byte, enum body_state next)
{
    return byte == '\n' ? http_body_go_to(body, next) : HTTP_BODY_MALFORMED;
}

/* A byte of what is around the content. */
static enum http_body_result line_byte(struct http_body *body, char byte)
{
    switch ((enum body_state)body->state) {
    case CHUNK_SIZE:
        return size_byte(body, byte);
    case CHUNK_EXTENSION:
        if (byte == '\r')
            return http_body_go_to(body, CHUNK_SIZE_FEED);
        return is_text(byte) ? HTTP_BODY_MORE : HTTP_BODY_MALFORMED;
    case CHUNK_SIZE_FEED:
        body->line = 0;
        return feed_byte(body, byte, body->left ? CHUNK_DATA : TRAILER_START);
    case CHUNK_DATA_RETURN:
        return byte == '\r' ? http_body_go_to(body, CHUNK_DATA_FEED) : HTTP_BODY_MALFORMED;
    case CHUNK_DATA_FEED:
        body->line = 0;
        body->digits = 0;
        return feed_byte(body, byte, CHUNK_SIZE);
    case TRAILER_START:
        if (byte == '\r')
            return http_body_go_to(body, LAST_FEED);
        return http_is_token(slice_of(&byte, 1)) ? http_body_go_to(body, TRAILER) : HTTP_BODY_MALFORMED;
    case TRAILER:
        if (byte == '\r')
            return http_body_go_to(body, TRAILER_FEED);
        return is_text(byte) ? HTTP_BODY_MORE : HTTP_BODY_MALFORMED;
    case TRAILER_FEED:
        return feed_byte(body, byte, TRAILER_START);
    case LAST_FEED:
        return feed_byte(body, byte, BODY_DONE) == HTTP_BODY_MORE ? HTTP_BODY_END : HTTP_BODY_MALFORMED;
    case BODY_LENGTH:
    case CHUNK_DATA:
    case BODY_DONE:
        break;
    }
    return HTTP_BODY_MALFORMED;
}

static bool line_is_too_long(const struct http_body *body)
{
    bool trailers = body->state == TRAILER_START || body->state == TRAILER || body->state == TRAILER_FEED;
    return body->line > (trailers ? (uint32_t)HTTP_TRAILERS_MOST : (uint32_t)HTTP_CHUNK_LINE_MOST);
}

static size_t take_content(struct http_body *body, struct slice bytes, struct buffer *content)
{
    size_t length = body->left < bytes.length ? (size_t)body->left : bytes.length;
    buffer_append(content, bytes.data, length);
    body->left -= length;
    body->room -= length;
    return length;
}

enum http_body_result http_body_feed(struct http_body *body, struct slice bytes, size_t *used,
                                     struct buffer *content)
{
    size_t at = 0;
    enum http_body_result result = HTTP_BODY_MORE;
    while (result == HTTP_BODY_MORE) {
        struct slice rest = slice_of(bytes.data + at, bytes.length - at);
        if (body->state == BODY_LENGTH) {
            at += take_content(body, rest, content);
            result = body->left ? HTTP_BODY_MORE : HTTP_BODY_END;
            if (result == HTTP_BODY_END)
                body->state = BODY_DONE;
            break;
        }
        if (rest.length == 0)
            break;
        if (body->state == CHUNK_DATA) {
            at += take_content(body, rest, content);
            if (body->left == 0)
                body->state = CHUNK_DATA_RETURN;
            continue;
        }
        body->line++;
        result = line_byte(body, rest.data[0]);
        at++;
        if (result == HTTP_BODY_MORE && line_is_too_long(body))
            result = HTTP_BODY_MALFORMED;
    }
    *used = at;
    return result;
}
