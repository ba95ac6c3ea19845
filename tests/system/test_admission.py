"""Which calls are taken up: whoever reads is never cut off, whatever it asks for at once; who does not costs little."""

import asyncio
import contextlib
import json
import os
import signal
import time

import pytest

from client import Client
from configuration import configuration
from raw import CLOSE, PING, PONG, TEXT, RawClient, frame
from server import PATIENCE, scaled, wait_until, wait_until_async

KIB, MIB = 1 << 10, 1 << 20


def call(tid, method, collection, data):
    return frame(TEXT, json.dumps({'tid': tid, 'methodName': method, 'collectionName': collection, 'data': data}))


def documents(sizes):
    return [{'_id': f'd{i}', 'text': 'x' * size} for i, size in enumerate(sizes)]


STANDS_SECONDS = 10  # a full window in which nothing moves: then what is in it is answered `busy`


def answers(client, count):
    """The answers of so many calls: {tid: data}."""
    found = {}
    while len(found) < count:
        message = client.message()
        if message['operation'] == 'fulfill':
            found[message['data']['tid']] = message['data']
    return found


# ---- who reads ----

@pytest.mark.parametrize('case', ['details', 'large details', 'finds', 'sorted finds', 'syncs', 'ids'])
def test_who_reads_is_answered_whatever_it_asks_for_at_once(make_server, case):
    """All at once, and then read: as often as calls may be in flight, and more."""
    server = make_server(workers=1)
    server.load('notes', documents({'details': [100 * KIB], 'large details': [899 * KIB], 'ids': [10] * 10000}
                                   .get(case, [200 * KIB] * 5)))
    if case == 'ids':
        count, method, data = 6, 'update', {'query': {}, 'changes': {'n': 1}}
    elif 'details' in case:
        count, method, data = (60 if case == 'details' else 8), 'detail', {'_id': 'd0'}
    elif case == 'syncs':
        count, method, data = 30, 'sync', {'manifest': {}}
    else:
        count, method, data = 150, 'find', {'sort': {'text': 1}} if case == 'sorted finds' else {}
    with RawClient(server) as client:
        client.open('reader')
        client.send(b''.join(call(tid, method, 'notes', data) for tid in range(100, 100 + count)))
        found = answers(client, count)
        assert all(answer['success'] for answer in found.values()) and set(found) == set(range(100, 100 + count))


# ---- what is read while calls wait ----

@pytest.fixture
def standing(make_server):
    """A server whose committer stands still: changes wait."""
    server = make_server(workers=1, options=['--limits', 'calls_in_flight=2', '--limits', 'read_ahead_bytes=16K'])
    server.meet()
    committer = server.committer_pid()
    yield server, lambda stop: os.kill(committer, signal.SIGSTOP if stop else signal.SIGCONT)
    with contextlib.suppress(ProcessLookupError):
        os.kill(committer, signal.SIGCONT)


def test_pings_are_answered_while_calls_wait(standing):
    server, hold = standing
    with RawClient(server) as client:
        client.open('reader')
        hold(True)
        client.send(b''.join(call(tid, 'insert', 'notes', {'n': tid}) for tid in range(100)) + frame(PING, b'here'))
        while client.frame() != (PONG, b'here'):
            pass
        hold(False)
        found = answers(client, 100)
        assert [found[tid]['success'] for tid in range(100)] == [True] * 100
        assert client.call('count', 'notes')['data'] == 100


def test_who_closes_behind_calls_that_wait_is_answered(standing):
    """The calls that came before its close frame are taken up, and the close frame comes last."""
    server, hold = standing
    with RawClient(server) as client:
        client.open('reader')
        hold(True)
        client.send(b''.join(call(tid, 'insert', 'notes', {'n': tid}) for tid in range(20)) +
                    frame(CLOSE, b'\x03\xe8'))
        hold(False)
        found = answers(client, 20)
        assert all(answer['success'] for answer in found.values())
        assert client.close_code() == 1000


def test_who_closes_behind_a_sync_is_not_kept_waiting(make_server):
    """A sync is not gone on with for a client that has closed: neither the calls behind it wait for it, nor the end."""
    server = make_server(workers=1, options=['--limits', 'calls_in_flight=1'])
    server.load('notes', documents([50 * KIB] * 100))
    with RawClient(server, receive_buffer=4096) as client:
        client.open('reader')
        client.send(b''.join(call(tid, method, 'notes', data) for tid, method, data in (
            (100, 'sync', {'manifest': {}}), (101, 'insert', {'_id': 'behind'}), (102, 'sync', {'manifest': {}}))) +
                    frame(CLOSE, b'\x03\xe8'))
        found = {}
        while (item := client.frame())[0] != CLOSE:
            message = json.loads(item[1]) if item[0] == TEXT else {'operation': None}
            if message['operation'] == 'fulfill':
                found[message['data']['tid']] = message['data']['success']
        assert found == {101: True}
    assert 'behind' in server.export('notes')


