#ifndef SHARED_BASE_ERROR_CODE_H
#define SHARED_BASE_ERROR_CODE_H

/** The error codes of the wire protocol, dispatchd-protocol(7); ERROR_NONE is success. Used inside as
 * well. */
enum error_code {
    ERROR_NONE,
    ERROR_BAD_MESSAGE,
    ERROR_UNKNOWN_COLLECTION,
    ERROR_UNKNOWN_METHOD,
    ERROR_UNAUTHORIZED,
    ERROR_FORBIDDEN,
    ERROR_INVALID,
    ERROR_NOT_FOUND,
    ERROR_EXISTS,
    ERROR_CONFLICT,
    ERROR_TOO_LARGE,
    ERROR_RATE_LIMITED,
    ERROR_BUSY,
    ERROR_STORE_FULL,
    ERROR_RESYNC_REQUIRED,
    ERROR_TIMEOUT,
    ERROR_UNAVAILABLE,
    ERROR_INTERNAL,
};

/** The code's name on the wire, "not_found" for ERROR_NOT_FOUND; "none" for ERROR_NONE. */
const char *error_code_name(enum error_code code);

#endif
