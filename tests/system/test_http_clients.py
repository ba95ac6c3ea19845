"""HTTP as those speak it who are not made for dispatchd: proxies, health checks, curl, and browsers' pages."""

import json
import os
import re
import shutil
import subprocess

import pytest

from configuration import configuration, password
from http_client import HttpClient, request
from raw import RawClient
from server import PATIENCE, wait_until
from watch import WATCH

JSON = 'Content-Type: application/json'
FRIEND, STRANGER = 'https://friend.example.org', 'https://evil.example.org'
LOG_IN = {'username': 'editor', 'password': password('editor')}
CURL = shutil.which('curl')


@pytest.fixture
def friendly(make_server):
    """A server that knows the pages of one other origin."""
    return make_server(options=['--origins', FRIEND])


# ---- proxies and health checks ----

def test_a_proxy_that_speaks_http_1_0(server):
    """As nginx's proxy_pass does by default: a connection for each request, Host that of the server."""
    authorization = f'Authorization: Bearer {server.tokens["editor"]}'
    for host in (f'127.0.0.1:{server.port}', None):
        with HttpClient(server) as client:
            answer = client.ask(request('/api/notes/insert', 'Connection: close', authorization, JSON, host=host,
                                        body=json.dumps({'_id': str(host)}).encode(), version='1.0'))
            assert answer.status == 200 and answer.headers['connection'] == 'close' and 'date' in answer.headers
            assert answer.data == {'_id': str(host), '_version': 0}
            assert client.ended()
    with HttpClient(server) as client:  # HTTP/1.0 ends it without being told
        assert client.ask(request('/api/notes/count', authorization, version='1.0')).data == 2
        assert client.ended()
    for path, status in (('/api/no/such', 404), ('/nowhere', 404), ('/api/notes/count', 405)):
        with HttpClient(server) as client:
            answer = client.ask(request(path, authorization, method='GET' if status == 405 else 'POST', version='1.0'))
            assert answer.status == status and client.ended()


def test_http_1_0_that_asks_to_go_on(server):
    authorization = f'Authorization: Bearer {server.tokens["editor"]}'
    with HttpClient(server) as client:
        for _ in range(3):
            answer = client.ask(request('/api/notes/count', 'Connection: Keep-Alive', authorization, version='1.0'))
            assert answer.data == 0 and answer.headers['connection'] == 'keep-alive'
        # What HTTP/1.0 does not know: an expectation is passed over, no 100 comes.
        answer = client.ask(request('/api/notes/count', 'Connection: keep-alive', 'Expect: 100-continue', authorization,
                                    body=b'{}', version='1.0'))
        assert answer.data == 0
        assert client.ask(request('/api/notes/count', authorization, version='1.0')).headers['connection'] == 'close'
        assert client.ended()


def test_a_proxy_that_does_not_pass_the_upgrade_on(server):
    """The answer says what to change."""
    upgrade = ('Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==')
    for version, headers in (('1.0', ('Connection: Upgrade', *upgrade)), ('1.0', ('Connection: close',)),
                             ('1.1', ('Connection: close', *upgrade))):
        with HttpClient(server) as client:
            answer = client.ask(request('/ws', *headers, method='GET', length=False, version=version))
            assert answer.status == 426 and 'a proxy must pass Upgrade and Connection on' in answer.data['message']
            assert answer.headers['upgrade'] == 'websocket' and answer.headers['connection'] == 'Upgrade, close'
            assert client.ended()


def test_health_check_of_a_load_balancer(server):
    """HAProxy's `option httpchk` sends OPTIONS / with HTTP/1.0 and without a header; 2xx and 3xx are well."""
    with HttpClient(server) as client:
        answer = client.ask(b'OPTIONS / HTTP/1.0\r\n\r\n')
        assert (answer.status, answer.headers['allow']) == (204, 'GET, POST, OPTIONS')
        assert client.ended()
    with HttpClient(server) as client:
        for data, allow in ((request('*', method='OPTIONS', length=False), 'GET, POST, OPTIONS'),
                            (request('/ws', method='OPTIONS'), 'GET, OPTIONS'),
                            (request('/api/notes/count', method='OPTIONS'), 'POST, OPTIONS')):
            answer = client.ask(data)
            assert (answer.status, answer.headers['allow'], answer.content) == (204, allow, b'')
            assert 'date' in answer.headers and 'access-control-allow-origin' not in answer.headers
        assert client.ask(request('/api/notes/count')).status == 401, 'the connection goes on'


