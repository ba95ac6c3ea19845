#ifndef DAEMON_MASTER_PRIORITY_H
#define DAEMON_MASTER_PRIORITY_H

/*
 * Who runs first when processors are short. Everything waits for the committer: while it syncs, the workers
 * have the processor, and what they make of that time is its next batch; but when it has work, every
 * microsecond that it waits for a worker is one in which no change is stored, nowhere. The master, which only
 * accepts and restarts, must come through as well.
 */

/** Makes this process, and the children that it forks, more urgent than those who began with the same
 * nice value. Needs root (or CAP_SYS_NICE): call before privileges are dropped. Without the right
 * nothing happens. */
void priority_raise(void);

/** In a child, before it makes threads: back to the nice value from before priority_raise(). */
void priority_restore(void);

#endif
