"""listen and unlisten: what a client is told of a watched directory."""

import asyncio
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest

from client import CallError
from configuration import configuration
from listener import Listener, sizes_in, watches, write
from server import wait_until, wait_until_async


@pytest.fixture
def place():
    """A directory to watch, in memory: to make files on a disk is what takes time."""
    with tempfile.TemporaryDirectory(prefix='dispatchd-test-', dir='/dev/shm') as parent:
        path = pathlib.Path(parent) / 'up' / 'files'
        path.mkdir(parents=True)
        yield path


def watching(make_server, place, workers=2, start=True, **changes):
    """A server that watches @place as `dir`, and `dir_secret` for who has the permission."""
    watch = {'dir': {'path': str(place)},
             'dir_fastq': {'path': str(place), 'pattern': ['*.fastq', '*.fastq.gz'], 'read': None},
             'dir_secret': {'path': str(place), 'read': 'see_secrets'}}
    return make_server(workers=workers, start=start, config=configuration(watch=watch, watch_interval_ms=20, **changes))


def watcher(server):
    return server.status()['watcher']


async def test_first_files(make_server, place):
    server = watching(make_server, place)
    write(place / 'a', b'12345')
    client = await Listener.connect(server, 'reader')
    assert watches(watcher(server)['pid']) == []
    await client.listen('dir')
    assert client.sizes('dir') == {'a': 5}
    assert [m.get('sync') for m in client.of('update', 'dir')] == [True]
    write(place / 'b', b'')
    await client.until_like('dir', place)
    os.remove(place / 'a')
    await client.until_like('dir', place)
    assert not client.doubled
    assert watcher(server)['watches'] == 1 and len(watches(watcher(server)['pid'])) == 1
    await client.unlisten('dir')
    wait_until(lambda: watches(watcher(server)['pid']) == [], what='no watch')


async def test_listening_twice_is_one_listening(make_server, place):
    server = watching(make_server, place)
    for i in range(3000):
        write(place / f'{i:04}', b'x')
    client = await Listener.connect(server, 'reader')
    calls = [client.call('listen', None, {'name': 'dir'}) for _ in range(3)]
    assert await asyncio.gather(*calls) == [None] * 3
    assert client.sizes('dir') == sizes_in(place)
    assert await client.listen('dir') is not None
    updates = client.of('update', 'dir')
    assert sum(len(m['data']) for m in updates) == 3000 and len(updates) > 1 and all(m['sync'] for m in updates)
    write(place / 'new', b'')
    await client.until_like('dir', place)
    assert client.changes == [('update', 'dir', [client.files['dir']['new']])]


async def test_who_may_listen(make_server, place):
    server = watching(make_server, place)
    client = await Listener.connect(server)
    await refused(client, 'dir', 'unauthorized')
    await client.log_in('reader')
    await refused(client, 'nothing', 'not_found')
    await refused(client, 'notes', 'not_found')
    await refused(client, 'dir_secret', 'forbidden')
    await refused(client, '', 'invalid')
    await refused(client, None, 'invalid')
    assert (await client.call('describe'))['directories'] == ['dir', 'dir_fastq']
    insider = await Listener.connect(server, 'insider')
    assert (await insider.call('describe'))['directories'] == ['dir', 'dir_fastq', 'dir_secret']
    await insider.listen('dir_secret')
    assert await client.call('unlisten', None, {'name': 'dir'}) is None


async def refused(client, name, code):
    with pytest.raises(CallError) as error:
        await client.call('listen', None, {'name': name})
    assert error.value.code == code