def test_an_absolute_target_counts(server):
    """Whatever Host says, for the origin too; what is no host and port is refused."""
    authorization = f'Authorization: Bearer {server.tokens["editor"]}'
    for target, origin, status in (
            ('http://lab.example.org/api/notes/count', 'http://lab.example.org', 200),
            ('http://LAB.example.org:80/api/notes/count', 'http://lab.example.org', 200),
            ('http://lab.example.org/api/notes/count', 'http://localhost', 403),
            ('http://lab.example.org/api/notes/count', 'https://lab.example.org', 403),
            ('https://lab.example.org/api/notes/count', 'https://lab.example.org', 200),
            ('http://lab.example.org', 'http://lab.example.org', 404),
            ('ftp://lab.example.org/api/notes/count', 'http://localhost', 400)):
        with HttpClient(server) as client:
            assert client.ask(request(target, authorization, f'Origin: {origin}')).status == status, (target, origin)


def test_empty_lines_before_a_request(server):
    """As some old clients send one behind the content of the request before."""
    with HttpClient(server, 'editor') as client:
        whole = client.call_bytes('count', 'notes', {})
        for lines in (1, 2, 7):
            client.send((b'\r\n' * lines + whole) * 2 + b'\r\n')
            assert client.answer().data == client.answer().data == 0
        client.send(b'\r')
        assert client.ask(b'\n' + whole).data == 0
    with RawClient(server) as client:
        client.send(b'\r\n')
        assert client.open('reader').call('count', 'notes')['data'] == 0


# ---- curl ----

def curl(*arguments):
    """Its standard output."""
    result = subprocess.run([CURL, '-sS', '--max-time', str(PATIENCE), *arguments], capture_output=True, check=True)
    WATCH.received(result.stdout + result.stderr, 'the output of curl')
    return result.stdout.decode()


@pytest.mark.skipif(not CURL, reason='there is no curl')
def test_curl(server):
    url = f'http://127.0.0.1:{server.port}/api/notes/count'
    call = ('-H', f'Authorization: Bearer {server.tokens["editor"]}', '--json', '{}')
    assert curl(*call, url) == '0'
    assert curl('-0', *call, url) == '0'
    assert curl('-0', '-H', 'Connection: keep-alive', *call, url, url) == '00'
    assert curl('-H', 'Transfer-Encoding: chunked', *call, url) == '0'
    assert curl('-x', f'http://127.0.0.1:{server.port}', *call, 'http://lab.example.org/api/notes/count') == '0'
    # HEAD ends with the head, or curl complains of what comes behind it.
    for where in (url, f'http://127.0.0.1:{server.port}/ws', f'http://127.0.0.1:{server.port}/'):
        assert re.match(r'HTTP/1\.1 (405|404) [\w ]+\r\nDate: ', curl('-I', where))
    assert json.loads(curl('-d', 'x=1', f'http://127.0.0.1:{server.port}/'))['code'] == 'not_found'
    assert curl('-X', 'OPTIONS', '-w', '%{http_code}', '-o', '/dev/null', url) == '204'


# ---- pages of other origins ----

def test_preflight(friendly):
    """What a browser asks before a page of another origin calls."""
    asks = ('Access-Control-Request-Method: POST', 'Access-Control-Request-Headers: authorization, content-type')
    with HttpClient(friendly) as client:
        for path in ('/api/notes/count', '/api/users/authorize_by_login', '/api/no/such'):
            answer = client.ask(request(path, f'Origin: {FRIEND}', *asks, method='OPTIONS', length=False))
            assert answer.status == 204 and answer.headers['access-control-allow-origin'] == FRIEND
            assert answer.headers['access-control-allow-methods'] == 'POST'
            allowed = {name.lower() for name in answer.headers['access-control-allow-headers'].split(', ')}
            assert allowed == {'authorization', 'content-type', 'idempotency-key'}
            assert int(answer.headers['access-control-max-age']) > 0 and answer.headers['vary'] == 'Origin'
            assert 'access-control-allow-credentials' not in answer.headers
        # The page of the server's own origin need not ask.
        answer = client.ask(request('/api/notes/count', 'Origin: http://localhost', *asks, method='OPTIONS'))
        assert answer.status == 204 and not [name for name in answer.headers if name.startswith('access-control')]
    for origin in (STRANGER, 'http://friend.example.org', 'https://friend.example.org:444', 'null'):
        with HttpClient(friendly) as client:
            answer = client.ask(request('/api/notes/count', f'Origin: {origin}', *asks, method='OPTIONS'))
            assert (answer.status, answer.code, answer.headers['vary']) == (403, 'forbidden', 'Origin')
            assert not [name for name in answer.headers if name.startswith('access-control')]


