#ifndef SHARED_BASE_CLOSE_CODE_H
#define SHARED_BASE_CLOSE_CODE_H

/* Status codes of a WebSocket's close frame, as far as they are sent or looked at here (RFC 6455, section 7.4.1;
 * 1013 is registered with IANA). */
enum close_code {
    CLOSE_NONE = 0, /* no code: not closed, or a close frame without one */
    CLOSE_NORMAL = 1000,
    CLOSE_GOING_AWAY = 1001, /* the server stops */
    CLOSE_PROTOCOL_ERROR = 1002,
    CLOSE_UNSUPPORTED = 1003, /* a binary message */
    CLOSE_NO_STATUS = 1005,   /* never on the wire: the peer gave none */
    CLOSE_BAD_DATA = 1007,    /* not UTF-8 */
    CLOSE_POLICY = 1008,      /* too slow, too many malformed messages, no log-in in time */
    CLOSE_TOO_BIG = 1009,
    CLOSE_INTERNAL = 1011,
    CLOSE_TRY_AGAIN = 1013 /* come back: what was missed cannot be made good on this connection */
};

#endif
