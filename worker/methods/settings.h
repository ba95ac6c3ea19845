#ifndef WORKER_METHODS_SETTINGS_H
#define WORKER_METHODS_SETTINGS_H

#include "worker/rpc/method.h"

/** users.change_user_setting: {key, value}. */
void change_user_setting(struct transaction *transaction, struct json_value data);

#endif
