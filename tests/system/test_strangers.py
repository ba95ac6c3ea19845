"""Clients that have not logged in: a small share of everything."""

import json
import socket

import pytest

from client import Client
from configuration import configuration, password
from http_client import HttpClient
from raw import CLOSE, MORE, PING, PONG, TEXT, RawClient, frame
from server import scaled, wait_until
from watch import WATCH

KIB, MIB = 1 << 10, 1 << 20


def call(tid, method='count', data=None):
    return frame(TEXT, json.dumps({'tid': tid, 'methodName': method, 'collectionName': 'notes', 'data': data}))


def test_messages_are_short_before_a_log_in(server):
    for size, code in ((15 * KIB, None), (17 * KIB, 1009)):
        with RawClient(server) as client:
            client.open()
            client.send(call(1, data='x' * size))
            if code:
                assert client.close_code() == code
            else:
                assert client.message()['data']['data']['code'] == 'unauthorized'
    with RawClient(server) as client:
        client.open('reader')
        client.send(call(1, data='x' * 100 * KIB))
        assert client.message()['data']['data']['code'] == 'invalid'


def log_in(client, secret=None, tid='l'):
    """The bytes of a log-in as reader."""
    data = {'username': 'reader', 'password': secret or password('reader')}
    WATCH.passwords_of(data)
    client.log_ins += secret is None
    return frame(TEXT, json.dumps({'tid': tid, 'methodName': 'authorize_by_login', 'collectionName': 'users', 'data': data}))


@pytest.mark.parametrize('size', [20 * KIB, 60 * KIB, 300 * KIB])
def test_a_long_message_behind_a_log_in_waits_for_it(server, size):
    """Sent at once; however the two are cut into frames and reads."""
    text = json.dumps({'tid': 1, 'methodName': 'count', 'collectionName': 'notes', 'data': 'x' * size})
    whole = frame(TEXT, text)
    pieces = frame(TEXT, text[:10 * KIB], final=False) + frame(MORE, text[10 * KIB:])
    for message in (whole, pieces):
        with RawClient(server) as client:
            client.open()
            client.send(log_in(client) + message)
            assert client.message()['data'].get('success')
            while (answer := client.message())['operation'] != 'fulfill':
                pass
            assert (answer['data']['tid'], answer['data']['data']['code']) == (1, 'invalid')
            assert client.call('count', 'notes')['success']


@pytest.mark.parametrize('end, answered, closed', [('}', True, None), (']', False, 1009)])
def test_a_long_message_behind_a_log_in_that_is_parsed_in_steps(make_server, end, answered, closed):
    """Strangers may be allowed messages of a size that is not parsed at once; what is malformed is no log-in."""
    server = make_server(workers=1, config=configuration(limits={'stranger_message_bytes': '700K'}))
    with RawClient(server) as client:
        client.open()
        client.log_ins = 1
        data = json.dumps({'token': server.tokens['editor']})
        head = '{"tid":1,"methodName":"authorize_by_token","collectionName":"users","data":' + data + ',"rest":['
        client.send(frame(TEXT, head + '1,' * 300 * KIB + '1]' + end) + call(2, data='x' * 800 * KIB))
        assert client.message()['data']['success'] is answered
        if closed:
            assert client.close_code() == closed
        else:
            while (answer := client.message())['operation'] != 'fulfill':
                pass
            assert (answer['data']['tid'], answer['data']['data']['code']) == (2, 'invalid')


def test_a_long_message_behind_a_log_in_that_fails(server):
    with RawClient(server) as client:
        client.open()
        client.send(log_in(client, 'wrong') + call(1, data='x' * 40 * KIB))
        assert client.message()['data']['data']['code'] == 'unauthorized'
        assert client.close_code() == 1009


def test_what_waits_for_log_ins_is_bounded(make_server):
    server = make_server(workers=1, config=configuration(limits={'strangers_bytes': '256K'}))
    clients = [RawClient(server).open() for _ in range(12)]
    for client in clients:
        client.send(log_in(client) + call(1, data='x' * 50 * KIB))
    codes = []
    for client in clients:
        while item := client.frame():
            if item[0] == CLOSE or (item[0] == TEXT and b'"tid":1,' in item[1]):
                codes.append(item[1][:2] if item[0] == CLOSE else 'answered')
                break
        client.socket.close()
    assert len(codes) == 12 and set(codes) == {'answered', b'\x03\xf5'}


def test_calls_over_http_without_a_token(server):
    """On one connection they are as few as messages are."""
    for token in (None, 'A' * 43):
        with HttpClient(server, token=token) as client:
            for _ in range(21):
                assert client.post('count', 'notes').status == 401
            assert client.ended()
    with HttpClient(server, 'reader') as client:
        for _ in range(30):
            assert client.post('count', 'notes').status == 200


def test_over_http_a_token_makes_the_difference(server):
    for user, status in ((None, 413), ('reader', 200)):
        with HttpClient(server, user) as client:
            answer = client.post('insert', 'notes', {'text': 'x' * 17 * KIB})
            assert answer.status == status


def test_a_handful_of_calls(make_server):
    """Beyond, the connection is closed; the log tells how many were refused, not each."""
    server = make_server(workers=1, options=['--log-level', 'info'])
    refused = 0
    for _ in range(5):
        with RawClient(server) as client:
            client.open()
            client.send(b''.join(call(tid) for tid in range(1000)))
            for _ in range(20):
                assert client.message()['data']['data']['code'] == 'unauthorized'
                refused += 1
            assert client.close_code() == 1008
    lines = 'refused calls of clients that had not logged in: '
    wait_until(lambda: sum(int(line.rpartition(' ')[2]) for line in server.log().splitlines() if lines in line) == refused,
               what='the count in the log')
    assert 'requested notes.count: unauthorized' not in server.log()


