#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/master/listener.h"

static void splits_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *port;
    } rows[] = {
        {"127.0.0.1:9950", "127.0.0.1", "9950"},
        {"localhost:1", "localhost", "1"},
        {"[::1]:9950", "::1", "9950"},
        {"[fe80::1%lo]:65535", "fe80::1%lo", "65535"},
        {"*:80", "", "80"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char host[64];
        char port[8];
        assert_true(listener_split(rows[i].text, host, sizeof host, port, sizeof port));
        assert_string_equal(host, rows[i].host);
        assert_string_equal(port, rows[i].port);
    }
}

static void refuses_what_is_no_address(void **state)
{
    (void)state;
    static const char *const texts[] = {"",      "9950", ":9950",   "127.0.0.1:",   "127.0.0.1:x",
                                        "::1:9", "[]:9", "a:9950x", "a:1234567890", "127.0.0.1: 80"};
    char host[64];
    char port[8];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(listener_split(texts[i], host, sizeof host, port, sizeof port));
    assert_false(
        listener_split("a-host-name-that-is-longer-than-its-place:9950", host, 16, port, sizeof port));
}

static void names_the_port_it_got(void **state)
{
    (void)state;
    struct listeners listeners;
    char message[LISTENER_MESSAGE];
    char *addresses[] = {"127.0.0.1:0", "127.0.0.1:0"};
    assert_true(listeners_bind(&listeners, addresses, 2, message));
    assert_int_equal(listeners.count, 2);
    assert_memory_equal(listeners.items[0].name, "127.0.0.1:", 10);
    assert_string_not_equal(listeners.items[0].name, "127.0.0.1:0");
    assert_string_not_equal(listeners.items[0].name, listeners.items[1].name);
    assert_true(listeners_listen(&listeners, message));
    listeners_close(&listeners);
}

static void says_which_address_cannot_be_had(void **state)
{
    (void)state;
    struct listeners listeners;
    char message[LISTENER_MESSAGE];
    char *foreign[] = {"127.0.0.1:0", "192.0.2.1:0"};
    assert_false(listeners_bind(&listeners, foreign, 2, message));
    assert_int_equal(listeners.count, 0);
    assert_string_equal(message, "listen: 192.0.2.1:0: Cannot assign requested address");
    char *nonsense[] = {"nonsense"};
    assert_false(listeners_bind(&listeners, nonsense, 1, message));
    assert_string_equal(message, "listen: nonsense: expected ADDRESS:PORT or [IPV6]:PORT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_addresses),
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(names_the_port_it_got),
        cmocka_unit_test(says_which_address_cannot_be_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
