#include "shared/base/http_date.h"

#include <string.h>
#include <time.h>

#include "shared/base/clock.h"

/* The program never leaves the locale "C". A clock beyond the year 9999 is shown as the beginning of time. */
void http_date_now(char date[HTTP_DATE_BYTES])
{
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm parts;
    if (!gmtime_r(&now, &parts) ||
        strftime(date, HTTP_DATE_BYTES, "%a, %d %b %Y %H:%M:%S GMT", &parts) != HTTP_DATE_BYTES - 1)
        memcpy(date, "Thu, 01 Jan 1970 00:00:00 GMT", HTTP_DATE_BYTES);
}
