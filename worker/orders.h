#ifndef WORKER_ORDERS_H
#define WORKER_ORDERS_H

#include "worker/base/worker.h"

/* What the master says over the order channel, shared/ipc/orders.h, and what is reported back. */

/** Watches the channel. */
void orders_open(struct worker *worker);

/** Reports that this worker is ready: from now on it gets connections. */
void orders_ready(struct worker *worker);

void orders_close(struct worker *worker);

#endif
