#include "shared/base/error_code.h"

const char *error_code_name(enum error_code code)
{
    switch (code) {
    case ERROR_NONE:
        return "none";
    case ERROR_BAD_MESSAGE:
        return "bad_message";
    case ERROR_UNKNOWN_COLLECTION:
        return "unknown_collection";
    case ERROR_UNKNOWN_METHOD:
        return "unknown_method";
    case ERROR_UNAUTHORIZED:
        return "unauthorized";
    case ERROR_FORBIDDEN:
        return "forbidden";
    case ERROR_INVALID:
        return "invalid";
    case ERROR_NOT_FOUND:
        return "not_found";
    case ERROR_EXISTS:
        return "exists";
    case ERROR_CONFLICT:
        return "conflict";
    case ERROR_TOO_LARGE:
        return "too_large";
    case ERROR_RATE_LIMITED:
        return "rate_limited";
    case ERROR_BUSY:
        return "busy";
    case ERROR_STORE_FULL:
        return "store_full";
    case ERROR_RESYNC_REQUIRED:
        return "resync_required";
    case ERROR_TIMEOUT:
        return "timeout";
    case ERROR_UNAVAILABLE:
        return "unavailable";
    case ERROR_INTERNAL:
        return "internal";
    }
    return "internal";
}
