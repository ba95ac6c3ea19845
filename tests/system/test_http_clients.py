"""HTTP as those speak it who are not made for dispatchd: proxies, health checks, curl, and browsers' pages."""

import json
import os
import re
import shutil
import subprocess

import pytest

from configuration import configuration
from http_client import HttpClient, request
from raw import RawClient
from server import PATIENCE, wait_until
from watch import WATCH

JSON = 'Content-Type: application/json'
FRIEND, STRANGER = 'https://friend.example.org', 'https://evil.example.org'
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
