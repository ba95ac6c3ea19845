"""resume: the rest after an absence, from any worker, after any process died, or an honest refusal."""

import asyncio
import os
import shutil
import signal

import pytest

from client import Client
from configuration import COLLECTIONS, configuration
from server import wait_until_async


async def resume(client, position):
    """Resumes; returns (answer, what was sent as (operation, id))."""
    start = len(client.messages)
    answer = await client.call('resume', data=position)
    sent = []
    for message in client.messages[start:]:
        if message.get('sync'):
            sent += [(message['operation'], d if isinstance(d, str) else d['_id']) for d in message['data']]
    assert answer['seq'] >= position['seq']
    return answer, sent


async def test_resume_folds(server):
    writer = await Client.connect(server, 'editor')
    await writer.call('insert', 'notes', [{'_id': 'kept'}, {'_id': 'removed'}])
    position = await writer.synchronize('notes')
    copy = dict(writer.copy('notes'))
    for i in range(20):
        await writer.call('update', 'notes', {'_id': 'kept', 'changes': {'n': i}})
    await writer.call('insert', 'notes', {'_id': 'new'})
    await writer.call('insert', 'notes', {'_id': 'came and went'})
    await writer.call('remove', 'notes', {'_id': ['removed', 'came and went']})
    client = await Client.connect(server, 'reader')
    client.replica['notes'] = copy
    answer, sent = await resume(client, position)
    assert client.copy('notes') == writer.copy('notes')
    assert sorted(s for s in sent if s[1] != 'came and went') == [
        ('remove', 'removed'), ('update', 'kept'), ('update', 'new')]
    assert ('update', 'came and went') not in sent
    assert answer['seq'] == writer.last_seq
    assert (await resume(client, answer))[1] == []


async def test_resume_sees_rights_and_filters(server):
    admin = await Client.connect(server, 'admin')
    await admin.call('insert', 'viruses', [{'_id': 'v1', 'name': '1'}, {'_id': 'v2', 'name': '2', 'archived': True}])
    await admin.call('insert', 'samples', [{'_id': 's1', 'user': 'ben'}, {'_id': 's2', 'user': 'ann'}])
    ben = await Client.connect(server, 'ben')
    position = await ben.synchronize('viruses', 'samples')
    copies = {name: dict(copy) for name, copy in ben.replica.items()}
    assert set(copies['samples']) == {'s1'} and set(copies['viruses']) == {'v1'}
    await ben.close()
    await admin.call('update', 'viruses', {'_id': 'v1', 'changes': {'archived': True}})
    await admin.call('update', 'viruses', {'_id': 'v2', 'changes': {'archived': None}})
    await admin.call('update', 'samples', {'_id': 's1', 'changes': {'user': 'ann'}})
    await admin.call('update', 'samples', {'_id': 's2', 'changes': {'user': 'ben'}})
    await admin.call('insert', 'samples', {'_id': 's3', 'user': 'ann'})
    await admin.call('insert', 'secrets', {'_id': 'x'})
    ben = await Client.connect(server, 'ben')
    ben.replica = copies
    await resume(ben, position)
    assert set(ben.copy('viruses')) == {'v2'} and set(ben.copy('samples')) == {'s2'}
    assert not ben.copy('secrets') and not any('s3' in str(m) for m in ben.messages)


async def test_resume_obeys_subscriptions(server):
    editor = await Client.connect(server, 'editor')
    position = await editor.synchronize('notes')
    await editor.call('insert', 'notes', {'_id': 'n'})
    await editor.call('insert', 'viruses', {'_id': 'v', 'name': 'V'})
    client = await Client.connect(server, 'reader')
    await client.call('subscribe', data={'collections': ['viruses']})
    assert (await resume(client, position))[1] == [('update', 'v')]


@pytest.mark.parametrize('data', [None, {}, {'epoch': 1}, {'seq': 1}, {'epoch': 'x', 'seq': 1},
                                  {'epoch': 1, 'seq': -1}, {'epoch': 1, 'seq': 1.5}, []])
async def test_bad_resumes(server, data):
    client = await Client.connect(server, 'reader')
    await client.fails('invalid', 'resume', data=data)


async def test_resync_required(make_server):
    server = make_server(config=configuration(change_log_entries=50))
    writer = await Client.connect(server, 'editor')
    position = await writer.synchronize('notes')
    await writer.fails('resync_required', 'resume', data={**position, 'epoch': position['epoch'] % 1000 + 1})
    await writer.fails('resync_required', 'resume', data={**position, 'seq': position['seq'] + 1000})
    await writer.call('insert', 'notes', {'_id': 'first'})
    await resume(writer, position)
    for i in range(10):
        await writer.call('insert', 'notes', [{} for _ in range(50)])
    await writer.fails('resync_required', 'resume', data=position)
    await resume(writer, {'epoch': position['epoch'], 'seq': writer.last_seq - 10})


