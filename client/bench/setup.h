#ifndef CLIENT_BENCH_SETUP_H
#define CLIENT_BENCH_SETUP_H

#include "client/bench/bench.h"
#include "client/c/client.h"

/* What happens before and after a measurement: log-in, documents there, documents gone. One call after the
 * other. */

enum { SETUP_MS = 60000 };

/** Fills bench->token from --token, or logs in and fills bench->login too. Ends the program when that
 * fails. */
void setup_token(struct bench *bench);

/** Logs in with @data of authorize_by_login and appends the token to @token, with a NUL. Ends the program
 * when that fails. */
void setup_log_in(const struct bench *bench, struct slice data, struct buffer *token);

/** A client with the token at the URL. Ends the program when it cannot be had. */
void setup_client(const struct bench *bench, struct client *client);

/** A client on the control socket. */
void setup_control_client(const struct bench *bench, struct client *client);

/** One call on the bench collection; ends the program with the server's message when it is refused. */
void setup_call(struct client *client, const struct bench *bench, const char *method, struct slice data,
                struct client_reply *reply);

/** Removes documents @from to @to (excluded) of this run, unless --keep. */
void setup_remove(const struct bench *bench, uint64_t from, uint64_t to);

#endif
