#include "worker/net/http/http_response.h"

#include "shared/base/http_date.h"

void http_response_append_date(struct buffer *out)
{
    char date[HTTP_DATE_BYTES];
    http_date_now(date);
    buffer_append_format(out, "Date: %s\r\n", date);
}

/* RFC 9110 section 7.6.1. */
static void append_connection(struct buffer *out, const struct http_manner *manner)
{
    const char *ends = manner->last ? "close" : manner->says_lasting ? "keep-alive" : "";
    if (manner->upgrade || *ends)
        buffer_append_format(out, "Connection: %s%s%s\r\n", manner->upgrade ? "Upgrade" : "",
                             manner->upgrade && *ends ? ", " : "", ends);
}

/* What a page of another origin may read, beside what any page may of any answer. No page is allowed to send
 * cookies with its calls: these would not count. */
static void append_origin(struct buffer *out, struct slice origin)
{
    buffer_append_slice(out, SLICE("Vary: Origin\r\n"));
    if (!origin.data)
        return;
    buffer_append_slice(out, SLICE("Access-Control-Allow-Origin: "));
    buffer_append_slice(out, origin);
    buffer_append_slice(out, SLICE("\r\nAccess-Control-Expose-Headers: Retry-After\r\n"));
}

/* RFC 6265; without an age, so it lasts as long as the browser. */
static void append_cookie(struct buffer *out, const char *token, bool secure)
{
    if (token)
        buffer_append_format(out, "Set-Cookie: dispatchd_token=%s; Path=/; HttpOnly; SameSite=Strict%s%s\r\n",
                             token, secure ? "; Secure" : "", *token ? "" : "; Max-Age=0");
}

void http_response_append(struct buffer *out, const struct http_response *response,
                          const struct http_manner *manner)
{
    buffer_append_format(out, "HTTP/1.1 %s\r\n", response->status);
    http_response_append_date(out);
    append_connection(out, manner);
    buffer_append_text(out, response->more);
    append_origin(out, manner->origin);
    append_cookie(out, response->token, manner->secure);
    if (response->type)
        buffer_append_format(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", response->type,
                             response->content.length);
    buffer_append_slice(out, SLICE("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n"));
    if (!manner->head_only)
        buffer_append_slice(out, response->content);
}

void http_refusal_append(struct buffer *out, const struct http_refusal *refusal,
                         const struct http_manner *manner)
{
    struct buffer content = {0};
    struct http_manner last = *manner;
    last.last = true;
    buffer_append_format(&content, "{\"warning\":true,\"code\":\"%s\",\"message\":\"%s\"}",
                         error_code_name(refusal->code), refusal->text);
    const struct http_response response = {.status = refusal->status,
                                           .more = refusal->more,
                                           .type = "application/json",
                                           .content = buffer_slice(&content)};
    http_response_append(out, &response, &last);
    buffer_free(&content);
}
