"""A dispatchd of a test's own: in a temporary directory, on a free port, with everything looked at when it ends."""

import asyncio
import glob
import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from configuration import configuration
from watch import WATCH, check_said_once

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('DISPATCHD_BUILD', os.path.join(TOP, 'build'))
DISPATCHD = os.path.join(BUILD, 'daemon', 'dispatchd')
DISPATCHCTL = os.path.join(BUILD, 'client', 'ctl', 'dispatchctl')
# Under sanitizers everything is several times slower: tests then use smaller numbers, and wait longer.
SANITIZE = bool(os.environ.get('DISPATCHD_TEST_SANITIZE'))
PATIENCE = 60 if SANITIZE else 20


def scaled(number, sanitized):
    """How much of something a test does: the second number under sanitizers."""
    return sanitized if SANITIZE else number


def wait_until(condition, seconds=PATIENCE, what='the condition'):
    """Polls until @condition() is true, and returns what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f'{what} did not come true within {seconds} s')
        time.sleep(0.01)


async def wait_until_async(condition, seconds=PATIENCE, what='the condition'):
    """wait_until() that lets clients of the same loop go on."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f'{what} did not come true within {seconds} s')
        await asyncio.sleep(0.01)


class Server:
    def __init__(self, workers=2, config=None, options=(), template=None):
        self.directory = tempfile.mkdtemp(prefix='dispatchd-test-')
        self.data = os.path.join(self.directory, 'data')
        self.control = os.path.join(self.directory, 'control')
        self.log_path = os.path.join(self.directory, 'log')
        self.config_path = os.path.join(self.directory, 'conf')
        self.workers = workers
        self.options = list(options)
        self.process = None
        self.before = []  # what dispatchd is run by
        self.reserved = reserve_port()
        self.port = self.reserved.getsockname()[1]
        self.exit_status = None
        self.tokens = {}
        self.variables = {}  # of its environment, beside ours
        self.expect_failure = False  # the test means to kill it
        self.configure(config or configuration())
        if template:
            shutil.copytree(template.data, self.data)
            self.tokens = dict(template.tokens)

    def configure(self, config):
        with open(self.config_path, 'w', encoding='utf-8') as file:
            json.dump(config, file) if isinstance(config, dict) else file.write(config)

    # ---- starting and stopping ----

    def environment(self):
        prefix = os.path.join(self.directory, 'sanitizer')
        return {**os.environ, **self.variables,
                'ASAN_OPTIONS': f'log_path={prefix}:detect_leaks=1:abort_on_error=0:handle_abort=1',
                'TSAN_OPTIONS': f'log_path={prefix}:halt_on_error=0',
                'UBSAN_OPTIONS': f'log_path={prefix}:print_stacktrace=1:halt_on_error=0'}

    def command(self, *extra):
        return [DISPATCHD, '--config', self.config_path, '--data', self.data, '--control', self.control,
                '--log', self.log_path, '--workers', str(self.workers),
                '--listen', f'127.0.0.1:{self.port}', *self.options, *extra]

    def start(self, *options, wait=True):
        assert self.process is None
        self.exit_status = None
        with open(os.path.join(self.directory, 'stderr'), 'ab') as errors:
            self.process = subprocess.Popen([*self.before, *self.command('--foreground', *options)],
                                            stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                                            env=self.environment(), start_new_session=True)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        """Until every process is ready."""
        def ready():
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f'dispatchd ended with {self.process.returncode}: {self.stderr()}{self.log()}')
            status = self.status(missing=None)
            return status if status and all_ready(status) else None
        return wait_until(ready, what='dispatchd being ready')

    def run_once(self, *extra, seconds=PATIENCE):
        """Runs dispatchd to its end; for command lines and data directories that it refuses."""
        return subprocess.run(self.command(*extra), capture_output=True, text=True, timeout=seconds,
                              env=self.environment(), check=False)

    def signal(self, number):
        os.kill(self.process.pid, number)

    def wait_exit(self, seconds=PATIENCE):
        self.exit_status = self.process.wait(timeout=seconds)
        self.process = None
        return self.exit_status

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait_exit()

    def kill_all(self):
        """kill -9 of every process at once."""
        pids = self.processes()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)  # so that none sees another die
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.processes(), what='all processes being gone')
        if self.process:
            self.wait_exit()

    def kill(self, pid):
        """kill -9 of one child, and waits until the master has put another in its place."""
        os.kill(pid, signal.SIGKILL)
        return wait_until(lambda: self.replaced(pid), what='a new process')

    def replaced(self, pid):
        status = self.status()
        return status if pid not in status_pids(status) and all_ready(status) else None

    def restart(self):
        assert self.stop() == 0
        return self.start()

    def close(self):
        """Ends everything; returns what was wrong."""
        problems = self.close_processes()
        self.reserved.close()
        WATCH.files_of(self)
        shutil.rmtree(self.directory, ignore_errors=True)
        return problems

    def close_processes(self):
        problems = []
        if self.process:
            try:
                if self.process.poll() is None:
                    self.signal(signal.SIGTERM)
                if self.wait_exit() != 0:
                    problems.append(f'exit status {self.exit_status}')
            except subprocess.TimeoutExpired:
                problems.append('no end after SIGTERM')
        for pid in self.processes():
            problems.append(f'left running: {title(pid)}')
            os.kill(pid, signal.SIGKILL)
        if self.process:
            self.process.wait()
            self.process = None
        for path in glob.glob(os.path.join(self.directory, 'sanitizer*')):
            with open(path, encoding='utf-8', errors='replace') as file:
                problems.append(file.read())
        if problems:
            problems.append(self.stderr()[-2000:] + self.log()[-4000:])
        return problems

    # ---- looking ----

    def processes(self):
        """The processes that have a file of this test open, whoever their parent is."""
        found = []
        for entry in os.listdir('/proc'):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            try:
                links = [os.readlink(f'/proc/{entry}/fd/{fd}') for fd in os.listdir(f'/proc/{entry}/fd')]
            except OSError:
                continue
            if any(link.startswith(self.directory + '/') for link in links):
                found.append(int(entry))
        return found

    def status(self, missing='fail'):
        """The status as the control socket tells it; None when there is no server and @missing is None."""
        try:
            with socket.socket(socket.AF_UNIX) as control:
                control.settimeout(PATIENCE)
                control.connect(self.control)
                control.sendall(b'status\n')
                text = b''
                while chunk := control.recv(65536):
                    text += chunk
            WATCH.received(text, 'the status')
            return json.loads(text)
        except (FileNotFoundError, ConnectionError, json.JSONDecodeError):
            if missing is None:
                return None
            raise

    def worker_pids(self):
        return [worker['pid'] for worker in self.status()['workers']]

    def committer_pid(self):
        return self.status()['committer']['pid']

    def connections(self):
        """How many each worker has."""
        return [worker['connections'] for worker in self.status()['workers']]

    def log(self):
        return read_text(self.log_path)

    def stderr(self):
        return read_text(os.path.join(self.directory, 'stderr'))

    def memory(self, pid):
        """Bytes of memory that are the process's own (anonymous)."""
        with open(f'/proc/{pid}/status', encoding='utf-8') as file:
            for line in file:
                if line.startswith('RssAnon:'):
                    return int(line.split()[1]) * 1024
        raise AssertionError('no RssAnon')

    @property
    def url(self):
        return f'ws://127.0.0.1:{self.port}/ws'

    # ---- dispatchctl ----

    def ctl(self, *arguments, text=None, check=True, seconds=PATIENCE):
        if '--password-stdin' in arguments and text:
            WATCH.password(text.splitlines()[0])
        result = subprocess.run([DISPATCHCTL, '--control', self.control, *arguments], input=text,
                                capture_output=True, text=True, timeout=seconds, env=self.environment(), check=False)
        WATCH.received(result.stdout + result.stderr, f'what dispatchctl {" ".join(arguments[:1])} prints')
        check_said_once(result.stderr)
        assert not check or result.returncode == 0, f'dispatchctl {arguments}: {result.stderr}{result.stdout}'
        return result

    def load(self, collection, documents):
        """Puts documents in without a client."""
        return self.ctl('import', collection, '-',
                        text=''.join(json.dumps(document) + '\n' for document in documents))

    def meet(self):
        """Has the worker, the only one, store something. It is ready before it has met the committer: until then it
        keeps what it is to give it, and when the committer is held up or killed meanwhile, the next one gets that."""
        assert self.workers == 1
        self.load('fixed', [{'_id': 'met'}])

    def export(self, collection, *arguments):
        """All full documents: {id: document}."""
        lines = self.ctl('export', collection, *arguments).stdout.splitlines()
        return {document['_id']: document for document in map(json.loads, lines)}


def reserve_port():
    """A socket that is bound and does not listen. A server, which sets SO_REUSEADDR too, can listen on the port; for
    anybody who asks for a free one it is taken, also while the server of this test is down."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(('127.0.0.1', 0))
    return reserved


def all_ready(status):
    servers = [status[name] for name in ('committer', 'watcher') if name in status]
    return all(process['state'] == 'ready' for process in servers + status['workers'])


def status_pids(status):
    servers = [status[name]['pid'] for name in ('committer', 'watcher') if name in status]
    return [status['pid'], *servers, *(worker['pid'] for worker in status['workers'])]


def title(pid):
    """The process's title as ps shows it."""
    return read_text(f'/proc/{pid}/cmdline').replace('\0', ' ').strip()


def read_text(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except FileNotFoundError:
        return ''


def read_lines(path):
    """The documents of a .jsonl.gz file."""
    with gzip.open(path, 'rt', encoding='utf-8') as file:
        return [json.loads(line) for line in file]
