"""Connections: the opening handshake, frames, close codes, pings, limits."""

import asyncio
import itertools
import json
import struct
import time

import pytest
import websockets

from client import Client
from configuration import configuration
from raw import BINARY, CLOSE, MORE, PING, PONG, TEXT, RawClient, frame, handshake
from server import PATIENCE, SANITIZE, wait_until

DESCRIBE = json.dumps({'tid': 1, 'methodName': 'describe'})


# ---- handshake ----

@pytest.mark.parametrize('offered, chosen', [
    (None, None), ('dispatchd.1', 'dispatchd.1'), ('chat, dispatchd.1', 'dispatchd.1')])
def test_subprotocol(server, offered, chosen):
    headers = [f'Sec-WebSocket-Protocol: {offered}'] if offered else []
    with RawClient(server) as client:
        status, head = client.request(handshake(*headers))
        assert status == 101
        lines = dict(line.lower().split(': ', 1) for line in head.split('\r\n')[1:])
        assert lines.get('sec-websocket-protocol') == chosen
        assert 'sec-websocket-extensions' not in lines


def with_origin(origin, host='lab.example.org'):
    return handshake(f'Origin: {origin}', host=host)


@pytest.mark.parametrize('request_bytes, expected', [
    (with_origin('http://lab.example.org'), 101),
    (with_origin('https://lab.example.org'), 101),
    (with_origin('https://friend.example.org'), 101),
    (with_origin('https://evil.example.org'), 403),
    (with_origin('null'), 403),
    (with_origin('http://lab.example.org:8080'), 403),
    (handshake(), 101),
    (handshake('Sec-WebSocket-Protocol: chat'), 400),
    (handshake(path='/'), 404),
    (handshake(path='/wsx'), 404),
    (handshake(method='POST'), 405),
    (handshake(version='8'), 426),
    (handshake(upgrade=False), 426),
    (handshake(host=None), 400),
    (handshake('Host: again'), 400),
    (b'GET /ws HTTP/1.1\nHost: a\n\n\r\n\r\n', 400),
    (b'complete nonsense\r\n\r\n', 400),
    (handshake('X: ' + 'a' * 9000), 431),
    (handshake().replace(b'Sec-WebSocket-Key: ', b'Sec-WebSocket-Key: x'), 400),
], ids=itertools.count())
def test_handshake(make_server, request_bytes, expected):
    server = make_server(options=['--origins', 'https://friend.example.org'])
    with RawClient(server) as client:
        status, head = client.request(request_bytes)
        assert status == expected, head
        if status == 426:
            assert 'sec-websocket-version: 13' in head.lower()
        if status != 101:
            wait_until(lambda: not client.read_more(), what='the end of the connection')


def test_handshake_in_single_bytes_and_first_frame_with_it(server):
    data = handshake() + frame(TEXT, DESCRIBE)
    with RawClient(server) as client:
        for i in range(len(data) - 40):
            client.send(data[i:i + 1])
        client.send(data[-40:])
        wait_until(lambda: b'\r\n\r\n' in client.received or not client.read_more(), what='an answer')
        head, client.received = client.received.split(b'\r\n\r\n', 1)
        assert b' 101 ' in head
        assert client.message()['data']['tid'] == 1


async def test_token_in_header_and_cookie(server):
    token = server.tokens['editor']
    for headers in ({'Authorization': f'Bearer {token}'}, {'Cookie': f'a=b; dispatchd_token={token}; c=d'}):
        client = await Client.connect(server, extra_headers=headers)
        assert await client.call('count', 'notes') == 0
        await client.until(lambda c=client: c.of('amend', 'users'))
        assert client.of('amend', 'users')[0]['data']['_id'] == 'editor'
        await client.close()


async def test_wrong_token_in_header_connects_without_authorization(server):
    client = await Client.connect(server, token='nonsense')
    await client.fails('unauthorized', 'count', 'notes')


# ---- frames ----

