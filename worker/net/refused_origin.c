#include "worker/net/refused_origin.h"

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "worker/net/connection_address.h"
#include "worker/net/http/http_origin.h"
#include "worker/net/network_state.h"

enum { LINES_MOST = 10, IN_MS = 60000, SHOWN_MOST = 300 /* bytes of a name */ };

/* Whether a line may be written now. */
static bool may_say(struct network *network)
{
    struct refused_origins *said = &network->refused_origins;
    uint64_t now = clock_monotonic_ms();
    if (said->lines == 0 || now - said->since_ms >= IN_MS) {
        said->since_ms = now;
        said->lines = 0;
    }
    if (said->lines < LINES_MOST) {
        said->lines++;
        return true;
    }
    said->unsaid++;
    return false;
}

/* What administrators trip over. */
static const char *hint_at(struct slice origin, const struct http_request *request)
{
    if (slice_equal(origin, SLICE("null")))
        return " (so browsers say of pages from a file or in a sandbox, whosever they are)";
    if (http_origin_is_loopback(origin))
        return " (localhost, 127.0.0.1 and [::1] are different origins, and so are two ports)";
    if (http_request_scheme(request) != HTTP_SCHEME_UNKNOWN)
        return " (a proxy must pass Host on, and say in X-Forwarded-Proto what browsers use)";
    return " (a proxy must pass Host on)";
}

static void append_advice(struct buffer *line, struct slice origin, const struct http_request *request)
{
    struct slice host = request->host.length ? request->host : SLICE("(unknown)");
    int shown = host.length < SHOWN_MOST ? (int)host.length : SHOWN_MOST;
    buffer_append_format(line,
                         " of the origin %.*s, which is not that of the server, %.*s: to let such pages in, "
                         "add \"%.*s\" to \"origins\" in the configuration%s",
                         (int)origin.length, origin.data, shown, host.data, (int)origin.length, origin.data,
                         hint_at(origin, request));
}

void refused_origin_log(struct connection *connection, const struct http_request *request)
{
    struct network *network = connection->network;
    struct buffer line = {0};
    struct slice origin;
    char address[64];
    (void)http_origin_of(request, NULL, 0, &origin);
    if (!log_wants(LOG_LEVEL_NOTICE) || !may_say(network))
        return;
    buffer_append_format(&line, "%s: refused a page", connection_address(connection, address));
    if (origin.length <= SHOWN_MOST && http_origin_is_plausible(origin))
        append_advice(&line, origin, request);
    else
        buffer_append_text(&line, " whose Origin is malformed");
    if (network->refused_origins.unsaid > 0)
        buffer_append_format(&line, "; %llu more were refused before",
                             (unsigned long long)network->refused_origins.unsaid);
    network->refused_origins.unsaid = 0;
    log_text(LOG_LEVEL_NOTICE, buffer_slice(&line));
    buffer_free(&line);
}
