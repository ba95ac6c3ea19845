"""What is dispatched to whom: order, filters, rights, permissions, subscriptions."""

from client import CallError, Client, connect_to_workers
from configuration import configuration


async def test_change_before_answer(server):
    """On every connection a change comes before the fulfill of the call that made it."""
    client = await Client.connect(server, 'editor')
    for i in range(50):
        await client.call('insert', 'notes', {'_id': f'n{i}'})
        assert client.messages[-1]['operation'] == 'fulfill'
        assert client.messages[-2]['operation'] == 'update'
        assert client.messages[-2]['data'] == [{'_id': f'n{i}', '_version': i}]
        await client.call('remove', 'notes', {'_id': f'n{i}'})
        assert client.messages[-2]['operation'] == 'remove' and client.messages[-2]['data'] == [f'n{i}']


async def test_a_permission_of_sync_counts_for_what_is_sent(server):
    """Live, by resume, and when it comes and goes."""
    admin, insider, reader = [await Client.connect(server, name) for name in ('admin', 'insider', 'reader')]
    positions = [await client.call('sync', data={'manifests': {'notes': {}}}) for client in (insider, reader)]
    await admin.call('insert', 'guarded', {'_id': 'g'})
    await admin.call('insert', 'notes', {'_id': 'behind'})
    for client in (insider, reader):
        await client.until(lambda client=client: 'behind' in client.copy('notes'))
    assert set(insider.copy('guarded')) == {'g'} and not reader.copy('guarded')
    for name, position, seen in (('insider', positions[0], {'g'}), ('reader', positions[1], set())):
        client = await Client.connect(server, name)
        await client.call('resume', data=position)
        assert set(client.copy('guarded')) == seen
    for member in (True, False):
        await admin.call('set_group', 'users', {'user_id': 'reader', 'group_id': 'insiders', 'member': member})
        await reader.until(lambda member=member: ('g' in reader.copy('guarded')) == member)


async def test_pipelined_calls_keep_their_order(server):
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', {'_id': 'a', 'n': 0})
    futures = [await client.start('update', 'notes', {'_id': 'a', 'changes': {'n': i}}) for i in range(1, 101)]
    for future in futures:
        assert (await future)['success']
    versions = [d['_version'] for m in client.of('update', 'notes') for d in m['data']]
    assert versions == list(range(101))
    fulfilled = [m['data']['data']['_version'] for m in client.of('fulfill', 'transaction')
                 if isinstance(m['data']['data'], dict) and '_ids' in m['data']['data']]
    assert fulfilled == list(range(1, 101))
    # Each answer comes behind its change.
    seen = -1
    for message in client.messages:
        if message['operation'] == 'update' and message['collectionName'] == 'notes':
            seen = message['data'][-1]['_version']
        elif message['operation'] == 'fulfill' and isinstance(message['data']['data'], dict):
            assert message['data']['data'].get('_version', 0) <= seen or '_ids' not in message['data']['data']


async def test_sync_filter(server):
    editor, reader = await connect_to_workers(server, 'editor', 2)
    await editor.call('insert', 'viruses', {'_id': 'v', 'name': 'V'})
    await editor.call('insert', 'viruses', {'_id': 'hidden', 'name': 'H', 'archived': True})
    await reader.until(lambda: 'v' in reader.copy('viruses'))
    await editor.call('update', 'viruses', {'_id': 'v', 'changes': {'archived': True}})
    assert 'v' not in editor.copy('viruses')
    await editor.call('update', 'viruses', {'_id': 'v', 'changes': {'name': 'V2'}})   # nobody holds it
    await editor.call('update', 'viruses', {'_id': 'hidden', 'changes': {'archived': None}})
    await reader.until(lambda: 'hidden' in reader.copy('viruses'))
    for client in (editor, reader):
        kinds = [(m['operation'], [d if isinstance(d, str) else d['_id'] for d in m['data']]) for m in client.messages
                 if m['collectionName'] == 'viruses']
        assert kinds == [('update', ['v']), ('remove', ['v']), ('update', ['hidden'])]
    # What is out of the filter can still be read.
    assert (await reader.call('detail', 'viruses', {'_id': 'v'}))['name'] == 'V2'
    assert await reader.call('count', 'viruses') == 2
    assert (await reader.call_progress('sync', 'viruses', {'v': 0}))[1] == [2]
    assert set(reader.copy('viruses')) == {'hidden'}


