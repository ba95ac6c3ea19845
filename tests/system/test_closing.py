"""The end of a connection: who is still reading gets all that was promised, the close frame last; and no reset."""

import json
import os
import select
import signal
import socket
import struct
import time

import pytest

from configuration import configuration
from http_client import HttpClient, request
from raw import CLOSE, PING, PONG, TEXT, RawClient, frame
from server import PATIENCE, wait_until

SIZES = [64 << 10, 256 << 10, 1 << 20]
SMALL = 16384              # of a receive buffer, so that what is sent waits at the server
NORMAL = frame(CLOSE, struct.pack('>H', 1000))
MORE_THAN_ONE_READ = 200 << 10
AT_FULL_SPEED = 32 << 20
LATER = {
    'nothing': b'',
    'pong': frame(PONG) * 3,
    'pongs': frame(PONG, b'x' * 100) * (MORE_THAN_ONE_READ // 100),
    'texts': frame(TEXT, json.dumps({'tid': 'late', 'methodName': 'describe'})) * (MORE_THAN_ONE_READ // 50),
    'nonsense': b'\xff' * MORE_THAN_ONE_READ,
}
LIMITS = {'document_bytes': '2M', 'result_bytes': '2M', 'message_bytes': '2M'}


def ask(tid, method, collection=None, data=None):
    return frame(TEXT, json.dumps({'tid': tid, 'methodName': method, 'collectionName': collection, 'data': data}))


def read_slowly(client, seconds, of):
    """Reads to the server's end of the connection as if the link let @of bytes through in @seconds."""
    started = time.monotonic()
    while chunk := client.socket.recv(32768):
        client.received += chunk
        due = started + seconds * len(client.received) / of
        time.sleep(max(0, due - time.monotonic()))


def read_to_end(client, at_once=1 << 20):
    """All frames up to the server's end of the connection, pings left out; a reset is an error."""
    deadline = time.monotonic() + 3 * PATIENCE
    while chunk := client.socket.recv(at_once):
        client.received += chunk
        assert time.monotonic() < deadline
    frames = []
    while client.received:
        opcode, payload = client.frame()
        if opcode != PING and not (opcode == TEXT and b'"operation":"ping"' in payload[:30]):
            frames.append((opcode, payload))
    return frames


def expect_end(frames, code):
    """The close frame is the last thing said, and was said once; what came before it, read."""
    assert [opcode for opcode, _ in frames].count(CLOSE) == 1, [opcode for opcode, _ in frames]
    opcode, payload = frames[-1]
    assert opcode == CLOSE
    assert struct.unpack('>H', payload[:2])[0] == code
    return [json.loads(payload) for _, payload in frames[:-1]]


def answers(messages):
    """{tid: data} of the calls that were answered."""
    return {message['data']['tid']: message['data']['data'] for message in messages
            if message['operation'] == 'fulfill'}


def changed(messages):
    """The ids in changes, in order."""
    return [document['_id'] for message in messages if message.get('seq') for document in message['data'] or []]


def large_server(make_server, size, **options):
    server = make_server(workers=1, config=configuration(limits=LIMITS), **options)
    server.load('notes', [{'_id': 'big', 'text': 'x' * (size - 100)}])
    return server


def forgotten(server):
    wait_until(lambda: sum(server.connections()) == 0, seconds=3 * PATIENCE, what='the connection being forgotten')


# ---- WebSocket: the client closes ----

@pytest.mark.parametrize('later', LATER)
@pytest.mark.parametrize('size', SIZES)
def test_answers_come_before_the_close_frame(make_server, size, later):
    server = large_server(make_server, size)
    with RawClient(server, receive_buffer=SMALL) as client:
        client.open('reader')
        client.send(ask('a', 'detail', 'notes', {'_id': 'big'}) + ask('b', 'detail', 'notes', {'_id': 'big'}) + NORMAL)
        client.send(LATER[later])
        got = answers(expect_end(read_to_end(client), 1000))
        assert set(got) == {'a', 'b'}
        assert all(len(document['text']) == size - 100 for document in got.values())
    forgotten(server)


def test_a_large_message_and_later_frames(make_server):
    """The answer to a call that takes several reads, a close behind it, and then one frame after the other."""
    server = large_server(make_server, 256 << 10)
    for size in SIZES:
        with RawClient(server, receive_buffer=SMALL) as client:
            client.open('reader')
            client.send(ask('a', 'describe', data='x' * (size - 1000)) + ask('b', 'detail', 'notes', {'_id': 'big'}))
            client.send(NORMAL)
            for _ in range(50):
                client.send(frame(PONG))
            assert set(answers(expect_end(read_to_end(client), 1000))) == {'a', 'b'}


def test_changes_come_before_the_close_frame(make_server):
    server = make_server(workers=1)
    with RawClient(server, receive_buffer=SMALL) as client, RawClient(server) as writer:
        client.open('reader')
        writer.open('editor')
        for i in range(100):
            assert writer.call('insert', 'notes', {'_id': f'n{i}', 'text': 'x' * 10000})['success']
        client.send(ask(1, 'count', 'notes') + NORMAL)
        client.send(LATER['pongs'])
        messages = expect_end(read_to_end(client, at_once=4096), 1000)
        assert changed(messages) == [f'n{i}' for i in range(100)]
        assert answers(messages) == {1: 100}


def test_changes_that_only_the_change_log_has_come_before_the_close_frame(make_server):
    """The client has fallen behind the worker's backlog; it gets the newest state of what it missed."""
    limits = {'message_bytes': '64K', 'document_bytes': '64K', 'result_bytes': '64K'}
    server = make_server(workers=1, config=configuration(limits=limits, backlog_bytes='256K'))
    with RawClient(server, receive_buffer=SMALL) as client, RawClient(server) as writer:
        client.open('reader')
        writer.open('editor')
        count = 0
        while count < 100 or not server.status()['workers'][0]['catching_up']:
            assert writer.call('insert', 'notes', {'_id': f'n{count}', 'text': 'x' * 20000})['success']
            count += 1
        client.send(NORMAL)
        client.send(LATER['pongs'])
        messages = expect_end(read_to_end(client), 1000)
        assert changed(messages) == [f'n{i}' for i in range(count)]


def test_a_reader_that_takes_longer_than_a_deadline(make_server):
    """As long as it takes something now and then it is waited for."""
    server = large_server(make_server, 1 << 20)
    with RawClient(server, receive_buffer=SMALL) as client:
        client.open('reader')
        client.send(ask('a', 'detail', 'notes', {'_id': 'big'}) * 3 + NORMAL)
        client.send(LATER['pongs'])
        read_slowly(client, 8, 3 << 20)
        assert len(expect_end(read_to_end(client), 1000)) == 3


@pytest.mark.parametrize('size', SIZES)
def test_half_closed(make_server, size):
    server = large_server(make_server, size)
    with RawClient(server, receive_buffer=SMALL) as client:
        client.open('reader')
        client.send(ask('a', 'detail', 'notes', {'_id': 'big'}) + LATER['pongs'] + ask('b', 'count', 'notes'))
        client.socket.shutdown(socket.SHUT_WR)
        got = answers(expect_end(read_to_end(client), 1000))
        assert len(got['a']['text']) == size - 100 and got['b'] == 1
    forgotten(server)


def test_half_closed_behind_a_close_frame(make_server):
    server = large_server(make_server, 256 << 10)
    with RawClient(server, receive_buffer=SMALL) as client:
        client.open('reader')
        client.send(ask('a', 'detail', 'notes', {'_id': 'big'}) + frame(CLOSE, struct.pack('>H', 4000)))
        client.socket.shutdown(socket.SHUT_WR)
        assert set(answers(expect_end(read_to_end(client), 4000))) == {'a'}
    forgotten(server)


def test_many_at_once(make_server):
    server = large_server(make_server, 64 << 10)
    clients = [RawClient(server, receive_buffer=SMALL).open('reader') for _ in range(40)]
    for client in clients:
        client.send(ask('a', 'detail', 'notes', {'_id': 'big'}) * 4 + NORMAL)
    for i, client in enumerate(clients):
        client.send(LATER['pongs'] if i % 3 else b'')
        if i % 2:
            client.socket.shutdown(socket.SHUT_WR)
    for client in clients:
        assert len(expect_end(read_to_end(client), 1000)) == 4
    for client in clients:
        client.socket.close()
    forgotten(server)


def test_calls_that_run_are_waited_for(make_server):
    """Also behind a half-close; those that the committer has, and jobs that take many passes."""
    server = make_server(workers=1)
    server.load('notes', [{'_id': f'n{i}', 'text': 'x' * 100} for i in range(20000)])
    for end in ('close', 'half', 'both'):
        with RawClient(server, receive_buffer=SMALL) as client:
            client.open('editor')
            client.send(ask('a', 'insert', 'notes', {'_id': end}) + ask('b', 'count', 'notes', {'query': {'text': 'y'}})
                        + ask('c', 'find', 'notes', {'query': {'text': {'$ne': 'y'}}, 'limit': 1000})
                        + (NORMAL if end != 'half' else b''))
            if end != 'close':
                client.socket.shutdown(socket.SHUT_WR)
            messages = expect_end(read_to_end(client), 1000)
            got = answers(messages)
            assert got['a'] == {'_id': end, '_version': 0} and got['b'] == 0
            assert len(got['c']['documents']) == 1000
            assert changed(messages) == [end]
    forgotten(server)


def test_calls_that_run_too_long_are_not_waited_for(server):
    committer = server.committer_pid()
    with RawClient(server) as client:
        client.open('editor')
        os.kill(committer, signal.SIGSTOP)
        client.send(ask('a', 'insert', 'notes', {'_id': 'a'}) + ask('b', 'count', 'notes') + NORMAL)
        started = time.monotonic()
        assert set(answers(expect_end(read_to_end(client), 1000))) == {'b'}
        assert time.monotonic() - started < PATIENCE
    os.kill(committer, signal.SIGCONT)
    forgotten(server)
    with RawClient(server) as client:
        client.open('editor')
        wait_until(lambda: client.call('count', 'notes')['data'] == 1, what='the change, which was made all the same')


def test_a_sync_ends_with_the_close(make_server):
    server = make_server(workers=1)
    server.load('notes', [{'_id': f'n{i}', 'text': 'x' * 10000} for i in range(3000)])
    with RawClient(server, receive_buffer=SMALL) as client:
        client.open('reader')
        client.send(ask('a', 'sync', 'notes', {}) + NORMAL)
        messages = expect_end(read_to_end(client), 1000)
        assert 'a' not in answers(messages)
        assert sum(len(m['data']) for m in messages if m.get('sync')) < 1000
    forgotten(server)


# ---- WebSocket: the server closes ----

@pytest.mark.parametrize('fault, code', [(frame(2, b'binary'), 1003), (frame(TEXT, b'\xff'), 1007),
                                         (frame(3), 1002), (frame(TEXT, length=1 << 40), 1009)])
def test_answers_come_before_the_close_for_a_fault(make_server, fault, code):
    server = large_server(make_server, 256 << 10)
    with RawClient(server, receive_buffer=SMALL) as client:
        client.open('reader')
        client.send(ask('a', 'detail', 'notes', {'_id': 'big'}) * 3 + fault + LATER['nonsense'])
        assert len(answers(expect_end(read_to_end(client), code))) == 1
    forgotten(server)


def test_the_server_stops(make_server):
    server = large_server(make_server, 1 << 20)
    with RawClient(server, receive_buffer=SMALL) as client:
        client.open('reader')
        client.send(ask('a', 'detail', 'notes', {'_id': 'big'}) + ask('b', 'detail', 'notes', {'_id': 'big'}))
        wait_until(lambda: server.status()['workers'][0]['calls'] >= 3, what='the calls')
        server.signal(signal.SIGTERM)
        client.send(LATER['pongs'])
        messages = expect_end(read_to_end(client), 1001)
        assert set(answers(messages)) == {'a', 'b'}
        assert messages[-1]['operation'] == 'reconnect'
    assert server.wait_exit() == 0


# ---- bounds ----

@pytest.mark.parametrize('half', [False, True])
def test_who_does_not_read_is_gone(make_server, half):
    server = large_server(make_server, 1 << 20)
    clients = [RawClient(server, receive_buffer=SMALL).open('reader') for _ in range(5)]
    for client in clients:
        client.send(ask('a', 'detail', 'notes', {'_id': 'big'}) * 3 + NORMAL)
        if half:
            client.socket.shutdown(socket.SHUT_WR)
    wait_until(lambda: sum(server.connections()) == 0, seconds=2 * PATIENCE, what='the connections being forgotten')
    for client in clients:
        client.socket.close()


def test_who_sends_without_end_behind_its_close_is_cut_off(make_server):
    """Others are served meanwhile."""
    server = large_server(make_server, 64 << 10)
    with RawClient(server) as flood, RawClient(server) as other:
        flood.open('reader')
        other.open('reader')
        flood.send(NORMAL)
        flood.socket.setblocking(False)
        deadline, sent = time.monotonic() + 2 * PATIENCE, 0
        with pytest.raises(ConnectionError):
            while time.monotonic() < deadline:
                if select.select([], [flood.socket], [], 0.1)[1]:
                    sent += flood.socket.send(b'\xff' * 65536)
                assert other.call('count', 'notes')['success']
                if sent > AT_FULL_SPEED:  # then as over a slower link: a core that is kept busy shows nothing more
                    time.sleep(0.02)
        assert sent > MORE_THAN_ONE_READ
    forgotten(server)


# ---- HTTP ----

@pytest.mark.parametrize('behind', [b'x', b'x' * MORE_THAN_ONE_READ], ids=['a byte', 'much'])
@pytest.mark.parametrize('size', SIZES)
def test_http_answer_with_bytes_behind_the_request(make_server, size, behind):
    server = large_server(make_server, size)
    with HttpClient(server, 'reader', receive_buffer=SMALL) as client:
        client.send(client.call_bytes('detail', 'notes', {'_id': 'big'}, 'Connection: close'))
        client.send(behind)
        answer = client.answer()
        assert len(answer.data['text']) == size - 100
        assert client.socket.recv(1) == b''
    forgotten(server)


def test_http_slow_reading(make_server):
    server = large_server(make_server, 1 << 20)
    with HttpClient(server, 'reader', receive_buffer=SMALL) as client:
        client.send(client.call_bytes('detail', 'notes', {'_id': 'big'}, 'Connection: close') + b'x' * MORE_THAN_ONE_READ)
        read_slowly(client, 8, 1 << 20)
        assert len(client.answer().data['text']) == (1 << 20) - 100


@pytest.mark.parametrize('size', SIZES)
def test_http_half_closed(make_server, size):
    """Requests that have come whole are answered: those whose answer is on its way, and those that wait."""
    server = large_server(make_server, size)
    with HttpClient(server, 'editor', receive_buffer=SMALL) as client:
        client.send(client.call_bytes('detail', 'notes', {'_id': 'big'})
                    + client.call_bytes('insert', 'notes', {'_id': 'other'}) + client.call_bytes('count', 'notes')
                    + request('/api/notes/count')[:-10])
        client.socket.shutdown(socket.SHUT_WR)
        assert len(client.answer().data['text']) == size - 100
        assert client.answer().data == {'_id': 'other', '_version': 0}
        assert client.answer().data == 2
        assert client.received == b'' and client.socket.recv(1) == b''
    forgotten(server)


def test_http_half_closed_in_the_middle_of_a_call(server):
    """The answer is waited for, for some seconds."""
    committer = server.committer_pid()
    with HttpClient(server, 'editor') as client, HttpClient(server, 'editor') as other:
        for one in (client, other):
            calls = sum(worker['calls'] for worker in server.status()['workers'])
            os.kill(committer, signal.SIGSTOP)
            one.send(one.call_bytes('insert', 'notes', {}))
            one.socket.shutdown(socket.SHUT_WR)
            wait_until(lambda c=calls: sum(w['calls'] for w in server.status()['workers']) > c, what='the call')
            if one is client:
                os.kill(committer, signal.SIGCONT)
                assert client.answer().data['_version'] == 0
                assert client.ended()
        assert other.ended()
        os.kill(committer, signal.SIGCONT)
    forgotten(server)


@pytest.mark.parametrize('data, status', [
    (b'GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n', 404),
    (b'POST /api/notes/count HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n', 413),
    (b'complete nonsense\r\n\r\n', 400)])
def test_http_refusals_with_bytes_behind_them(server, data, status):
    for _ in range(5):
        with HttpClient(server) as client:
            client.send(data)
            for _ in range(20):
                client.send(b'x' * 50000)
            assert client.answer().status == status
            assert client.socket.recv(1) == b''


def test_http_connection_that_was_idle_too_long(make_server):
    """Half a request that came too late does not take away the answer to the one before."""
    server = make_server(workers=1, config=configuration(limits={**LIMITS, 'handshake_ms': 300}))
    server.load('notes', [{'_id': 'big', 'text': 'x' * 500000}])
    with HttpClient(server, 'reader', receive_buffer=SMALL) as client:
        client.send(client.call_bytes('detail', 'notes', {'_id': 'big'}))
        client.send(b'POST /api')
        while len(client.received) < 500000:
            client.received += client.socket.recv(4096)
            client.send(b'x')
        assert len(client.answer().data['text']) == 500000
    forgotten(server)


def test_http_who_does_not_read_is_gone(make_server):
    server = large_server(make_server, 1 << 20, options=['--limits', 'request_ms=1000'])
    with HttpClient(server, 'reader', receive_buffer=SMALL) as client:
        client.send(client.call_bytes('detail', 'notes', {'_id': 'big'}, 'Connection: close') + b'x' * 1000)
        wait_until(lambda: sum(server.connections()) == 0, seconds=2 * PATIENCE, what='the connection being forgotten')