def test_answers_that_a_page_of_another_origin_may_read(friendly):
    """All of them, the refusals too: a page that may call shall know why it could not."""
    authorization = f'Authorization: Bearer {friendly.tokens["editor"]}'
    for path, headers, method, status in (
            ('/api/notes/count', [authorization], 'POST', 200), ('/api/notes/count', [], 'POST', 401),
            ('/api/notes/count', ['Authorization: Bearer wrongtoken'], 'POST', 401),
            ('/api/notes/count', ['Authorization: Basic a'], 'POST', 401), ('/api/no/such', [authorization], 'POST', 404),
            ('/api/notes/count', [authorization], 'GET', 405), ('/nowhere', [], 'GET', 404),
            ('/api/notes/count', ['Content-Type: text/plain'], 'POST', 415),
            ('/api/notes/count', ['Content-Length: 99999999'], 'POST', 413)):
        with HttpClient(friendly) as client:
            answer = client.ask(request(path, f'Origin: {FRIEND}', *headers, method=method, length=status != 413))
            assert (answer.status, answer.headers['access-control-allow-origin']) == (status, FRIEND)
            assert answer.headers['access-control-expose-headers'] == 'Retry-After'
            assert answer.headers['vary'] == 'Origin'
        with HttpClient(friendly) as client:
            answer = client.ask(request(path, f'Origin: {STRANGER}', *headers, method=method, length=status != 413))
            assert answer.status in (403, 404, 405) and 'access-control-allow-origin' not in answer.headers
            assert answer.headers['vary'] == 'Origin'


def test_a_refused_origin_is_a_line_in_the_log(make_server):
    """With what to add; and no more lines than somebody reads."""
    server = make_server(config=configuration(log_level='notice'), workers=1,
                         options=['--origins', 'http://127.0.0.1:8000'])
    refused = [('http://localhost:8000', '"http://localhost:8000"'), ('null', '"null"'), (STRANGER, f'"{STRANGER}"'),
               ('nonsense\\"', None)]
    for number, (origin, _) in enumerate(refused):
        with RawClient(server) as client, HttpClient(server) as caller:
            if number % 2 == 0:
                status, _ = client.request(request('/ws', 'Upgrade: websocket', 'Connection: Upgrade', f'Origin: {origin}',
                                                   'Sec-WebSocket-Version: 13',
                                                   'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', method='GET'))
                assert status == 403
            else:
                assert caller.ask(request('/api/notes/count', f'Origin: {origin}')).status == 403
    wait_until(lambda: 'whose Origin is malformed' in server.log(), what='the last line')
    lines = [line for line in server.log().splitlines() if ' refused a page' in line]
    assert len(lines) == len(refused)
    for line, (_, quoted) in zip(lines, refused):
        assert re.search(r'worker 0\[\d+\] notice: 127\.0\.0\.1:\d+: refused a page', line)
        assert not quoted or f'add {quoted} to "origins" in the configuration' in line
    assert 'localhost, 127.0.0.1 and [::1] are different origins' in lines[0] and 'localhost:' in lines[0]
    assert 'a proxy must pass Host on' in lines[2] and 'nonsense' not in lines[3]
    for _ in range(20):
        with HttpClient(server) as client:
            assert client.ask(request('/api/notes/count', f'Origin: {STRANGER}')).status == 403
    server.stop()
    assert server.log().count(' refused a page') == 10


# ---- the cookie ----

OWN = ('Origin: http://localhost',)


def log_in(client, *headers, **changes):
    return client.ask(request('/api/users/authorize_by_login', *headers,
                              body=json.dumps({**LOG_IN, 'cookie': True, **changes}).encode()))


