"""The processes: titles, restarts, stopping, pid file, options, data directories, the log."""

import asyncio
import json
import os
import pwd
import re
import signal
import socket
import stat
import subprocess
import time

import pytest
import websockets

from client import Client
from configuration import configuration
from raw import TEXT, RawClient, frame
from server import DISPATCHCTL, DISPATCHD, PATIENCE, TOP, read_text, scaled, title, wait_until, wait_until_async


def test_titles(server):
    status = server.status()
    assert title(status['pid']) == f'dispatchd: master {server.config_path}'
    assert title(status['committer']['pid']) == 'dispatchd: committer'
    assert [title(w['pid']) for w in status['workers']] == ['dispatchd: worker 0', 'dispatchd: worker 1']
    shown = subprocess.run(['ps', '-o', 'args=', '-p', str(status['workers'][1]['pid'])], capture_output=True,
                           text=True, check=True).stdout.strip()
    assert shown == 'dispatchd: worker 1'


def test_the_committer_goes_first(server):
    status = server.status()
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    workers = [w['pid'] for w in status['workers']]
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in workers} == {usual}
    committer = os.getpriority(os.PRIO_PROCESS, status['committer']['pid'])
    assert committer < usual if os.geteuid() == 0 else committer <= usual


async def test_administrator_is_there_from_the_start(make_server):
    """The committer is held up at the first start: who is let in first finds the group, though it may wait for it."""
    async def let_in():
        try:
            return await Client.control(server)
        except (OSError, websockets.exceptions.WebSocketException):
            return None

    server = make_server(prepared=False, start=False).start(wait=False)
    deadline = time.monotonic() + PATIENCE
    committer = {}
    while committer.get('state') != 'ready' and time.monotonic() < deadline:  # at once, before the workers are
        committer = (server.status(missing=None) or {}).get('committer', {})
    committer = committer['pid']
    os.kill(committer, signal.SIGSTOP)
    client = None
    for _ in range(50):  # time to be let in too early; whether it takes longer does not matter
        client = client or await let_in()
    call = ('find', 'groups', {'query': {'_id': 'administrator'}})
    found = client and asyncio.create_task(client.call(*call))
    os.kill(committer, signal.SIGCONT)
    deadline = time.monotonic() + PATIENCE
    while client is None and time.monotonic() < deadline:
        client = await let_in()
    found = await found if found else await client.call(*call)
    assert [document['_id'] for document in found['documents']] == ['administrator']
    server.wait_ready()


def test_status(server):
    text = server.ctl('status', '--json').stdout
    status = json.loads(text)
    assert text.count('\n') == 1
    assert status['listen'] == [f'127.0.0.1:{server.port}']
    assert {'version', 'pid', 'uptime_ms', 'seq', 'restarts', 'ring', 'rates', 'committer', 'workers'} <= set(status)
    shown = server.ctl('status').stdout
    assert 'worker' in shown and 'committer' in shown and str(status['pid']) in shown
    # Each column is explained below, and in the manual.
    heads = [line for line in shown.splitlines() if line.startswith('PROCESS ')]
    names = [name for head in heads for name in re.findall(r'(?:RING|PASS) \w+|\w+', head)
             if name not in ('PROCESS', 'PID', 'STATE')]
    legend = re.findall(r'^  ([A-Z ]+?)  +\S', shown, re.MULTILINE)
    manual = re.findall(r'^\.It Li ([A-Z ]+)$', read_text(os.path.join(TOP, 'man', 'dispatchctl.8')), re.MULTILINE)
    assert len(heads) == 2 and len(names) == 16 and names == legend == manual


async def test_status_counts(server):
    clients = [await Client.connect(server, 'editor') for _ in range(3)]
    await clients[0].call('insert', 'notes', {'_id': 'a'})
    for client in clients:
        await client.until(lambda c=client: 'a' in c.copy('notes'))

    def counted():
        status = server.status()
        workers = status['workers']
        return (sum(w['connections'] for w in workers) == 3 and sum(w['authorized'] for w in workers) == 3 and
                sum(w['deliveries'] for w in workers) == 3 and status['seq'] == clients[0].last_seq)
    wait_until(counted, what='the counters')