async def test_let_go_with_the_last(make_server, place):
    """By the end of the connection, logout, another user, the loss of the permission, kill -9 of the worker."""
    server = watching(make_server, place, workers=1)
    write(place / 'a', b'')
    admin = await Listener.connect(server, 'admin')

    async def gone():
        await wait_until_async(lambda: watcher(server)['directories'] == 0, what='nobody listening')
        assert watches(watcher(server)['pid']) == []

    client = await Listener.connect(server, 'reader')
    await client.listen('dir')
    other = await Listener.connect(server, 'reader')
    await other.listen('dir')
    await client.close()
    write(place / 'b', b'')
    await other.until_like('dir', place)
    assert len(watches(watcher(server)['pid'])) == 1
    other.socket.transport.abort()
    await gone()

    client = await Listener.connect(server)
    await client.log_in('reader')
    await client.listen('dir')
    await client.call('logout', 'users', {})
    await gone()
    await refused(client, 'dir', 'unauthorized')

    await client.log_in('reader')
    await client.listen('dir')
    await client.log_in('ann')
    await gone()

    client = await Listener.connect(server, 'insider')
    await client.listen('dir_secret')
    await admin.call('set_group', 'users', {'user_id': 'insider', 'group_id': 'insiders', 'member': False})
    await client.until(lambda: client.resyncs == [('dir_secret', False)])
    await gone()
    write(place / 'c', b'')
    await refused(client, 'dir_secret', 'forbidden')

    await admin.listen('dir')
    server.kill(server.worker_pids()[0])
    await gone()


async def test_what_happens_to_files(make_server, place):
    outside = place.parent
    server = watching(make_server, place)
    client = await Listener.connect(server, 'reader')
    await client.listen('dir')

    async def like():
        await client.until_like('dir', place)

    with open(place / 'grows', 'wb', buffering=0) as file:
        for _ in range(50):
            file.write(b'x' * 1000)
        await client.until(lambda: client.sizes('dir').get('grows') == 50000)
        file.write(b'the end')
    await like()
    os.truncate(place / 'grows', 3)
    await like()
    os.rename(place / 'grows', place / 'renamed')
    await like()
    write(outside / 'outside', b'1')
    os.rename(outside / 'outside', place / 'inside')
    await like()
    write(outside / 'replaces', b'22')
    os.rename(outside / 'replaces', place / 'inside')
    await like()
    os.rename(place / 'inside', outside / 'outside')
    await like()
    os.utime(place / 'renamed', (1, 1.5))
    await client.until(lambda: client.files['dir']['renamed']['modified'] == '1970-01-01T00:00:01.500Z')
    os.utime(place / 'renamed', (2 ** 62, 2 ** 62))  # in this file system that is a time, but not in RFC 3339
    await client.until(lambda: client.files['dir']['renamed']['modified'] == '9999-12-31T23:59:59.000Z')
    os.utime(place / 'renamed', (-2 ** 62, -2 ** 62))
    await client.until(lambda: client.files['dir']['renamed']['modified'] == '0000-01-01T00:00:00.000Z')
    # Nothing of this is listed.
    (place / 'directory').mkdir()
    os.symlink(place / 'renamed', place / 'link')
    os.mkfifo(place / 'pipe')
    write(place / '.hidden', b'')
    write(os.fsencode(place) + b'/\xff', b'')
    write(place / 'line\nfeed', b'')
    # What a name stands for changes.
    write(place / 'was', b'')
    await client.until(lambda: 'was' in client.files['dir'])
    os.remove(place / 'was')
    (place / 'was').mkdir()
    write(place / 'last', b'')
    await client.until(lambda: set(client.files['dir']) == {'renamed', 'last'})
    await wait_until_async(lambda: server.log().count('is not UTF-8') == 1, what='the line in the log')
    assert not client.doubled


async def test_patterns(make_server, place):
    server = watching(make_server, place)
    write(place / 'a.fastq', b'')
    write(place / 'a.txt', b'')
    client = await Listener.connect(server, 'reader')
    await client.listen('dir_fastq')
    await client.listen('dir')  # the same directory
    os.rename(place / 'a.txt', place / 'b.fastq.gz')
    os.rename(place / 'a.fastq', place / 'a.txt')
    await client.until_like('dir', place)
    await client.until_like('dir_fastq', place, listed=lambda name: name.endswith(('.fastq', '.fastq.gz')))
    assert set(client.files['dir_fastq']) == {'b.fastq.gz'}
    await client.unlisten('dir')
    write(place / 'c.fastq', b'')
    await client.until(lambda: 'c.fastq' in client.files['dir_fastq'])
    assert not client.doubled


