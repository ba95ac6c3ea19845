"""Servers to measure, each on one core in a temporary directory, and dispatchbench on the other core."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SERVER_CORE, TOOL_CORE = '0', '1'
PASSWORD = 'only for measuring'
START_SECONDS = 20
DESCRIPTORS = 20000
NCHAN_MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so'


class Failed(Exception):
    pass


def pinned(core, command):
    """The command on one core, with room for many connections; unpinned where there is only one core."""
    limited = f'ulimit -n {DESCRIPTORS} 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$@"'
    taskset = ['taskset', '-c', core] if os.cpu_count() > 1 else []
    return ['sh', '-c', limited, 'sh', *taskset, *command]


def wait_until(condition, what, process):
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if process.poll() is not None:
            raise Failed(f'{what} ended with status {process.returncode}')
        if time.monotonic() > deadline:
            raise Failed(f'{what} did not start within {START_SECONDS} s')
        time.sleep(0.02)


def stop(process):
    """In good order; at once when that takes too long."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Dispatchd:
    """A dispatchd on examples/bench.conf with an administrator."""

    def __init__(self, build, options=(), directory=None):
        self.build = build
        # The store must lie on a real disk: /tmp may be none.
        self.directory = tempfile.mkdtemp(prefix='dispatchd-bench-', dir=directory or build)
        self.control = os.path.join(self.directory, 'control')
        self.process = None
        self.options = options

    def __enter__(self):
        program = os.path.join(self.build, 'daemon', 'dispatchd')
        self.log = open(os.path.join(self.directory, 'log'), 'wb')
        self.process = subprocess.Popen(
            pinned(SERVER_CORE, [program, '--config', os.path.join(TOP, 'examples', 'bench.conf'), '--foreground',
                                 '--data', os.path.join(self.directory, 'data'), '--control', self.control,
                                 '--listen', '127.0.0.1:0', *self.options]),
            stderr=self.log, stdin=subprocess.DEVNULL)
        try:
            wait_until(self.status, 'dispatchd', self.process)
            self.ctl(['user', 'add', 'bench', '--group', 'administrator', '--password-stdin'], PASSWORD + '\n')
            self.url = f'ws://{self.status()["listen"][0]}/ws'
        except Exception:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        stop(self.process)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def status(self):
        """The status, or None when there is none yet."""
        answer = subprocess.run([os.path.join(self.build, 'client', 'ctl', 'dispatchctl'), '--control', self.control,
                                 'status', '--json'], capture_output=True, check=False)
        status = json.loads(answer.stdout) if answer.returncode == 0 else None
        return status if status and all(w['state'] == 'ready' for w in status['workers']) else None

    def ctl(self, arguments, text=None):
        """Runs dispatchctl on the tool's core; what it wrote on stderr."""
        done = subprocess.run(pinned(TOOL_CORE, [os.path.join(self.build, 'client', 'ctl', 'dispatchctl'), '--control',
                                                 self.control, *arguments]),
                              input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(done.stderr.strip())
        return done.stderr

    def bench(self, case, *arguments):
        return bench(self.build, case, '--control', self.control, '--login', 'bench', '--password-stdin', *arguments,
                     self.url)


class Nchan:
    """Debian's nginx with nchan, one worker, one channel."""

    PORT = 9961
    CONFIGURATION = """
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile {descriptors};
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 15000; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /subscribe {{
            nchan_subscriber websocket;
            nchan_channel_id bench;
            nchan_subscriber_first_message newest;
        }}
        location = /publish {{
            nchan_publisher websocket;
            nchan_channel_id bench;
            nchan_message_buffer_length 1000;
            nchan_message_timeout 1m;
        }}
    }}
}}
"""

    def __init__(self, build):
        self.build = build
        self.directory = tempfile.mkdtemp(prefix='nchan-bench-')

    def __enter__(self):
        path = os.path.join(self.directory, 'nginx.conf')
        with open(path, 'w') as file:
            file.write(self.CONFIGURATION.format(module=NCHAN_MODULE, directory=self.directory, port=self.PORT,
                                                 descriptors=DESCRIPTORS))
        self.process = subprocess.Popen(
            pinned(SERVER_CORE, ['nginx', '-p', self.directory, '-c', path, '-e',
                                 os.path.join(self.directory, 'error.log')]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: len(self.pids()) >= 2, 'nginx', self.process)
        except Exception:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        stop(self.process)
        shutil.rmtree(self.directory, ignore_errors=True)

    def pids(self):
        """Master and worker."""
        try:
            with open(f'/proc/{self.process.pid}/task/{self.process.pid}/children') as file:
                return [str(self.process.pid), *file.read().split()]
        except OSError:
            return []

    def bench(self, *arguments):
        pids = [argument for pid in self.pids() for argument in ('--pid', pid)]
        url = f'ws://127.0.0.1:{self.PORT}'
        return bench(self.build, 'broadcast', *pids, '--publish', url + '/publish', *arguments, url + '/subscribe')


def bench(build, case, *arguments):
    """One run of dispatchbench on the tool's core; its results. Raises Failed when it was not whole."""
    done = subprocess.run(pinned(TOOL_CORE, [os.path.join(build, 'client', 'bench', 'dispatchbench'), case, '--json',
                                             *arguments]),
                          input=PASSWORD + '\n', capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed((done.stderr + done.stdout).strip())
    return json.loads(done.stdout)


def has_nchan():
    return shutil.which('nginx') is not None and os.path.exists(NCHAN_MODULE)