async def test_worker_is_started_again(server):
    before = server.status()
    client = await Client.connect(server, 'editor')
    server.kill(before['workers'][0]['pid'])
    assert server.status()['restarts'] == before['restarts'] + 1
    other = [await Client.connect(server, 'editor') for _ in range(2)]
    for c in other:
        assert await c.call('count', 'notes') == 0
    del client


def test_crashing_child_is_started_again_with_pauses(server):
    """The committer is killed as soon as it is there: the pauses grow, and the master does not give up."""
    started = time.monotonic()
    for _ in range(4):
        server.kill(server.committer_pid())
    assert time.monotonic() - started < PATIENCE * 3
    assert server.status()['restarts'] == 4
    assert 'committer' in server.log()


def descriptors(pid):
    return len(os.listdir(f'/proc/{pid}/fd'))


def test_restarts_leave_no_descriptors_behind(server):
    def all_descriptors():
        status = server.status()
        return [descriptors(pid) for pid in (status['pid'], status['committer']['pid'],
                                             *(worker['pid'] for worker in status['workers']))]

    # The status that is asked for has a connection of its own, for a moment.
    before = all_descriptors()
    for _ in range(2):
        server.kill(server.worker_pids()[0])
        server.kill(server.committer_pid())
    wait_until(lambda: all_descriptors() == before, what=f'as many descriptors as before, {before}')


async def test_orderly_stop(server):
    clients = [await Client.connect(server, 'reader') for _ in range(10)]
    clients += [await Client.connect(server) for _ in range(2)]
    assert await asyncio.to_thread(server.stop) == 0
    delays = []
    for client in clients:
        assert await client.until_closed() == 1001
        last = client.messages[-1]
        assert last['operation'] == 'reconnect' and last['collectionName'] is None
        delays.append(last['data']['after_ms'])
        assert isinstance(delays[-1], int) and delays[-1] >= 0
    assert len(set(delays)) > 1, 'spread over the clients'


def test_stop_with_a_client_that_does_not_close(make_server):
    server = make_server(options=['--stop-timeout-ms', '500'])
    with RawClient(server) as client:
        client.open('reader')
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < PATIENCE / 2


def test_second_signal_stops_at_once(make_server):
    server = make_server(options=['--stop-timeout-ms', '600000'])
    with RawClient(server) as client:
        client.open('reader')
        server.signal(signal.SIGINT)
        wait_until(lambda: refuses(server.port), what='the listener being closed')
        if server.process.poll() is None:
            server.signal(signal.SIGINT)
        server.wait_exit()
        assert server.processes() == []


def refuses(port):
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) != 0


def test_dispatchctl_stop(server):
    server.ctl('stop')
    assert server.wait_exit() == 0
    assert server.processes() == []
    failed = server.ctl('status', check=False)
    assert failed.returncode == 1 and len(failed.stderr.strip().splitlines()) == 1


def test_sigterm_of_a_child_is_not_the_end(server):
    """A worker that is told to stop by somebody else than the master is replaced."""
    pid = server.worker_pids()[0]
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: server.process.poll() is None and
               (server.worker_pids()[0] == pid or server.replaced(pid)), what='a worker in the place')
    assert server.process.poll() is None


