"""A full store refuses writes, says so, and goes on serving; room that is made can be used."""

import asyncio
import errno
import json
import os
import shutil
import subprocess

import pytest

from client import CallError, Client
from configuration import USERS, configuration
from server import wait_until


async def fill(client):
    """Inserts until there is no room; the ids that were taken."""
    taken = []
    for i in range(20000):
        try:
            await client.call('insert', 'notes', {'_id': f'n{i}', 'text': 'x' * 20000})
        except CallError as error:
            assert error.code == 'store_full', error
            return taken
        taken.append(f'n{i}')
    raise AssertionError('it never got full')


async def test_full_map(make_server):
    server = make_server(prepared=False, start=False, config=configuration(map_bytes='4M', change_log_entries=100))
    server.start()
    client, other = await Client.control(server), await Client.control(server)
    taken = await fill(client)
    assert len(taken) > 20
    assert wait_until(lambda: server.status()['committer']['store_full'], what='the status')

    # Everything but writing goes on, on old and new connections.
    assert await other.call('count', 'notes') == len(taken)
    assert (await other.call('detail', 'notes', {'_id': taken[-1]}))['_version'] == 0
    await other.until(lambda: len(other.copy('notes')) == len(taken))
    third = await Client.control(server)
    await third.synchronize('notes')
    assert set(third.copy('notes')) == set(taken)
    await third.fails('store_full', 'insert', 'notes', {'_id': 'more', 'text': 'x' * 20000})
    failed = server.ctl('import', 'notes', '-', text=json.dumps({'_id': 'b', 'text': 'x' * 200000}) + '\n', check=False)
    assert failed.returncode == 1 and ('full' in failed.stderr or 'room' in failed.stderr)

    # The processes are the same, and after a restart with more room writing goes on.
    assert server.status()['restarts'] == 0
    assert await asyncio.to_thread(server.stop) == 0
    server.configure(configuration(map_bytes='64M'))
    server.start()
    client = await Client.control(server)
    await client.call('insert', 'notes', {'_id': 'more', 'text': 'x' * 20000})
    assert set(server.export('notes')) == {*taken, 'more'}


async def test_no_member_of_a_list_is_to_blame_for_a_full_store(make_server):
    """A refusal that is no member's fault has no index, whatever the set has in front of its list."""
    server = make_server(config=configuration(map_bytes='4M', change_log_entries=100))
    control = await Client.control(server)
    await fill(control)
    large = {'text': 'x' * 100000}
    for user in 'ann', 'admin':
        client = await Client.connect(server, user)
        for name in 'notes', 'samples':
            for once in None, 'k':
                failure = await client.fails('store_full', 'insert', name, [large, large], once=once)
                assert 'index' not in failure, (user, name, once, failure)
    failure = await control.fails('store_full', 'import', 'notes', {'documents': [large, large]})
    assert 'index' not in failure
    refused = server.ctl('import', 'notes', '-', text=json.dumps(large) + '\n', check=False)
    assert f'notes: {failure["message"]}' in refused.stderr


async def clean_up(server, taken):
    """What an administrator can do when the store is full: log in, and remove until there is room again."""
    admin = await Client.connect(server)
    assert (await admin.log_in('admin'))['token']
    await admin.fails('store_full', 'insert', 'notes', {'_id': 'more', 'text': 'x' * 20000})
    assert (await admin.call('remove', 'notes', {'_id': taken[:20]}, once='k'))['_ids'] == taken[:20]
    assert (await admin.call('remove', 'notes', {'_id': taken[20:]}))['_ids'] == taken[20:]
    await admin.call('insert', 'notes', {'_id': 'more', 'text': 'x' * 20000})
    await admin.call('logout', 'users', {})
    await admin.until(lambda: admin.of('deauthorize', 'users'))
    await admin.close()


async def test_who_may_log_in_can_clean_up_a_full_store(make_server):
    server = make_server(config=configuration(map_bytes='4M', change_log_entries=100))
    taken = await fill(await Client.connect(server, 'editor'))
    everybody = await Client.connect(server)
    for user in USERS:
        await everybody.log_in(user)
    await clean_up(server, taken)