def test_a_page_that_never_holds_the_token(server):
    """It logs in, calls, opens a WebSocket and logs out by the cookie alone."""
    WATCH.password(LOG_IN['password'])
    with HttpClient(server) as page, RawClient(server) as other:
        answer = log_in(page, *OWN)
        assert answer.data['_id'] == 'editor' and 'token' not in answer.data
        assert answer.headers['set-cookie'] == f'dispatchd_token={page.cookie}; Path=/; HttpOnly; SameSite=Strict'
        assert len(page.cookie) == 43
        cookie = f'Cookie: a=b; dispatchd_token={page.cookie}'
        answer = page.ask(request('/api/notes/count', *OWN, cookie))
        assert answer.data == 0 and 'set-cookie' not in answer.headers
        status, _ = other.request(request('/ws', *OWN, cookie, 'Upgrade: websocket', 'Connection: Upgrade',
                                          'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
                                          method='GET', length=False))
        assert status == 101 and other.message()['operation'] == 'amend'
        answer = page.ask(request('/api/users/logout', *OWN, cookie))
        assert answer.data is None
        assert answer.headers['set-cookie'] == 'dispatchd_token=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0'
        while (message := other.message())['operation'] != 'deauthorize':
            pass
        assert message['collectionName'] == 'users'
        # A cookie whose session has ended is none: who has it can log in.
        answer = page.ask(request('/api/notes/count', *OWN, cookie))
        assert (answer.status, answer.data['message']) == (401, 'Log in first')
        before = page.cookie
        assert log_in(page, *OWN, cookie).status == 200 and page.cookie != before


def test_a_cookie_is_secure_when_the_request_was(server):
    WATCH.password(LOG_IN['password'])
    for headers, secure in ((['X-Forwarded-Proto: https', 'Origin: https://localhost'], True),
                            (['X-Forwarded-Proto: wss, http'], True), (['X-Forwarded-Proto: http', *OWN], False), ([], False)):
        with HttpClient(server) as client:
            answer = log_in(client, *headers)
            assert answer.status == 200 and ('; Secure' in answer.headers['set-cookie']) == secure, headers
            assert 'HttpOnly; SameSite=Strict' in answer.headers['set-cookie']
            answer = client.ask(request('/api/users/logout', f'Authorization: Bearer {client.cookie}', *headers))
            assert ('; Secure' in answer.headers['set-cookie']) == secure and 'Max-Age=0' in answer.headers['set-cookie']


def test_a_cookie_authorizes_no_call_from_another_origin(friendly):
    """Nor one that does not say where it is from; a token beside it counts as ever."""
    cookie, bearer = (f'{name}{friendly.tokens["editor"]}' for name in
                      ('Cookie: dispatchd_token=', 'Authorization: Bearer '))
    own = 'Sec-Fetch-Site: same-origin'
    for headers, status in (([], 401), (OWN, 200), ([*OWN, own], 200), ([own], 200), ([f'Origin: {FRIEND}', own], 200),
                            ([f'Origin: {FRIEND}'], 401), ([*OWN, 'Sec-Fetch-Site: same-site'], 401),
                            ([*OWN, 'Sec-Fetch-Site: cross-site'], 401), ([f'Origin: {STRANGER}'], 403),
                            ([f'Origin: {STRANGER}', own], 403), (['Origin: https://localhost', 'X-Forwarded-Proto: http'], 403)):
        with HttpClient(friendly) as client:
            assert client.ask(request('/api/notes/count', cookie, *headers)).status == status, headers
            if status != 403:
                assert client.ask(request('/api/notes/count', cookie, bearer, *headers)).status == 200
    with HttpClient(friendly) as client:  # which it is that counts
        answer = client.ask(request('/api/notes/count', cookie, 'Authorization: Bearer wrongtoken', *OWN))
        assert (answer.status, answer.data['message']) == (401, 'Token does not exist')


def test_where_no_cookie_can_be_set(friendly):
    """Where the page could not use it; and nothing is set when the password is wrong."""
    WATCH.password(LOG_IN['password'])
    with RawClient(friendly) as client:
        client.open()
        said = client.call('authorize_by_login', 'users', {**LOG_IN, 'cookie': True})
        assert said['data']['code'] == 'invalid' and said['data']['message'].startswith('cookie: only')
        assert client.call('authorize_by_login', 'users', {**LOG_IN, 'cookie': False})['data']['token']
    with HttpClient(friendly) as client:
        answer = log_in(client, f'Origin: {FRIEND}')
        assert (answer.status, answer.code) == (400, 'invalid') and 'cookie: only' in answer.data['message']
        for changes, status in (({'cookie': 'yes'}, 400), ({'password': 'x'}, 401)):
            assert log_in(client, *OWN, **changes).status == status
        assert client.cookie is None
        answer = log_in(client, *OWN, cookie=False)
        assert answer.data['token'] and 'set-cookie' not in answer.headers
