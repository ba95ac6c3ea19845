"""A session in use is neither the one that gives way to a log-in nor ended by a clock that jumps."""

import asyncio
import os
import struct
import time

import pytest

from client import Client
from configuration import password
from http_client import HttpClient
from server import BUILD, scaled, wait_until_async

MOST = 5
DAY_S = 24 * 3600


async def log_in(client, user='reader', browser=''):
    answer = await client.call('authorize_by_login', 'users', {
        'username': user, 'password': password(user), 'browser': browser})
    return answer['token']


async def connected(server, browser, user='reader'):
    client = await Client.connect(server)
    client.token = await log_in(client, user, browser)
    return client


async def one_on_each_worker(server):
    """A connection goes to the worker that has the fewest; the test has no other."""
    clients = [await connected(server, f'worker {n}') for n in range(2)]
    assert [worker['authorized'] for worker in server.status()['workers']] == [1, 1]
    return clients


async def browsers(server):
    control = await Client.control(server)
    listed = await control.call('sessions', 'users', {'user_id': 'reader'})
    await control.close()
    return {session['browser']: session for session in listed}


async def goes_on(client):
    assert not client.of('deauthorize', 'users')
    assert await client.call('count', 'notes') == 0


async def reconnects(server, client):
    """With its token, on either worker."""
    again = [await Client.connect(server, token=client.token) for _ in range(2)]
    for other in again:
        await goes_on(other)
        await other.close()


async def is_refused(server, token, message):
    client = await Client.connect(server)
    failure = await client.fails('unauthorized', 'authorize_by_token', 'users', {'token': token})
    assert failure['message'] == message
    await client.close()


async def test_log_ins_elsewhere_end_nothing_that_is_connected(make_server):
    server = make_server(options=['--limits', f'sessions_per_user={MOST}'])
    clients = await one_on_each_worker(server)
    elsewhere = [await Client.connect(server) for _ in range(2)]  # each at another worker
    tokens = []
    for n in range(scaled(20, 8)):
        tokens.append(await log_in(elsewhere[n % 2], browser=f'elsewhere {n}'))
        for client in clients:
            await goes_on(client)
    await asyncio.gather(*(client.close() for client in elsewhere))
    last = len(tokens) - 1
    started = time.time() * 1000
    listed = await browsers(server)
    assert set(listed) == {'worker 0', 'worker 1', *(f'elsewhere {last - n}' for n in range(3))}
    assert all(listed[f'worker {n}']['used'] > started - 1000 for n in range(2))  # now
    await is_refused(server, tokens[0], 'Token does not exist')
    for client in clients:
        await reconnects(server, client)


async def test_calls_over_http_are_use(make_server):
    server = make_server(options=['--limits', 'sessions_per_user=4'])
    other = await Client.connect(server)
    token = await log_in(other)
    with HttpClient(server, token=token) as http:
        for _ in range(scaled(6, 4)):
            assert http.call('count', 'notes') == 0
            await log_in(other)
        assert http.call('count', 'notes') == 0


async def test_a_killed_worker_has_nobody_connected(make_server):
    server = make_server(options=['--limits', f'sessions_per_user={MOST}'])
    first, second = await one_on_each_worker(server)
    server.kill(server.status()['workers'][0]['pid'])
    await wait_until_async(lambda: first.close_code or second.close_code, what='a connection that broke')
    lost, left = (first, second) if first.close_code else (second, first)
    other = await Client.connect(server)
    for _ in range(MOST):
        await log_in(other)
        await goes_on(left)
    await is_refused(server, lost.token, 'Token does not exist')
    await reconnects(server, left)


async def test_of_connected_ones_alone_the_least_recent_goes(make_server):
    server = make_server(options=['--limits', 'sessions_per_user=2'])
    clients = [await connected(server, str(n)) for n in range(3)]
    await clients[0].until(lambda: clients[0].of('deauthorize', 'users'))
    for client in clients[1:]:
        await goes_on(client)


# ---- clocks ----

class Clock:
    """The wall clock of a server's processes."""

    def __init__(self, server, ahead_s=0):
        self.path = os.path.join(server.directory, 'clock')
        server.variables = {'LD_PRELOAD': os.path.join(BUILD, 'tests', 'system', 'jumping_clock.so'),
                            'JUMPING_CLOCK': self.path}
        with open(self.path, 'wb') as file:
            file.write(struct.pack('=q', ahead_s))

    def set(self, ahead_s):
        with open(self.path, 'r+b') as file:
            file.write(struct.pack('=q', ahead_s))


@pytest.fixture
def jumping(make_server):
    """A server, and its clock, which is so many seconds ahead at first."""
    def start(ahead_s=0):
        server = make_server(start=False)
        clock = Clock(server, ahead_s)
        return server.start(), clock
    return start


async def jump_and_go_on(server, clock, ahead_s, clients):
    """To a time at which what is stored has expired."""
    changes = server.status()['committer']['changes']
    clock.set(ahead_s)
    for client in clients:
        await goes_on(client)
    # The use of each is stored soon, without any call, so that it outlives a restart.
    await wait_until_async(lambda: server.status()['committer']['changes'] >= changes + len(clients))
    await wait_until_async(lambda: 'clock has jumped' in server.log())
    await log_in(await Client.connect(server))  # removes what has expired
    for client in clients:
        await goes_on(client)


async def test_a_clock_that_jumps_ahead(jumping):
    server, clock = jumping()
    clients = await one_on_each_worker(server)
    await jump_and_go_on(server, clock, 40 * DAY_S, clients)
    await is_refused(server, server.tokens['editor'], 'Token was invalidated')  # nobody was connected with it
    await asyncio.to_thread(server.restart)  # the clients close with it
    for client in clients:
        await reconnects(server, client)
    # And back: neither these nor a new one end.
    clock.set(0)
    late = await connected(server, 'late')
    await reconnects(server, late)
    for client in clients:
        await reconnects(server, client)


async def test_a_clock_that_starts_in_the_past(jumping):
    server, clock = jumping(-26 * 365 * DAY_S)
    prepared = await Client.connect(server, 'editor')  # used in what is the future now
    clients = [await connected(server, f'new {n}') for n in range(2)]
    await jump_and_go_on(server, clock, 0, clients)
    await goes_on(prepared)
    await asyncio.to_thread(server.restart)  # the clients close with it
    for client in clients:
        await reconnects(server, client)
    await goes_on(await Client.connect(server, 'editor'))