def test_stopped_child_that_never_gets_ready(server):
    """kill -STOP of a worker stops neither the other nor an orderly end."""
    pid = server.worker_pids()[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        served = 0
        for _ in range(4):
            with RawClient(server) as client:
                client.socket.settimeout(1)
                try:
                    client.open('reader')
                    served += 1
                except (TimeoutError, AssertionError):
                    pass
        assert served >= 1
        assert server.status()['pid'] == server.process.pid
    finally:
        os.kill(pid, signal.SIGCONT)


def test_daemonised_with_pid_file(make_server):
    server = make_server(start=False)
    pid_file = os.path.join(server.directory, 'pid')
    started = server.run_once('--pid-file', pid_file)
    assert started.returncode == 0, started.stderr
    try:
        status = wait_until(lambda: server.status(missing=None), what='the control socket')
        pid = int(open(pid_file, encoding='utf-8').read())
        assert pid == status['pid']
        assert os.getsid(pid) != os.getsid(0)
        assert os.readlink(f'/proc/{pid}/cwd') == '/'
        server.ctl('stop')
        # Who waited for the end may start another one at once.
        assert not os.path.exists(pid_file)
        started = server.run_once('--pid-file', pid_file)
        assert started.returncode == 0, started.stderr
        server.ctl('stop')
        assert not os.path.exists(pid_file)
        wait_until(lambda: not server.processes(), what='all processes ending')
    finally:
        for pid in server.processes():
            os.kill(pid, signal.SIGKILL)


def test_background_start_that_fails_says_so(make_server):
    server = make_server(start=False)
    os.makedirs(server.data, 0o700, exist_ok=True)
    with open(os.path.join(server.data, 'data.mdb'), 'wb') as file:
        file.write(b'not a store' * 1000)
    failed = server.run_once()
    assert failed.returncode == 1 or 'error' in server.log()
    wait_until(lambda: not server.processes(), what='all processes ending')


# ---- command lines and configurations ----

def check(server, *arguments):
    return subprocess.run([DISPATCHD, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False,
                          env=server.environment())


def one_line(result, *words):
    """A refusal: one clear line with these words, status 1."""
    assert result.returncode == 1, result
    assert len(result.stderr.strip().splitlines()) == 1 and not result.stdout, result
    for word in words:
        assert word in result.stderr, result.stderr


def test_check_config(make_server):
    server = make_server(start=False)
    assert server.run_once('--check-config').returncode == 0
    assert server.processes() == []


def test_example_configuration(make_server):
    server = make_server(start=False)
    example = os.path.join(os.path.dirname(__file__), '..', '..', 'examples', 'laboratory.conf')
    result = check(server, '--config', example, '--check-config')
    assert result.returncode == 0, result.stderr


BAD_CONFIGURATIONS = [
    ('{', []), ('[]', []), ('', []), ('{"listen": "x"}', ['listen']), ('{"lisen": []}', ['lisen']),
    ('{\n  "workers": "many"\n}', ['workers', ':2:']), ('{"workers": 300}', ['workers', '256']),
    ('{"collections": []}', ['collections']), ('{"collections": {"a": {"projecto": []}}}', ['projecto']),
    ('{"collections": {"a": {"methods": {"insert": ["bogus"]}}}}', ['bogus']),
    ('{"collections": {"a": {"methods": {"inset": []}}}}', ['inset']),
    ('{"collections": {"a": {"read": "bogus"}}}', ['bogus']),
    ('{"permissions": ["p"], "collections": {"a": {"methods": {"find": ["p"]}}}}', ['find', '"read": "p"']),
    ('{"collections": {"a": {"sync_filter": {"$bogus": 1}}}}', ['sync_filter']),
    ('{"collections": {"users": {}}}', ['users']), ('{"collections": {"a b": {}}}', ['a b']),
    ('{"limits": {"message_bytes": "1X"}}', ['message_bytes']), ('{"limits": {"bogus": 1}}', ['bogus']),
    ('{"map_bytes": "1"}', ['map_bytes']), ('{"ring_bytes": "100000"}', ['ring_bytes']),
    ('{"workers": 1, "workers": 2}', ['workers']), ('{"log_level": "loud"}', ['log_level']),
    ('{"permissions": ["a", 5]}', ['permissions']), ('{"durability": "maybe"}', ['durability']),
    ('{"control_mode": "999"}', ['control_mode']), ('{"listen": ["nonsense"]}', ['listen']),
]


@pytest.mark.parametrize('text, words', BAD_CONFIGURATIONS)
def test_bad_configurations(make_server, text, words):
    server = make_server(start=False)
    server.configure(text)
    result = check(server, '--config', server.config_path, '--check-config')
    one_line(result, *words)
    if text.strip():
        assert server.config_path in result.stderr or 'listen' in words or 'ring_bytes' in words


@pytest.mark.parametrize('arguments, words', [
    (['--bogus'], ['bogus']), (['--workers'], ['workers']), (['--workers', 'x'], ['workers']),
    (['--workers', '-1'], ['workers']), (['--limits', 'bogus=1'], ['bogus']), (['--limits', 'pongs'], ['pongs']),
    (['--config', '/nonexistent/file'], ['/nonexistent/file']), (['stray'], ['stray']),
    (['--listen', 'x'], ['x']), (['--listen', '127.0.0.1:99999'], ['99999']), (['--user', 'no such user'], ['user']),
    (['--log-level', 'loud'], ['loud']), (['--foreground=yes', '--bogus'], []),
])
def test_bad_command_lines(make_server, arguments, words):
    server = make_server(start=False)
    one_line(server.run_once('--check-config', *arguments) if '--user' not in arguments else
             server.run_once('--foreground', *arguments), *words)


def test_help_and_version(make_server):
    server = make_server(start=False)
    shown = check(server, '--help')
    assert shown.returncode == 0 and '--listen' in shown.stdout and '--check-config' in shown.stdout
    assert re.search(r'\d+\.\d+\.\d+', check(server, '--version').stdout)


def test_command_line_wins(make_server):
    server = make_server(config=configuration(workers=4, listen=['127.0.0.1:1']), workers=1)
    assert len(server.status()['workers']) == 1


async def test_any_free_port(make_server):
    server = make_server(start=False)
    server.port = 0
    server.start()
    server.port = int(server.status()['listen'][0].rpartition(':')[2])
    client = await Client.connect(server, 'reader')
    assert await client.call('count', 'notes') == 0


def test_port_in_use(make_server):
    server = make_server()
    other = make_server(start=False)
    other.port = server.port
    one_line(other.run_once('--foreground', '--log', 'stderr'), str(server.port))


# ---- data directories ----

def test_data_directory_in_use(make_server):
    server = make_server()
    other = make_server(start=False)
    other.data = server.data
    one_line(other.run_once('--foreground', '--log', 'stderr'), server.data)
    assert server.status()


def test_data_directory_that_is_a_file(make_server):
    server = make_server(start=False, prepared=False)
    with open(server.data, 'w', encoding='utf-8'):
        pass
    one_line(server.run_once('--foreground', '--log', 'stderr'), server.data)


def test_data_directory_that_cannot_be_made(make_server):
    server = make_server(start=False, prepared=False)
    server.data = '/proc/nowhere/data'
    one_line(server.run_once('--foreground', '--log', 'stderr'), server.data)


def test_data_directory_that_cannot_be_written(make_server):
    if os.geteuid() != 0:
        pytest.skip('needs root, to become another user')
    server = make_server(start=False)
    os.chmod(server.directory, 0o755)
    os.chmod(server.data, 0o500)
    failed = server.run_once('--foreground', '--log', 'stderr', '--user', 'nobody')
    assert failed.returncode == 1 and server.data in failed.stderr


def test_data_directory_that_others_may_write_to(make_server):
    """Also when it is only its group, and the sticky bit does not help; the message has what mends it."""
    server = make_server(start=False)
    before = sorted(os.listdir(server.data))
    for mode in (0o720, 0o702, 0o777, 0o1777, 0o2770):
        os.chmod(server.data, mode)
        one_line(server.run_once('--foreground', '--log', 'stderr'), server.data, f'mode {mode:04o}',
                 f'chmod go-w {server.data}')
        assert stat.S_IMODE(os.stat(server.data).st_mode) == mode and sorted(os.listdir(server.data)) == before
    subprocess.run(['chmod', 'go-w', server.data], check=True)
    assert stat.S_IMODE(os.stat(server.data).st_mode) == 0o2750
    os.chmod(server.directory, 0o777)  # what is above it is not looked at
    server.start()


@pytest.mark.parametrize('name', ['data.mdb', 'lock.mdb', 'lock'])
def test_files_that_others_may_write_to(make_server, name):
    """Whoever gets into the directory could change the store in its place."""
    server = make_server(start=False)
    path = os.path.join(server.data, name)
    for mode in (0o660, 0o602):
        os.chmod(path, mode)
        one_line(server.run_once('--foreground', '--log', 'stderr'), path, f'mode {mode:04o}', f'chmod go-w {path}')
    if os.geteuid() == 0:
        os.chmod(path, 0o600)
        os.chown(path, pwd.getpwnam('daemon').pw_uid, -1)
        one_line(server.run_once('--foreground', '--log', 'stderr'), path, f'chown -R 0 {path}')


def test_data_directory_of_somebody_else(make_server):
    if os.geteuid() != 0:
        pytest.skip('needs root, to give it away')
    server = make_server(start=False)
    server.options = ['--user', 'nobody']
    os.chmod(server.directory, 0o755)
    nobody, stranger = pwd.getpwnam('nobody').pw_uid, pwd.getpwnam('daemon').pw_uid

    def give(uid):
        for name in ('', *os.listdir(server.data)):
            os.chown(os.path.join(server.data, name), uid, -1)
    give(stranger)
    one_line(server.run_once('--foreground', '--log', 'stderr'), server.data, 'mode 0700', f'user {stranger}',
             f'chown -R {nobody} {server.data}')
    assert os.stat(server.data).st_uid == stranger
    give(nobody)
    os.chown(server.data, 0, 0)  # made by root beforehand: it is given to the user
    server.start()
    assert os.stat(server.data).st_uid == nobody
    assert server.stop() == 0
    server.options = []  # root itself keeps out of what is a user's
    one_line(server.run_once('--foreground', '--log', 'stderr'), server.data, f'chown -R 0 {server.data}')


def test_store_that_is_none(make_server):
    server = make_server(start=False, prepared=False)
    os.makedirs(server.data, 0o700)
    with open(os.path.join(server.data, 'data.mdb'), 'wb') as file:
        file.write(b'not a store' * 1000)
    failed = server.run_once('--foreground', '--log', 'stderr')
    assert failed.returncode == 1 and server.data in failed.stderr


def test_runs_as_another_user(make_server):
    if os.geteuid() != 0:
        pytest.skip('needs root, to become another user')
    server = make_server(start=False, prepared=False, options=['--user', 'nobody'])
    os.chmod(server.directory, 0o777)
    server.start()
    for pid in server.worker_pids() + [server.committer_pid()]:
        status = open(f'/proc/{pid}/status', encoding='utf-8').read()
        assert re.search(r'^Uid:\s+65534\s+65534\s+65534', status, re.MULTILINE)
        assert re.search(r'^NoNewPrivs:\s+1', status, re.MULTILINE)


# ---- the log ----

async def test_line_for_each_call(make_server):
    server = make_server()
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', {'_id': 'a'})
    await client.fails('not_found', 'detail', 'notes', {'_id': 'b'})
    await client.send(json.dumps({'tid': 'x', 'methodName': 'bad\nname', 'collectionName': 'notes'}))
    assert await asyncio.to_thread(server.stop) == 0
    log = server.log()
    assert re.search(r'editor \(127\.0\.0\.1:\d+\) requested notes\.insert\b.*\d+ ?(us|µs)', log), log
    assert re.search(r'editor \(127\.0\.0\.1:\d+\) requested notes\.detail\b.*not_found', log)
    assert '\nname' not in log
    for line in log.splitlines():
        assert re.match(r'\S+ .*\[\d+\] (error|warning|notice|info|debug): ', line), line


@pytest.fixture
def system_log():
    """The socket that syslog(3) writes to, where there is no system log."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        try:
            log.bind('/dev/log')
        except OSError as error:
            pytest.skip(f'/dev/log cannot be had: {error}')
        log.settimeout(PATIENCE)
        yield log
        os.unlink('/dev/log')


async def test_log_to_syslog(system_log, make_server):
    server = make_server(options=['--log', 'syslog'])
    client = await Client.connect(server, 'editor')
    await client.call('count', 'notes')
    lines = []
    while not any('requested notes.count' in line for line in lines):
        lines.append(await asyncio.to_thread(lambda: system_log.recv(65536).decode()))
    # Facility daemon (3), severities notice (5) and info (6): RFC 3164.
    assert any(re.match(r'<29>.*dispatchd\[\d+\]: .*starts with 2 workers', line) for line in lines), lines
    assert re.match(r'<30>.*dispatchd\[\d+\]: .*editor \(127\.0\.0\.1:\d+\) requested notes\.count', lines[-1])
    server.signal(signal.SIGHUP)
    while 'again' not in lines[-1]:
        lines.append(await asyncio.to_thread(lambda: system_log.recv(65536).decode()))
    assert lines[-1].endswith('the log is not a file: there is nothing to open again')
    assert server.log() == ''


def test_nobody_drains_the_log(make_server):
    """A pipe that is full holds nobody up, and what did not go in is counted when it is read again."""
    server = make_server(start=False)
    pipe = os.path.join(server.directory, 'pipe')
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        server.before = ['sh', '-c', 'pipe=$1; shift; exec "$@" 2>"$pipe"', 'sh', pipe]
        server.options = ['--log', 'stderr']
        server.start()
        fill(reader)
        call_often(server)
        wait_until(lambda: b' lines were dropped' in drain(server, reader), what='the number of lines that were dropped')
    finally:
        os.close(reader)


def fill(pipe):
    """Others write to it, too."""
    try:
        while True:
            os.write(pipe, b'x' * 4095 + b'\n')
    except BlockingIOError:
        pass


def drain(server, pipe):
    """What is in it, when the processes have had something to do."""
    with RawClient(server) as client:
        client.open('reader')
    try:
        return os.read(pipe, 1 << 20)
    except BlockingIOError:
        return b''


def call_often(server):
    """More than a process keeps of its log."""
    calls = 2000
    with RawClient(server) as client:
        client.open('editor')
        for _ in range(calls // 100):
            for _ in range(100):
                client.send(frame(TEXT, json.dumps({'tid': 1, 'methodName': 'count', 'collectionName': 'notes'})))
            client.call('count', 'notes')


def test_nobody_drains_the_system_log(system_log, make_server):
    server = make_server(options=['--log', 'syslog'], workers=1)
    call_often(server)
    system_log.setblocking(False)
    wait_until(lambda: any(b' lines were dropped' in line for line in datagrams(system_log)),
               what='the number of lines that were dropped')


def datagrams(log):
    try:
        while True:
            yield log.recv(65536)
    except BlockingIOError:
        pass


async def test_log_levels(make_server):
    server = make_server(config=configuration(log_level='warning'))
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', {'_id': 'a'})
    await client.close()
    assert await asyncio.to_thread(server.stop) == 0
    assert 'requested' not in server.log()


async def test_secrets_are_not_logged(make_server):
    server = make_server(config=configuration(log_level='debug'))
    client = await Client.connect(server)
    token = (await client.log_in('editor'))['token']
    await client.call('authorize_by_token', 'users', {'token': token})
    assert await asyncio.to_thread(server.stop) == 0
    log = server.log()
    assert token not in log and 'long password' not in log


async def test_log_is_opened_again(server):
    """SIGHUP after rotating."""
    client = await Client.connect(server, 'editor')
    os.rename(server.log_path, server.log_path + '.1')
    server.signal(signal.SIGHUP)
    wait_until(lambda: os.path.exists(server.log_path), what='a new log file')
    assert server.process.poll() is None
    assert await client.call('count', 'notes') == 0
    wait_until(lambda: 'the log was opened again' in server.log(), what='the line that says so')
    # A directory of its name is in the way.
    old = server.log_path + '.2'
    os.rename(server.log_path, old)
    os.mkdir(server.log_path)
    server.signal(signal.SIGHUP)
    wait_until(lambda: 'cannot be opened again' in read_text(old), what='the line that says that it was not')
    # Every process goes on in the old file; only the master says why, and nobody says that it was opened.
    assert await client.call('count', 'notes') == 0
    assert await asyncio.to_thread(server.stop) == 0
    lines = read_text(old).splitlines()
    said = [line for line in lines if 'again' in line]
    assert len(said) == 2 and said[0].endswith('the log was opened again')
    assert said[1].endswith(f'the log {server.log_path} cannot be opened again: Is a directory; the old file stays in use')
    after = '\n'.join(lines[lines.index(said[1]):])
    assert ' master[' in after and 'editor (127.0.0.1:' in after
    os.rmdir(server.log_path)


# ---- the control socket ----

def ask(server, line):
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(PATIENCE)
        control.connect(server.control)
        control.sendall(line)
        answer = b''
        try:
            while chunk := control.recv(4096):
                answer += chunk
        except ConnectionResetError:  # it was closed with bytes unread
            pass
        return answer


def test_control_socket(server):
    assert os.stat(server.control).st_mode & 0o777 == 0o600
    assert 'error' in json.loads(ask(server, b'nonsense\n'))
    answer = ask(server, b'x' * 5000)
    assert answer == b'' or 'error' in json.loads(answer)
    # One that says nothing holds nobody up.
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(server.control)
        assert server.status()['pid'] == server.process.pid


async def test_control_session(server):
    client = await Client.control(server)
    assert await client.call('count', 'users') > 5
    assert await client.call('import', 'fixed', {'documents': [{'_id': 'a', 'n': 1}, {'_id': 'b'}]}) == {
        'inserted': 2, 'replaced': 0, 'skipped': 0}
    answer = await client.call('import', 'fixed', {'documents': [{'_id': 'a', 'n': 1}, {'_id': 'c'}]})
    assert (answer['inserted'], answer['skipped']) == (1, 1)
    failure = await client.fails('exists', 'import', 'fixed', {'documents': [{'_id': 'd'}, {'_id': 'a', 'n': 2}]})
    assert failure['index'] == 1
    assert (await client.fails('invalid', 'import', 'fixed', {'documents': [{'_id': 'd'}, 7]}))['index'] == 1
    await client.call('import', 'fixed', {'documents': [{'_id': 'a', 'n': 2}], 'replace': True})
    exported = await client.call('export', 'fixed', {})
    assert exported['after'] is None
    assert [(d['_id'], d.get('n')) for d in exported['documents']] == [('a', 2), ('b', None), ('c', None)]
    other = await Client.connect(server, 'admin')
    await other.fails('unknown_method', 'import', 'fixed', {'documents': []})
    await other.fails('unknown_method', 'export', 'fixed', {})


async def test_a_large_control_message_does_not_stay_in_memory(make_server):
    server = make_server(workers=1)
    (pid,) = server.worker_pids()
    control = await Client.control(server)
    await control.call('describe')
    before = server.memory(pid)
    await control.fails('unknown_method', 'bogus', 'notes', [1] * 5_000_000)
    await control.call('describe')
    await wait_until_async(lambda: scaled(server.memory(pid) - before, 0) < 6 << 20, what='the memory being free')


def test_tail(server):
    with subprocess.Popen(
            [DISPATCHCTL, '--control', server.control, 'tail',
             'notes'], stdout=subprocess.PIPE, text=True, env=server.environment()) as tail:
        try:
            wait_until(lambda: sum(server.connections()) >= 1, what='the session')
            # It subscribes after it has connected: a change that comes too early is not told, so there are several.
            with RawClient(server) as writer:
                writer.open('editor')
                lines = []
                os.set_blocking(tail.stdout.fileno(), False)

                def told():
                    number = writer.next_tid
                    writer.call('insert', 'viruses', {'name': f'{number}'})
                    writer.call('insert', 'notes', {'_id': f'n{number}'})
                    lines.extend(tail.stdout.readlines())
                    return lines
                wait_until(told, what='a line')
            assert all('"notes"' in line and '"viruses"' not in line for line in lines)
            assert json.loads(lines[0])['operation'] == 'update'
        finally:
            tail.send_signal(signal.SIGINT)
            tail.wait(timeout=PATIENCE)


def test_bad_input_costs_nothing_that_lasts(server):
    """A thousand broken connections of all kinds: afterwards there are none, and little memory is held."""
    before = sum(map(server.memory, server.worker_pids()))
    pieces = [b'', b'GET', b'\x00' * 100, frame(TEXT, b'{}'), frame(TEXT, b'x', length=100000)[:14],
              frame(TEXT, b'{"tid":1', final=False), frame(9, b'x') * 50]
    for i in range(300):
        with RawClient(server) as client:
            if i % 7 > 2:
                client.open()
            client.send(pieces[i % 7])
    wait_until(lambda: sum(server.connections()) == 0, what='all connections being forgotten')
    if not os.environ.get('DISPATCHD_TEST_SANITIZE'):
        assert sum(map(server.memory, server.worker_pids())) - before < 4 << 20
