#ifndef WORKER_RPC_METHOD_H
#define WORKER_RPC_METHOD_H

#include "shared/json/json.h"
#include "worker/rpc/transaction.h"

/*
 * The registry of exposed methods. Each file in methods/ ends in its own table; method.c joins them. What
 * runs a method does not matter to the registry, and every method may answer later.
 */

enum method_access {
    ACCESS_UNPROTECTED, /* anybody who has connected */
    ACCESS_AUTHORIZED,  /* who has logged in; collection methods need what the configuration says besides */
    ACCESS_LASTING,     /* the same, on a connection that lasts: it sends more than its answer */
    ACCESS_OPTIONS,     /* who has modify_options */
    ACCESS_CONTROL      /* only over the control socket */
};

/* ->declared of a method that is no enum collection_method: the configuration does not decide on it. */
enum {
    UNDECLARED = -1,
    /* Its answer is not its change set's. When it is called again under the same `once` it is run: the
     * committer does not apply its set again, and the method answers as it did. */
    UNDECLARED_ANSWERS_AGAIN = -2
};

struct method {
    const char *name;
    enum method_access access;
    /** Runs the call. @data is valid during the call only; absent when the client sent none. */
    void (*run)(struct transaction *transaction, struct json_value data);
    int declared; /* enum collection_method when the configuration decides on it, or UNDECLARED... */
};

struct method_table {
    const struct method *methods;
    size_t count;
};

extern const struct method_table dispatcher_methods; /* of `dispatcher`, with the next two */
extern const struct method_table listen_methods;
extern const struct method_table stored_collection_methods; /* control only */
extern const struct method_table users_methods;             /* of `users`, with the next six */
extern const struct method_table login_methods;
extern const struct method_table stored_login_methods;
extern const struct method_table password_methods;
extern const struct method_table user_group_methods;
extern const struct method_table user_setting_methods;
extern const struct method_table user_management_methods; /* control only */
extern const struct method_table groups_methods;          /* of `groups`, with the next */
extern const struct method_table group_removal_methods;
extern const struct method_table settings_methods; /* of `settings` */
extern const struct method_table read_methods;     /* of every collection */
extern const struct method_table write_methods;
extern const struct method_table sync_methods;
extern const struct method_table bulk_methods; /* import and export, control only */

/** Whether a collection has methods: internal ones have none, or none that read. */
bool method_any(const struct config_collection *collection);

/** The method @name of @collection (NULL: dispatcher), NULL when there is none. Exposed or not is not asked
 * here. */
const struct method *method_find(const struct config_collection *collection, struct slice name);

/** Calls @each with every method of @collection (NULL: dispatcher). */
void method_each(const struct config_collection *collection, void (*each)(const struct method *, void *),
                 void *argument);

#endif
