#include "worker/rpc/access.h"

#include "worker/rpc/error_texts.h"
#include "worker/session/rights_change.h"
#include "worker/session/session.h"

bool access_exposes(const struct account *account, const struct config_collection *collection,
                    const struct method *method)
{
    bool control = account && account->control;
    if (method->access == ACCESS_CONTROL)
        return control;
    return method->declared < 0 || control || collection->methods[method->declared].exposed;
}

void access_need(const struct config_collection *collection, const struct method *method,
                 struct permission_set *needed)
{
    if (method->access == ACCESS_OPTIONS)
        permission_add(needed, PERMISSION_MODIFY_OPTIONS);
    if (method->declared < 0)
        return;
    for (unsigned i = 0; i < PERMISSION_LIMIT / 64; i++)
        needed->bits[i] |= collection->methods[method->declared].needed.bits[i];
    if (collection->read >= 0)
        permission_add(needed, (unsigned)collection->read);
}

bool access_allows(const struct account *account, const struct config_collection *collection,
                   const struct method *method)
{
    struct permission_set needed = {0};
    if (!access_exposes(account, collection, method))
        return false;
    if (method->access == ACCESS_UNPROTECTED)
        return true;
    access_need(collection, method, &needed);
    return account && permission_covers(&account->rights.permissions, &needed);
}

static const char *first_missing(const struct config *config, const struct permission_set *has,
                                 const struct permission_set *needed)
{
    for (unsigned i = 0; i < config->permission_count; i++)
        if (permission_has(needed, i) && !permission_has(has, i))
            return config->permissions[i];
    return "?";
}

bool access_check(struct transaction *transaction)
{
    const struct method *method = transaction->method;
    const struct account *account = transaction->session->login.account;
    if (method->access == ACCESS_UNPROTECTED)
        return true;
    if (!account) {
        transaction_fail(transaction, ERROR_UNAUTHORIZED, "%s", text_log_in_first);
        return false;
    }
    access_need(transaction->collection, method, &transaction->needed);
    if (permission_covers(&account->rights.permissions, &transaction->needed))
        return true;
    if (method->declared == METHOD_SYNC)
        rights_change_refused(transaction->session);
    transaction_fail(
        transaction, ERROR_FORBIDDEN, "You need the permission %s",
        first_missing(transaction->worker->config, &account->rights.permissions, &transaction->needed));
    return false;
}
