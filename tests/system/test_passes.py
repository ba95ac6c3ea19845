"""What one pass of a worker does, whatever waits for its clients: judged by units of work and by outcomes."""

import json
import os
import signal

import pytest

from configuration import configuration
from http_client import HttpClient, request
from raw import CLOSE, PING, PONG, TEXT, RawClient, frame
from server import scaled, wait_until

PASS_UNITS = 262144  # worker/base/work.h
CONNECTIONS = 40
RARE, LIST = 500, 100


def send_call(client, tid, method, collection, data):
    client.send(frame(TEXT, json.dumps({'tid': tid, 'methodName': method, 'collectionName': collection, 'data': data})))


def insert_samples(writer, count):
    """Documents of ann, of which all may read one in RARE; and a last one. Returns the ids of those."""
    seen = [i for i in range(count) if i % RARE == RARE - 1] + [count]
    for first in range(0, count, LIST):
        answer = writer.call('insert', 'samples', [
            {'_id': f'{i:06}', 'user': 'ann', 'group': 'lab', 'all_read': i in seen}
            for i in range(first, first + LIST)])
        assert answer['success'], answer
    assert writer.call('insert', 'samples', {'_id': f'{count:06}', 'user': 'ann', 'all_read': True})['success']
    return [f'{i:06}' for i in seen]


def read_samples(client, last, called):
    """The ids of what comes up to the last one, and the answer if the client has called, wherever that comes."""
    ids, answer = [], None
    while not ids or ids[-1] != last or (called and not answer):
        message = client.message()
        assert message['operation'] in ('update', 'ping', 'fulfill'), message
        if message['operation'] == 'fulfill':
            answer = message['data']
        elif message['operation'] == 'update':
            ids += [document['_id'] for document in message['data']]
    return ids, answer


