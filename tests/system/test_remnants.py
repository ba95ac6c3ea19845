"""Passwords and tokens are gone from the memory of all processes once they have served, whatever way they came.

Each test sends a secret on one way and then looks for it in everything that the processes can have written to.
Frames are masked with zeros, so that copies of what came are seen as well as copies of what was made of it.
"""

import contextlib
import json
import secrets
import socket

import pytest

from http_client import HttpClient, chunked, request
from memory import Memory
from raw import BINARY, CLOSE, MORE, PING, PONG, TEXT, RawClient, frame, handshake
from server import PATIENCE, Server

MESSAGE_BYTES = 1 << 20
LONG = 'x' * 70000  # so that a message is put together in several places
KEY = bytes(4)


def secret(length=24):
    return 'hush-' + secrets.token_hex(length // 2)


def plain(opcode, payload=b'', **options):
    return frame(opcode, payload, key=KEY, **options)


def message(tid, method, data, collection='users', **more):
    return json.dumps({'tid': tid, 'methodName': method, 'collectionName': collection, 'data': data, **more})


def log_in(password, tid=1, **more):
    """A call that takes its time, to be refused."""
    return message(tid, 'authorize_by_login', {'username': 'nobody', 'password': password}, **more)


def not_allowed(password, tid=1, **more):
    """One that is refused at once."""
    return message(tid, 'set_password', {'_id': 'nobody', 'new_password': password}, **more)


class Ways:
    """A server, somebody whose calls go on all the time, and the ways in."""

    def __init__(self, server):
        self.server = server
        self.memory = Memory(server)
        self.admin = RawClient(server).open('admin')
        self.raw = []

    def client(self, user=None):
        client = RawClient(self.server).open(user)
        self.raw.append(client)
        return client

    def close(self):
        for client in [self.admin, *self.raw]:
            client.socket.close()

    def gone(self, *texts):
        assert self.admin.call('describe')['success']
        self.memory.holds_none([text.encode() for text in texts])

    def waits_then_gone(self, client, text):
        """It is in memory because the rest may still come, and is not when the connection has closed."""
        self.memory.holds(text.encode())
        assert self.admin.call('describe')['success']
        client.socket.close()
        self.gone(text)


# Clients that are left open answer no pings.
OPTIONS = ['--limits', 'stranger_message_bytes=1M', '--ping-interval-ms', '600000']
OPTIONS += [word for limit in (f'message_bytes={MESSAGE_BYTES}', 'login_attempts=1000', 'calls_in_flight=2')
            for word in ('--limits', limit)]


@pytest.fixture(scope='module')
def ways(template):
    """For all tests, which use secrets of their own."""
    server = Server(template=template, options=OPTIONS)
    try:
        ways = Ways(server.start())
        yield ways
        ways.close()
    finally:
        problems = server.close()
    assert not problems, '\n'.join(problems)


@pytest.fixture
def fresh(make_server):
    """Processes that do everything for the first time: what the libraries then do is part of it."""
    ways = Ways(make_server(workers=1, options=OPTIONS))
    yield ways
    ways.close()


def fulfilled(client, tid):
    """The answer to a call, in the order in which they come."""
    while True:
        data = client.message()
        if data['operation'] == 'fulfill' and data['data']['tid'] == tid:
            return data['data']


# ---- messages ----

def test_a_call(fresh):
    client, password = fresh.client(), secret()
    client.send(plain(TEXT, log_in(password)))
    assert not fulfilled(client, 1)['success']
    fresh.gone(password)


def test_the_token_of_an_answer(ways):
    client, password = ways.client(), 'ann has a long password'
    token = client.call('authorize_by_login', 'users', {'username': 'ann', 'password': password})['data']['token']
    ways.gone(token, password)
    client = ways.client()
    client.send(plain(TEXT, message(1, 'authorize_by_token', {'token': token})))
    client.log_ins += 1
    assert fulfilled(client, 1)['success']
    ways.gone(token)
    token = secret()
    client.send(plain(TEXT, message(2, 'authorize_by_token', {'token': token})))
    assert not fulfilled(client, 2)['success']
    ways.gone(token)


def test_escaped_and_with_once(ways):
    client, password = ways.client(), secret()
    escaped = log_in('Q' + password, once='a key').replace('"Q', '"\\u0051')
    client.send(plain(TEXT, escaped))
    assert not fulfilled(client, 1)['success']
    ways.gone(password)


def test_a_tid_twice(ways):
    client, passwords = ways.client(), [secret(), secret()]
    client.send(plain(TEXT, log_in(passwords[0])) + plain(TEXT, log_in(passwords[1])))
    answers = [client.message()['data'], client.message()['data']]
    assert [answer['tid'] for answer in answers] == [None, 1]
    ways.gone(*passwords)


def test_more_calls_than_may_be_in_flight(ways):
    """What was read behind them waits."""
    client, passwords = ways.client(), [secret() for _ in range(4)]
    client.send(b''.join(plain(TEXT, call(text, tid=i)) for i, (call, text) in
                         enumerate(zip((log_in, log_in, not_allowed, not_allowed), passwords))))
    assert {client.message()['data']['tid'] for _ in passwords} == set(range(len(passwords)))
    ways.gone(*passwords)


@pytest.mark.parametrize('what', ['not JSON', 'cut off', 'no object', 'no tid', 'an unknown key', 'a list for a text'])
def test_a_message_that_is_refused(ways, what):
    client, password = ways.client(), secret()
    text = {'not JSON': f'password: {password}', 'cut off': log_in(password)[:-1], 'no object': json.dumps([password]),
            'no tid': log_in(password, tid=None), 'an unknown key': message(1, 'authorize_by_login', {password: 1}),
            'a list for a text': message(1, 'add', [password])}[what]
    client.send(plain(TEXT, text))
    assert client.message()['data']['success'] is False
    ways.gone(password)


def test_in_fragments(ways):
    client, password = ways.client(), secret()
    text = not_allowed(password, more=LONG)
    parts = [text[:40], text[40:130], text[130:300], text[300:20000], text[20000:]]
    for i, part in enumerate(parts):
        client.send(plain(MORE if i else TEXT, part, final=i == len(parts) - 1))
    assert not fulfilled(client, 1)['success']
    ways.gone(password)


def test_in_pieces(ways):
    """A frame that comes bit by bit, with another message in the last of them."""
    client, passwords = ways.client(), [secret(), secret()]
    data = plain(TEXT, not_allowed(passwords[0])) + plain(TEXT, not_allowed(passwords[1], tid=2))
    for start in range(0, len(data), 50):
        client.send(plain(PING) if start == 0 else b'')
        client.send(data[start:start + 50])
    assert not fulfilled(client, 1)['success'] and not fulfilled(client, 2)['success']
    ways.gone(*passwords)


# ---- frames ----

def test_an_unfinished_frame(ways):
    for length in (1000, 10000, 200000):
        client, password = ways.client(), secret()
        client.send(plain(TEXT, log_in(password) + 'x' * (length // 2), length=length))
        ways.waits_then_gone(client, password)


def test_an_unfinished_message(ways):
    client, password = ways.client(), secret()
    client.send(plain(TEXT, log_in(password), final=False))
    ways.waits_then_gone(client, password)
    client, password = ways.client(), secret()
    client.send(plain(TEXT, log_in(password), final=False) + plain(MORE, LONG, final=False) * 3)
    ways.waits_then_gone(client, password)


@pytest.mark.parametrize('what, code', [
    ('compressed', 1002), ('too large', 1009), ('too large in all', 1009), ('binary', 1003), ('not UTF-8', 1007),
    ('not UTF-8 in fragments', 1007), ('in no message', 1002), ('not masked', 1002), ('a long ping', 1002),
    ('behind a close', 1000)])
def test_frames_that_are_refused(ways, what, code):
    client, password = ways.client(), secret()
    text = log_in(password).encode()
    client.send({
        'compressed': plain(TEXT, text, reserved=4),
        'too large': plain(TEXT, text, length=MESSAGE_BYTES + 1),
        'too large in all': plain(TEXT, text, final=False) + plain(MORE, text, length=MESSAGE_BYTES),
        'binary': plain(BINARY, text),
        'not UTF-8': plain(TEXT, text + b'\xff'),
        'not UTF-8 in fragments': plain(TEXT, text, final=False) + plain(MORE, b'\xff' + text),
        'in no message': plain(MORE, text),
        'not masked': frame(TEXT, text, mask=False),
        'a long ping': plain(PING, text + text),
        'behind a close': plain(CLOSE, b'\x03\xe8') + plain(TEXT, text),
    }[what])
    assert client.close_code() == code
    ways.gone(password)


def test_control_frames(ways):
    client, password = ways.client(), secret()
    client.send(plain(PING, password) + plain(PONG, password))
    assert client.frame() == (PONG, password.encode())
    ways.gone(password)
    password = secret()
    client.send(plain(CLOSE, b'\x03\xe8' + password.encode()))
    assert client.close_code() == 1000
    ways.gone(password)


# ---- handshakes ----

@pytest.mark.parametrize('header', ['Authorization: Bearer {}', 'Cookie: dispatchd_token={}', 'Cookie: other={}'])
def test_the_token_of_a_handshake(ways, header):
    for token in (ways.server.tokens['ben'], secret()):
        client = RawClient(ways.server).open(None, header.format(token))
        ways.raw.append(client)
        client.call('describe')
        ways.gone(token)


def test_a_handshake_in_pieces_and_refused(ways):
    client, token = RawClient(ways.server), secret()
    head = handshake(f'Authorization: Bearer {token}', 'X-Long: ' + 'x' * 3000, version='12')
    client.send(head[:-20])
    ways.memory.holds(token.encode())
    client.send(head[-20:-2])
    assert client.request(head[-2:])[0] == 426
    ways.gone(token)


def test_an_unfinished_handshake(ways):
    client, token = RawClient(ways.server), secret()
    client.send(handshake(f'Authorization: Bearer {token}')[:-2])
    ways.waits_then_gone(client, token)


# ---- HTTP ----

def test_a_log_in_over_http_that_is_refused(fresh):
    password = secret()
    with HttpClient(fresh.server) as client:
        body = json.dumps({'username': 'nobody', 'password': password}).encode()
        assert client.ask(request('/api/users/authorize_by_login', body=body)).status == 401
        fresh.gone(password)


def test_calls_over_http(ways):
    passwords, token = [secret(), secret(), secret()], secret()
    chunks, path = 'Transfer-Encoding: chunked', '/api/users/set_password'
    body = [json.dumps({'_id': 'nobody', 'new_password': text}).encode() for text in passwords]
    with HttpClient(ways.server) as client:
        assert client.ask(request(path, chunks, length=False) + chunked(body[0], 70)).status == 401
        assert client.ask(request(path, f'Authorization: Bearer {token}', body=body[1])).status == 401
        client.token = ways.server.tokens['carl']
        assert client.ask(request(path, f'Authorization: Bearer {client.token}', body=body[2])).status == 403
        ways.gone(*passwords, token, client.token)


def test_a_log_in_over_http(ways):
    with HttpClient(ways.server) as client:
        data = client.call('authorize_by_login', 'users', {'username': 'ann', 'password': 'ann has a long password'})
        ways.gone(data['token'], 'ann has a long password')


def test_a_cookie(ways):
    path, own = '/api/users/', 'Origin: http://localhost'
    log_in = {'username': 'ann', 'password': 'ann has a long password', 'cookie': True}
    with HttpClient(ways.server) as client:
        assert client.ask(request(path + 'authorize_by_login', own, body=json.dumps(log_in).encode())).status == 200
        ways.gone(client.cookie, log_in['password'])
        cookie = f'Cookie: dispatchd_token={client.cookie}'
        assert client.ask(request(path + 'sessions', own, cookie)).status == 200
        ways.gone(client.cookie)
        token = client.cookie
        assert client.ask(request(path + 'logout', own, cookie)).status == 200
        ways.gone(token)


@pytest.mark.parametrize('what, status', [
    ('not JSON', 401), ('too large', 413), ('bad chunks', 400), ('no such path', 404), ('another origin', 403)])
def test_requests_that_are_refused(ways, what, status):
    password, token = secret(), secret()
    bearer, path = f'Authorization: Bearer {token}', '/api/users/authorize_by_login'
    body = json.dumps({'username': 'nobody', 'password': password}).encode()
    data = {
        'not JSON': request(path, bearer, body=body[:-1]),
        'too large': request(path, bearer, f'Content-Length: {MESSAGE_BYTES + 1}', length=False) + body,
        'bad chunks': request(path, bearer, 'Transfer-Encoding: chunked', length=False) + chunked(body)[:-5] + b'zzz\r\n',
        'no such path': request('/elsewhere', bearer, body=body),
        'another origin': request(path, bearer, 'Origin: https://elsewhere.example', body=body),
    }[what]
    with HttpClient(ways.server) as client:
        assert client.ask(data).status == status
        ways.gone(password, token)


def test_an_unfinished_body(ways):
    for headers in ((), ('Transfer-Encoding: chunked',)):
        password, token, client = secret(), secret(), HttpClient(ways.server)
        body = json.dumps({'username': 'nobody', 'password': password}).encode()
        data = request('/api/users/add', f'Authorization: Bearer {token}', *headers, body=body, length=not headers)
        client.send(data[:-1] if not headers else data[:-len(body)] + chunked(body, 60)[:-7])
        ways.memory.holds(token.encode())
        ways.waits_then_gone(client, password)
        ways.gone(token)


def test_requests_behind_a_request(ways):
    """They wait until the answer is out."""
    passwords = [secret() for _ in range(3)]
    bodies = [json.dumps({'username': 'nobody', 'password': text}).encode() for text in passwords]
    path = '/api/users/set_password'
    client = HttpClient(ways.server)
    client.send(b''.join(request(path, body=body) for body in bodies)[:-1])
    assert [client.answer().status for _ in bodies[:-1]] == [401, 401]
    ways.gone(*passwords[:-1])
    ways.waits_then_gone(client, passwords[-1])


# ---- accounts ----

def test_passwords_of_accounts(ways):
    passwords = [secret() for _ in range(4)]
    client = ways.client('admin')
    calls = [('add', {'_id': 'nora', 'password': passwords[0]}),
             ('set_password', {'_id': 'nora', 'new_password': passwords[1]}),
             ('change_password', {'_id': 'nora', 'old_password': passwords[1], 'new_password': passwords[2]}),
             ('change_password', {'_id': 'nora', 'old_password': passwords[3], 'new_password': passwords[0]})]
    for i, (method, data) in enumerate(calls):
        client.send(plain(TEXT, message(i, method, data)))
        assert fulfilled(client, i)['success'] == (i < 3)
    ways.gone(*passwords)


def test_dispatchctl(ways):
    passwords = [secret(), secret()]
    ways.server.ctl('user', 'add', 'norman', '--password-stdin', text=passwords[0] + '\n')
    ways.server.ctl('user', 'passwd', 'norman', '--password-stdin', text=passwords[1] + '\n')
    ways.gone(*passwords)


def test_the_control_socket(ways):
    text = secret()
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as control:
        control.settimeout(PATIENCE)
        control.connect(ways.server.control)
        control.sendall(text.encode())
        ways.memory.holds(text.encode())
    ways.gone(text)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as control:
        control.settimeout(PATIENCE)
        control.connect(ways.server.control)
        control.sendall(text.encode() + b'\n')
        assert b'unknown command' in control.recv(1000)
    ways.gone(text)
