#include "shared/ipc/fdpass.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KERNEL_MOST = 253 }; /* SCM_MAX_FD: room for all of them, so that none is lost unclosed */

bool fdpass_send(int socket, const void *bytes, size_t length, const int *descriptors, size_t count)
{
    assert(length >= 1); /* an empty packet could not be told from the end */
    assert(count <= FDPASS_MOST);

    struct iovec vector = {(void *)(uintptr_t)bytes, length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(FDPASS_MOST * sizeof(int))] = {0};
    if (count > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
    }

    ssize_t sent;
    do
        sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

/* Takes the descriptors out of the control data: all that came, also beyond FDPASS_MOST. */
static size_t collect_descriptors(struct msghdr *message, int found[KERNEL_MOST])
{
    size_t count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        assert(here <= KERNEL_MOST - count);
        memcpy(found + count, CMSG_DATA(header), here * sizeof(int));
        count += here;
    }
    return count;
}

ssize_t fdpass_receive(int socket, void *bytes, size_t capacity, int descriptors[FDPASS_MOST], size_t *count)
{
    *count = 0;
    struct iovec vector = {bytes, capacity};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(KERNEL_MOST * sizeof(int))];
    struct msghdr message;
    ssize_t received;
    do {
        message = (struct msghdr){
            .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        /* A peer that went without reading all of ours is told once as a reset; what it sent is still
         * there. */
    } while (received < 0 && (errno == EINTR || errno == ECONNRESET));
    if (received < 0)
        return -1;

    int found[KERNEL_MOST];
    size_t here = collect_descriptors(&message, found);
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || here > FDPASS_MOST) {
        for (size_t i = 0; i < here; i++)
            close(found[i]);
        errno = EBADMSG;
        return -1;
    }
    memcpy(descriptors, found, here * sizeof(int));
    *count = here;
    return received;
}
