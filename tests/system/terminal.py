"""What a reader of a page does: pastes commands into a shell, and looks at what they print."""

import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from server import BUILD, PATIENCE, TOP, read_text, wait_until

PROGRAMS = {'dispatchd': 'daemon', 'dispatchctl': 'client/ctl'}


class Lasting:
    """A command that goes on until ^C."""

    def __init__(self, process, path):
        self.process = process
        self.path = path

    def printed(self, pattern):
        """Waits until it has; the match."""
        def found():
            match = re.search(pattern, self.text(), re.MULTILINE)
            assert match or self.process.poll() is None, f'it ended: {self.text()}'
            return match
        return wait_until(found, seconds=3 * PATIENCE, what=f'"{pattern}" in {self.path}')

    def text(self):
        return read_text(self.path)

    def interrupt(self):
        """^C: all processes of the terminal get it. Returns the exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout=3 * PATIENCE)

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Terminal:
    """A directory of its own, and shells in which the programs of this build are found by their names."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix='dispatchd-test-')
        self.here = self.directory  # where commands are run
        self.lasting = []
        os.mkdir(self.path('bin'))
        for program, place in PROGRAMS.items():
            self.install(program, f'exec {os.path.join(BUILD, place, program)} "$@"')
        self.install('python3', f'exec {sys.executable} "$@"')
        sanitizer = f'log_path={self.path("sanitizer")}'
        self.environment = {
            **os.environ, 'PATH': f'{self.path("bin")}:{os.environ["PATH"]}',
            'ASAN_OPTIONS': f'{sanitizer}:detect_leaks=1:abort_on_error=0:handle_abort=1',
            'UBSAN_OPTIONS': f'{sanitizer}:print_stacktrace=1:halt_on_error=0'}

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def install(self, program, script):
        """A program of this name, which is found before others."""
        with open(self.path('bin', program), 'w', encoding='utf-8') as file:
            file.write(f'#!/bin/sh\n{script}\n')
        os.chmod(self.path('bin', program), 0o755)

    def paste(self, command, status=0, text=''):
        """Runs @command to its end; what it printed on both outputs, in which @text is given on its input."""
        result = subprocess.run(['sh', '-c', command], cwd=self.here, env=self.environment, input=text,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=6 * PATIENCE,
                                start_new_session=True, check=False)
        assert result.returncode == status, f'{command}: {result.returncode}: {result.stdout}'
        return result.stdout

    def paste_lasting(self, command):
        path = self.path(f'output-{len(self.lasting)}')
        with open(path, 'wb') as output:
            process = subprocess.Popen(['sh', '-c', command], cwd=self.here, env=self.environment,
                                       stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        self.lasting.append(Lasting(process, path))
        return self.lasting[-1]

    def close(self):
        """Ends what still runs; what sanitizers had to say."""
        for lasting in self.lasting:
            lasting.close()
        reports = [read_text(path) for path in glob.glob(self.path('sanitizer*'))]
        shutil.rmtree(self.directory, ignore_errors=True)
        return reports


def indented_blocks(markdown):
    """The code blocks of @markdown that are indented by four spaces, each as a list of lines."""
    blocks, before = [], ''
    for line in markdown.splitlines():
        if line.startswith('    ') and (blocks and before.startswith('    ') or not before.strip()):
            if not before.startswith('    '):
                blocks.append([])
            blocks[-1].append(line[4:])
        before = line
    return blocks


def read_page(name):
    with open(os.path.join(TOP, name), encoding='utf-8') as file:
        return file.read()