@pytest.mark.long
def test_calls_that_stand_for_long_are_refused(standing):
    """The window is full and nothing moves: so that the stream goes on, what is in it is answered `busy`."""
    server, hold = standing
    with RawClient(server) as client:
        client.open('reader')
        hold(True)
        client.send(b''.join(call(tid, 'insert', 'notes', {'_id': f'i{tid}', 'text': 'x' * 1000})
                             for tid in range(60)) + frame(PING, b'behind'))
        client.socket.settimeout(3 * PATIENCE)
        refused = {}
        while (item := client.frame()) != (PONG, b'behind'):
            message = json.loads(item[1]) if item[0] == TEXT else {'operation': None}
            if message['operation'] == 'fulfill':
                refused[message['data']['tid']] = message['data']['data']['code']
        assert len(refused) >= 16 and set(refused.values()) == {'busy'}
        hold(False)
        found = answers(client, 60 - len(refused))
        done = {tid for tid, answer in found.items() if answer['success']}
        assert done >= {0, 1} and not done & set(refused)
        stored = client.call('find', 'notes', {'fields': ['_id']})['data']['documents']
        assert {document['_id'] for document in stored} == {f'i{tid}' for tid in done}


# ---- who does not read ----

@pytest.mark.parametrize('data', ['syncs', 'details'])
def test_who_reads_nothing_is_cut_off(make_server, data):
    """It answers no ping either, but its calls fill what is read ahead: bytes it does not take tell."""
    server = make_server(workers=1, options=['--ping-interval-ms', '300', '--limits', 'calls_in_flight=8'])
    server.load('notes', documents([500 * KIB] * 10))
    with RawClient(server, receive_buffer=4096) as client:
        client.open('reader')
        method, what = ('sync', {'manifest': {}}) if data == 'syncs' else ('detail', {'_id': 'd0'})
        client.socket.settimeout(0.2)
        try:
            for tid in range(100, 20000):
                client.send(call(tid, method, 'notes', what))
        except (ConnectionError, TimeoutError):
            pass
        wait_until(lambda: sum(server.connections()) == 0, what='the connection being closed')


def test_pongs_do_not_keep_who_reads_nothing(make_server):
    """They may be sent without a ping: whether it takes bytes tells."""
    server = make_server(workers=1, options=['--ping-interval-ms', '200'])
    server.load('notes', documents([500 * KIB]))
    with RawClient(server, receive_buffer=4096) as client:
        client.open('reader')
        client.send(b''.join(call(tid, 'detail', 'notes', {'_id': 'd0'}) for tid in range(100, 140)))

        def is_closed():
            try:
                client.send(frame(PONG, b''))
            except ConnectionError:
                pass
            return sum(server.connections()) == 0
        wait_until(is_closed, what='the connection being closed')


def test_who_reads_slowly_is_not(make_server):
    """For many intervals, with a window that is full: it takes bytes."""
    server = make_server(workers=1, options=['--ping-interval-ms', '200', '--limits', 'read_ahead_bytes=1K'])
    server.load('notes', documents([20 * KIB]))
    with RawClient(server, receive_buffer=4096) as client:
        client.open('reader')
        client.socket.setblocking(False)
        waiting, tid, end, received = b'', 0, time.monotonic() + 3, 0
        while time.monotonic() < end:
            while len(waiting) < 4096:
                waiting, tid = waiting + call(tid, 'detail', 'notes', {'_id': 'd0'}), tid + 1
            try:
                waiting = waiting[client.socket.send(waiting):]
            except BlockingIOError:
                pass
            try:
                chunk = client.socket.recv(8192)
                assert chunk, 'closed'
                received += len(chunk)
            except BlockingIOError:
                pass
        assert received and sum(server.connections()) == 1


