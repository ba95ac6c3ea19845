#include "worker/rpc/answer.h"

#include "worker/net/http/http.h"
#include "worker/rpc/transaction.h"
#include "worker/session/session.h"

/* The answer to a call over HTTP: what would be the data of its `fulfill`, with a status. */

struct status {
    const char *line, *more;
};

#define AGAIN "Retry-After: 1\r\n"

static struct status status_of(enum error_code code)
{
    switch (code) {
    case ERROR_NONE:
        return (struct status){"200 OK", ""};
    case ERROR_BAD_MESSAGE:
    case ERROR_INVALID:
        return (struct status){"400 Bad Request", ""};
    case ERROR_UNAUTHORIZED:
        return (struct status){"401 Unauthorized", "WWW-Authenticate: Bearer\r\n"};
    case ERROR_FORBIDDEN:
        return (struct status){"403 Forbidden", ""};
    case ERROR_UNKNOWN_COLLECTION:
    case ERROR_UNKNOWN_METHOD:
    case ERROR_NOT_FOUND:
        return (struct status){"404 Not Found", ""};
    case ERROR_EXISTS:
    case ERROR_CONFLICT:
    case ERROR_RESYNC_REQUIRED:
        return (struct status){"409 Conflict", ""};
    case ERROR_TOO_LARGE:
        return (struct status){"413 Content Too Large", ""};
    case ERROR_RATE_LIMITED:
        return (struct status){"429 Too Many Requests", "Retry-After: 60\r\n"};
    case ERROR_INTERNAL:
        return (struct status){"500 Internal Server Error", ""};
    case ERROR_BUSY:
    case ERROR_UNAVAILABLE:
        return (struct status){"503 Service Unavailable", AGAIN};
    case ERROR_TIMEOUT:
        return (struct status){"504 Gateway Timeout", ""};
    case ERROR_STORE_FULL:
        return (struct status){"507 Insufficient Storage", ""};
    }
    return (struct status){"500 Internal Server Error", ""};
}

static void http_respond_with(struct transaction *transaction, enum error_code code, struct slice content)
{
    struct status status = status_of(code);
    const struct http_response response = {.status = status.line,
                                           .more = status.more,
                                           .type = "application/json",
                                           .content = content,
                                           .token = code == ERROR_NONE ? transaction->cookie : NULL};
    http_respond(transaction->session->connection, &response);
}

static void http_progress(struct transaction *transaction, struct slice data, uint64_t after_seq)
{
    (void)transaction, (void)data, (void)after_seq; /* there is one answer */
}

static void http_success(struct transaction *transaction, struct slice data, uint64_t after_seq)
{
    (void)after_seq; /* changes do not go this way */
    http_respond_with(transaction, ERROR_NONE, data);
}

static void http_failure(struct transaction *transaction, enum error_code code, struct slice message,
                         struct slice members)
{
    struct buffer *reply = &transaction->worker->reply;
    buffer_clear(reply);
    answer_error_append(reply, code, message, members);
    http_respond_with(transaction, code, buffer_slice(reply));
    buffer_clear(reply);
}

/* A page of another origin, though it may call, could not call with it. */
static const char *http_cookie_fault(const struct transaction *transaction)
{
    return http_takes_cookie(transaction->session->connection)
               ? NULL
               : "only for a page of the server's own origin; use the token";
}

const struct answer_way answer_http = {
    .lasting = false,
    .progress = http_progress,
    .success = http_success,
    .failure = http_failure,
    .cookie_fault = http_cookie_fault,
};
