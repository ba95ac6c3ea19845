"""kill -9 at any instant: what was acknowledged is there afterwards, nothing half is."""

import asyncio
import os
import random
import signal
import time

import pytest

from client import CallError, Client
from server import PATIENCE, scaled, wait_until, wait_until_async


class Writer:
    """Inserts pairs of documents without end, several calls in flight, and remembers what was acknowledged."""

    def __init__(self, client, name):
        self.client = client
        self.name = name
        self.sent = 0
        self.acknowledged = []

    async def insert(self):
        while True:
            number, self.sent = self.sent, self.sent + 1
            pair = [{'_id': f'{self.name}-{number}-{half}', 'text': 'x' * 200} for half in 'ab']
            try:
                await self.client.call('insert', 'notes', pair)
            except (ConnectionError, OSError):
                return
            except Exception as error:
                if getattr(error, 'code', None) not in ('unavailable', 'busy'):
                    return
                await asyncio.sleep(0)
                continue
            self.acknowledged.append(number)

    async def run(self):
        await asyncio.gather(*(self.insert() for _ in range(8)))


def check_pairs(documents, writers):
    for writer in writers:
        for number in range(writer.sent):
            halves = [f'{writer.name}-{number}-{half}' in documents for half in 'ab']
            assert halves[0] == halves[1], f'{writer.name}-{number} is half there'
            assert halves[0] or number not in writer.acknowledged, f'{writer.name}-{number} was lost'


@pytest.mark.parametrize('seed', range(scaled(6, 2)))
async def test_everything_killed_during_writes(server, seed):
    writers = []
    for start in range(3):
        running = []
        for i in range(2):
            writer = Writer(await Client.connect(server, 'editor'), f'{start}.{i}')
            writers.append(writer)
            running.append(asyncio.ensure_future(writer.run()))
        enough = random.Random(seed * 10 + start).randrange(20, 200)
        while sum(len(w.acknowledged) for w in writers[-2:]) < enough:
            await asyncio.sleep(0)
        await asyncio.to_thread(server.kill_all)
        await asyncio.gather(*running)
        server.start()
        check_pairs(server.export('notes'), writers)
    # The order of numbers goes on, and so do versions.
    client = await Client.connect(server, 'editor')
    await client.call('update', 'notes', {'_id': f'0.0-{writers[0].acknowledged[0]}-a', 'changes': {'n': 1}})


@pytest.mark.parametrize('who', ['committer', 'worker', 'master'])
async def test_one_process_killed_during_writes(server, who):
    writers = [Writer(await Client.connect(server, 'editor'), f'w{i}') for i in range(2)]
    running = [asyncio.ensure_future(writer.run()) for writer in writers]
    while sum(len(w.acknowledged) for w in writers) < 100:
        await asyncio.sleep(0)
    status = server.status()
    if who == 'master':
        # Nobody is left to look after the others: they end by themselves, and give the data directory free.
        os.kill(status['pid'], signal.SIGKILL)
        await asyncio.to_thread(wait_until, lambda: server.processes() == [], what='the children ending')
        server.wait_exit()
        server.start()
    else:
        victim = status['committer'] if who == 'committer' else status['workers'][0]
        await asyncio.to_thread(server.kill, victim['pid'])
        before = sum(len(w.acknowledged) for w in writers)
        while sum(len(w.acknowledged) for w in writers) < before + 50:
            await asyncio.sleep(0)
    for writer in writers:
        await writer.client.close()
    await asyncio.gather(*running)
    check_pairs(server.export('notes'), writers)


async def test_orderly_stop_during_writes(server):
    """SIGTERM: everything acknowledged is there, and the stop takes no longer than it may."""
    writers = [Writer(await Client.connect(server, 'editor'), f'w{i}') for i in range(2)]
    running = [asyncio.ensure_future(writer.run()) for writer in writers]
    while sum(len(w.acknowledged) for w in writers) < 50:
        await asyncio.sleep(0)
    assert await asyncio.to_thread(server.stop) == 0
    await asyncio.gather(*running)
    assert all(writer.client.close_code == 1001 for writer in writers)
    server.start()
    check_pairs(server.export('notes'), writers)


async def test_relaxed_durability_survives_kill(make_server):
    """Relaxed means that a crash of the machine may lose something; a crash of dispatchd does not."""
    server = make_server(options=['--durability', 'relaxed'])
    writer = Writer(await Client.connect(server, 'editor'), 'w')
    running = asyncio.ensure_future(writer.run())
    while len(writer.acknowledged) < 200:
        await asyncio.sleep(0)
    await asyncio.to_thread(server.kill_all)
    await running
    server.start()
    check_pairs(server.export('notes'), [writer])


async def test_no_committer_for_long(make_server):
    """What was given to one that died may be stored or not: nobody is told that it is not."""
    server = make_server(workers=1)
    server.meet()
    client = await Client.connect(server, 'editor')
    committer = server.committer_pid()
    os.kill(committer, signal.SIGSTOP)
    calls = sum(worker['calls'] for worker in server.status()['workers'])
    given = await client.start('insert', 'notes', {'_id': 'given'}, once='k')
    await wait_until_async(lambda: sum(w['calls'] for w in server.status()['workers']) > calls, what='the call')
    assert await client.call('count', 'notes') == 0  # it is answered when the change is on its way
    server.signal(signal.SIGSTOP)  # the master starts no other one
    try:
        os.kill(committer, signal.SIGKILL)
        answer = await asyncio.wait_for(given, PATIENCE)
        assert not answer['success'] and answer['data']['code'] == 'timeout'
        await client.fails('unavailable', 'insert', 'notes', {'_id': 'kept'})
    finally:
        server.signal(signal.SIGCONT)
    await wait_until_async(lambda: server.replaced(committer), what='a new committer')
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            answer = await client.call('insert', 'notes', {'_id': 'given'}, once='k')
            break
        except CallError as error:  # until the worker has met it
            assert error.code == 'unavailable' and time.monotonic() < deadline, error
    assert answer == {'_id': 'given', '_version': 0}
    assert await client.call('insert', 'notes', {'_id': 'given'}, once='k') == answer
    assert list(server.export('notes')) == ['given']
