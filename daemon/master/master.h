#ifndef DAEMON_MASTER_MASTER_H
#define DAEMON_MASTER_MASTER_H

#include "shared/config/config.h"

/** The master process, from the checked configuration to its end; returns the exit status. Goes into
 * the background first unless config->foreground. What is wrong is one line on standard error (and in
 * the log). */
int master_run(const struct config *config);

#endif
