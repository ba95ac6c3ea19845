"""Watched directories when there is much of everything, and when a process or a client stands still or dies."""

import asyncio
import os
import random
import signal

from configuration import configuration
from listener import Listener, cost_of_watch_us, sizes_in, watches, write
from person import connect_with_small_buffer, go_on_reading, stop_reading
from server import scaled, wait_until, wait_until_async
from test_watch import place, watcher, watching  # pylint: disable=unused-import

FULL = bool(os.environ.get('DISPATCHD_TEST_WATCH_FULL'))  # 200 listeners, 5,000 files
LISTENERS, FILES = (200, 5000) if FULL else (24, scaled(1000, 300))


class Churn:
    """Files come, grow, move and go."""

    def __init__(self, path, seed):
        self.path = path
        self.chance = random.Random(seed)
        self.names = []
        self.count = 0

    def step(self):
        kind = self.chance.random()
        if kind < 0.4 or not self.names:
            self.count += 1
            self.names.append(f'file {self.count}')
            write(self.path / self.names[-1], b'x' * self.chance.randrange(100))
            return
        at = self.chance.randrange(len(self.names))
        name = self.names[at]
        if kind < 0.6:
            with open(self.path / name, 'ab') as file:
                file.write(b'more')
        elif kind < 0.8:
            self.count += 1
            self.names[at] = f'moved {self.count}'
            os.rename(self.path / name, self.path / self.names[at])
        else:
            self.names[at] = self.names[-1]
            self.names.pop()
            os.remove(self.path / name)


