#include "daemon/master/child_link.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/master/order_channel.h"
#include "shared/base/log.h"

static bool *linked(struct child *worker, enum child_role server)
{
    return server == CHILD_WATCHER ? &worker->watch_linked : &worker->linked;
}

static bool send_link(struct child *to, const struct order *order, int end)
{
    if (order_channel_send(to->channel, order, &end))
        return true;
    log_error("%s takes no orders: it is killed", to->name);
    kill(to->pid, SIGKILL);
    return false;
}

void child_link(struct child *worker, struct child *server)
{
    bool *is_linked = linked(worker, server->role);
    struct order order = {.type = server->role == CHILD_WATCHER ? ORDER_WATCH_LINK : ORDER_LINK,
                          .slot = worker->slot,
                          .count = 1};
    if (*is_linked || !worker->pid || server->state != PROCESS_READY)
        return;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        log_error("%s cannot be linked with the %s: %m; it is killed", worker->name, server->name);
        kill(worker->pid, SIGKILL);
        return;
    }
    *is_linked = true;
    if (!send_link(server, &order, ends[0])) {
        close(ends[1]);
        return;
    }
    (void)send_link(worker, &order, ends[1]);
}

void child_link_forget(struct child *worker, enum child_role server)
{
    *linked(worker, server) = false;
}
