#ifndef SHARED_BASE_HTTP_DATE_H
#define SHARED_BASE_HTTP_DATE_H

enum { HTTP_DATE_BYTES = 30 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL */

/** The time as the header Date has it, RFC 9110 section 5.6.7; always of that length. */
void http_date_now(char date[HTTP_DATE_BYTES]);

#endif
