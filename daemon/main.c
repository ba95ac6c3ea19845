/*
 * Welcome to dispatchd(8).
 *
 * This is the first process, the master. It holds no document and runs no method: what is here must not be
 * able to crash or to stall. It reads the command line and the configuration, claims the data directory, the
 * listening sockets and the control socket, gives up its privileges, and starts its children: one committer,
 * the only writer of the store, the workers, which hold the connections, and the watcher, if directories are
 * declared. From then on it accepts
 * connections and hands them over, starts children again when they die, answers dispatchctl(8), and in the
 * end stops everything in order.
 *
 * What to read next:
 *   master/master.c          the order in which all that happens, and how it is undone
 *   master/supervisor.c      the life of the children; child_fork.c what is between the fork and the main
 *                            function of each
 *   master/handover.c        from accept(2) to a worker; order_channel.c the way to a child
 *   master/control.c         the control socket; shared/ipc/status.c what it answers
 *   shared/ipc/inheritance.h all that a child gets
 *   committer/committer.c    where the committer goes on; watcher/watcher.c where the watcher does, worker/main.c
 *                            where a worker does
 *
 * doc/architecture.md says the same of the whole, and follows one change through the files.
 */
#include <stdio.h>

#include "daemon/master/command_line.h"
#include "daemon/master/master.h"
#include "daemon/master/process_title.h"
#include "shared/base/log.h"
#include "shared/base/standard_descriptors.h"

int main(int argc, char **argv)
{
    struct config *config = NULL;
    enum command_line_action action;
    char message[CONFIG_MESSAGE];
    standard_descriptors_take();
    if (!command_line_read(argc, argv, &config, &action, message)) {
        fprintf(stderr, "dispatchd: %s\n", message);
        return 1;
    }
    int status = 1;
    if (action == COMMAND_LINE_RUN) {
        process_title_init(argc, argv);
        status = master_run(config);
    } else if (command_line_answer(action, config)) {
        status = 0;
    } else {
        fprintf(stderr, "dispatchd: standard output cannot be written\n");
    }
    config_free(config);
    return status;
}
