#include "worker/net/connection_half_read.h"

#include "worker/net/http/http.h"
#include "worker/net/network_state.h"

/*
 * Memory of what has come in part: messages, heads of requests and their contents. Who has not logged in may
 * send little at once, and all of them together may not make more of it than limits.strangers_bytes; those
 * who have, than half of limits.worker_calls_bytes. What comes over the control socket, where one message may
 * be more than that, is not among it: it would cut clients off.
 */

enum { NOTHING_MUCH = 1024 }; /* bytes that everybody may have, whatever others do */

/* Nobody has logged in here yet. Over HTTP that is not known before the request is whole. */
static bool is_strange(const struct connection *connection)
{
    return !connection->authorized && connection->kind != CONNECTION_CONTROL;
}

uint64_t connection_message_most(const struct connection *connection)
{
    const struct config_limits *limits = &connection->network->options.config->limits;
    uint64_t most = limits->message_bytes, strange = limits->stranger_message_bytes;
    if (connection->kind == CONNECTION_CONTROL) {
        uint64_t one = limits->document_bytes + CONTROL_MESSAGE; /* what was exported can be imported */
        return most * CONTROL_BOUNDS < one ? one : most * CONTROL_BOUNDS;
    }
    return is_strange(connection) && strange < most ? strange : most;
}

bool connection_may_have_more(const struct connection *connection, uint64_t bytes)
{
    const struct network *network = connection->network;
    bool logs_in = connection->ahead ||
                   (network->events.logs_in && network->events.logs_in(network->context, connection));
    return is_strange(connection) && logs_in && bytes <= network->options.config->limits.message_bytes;
}

size_t connection_kept_by_owner(const struct connection *connection)
{
    const struct network *network = connection->network;
    return connection->owner && network->events.keeps ? network->events.keeps(network->context, connection)
                                                      : 0;
}

static size_t held_bytes(const struct connection *connection)
{
    size_t bytes = frame_reader_bytes(connection->reader) + connection_kept_by_owner(connection);
    if (connection->head)
        bytes += connection->head->length;
    if (connection->http)
        bytes += http_content_bytes(connection);
    return bytes < UINT32_MAX ? bytes : UINT32_MAX;
}

void connection_uncount_half_read(struct connection *connection)
{
    struct network *network = connection->network;
    network->half_read -= connection->half_read;
    if (is_strange(connection))
        network->strangers_half_read -= connection->half_read;
    connection->half_read = 0;
}

void connection_recount_half_read(struct connection *connection)
{
    struct network *network = connection->network;
    connection_uncount_half_read(connection);
    if (connection->kind == CONNECTION_CONTROL)
        return;
    connection->half_read = (uint32_t)held_bytes(connection);
    network->half_read += connection->half_read;
    if (is_strange(connection))
        network->strangers_half_read += connection->half_read;
}

bool connection_count_half_read(struct connection *connection)
{
    const struct network *network = connection->network;
    uint32_t before = connection->half_read;
    connection_recount_half_read(connection);
    if (connection->half_read <= before || connection->half_read <= NOTHING_MUCH)
        return true;
    /* The other half is for calls. */
    const struct config_limits *limits = &network->options.config->limits;
    return is_strange(connection) ? network->strangers_half_read <= limits->strangers_bytes
                                  : network->half_read <= limits->worker_calls_bytes / 2;
}