@pytest.mark.parametrize('frames, code', [
    (frame(BINARY, b'abc'), 1003),
    (frame(TEXT, b'"\xff"'), 1007),
    (frame(TEXT, b'\xed\xa0\x80'), 1007),
    (frame(TEXT, b'\xe2\x82', final=False) + frame(MORE, b'x'), 1007),
    (frame(TEXT, b'abc', mask=False), 1002),
    (frame(TEXT, b'abc', reserved=4), 1002),
    (frame(3, b'abc'), 1002),
    (frame(MORE, b'abc'), 1002),
    (frame(TEXT, b'a', final=False) + frame(TEXT, b'b'), 1002),
    (frame(PING, b'a', final=False), 1002),
    (frame(PING, bytes(126)), 1002),
    (frame(CLOSE, b'x'), 1002),
    (frame(CLOSE, struct.pack('>H', 1005)), 1002),
    (frame(CLOSE, struct.pack('>H', 1000) + b'\xff'), 1007),
    (frame(TEXT, b'x', length=1 << 40), 1009),
    (frame(TEXT, b'x', length=(1 << 20) + 1), 1009),
    (frame(TEXT, bytes([0x20]) * (1 << 19), final=False) + frame(MORE, bytes([0x20]) * (1 << 19), final=False)
     + frame(MORE, b'  '), 1009),
    (frame(CLOSE, struct.pack('>H', 1000) + b'bye'), 1000),
    (frame(CLOSE), 1005),
], ids=itertools.count())
def test_close_codes(server, frames, code):
    with RawClient(server) as client:
        client.open('reader')
        client.send(frames)
        assert client.close_code() in (code, 1000 if code == 1005 else code)
        wait_until(lambda: not client.read_more(), what='the end of the connection')
    wait_until(lambda: sum(server.connections()) == 0, what='the connection being forgotten')


def test_fragments_with_control_frames_between(server):
    text = json.dumps({'tid': 'ü', 'methodName': 'describe'}, ensure_ascii=False).encode()
    with RawClient(server) as client:
        client.open()
        client.send(frame(TEXT, text[:1], final=False) + frame(PING, b'one'))
        for i in range(1, len(text)):
            client.send(frame(MORE, text[i:i + 1], final=False) + frame(PONG, b''))
        client.send(frame(MORE, b'') + frame(PING, b'two'))
        seen = []
        while len(seen) < 3:
            seen.append(client.frame())
        assert (PONG, b'one') in seen and (PONG, b'two') in seen
        assert any(opcode == TEXT and json.loads(payload)['data']['tid'] == 'ü' for opcode, payload in seen)


def test_largest_message_is_taken(server):
    text = json.dumps({'tid': 1, 'methodName': 'describe', 'data': None})
    text += ' ' * ((1 << 20) - len(text))
    with RawClient(server) as client:
        client.open('reader')
        client.send(frame(TEXT, text))
        assert client.message()['data']['tid'] == 1


def test_announced_size_takes_no_memory(server):
    pid = server.worker_pids()
    before = sum(map(server.memory, pid))
    clients = []
    for _ in range(50):
        client = RawClient(server)
        client.open()
        client.send(frame(TEXT, b'', length=1 << 20)[:14])
        clients.append(client)
    # Answers to these come after the headers were read.
    for client in clients:
        client.send(b'x' * 10)
    with RawClient(server) as other:
        other.open('reader')
    growth = sum(map(server.memory, pid)) - before
    for client in clients:
        client.socket.close()
    assert growth < 50 * (1 << 20) / 4 or SANITIZE, f'{growth} bytes for 50 headers'


def test_many_pings_are_answered_with_a_bound(server):
    """Ten thousand pings that nobody reads the pongs of cost nothing that lasts; the newest is answered."""
    with RawClient(server) as client:
        client.open()
        before = sum(map(server.memory, server.worker_pids()))
        client.send(b''.join(frame(PING, str(i).encode()) for i in range(10000)))
        client.send(frame(TEXT, DESCRIBE))
        pongs, answered = [], False
        while not answered or pongs[-1] < 9999:
            opcode, payload = client.frame()
            if opcode == PONG:
                pongs.append(int(payload))
            answered = answered or opcode == TEXT and json.loads(payload)['operation'] == 'fulfill'
        assert pongs == sorted(pongs)
        if not SANITIZE:
            assert sum(map(server.memory, server.worker_pids())) - before < 4 << 20


# ---- pings, time limits, numbers of connections ----

async def test_application_pings_come(make_server):
    server = make_server(options=['--ping-interval-ms', '200'])
    client = await Client.connect(server)
    await client.until(lambda: client.pings >= 3)


def test_websocket_pings_come_and_silent_peer_is_closed(make_server):
    server = make_server(options=['--ping-interval-ms', '200'])
    with RawClient(server) as client:
        client.open('reader')
        pings = 0
        while item := client.frame():  # and never a pong
            pings += item[0] == PING
        assert pings >= 2
    wait_until(lambda: sum(server.connections()) == 0, what='the connection being forgotten')