async def test_the_directory_itself(make_server, place):
    """It goes, is moved away, comes back, is another one."""
    server = watching(make_server, place, workers=1)
    write(place / 'a', b'1')
    client = await Listener.connect(server, 'reader')
    await client.listen('dir')
    os.rename(place, place.parent / 'moved')
    await client.until(lambda: not client.files['dir'])
    write(place.parent / 'moved' / 'unseen', b'')
    # Nobody who begins now waits for it.
    second = await Listener.connect(server, 'ann')
    assert await second.listen('dir') == {}
    place.mkdir()
    write(place / 'a', b'22')
    await client.until_like('dir', place)
    os.remove(place / 'a')
    place.rmdir()
    await client.until(lambda: not client.files['dir'])
    os.rename(place.parent / 'moved', place)
    await client.until_like('dir', place)
    assert set(client.files['dir']) == {'a', 'unseen'}
    # Its parent is moved away, and another takes its place: nothing tells that but to look.
    up = place.parent
    os.rename(up, up.parent / 'elsewhere')
    place.mkdir(parents=True)
    write(place / 'other', b'333')
    await client.until_like('dir', place)
    await second.until_like('dir', place)
    assert not client.doubled and not second.doubled
    await wait_until_async(lambda: server.log().count('cannot be opened') == 2, what='the line in the log')


@pytest.mark.skipif(os.geteuid() != 0, reason='needs root, to become another user')
async def test_an_unreadable_directory(make_server, place):
    """It is looked at with the rights of the service's user, and has no files as long as these do not allow more."""
    server = watching(make_server, place, workers=1, start=False)
    os.chmod(server.directory, 0o755)
    os.chmod(place.parent.parent, 0o755)
    for path, _, names in os.walk(server.data):
        for name in ('.', *names):
            shutil.chown(os.path.join(path, name), 'nobody')
    server.options = ['--user', 'nobody']
    server.start()
    write(place / 'a', b'')
    place.chmod(0o700)
    client = await Listener.connect(server, 'reader')
    assert await client.listen('dir') == {}
    await wait_until_async(lambda: server.log().count('cannot be opened: Permission denied') == 1, what='the line in the log')
    place.chmod(0o755)
    await client.until_like('dir', place)
    place.chmod(0o744)  # names can be read, files not looked at
    write(place / 'b', b'')
    await wait_until_async(lambda: 'does not let its files be looked at: Permission denied' in server.log())
    place.chmod(0o755)
    await client.until_like('dir', place)
    assert set(client.files['dir']) == {'a', 'b'}
    assert os.stat(f'/proc/{watcher(server)["pid"]}').st_uid == pwd.getpwnam('nobody').pw_uid


async def test_a_mount(make_server, place):
    """One that is put over the directory, and taken away while it is listened to."""
    if subprocess.run(['mount', '-t', 'tmpfs', 'none', place], capture_output=True, check=False).returncode:
        pytest.skip('needs the right to mount')
    subprocess.run(['umount', place], check=True)
    mounted = False
    try:
        write(place / 'below', b'22')
        server = watching(make_server, place, workers=1)
        client = await Listener.connect(server, 'reader')
        assert set(await client.listen('dir')) == {'below'}
        subprocess.run(['mount', '-t', 'tmpfs', 'none', place], check=True)
        mounted = True
        write(place / 'above', b'1')
        await client.until_like('dir', place)
        write(place / 'seen', b'')
        await client.until_like('dir', place)
        subprocess.run(['umount', place], check=True)  # nothing holds it
        mounted = False
        await client.until_like('dir', place)
        assert set(client.files['dir']) == {'below'}
    finally:
        if mounted:
            subprocess.run(['umount', place], check=False)
