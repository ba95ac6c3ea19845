"""Few descriptors: who comes too late is refused, whoever is connected goes on, and no process ends."""

import os
import re
import resource
import socket

from client import Client
from raw import RawClient
from server import status_pids, wait_until

FEW = 64


def few(make_server, workers=1):
    server = make_server(start=False, workers=workers)
    server.before = ['sh', '-c', f'ulimit -n {FEW} && exec "$@"', 'sh']
    return server.start()


def let_have(pid, more):
    """From now on the process may have @more descriptors beside those it has."""
    hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    numbers = set(map(int, os.listdir(f'/proc/{pid}/fd')))
    free = [number for number in range(hard) if number not in numbers]
    # None at all: also not those that it closes.
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[more] if more else 3, hard))


def connect(server):
    client = socket.socket()
    client.connect(('127.0.0.1', server.port))
    return client


async def test_more_clients_than_descriptors(make_server):
    server = few(make_server)
    pids = status_pids(server.status())
    client = await Client.connect(server, 'editor')
    idle = [connect(server) for _ in range(80)]
    status = wait_until(lambda: (s := server.status())['refused'] > 0 and
                        s['refused'] + s['workers'][0]['connections'] == 81 and s, what='all being taken or refused')
    worker = status['workers'][0]
    assert status['short_of_descriptors'] and status['refused'] >= 80 - FEW
    assert worker['connections'] == worker['connections_most'] > 10
    assert re.match(r'HTTP/1\.1 503 Service Unavailable\r\nDate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\n',
                    idle[-1].recv(1000).decode())
    await client.call('insert', 'notes', {'_id': 'a'})
    assert 'NO DESCRIPTORS' in server.ctl('status').stdout and list(server.export('notes')) == ['a']
    assert 'no worker has room' in server.log()
    for each in idle:
        each.close()
    wait_until(lambda: server.connections() == [1], what='the others being gone')
    with RawClient(server) as late:
        late.open('reader')
        assert late.call('count', 'notes')['data'] == 1
    assert not server.status()['short_of_descriptors'] and status_pids(server.status()) == pids


async def test_connections_that_a_worker_cannot_take(make_server):
    """The worker's limit is lower than the master knows: it loses what it has no descriptors for, and nothing else."""
    server = make_server(workers=1)
    pids = status_pids(server.status())
    client = await Client.connect(server, 'editor')
    let_have(pids[2], 2)
    idle = [connect(server) for _ in range(20)]
    wait_until(lambda: 'are lost' in server.log(), what='a batch being refused')
    assert await client.call('count', 'notes') == 0
    wait_until(lambda: server.connections()[0] <= 3, what='the lost ones not being counted')
    for each in idle:
        each.close()
    wait_until(lambda: server.connections() == [1], what='nobody else being counted')
    assert status_pids(server.status()) == pids


def test_links_that_cannot_be_taken(make_server):
    """A committer, then a worker, has no descriptor for a link: another comes when it has."""
    server = make_server(workers=1)
    committer = server.committer_pid()
    let_have(committer, 0)
    os.kill(server.worker_pids()[0], 9)
    wait_until(lambda: 'a link to worker 0 is lost' in server.log(), what='a link that is lost')
    hard = resource.prlimit(committer, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(committer, resource.RLIMIT_NOFILE, (hard, hard))
    server.wait_ready()
    assert server.committer_pid() == committer
    server.load('notes', [{'_id': 'a'}])

    worker = server.worker_pids()[0]
    let_have(worker, 0)
    os.kill(committer, 9)
    wait_until(lambda: 'descriptors that the master sent are lost' in server.log(), what='a link that is lost')
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (hard, hard))
    server.wait_ready()
    assert server.worker_pids() == [worker]
    server.load('notes', [{'_id': 'b'}])


async def test_the_control_socket_when_the_master_has_none_left(make_server):
    """It waits, without using the processor."""
    server = make_server(workers=1)
    client = await Client.connect(server, 'editor')
    let_have(server.process.pid, 0)
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(server.control)
        control.sendall(b'status\n')
        wait_until(lambda: 'connections of the control socket wait' in server.log(), what='the line in the log')
        before = cpu_ticks(server.process.pid)
        for _ in range(300):  # some time goes by
            assert await client.call('count', 'notes') == 0
        assert cpu_ticks(server.process.pid) - before < 10
        hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        assert control.recv(100).startswith(b'{"version"')


def cpu_ticks(pid):
    with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
        fields = file.read().rsplit(') ', 1)[1].split()
    return int(fields[11]) + int(fields[12])
