"""Processes that stand still: seen, named, and killed after a time; what goes on meanwhile."""

import os
import signal

from client import Client
from configuration import configuration
from server import scaled, wait_until


async def test_processes_that_stand_still(make_server):
    """A worker is named, gets no connections, and is killed in the end. The committer goes on in time, and lives."""
    server = make_server(config=configuration(stall_timeout_ms=scaled(7000, 12000)))
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