async def test_resume_during_writes(server):
    writer = await Client.connect(server, 'editor')
    position = await writer.synchronize('notes')
    client = await Client.connect(server, 'reader')
    futures = [await writer.start('insert', 'notes', {'_id': f'n{i}'}) for i in range(300)]
    position = (await resume(client, position))[0]
    for future in futures:
        assert (await future)['success']
    await client.until(lambda: len(client.copy('notes')) == 300)


async def lost(client):
    """Until the connection has ended without a close frame."""
    assert await client.until_closed() == 1006


async def test_after_a_worker_was_killed(server):
    writer = await Client.connect(server, 'editor')
    victim = await Client.connect(server, 'reader')
    position = await victim.synchronize('notes')
    pids = server.worker_pids()
    server.kill(pids[1])
    await lost(victim)
    # The other worker's client has not noticed.
    assert await writer.call('insert', 'notes', {'_id': 'meanwhile'}) == {'_id': 'meanwhile', '_version': 0}
    assert server.worker_pids()[0] == pids[0]
    client = await Client.connect(server, 'reader')
    assert (await resume(client, position))[1] == [('update', 'meanwhile')]
    await writer.call('insert', 'notes', {'_id': 'after'})
    await client.until(lambda: 'after' in client.copy('notes'))


async def test_after_the_committer_was_killed(server):
    clients = [await Client.connect(server, 'editor') for _ in range(2)]
    position = await clients[0].synchronize('notes')
    await clients[0].call('insert', 'notes', {'_id': 'before'})
    await clients[1].until(lambda: 'before' in clients[1].copy('notes'))
    server.kill(server.committer_pid())
    for i, client in enumerate(clients):
        assert await insert_until_taken(client, f'after{i}')
    for client in clients:
        await client.until(lambda c=client: len(c.copy('notes')) == 3)
        assert client.close_code is None
    third = await Client.connect(server, 'reader')
    assert {s[1] for s in (await resume(third, position))[1]} == {'before', 'after0', 'after1'}


async def insert_until_taken(client, identifier):
    """While a new committer starts, a call may fail with unavailable: then it is made again."""
    for _ in range(200):
        try:
            return await client.call('insert', 'notes', {'_id': identifier}, once=identifier)
        except Exception as error:
            assert error.code in ('unavailable', 'busy'), error
            await asyncio.sleep(0.05)
    raise AssertionError('no committer')


async def test_committer_killed_again_and_again_during_writes(server):
    """Each change is dispatched once and in order to a client of each worker, whoever died when."""
    writer, watcher = await Client.connect(server, 'editor'), await Client.connect(server, 'reader')
    stored = []

    async def write():
        i = 0
        while not done:
            await insert_until_taken(writer, f'n{i}')
            stored.append(f'n{i}')
            i += 1
    done = False
    task = asyncio.ensure_future(write())
    for _ in range(5):
        count = len(stored)
        await writer.until(lambda c=count: len(stored) > c + 20)
        await asyncio.to_thread(server.kill, server.committer_pid())
    count = len(stored)
    await writer.until(lambda: len(stored) > count + 20)
    done = True
    await task
    for client in (writer, watcher):
        await client.until(lambda c=client: len(c.copy('notes')) == len(stored))
        seen = [d['_id'] for m in client.of('update', 'notes') for d in m['data']]
        assert seen == stored, 'each once and in order'
    assert set(server.export('notes')) == set(stored)


async def test_after_a_full_restart(server):
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', {'_id': 'before'})
    position = await client.synchronize('notes')
    await client.call('insert', 'notes', {'_id': 'behind'})
    await asyncio.to_thread(server.restart)
    assert await client.until_closed() == 1001
    client = await Client.connect(server, 'reader')
    assert (await resume(client, position))[1] == [('update', 'behind')]
    server.kill_all()
    server.start()
    client = await Client.connect(server, 'reader')
    assert (await resume(client, position))[1] == [('update', 'behind')]


async def test_changed_declaration_gives_new_versions(server):
    """What clients hold looks different from now on: a change like any other, for who resumes and who syncs."""
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'viruses', [{'_id': 'v', 'name': 'V', 'abbreviation': 'a', 'taxid': 5},
                                            {'_id': 'same', 'name': 'S'}])
    position = await client.synchronize('viruses')
    old = dict(client.copy('viruses'))
    assert await asyncio.to_thread(server.stop) == 0
    viruses = {**COLLECTIONS['viruses'], 'projector': ['name', 'taxid']}
    server.configure(configuration(collections={**COLLECTIONS, 'viruses': viruses}))
    server.start()
    new = {'v': {'_id': 'v', '_version': 1, 'name': 'V', 'taxid': 5}, 'same': old['same']}
    client = await Client.connect(server, 'reader')
    client.replica['viruses'] = dict(old)
    answer, sent = await resume(client, position)
    assert sent == [('update', 'v')] and client.copy('viruses') == new
    assert answer['epoch'] != position['epoch']
    for given in ({}, position, {**position, 'unfinished': answer['epoch']}):
        client.replica['viruses'] = dict(old)
        data = {'manifest': {'v': 0, 'same': 0}, **given}
        assert (await client.call_progress('sync', 'viruses', data))[1] == [1]
        assert client.copy('viruses') == new
        data = {'manifests': {'viruses': {'v': 1, 'same': 0}}, **given}
        assert (await client.call_progress('sync', data=data))[1] == [{'viruses': 0}]