async def test_a_store_without_a_page_left_comes_up_again(make_server):
    """Here, because map_bytes is smaller than it was."""
    server = make_server(config=configuration(map_bytes='4M', change_log_entries=100))
    taken = await fill(await Client.connect(server, 'editor'))
    assert await asyncio.to_thread(server.stop) == 0
    for _ in range(3):
        size = os.path.getsize(os.path.join(server.data, 'data.mdb'))
        server.configure(configuration(map_bytes=size // 4096 * 4096, change_log_entries=100))
        server.start()
        client = await Client.connect(server)
        await client.log_in('reader')
        assert await asyncio.to_thread(server.stop) == 0
    server.start()
    await clean_up(server, taken)


@pytest.fixture
def small_disk(make_server):
    """A server, not started, whose data directory is a small file system of its own."""
    server = make_server(start=False, config=configuration(change_log_entries=100))
    store = os.path.join(server.directory, 'store')
    os.rename(server.data, store)
    os.makedirs(server.data, 0o700)
    mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=12m,mode=700', 'none', server.data],
                             capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f'a file system cannot be mounted: {mounted.stderr.strip()}')
    shutil.copytree(store, server.data, dirs_exist_ok=True)
    yield server
    problems = server.close_processes()
    subprocess.run(['umount', server.data], check=True)
    assert not problems, problems


async def test_full_disk(small_disk):
    server = small_disk.start()
    client, other = await Client.control(server), await Client.control(server)
    taken = await fill(client)
    assert len(taken) > 20
    assert await other.call('count', 'notes') == len(taken)
    await other.until(lambda: len(other.copy('notes')) == len(taken))
    # With room again, writing goes on, and so does everything after a restart.
    grown = subprocess.run(['mount', '-o', 'remount,size=32m', server.data], check=False)
    assert grown.returncode == 0
    await client.call('insert', 'notes', {'_id': 'more', 'text': 'x' * 20000})
    server.kill_all()
    server.start()
    assert set(server.export('notes')) == {*taken, 'more'}


async def test_who_may_log_in_can_clean_up_when_the_disk_is_full(small_disk):
    """Whoever has filled it."""
    server = small_disk.start()
    editor = await Client.connect(server, 'editor')
    taken = [f'first{i}' for i in range(40)]
    await editor.call('insert', 'notes', [{'_id': name, 'text': 'x' * 20000} for name in taken])
    with open(os.path.join(server.data, 'filler'), 'wb', buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC
    taken += await fill(editor)
    everybody = await Client.connect(server)
    for user in USERS:
        await everybody.log_in(user)
    assert await asyncio.to_thread(server.stop) == 0
    server.start()
    await clean_up(server, taken)


async def test_a_set_too_large_does_not_harm_others(make_server):
    """Sets that are committed together fail one by one: a small one beside a huge one is taken."""
    server = make_server(prepared=False, start=False, workers=1, config=configuration(map_bytes='8M'))
    server.start()
    client = await Client.control(server)
    huge = [{'_id': f'h{i}', 'text': 'x' * 10000} for i in range(1500)]
    futures = []
    for i in range(20):
        futures.append(await client.start('insert', 'notes', {'_id': f's{i}'}))
        if i == 10:
            huge_future = await client.start('import', 'notes', {'documents': huge[:90]})
    for future in futures:
        assert (await future)['success']
    await huge_future
    failures = 0
    for start in range(0, 1500, 90):
        small = await client.start('insert', 'notes', {'_id': f'beside{start}'})
        big = await client.start('import', 'notes', {'documents': huge[start:start + 90]})
        failures += not (await big)['success']
        if not (await small)['success']:
            assert (await small)['data']['code'] == 'store_full'
            break
    assert failures
    stored = server.export('notes')
    for start in range(90, 1500, 90):
        part = [f'h{i}' in stored for i in range(start, min(start + 90, 1500))]
        assert all(part) or not any(part), 'a set is whole or not there'