async def test_read_permission(server):
    insider = await Client.connect(server, 'insider')
    reader = await Client.connect(server, 'reader')
    admin = await Client.connect(server, 'admin')
    await insider.call('insert', 'secrets', {'_id': 's'})
    await insider.call('insert', 'notes', {'_id': 'n'})
    for client in (insider, admin):
        await client.until(lambda c=client: 'n' in c.copy('notes'))
        assert 's' in client.copy('secrets')
    await reader.until(lambda: 'n' in reader.copy('notes'))
    assert not reader.copy('secrets')
    for method, data in (('detail', {'_id': 's'}), ('find', {}), ('count', {}), ('sync', {}), ('insert', {})):
        await reader.fails('forbidden', method, 'secrets', data)
    # In a sync of several collections, one that cannot be seen is refused too.
    await reader.fails('forbidden', 'sync', None, {'manifests': {'secrets': {}}})


SAMPLES = [
    {'_id': 'own', 'user': 'ann', 'group': 'lab', 'group_read': False, 'all_read': False},
    {'_id': 'group', 'user': 'ann', 'group': 'lab', 'group_read': True, 'all_read': False},
    {'_id': 'all', 'user': 'ann', 'group': 'lab', 'group_read': False, 'all_read': True},
    {'_id': 'none'},
]
VISIBLE = {'ann': {'own', 'group', 'all'}, 'ben': {'group', 'all'}, 'carl': {'all'},
           'admin': {'own', 'group', 'all', 'none'}}


async def test_rights(server):
    clients = {name: await Client.connect(server, name) for name in VISIBLE}
    await clients['admin'].call('insert', 'samples', SAMPLES)
    await clients['admin'].call('insert', 'notes', {'_id': 'end'})
    for name, client in clients.items():
        await client.until(lambda c=client: 'end' in c.copy('notes'))
        assert set(client.copy('samples')) == VISIBLE[name], name
        assert await client.call('count', 'samples') == len(VISIBLE[name])
        found = await client.call('find', 'samples', {})
        assert {d['_id'] for d in found['documents']} == VISIBLE[name]
        client.replica['samples'] = {}
        assert (await client.call_progress('sync', 'samples', {'own': 0, 'all': 0}))[1] == [
            {'ann': 1, 'ben': 2, 'carl': 1, 'admin': 2}[name]]
        for document in SAMPLES:
            if document['_id'] in VISIBLE[name]:
                await client.call('detail', 'samples', {'_id': document['_id']})
            else:
                await client.fails('not_found', 'detail', 'samples', {'_id': document['_id']})


async def test_rights_that_change(server):
    """Withdrawn rights are a remove, new ones an update; who sees nothing hears nothing."""
    clients = {name: await Client.connect(server, name) for name in VISIBLE}
    admin = clients['admin']
    await admin.call('insert', 'samples', {'_id': 's', 'user': 'ann', 'group': 'lab', 'group_read': True,
                                           'all_read': True})
    for change in ({'all_read': False}, {'group_read': False}, {'group': 'other', 'group_read': True},
                   {'user': 'ben'}, {'name': 'only seen by some'}, {'all_read': True}):
        await admin.call('update', 'samples', {'_id': 's', 'changes': change})
    await admin.call('insert', 'notes', {'_id': 'end'})
    expected = {
        'ann': ['update', 'update', 'update', 'update', 'remove', 'update'],
        'ben': ['update', 'update', 'remove', 'update', 'update', 'update'],
        'carl': ['update', 'remove', 'update', 'update', 'update', 'update'],
        'admin': ['update'] * 7,
    }
    for name, client in clients.items():
        await client.until(lambda c=client: 'end' in c.copy('notes'))
        kinds = [m['operation'] for m in client.messages if m['collectionName'] == 'samples']
        assert kinds == expected[name], name
        assert 's' in client.copy('samples')


async def test_documents_of_others_are_not_changed_by_who_cannot_see_them(server):
    ann, carl = await Client.connect(server, 'ann'), await Client.connect(server, 'carl')
    await ann.call('insert', 'samples', SAMPLES[0])
    await carl.fails('not_found', 'update', 'samples', {'_id': 'own', 'changes': {'x': 1}})
    await carl.fails('not_found', 'patch', 'samples', {'_id': 'own', 'operations': [
        {'op': 'add', 'path': '/x', 'value': 1}]})
    assert (await carl.call('remove', 'samples', {'_id': 'own'}))['_ids'] == []
    assert (await carl.call('update', 'samples', {'query': {}, 'changes': {'x': 1}}))['_ids'] == []
    assert (await ann.call('detail', 'samples', {'_id': 'own'}))['_version'] == 0


