#ifndef SHARED_STORE_RIGHTS_H
#define SHARED_STORE_RIGHTS_H

#include "shared/base/error_code.h"
#include "shared/base/slice.h"
#include "shared/config/config.h"
#include "shared/json/json.h"

/* What a user may do, worked out from its document and those of its groups, as they are or as they were. */

struct rights {
    struct permission_set permissions; /* the union of its groups' */
    bool administrator;                /* in the group administrator: every permission, every document */
    bool names_missing;   /* the document names a group that does not exist; it counts for nothing */
    struct slice *groups; /* ids of those that exist; each allocated */
    size_t group_count;
};

extern const char administrator_group[];

/** Finds a group's document (JSON). ERROR_NOT_FOUND: there is none; another error: it cannot be read. */
typedef enum error_code rights_find_group(void *argument, struct slice group, struct slice *document);

/** Works out @rights, which are empty, for a user's document. What is not in the configuration is left out.
 *  False: a group's document cannot be read or is damaged, so the rights are not known. */
[[gnu::warn_unused_result]] bool rights_read(struct rights *rights, const struct config *config,
                                             struct json_value user, rights_find_group *find, void *argument);

/** Every permission. */
void rights_of_administrator(struct rights *rights);

bool rights_equal(const struct rights *a, const struct rights *b);

bool rights_in_group(const struct rights *rights, struct slice group);

/** Empties them. */
void rights_free(struct rights *rights);

#endif
