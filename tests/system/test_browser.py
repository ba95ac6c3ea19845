"""The page of README.md, in a real browser: it follows a collection, in the words that are printed there."""

import contextlib
import http.client
import http.server
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pytest

from configuration import password
from server import PATIENCE, TOP, wait_until

CHROMIUM = shutil.which('chromium')
FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
         '--disable-background-networking', '--disable-component-update', '--disable-sync']
EXAMPLES = os.path.join(TOP, 'examples')
PASSWORD = 'only for this test'

# After each message the page tells its copy to the server that it came from.
TELL = """
socket.addEventListener("message", () =>
    fetch("/copy", {method: "POST", body: JSON.stringify(Object.fromEntries(hosts))}));
"""


def snippet(address):
    """The JavaScript of README.md, with this server's address and password in place of the printed ones."""
    with open(os.path.join(TOP, 'README.md'), encoding='utf-8') as file:
        blocks = re.findall(r'^```js\n(.*?)^```', file.read(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    text = blocks[0]
    for printed, actual in (('127.0.0.1:9950', address), ('password: "..."', f'password: "{PASSWORD}"')):
        assert text.count(printed) == 1
        text = text.replace(printed, actual)
    return text


# What a page sees of its calls: each outcome goes to the site, the failures that the browser makes too.
CALLS = """
const tell = said => fetch("/copy", {method: "POST", body: JSON.stringify(said)});
async function call(base, method, data, headers, more) {
    try {
        const answer = await fetch(`${base}/api/${method}`, {method: "POST", body: JSON.stringify(data), ...more,
            headers: {"Content-Type": "application/json; charset=utf-8", ...headers}});
        return {status: answer.status, data: await answer.json()};
    } catch (error) {
        return error.name;
    }
}
"""


class Site:
    """Serves one page, and keeps the copies that it tells. What it is sent for /api goes to a server behind it, as nginx
    with `proxy_set_header Host $http_host` would hand it on."""

    def __init__(self):
        site = self
        self.page = b''
        self.copies = []
        self.behind = None  # the port of a server

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, body):
                self.send_response(200)
                self.send_header('Content-Type', 'text/html; charset=utf-8')
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if self.path == '/ws':
                    self.join()
                else:
                    self.answer(site.page)

            def join(self):
                """A WebSocket: either end gets what the other one sends."""
                self.close_connection = True
                with socket.create_connection(('127.0.0.1', site.behind)) as server:
                    lines = [self.requestline, *(f'{name}: {value}' for name, value in self.headers.items()), '', '']
                    server.sendall('\r\n'.join(lines).encode())
                    other = {server: self.connection, self.connection: server}
                    while all(pieces := [(end, end.recv(65536)) for end in select.select([*other], [], [])[0]]):
                        for end, piece in pieces:
                            if not piece:
                                return
                            other[end].sendall(piece)

            def do_POST(self):
                content = self.rfile.read(int(self.headers['Content-Length']))
                if self.path.startswith('/api/'):
                    self.pass_on(content)
                    return
                site.copies.append(json.loads(content))
                self.answer(b'')

            def pass_on(self, content):
                connection = http.client.HTTPConnection('127.0.0.1', site.behind, timeout=PATIENCE)
                connection._http_vsn, connection._http_vsn_str = 10, 'HTTP/1.0'
                headers = {name: value for name, value in self.headers.items() if name != 'Connection'}
                connection.request('POST', self.path, body=content, headers={**headers, 'Connection': 'close'})
                answer = connection.getresponse()
                self.send_response(answer.status)
                for name in ('Content-Type', 'Content-Length', 'Set-Cookie'):
                    if value := answer.headers[name]:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.read())
                connection.close()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def origin(self):
        return f'http://127.0.0.1:{self.server.server_port}'

    def show(self, script, then=TELL):
        self.page = f'<!doctype html><script>{script}{then}</script>'.encode()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def site():
    result = Site()
    yield result
    result.close()


def minimal_hosts(server):
    """What clients hold of the hosts, by the projector of the example configuration."""
    fields = ('_id', '_version', 'name', 'description', 'ready', 'added')
    return {key: {field: document[field] for field in fields if field in document}
            for key, document in server.export('hosts').items()}


@contextlib.contextmanager
def browser(url):
    with tempfile.TemporaryDirectory(prefix='dispatchd-test-', ignore_cleanup_errors=True) as profile, \
            open(os.path.join(profile, 'messages'), 'w+', encoding='utf-8') as messages:
        process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f'--user-data-dir={profile}/profile', '--remote-debugging-port=0', url],
            stdin=subprocess.DEVNULL, stdout=messages, stderr=messages, start_new_session=True)
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.skipif(not CHROMIUM, reason='there is no chromium; scripts/install-packages test installs it')
def test_readme_page_follows_the_hosts(make_server, site):
    with open(os.path.join(EXAMPLES, 'laboratory.conf'), encoding='utf-8') as file:
        server = make_server(prepared=False, config=file.read(), options=['--origins', site.origin])
    server.ctl('user', 'add', 'demo', '--group', 'administrator', '--password-stdin', text=PASSWORD + '\n')
    server.ctl('import', 'hosts', os.path.join(EXAMPLES, 'data', 'hosts.jsonl'))
    site.show(snippet(f'127.0.0.1:{server.port}'))

    with browser(site.origin):
        there = minimal_hosts(server)
        assert there
        wait_until(lambda: there in site.copies, seconds=3 * PATIENCE, what='the page having all hosts')
        server.load('hosts', [{'_id': 'peach', 'name': 'Peach', 'ready': False}])
        now = minimal_hosts(server)
        assert set(now) - set(there) == {'peach'}
        wait_until(lambda: now in site.copies, what='the page having the new one')