async def test_subscribe(server):
    editor, client = await connect_to_workers(server, 'editor', 2)
    await client.call('subscribe', data={'collections': ['viruses']})
    await editor.call('insert', 'notes', {'_id': 'n1'})
    await editor.call('insert', 'viruses', {'_id': 'v1', 'name': '1'})
    await client.until(lambda: 'v1' in client.copy('viruses'))
    assert not client.copy('notes')
    # A client's own changes are not an exception.
    await client.call('insert', 'notes', {'_id': 'n2'})
    assert not client.copy('notes')
    await client.call('subscribe', data={'collections': []})
    await client.call('insert', 'viruses', {'_id': 'v2', 'name': '2'})
    assert list(client.copy('viruses')) == ['v1']
    await client.call('subscribe', data={'collections': None})
    await editor.call('insert', 'notes', {'_id': 'n3'})
    await client.until(lambda: 'n3' in client.copy('notes'))
    assert list(client.copy('notes')) == ['n3']
    await client.synchronize('notes', 'viruses')
    assert set(client.copy('notes')) == {'n1', 'n2', 'n3'} and set(client.copy('viruses')) == {'v1', 'v2'}


async def test_wrong_subscriptions(server):
    client = await Client.connect(server, 'reader')
    for data in (None, {}, {'collections': 5}, {'collections': [5]}, []):
        await client.fails('invalid', 'subscribe', data=data)
    try:
        await client.call('subscribe', data={'collections': ['notes', 'bogus']})
    except CallError as error:
        assert error.code in ('unknown_collection', 'invalid')
    else:
        raise AssertionError('bogus was taken')


async def test_subscription_to_what_may_not_be_seen(server):
    """It may be refused; if not, it gives nothing."""
    client, insider = await Client.connect(server, 'reader'), await Client.connect(server, 'insider')
    try:
        await client.call('subscribe', data={'collections': ['notes', 'secrets']})
    except CallError as error:
        assert error.code == 'forbidden'
    await insider.call('insert', 'secrets', {'_id': 's'})
    await insider.call('insert', 'notes', {'_id': 'n'})
    await client.until(lambda: 'n' in client.copy('notes'))
    assert not client.copy('secrets')


async def test_list_is_dispatched_whole(server):
    editor, client = await connect_to_workers(server, 'editor', 2)
    await editor.call('insert', 'notes', [{'_id': f'n{i}'} for i in range(500)])
    await client.until(lambda: len(client.copy('notes')) == 500)
    await editor.call('remove', 'notes', {'_id': [f'n{i}' for i in range(500)]})
    await client.until(lambda: not client.copy('notes'))


SMALL = {'ring_bytes': '64K', 'backlog_bytes': '64K', 'limits': {'message_bytes': '8K', 'document_bytes': '8K'}}


async def test_documents_as_large_as_they_may_be(make_server):
    """They pass a ring and a backlog that hold only a few of them."""
    server = make_server(config=configuration(**SMALL))
    clients = await connect_to_workers(server, 'editor', 2)
    for i in range(100):
        await clients[0].call('insert', 'notes', {'_id': f'n{i}', 'text': 'x' * 7900})
    for client in clients:
        await client.until(lambda c=client: len(c.copy('notes')) == 100)
        assert all(len(d['text']) == 7900 for d in client.copy('notes').values())
    await clients[0].call('update', 'notes', {'_id': 'n3', 'changes': {'n': 1}})
    assert clients[0].copy('notes')['n3']['n'] == 1
    await clients[1].until(lambda: clients[1].copy('notes')['n3'].get('n') == 1)


async def test_small_ring_and_backlog_lose_nothing(make_server):
    server = make_server(config=configuration(**SMALL))
    editor, client = await connect_to_workers(server, 'editor', 2)
    for round_ in range(500):
        await editor.call('insert', 'notes', [{'_id': f'{round_}-{i}', 'text': 'x' * 300} for i in range(20)])
    await client.until(lambda: len(client.copy('notes')) == 10000)
    assert len(editor.copy('notes')) == 10000