async def test_who_logs_in_may_call_as_often_as_it_likes(server):
    client = await Client.connect(server)
    for _ in range(10):
        await client.fails('unauthorized', 'count', 'notes')
    await client.log_in('reader')
    for _ in range(100):
        await client.call('count', 'notes')


@pytest.mark.parametrize('way', ['frames', 'heads', 'contents'])
def test_what_has_come_in_part_is_bounded(make_server, way):
    server = make_server(workers=1, config=configuration(limits={'strangers_bytes': '256K'}))
    worker, before = server.worker_pids()[0], server.memory(server.worker_pids()[0])
    clients = []
    try:
        for _ in range(scaled(200, 100)):
            client = RawClient(server)
            clients.append(client)
            if way == 'heads':
                client.send(b'GET /ws HTTP/1.1\r\nX: ' + b'x' * 7000)
            elif way == 'contents':
                client.send(b'POST /api/notes/count HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n'
                            b'Content-Length: 16000\r\n\r\n' + b'x' * 15000)
            else:
                client.open()
                client.send(frame(TEXT, b'x' * 15000, final=False) + frame(MORE, b'x', final=False))
        wait_until(lambda: sum(server.connections()) <= len(clients) // 2, what='many being closed')
        assert server.memory(worker) - before < scaled(4, 60) * MIB
        assert sum(server.connections()) >= 10
        with RawClient(server) as other:  # who sends little is let in all the same
            other.open('reader')
            assert other.call('count', 'notes')['success']
    finally:
        for client in clients:
            client.socket.close()
    wait_until(lambda: sum(server.connections()) == 0, what='all being forgotten')


def test_what_has_come_whole_is_not_counted(make_server):
    """Connections that rest behind large requests over HTTP leave room for others."""
    server = make_server(workers=1, config=configuration(limits={'strangers_bytes': '1M'}))
    text = {'text': 'x' * 400 * KIB}
    clients = [HttpClient(server, 'reader') for _ in range(4)]
    try:
        for client in clients:
            assert client.post('insert', 'notes', text).status == 200
        with RawClient(server) as other:
            other.open()
            other.send(frame(TEXT, b'x' * 8000, final=False))
            other.send(frame(PING) + frame(MORE, b'x'))
            while other.frame() != (PONG, b''):
                pass
            assert other.message()['data']['data']['code'] == 'bad_message'
    finally:
        for client in clients:
            client.socket.close()


def test_what_has_come_in_part_of_those_who_have_logged_in_is_bounded(make_server):
    """It leaves room for the calls of others."""
    server = make_server(workers=1, config=configuration(limits={'worker_calls_bytes': '4M'}))
    clients = []
    try:
        for _ in range(6):
            clients.append(RawClient(server).open('ann'))
            clients[-1].send(frame(TEXT, b'x' * 900 * KIB, final=False))
        wait_until(lambda: sum(server.connections()) == 2, what='those beyond half of it being closed')
        with RawClient(server) as other:
            other.open('reader')
            assert other.call('count', 'notes')['success']
        assert sorted(client.close_code() for client in clients[2:]) == [1013] * 4
    finally:
        for client in clients:
            client.socket.close()


def test_what_comes_over_the_control_socket_cuts_nobody_off(make_server):
    """A large import leaves clients the room that they have for what has come in part."""
    server = make_server(workers=1, config=configuration(limits={'worker_calls_bytes': '4M'}))
    with socket.socket(socket.AF_UNIX) as control, RawClient(server) as client:
        client.open('ann')
        local = RawClient(server)
        local.socket.close()
        local.socket = control
        control.connect(server.control)
        control.sendall(b'session\n')
        local.open()
        for sender, size in ((local, 3000 * KIB), (client, 20 * KIB)):
            sender.send(frame(TEXT, b'x' * size, final=False) + frame(PING, b'come'))
            while (item := sender.frame()) != (PONG, b'come'):
                assert item is not None and item[0] != CLOSE, item
        for sender in (client, local):
            sender.send(frame(MORE, b'x'))
            while (answer := sender.message())['operation'] != 'fulfill':
                pass
            assert answer['data']['data']['code'] == 'bad_message'


@pytest.mark.parametrize('known', [True, False])
def test_a_token_over_http_tells_whose_the_content_is(make_server, known):
    """Contents that come at the same time in pieces: of those who have logged in they are no strangers'."""
    server = make_server(workers=1, config=configuration(limits={'strangers_bytes': '256K'}))
    token = server.tokens['reader'] if known else 'A' * 43
    body = json.dumps({'text': 'x' * 200 * KIB}).encode()
    head = (f'POST /api/notes/insert HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n'
            f'Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n').encode()
    clients = [RawClient(server) for _ in range(6)]
    try:
        for client in clients:
            client.send(head + body[:190 * KIB])
        if not known:
            wait_until(lambda: sum(server.connections()) <= 2, what='most being closed')
            return
        for client in clients:
            client.send(body[190 * KIB:])
            status, _ = client.request(b'')
            assert status == 200
    finally:
        for client in clients:
            client.socket.close()
