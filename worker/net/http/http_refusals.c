#include "worker/net/http/http_refusals.h"

const struct http_refusal http_refusal_malformed = {"400 Bad Request", "", ERROR_BAD_MESSAGE,
                                                    "The request is malformed"};
const struct http_refusal http_refusal_no_such_path = {
    "404 Not Found", "", ERROR_NOT_FOUND,
    "There is nothing here: WebSocket is at /ws, methods are at /api/COLLECTION/METHOD"};

static const struct http_refusal too_large = {"431 Request Header Fields Too Large", "", ERROR_TOO_LARGE,
                                              "The head of the request is larger than 8 KiB, or has more "
                                              "than 100 lines"};
static const struct http_refusal unknown_method = {"501 Not Implemented", "", ERROR_BAD_MESSAGE,
                                                   "The server does not know this method of HTTP"};
static const struct http_refusal unknown_version = {"505 HTTP Version Not Supported", "", ERROR_BAD_MESSAGE,
                                                    "The server speaks HTTP/1.1 and HTTP/1.0"};

const struct http_refusal *http_refusal_of(enum http_request_result result)
{
    switch (result) {
    case HTTP_REQUEST_TOO_LARGE:
        return &too_large;
    case HTTP_REQUEST_UNKNOWN_METHOD:
        return &unknown_method;
    case HTTP_REQUEST_UNKNOWN_VERSION:
        return &unknown_version;
    case HTTP_REQUEST_INCOMPLETE:
    case HTTP_REQUEST_MALFORMED:
    case HTTP_REQUEST_COMPLETE:
        break;
    }
    return &http_refusal_malformed;
}