async def test_open_calls_of_a_worker_hold_bounded_memory(make_server):
    """Many finds that nobody reads: some wait, some are busy, and who reads is answered all the while."""
    server = make_server(workers=1, config=configuration(limits={'worker_calls_bytes': '8M', 'open_calls_bytes': '1M'}))
    server.load('notes', documents([100 * KIB] * 12))
    other = await Client.connect(server, 'ann')
    worker, before = server.worker_pids()[0], server.memory(server.worker_pids()[0])
    greedy = [RawClient(server, receive_buffer=4096).open('reader') for _ in range(10)]
    try:
        for client in greedy:
            client.send(b''.join(call(tid, 'find', 'notes', {'sort': {'text': 1, '_id': -1}}) for tid in range(128)))
        largest = 0
        for _ in range(scaled(200, 50)):
            await other.call('detail', 'notes', {'_id': 'd0'})
            largest = max(largest, server.memory(worker) - before)
        assert largest < scaled(80, 400) * MIB, largest
        assert 0 < server.status()['workers'][0]['calls_bytes'] < 12 * MIB
    finally:
        for client in greedy:
            client.socket.close()
    # Room comes back, all of it.
    await wait_until_async(lambda: server.status()['workers'][0]['calls_bytes'] == 0, what='no call holding any memory')
    while True:
        try:
            assert len((await other.call('find', 'notes', {'sort': {'_id': 1}}))['documents']) >= 8
            break
        except Exception as error:  # pylint: disable=broad-except
            assert getattr(error, 'code', None) == 'busy', error
            await asyncio.sleep(0)


def test_manifests_of_one_that_does_not_read(make_server):
    """Large calls that are open at once: the next ones wait in the socket."""
    server = make_server(workers=1, options=['--limits', 'open_calls_bytes=4M'])
    server.load('notes', documents([200 * KIB] * 5))
    worker, before = server.worker_pids()[0], server.memory(server.worker_pids()[0])
    manifest = {'manifest': {f'{i:0>12}': 0 for i in range(40000)}}
    text = call(1, 'sync', 'notes', manifest)
    with RawClient(server, receive_buffer=4096) as client:
        client.open('reader')
        client.socket.settimeout(1)
        sent = 0
        try:
            for tid in range(128):
                client.send(text if tid == 0 else call(tid + 1, 'sync', 'notes', manifest))
                sent += 1
        except TimeoutError:
            pass
        assert sent < 60
        assert server.memory(worker) - before < scaled(60, 300) * MIB


def test_what_is_read_ahead_of_many_is_bounded(make_server):
    """The windows of many would be ten times as large as they may be together; nobody is closed, all are answered."""
    small = {'message_bytes': '64K', 'document_bytes': '64K', 'result_bytes': '64K'}
    server = make_server(workers=1, config=configuration(log_level='notice', limits={
        **small, 'calls_in_flight': 2, 'worker_calls_bytes': '4M'}))
    server.load('notes', documents([60 * KIB]))
    committer, bound = server.committer_pid(), MIB
    clients = [RawClient(server).open('reader') for _ in range(20)]
    for client in clients:  # they are here for their own answers
        assert client.call('subscribe', data={'collections': []})['success']
    lazy = RawClient(server, receive_buffer=4096).open('reader')
    with RawClient(server) as other:
        other.open('reader')
        begun = time.monotonic()
        os.kill(committer, signal.SIGSTOP)
        try:
            for client in clients:  # these pipeline, and read
                client.send(b''.join(call(tid, 'insert', 'notes', {'text': 'x' * 3000}) for tid in range(1000, 1060)))
            lazy.send(b''.join(call(tid, 'detail', 'notes', {'_id': 'd0'}) for tid in range(1000, 1300)))  # does not
            wait_until(lambda: server.status()['workers'][0]['calls_bytes'] > bound, what='much being read ahead')
            for _ in range(20):  # as long as it takes to read all that, if it is read
                assert other.call('count', 'notes')['data'] == 1
                other.send(frame(PING, b'here'))
                while other.frame() != (PONG, b'here'):
                    pass
            assert server.status()['workers'][0]['calls_bytes'] < 2 * bound
        finally:
            os.kill(committer, signal.SIGCONT)
        found = [answers(client, 60) for client in clients] + [answers(lazy, 300)]
        stood = time.monotonic() - begun > STANDS_SECONDS  # a busy machine
        failures = {(answer['data']['code'], answer['data']['message']) for one in found for answer in one.values() if not answer['success']}
        assert failures <= ({'busy'} if stood else set()), failures
    wait_until(lambda: server.status()['workers'][0]['calls_bytes'] == 0, what='no call holding any memory')
    for client in [*clients, lazy]:
        client.socket.close()


def test_calls_that_wait_when_the_server_stops_are_answered(standing):
    """Those in the window, too: nobody will take them up."""
    server, hold = standing
    with RawClient(server) as client:
        client.open('reader')
        hold(True)
        client.send(b''.join(call(tid, 'insert', 'notes', {'n': tid}) for tid in range(10)) + frame(PING, b'behind'))
        while client.frame() != (PONG, b'behind'):
            pass
        server.signal(signal.SIGTERM)
        found = answers(client, 10)
        assert {found[tid]['data']['code'] for tid in range(2)} == {'timeout'}
        assert {found[tid]['data']['code'] for tid in range(2, 10)} == {'unavailable'}
        hold(False)
    assert server.wait_exit() == 0