@pytest.mark.skipif(not CHROMIUM, reason='there is no chromium; scripts/install-packages test installs it')
def test_page_of_another_origin_is_refused(make_server, site):
    """The browser's own Origin header: a page that the server was not told of gets no connection."""
    server = make_server()
    site.show(f'const hosts = new Map(); const socket = new WebSocket("ws://127.0.0.1:{server.port}/ws");'
              'socket.onerror = () => fetch("/copy", {method: "POST", body: "\\"refused\\""});')
    with browser(site.origin):
        wait_until(lambda: site.copies, seconds=3 * PATIENCE, what='an answer')
        assert site.copies == ['refused']


PAGE = """
(async () => {
    const said = [], server = "http://127.0.0.1:PORT";
    const user = await call(server, "users/authorize_by_login", {username: "editor", password: "PASSWORD"});
    if (user === "TypeError")
        return tell([user, await call(server, "notes/count", {}, {"Authorization": "Bearer TOKEN"})]);
    const headers = {"Authorization": `Bearer ${user.data.token}`, "Idempotency-Key": "k"};
    said.push(user.status, (await call(server, "notes/insert", {_id: "a"}, headers)).data);
    said.push(await call(server, "notes/count", {}, headers));
    said.push((await call(server, "notes/detail", {_id: "b"}, headers)).data.code);
    said.push((await call(server, "notes/count", {}, {"Authorization": "Bearer nonsense"})).status);
    said.push((await call(server, "notes/count", {}, {"X-Other": "y"})));
    said.push((await call(server, "notes/count", {}, headers, {credentials: "include"})));
    await tell(said);
    location.hostname = "localhost";
})();
"""


@pytest.mark.skipif(not CHROMIUM, reason='there is no chromium; scripts/install-packages test installs it')
def test_pages_call_over_http_from_another_origin(make_server, site):
    """The page that the server was told of; opened under the machine's other name it is another, and the log says so."""
    server = make_server(options=['--origins', site.origin], workers=1)
    page = PAGE.replace('PORT', str(server.port)).replace('PASSWORD', password('editor'))
    site.show(CALLS + page.replace('TOKEN', server.tokens['editor']), then='')
    with browser(site.origin):
        wait_until(lambda: len(site.copies) == 2, seconds=3 * PATIENCE, what='what both pages saw')
    assert site.copies == [[200, {'_id': 'a', '_version': 0}, {'status': 200, 'data': 1}, 'not_found', 401,
                            'TypeError', 'TypeError'], ['TypeError', 'TypeError']]
    origin = site.origin.replace('127.0.0.1', 'localhost')
    wait_until(lambda: f'add "{origin}" to "origins" in the configuration' in server.log(), what='the line in the log')


COOKIE_PAGE = """
(async () => {
    const user = await call("", "users/authorize_by_login",
        {username: "editor", password: "PASSWORD", cookie: true});
    const said = [user.data._id, "token" in user.data, document.cookie, await call("", "notes/count", {})];
    said.push(await call("http://127.0.0.1:PORT", "notes/insert", {_id: "a"}, {}, {credentials: "include"}));
    const other = new WebSocket("ws://127.0.0.1:PORT/ws");
    other.onopen = () => other.send('{"tid": 1, "collectionName": "notes", "methodName": "count"}');
    await new Promise(done => other.onmessage = event => {
        const message = JSON.parse(event.data);
        if (message.operation !== "ping")
            done(said.push(message.data.data.message));
    });
    const socket = new WebSocket(`ws://${location.host}/ws`);
    await new Promise(done => socket.onmessage = event => {
        const message = JSON.parse(event.data);
        if (message.operation === "amend")
            done(said.push(message.data._id));
    });
    const ended = new Promise(done => socket.onmessage = event => {
        const message = JSON.parse(event.data);
        if (message.operation === "deauthorize")
            done(said.push(message.operation));
    });
    said.push((await call("", "users/logout", {})).status);
    await ended;
    said.push((await call("", "notes/count", {})).data.message);
    tell(said);
})();
"""


@pytest.mark.skipif(not CHROMIUM, reason='there is no chromium; scripts/install-packages test installs it')
def test_page_that_never_holds_its_token(make_server, site):
    """It is served by a proxy before the server, so that its calls are of the same origin: the browser's cookie is who it
    is, for calls and for a WebSocket, and for nothing that goes to another origin, be it one that the server knows."""
    server = make_server(options=['--origins', site.origin], workers=1)
    site.behind = server.port
    page = COOKIE_PAGE.replace('PORT', str(server.port)).replace('PASSWORD', password('editor'))
    site.show(CALLS + page, then='')
    with browser(site.origin):
        wait_until(lambda: site.copies, seconds=3 * PATIENCE, what='what the page saw')
    [[*said, first, second, last]] = site.copies
    assert said == ['editor', False, '', {'status': 200, 'data': 0}, 'TypeError', 'Log in first', 'editor']
    assert {first, second} == {200, 'deauthorize'} and last == 'Log in first'
    assert server.export('notes') == {}
