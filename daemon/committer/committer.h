#ifndef DAEMON_COMMITTER_COMMITTER_H
#define DAEMON_COMMITTER_COMMITTER_H

/** Called between commit and publish; NULL in the program. Tests let the committer die there. */
extern void (*committer_after_commit)(void);

#endif
