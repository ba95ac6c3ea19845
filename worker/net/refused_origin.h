#ifndef WORKER_NET_REFUSED_ORIGIN_H
#define WORKER_NET_REFUSED_ORIGIN_H

#include "worker/net/connection.h"
#include "worker/net/http/http_request.h"

/** A request was refused because of its Origin: a line at notice that says which, and what to add to the
 * configuration. So many in a minute at most; those beyond are counted, and the next line says so. */
void refused_origin_log(struct connection *connection, const struct http_request *request);

#endif
