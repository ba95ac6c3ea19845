#ifndef SHARED_CONFIG_COLLECTIONS_H
#define SHARED_CONFIG_COLLECTIONS_H

#include "shared/config/config.h"

/* How the parts of struct config that are no options are put together. Only the files of this directory use
 * it. */

/** Adds a permission; the caller has checked name and number. */
void config_add_permission(struct config *config, struct slice name);

/** Adds a collection without fields, visible to all, with no method exposed. Earlier pointers to collections
 * die. */
struct config_collection *collection_add(struct config *config, struct slice name);

/** Writes ->declaration from the other members: the same for all texts that mean the same stored form, seen
 * by the same people. */
void collection_declare(const struct config *config, struct config_collection *collection);

#endif
