"""Processes that stand still: seen, named, and killed after a time; what goes on meanwhile."""

import os
import signal

from client import Client
from configuration import configuration
from server import scaled, wait_until


async def test_processes_that_stand_still(make_server):
    """A worker is named, gets no connections, and is killed in the end. The committer goes on in time, and lives. The
    watcher that has nothing to do does not stand still, but one that is stopped does."""
    config = configuration(stall_timeout_ms=scaled(7000, 12000), watch={'directory': {'path': '/nowhere'}})
    server, second = make_server(config=config), make_server(workers=1, config=config)
    watcher, stopped = (each.status()['watcher']['pid'] for each in (server, second))
    os.kill(stopped, signal.SIGSTOP)
    worker, other = server.worker_pids()
    committer = server.committer_pid()
    os.kill(worker, signal.SIGSTOP)
    os.kill(committer, signal.SIGSTOP)
    status = wait_until(lambda: (s := server.status())['committer']['still_ms'] and s['workers'][0]['still_ms'] and s,
                        what='the status saying so')
    os.kill(committer, signal.SIGCONT)
    assert 5000 <= status['workers'][0]['still_ms'] < 10000 and status['workers'][1]['still_ms'] == 0
    assert 'worker 0 HAS STOOD STILL for' in server.ctl('status').stdout
    assert f'worker 0 (process {worker}, state T) has stood still for' in server.log()
    clients = [await Client.connect(server, 'editor') for _ in range(2)]
    connected = server.connections()
    assert connected == [0, 2] or worker not in server.worker_pids()
    await clients[0].call('insert', 'notes', {'_id': 'a'})
    wait_until(lambda: f'committer (process {committer}) goes on after' in server.log(), what='the committer going on')
    wait_until(lambda: server.replaced(worker), what='another worker')
    assert 'it is killed' in server.log()
    assert server.worker_pids()[1] == other and server.committer_pid() == committer
    assert server.status()['committer']['still_ms'] == 0
    assert await clients[1].call('count', 'notes') == 1
    wait_until(lambda: second.replaced(stopped), what='another watcher')
    assert f'watcher (process {stopped}, state T) has stood still' in second.log()
    assert server.status()['watcher']['pid'] == watcher and 'watcher (process' not in server.log().split('is ready')[-1]
