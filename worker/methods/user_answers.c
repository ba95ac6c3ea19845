#include "worker/methods/user_answers.h"

void user_fail(struct transaction *transaction, enum error_code code, const char *missing)
{
    if (code == ERROR_NOT_FOUND)
        transaction_fail(transaction, code, "%s", missing);
    else
        transaction_fail_unreadable(transaction, NULL);
}

bool user_name_allowed(struct transaction *transaction, struct slice user)
{
    if (!memchr(user.data, '(', user.length) && !memchr(user.data, ')', user.length))
        return true;
    transaction_fail(transaction, ERROR_INVALID, "_id: a user's name has no parentheses");
    return false;
}