def test_peer_that_answers_pings_stays(make_server):
    server = make_server(options=['--ping-interval-ms', '200'])
    with RawClient(server) as client:
        client.open('reader')
        pings = 0
        while pings < 10:
            opcode, payload = client.frame()
            if opcode == PING:
                pings += 1
                client.send(frame(PONG, payload))
        assert client.call('count', 'notes')['success']


def test_incomplete_handshake_is_ended(make_server):
    server = make_server(options=['--limits', 'handshake_ms=300'])
    with RawClient(server) as client:
        client.send(b'GET /ws HTTP/1.1\r\nHost: a\r\n')
        wait_until(lambda: not client.read_more(), what='the end of the connection')


async def test_connection_that_does_not_log_in_is_closed(make_server):
    server = make_server(options=['--limits', 'authorize_ms=300'])
    with_token = await Client.connect(server, 'reader')
    client = await Client.connect(server)
    assert await client.until_closed() == 1008
    assert await with_token.call('count', 'notes') == 0


def refused(server):
    """Whether another connection gets no handshake."""
    with RawClient(server) as client:
        try:
            client.send(handshake())
            while client.read_more():
                if b'\r\n\r\n' in client.received:
                    return b' 101 ' not in client.received
        except ConnectionError:
            pass
        return True


def admitted(server):
    """Another connection; None when it gets no handshake."""
    client = RawClient(server)
    try:
        return client.open()
    except (ConnectionError, AssertionError):
        client.socket.close()
        return None


@pytest.mark.parametrize('limit', ['connections=4', 'connections_per_address=4'])
def test_number_of_connections(make_server, limit):
    server = make_server(workers=1, options=['--limits', limit])
    clients = [RawClient(server).open() for _ in range(4)]
    assert refused(server)
    clients.pop().socket.close()
    wait_until(lambda: not refused(server), what='a place for another')
    for client in clients:
        client.socket.close()


def test_connections_of_one_address_are_counted_over_all_workers(make_server):
    """Also after a worker has died with its connections: they count no more."""
    server = make_server(workers=3, options=['--limits', 'connections_per_address=6'])
    clients = [RawClient(server).open() for _ in range(6)]
    assert server.connections() == [2, 2, 2]
    assert refused(server)
    clients.pop().socket.close()
    clients.append(wait_until(lambda: admitted(server), what='a place for another'))
    wait_until(lambda: sum(server.connections()) == 6, what='the one that was closed being forgotten')
    lost = server.connections()[0]
    assert lost
    server.kill(server.worker_pids()[0])
    # Another address's connections fill the new worker, so the next ones of ours come to the older workers.
    while server.connections()[0] <= max(server.connections()[1:]):
        clients.append(RawClient(server, source='127.0.0.2').open())
    clients += [wait_until(lambda: admitted(server), what='a place for another') for _ in range(lost)]
    assert refused(server)
    for client in clients:
        client.socket.close()
    wait_until(lambda: sum(server.connections()) == 0, what='all connections being forgotten')
    for client in [RawClient(server).open() for _ in range(6)]:
        client.socket.close()


async def test_reply_queue_is_bounded(make_server):
    """Who asks and never reads is closed; the server keeps no more than it said."""
    server = make_server(workers=1, config=configuration(
        ping_interval_ms=300, limits={'reply_queue_bytes': '64K', 'document_bytes': '64K', 'result_bytes': '64K', 'calls_in_flight': 1000}))
    server.load('notes', [{'_id': 'big', 'text': 'x' * 60000}])
    greedy = RawClient(server, receive_buffer=4096)
    greedy.open('reader')
    ask = frame(TEXT, json.dumps({'tid': 1, 'methodName': 'detail', 'collectionName': 'notes',
                                  'data': {'_id': 'big'}}))
    greedy.socket.settimeout(PATIENCE)
    deadline = time.monotonic() + PATIENCE
    with pytest.raises((ConnectionError, TimeoutError)):
        while time.monotonic() < deadline:
            greedy.send(ask)
    wait_until(lambda: sum(server.connections()) == 0, what='the connection being closed')
    greedy.socket.close()
    other = await Client.connect(server, 'reader')
    assert await other.call('count', 'notes') == 1


async def test_configuration_limits_are_described(make_server):
    server = make_server(config=configuration(limits={'message_bytes': '64K'}))
    client = await Client.connect(server, 'reader')
    answer = await client.call('describe')
    assert answer['limits']['message_bytes'] == 65536
    await client.send(json.dumps({'tid': 1, 'methodName': 'describe', 'data': 'x' * 70000}))
    assert await client.until_closed() == 1009


