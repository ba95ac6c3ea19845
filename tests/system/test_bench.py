"""dispatchbench: each case against a server, in numbers and in words; and that it notices a server that is at fault."""

import asyncio
import json
import os
import subprocess

import pytest
import websockets

from configuration import FREE, configuration
from server import BUILD, PATIENCE

DISPATCHBENCH = os.path.join(BUILD, 'client', 'bench', 'dispatchbench')
FAULTS = ('losses', 'duplicates', 'reorderings')

CASES = {
    'fanout': (['--subscribers', '20', '--in-flight', '8', '--count', '100'],
               ['deliveries_per_second', 'latency_p50_ms', 'latency_p99_ms', 'latency_p99_9_ms', 'cpu_us_per_delivery',
                *FAULTS]),
    'paced': (['--subscribers', '10', '--rate', '200', '--count', '20'], ['latency_p99_ms', *FAULTS]),
    'calls': (['--connections', '4', '--in-flight', '4', '--duration', '1'], ['latency_p99_ms']),
    'inserts': (['--in-flight', '16', '--count', '200'], ['inserts_per_second', 'latency_p99_ms']),
    'idle': (['--connections', '20', '--hold', '1'], ['bytes_per_connection']),
    'churn': (['--connections', '10', '--count', '50'], ['handshakes_per_second']),
    'unseen': (['--subscribers', '10', '--in-flight', '8', '--count', '1500'],
               ['documents_per_second', 'detail_p99_ms', 'cpu_us_per_document', *FAULTS]),
    'sync': (['--documents', '500'], ['empty_seconds', 'stale_documents', 'current_documents']),
}


def run(*arguments, password=None, seconds=PATIENCE * 2):
    return subprocess.run([DISPATCHBENCH, *arguments], input=password, capture_output=True, text=True,
                          timeout=seconds, check=False)


@pytest.fixture
def bench_server(make_server):
    return make_server(config=configuration(collections={'bench': {'methods': FREE}, 'bench_unseen': {'methods': FREE}},
                                            permissions=None))


@pytest.mark.parametrize('case', CASES)
def test_case(bench_server, case):
    options, keys = CASES[case]
    server = ['--control', bench_server.control, f'unix:{bench_server.control}']
    shown = run(case, *options, '--json', *server)
    assert shown.returncode == 0, shown.stderr
    result = json.loads(shown.stdout)
    assert result['case'] == case and set(keys) <= set(result)
    assert not any(result.get(fault, 0) for fault in FAULTS)
    if case == 'fanout':
        assert result['changes'] == 100 and result['deliveries'] == 2000
    if case == 'sync':
        assert (result['current_documents'], result['stale_documents'], result['empty_documents']) == (0, 5, 500)
    words = run(case, *options, *server)
    assert words.returncode == 0 and len(words.stdout.splitlines()) > 2 and '{' not in words.stdout
    if case != 'sync':  # its documents are for the next run
        assert bench_server.export('bench') == {}


LOADS = {  # and what shows that each did what it is meant to
    'quiet': None, 'busy': 'answered', 'unseen': 'answered', 'import': 'answered', 'conditions': 'answered', 'range': 'answered',
    'sorted': 'answered', 'counts': 'answered', 'sync': 'answered', 'sync_unread': 'unanswered', 'details': 'answered',
    'update': 'answered', 'update_too_large': 'refused_too_large', 'patch': 'refused_too_large', 'rights': 'answered',
    'slow_reader': 'answered', 'strangers': 'refused_unauthorized', 'logins': 'answered',
}


