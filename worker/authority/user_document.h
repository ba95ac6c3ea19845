#ifndef WORKER_AUTHORITY_USER_DOCUMENT_H
#define WORKER_AUTHORITY_USER_DOCUMENT_H

#include "worker/authority/authority.h"

/**
 * Appends the user's document as the user's own clients get it: what is stored, with "settings" filled up
 * with the defaults that the configuration declares, and with "permissions", true or false for each that is
 * declared, as @account has them. @stored is the text of the stored document, which is an object.
 */
void user_document_append(struct buffer *out, const struct worker *worker, const struct account *account,
                          struct slice stored);

#endif
