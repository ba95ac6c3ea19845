"""What one pass of a worker does, whatever waits for its clients: judged by units of work and by outcomes."""

import json
import os
import signal

import pytest

from configuration import configuration
from raw import TEXT, RawClient, frame
from server import scaled

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
