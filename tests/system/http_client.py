"""POST /api/COLLECTION/METHOD by hand, over a connection of its own: every byte of request and answer is the test's."""

import json
import re
import socket
import time

from server import PATIENCE
from watch import WATCH


class Answer:
    """One answer as it came."""

    def __init__(self, status, headers, content):
        self.status = status
        self.headers = headers  # names in lower case
        self.content = content

    @property
    def data(self):
        assert self.headers['content-type'] == 'application/json'
        return json.loads(self.content)

    @property
    def code(self):
        assert self.data['warning'] is True and self.data['message'], self.data
        return self.data['code']


def request(path, *headers, method='POST', body=b'', host='localhost', length=True, version='1.1'):
    """The bytes of a request; with @length False nothing is said of the body, with @host None nothing of that."""
    lines = [f'{method} {path} HTTP/{version}', *headers]
    if host is not None:
        lines.insert(1, f'Host: {host}')
    if length:
        lines.append(f'Content-Length: {len(body)}')
    return '\r\n'.join([*lines, '', '']).encode('latin-1') + body


def chunked(body, size=7):
    """A body in chunks."""
    chunks = [body[i:i + size] for i in range(0, len(body), size)]
    return b''.join(b'%x\r\n%s\r\n' % (len(chunk), chunk) for chunk in chunks) + b'0\r\n\r\n'


class HttpClient:
    """A blocking connection that sends requests."""

    def __init__(self, server, user=None, token=None, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(('127.0.0.1', server.port))
        self.token = server.tokens[user] if user else token
        self.cookie = None  # the last that was set
        self.received = b''
        self.log_ins = 0  # calls whose answer brings a token
        WATCH.receives(self, 'bytes of an HTTP connection')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.log_ins += data.count(b'/api/users/authorize_by_')
        self.socket.sendall(data)

    def read_more(self):
        """False at the end of the connection."""
        try:
            chunk = self.socket.recv(1 << 20)
        except ConnectionResetError:
            return False
        self.received += chunk
        return bool(chunk)

    def answer(self, method='POST'):
        """The next answer; those of 1xx are given too."""
        while b'\r\n\r\n' not in self.received:
            assert self.read_more(), f'the connection ended within the head of an answer: {self.received}'
        head, self.received = self.received.split(b'\r\n\r\n', 1)
        first, *lines = head.decode('latin-1').split('\r\n')
        headers = {name.lower(): value for name, value in (line.split(': ', 1) for line in lines)}
        version, status, _ = first.split(' ', 2)
        assert version == 'HTTP/1.1'
        empty = method == 'HEAD' or status[0] == '1' or status == '204'
        assert status != '204' or 'content-length' not in headers
        length = 0 if empty else int(headers['content-length'])
        while len(self.received) < length:
            assert self.read_more(), 'the connection ended within the content of an answer'
        content, self.received = self.received[:length], self.received[length:]
        head = self.take_cookie(head, headers)
        WATCH.received(head + b'\n' + content, 'an answer over HTTP', self.token_due(content))
        return Answer(int(status), headers, content)

    def token_due(self, content):
        """The token in the answer of a call that logged in."""
        if not self.log_ins or b'"token":' not in content:
            return None
        self.log_ins -= 1
        return json.loads(content)['token']

    def take_cookie(self, head, headers):
        """Keeps what is set, as a browser would; the head without it."""
        token = re.match('dispatchd_token=([^;]*)', headers.get('set-cookie', ''))
        if not token:
            return head
        self.cookie = token[1]
        if not self.log_ins or not self.cookie:
            return head
        self.log_ins -= 1
        WATCH.token(self.cookie)
        return head.replace(f'dispatchd_token={self.cookie}'.encode(), b'dispatchd_token=')

    def ask(self, data, method='POST'):
        self.send(data)
        return self.answer(method)

    def call_bytes(self, method, collection='dispatcher', data=None, *headers):
        """The request of a call; @data None: without a body."""
        if self.token:
            headers = (f'Authorization: Bearer {self.token}', *headers)
        WATCH.passwords_of(data)
        body = b'' if data is None else json.dumps(data).encode()
        return request(f'/api/{collection}/{method}', *headers, body=body)

    def post(self, method, collection='dispatcher', data=None, *headers):
        """A call and its answer."""
        return self.ask(self.call_bytes(method, collection, data, *headers))

    def call(self, method, collection='dispatcher', data=None, *headers):
        """A call that succeeds; what it came to."""
        answer = self.post(method, collection, data, *headers)
        assert answer.status == 200, answer.content
        return answer.data

    def ended(self, seconds=PATIENCE):
        """Whether the server closes the connection and has said nothing more."""
        deadline = time.monotonic() + seconds
        while self.read_more():
            assert time.monotonic() < deadline
        return self.received == b''
