#ifndef WORKER_SESSION_TOKENS_H
#define WORKER_SESSION_TOKENS_H

#include "shared/base/buffer.h"
#include "worker/session/session.h"

/* Sessions by token: what the log-in methods and the handshake share. */

/** A token came with the handshake: the session is authorised, and told its user document by `amend`; or told
 *  `deauthorize` with what is wrong, and may log in. */
void token_authorize_handshake(struct session *session, struct slice token);

/** Authorises by a token. NULL: done, and the user's document (JSON) is appended to @document; otherwise what
 * is wrong, for the client. */
const char *token_authorize(struct session *session, struct slice token, struct buffer *document);

/** Whether a token is that of a stored log-in that is not over. Takes a snapshot. */
[[nodiscard]] bool token_is_known(struct worker *worker, struct slice token);

/** Appends the operation that makes a new stored log-in: its token's text goes to @token, its hash to
 * @hash. */
void token_add_login(struct buffer *set, struct slice user, const char *address, struct slice browser,
                     char *token, uint8_t *hash);

/** Appends operations that remove the user's stored log-ins that are over, and the least recently used ones
 * of those that are too many when one is added; of what is connected, no more than must go all the same.
 * False: they cannot be read. Needs a snapshot. */
[[gnu::warn_unused_result]] bool token_prune(struct worker *worker, struct buffer *set, struct slice user);

/** The answer to a log-in: the user's document with "token" after its members. */
void token_answer(struct buffer *out, struct slice document, struct slice token);

#endif
