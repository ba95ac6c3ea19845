#ifndef WORKER_METHODS_LOGIN_H
#define WORKER_METHODS_LOGIN_H

#include "worker/rpc/method.h"

/** users.authorize_by_login: {username, password, browser?}. */
void authorize_by_login(struct transaction *transaction, struct json_value data);

/** users.authorize_by_token: {token, browser?}. */
void authorize_by_token(struct transaction *transaction, struct json_value data);

/** users.logout: {}. */
void logout(struct transaction *transaction, struct json_value data);

#endif
