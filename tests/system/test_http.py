"""POST /api/COLLECTION/METHOD: the same methods over HTTP."""

import asyncio
import http.client
import itertools
import json
import os
import re
import signal
import socket
import threading
import time

import pytest

from client import Client, connect_to_workers
from configuration import configuration, password
from http_client import HttpClient, chunked, request
from raw import TEXT, RawClient, frame, handshake
from server import PATIENCE, scaled, wait_until

JSON = 'Content-Type: application/json'
LOG_IN = {'username': 'editor', 'password': password('editor')}


# ---- calls ----

def test_with_a_library(server):
    """As an application would: http.client, several calls over one connection."""
    connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=20)
    headers = {'Authorization': f'Bearer {server.tokens["editor"]}', 'Content-Type': 'application/json'}

    def call(path, data):
        connection.request('POST', path, body=json.dumps(data), headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    assert call('/api/notes/insert', {'_id': 'a', 'text': 'ü'}) == (200, {'_id': 'a', '_version': 0})
    local = connection.sock.getsockname()
    assert call('/api/notes/detail', {'_id': 'a'}) == (200, {'_id': 'a', '_version': 0, 'text': 'ü'})
    assert call('/api/notes/count', None) == (200, 1)
    assert call('/api/dispatcher/describe', {})[1]['user'] == 'editor'
    assert connection.sock.getsockname() == local, 'another connection'
    connection.close()


def test_answers_are_the_data_of_fulfil(server):
    with HttpClient(server, 'editor') as client, RawClient(server) as other:
        other.open('editor')
        for method, collection, data in (
                ('count', 'notes', None), ('count', 'notes', {}), ('find', 'notes', {}),
                ('find', 'notes', {'limit': -1}), ('detail', 'notes', {'_id': 'x'}), ('insert', 'notes', []), ('insert', 'notes', 5),
                ('insert', 'fixed', {}), ('find', 'guarded', {}), ('nothing', 'notes', {}), ('find', 'nothing', {}),
                ('describe', 'dispatcher', {})):
            said = other.call(method, collection, data)
            answer = client.post(method, collection, data)
            assert (answer.status == 200) == said['success']
            assert answer.data == said['data']
        # The texts, too.
        assert client.post('count', 'notes').content == b'0'


def test_headers_of_an_answer(server):
    with HttpClient(server, 'editor') as client:
        for answer in (client.post('count', 'notes'), client.post('detail', 'notes', {'_id': 'x'}),
                       client.ask(request('/api/x', body=b''))):
            assert answer.headers['content-type'] == 'application/json'
            assert answer.headers['cache-control'] == 'no-store'
            assert answer.headers['x-content-type-options'] == 'nosniff'
            assert re.fullmatch(r'\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT', answer.headers['date'])
        assert answer.headers['connection'] == 'close'


def test_log_in_and_out(server):
    with HttpClient(server) as nobody:
        user = nobody.call('authorize_by_login', 'users', LOG_IN)
        assert user['_id'] == 'editor'
        assert nobody.post('count', 'notes').status == 401, 'the connection has no user'
        again = nobody.call('authorize_by_token', 'users', {'token': user['token']})
        assert again['_id'] == 'editor'
    with HttpClient(server, token=user['token']) as client, RawClient(server) as other:
        other.token = user['token']
        status, _ = other.request(handshake(f'Authorization: Bearer {user["token"]}'))
        assert status == 101
        assert client.call('count', 'notes') == 0
        assert client.call('logout', 'users') is None
        while (message := other.message())['operation'] != 'deauthorize':
            assert message['operation'] == 'amend'
        ended = client.post('count', 'notes')
        assert ended.status == 401 and ended.data['message'] == 'Token was invalidated'


# ---- who may ----

def test_without_and_with_a_wrong_token(server):
    with HttpClient(server) as client:
        answer = client.post('count', 'notes')
        assert (answer.status, answer.code, answer.data['message']) == (401, 'unauthorized', 'Log in first')
        assert answer.headers['www-authenticate'].startswith('Bearer')
    for authorization in ('Bearer nonsense', 'Bearer ' + 'x' * 500, 'Basic YTpi', 'Bearer', 'Bearer ',
                          server.tokens['editor'], f'Bearer {server.tokens["editor"][:-1]}'):
        with HttpClient(server) as client:
            # Also where none is needed: a client that believes to be somebody is told that it is not.
            for path in ('/api/notes/count', '/api/users/authorize_by_login', '/api/no/such'):
                client.send(request(path, f'Authorization: {authorization}', body=b'{}'))
                answer = client.answer()
                assert (answer.status, answer.code) == (401, 'unauthorized'), authorization
                assert answer.headers['www-authenticate'].startswith('Bearer')
                if answer.headers.get('connection') == 'close':
                    assert client.ended()
                    break


def test_a_cookie_is_no_token(server):
    with HttpClient(server) as client:
        answer = client.ask(request('/api/notes/count', f'Cookie: dispatchd_token={server.tokens["editor"]}'))
        assert answer.status == 401


def test_the_control_socket_gives_no_rights_over_http(server):
    """Everything is allowed there, but to sessions that speak WebSocket; a browser could be made to send a request."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(PATIENCE)
        control.connect(server.control)
        control.sendall(b'session\n' + request('/api/notes/count'))
        assert control.recv(65536).startswith(b'HTTP/1.1 401 ')


def test_permissions(server):
    with HttpClient(server, 'curator') as curator, HttpClient(server, 'editor') as editor:
        virus = curator.call('insert', 'viruses', {'name': 'TMV'})
        answer = curator.post('remove', 'viruses', {'_id': virus['_id']})
        assert (answer.status, answer.code) == (403, 'forbidden')
        assert 'remove_virus' in answer.data['message']
        assert editor.post('find', 'secrets', {}).status == 403
        assert editor.call('remove', 'viruses', {'_id': virus['_id']}) == {'_ids': [virus['_id']]}
        assert editor.post('shutdown').status == 403
        assert editor.post('import', 'notes', {'documents': []}).code == 'unknown_method'


async def test_rights_are_those_of_each_call(server):
    """Taken away between two calls on the same connection."""
    admin = await Client.connect(server, 'admin')

    def rounds():
        with HttpClient(server, 'curator') as curator:
            assert curator.post('insert', 'viruses', {'name': 'TMV'}).status == 200
            yield
            assert curator.post('insert', 'viruses', {'name': 'CMV'}).status == 403
    steps = rounds()
    await asyncio.to_thread(next, steps)
    await admin.call('update_permissions', 'groups', {'_id': 'curators', 'permissions': {'modify_virus': False}})
    assert await asyncio.to_thread(next, steps, 'end') == 'end'


def test_origins(make_server):
    server = make_server(options=['--origins', 'https://friend.example.org'])
    authorization = f'Authorization: Bearer {server.tokens["editor"]}'
    for origin, status in (('http://localhost', 200), ('https://localhost', 200), ('https://friend.example.org', 200),
                           ('https://evil.example.org', 403), ('null', 403), ('', 403)):
        with HttpClient(server) as client:
            answer = client.ask(request('/api/notes/count', f'Origin: {origin}', authorization))
            assert answer.status == status, origin
            assert status == 200 or answer.code == 'forbidden'


def test_origins_behind_a_proxy_that_says_https(server):
    """An http page of the same name is another origin then, for methods as for WebSocket."""
    upgrade = ('Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13',
               'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==')
    authorization = f'Authorization: Bearer {server.tokens["editor"]}'
    for origin, said, allowed in (('http://localhost', 'https', False), ('https://localhost', 'https', True),
                                  ('https://localhost:443', 'https', True), ('http://localhost:443', 'https', False),
                                  ('http://localhost', 'http', True), ('https://localhost', 'http', False)):
        headers = (f'Origin: {origin}', f'X-Forwarded-Proto: {said}')
        with HttpClient(server) as client:
            answer = client.ask(request('/api/notes/count', authorization, *headers))
            assert answer.status == (200 if allowed else 403), (origin, said)
        with HttpClient(server) as client:
            client.send(request('/ws', *upgrade, *headers, method='GET', length=False))
            while b'\r\n' not in client.received:
                assert client.read_more()
            assert client.received.split()[1] == (b'101' if allowed else b'403'), (origin, said)


def test_what_needs_a_lasting_connection(server):
    with HttpClient(server, 'editor') as client:
        for method, collection, data in (('sync', 'notes', {}), ('sync', 'dispatcher', {'manifests': {}}),
                                         ('resume', 'dispatcher', {'epoch': 1, 'seq': 0}),
                                         ('subscribe', 'dispatcher', {'collections': None})):
            answer = client.post(method, collection, data)
            assert (answer.status, answer.code) == (400, 'invalid')
            assert 'WebSocket' in answer.data['message']
    with HttpClient(server) as nobody:
        assert nobody.post('sync', 'notes', {}).status == 401


# ---- statuses ----

def test_status_of_each_code(make_server):
    server = make_server(options=['--limits', 'login_attempts=2', '--limits', 'document_bytes=4K'])
    with HttpClient(server, 'editor') as client:
        client.call('insert', 'viruses', {'_id': 'v', 'name': 'TMV'})
        for method, collection, data, status, code in (
                ('insert', 'notes', [1], 400, 'invalid'),
                ('find', 'secrets', {}, 403, 'forbidden'),
                ('find', 'nothing', {}, 404, 'unknown_collection'),
                ('find', 'sessions', {}, 404, 'unknown_collection'),
                ('nothing', 'notes', {}, 404, 'unknown_method'),
                ('insert', 'fixed', {}, 404, 'unknown_method'),
                ('detail', 'notes', {'_id': 'x'}, 404, 'not_found'),
                ('insert', 'viruses', {'_id': 'v', 'name': 'CMV'}, 409, 'exists'),
                ('insert', 'viruses', {'name': 'TMV'}, 409, 'exists'),
                ('update', 'viruses', {'_id': 'v', '_version': 7, 'changes': {'a': 1}}, 409, 'conflict'),
                ('insert', 'notes', {'text': 'x' * 5000}, 413, 'too_large')):
            answer = client.post(method, collection, data)
            assert (answer.status, answer.code) == (status, code), (method, collection, data)
            assert 'connection' not in answer.headers
        assert client.ask(request('/api/notes/%63ount', f'Authorization: Bearer {client.token}')).status == 404
        assert client.ask(request('/api/notes/count?a=b', f'Authorization: Bearer {client.token}')).status == 200
        answer = client.ask(request('/api/notes/count', f'Authorization: Bearer {client.token}', body=b'{'))
        assert (answer.status, answer.code) == (400, 'bad_message')
        assert 'byte 2' in answer.data['message']
        for _ in range(2):
            assert client.post('authorize_by_login', 'users', {**LOG_IN, 'password': 'x'}).status == 401
        limited = client.post('authorize_by_login', 'users', LOG_IN)
        assert (limited.status, limited.code) == (429, 'rate_limited')
        assert int(limited.headers['retry-after']) > 0


def test_full_store(make_server):
    server = make_server(config=configuration(map_bytes='4M', change_log_entries=100))
    with HttpClient(server, 'editor') as client:
        for i in range(2000):
            answer = client.post('insert', 'notes', {'_id': f'n{i}', 'text': 'x' * 20000})
            if answer.status != 200:
                break
        assert (answer.status, answer.code) == (507, 'store_full')
        assert client.call('count', 'notes') == i


HOST = b'Host: localhost\r\n'
REFUSED = [
    (request('/api/notes/count', method='GET'), 405),
    (request('/api/notes/count', method='GET', length=False), 405),
    (request('/api/notes/count', method='PUT', body=b'{}'), 405),
    (request('/api/notes/count', method='TRACE', length=False), 405),
    (request('/ws', method='POST', body=b'{}'), 405),
    (request('/ws', method='HEAD', length=False), 405),
    (request('/', method='POST', body=b'{}'), 404),
    (request('/', method='POST', length=False), 404),
    (request('/', method='GET', length=False), 404),
    (request('/', method='HEAD', length=False), 404),
    (request('/nowhere', 'Transfer-Encoding: chunked', method='PUT', length=False) + chunked(b'{}'), 404),
    (request('/nowhere', method='OPTIONS', length=False), 404),
    (request('/api/notes', method='OPTIONS', length=False), 404),
    (request('/api/notes/count', method='BREW', length=False), 501),
    (request('/nowhere', method='brew', length=False), 501),
    (request('/ws', method='CONNECT', length=False), 501),
    (request('/api/notes/count', version='2.0'), 505),
    (request('/api/notes/count', method='HEAD', length=False), 405),
    (request('/api/notes'), 404),
    (request('/api/notes/'), 404),
    (request('/api/notes/count/'), 404),
    (request('/api//count'), 404),
    (request('/api/'), 404),
    (request('/api'), 404),
    (request('/api/notes/count', 'Content-Type: text/plain', body=b'{}'), 415),
    (request('/api/notes/count', 'Content-Type: application/x-www-form-urlencoded', body=b'{}'), 415),
    (request('/api/notes/count', 'Content-Type: application/jsonx', body=b'{}'), 415),
    (request('/api/notes/count', JSON, 'Content-Encoding: gzip', body=b'{}'), 415),
    (request('/api/notes/count', JSON, JSON, body=b'{}'), 415),
    (request('/api/notes/count', 'Expect: something'), 417),
    (request('/api/notes/count', 'Idempotency-Key: ' + 'k' * 129), 400),
    (request('/api/notes/count', 'Idempotency-Key:'), 400),
    (request('/api/notes/count', 'Idempotency-Key: ü'), 400),
    (request('/api/notes/count', 'Idempotency-Key: a', 'Idempotency-Key: b'), 400),
    (request('/api/notes/count', 'Authorization: Bearer a', 'Authorization: Bearer b'), 400),
    (request('/api/notes/count', 'X: ' + 'a' * 9000), 431),
    # what leads to request smuggling
    (request('/api/notes/count', 'Transfer-Encoding: chunked', body=chunked(b'{}')), 400),
    (request('/api/notes/count', 'Content-Length: 3', body=b'{}'), 400),
    (request('/api/notes/count', 'Content-Length: 2', body=b'{}'), 400),
    (request('/api/notes/count', 'Content-Length: +2', length=False) + b'{}', 400),
    (request('/api/notes/count', 'Content-Length: 0x2', length=False) + b'{}', 400),
    (request('/api/notes/count', 'Content-Length: 2, 2', length=False) + b'{}', 400),
    (request('/api/notes/count', 'Content-Length: -1', length=False), 400),
    (request('/api/notes/count', 'Content-Length: 99999999999999999999', length=False), 400),
    (request('/api/notes/count', 'Content-Length : 2', length=False) + b'{}', 400),
    (request('/api/notes/count', 'Transfer-Encoding: gzip, chunked', length=False), 501),
    (request('/api/notes/count', 'Transfer-Encoding: identity', length=False), 501),
    (request('/api/notes/count', 'Transfer-Encoding: xchunked', length=False), 501),
    (request('/api/notes/count', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked', length=False), 400),
    (request('/api/notes/count', 'Transfer-Encoding: chunked', length=False) + b'2\n{}\r\n0\r\n\r\n', 400),
    (request('/api/notes/count', 'Transfer-Encoding: chunked', length=False) + b'2;a\n{}\r\n0\r\n\r\n', 400),
    (request('/api/notes/count', 'Transfer-Encoding: chunked', length=False) + b'0x2\r\n{}\r\n0\r\n\r\n', 400),
    (request('/api/notes/count', 'Transfer-Encoding: chunked', length=False) + b'2\r\n{}0\r\n\r\n', 400),
    (request('/api/notes/count', 'Transfer-Encoding: chunked', length=False) + b'2\r\n{}\r\n0\r\n X: y\r\n\r\n', 400),
    (b'POST /api/notes/count HTTP/1.1\r\n' + HOST + HOST + b'\r\n', 400),
    (b'POST /api/notes/count HTTP/1.1\r\nContent-Length: 0\r\n\r\n', 400),
    (request('/api/notes/count', 'Transfer-Encoding: chunked', length=False, version='1.0') + chunked(b'{}'), 400),
    (request('/api/notes/count', host='user@localhost'), 400),
    (request('/api/notes/count', host='localhost/api'), 400),
    (request('http://user@localhost/api/notes/count'), 400),
    (b'\r\n' * 9 + request('/api/notes/count'), 400),
    (b'HEAD /api/notes/count HTTP/1.1\r\n' + HOST + HOST + b'\r\n', 400),
    (request('/api/notes/count', 'X: ' + 'a' * 9000, method='HEAD'), 431),
    (b'POST /api/notes/count HTTP/1.1\n' + HOST + b'\r\n', 400),
]


@pytest.mark.parametrize('data, status', REFUSED, ids=itertools.count())
def test_refused(server, data, status):
    """The connection ends behind the answer: nothing in the same bytes is taken for another request."""
    behind = request('/api/notes/insert', f'Authorization: Bearer {server.tokens["editor"]}', body=b'{"_id":"a"}')
    method = data.split()[0].decode()
    with HttpClient(server) as client:
        answer = client.ask(data + behind, method)
        assert answer.status == status
        assert answer.headers['connection'] == 'close'
        assert 'date' in answer.headers and answer.headers['vary'] == 'Origin'
        if status == 405:
            assert answer.headers['allow'] == ('GET, OPTIONS' if b' /ws ' in data else 'POST, OPTIONS')
        assert answer.headers['content-type'] == 'application/json'
        if method != 'HEAD':
            assert answer.code
            assert status != 404 or '/api/COLLECTION/METHOD' in answer.data['message']
            assert status != 404 or b' /api' in data or '/ws' in answer.data['message']
        assert client.ended()
    with HttpClient(server, 'editor') as client:
        assert client.call('count', 'notes') == 0
    wait_until(lambda: sum(server.connections()) == 0, what='the connections being forgotten')


@pytest.mark.parametrize('header', [
    JSON, 'content-type:application/json', JSON + '; charset=utf-8', JSON + ';charset="UTF-8"', 'Expect: 100-continue',
    JSON + '; charset=latin-1', 'Content-Type: APPLICATION/Json ;profile="a;b"; x', JSON + ';',
    'Content-Encoding: identity', 'Connection: keep-alive', 'Idempotency-Key: ' + 'k' * 128])
def test_taken(server, header):
    with HttpClient(server, 'editor') as client:
        for _ in range(2):
            answer = client.post('count', 'notes', {}, header)
            if answer.status == 100:
                answer = client.answer()
            assert answer.status == 200 and 'connection' not in answer.headers


# ---- bodies ----

def test_chunked(server):
    body = json.dumps({'_id': 'a', 'text': 'ü' * 1000}).encode()
    with HttpClient(server, 'editor') as client:
        head = request('/api/notes/insert', f'Authorization: Bearer {client.token}', 'Transfer-Encoding: Chunked',
                       length=False)
        assert client.ask(head + chunked(body)).status == 200
        text = chunked(body.replace(b'"a"', b'"b"'), size=500).replace(b'1f4\r\n', b'00001F4 ; name="value"\r\n')
        data = head + text[:-2] + b'X-Checksum: none\r\n\r\n' + client.call_bytes('count', 'notes')
        for i in range(0, len(data), 11):
            client.send(data[i:i + 11])
        assert client.answer().data == {'_id': 'b', '_version': 0}
        assert client.answer().data == 2
        assert client.call('detail', 'notes', {'_id': 'a'}) == {
            '_id': 'a', '_version': 0, 'text': 'ü' * 1000}


def test_every_cut(server):
    """A request in two pieces, wherever it is cut. The second leaves only when the first has been acknowledged, which
    takes its time: several connections wait at once."""
    clients = [HttpClient(server, 'editor') for _ in range(16)]
    whole = clients[0].call_bytes('count', 'notes', {})
    cuts = range(1, len(whole), scaled(1, 7))
    for first in range(0, len(cuts), len(clients)):
        together = list(zip(clients, cuts[first:]))
        for client, cut in together:
            client.send(whole[:cut])
        for client, cut in together:
            client.send(whole[cut:])
        for client, _ in together:
            assert client.answer().data == 0
    for client in clients:
        client.socket.close()


def test_largest_body(server):
    most = 1 << 20
    with HttpClient(server, 'editor') as client:
        authorization = f'Authorization: Bearer {client.token}'
        body = b'{"query":{}}' + b' ' * (most - 12)
        assert client.ask(request('/api/notes/count', authorization, body=body)).status == 200
        head = request('/api/notes/count', authorization, 'Transfer-Encoding: chunked', length=False)
        assert client.ask(head + chunked(body, size=65536)).status == 200


def test_declared_too_large(server):
    """Refused by the head alone, without 100, without memory."""
    for length in ((1 << 20) + 1, 10 ** 17):
        with HttpClient(server, 'editor') as client:
            answer = client.ask(request('/api/notes/count', f'Authorization: Bearer {client.token}',
                                        f'Content-Length: {length}', 'Expect: 100-continue', length=False))
            assert (answer.status, answer.code) == (413, 'too_large')
            assert client.ended()


def test_undeclared_too_large(server):
    """Refused as soon as a chunk says so, or adds up to it."""
    with HttpClient(server, 'editor') as client:
        head = request('/api/notes/count', f'Authorization: Bearer {client.token}', 'Transfer-Encoding: chunked',
                       length=False)
        answer = client.ask(head + b'ffffffffffffffffffffffff')
        assert (answer.status, answer.code) == (413, 'too_large')
        assert client.ended()
    with HttpClient(server, 'editor') as client:
        chunk = b'40000\r\n' + b' ' * 0x40000 + b'\r\n'
        client.send(head + chunk * 4 + b'1')
        client.send(b'\r')
        answer = client.answer()
        assert (answer.status, answer.code) == (413, 'too_large')


def test_expect_continue(server):
    with HttpClient(server, 'editor') as client:
        authorization = f'Authorization: Bearer {client.token}'
        head = request('/api/notes/insert', authorization, 'Expect: 100-Continue', 'Content-Length: 11', length=False)
        assert client.ask(head).status == 100
        assert client.ask(b'{"_id":"a"}').data == {'_id': 'a', '_version': 0}
        # Not needed when the body has come already, or there is none.
        assert client.ask(head.replace(b' 11', b'  2') + b'{}').status == 200
        assert client.ask(request('/api/notes/count', authorization, 'Expect: 100-continue')).data == 2


def test_slow_request_is_ended(make_server):
    server = make_server(options=['--limits', 'request_ms=300'])
    with HttpClient(server, 'editor') as client:
        whole = client.call_bytes('count', 'notes', {})
        client.send(whole[:-1])
        answer = client.answer()
        assert (answer.status, answer.code) == (408, 'timeout')
        assert client.ended()


def test_slow_head_and_idle_connection_are_ended(make_server):
    server = make_server(options=['--limits', 'handshake_ms=300'])
    with HttpClient(server, 'editor') as client, HttpClient(server, 'editor') as slow:
        assert client.call('count', 'notes') == 0
        assert slow.call('count', 'notes') == 0
        slow.send(b'POST /api/notes/count HTTP/1.1\r\n')
        assert client.ended() and slow.ended()


def test_answer_that_is_not_read(make_server):
    server = make_server(options=['--limits', 'request_ms=300'])
    server.load('notes', ({'_id': f'n{i}', 'text': 'x' * 10000} for i in range(90)))
    with HttpClient(server, 'editor', receive_buffer=4096) as client:
        client.send(client.call_bytes('find', 'notes', {}) * 20)
        wait_until(lambda: sum(server.connections()) == 0, what='the end of the connection')


# ---- connections ----

def test_connection_close(server):
    with HttpClient(server, 'editor') as client:
        answer = client.post('count', 'notes', None, 'Connection: Close')
        assert answer.status == 200 and answer.headers['connection'] == 'close'
        assert client.ended()


def test_pipelining(server):
    """Answered one after the other, in order; a client that sends without end is not read from."""
    count = scaled(500, 100)
    with HttpClient(server, 'editor') as client:
        data = b''.join(client.call_bytes('insert', 'notes', {'_id': f'n{i}', 'text': 'x' * 1000})
                        for i in range(count))
        sender = threading.Thread(target=client.send, args=(data,))
        sender.start()
        for i in range(count):
            assert client.answer().data == {'_id': f'n{i}', '_version': 0}
        sender.join()
        assert client.call('count', 'notes') == count
        assert client.received == b''


def test_web_socket_on_a_connection_that_was_used(server):
    """As a proxy does that keeps its connections."""
    with RawClient(server) as client, HttpClient(server, 'editor') as http_client:
        client.send(http_client.call_bytes('insert', 'notes', {'_id': 'a'}) + http_client.call_bytes('count', 'notes'))
        wait_until(lambda: client.read_more() and client.received.count(b'HTTP/1.1 200 OK') == 2, what='the answers')
        wait_until(lambda: client.received.endswith(b'\r\n\r\n1') or client.read_more() and False, what='the content')
        client.received = b''
        client.open('reader')
        assert client.call('count', 'notes')['data'] == 1


def test_connections_are_counted_and_bounded(make_server):
    server = make_server(options=['--limits', 'connections_per_address=4'], workers=1)
    clients = [HttpClient(server, 'editor') for _ in range(4)]
    for client in clients:
        assert client.call('count', 'notes') == 0
    assert server.connections() == [4]
    with HttpClient(server, 'editor') as more:
        try:
            more.send(more.call_bytes('count', 'notes'))
            assert more.ended()
        except ConnectionError:
            pass
    for client in clients:
        client.socket.close()
    wait_until(lambda: server.connections() == [0], what='the connections being forgotten')


def test_calls_are_counted(server):
    before = sum(worker['calls'] for worker in server.status()['workers'])
    with HttpClient(server, 'editor') as client:
        for _ in range(5):
            client.call('count', 'notes')
    assert sum(worker['calls'] for worker in server.status()['workers']) == before + 5


# ---- once ----

def test_idempotency_key(server):
    with HttpClient(server, 'editor') as client, HttpClient(server, 'curator') as other, RawClient(server) as raw:
        first = client.call('insert', 'notes', {'text': 'a'}, 'Idempotency-Key: one two')
        assert client.call('insert', 'notes', {'text': 'b'}, 'Idempotency-Key: one two') == first
        assert client.call('insert', 'notes', {'text': 'b'}, 'Idempotency-Key: three') != first
        assert other.call('insert', 'notes', {'text': 'c'}, 'Idempotency-Key: one two') != first
        assert client.call('count', 'notes') == 3
        # It is the same key as `once`.
        raw.open('editor')
        raw.send(frame(TEXT, json.dumps({'tid': 9, 'methodName': 'insert', 'collectionName': 'notes', 'data': {},
                                         'once': 'one two'})))
        while (message := raw.message())['operation'] != 'fulfill':
            pass
        assert message['data']['data'] == first


def test_idempotency_key_over_a_restart(server):
    with HttpClient(server, 'editor') as client:
        first = client.call('insert', 'notes', {}, 'Idempotency-Key: k')
    server.restart()
    with HttpClient(server, 'editor') as client:
        assert client.call('insert', 'notes', {}, 'Idempotency-Key: k') == first


# ---- changes ----

async def test_changes_are_dispatched(server):
    """To the clients of all workers, in order, as those made over WebSocket."""
    clients = await connect_to_workers(server, 'reader', 2)

    def write():
        with HttpClient(server, 'editor') as client:
            for i in range(20):
                client.call('insert', 'notes', {'_id': f'n{i}'})
            client.call('remove', 'notes', {'_id': 'n3'})
            return client.call('count', 'notes')
    assert await asyncio.to_thread(write) == 19
    for client in clients:
        await client.until(lambda c=client: len(c.copy('notes')) == 19 and 'n3' not in c.copy('notes'))


async def test_no_changes_come_over_http(server):
    """While an answer waits for its client others' changes do not get into it."""
    writer = await Client.connect(server, 'editor')
    os.kill(server.committer_pid(), signal.SIGSTOP)
    with HttpClient(server, 'editor') as client:
        futures = [await writer.start('insert', 'notes', {'_id': f'w{i}'}) for i in range(50)]
        client.send(client.call_bytes('insert', 'notes', {'_id': 'a'}))
        os.kill(server.committer_pid(), signal.SIGCONT)
        for future in futures:
            assert (await future)['success']
        assert (await asyncio.to_thread(client.answer)).data == {'_id': 'a', '_version': 0}
        assert await asyncio.to_thread(client.call, 'count', 'notes') == 51
        assert client.received == b''


# ---- ends ----

def gone_from(log):
    return re.search(r'editor \(127\.0\.0\.1:\d+\) requested notes\.insert: fulfilled', log)


def test_client_gone_in_the_middle_of_its_call(server):
    """What it asked for happens; the answer goes nowhere."""
    committer = server.committer_pid()
    os.kill(committer, signal.SIGSTOP)
    for i in range(3):
        with HttpClient(server, 'editor') as client:
            before = sum(worker['calls'] for worker in server.status()['workers'])
            client.send(client.call_bytes('insert', 'notes', {'_id': f'n{i}'}))
            wait_until(lambda b=before: sum(w['calls'] for w in server.status()['workers']) > b, what='the call')
    wait_until(lambda: sum(server.connections()) == 0, what='the connections being forgotten')
    os.kill(committer, signal.SIGCONT)
    wait_until(lambda: gone_from(server.log()), what='the end of the calls')
    with HttpClient(server, 'editor') as client:
        assert client.call('count', 'notes') == 3
    assert server.status()['restarts'] == 0


def test_client_gone_within_its_body(server):
    with HttpClient(server, 'editor') as client:
        client.send(client.call_bytes('insert', 'notes', {'_id': 'a'})[:-1])
    wait_until(lambda: sum(server.connections()) == 0, what='the connection being forgotten')
    with HttpClient(server, 'editor') as client:
        assert client.call('count', 'notes') == 0


def test_stop_in_the_middle_of_a_call(server):
    """What was acknowledged is there; the call is answered, and its connection closed."""
    committer = server.committer_pid()
    with HttpClient(server, 'editor') as client, HttpClient(server, 'editor') as idle, \
            HttpClient(server, 'editor') as half:
        assert idle.call('count', 'notes') == 0
        half.send(half.call_bytes('insert', 'notes', {'_id': 'half'})[:-1])
        os.kill(committer, signal.SIGSTOP)
        before = sum(worker['calls'] for worker in server.status()['workers'])
        client.send(client.call_bytes('insert', 'notes', {'_id': 'a'}))
        wait_until(lambda: sum(w['calls'] for w in server.status()['workers']) > before, what='the call')
        server.signal(signal.SIGTERM)
        answer = half.answer()
        assert (answer.status, answer.code) == (503, 'unavailable')
        assert half.ended()
        os.kill(committer, signal.SIGCONT)
        answer = client.answer()
        assert answer.data == {'_id': 'a', '_version': 0}
        assert answer.headers['connection'] == 'close'
        assert client.ended() and idle.ended()
    assert server.wait_exit() == 0
    server.start()
    with HttpClient(server, 'editor') as client:
        assert client.call('count', 'notes') == 1


def test_stop_with_a_call_that_takes_too_long(make_server):
    server = make_server(workers=1, options=['--stop-timeout-ms', '1000'])
    server.meet()
    committer = server.committer_pid()
    os.kill(committer, signal.SIGSTOP)
    with HttpClient(server, 'editor') as client, HttpClient(server, 'editor') as other:
        before = sum(worker['calls'] for worker in server.status()['workers'])
        client.send(client.call_bytes('insert', 'notes', {'_id': 'a'}))
        wait_until(lambda: sum(w['calls'] for w in server.status()['workers']) > before, what='the call')
        assert other.call('count', 'notes') == 0  # it is answered when the change is on its way
        server.signal(signal.SIGTERM)
        answer = client.answer()
        assert (answer.status, answer.code) == (504, 'timeout')
        assert answer.headers['connection'] == 'close'
        assert client.ended()
    os.kill(committer, signal.SIGCONT)
    server.wait_exit()


def test_worker_that_dies(make_server):
    server = make_server(workers=1)
    with HttpClient(server, 'editor') as client:
        assert client.call('insert', 'notes', {'_id': 'a'})['_id'] == 'a'
        server.kill(server.worker_pids()[0])
        assert client.ended()
    with HttpClient(server, 'editor') as client:
        assert client.call('count', 'notes') == 1


def test_committer_that_dies(make_server):
    """The call in flight is answered: 503, for the change cannot be stored any more; or, when it takes the machine longer
    than 10 s to have another committer, 504: the worker does not know by then."""
    server = make_server(workers=1, options=['--limits', 'handshake_ms=600000'])
    server.meet()
    os.kill(server.committer_pid(), signal.SIGSTOP)
    with HttpClient(server, 'editor') as client, HttpClient(server, 'editor') as other:
        before = sum(worker['calls'] for worker in server.status()['workers'])
        client.send(client.call_bytes('insert', 'notes', {'_id': 'a'}, 'Idempotency-Key: k'))
        wait_until(lambda: sum(w['calls'] for w in server.status()['workers']) > before, what='the call')
        assert other.call('count', 'notes') == 0  # it is answered when the change is on its way
        started = time.monotonic()
        server.kill(server.committer_pid())
        answer = client.answer()
        late = time.monotonic() - started > 10
        assert (answer.status, answer.code) in [(503, 'unavailable')] + late * [(504, 'timeout')]
        # Whoever was late may have to be met first.
        answer = wait_until(lambda: insert_again(client, late), what='the insertion')
        assert answer == {'_id': 'a', '_version': 0}


def insert_again(client, late):
    answer = client.post('insert', 'notes', {'_id': 'a'}, 'Idempotency-Key: k')
    assert answer.status == 200 or late and (answer.status, answer.code) == (503, 'unavailable'), answer.content
    return answer.data if answer.status == 200 else None


# ---- log ----

def test_lines_in_the_log(make_server):
    server = make_server(config=configuration(log_level='debug'))
    with HttpClient(server, 'editor') as client, HttpClient(server) as nobody:
        client.call('insert', 'notes', {'_id': 'a'})
        client.post('detail', 'notes', {'_id': 'b'})
        token = nobody.call('authorize_by_login', 'users', LOG_IN)['token']
        nobody.call('authorize_by_token', 'users', {'token': token})
        nobody.ask(request('/api/notes/count', 'Authorization: Bearer wrongtoken'))
        nobody.ask(request('/api/notes/count', f'Authorization: Bearer {token}', 'Content-Type: text/plain'))
    assert server.stop() == 0
    log = server.log()
    assert re.search(r'editor \(127\.0\.0\.1:\d+\) requested notes\.insert: fulfilled in \d+ us', log), log
    assert re.search(r'editor \(127\.0\.0\.1:\d+\) requested notes\.detail: not_found in \d+ us', log)
    assert re.search(r'- \(127\.0\.0\.1:\d+\) requested \S+: unauthorized in \d+ us', log)
    for secret in (token, server.tokens['editor'], 'wrongtoken', 'long password'):
        assert secret not in log