def test_fairness(make_server):
    """Each load does what it is meant to, and every call of the prober is answered."""
    server = make_server(config=configuration(permissions=None, durability='relaxed', collections={
        'bench': {'methods': FREE},
        'bench_fairness': {'methods': FREE, 'index': ['tags'],
                           'rights': {'owner': 'user', 'group': 'group', 'group_read': 'group_read'}}}))
    users = set(server.export('users'))
    shown = run('fairness', '--count', '10', '--scale', '15', '--probers', '2', '--json', '--control', server.control,
                server.url, seconds=PATIENCE * 6)
    assert shown.returncode == 0, shown.stderr + shown.stdout
    result = json.loads(shown.stdout)
    assert [load for load in result if load in LOADS] == list(LOADS)
    for load, key in LOADS.items():
        line = result[load]
        assert line['probes'] >= 10 and line['detail_max_ms'] > 0 and line['insert_max_ms'] > 0, (load, line)
        assert not key or line[key] > 0, (load, line)
        assert line['probes_refused'] == line['probes_unanswered'] == 0
    assert server.export('bench') == server.export('bench_fairness') == {}
    assert set(server.export('users')) == users


def test_one_load_of_fairness(bench_server):
    words = run('fairness', '--count', '4', '--load', 'quiet', '--fairness-collection', 'bench_unseen', '--control',
                bench_server.control, bench_server.url)
    assert words.returncode == 0 and 'detail p50' in words.stdout and '\nquiet ' in words.stdout, words
    assert run('fairness', '--load', 'none', bench_server.url).stderr.count('expected one of: quiet busy') == 1
    # A load whose calls make no sense is no load.
    wrong = run('fairness', '--count', '4', '--load', 'strangers', '--fairness-collection', 'none', '--control',
                bench_server.control, bench_server.url)
    assert wrong.returncode == 1


def test_over_the_network_with_a_log_in(make_server):
    server = make_server(config=configuration(collections={'bench': {'methods': FREE}}, permissions=None,
                                              **{'log_level': 'notice'}))
    server.ctl('user', 'add', 'tool', '--password-stdin', text='for the tool alone\n')
    shown = run('fanout', '--subscribers', '10', '--count', '50', '--json', '--control', server.control, '--login',
                'tool', '--password-stdin', server.url, password='\ufefffor the tool alone\r\n')
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)['deliveries'] == 500
    wrong = run('fanout', '--subscribers', '1', '--count', '1', '--control', server.control, '--login', 'tool',
                '--password-stdin', server.url, password='another\n')
    assert wrong.returncode == 1 and len(wrong.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize('arguments, word', [
    ([], 'case'), (['bogus', 'ws://127.0.0.1:1/ws'], 'bogus'), (['fanout'], 'URL'),
    (['fanout', '--subscribers', '0', 'ws://127.0.0.1:1/ws'], 'subscribers'),
    (['fanout', '--hold', '1', 'ws://127.0.0.1:1/ws'], '--hold'),
    (['fanout', 'ws://127.0.0.1:1/ws'], 'refused'),
])
def test_wrong_arguments(arguments, word):
    failed = run(*arguments)
    assert failed.returncode == 1 and word in failed.stderr + failed.stdout


class Broadcaster:
    """Sends everybody what anybody sends, except for one message, which is treated as the fault says."""

    def __init__(self, fault):
        self.fault = fault
        self.clients = set()
        self.count = 0
        self.held = None

    async def serve(self, client, _path=None):
        self.clients.add(client)
        try:
            async for message in client:
                for each in self.treat(message):
                    websockets.broadcast(self.clients, each)
        finally:
            self.clients.discard(client)

    def treat(self, message):
        self.count += 1
        if self.held:
            messages, self.held = [message, self.held], None
            return messages
        if self.count != 150:  # behind the warm-up
            return [message]
        if self.fault == 'losses':
            return []
        if self.fault == 'duplicates':
            return [message, message]
        if self.fault == 'reorderings':
            self.held = message
            return []
        return [message]


@pytest.mark.parametrize('fault', [None, *FAULTS])
async def test_a_faulty_server_is_noticed(fault):
    broadcaster = Broadcaster(fault)
    async with websockets.serve(broadcaster.serve, '127.0.0.1', 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        shown = await asyncio.to_thread(
            run, 'broadcast', '--subscribers', '3', '--in-flight', '4', '--warm-up', '50', '--count',
            '300', '--pid', str(os.getpid()), '--json', f'ws://127.0.0.1:{port}/')
    result = json.loads(shown.stdout)
    assert shown.returncode == (1 if fault else 0), shown
    for kind in FAULTS:
        assert (result[kind] > 0) == (kind == fault), result
