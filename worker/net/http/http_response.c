#include "worker/net/http/http_response.h"

#include <time.h>

#include "shared/base/clock.h"

enum { DATE_BYTES = 64 };

/* RFC 9110 section 5.6.7. The program never leaves the locale "C". */
static void date_now(char date[DATE_BYTES])
{
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm parts;
    if (!gmtime_r(&now, &parts) || strftime(date, DATE_BYTES, "%a, %d %b %Y %H:%M:%S GMT", &parts) == 0)
        date[0] = '\0';
}

void http_response_append(struct buffer *out, const struct http_response *response, bool last, bool head_only)
{
    char date[DATE_BYTES];
    date_now(date);
    buffer_append_format(out,
                         "HTTP/1.1 %s\r\nDate: %s\r\n%s%sContent-Type: %s\r\nContent-Length: %zu\r\n"
                         "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n",
                         response->status, date, last ? "Connection: close\r\n" : "", response->more,
                         response->type, response->content.length);
    if (!head_only)
        buffer_append_slice(out, response->content);
}

void http_refusal_append(struct buffer *out, const struct http_refusal *refusal, bool head_only)
{
    struct buffer content = {0};
    buffer_append_format(&content, "{\"warning\":true,\"code\":\"%s\",\"message\":\"%s\"}",
                         error_code_name(refusal->code), refusal->text);
    const struct http_response response = {refusal->status, refusal->more, "application/json",
                                           buffer_slice(&content)};
    http_response_append(out, &response, true, head_only);
    buffer_free(&content);
}
