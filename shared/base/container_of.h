#ifndef SHARED_BASE_CONTAINER_OF_H
#define SHARED_BASE_CONTAINER_OF_H

#include <stddef.h>

/** The struct @type of which *@pointer is the member @member; does not compile when it is not. */
#define CONTAINER_OF(pointer, type, member)                                                                  \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member) +                                             \
                      0 * sizeof((pointer) == &((type *)NULL)->member)))

#endif
