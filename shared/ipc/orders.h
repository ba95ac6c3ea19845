#ifndef SHARED_IPC_ORDERS_H
#define SHARED_IPC_ORDERS_H

#include <stdint.h>

#include "shared/ipc/fdpass.h"

/*
 * What goes over the order channel between the master and a child (SOCK_SEQPACKET, one packet each; struct
 * order with its descriptors). The end of the channel means that the other side is gone: a child then stops.
 */

enum order_type {
    /* master to worker */
    ORDER_CONNECTIONS = 1, /* descriptors: accepted connections; kinds[i] says what each is */
    /* master to worker: a stream socket to the (new) committer; to committer: one to the worker ->slot */
    ORDER_LINK,
    /* the same with the watcher in the committer's place */
    ORDER_WATCH_LINK,
    /* master to child: stop in an orderly way */
    ORDER_STOP,
    /* child to master */
    REPORT_READY,
    REPORT_STOP_REQUESTED,  /* a worker: somebody with the right to asked for an orderly stop of the whole */
    REPORT_FAILED,          /* it cannot start and ends now; ->text is one clear line that says why */
    REPORT_LINK_LOST,       /* the descriptor of an ORDER_LINK did not come (of ->slot): another one, later */
    REPORT_WATCH_LINK_LOST, /* the same of an ORDER_WATCH_LINK */
};

enum { ORDER_TEXT = 448 };

enum connection_kind {
    CONNECTION_CLIENT = 0,
    CONNECTION_CONTROL = 1, /* from the control socket: local, trusted, all permissions, larger bounds */
};

struct order {
    uint32_t type;
    uint32_t slot;              /* links to the committer or watcher, and lost ones: the worker's slot */
    uint32_t count;             /* descriptors with it */
    uint8_t kinds[FDPASS_MOST]; /* enum connection_kind */
    char text[ORDER_TEXT];      /* REPORT_FAILED; ends with a NUL */
};

#endif
