"""What a newcomer pastes: the last words of scripts/run, the commands of README.md."""

import itertools
import json
import os
import re

import pytest

from server import BUILD, TOP, wait_until
from terminal import Terminal, indented_blocks, read_page

EXAMPLES = os.path.join(TOP, 'examples', 'data')


@pytest.fixture
def terminal():
    result = Terminal()
    result.here = TOP
    yield result
    problems = result.close()
    assert not problems, '\n'.join(problems)


def documents_of_examples():
    for name in sorted(os.listdir(EXAMPLES)):
        with open(os.path.join(EXAMPLES, name), encoding='utf-8') as file:
            yield from map(json.loads, file)


def ids(lines):
    return {json.loads(line)['_id'] for line in lines.splitlines()}


def test_the_last_words_of_run(terminal):
    """They are the last lines, and what they say to paste works; who is named by the example's documents is there."""
    run = terminal.path("it's here")
    terminal.environment |= {'DISPATCHD_BUILD': BUILD, 'DISPATCHD_RUN': run}
    script = terminal.paste_lasting('exec scripts/run --listen 127.0.0.1:0 --workers 1')
    script.printed(r'^\^C stops it\.$')
    said = script.text().split('\n\n', 1)[1]
    log = re.search(r'writes its log to (.*)', said)[1]
    assert log == os.path.join(run, 'log') and ' listening on 127.0.0.1:' in open(log, encoding='utf-8').read()
    go_there, *commands = [line.strip() for line in said.splitlines() if line.startswith('    ')]
    assert go_there == f'cd {TOP}'
    terminal.here = '/'
    followers = [terminal.paste_lasting(f'{go_there}; {line}') for line in commands if 'follow.py' in line]
    others = [line for line in commands if 'follow.py' not in line]
    tail = terminal.paste_lasting(f'{go_there}; {others.pop()}')
    assert others[0].startswith('echo ') and others[1].endswith(' status') and len(followers) == 2 == len(others)
    # An administrator holds all that are not archived; ines holds no sample of which only others are told.
    followers[0].printed(r'^up to date: 4 hosts, 6 samples$')
    followers[1].printed(r'^up to date: 4 hosts, 5 samples$')
    assert '1 inserted' in terminal.paste(f'{go_there}; {others[0]}')
    for follower in followers:
        follower.printed(r'^hosts: peach is now')
    assert 'committer' in terminal.paste(f'{go_there}; {others[1]}')
    plums = (others[0].replace('peach', name).replace('Peach', name) for name in map('plum{}'.format, itertools.count()))
    # When the one who looks on has begun cannot be seen from outside: each time it is another one.
    wait_until(lambda: terminal.paste(f'{go_there}; {next(plums)}') and '"plum' in tail.text(), what='a plum')
    export = others[1].replace(' status', ' export ')
    users, groups = (ids(terminal.paste(f'{go_there}; {export}{name}')) for name in ('users', 'groups'))
    for document in documents_of_examples():
        assert document.get('user', 'demo') in users and document.get('group', 'diagnostics') in groups, document
    for command in (tail, *followers):
        command.interrupt()
    assert script.interrupt() == 0
    assert script.text().endswith('\n^C stops it.\n')


def test_run_says_why_it_did_not_start(terminal):
    terminal.environment |= {'DISPATCHD_BUILD': BUILD, 'DISPATCHD_RUN': terminal.path('run')}
    said = terminal.paste('scripts/run --workers many', status=1)
    assert 'did not start' in said and 'workers: ' in said


def section(page, title):
    return re.search(rf'^## {title}\n(.*?)(?=^## |\Z)', page, re.MULTILINE | re.DOTALL)[1]


@pytest.mark.skipif(os.geteuid() != 0, reason='needs root, as the commands do')
def test_install_lines_of_the_readme(terminal):
    """They build in a directory that `Try it` has not made, with another kind of build; the rest is run, in other
    places and as another user."""
    page = read_page('README.md')
    install = [line for block in indented_blocks(section(page, 'Install it')) for line in block]
    build, *rest = install
    directory = re.match(r'meson setup (\S+) --buildtype=release && ninja -C \1 && ninja -C \1 install$', build)[1]
    assert directory != re.search(r'meson setup (\S+)$', read_page('scripts/run'), re.MULTILINE)[1]
    os.chmod(terminal.directory, 0o755)
    places = {'/etc/dispatchd.conf': terminal.path('conf'), '/run/dispatchd': terminal.path('run'),
              '-o dispatchd': '-o nobody', '--user dispatchd': '--user nobody'}
    control = terminal.path('data', 'control')
    terminal.install('useradd', 'test "$*" = "--system --no-create-home dispatchd"')
    terminal.install('dispatchd', f'exec {BUILD}/daemon/dispatchd "$@" --data {terminal.path("data")} '
                     f'--listen 127.0.0.1:0 --workers 1 --log {terminal.path("log")}')
    terminal.install('dispatchctl', 'case "$*" in "user add"*) set -- "$@" --password-stdin;; esac\n'
                     f'exec {BUILD}/client/ctl/dispatchctl --control {control} "$@"')
    try:
        for line in [*rest, *indented_blocks(section(page, 'Who may do what'))[0]]:
            for printed, actual in places.items():
                line = line.replace(printed, actual)
            terminal.paste(line, text='a long password\n')
        assert 'ines' in terminal.paste('dispatchctl user list')
        assert os.path.exists(terminal.path('run', 'pid'))
    finally:
        terminal.paste('dispatchctl stop')
    assert os.listdir(terminal.path('run')) == []
