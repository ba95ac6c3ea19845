#include "worker/authority/first_user.h"

#include <string.h>

#include "shared/log.h"
#include "worker/authority/authority.h"

/* Where dispatchctl looks when it is not told. */
static const char usual_control[] = "/var/lib/dispatchd/control";

void first_user_say(struct worker *worker)
{
    if (!worker_snapshot(worker))
        return;
    bool nobody = store_count(worker->store, COLLECTION_USERS) == 0;
    worker_snapshot_end(worker);
    if (!nobody)
        return;
    const char *control = worker->config->control;
    bool usual = strcmp(control, usual_control) == 0;
    log_notice("there is no user yet: make the first one with dispatchctl %s%s%suser add NAME --group %s",
               usual ? "" : "--control ", usual ? "" : control, usual ? "" : " ", administrator_group);
}
