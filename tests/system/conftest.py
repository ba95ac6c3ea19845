"""Fixtures: a server for each test, made from one prepared data directory; coroutine tests are run to their end."""

import asyncio
import inspect
import os
import signal

import pytest

from client import Client
from configuration import GROUPS, USERS, password
from server import DISPATCHCTL, DISPATCHD, Server
from watch import WATCH

TEST_SECONDS = 480  # several share the machine


def pytest_configure(config):
    """When the tests are told to end, their servers end with them: SIGTERM is taken like ^C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config.addinivalue_line('markers', 'long: begun before all others, so that none has to wait for it in the end')


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker('long') is None)


def pytest_terminal_summary(terminalreporter):
    """The names of what failed, for a second run (scripts/test)."""
    path = os.environ.get('DISPATCHD_TEST_FAILED')
    if path:
        names = {report.nodeid: None for kind in ('failed', 'error') for report in terminalreporter.getreports(kind)}
        with open(path, 'w', encoding='utf-8') as file:
            file.writelines(f'{name}\n' for name in names)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Of processes that share the tests (-n) each takes the next one when it has done one."""
    from xdist.scheduler import LoadScheduling  # pylint: disable=import-outside-toplevel

    class OneByOne(LoadScheduling):
        """xdist gives out long lists, which none takes back from a process that is held up. It needs two: the one that
        runs, and the one behind it."""

        def _send_tests(self, node, num):
            super()._send_tests(node, max(0, min(num, 2 - len(self.node2pending[node]))))

    return OneByOne(config, log)


def pytest_make_parametrize_id(val, argname):
    """Frames are masked at random, and processes that share the tests must call a test by the same name."""
    return argname if isinstance(val, bytes) else None


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(run_and_drop_clients(pyfuncitem.obj(**arguments)))
    return True


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown():
    """When the servers of a test have ended too, nothing that came out of it may hold a secret."""
    outcome = yield
    problems = WATCH.finish()
    outcome.get_result()
    assert not problems, '\n'.join(problems)


async def run_and_drop_clients(test):
    try:
        await asyncio.wait_for(test, TEST_SECONDS)
    finally:
        Client.drop_all()


@pytest.fixture(scope='session')
def template():
    """A data directory with users and groups, and a token for each user: making them once is what takes time."""
    for program in (DISPATCHD, DISPATCHCTL):
        if not os.path.exists(program):
            pytest.fail(f'{program} is missing: build first, or set DISPATCHD_BUILD')
    server = Server(workers=1)
    try:
        server.start()
        for name, permissions in GROUPS.items():
            server.ctl('group', 'add', name, *(word for p in permissions for word in ('--permission', p)))
        for name, groups in USERS.items():
            server.ctl('user', 'add', name, '--password-stdin', *(word for g in groups for word in ('--group', g)),
                       text=password(name) + '\n')
        server.tokens = asyncio.run(log_everybody_in(server))
        WATCH.keep()
        assert server.stop() == 0, server.log()
        yield server
    finally:
        problems = server.close()
    assert not problems, '\n'.join(problems)


async def log_everybody_in(server):
    client = await Client.connect(server)
    tokens = {name: (await client.log_in(name))['token'] for name in USERS}
    await client.close()
    return tokens


@pytest.fixture
def make_server(template):
    """Makes servers; afterwards each must have ended well, without reports of sanitizers or processes left."""
    servers = []

    def make(start=True, **options):
        server = Server(template=options.pop('prepared', True) and template or None, **options)
        servers.append(server)
        return server.start() if start else server

    yield make
    problems = [problem for server in servers for problem in server.close()]
    assert not problems, '\n'.join(problems)


@pytest.fixture
def server(make_server):
    """Two workers, the configuration of configuration.py."""
    return make_server()
