#include "worker/net/connection_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "worker/net/address_table.h"

void connection_network(const struct connection *connection, char network[CONNECTION_NETWORK])
{
    uint64_t key = address_table_key(connection->family, connection->address);
    network[0] = (char)connection->family;
    memcpy(network + 1, &key, sizeof key);
}

static char *put_number(char *out, unsigned number)
{
    char digits[5]; /* of 16 bits */
    unsigned count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0)
        *out++ = digits[--count];
    return out;
}

/* "192.0.2.1:4711", without inet_ntop(3), since every call's line in the log has it. */
static const char *address4(const struct connection *connection, char text[64])
{
    char *at = text;
    for (unsigned i = 0; i < 4; i++) {
        at = put_number(at, connection->address[i]);
        *at++ = i < 3 ? '.' : ':';
    }
    *put_number(at, connection->port) = '\0';
    return text;
}

const char *connection_address(const struct connection *connection, char text[64])
{
    char address[INET6_ADDRSTRLEN];
    if (connection->family == AF_INET)
        return address4(connection, text);
    if (connection->family == AF_UNIX ||
        !inet_ntop(connection->family, connection->address, address, sizeof address))
        return "local";
    snprintf(text, 64, "[%s]:%u", address, (unsigned)connection->port);
    return text;
}