async def test_many_listeners_while_processes_die(make_server, place):
    """They begin at any time, and end with exactly what the directory holds."""
    server = watching(make_server, place, workers=4)
    churn = Churn(place, 1)
    clients = []
    begun = []
    for step in range(FILES * 3):
        churn.step()
        if step % max(1, FILES * 2 // LISTENERS) == 0 and len(clients) < LISTENERS:
            clients.append(await Listener.connect(server, 'reader'))
            begun.append(asyncio.ensure_future(clients[-1].listen('dir')))
        if step == FILES:
            server.kill(watcher(server)['pid'])
        if step == FILES * 3 // 2:
            dead = server.worker_pids()[1]
            server.kill(dead)
        if step % 50 == 0:
            await asyncio.sleep(0)  # clients of this loop go on
    await asyncio.gather(*begun, return_exceptions=True)
    alive = [client for client in clients if not client.reader.done()]
    assert len(clients) == LISTENERS and LISTENERS / 2 < len(alive) < LISTENERS
    for client in alive:
        await client.until_like('dir', place, seconds=120)
    assert len(watches(watcher(server)['pid'])) == 1
    assert not any(client.resyncs for client in alive)


async def test_the_watcher_dies_between_two_changes(make_server, place):
    """What happens while there is none is found; what stays is not told again."""
    server = watching(make_server, place, workers=1)
    for i in range(100):
        write(place / f'{i}', b'')
    client = await Listener.connect(server, 'reader')
    await client.listen('dir')
    pid = watcher(server)['pid']
    os.kill(pid, signal.SIGSTOP)
    os.remove(place / '1')
    write(place / '2', b'22')
    write(place / 'new', b'')
    server.kill(pid)
    await client.until_like('dir', place)
    assert sorted((operation, len(data)) for operation, _, data in client.changes) in (
        [('remove', 1), ('update', 2)], [('remove', 1), ('update', 1), ('update', 1)])
    assert not client.doubled
    await wait_until_async(lambda: "watcher (process" in server.log(), what='the line in the log')


async def test_a_stop_while_a_listing_waits(make_server, place):
    """The call is given up, and its listener with it."""
    server = watching(make_server, place, workers=1, stop_timeout_ms=2000)
    client = await Listener.connect(server, 'reader')
    pid = watcher(server)['pid']
    os.kill(pid, signal.SIGSTOP)
    try:
        listening = await client.start('listen', None, {'name': 'dir'})
        await client.call('describe')
        server.signal(signal.SIGTERM)
        assert (await listening)['data']['code'] == 'timeout'
    finally:
        os.kill(pid, signal.SIGCONT)
    assert await asyncio.to_thread(server.wait_exit) == 0


async def test_events_are_lost(make_server, place):
    """The kernel keeps so many events, and no more."""
    server = watching(make_server, place, workers=1)
    client = await Listener.connect(server, 'reader')
    await client.listen('dir')
    with open('/proc/sys/fs/inotify/max_queued_events', encoding='ascii') as file:
        most = int(file.read())
    pid = watcher(server)['pid']
    os.kill(pid, signal.SIGSTOP)
    try:
        write(place / 'stays', b'')
        for i in range(most // 3 + 10):  # each is made, closed, renamed from and to
            write(place / 'a', b'')
            os.rename(place / 'a', place / 'b')
        os.remove(place / 'b')
        write(place / 'c', b'late')
    finally:
        os.kill(pid, signal.SIGCONT)
    await client.until_like('dir', place)
    assert set(client.files['dir']) == {'stays', 'c'} and not client.doubled


async def test_more_files_than_may_be(make_server, place):
    server = watching(make_server, place, workers=1, limits={'watch_files': 10})
    client = await Listener.connect(server, 'reader')
    await client.listen('dir')
    for i in range(15):
        write(place / f'{i}', b'')
    await client.until(lambda: len(client.files['dir']) == 10)
    held = set(client.files['dir'])
    for name in held:
        os.remove(place / name)
    await client.until_like('dir', place)
    assert len(client.files['dir']) == 5 and not client.files['dir'].keys() & held
    await wait_until_async(lambda: server.log().count('limits.watch_files') == 1, what='the line in the log')


async def test_a_client_that_does_not_read(make_server, place):
    """Nothing is kept for it but that it is behind; when what it missed is not known any more it begins anew."""
    server = watching(make_server, place, workers=1, limits={'watch_files': 1000}, ping_interval_ms=600000)
    slow = await connect_with_small_buffer(server, 'reader', kind=Listener)
    quick = await Listener.connect(server, 'reader')
    await slow.listen('dir')
    await quick.listen('dir')
    rounds = 0
    while not slow.resyncs:
        stop_reading(slow)
        for _ in range(15):  # the names fill what the kernel keeps for it, and what the server has queued
            rounds += 1
            names = [f'{rounds} {i} {"x" * 200}' for i in range(900)]
            for name in names:
                write(place / name, b'')
            await quick.until_like('dir', place)
            for name in names:
                os.remove(place / name)
            await quick.until_like('dir', place)
        go_on_reading(slow)
        write(place / 'last', b'.' * rounds)
        await slow.until_like('dir', place)
        assert rounds < 150
    await quick.until_like('dir', place)
    assert set(slow.resyncs) == {('dir', True)} and not quick.resyncs
    updates = sum(len(message['data']) for message in slow.of('update', 'dir'))
    assert updates < rounds * 900  # what came and went meanwhile it was not told of


async def test_a_worker_that_stands_still(make_server, place):
    """The others are told; it is, too, when it goes on: of what is there, not of all that was."""
    server = watching(make_server, place, workers=2, limits={'watch_files': 300})
    clients = [await Listener.connect(server, 'reader') for _ in range(2)]
    assert server.connections() == [1, 1]
    for client in clients:
        await client.listen('dir')
    write(place / 'stays', b'')
    for client in clients:
        await client.until_like('dir', place)
    pid = server.worker_pids()[1]
    os.kill(pid, signal.SIGSTOP)
    try:
        for turn in range(30):
            for i in range(200):
                write(place / f'{turn} {i} {"x" * 200}', b'')
            await clients[0].until_like('dir', place)
            for i in range(200):
                os.remove(place / f'{turn} {i} {"x" * 200}')
            await clients[0].until_like('dir', place)
    finally:
        os.kill(pid, signal.SIGCONT)
    write(place / 'last', b'')
    for client in clients:
        await client.until_like('dir', place)
    assert sum(len(data) for _, _, data in clients[1].changes) < 30 * 400
    assert not any(client.resyncs for client in clients)


async def test_many_files_in_small_passes(make_server, place):
    """Neither watcher nor worker does much at once, and others are answered meanwhile."""
    count = scaled(20000, 4000) if not FULL else 100000
    for i in range(count):
        write(place / f'{i:06}', b'')
    watch_us = cost_of_watch_us(place)
    server = watching(make_server, place, workers=1)
    clients = [await Listener.connect(server, 'reader') for _ in range(3)]
    listing = [asyncio.ensure_future(client.listen('dir')) for client in clients]
    answered = 0
    while not all(each.done() for each in listing):
        await clients[0].call('describe')
        answered += 1
    assert answered > 0
    await asyncio.gather(*listing)
    for client in clients:
        assert client.sizes('dir') == sizes_in(place)
    status = server.status()
    worker = status['workers'][0]
    assert worker['largest_step_units'] < 262144 / 4, worker
    assert status['watcher']['files'] == count
    looks = status['watcher']['looks']
    assert count <= looks < 2 * count
    if FULL:
        assert worker['largest_pass_cpu_us'] < 10000
        assert status['watcher']['largest_pass_cpu_us'] < 10000 + 2 * watch_us
    for client in clients:
        await client.unlisten('dir')
    # Nobody listens: nothing is looked at.
    wait_until(lambda: watcher(server)['directories'] == 0, what='nobody listening')
    before = watcher(server)
    for i in range(100):
        write(place / f'unseen {i}', b'')
    await clients[0].call('describe')
    assert watcher(server)['looks'] == before['looks']
