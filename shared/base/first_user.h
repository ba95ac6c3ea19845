#ifndef SHARED_BASE_FIRST_USER_H
#define SHARED_BASE_FIRST_USER_H

#include <stddef.h>

enum { FIRST_USER_LINE = 400 };

/** While there is no user at all, nobody can log in: how to make the first one, with dispatchctl at the
 * control socket @control. One line without its end; cut when it does not fit into @capacity bytes. */
void first_user_hint(const char *control, char *line, size_t capacity);

#endif
