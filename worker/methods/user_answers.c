#include "worker/methods/user_answers.h"

#include "worker/rpc/error_texts.h"

void user_fail(struct transaction *transaction, enum error_code code, const char *missing)
{
    if (code == ERROR_NOT_FOUND)
        transaction_fail(transaction, code, "%s", missing);
    else
        transaction_fail_unreadable(transaction, NULL);
}

bool user_name_allowed(struct transaction *transaction, int64_t index, struct slice user)
{
    if (!memchr(user.data, '(', user.length) && !memchr(user.data, ')', user.length))
        return true;
    transaction_fail_at(transaction, index, ERROR_INVALID, "_id: a user's name must not contain parentheses");
    return false;
}

bool user_to_manage(struct attempt *attempt, struct buffer *set, struct user_document *document)
{
    struct transaction *transaction = attempt->transaction;
    enum error_code code =
        user_get(transaction->worker, COLLECTION_USERS, slice_text(attempt->user), document);
    if (code != ERROR_NONE) {
        user_fail(transaction, code, text_user_missing);
        return false;
    }
    if (user_in_group(document, slice_text(administrator_group)) &&
        !attempt_needs_administrator(attempt, set)) {
        transaction_fail(transaction, ERROR_FORBIDDEN, "Only administrators may do this to an administrator");
        return false;
    }
    return true;
}