class PlainSocket:
    """A client of the websockets library as anybody would begin one: it takes messages of up to 1 MiB."""

    def __init__(self, server, user):
        self.connection = websockets.connect(server.url, extra_headers={'Authorization': f'Bearer {server.tokens[user]}'})
        self.largest = 0  # bytes of a message since the last call

    async def __aenter__(self):
        self.socket = await self.connection.__aenter__()
        return self

    async def __aexit__(self, *error):
        await self.connection.__aexit__(*error)

    async def until(self, wanted):
        while True:
            text = await asyncio.wait_for(self.socket.recv(), PATIENCE)
            self.largest = max(self.largest, len(text.encode()))
            message = json.loads(text)
            if wanted(message):
                return message

    async def call(self, method, collection=None, data=None):
        """The answer's data, and how large the largest message was on the way to it."""
        self.largest = 0
        await self.socket.send(json.dumps({
            'tid': '"' * 128, 'methodName': method, 'collectionName': collection, 'data': data}))
        answer = await self.until(lambda message: message['operation'] == 'fulfill')
        assert answer['data']['tid'] == '"' * 128
        return answer['data']['data'], self.largest


async def test_the_largest_messages(make_server):
    """By default each is less than 1 MiB, whatever comes around what the options bound."""
    server = make_server(workers=1)
    most = 900 << 10  # document_bytes, result_bytes
    document = {'_id': 'large', '_version': 0, 'text': ''}
    document['text'] = 'x' * (most - len(json.dumps(document, separators=(',', ':'))))
    ids = ['"' * 252 + f'{n:04}' for n in range(1810)]  # a quote takes two bytes
    server.load('viruses', [{'_id': f'{n:04}', 'name': f'{n}', 'text': 'x' * 960} for n in range(1000)])
    server.load('users', [{'_id': 'large', 'groups': ['editors'], 'text': 'x' * (most - 100)}])
    server.ctl('user', 'passwd', 'large', '--password-stdin', text='large password\n')
    writer = await Client.connect(server, 'editor')
    async with PlainSocket(server, 'editor') as client:
        begun, _ = await client.call('sync', 'notes', {})
        await writer.call('insert', 'notes', [{'_id': f'a{n}', 'text': 'x' * 3000} for n in range(10)])
        await writer.call('insert', 'notes', document)
        await client.until(lambda message: message['collectionName'] == 'notes' and message['data'][0]['_id'] == 'large')
        sizes = {'update': client.largest}
        for name, call in {
                'detail': ('detail', 'notes', {'_id': 'large'}), 'find one': ('find', 'notes', {'query': {'_id': 'large'}}),
                'find many': ('find', 'viruses', {}), 'sync': ('sync', 'notes', {}), 'resume': ('resume', None, begun),
                'insert': ('insert', 'notes', [{'_id': key} for key in ids[:1690]])}.items():
            answer, sizes[name] = await client.call(*call)
            assert 'code' not in answer, answer
            if name == 'find many':
                assert answer['more'] and len(answer['documents']) > 800
        await client.call('insert', 'notes', [{'_id': key} for key in ids[1690:]])
        for call in (('insert', [{'_id': 'x' + key[1:]} for key in ids]), ('update', {'query': {}, 'changes': {'n': 1}}),
                     ('remove', {'_id': ids})):
            answer, _ = await client.call(call[0], 'notes', call[1])
            assert answer['code'] == 'too_large' and 'index' not in answer and 'result_bytes' in answer['message']
        assert await writer.call('count', 'notes') == 1821
        await client.call('remove', 'notes', {'_id': ids[:15]})
        for name, call in {'update all': ('update', {'query': {'text': None}, 'changes': {'n': 1}}),
                           'remove': ('remove', {'_id': ids[15:]})}.items():
            answer, sizes[name] = await client.call(call[0], 'notes', call[1])
            assert 'code' not in answer, answer
        answer, sizes['log-in'] = await client.call('authorize_by_login', 'users', {
            'username': 'large', 'password': 'large password'})
        assert answer['_id'] == 'large'
    assert all(most - (most >> 5) < size < 1 << 20 for size in sizes.values()), sizes
    assert all(sizes[name] < most + 1024 for name in ('update', 'detail', 'find one', 'sync', 'resume')), sizes
