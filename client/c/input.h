#ifndef CLIENT_C_INPUT_H
#define CLIENT_C_INPUT_H

#include <stddef.h>

#include "shared/base/slice.h"

/** Bytes at the beginning of an input that tell what it is. */
enum { INPUT_HEAD = 8 };

/**
 * In which other encoding than UTF-8 a text is that begins with @head, its first INPUT_HEAD bytes or all of
 * it, and what to do about it. NULL: it may be UTF-8; *@skip is the length of the byte order mark before
 * it, 0 or 3.
 */
const char *input_foreign(struct slice head, size_t *skip);

/** With what a file is packed that begins with @head, and what to do about it. NULL: with nothing that is
 * known, or with gzip. */
const char *input_packed(struct slice head);

/**
 * The password that a line has, which is given without its LF: a byte order mark before it and the CR of
 * CRLF, which editors and other systems put there, are not of it. NULL: *@password is it, within @line.
 * Otherwise why it can be none.
 */
const char *input_password(struct slice line, struct slice *password);

#endif
