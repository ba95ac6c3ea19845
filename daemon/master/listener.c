#include "daemon/master/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOST_BYTES = 256, PORT_BYTES = 8 };

static bool copy_part(char *out, size_t capacity, const char *from, size_t length)
{
    if (length >= capacity)
        return false;
    memcpy(out, from, length);
    out[length] = '\0';
    return true;
}

bool listener_split(const char *text, char *host, size_t host_bytes, char *port, size_t port_bytes)
{
    const char *colon = strrchr(text, ':');
    if (!colon)
        return false;
    size_t length = (size_t)(colon - text);
    bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';
    const char *begin = bracketed ? text + 1 : text;
    length -= bracketed ? 2 : 0;
    if (!bracketed && memchr(text, ':', length)) /* an IPv6 address without brackets */
        return false;
    size_t digits = strspn(colon + 1, "0123456789");
    if (length == 0 || digits == 0 || digits > 5 || colon[1 + digits] != '\0')
        return false;
    if (length == 1 && *begin == '*')
        length = 0;
    return copy_part(host, host_bytes, begin, length) && copy_part(port, port_bytes, colon + 1, digits);
}

static bool name_socket(struct listener *listener)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    char host[NI_MAXHOST];
    char port[PORT_BYTES];
    if (getsockname(listener->fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return false;
    snprintf(listener->name, sizeof listener->name, address.ss_family == AF_INET6 ? "[%.54s]:%s" : "%.54s:%s",
             host, port);
    return true;
}

static bool bind_one(struct listener *listener, const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    int on = 1;
    listener->fd = fd;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (address->ai_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0 && name_socket(listener))
        return true;
    int saved = errno;
    close(fd);
    errno = saved;
    return false;
}

static bool bind_text(struct listeners *listeners, const char *text, char *message)
{
    char host[HOST_BYTES];
    char port[PORT_BYTES];
    if (!listener_split(text, host, sizeof host, port, sizeof port)) {
        snprintf(message, LISTENER_MESSAGE, "listen: %.200s: expected ADDRESS:PORT or [IPV6]:PORT", text);
        return false;
    }
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    int failure = getaddrinfo(host[0] ? host : NULL, port, &hints, &addresses);
    if (failure != 0) {
        snprintf(message, LISTENER_MESSAGE, "listen: %.200s: %s", text, gai_strerror(failure));
        return false;
    }
    bool good = true;
    for (struct addrinfo *each = addresses; good && each; each = each->ai_next) {
        /* A host without IPv6 has no such socket: "*" then means IPv4. */
        errno = EMFILE;
        good = listeners->count < LISTENER_MOST && bind_one(&listeners->items[listeners->count], each);
        if (good)
            listeners->count++;
        else if (errno == EAFNOSUPPORT && (each != addresses || each->ai_next))
            good = true;
    }
    if (!good)
        snprintf(message, LISTENER_MESSAGE, "listen: %.200s: %s", text,
                 listeners->count < LISTENER_MOST ? strerror(errno) : "too many addresses");
    freeaddrinfo(addresses);
    return good;
}

bool listeners_bind(struct listeners *listeners, char *const *addresses, size_t count,
                    char message[LISTENER_MESSAGE])
{
    listeners->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!bind_text(listeners, addresses[i], message)) {
            listeners_close(listeners);
            return false;
        }
    }
    return true;
}

bool listeners_listen(struct listeners *listeners, char message[LISTENER_MESSAGE])
{
    for (size_t i = 0; i < listeners->count; i++) {
        if (listen(listeners->items[i].fd, LISTENER_BACKLOG) != 0) {
            snprintf(message, LISTENER_MESSAGE, "listen: %s: %s", listeners->items[i].name, strerror(errno));
            return false;
        }
    }
    return true;
}

void listeners_close(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++)
        close(listeners->items[i].fd);
    listeners->count = 0;
}
