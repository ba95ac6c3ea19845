"""Programs that are started without a standard input, output or error, or with one that takes nothing."""

import os
import subprocess

import pytest

from client import Client
from server import BUILD, DISPATCHCTL, DISPATCHD, PATIENCE, status_pids

DISPATCHBENCH = os.path.join(BUILD, 'client', 'bench', 'dispatchbench')


def run(redirections, *command, text=''):
    return subprocess.run(['sh', '-c', f'exec "$@" {redirections}', 'sh', *command], input=text, capture_output=True,
                          text=True, timeout=PATIENCE, check=False)


@pytest.mark.parametrize('program', [DISPATCHD, DISPATCHCTL, DISPATCHBENCH])
@pytest.mark.parametrize('option', ['--help', '--version'])
def test_output_that_cannot_be_written(program, option):
    for redirections in ('>&-', '<&- >&-', '>/dev/full'):
        result = run(redirections, program, option)
        assert result.returncode == 1 and 'standard output' in result.stderr, (redirections, result)
    for redirections in ('>&- 2>&-', '<&- >&- 2>&-'):
        assert run(redirections, program, option).returncode == 1
    for redirections in ('<&-', '2>&-'):
        result = run(redirections, program, option)
        assert result.returncode == 0 and result.stdout, result


def test_dispatchctl(server):
    ctl = [DISPATCHCTL, '--control', server.control]
    server.load('notes', [{'_id': f'{i}', 'text': 'x' * 1000} for i in range(100)])
    for command in (['status'], ['status', '--json'], ['export', 'notes'], ['user', 'list']):
        for redirections in ('>&-', '>/dev/full'):
            result = run(redirections, *ctl, *command)
            assert result.returncode == 1 and 'standard output' in result.stderr, (command, redirections, result)
    assert run('<&-', *ctl, 'import', 'notes', '-').returncode == 1
    assert run('<&- >&- 2>&-', *ctl, 'import', 'notes', '/nonexistent').returncode == 1
    assert len(server.export('notes')) == 100


async def test_dispatchd(make_server):
    """What it opens gets other numbers, so that the log is not written into the store, for example."""
    server = make_server(start=False)
    server.before = ['sh', '-c', 'exec "$@" <&- >&- 2>&-', 'sh']
    server.options = ['--log', 'stderr', '--log-level', 'debug']
    server.start()
    for pid in status_pids(server.status()):
        assert {os.readlink(f'/proc/{pid}/fd/{fd}') for fd in range(3)} == {'/dev/null'}
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', {'_id': 'a'})
    await client.close()
    server.restart()
    assert list(server.export('notes')) == ['a']


def test_dispatchd_that_fails(make_server):
    server = make_server(start=False)
    for redirections in ('2>&-', '<&- >&- 2>&-'):
        for arguments in (['--bogus'], ['--foreground', '--data', '/proc/nowhere'], ['--data', '/proc/nowhere']):
            assert run(redirections, *server.command(*arguments)).returncode == 1
    assert server.processes() == []