async def test_positions_of_another_history(server):
    """Everything is sent, whatever its version; what the client alone has is taken back."""
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'viruses', [{'_id': 'v', 'name': 'V'}, {'_id': 'w', 'name': 'W'}])
    position = await client.synchronize('viruses')
    others = ({**position, 'epoch': position['epoch'] - 1}, {**position, 'seq': position['seq'] + 1},
              {**position, 'unfinished': position['epoch'] - 1}, {'unfinished': position['epoch'] - 1})
    for given in others:
        data = {'manifest': {'v': 0, 'w': 0, 'x': 0}, **given}
        assert (await client.call_progress('sync', 'viruses', data))[1] == [3]
        data = {'manifests': {'viruses': {'v': 0, 'w': 0, 'x': 0}}, **given}
        assert (await client.call_progress('sync', data=data))[1] == [{'viruses': 3}]
        if 'seq' in given:
            await client.fails('resync_required', 'resume', data=given)
    for given in ({'epoch': 1}, {'seq': 1}, {'epoch': 'new', 'seq': 1}, {'epoch': 1, 'seq': -1},
                  {**position, 'unfinished': 'x'}):
        await client.fails('invalid', 'sync', 'viruses', {'manifest': {}, **given})
        await client.fails('invalid', 'sync', data={'manifests': {}, **given})
        await client.fails('invalid', 'resume', data=given)
    # Nothing is given with null.
    data = {'manifest': {'v': 0, 'w': 0}, 'epoch': None, 'seq': None, 'unfinished': None}
    assert (await client.call_progress('sync', 'viruses', data))[1] == [0]
    await resume(client, {**position, 'unfinished': None})


async def test_another_history_on_purpose(server):
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'viruses', {'_id': 'v', 'name': 'V'})
    position = await client.synchronize('viruses')
    assert await asyncio.to_thread(server.stop) == 0
    server.start('--new-epoch')
    client = await Client.connect(server, 'reader')
    await client.fails('resync_required', 'resume', data=position)
    answer, progress = await client.call_progress('sync', 'viruses', {'manifest': {'v': 0}, **position})
    assert progress == [1]
    # The next run is of the same history again, and a committer's death begins none.
    server.kill(server.committer_pid())
    client = await Client.connect(server, 'reader')
    await resume(client, answer)
    await asyncio.to_thread(server.restart)
    client = await Client.connect(server, 'reader')
    await resume(client, answer)
    await client.fails('resync_required', 'resume', data=position)


@pytest.mark.parametrize('read', ['see_secrets', None])
async def test_changed_read_permission_is_not_passed_over(make_server, read):
    """Who may see the collection has changed without a change in the store: a resume must not pass over it."""
    secrets = {**COLLECTIONS['secrets'], 'read': None if read else 'see_secrets'}
    server = make_server(config=configuration(collections={**COLLECTIONS, 'secrets': secrets}))
    server.load('secrets', [{'_id': 's'}])
    reader = await Client.connect(server, 'reader')
    position = await reader.call('sync', data={'manifests': {} if not read else {'secrets': {}}})
    assert set(reader.copy('secrets')) == ({'s'} if read else set())
    assert await asyncio.to_thread(server.stop) == 0
    server.configure(configuration(collections={**COLLECTIONS, 'secrets': {**secrets, 'read': read}}))
    server.start()
    reader = await Client.connect(server, 'reader')
    await reader.fails('resync_required', 'resume', data=position)
    if read:
        await reader.fails('forbidden', 'sync', 'secrets', {'s': 0})
    else:
        await reader.synchronize('secrets')
        assert set(reader.copy('secrets')) == {'s'}


async def test_another_store_put_in_the_place_of_a_running_one(server):
    """A process that starts then would number changes that others never saw: it refuses, until the next start."""
    writer = await Client.connect(server, 'editor')
    await writer.call('insert', 'notes', {'_id': 'in both'})
    data = os.path.join(server.data, 'data.mdb')
    shutil.copyfile(data, data + '.copy')
    for i in range(5):
        await writer.call('insert', 'notes', {'_id': f'later {i}'})
    os.replace(data + '.copy', data)
    pids = [worker['pid'] for worker in server.status()['workers']]
    os.kill(pids[0], signal.SIGKILL)
    await wait_until_async(lambda: 'is not the store that this server was started with' in server.log(),
                           what='a refusal')
    await wait_until_async(lambda: all(w['pid'] != pids[0] for w in server.status()['workers']), what='its end')
    assert sum(w['state'] == 'ready' for w in server.status()['workers']) == 1
    await asyncio.to_thread(server.restart)
    assert set(server.export('notes')) == {'in both'}