@pytest.mark.parametrize('backlog, count, units', [
    # From the backlog: each change taken in and decided once, and little more for each connection.
    ('32M', 20000, 500000),
    # From the change log: each connection has the entries looked up that it missed.
    ('64K', scaled(5000, 2000), 20000000),
])
def test_what_hardly_anybody_sees(make_server, backlog, count, units):
    """A worker wakes up to thousands of changes that its clients may not see, and to a call."""
    server = make_server(workers=2, config=configuration(
        backlog_bytes=backlog, log_level='notice', limits={'message_bytes': '16K', 'document_bytes': '16K'}))
    clients = [RawClient(server).open('reader') for _ in range(CONNECTIONS)]  # in turn on one worker and the other
    assert server.connections() == [CONNECTIONS // 2] * 2
    with RawClient(server) as writer:
        writer.open('admin')  # on the first worker
        before = server.status()['workers'][1]
        os.kill(before['pid'], signal.SIGSTOP)
        try:
            expected = insert_samples(writer, count)
            send_call(clients[1], 'n', 'count', 'samples', {})
        finally:
            os.kill(before['pid'], signal.SIGCONT)
        for i, client in enumerate(clients):
            ids, answer = read_samples(client, expected[-1], i == 1)
            assert ids == expected
            assert answer == ({'tid': 'n', 'success': True, 'data': len(expected)} if i == 1 else None)
    for worker in server.status()['workers']:
        assert 0 < worker['largest_step_units'] < PASS_UNITS / 4, worker
    after = server.status()['workers'][1]
    assert after['pid'] == before['pid']
    assert count < after['work_units'] - before['work_units'] < units
    assert 0 < after['largest_pass_units'] < 2 * PASS_UNITS
    assert 0 < after['largest_pass_cpu_us'] <= after['cpu_us']
    for client in clients:
        client.socket.close()


DENSE_BYTES = 890 << 10  # little less than a document may have
LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'


def short(number):
    """A short id for each number, in no order."""
    number = number * 7919 % 200003
    text = ''
    while number or not text:
        text += LETTERS[number % 62]
        number //= 62
    return text


def dense(method, head, item, tail):
    """A message of nearly that many bytes made of as many items as fit."""
    text = [f'{{"tid":1,"methodName":"{method}","collectionName":"notes","data":{head}']
    size = len(text[0]) + len(tail) + 1
    for number in range(DENSE_BYTES):
        text.append(('' if number == 0 else ',') + item(number))
        size += len(text[-1])
        if size > DENSE_BYTES:
            return ''.join(text[:-1]) + tail + '}'


DENSE = {
    'manifest': lambda: dense('sync', '{', lambda i: f'"{short(i)}":{i % 10}', '}'),
    'keys': lambda: dense('insert', '{"_id":"k","a":{', lambda i: f'"{short(i)}":1', '}}'),
    'lists': lambda: dense('insert', '{"a":[', lambda i: '[]', ']}'),
    'numbers': lambda: dense('insert', '{"a":[', lambda i: '1', ']}'),
    'query': lambda: dense('count', '{"query":{"a":{', lambda i: f'"{short(i)}":1', '}}}'),
    'malformed': lambda: dense('count', '{"a":{', lambda i: f'"{short(i)}":1', '}}}'),
    'surrogate': lambda: dense('count', '{"\\ud83d":{', lambda i: f'"{short(i)}":1', '}}'),
}
OUTCOMES = {'manifest': True, 'keys': True, 'lists': True, 'numbers': True, 'query': 'invalid', 'malformed': 'bad_message',
            'surrogate': 'bad_message'}


@pytest.mark.parametrize('kind', DENSE)
def test_a_dense_message(make_server, kind):
    """It is cut in steps; what comes behind it is answered, too."""
    server = make_server(workers=1, config=configuration(log_level='notice'))
    with RawClient(server) as client:
        client.open('editor')
        client.send(frame(TEXT, DENSE[kind]()) + frame(PING, b'?'))
        send_call(client, 2, 'count', 'fixed', {})
        answers, pongs = [], 0
        while len(answers) < 2:
            opcode, payload = client.frame()
            pongs += (opcode, payload) == (PONG, b'?')
            if opcode == TEXT and json.loads(payload)['operation'] == 'fulfill':
                answers.append(json.loads(payload)['data'])
    first, second = sorted(answers, key=lambda answer: answer['tid'])
    outcome = first['success'] or first['data']['code']
    assert (outcome, second) == (OUTCOMES[kind], {'tid': 2, 'success': True, 'data': 0})
    assert first['tid'] == 1 and pongs == 1
    worker = server.status()['workers'][0]
    assert 0 < worker['largest_step_units'] < PASS_UNITS / 2, worker
    assert worker['work_units'] > 100000
    wait_until(lambda: server.status()['workers'][0]['calls_bytes'] == 0, what='nothing being held')


def test_a_dense_content_over_http(make_server):
    server = make_server(workers=1, config=configuration(log_level='notice'))
    content = ('{"a":{' + ','.join(f'"{short(i)}":1' for i in range(100000)) + '}}').encode()
    with HttpClient(server, 'editor') as client:
        for body, status in ((content, 200), (content[:-1], 400)):
            client.send(request('/api/notes/insert', 'Content-Type: application/json',
                                f'Authorization: Bearer {client.token}', body=body))
            assert client.answer().status == status
        assert client.post('count', 'notes', {}).status == 200
    assert server.status()['workers'][0]['largest_step_units'] < PASS_UNITS / 2


def test_many_dense_messages_of_clients_that_go(make_server):
    """Those that wait for their turn go with their connections; who closes in good order is answered before."""
    server = make_server(workers=1, config=configuration(log_level='notice'))
    text = DENSE['keys']()
    clients = [RawClient(server).open('editor') for _ in range(8)]
    for client in clients:
        client.send(frame(TEXT, text) + frame(CLOSE, b'\x03\xe8'))
    for client in clients[::2]:
        client.socket.close()
    answered = []
    for client in clients[1::2]:
        messages = []
        while item := client.frame():
            if item[0] == TEXT:
                messages.append(json.loads(item[1]))
        answered += [m['data']['success'] or m['data']['data']['code'] for m in messages if m['operation'] == 'fulfill']
        client.socket.close()
    assert len(answered) == 4 and set(answered) <= {True, 'exists'}
    wait_until(lambda: server.connections() == [0] and server.status()['workers'][0]['calls_bytes'] == 0,
               what='all being forgotten')


@pytest.mark.parametrize('method, data', [
    ('count', {'query': {'a.b': 1}}), ('find', {'fields': ['b']}), ('find', {'sort': {'b': 1}, 'fields': ['b']})])
def test_a_dense_document(make_server, method, data):
    """Reading it is cut in steps."""
    server = make_server(workers=1, config=configuration(log_level='notice'))
    text = '{"_id":"%s","b":1,"a":[' + ','.join(['{"b":0}'] * 100000) + ']}\n'
    server.ctl('import', 'notes', '-', text=''.join(text % i for i in 'xyz'))
    server.restart()
    with RawClient(server) as client:
        client.open('reader')
        answer = client.call(method, 'notes', data)
    assert answer['success']
    if method == 'find':
        assert [document['b'] for document in answer['data']['documents']] == [1, 1, 1]
    assert server.status()['workers'][0]['largest_step_units'] < PASS_UNITS / 2
