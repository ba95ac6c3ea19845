#include "client/c/ws_target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

bool ws_target_control(struct ws_target *target, const char *path, char message[WS_TARGET_MESSAGE])
{
    struct sockaddr_un *address = (struct sockaddr_un *)&target->address;
    memset(target, 0, sizeof *target);
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof address->sun_path) {
        snprintf(message, WS_TARGET_MESSAGE, "%.80s: a socket's path has 1 to %zu bytes", path,
                 sizeof address->sun_path - 1);
        return false;
    }
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length + 1);
    target->address_length = (socklen_t)sizeof *address;
    target->control = true;
    snprintf(target->host, sizeof target->host, "local");
    snprintf(target->resource, sizeof target->resource, "/ws");
    return true;
}

/* Splits "HOST:PORT", "[V6]:PORT" or "HOST"; the port is 80 when absent, as for any ws:// address. */
static bool split_authority(const char *authority, size_t length, char host[WS_TARGET_HOST], char port[8])
{
    const char *end = authority + length;
    const char *host_end = end, *host_start = authority;
    const char *colon = NULL;
    if (length > 0 && *authority == '[') {
        host_start++;
        host_end = memchr(host_start, ']', length - 1);
        if (!host_end)
            return false;
        if (host_end + 1 < end && host_end[1] == ':')
            colon = host_end + 1;
        else if (host_end + 1 != end)
            return false;
    } else if ((colon = memchr(authority, ':', length))) {
        host_end = colon;
    }
    size_t host_length = (size_t)(host_end - host_start);
    if (host_length == 0 || host_length >= WS_TARGET_HOST)
        return false;
    memcpy(host, host_start, host_length);
    host[host_length] = 0;
    size_t port_length = colon ? (size_t)(end - colon - 1) : 2;
    if (port_length == 0 || port_length > 5)
        return false;
    memcpy(port, colon ? colon + 1 : "80", port_length);
    port[port_length] = 0;
    return strspn(port, "0123456789") == port_length;
}

bool ws_target_parse(struct ws_target *target, const char *url, char message[WS_TARGET_MESSAGE])
{
    if (strncmp(url, "unix:", 5) == 0)
        return ws_target_control(target, url + 5, message);
    memset(target, 0, sizeof *target);
    const char *authority = strncmp(url, "ws://", 5) == 0 ? url + 5 : url;
    size_t length = strcspn(authority, "/?");
    const char *resource = authority + length;
    char host[WS_TARGET_HOST], port[8];
    if (strncmp(url, "wss://", 6) == 0 || !split_authority(authority, length, host, port) ||
        length >= sizeof target->host || strlen(resource) + 2 > sizeof target->resource) {
        snprintf(message, WS_TARGET_MESSAGE, "%.100s: expected ws://HOST:PORT/PATH or unix:PATH", url);
        return false;
    }
    memcpy(target->host, authority, length);
    target->host[length] = 0;
    snprintf(target->resource, sizeof target->resource, "%s%s", *resource == '?' ? "/" : "",
             *resource ? resource : "/ws");
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int problem = getaddrinfo(host, port, &hints, &found);
    if (problem) {
        snprintf(message, WS_TARGET_MESSAGE, "%.80s: %s", host, gai_strerror(problem));
        return false;
    }
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->address_length = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static bool is_loopback_v4(const struct ws_target *target)
{
    const struct sockaddr_in *address = (const struct sockaddr_in *)&target->address;
    return target->address.ss_family == AF_INET && ntohl(address->sin_addr.s_addr) >> 24 == 127;
}

int ws_target_connect(const struct ws_target *target, unsigned source)
{
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (!target->control) {
        int on = 1;
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
            goto failed;
        if (source > 0 && source < 255 && is_loopback_v4(target)) {
            struct sockaddr_in from = {.sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl((UINT32_C(127) << 24) | source)};
            if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0 ||
                bind(fd, (struct sockaddr *)&from, sizeof from) < 0)
                goto failed;
        }
    }
    if (connect(fd, (const struct sockaddr *)&target->address, target->address_length) == 0 ||
        errno == EINPROGRESS)
        return fd;
failed:;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}
