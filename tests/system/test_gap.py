"""Changes that were committed, not dispatched, and are no longer in the change log."""

import asyncio
import os
import re
import signal
import struct
import time

from client import CallError, Client, connect_to_workers
from configuration import configuration
from server import PATIENCE, wait_until

KEPT = 10
LIST = 2000
ROUNDS = 30
TRANSACTION_AT = (144, 4096 + 144)  # number of the last transaction in LMDB's two meta pages


def last_transaction(file):
    return max(struct.unpack('<Q', os.pread(file, 8, at))[0] for at in TRANSACTION_AT)


def kill_behind_commit(server, pid, watching):
    """Kills the committer at the moment at which it has committed something; a list is not published so fast."""
    file = os.open(os.path.join(server.data, 'data.mdb'), os.O_RDONLY)
    os.setpriority(os.PRIO_PROCESS, pid, 19)  # on a busy machine too, this must come to run before it goes on
    try:
        before = last_transaction(file)
        watching()
        deadline = time.monotonic() + PATIENCE
        while last_transaction(file) == before:
            assert time.monotonic() < deadline, 'nothing is committed'
        os.kill(pid, signal.SIGKILL)
    finally:
        os.close(file)


def gaps(server):
    """How often a committer found more to be dispatched than the change log keeps."""
    found = re.findall(r'changes (\d+) to (\d+), committed before', server.log())
    return sum(int(last) - int(first) >= KEPT for first, last in found)


async def commit_and_die(server, writer, number):
    """A list that is longer than the change log; whether its changes were lost on the way to the workers."""
    before = gaps(server)
    pid = server.status()['committer']['pid']
    watching = asyncio.Event()
    loop = asyncio.get_running_loop()
    killing = loop.run_in_executor(None, kill_behind_commit, server, pid,
                                   lambda: loop.call_soon_threadsafe(watching.set))
    await watching.wait()
    answer = await writer.start('insert', 'notes', [{'_id': f'{number}-{i}', 'text': 'x' * 100} for i in range(LIST)])
    await killing
    try:
        await asyncio.wait_for(answer, PATIENCE)
    except (CallError, ConnectionError):
        pass
    await asyncio.to_thread(wait_until, lambda: server.replaced(pid), what='another committer')
    return gaps(server) > before


async def test_a_list_longer_than_the_change_log_and_a_crash_behind_it(make_server):
    server = make_server(config=configuration(change_log_entries=KEPT, durability='relaxed'))
    writer = await Client.connect(server, 'editor')
    await writer.call('insert', 'notes', {'_id': 'first'})
    readers = await connect_to_workers(server, 'reader', 2)
    for reader in readers:
        await reader.synchronize('notes')
    last = [reader.last_seq for reader in readers]
    for number in range(ROUNDS):
        seen = [len(reader.messages) for reader in readers]
        if await commit_and_die(server, writer, number):
            break
        await writer.call('insert', 'notes', {'_id': f'between-{number}'})
        for reader in readers:
            await reader.until(lambda r=reader, n=number: f'between-{n}' in r.copy('notes'))
        last = [reader.last_seq for reader in readers]
    else:
        raise AssertionError('the committer was never killed between commit and publishing')

    await writer.call('insert', 'notes', {'_id': 'last'})
    everything = server.export('notes')
    for i, reader in enumerate(readers):
        await reader.until(lambda r=reader: r.of('resync', None))
        # Nothing that came before it lets the client believe that it has what is missing.
        told = next(n for n, message in enumerate(reader.messages) if message['operation'] == 'resync')
        assert all((message.get('seq') or 0) <= last[i] for message in reader.messages[seen[i]:told])
        await reader.synchronize('notes')
        await reader.until(lambda r=reader: r.copy('notes') == everything)
