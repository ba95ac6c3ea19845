#ifndef DAEMON_MASTER_PROCESS_TITLE_H
#define DAEMON_MASTER_PROCESS_TITLE_H

/* What ps(1) shows of a process. The title is written over the memory of the arguments and the
 * environment. */

/**
 * Finds the room for titles and moves the environment out of it. Call first in main(), once, before threads.
 * What @argv points to is overwritten by the first title: copy what is needed later.
 */
void process_title_init(int argc, char **argv);

/** Sets the title, "dispatchd: worker 3", of this process; its first 15 bytes are its name in top(1). Cut at
 * what fits. */
[[gnu::format(printf, 1, 2)]] void process_title_set(const char *format, ...);

#endif
