#ifndef SHARED_BASE_DEFAULT_PATHS_H
#define SHARED_BASE_DEFAULT_PATHS_H

/* Where a server that is told nothing else keeps its data, and where its tools look for it. */

#define DEFAULT_DATA "/var/lib/dispatchd"
#define DEFAULT_CONTROL DEFAULT_DATA "/control"

#endif
