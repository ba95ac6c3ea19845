"""Copies are never silently wrong: what a client holds is what the server has, whatever happened to either of them."""

import asyncio

import pytest

from client import Client
from configuration import COLLECTIONS, configuration
from histories import differ, find_all
from past import put_back, take_copy
from person import Person
from server import PATIENCE, wait_until_async

SMALL_LOG = {'change_log_entries': 10}
SMALL_BACKLOG = {'ring_bytes': '512K', 'backlog_bytes': '256K',
                 'limits': {'message_bytes': '64K', 'document_bytes': '64K'}}
LARGE = 'x' * 60000  # five of these fill the backlog


async def true(server, person, *names):
    """Until the copies of these are what a fresh find returns, and follow the changes; nothing is unfinished."""
    client = await Client.connect(server, person.user)
    wanted = {name: await find_all(client, name, COLLECTIONS[name]) for name in names or person.collections}
    await client.close()
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not (person.finished and all(person.copy[name] == wanted[name] for name in wanted)):
        if person.task.done():
            person.task.result()
        assert asyncio.get_running_loop().time() < deadline, \
            [person.counts, *(line for name in wanted for line in differ(person.copy[name], wanted[name]))]
        await asyncio.sleep(0.01)


async def restart(server, *options):
    assert await asyncio.to_thread(server.stop) == 0
    await asyncio.to_thread(server.start, *options)


async def put_back_copy(server, path, config=None):
    """The server is started on an older store."""
    await asyncio.to_thread(server.kill_all)
    put_back(server, path)
    if config:
        server.configure(config)
    await asyncio.to_thread(server.start)


async def trim(writer, number=30):
    """More changes than the small log keeps."""
    for i in range(number):
        await writer.call('insert', 'notes', {'_id': f'other {i}'})
    await writer.call('remove', 'notes', {'_id': [f'other {i}' for i in range(number)]})


# ---- one version, one content ----

async def test_inserted_again_after_the_log_was_trimmed(make_server):
    server = make_server(config=configuration(**SMALL_LOG))
    writer = await Client.connect(server, 'editor')
    await writer.call('insert', 'notes', {'_id': 'x', 'v': 'old'})
    person = Person(server, 'reader', ['notes'])
    await true(server, person)
    await person.leave()
    await writer.call('remove', 'notes', {'_id': 'x'})
    await trim(writer)
    await writer.call('insert', 'notes', {'_id': 'x', 'v': 'new'})
    person.come_back()
    await true(server, person)
    assert person.copy['notes']['x']['v'] == 'new' and person.counts['refused resumes'] == 1
    await person.end()


async def test_inserted_again_while_a_client_was_told_to_resync(make_server):
    server = make_server(config=configuration(**SMALL_LOG, **SMALL_BACKLOG))
    writer = await Client.connect(server, 'editor')
    await writer.call('insert', 'notes', {'_id': 'x', 'v': 'old'})
    person = Person(server, 'reader', ['notes'])
    await true(server, person)
    person.pause()
    for i in range(150):  # more than sockets hold
        await writer.call('insert', 'notes', {'_id': f'large {i}', 'text': LARGE})
        if i == 100:
            await writer.call('remove', 'notes', {'_id': 'x'})
    await writer.call('insert', 'notes', {'_id': 'x', 'v': 'new'})
    person.go_on()
    await true(server, person)
    assert person.copy['notes']['x']['v'] == 'new' and person.counts['resync'] == 1
    assert person.counts['connections'] == 1
    await person.end()


async def test_versions_go_on_after_a_removal(server):
    """An _id that the caller chose never stands for two documents with one version; a precondition is safe."""
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', {'_id': 'x'})
    await client.call('update', 'notes', {'_id': 'x', 'changes': {'n': 1}})
    await client.call('remove', 'notes', {'_id': 'x'})
    assert await client.call('insert', 'notes', {'_id': 'x'}) == {'_id': 'x', '_version': 2}
    await client.fails('conflict', 'update', 'notes', {'_id': 'x', 'changes': {'n': 2}, '_version': 0})
    await client.fails('conflict', 'remove', 'notes', {'_id': 'x', '_version': 1})
    answer = await client.call('update', 'notes', {'_id': 'y', 'changes': {}, 'upsert': True})
    assert answer == {'_ids': ['y'], '_version': 2}
    assert (await client.call('insert', 'notes', {'n': 1}))['_version'] == 0
    assert (await client.call('insert', 'sequences', {'_id': 'x'}))['_version'] == 0
    await restart(server)
    client = await Client.connect(server, 'editor')
    assert (await client.call('insert', 'notes', {'_id': 'z'}))['_version'] == 2


async def test_a_thousand_documents_inserted_again_are_sent_once(server):
    """To who held the former ones; and then to nobody."""
    client = await Client.connect(server, 'editor')
    documents = [{'_id': f'n{i:03}', 'n': i} for i in range(1000)]
    await client.call('insert', 'notes', documents)
    held = {document['_id']: 0 for document in documents}
    assert (await client.call_progress('sync', 'notes', held))[1] == [0]
    await client.call('remove', 'notes', {'_id': list(held)})
    versions = {d['_id']: d['_version'] for d in await client.call('insert', 'notes', documents)}
    position, counts = await client.call_progress('sync', 'notes', held)
    assert counts == [1000]
    assert {key: document['_version'] for key, document in client.copy('notes').items()} == versions
    for data in (versions, {'manifest': versions}, {'manifest': versions, **position}):
        assert (await client.call_progress('sync', 'notes', data))[1] == [0]
    data = {'manifests': {'notes': versions}, **position}
    assert (await client.call_progress('sync', None, data))[1] == [{'notes': 0}]


# ---- another history ----

@pytest.mark.parametrize('durability', ['full', 'relaxed'])
async def test_an_older_store_is_put_back(make_server, durability):
    """Or a store that has lost its last commits: positions of what is gone count for nothing, the others go on."""
    server = make_server(config=configuration(durability=durability))
    writer = await Client.connect(server, 'editor')
    await writer.call('insert', 'notes', [{'_id': 'x', 'v': 'old'}, {'_id': 'removed'}, {'_id': 'kept'}])
    early, late = Person(server, 'reader', ['notes']), Person(server, 'reader', ['notes'])
    await true(server, early)
    await early.leave()
    await writer.call('update', 'notes', {'_id': 'kept', 'changes': {'n': 1}})
    path = take_copy(server, 'backup')
    await writer.call('update', 'notes', {'_id': 'x', 'changes': {'v': 'lost'}})
    await writer.call('insert', 'notes', {'_id': 'y', 'v': 'lost'})
    await writer.call('remove', 'notes', {'_id': 'removed'})
    await true(server, late)
    await late.leave()
    await put_back_copy(server, path)
    writer = await Client.connect(server, 'editor')
    await writer.call('update', 'notes', {'_id': 'x', 'changes': {'v': 'new'}})
    await writer.call('insert', 'notes', {'_id': 'y', 'v': 'new'})
    for person in (early, late):
        person.come_back()
        await true(server, person)
        assert person.copy['notes']['x'] == {'_id': 'x', '_version': 1, 'v': 'new'}
        await person.end()
    assert early.counts['refused resumes'] == 0 and late.counts['refused resumes'] == 1


async def test_export_and_import_into_an_empty_store(make_server, template):
    server = make_server()
    server.load('notes', [{'_id': f'n{i}', 'v': 'old'} for i in range(10)])
    person = Person(server, 'reader', ['notes'])
    await true(server, person)
    await person.leave()
    documents = server.export('notes')
    assert await asyncio.to_thread(server.stop) == 0
    put_back(server, template.data)
    await asyncio.to_thread(server.start)
    # Versions begin at 0 in the new store, as they did in the other.
    server.load('notes', [{**document, 'v': 'new'} for document in documents.values()][1:])
    person.come_back()
    await true(server, person)
    assert person.counts['refused resumes'] >= 1
    await person.end()


async def test_a_store_put_back_twice(make_server):
    """Both times something else is committed under the same numbers."""
    server = make_server()
    server.load('notes', [{'_id': 'x', 'v': 0}])
    path = take_copy(server, 'backup')
    people = []
    for v in (1, 2, 3):
        writer = await Client.connect(server, 'editor')
        await writer.call('update', 'notes', {'_id': 'x', 'changes': {'v': v}})
        people.append(Person(server, 'reader', ['notes']))
        for person in people:
            await true(server, person)
        await put_back_copy(server, path)
    for person in people:
        await true(server, person)
        await person.end()


async def test_another_history_on_purpose(make_server):
    server = make_server()
    server.load('notes', [{'_id': 'x'}, {'_id': 'y'}])
    person = Person(server, 'reader', ['notes'])
    await true(server, person)
    position, epoch = dict(person.kept.marks['notes'].said()), person.kept.epoch
    for options, refused in ([], 0), (['--new-epoch'], 1):
        await person.leave()
        await restart(server, *options)
        person.come_back()
        await true(server, person)
        assert person.counts['refused resumes'] == refused and person.kept.epoch != epoch
    client = await Client.connect(server, 'reader')
    await client.fails('resync_required', 'resume', data=position)
    data = {'manifest': {'x': 0, 'y': 0, 'z': 0}, **position}
    assert (await client.call_progress('sync', 'notes', data))[1] == [3]
    data = {'manifests': {'notes': {'x': 0, 'y': 0, 'z': 0}}, **position}
    assert (await client.call_progress('sync', None, data))[1] == [{'notes': 3}]
    await person.end()


async def test_an_older_store_put_back_and_rebuilt(make_server):
    """What a start writes has numbers that were those of changes in the history that is gone."""
    server = make_server()
    admin = await Client.connect(server, 'admin')
    await admin.call('insert', 'viruses', [{'_id': f'v{i}', 'name': f'{i}', 'abbreviation': 'A'} for i in range(50)])
    await admin.call('insert', 'notes', {'_id': 'x', 'v': 'old'})
    path = take_copy(server, 'backup')
    await admin.call('update', 'notes', {'_id': 'x', 'changes': {'v': 'lost'}})
    person = Person(server, 'reader', ['viruses', 'notes'])
    await true(server, person)
    await person.leave()
    viruses = {**COLLECTIONS['viruses'], 'projector': ['name']}
    await put_back_copy(server, path, configuration(collections={**COLLECTIONS, 'viruses': viruses}))
    person.come_back()
    await true(server, person, 'notes')
    assert person.copy['notes']['x']['v'] == 'old' and person.counts['refused resumes'] == 1
    await wait_until_async(lambda: all('abbreviation' not in d for d in person.copy['viruses'].values()))
    await person.end()


# ---- what was not finished ----

async def test_unfinished_of_another_run(server):
    """It says that the copy may have come from a history that is gone, whatever its position and its versions are."""
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', [{'_id': 'x'}, {'_id': 'y'}])
    held = {'x': 0, 'y': 0, 'z': 0}
    position = await client.synchronize('notes')
    present, other = {'unfinished': client.epoch}, {'unfinished': client.epoch - 1}
    for said, count in (({}, 1), (present, 1), (other, 3), (position, 1), ({**position, **present}, 1),
                        ({**position, **other}, 3)):
        assert (await client.call_progress('sync', 'notes', {'manifest': held, **said}))[1] == [count]
        data = {'manifests': {'notes': held}, **said}
        assert (await client.call_progress('sync', None, data))[1] == [{'notes': count}]
    data = {'manifest': {'x': 0}, 'from': 'x', 'to': 'y', **position, **other}
    assert (await client.call_progress('sync', 'notes', data))[1] == [1]
    assert await client.call('resume', data={**position, **present})
    await client.fails('resync_required', 'resume', data={**position, **other})
    await restart(server)
    client = await Client.connect(server, 'reader')
    assert (await client.call_progress('sync', 'notes', {'manifest': held, **position}))[1] == [1]
    assert (await client.call_progress('sync', 'notes', {'manifest': held, **position, **present}))[1] == [3]
    await client.fails('resync_required', 'resume', data={**position, **present})


async def test_a_bare_manifest(server):
    """The versions alone, as clients that keep no position send them."""
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', [{'_id': 'same'}, {'_id': 'older'}, {'_id': 'new'}])
    await client.call('update', 'notes', {'_id': 'older', 'changes': {'n': 1}})
    for data in ({'same': 0, 'older': 0, 'gone': 5}, {'manifest': {'same': 0, 'older': 0, 'gone': 5}}):
        reader = await Client.connect(server, 'reader')
        answer, counts = await reader.call_progress('sync', 'notes', data)
        assert counts == [3] and set(answer) == {'epoch', 'seq'} and answer['epoch'] == reader.epoch
        assert set(reader.copy('notes')) == {'older', 'new'}
        assert [m['data'] for m in reader.of('remove', 'notes')] == [['gone']]
    await restart(server)
    reader = await Client.connect(server, 'reader')
    assert (await reader.call_progress('sync', 'notes', {'same': 0, 'older': 1, 'new': 0}))[1] == [0]


@pytest.mark.parametrize('messages', [3, 4, 5, 6, 8, 12, 18])
async def test_a_sync_in_ranges_is_cut_off(make_server, messages):
    """In the middle, and the store that it was of is not the one that is there afterwards."""
    server = make_server(config=configuration(**SMALL_LOG))
    writer = await Client.connect(server, 'editor')
    ids = [f'n{i:02}' for i in range(30)]
    await writer.call('insert', 'notes', [{'_id': key, 'v': 'old'} for key in ids])
    person = Person(server, 'reader', ['notes'])
    person.range = 5
    await true(server, person)
    await person.leave()
    path = take_copy(server, 'backup')
    await trim(writer)
    for key in ids:
        await writer.call('update', 'notes', {'_id': key, 'changes': {'v': 'lost'}})
    await person.visit(messages)
    assert person.counts['refused resumes'] == 1 and not person.kept.complete
    await put_back_copy(server, path)
    writer = await Client.connect(server, 'editor')
    for key in ids[::2]:
        await writer.call('update', 'notes', {'_id': key, 'changes': {'v': 'new'}})
    person.come_back()
    await true(server, person)
    await person.end()


async def test_rights_that_were_gained_in_a_history_that_is_gone(make_server):
    """The documents that they let be seen come without a number; the copy says that something is not finished."""
    server = make_server(config=configuration(ping_interval_ms=3600000))
    server.load('secrets', [{'_id': f's{i}', 'text': LARGE} for i in range(30)])
    admin = await Client.connect(server, 'admin')
    person = Person(server, 'reader', ['secrets', 'notes'])
    await true(server, person, 'notes')
    path = take_copy(server, 'backup')
    await person.leave()
    visit = asyncio.ensure_future(person.visit(5))  # with two messages of documents
    await wait_until_async(lambda: person.finished)
    await admin.call('set_group', 'users', {'user_id': 'reader', 'group_id': 'insiders', 'member': True})
    await visit
    assert person.copy['secrets'], 'some of them have come'
    await put_back_copy(server, path)
    person.come_back()
    await true(server, person, 'notes')
    assert not person.copy['secrets']
    await person.end()


async def test_a_slow_client_is_cut_off_while_it_catches_up(make_server):
    """What it was sent of the log left out an older change of a document, since a newer one was to come: which is
    gone."""
    server = make_server(config=configuration(**SMALL_BACKLOG, ping_interval_ms=3600000))
    writer = await Client.connect(server, 'editor')
    await writer.call('insert', 'notes', [{'_id': 'x', 'v': 'old'}])
    person = Person(server, 'reader', ['notes'])
    await true(server, person)
    person.pause()
    for i in range(100):
        await writer.call('insert', 'notes', {'_id': f'before {i}', 'text': LARGE})
    await writer.call('update', 'notes', {'_id': 'x', 'changes': {'v': 'kept'}})
    for i in range(400):  # more than is read before the end
        await writer.call('insert', 'notes', {'_id': f'after {i}', 'text': LARGE})
    path = take_copy(server, 'backup')
    await writer.call('update', 'notes', {'_id': 'x', 'changes': {'v': 'lost'}})
    person.go_on()
    await wait_until_async(lambda: 'after 5' in person.copy['notes'])
    person.cut_off()
    await person.leave()
    assert 'after 399' not in person.copy['notes'] and person.copy['notes']['x']['v'] == 'old'
    await put_back_copy(server, path)
    person.come_back()
    await true(server, person)
    assert person.copy['notes']['x']['v'] == 'kept'
    await person.end()


# ---- positions ----

async def test_a_quiet_client(make_server):
    """Whom no change concerns: the pings move its position, and the change log does not leave it behind."""
    server = make_server(config=configuration(**SMALL_LOG, ping_interval_ms=100))
    admin = await Client.connect(server, 'admin')
    person = Person(server, 'reader', ['notes'])
    await true(server, person)
    for _ in range(5):
        for i in range(30):
            last = await admin.call('insert', 'secrets', {'n': i})
        assert last and await admin.call('count', 'secrets')
        await wait_until_async(lambda: person.kept.marks['notes'].position[1] >= admin.last_seq, what='a ping')
        await person.leave()
        person.come_back()
        await true(server, person)
    assert person.counts['resumes'] == 5 and person.counts['refused resumes'] == 0
    await person.end()


async def test_the_first_message_says_which_run_it_is(server):
    """Before any change, and before the answer to a log-in is worth anything."""
    client = await Client.connect(server)
    await client.log_in('reader')
    await client.until(lambda: client.epoch)
    answer = await client.call('sync', data={'manifests': {}})
    assert answer['epoch'] == client.epoch
    other = await Client.connect(server, 'reader')
    await other.until(lambda: other.epoch)
    assert other.epoch == client.epoch and other.complete_seq >= answer['seq']


async def test_a_collection_that_was_left_out(make_server):
    """Its copy is as old as the moment when it was left out, whatever the others have come to since."""
    server = make_server()
    writer = await Client.connect(server, 'admin')
    await writer.call('insert', 'notes', {'_id': 'x'})
    path = take_copy(server, 'backup')
    await writer.call('insert', 'sequences', {'_id': 's', 'accession': 'lost'})
    person = Person(server, 'reader', ['sequences', 'notes'])
    await true(server, person)
    person.wish = ['notes']
    await person.leave()
    await put_back_copy(server, path)
    person.come_back()
    await true(server, person, 'notes')
    writer = await Client.connect(server, 'admin')
    await writer.call('insert', 'sequences', {'_id': 's', 'accession': 'new'})
    await writer.call('insert', 'notes', {'_id': 'y'})
    await true(server, person, 'notes')
    person.want(None)
    await true(server, person)
    assert person.copy['sequences']['s']['accession'] == 'new' and person.counts['connections'] == 2
    await person.end()


# ---- another configuration ----

DECLARED = {
    'projector': {'projector': ['name', 'taxid']},
    'no projector': {'projector': None},
    'filter': {'sync_filter': {'archived': True}},
    'rights': {'rights': {'owner': 'abbreviation'}},
}


@pytest.mark.parametrize('change', DECLARED)
async def test_another_declaration(make_server, change):
    """Documents that look different to clients have new versions, and come by resume as by sync; the others stay."""
    server = make_server()
    admin = await Client.connect(server, 'admin')
    await admin.call('insert', 'viruses', [
        {'_id': 'v1', 'name': '1', 'abbreviation': 'reader', 'taxid': 5}, {'_id': 'v2', 'name': '2', 'taxid': 6},
        {'_id': 'v3', 'name': '3', 'archived': True}, {'_id': 'v4', 'name': '4'}])
    people = [Person(server, 'reader', ['viruses', 'notes']) for _ in range(2)]
    for person in people:
        await true(server, person)
        await person.leave()
    people[1].resumes = False
    held = {key: document['_version'] for key, document in people[0].copy['viruses'].items()}
    assert await asyncio.to_thread(server.stop) == 0
    declared = {**COLLECTIONS['viruses'], **DECLARED[change]}
    declared = {key: value for key, value in declared.items() if value is not None}
    server.configure(configuration(collections={**COLLECTIONS, 'viruses': declared}))
    await asyncio.to_thread(server.start)
    reader = await Client.connect(server, 'reader')
    wanted = await find_all(reader, 'viruses', declared)
    for person in people:
        person.come_back()
        await wait_until_async(lambda p=person: p.finished and p.copy['viruses'] == wanted)
        await person.end()
    assert people[0].counts['refused resumes'] == 0 and people[0].counts['syncs'] == 1
    assert people[1].counts['resumes'] == 0 and people[1].counts['syncs'] > 1
    await reader.call('sync', 'viruses', held)
    assert {**people[0].copy['viruses'], **reader.copy('viruses')} == wanted


async def test_another_projector_and_a_small_log(make_server):
    """More documents than the log keeps: resync_required, and a sync compares the versions."""
    server = make_server(config=configuration(**SMALL_LOG))
    server.load('viruses', [{'_id': f'v{i}', 'name': f'{i}', 'taxid': i} for i in range(30)])
    person = Person(server, 'reader', ['viruses'])
    await true(server, person)
    await person.leave()
    assert await asyncio.to_thread(server.stop) == 0
    declared = {**COLLECTIONS['viruses'], 'projector': ['taxid']}
    server.configure(configuration(**SMALL_LOG, collections={**COLLECTIONS, 'viruses': declared}))
    await asyncio.to_thread(server.start)
    person.come_back()
    await wait_until_async(lambda: person.finished)
    assert person.copy['viruses'] == {f'v{i}': {'_id': f'v{i}', '_version': 1, 'taxid': i} for i in range(30)}
    assert person.counts['refused resumes'] == 1
    await person.end()


@pytest.mark.parametrize('read', ['see_secrets', None])
async def test_another_permission_to_see(make_server, read):
    """No document has changed: resume does not pass over it, and manifests still compare."""
    secrets = {**COLLECTIONS['secrets'], 'read': None if read else 'see_secrets'}
    server = make_server(config=configuration(collections={**COLLECTIONS, 'secrets': secrets}))
    server.load('secrets', [{'_id': 's'}])
    server.load('notes', [{'_id': 'n'}])
    person = Person(server, 'reader', ['secrets', 'notes'])
    await wait_until_async(lambda: person.finished)
    assert set(person.copy['secrets']) == ({'s'} if read else set())
    position = person.kept.marks['notes'].said()
    await person.leave()
    assert await asyncio.to_thread(server.stop) == 0
    server.configure(configuration(collections={**COLLECTIONS, 'secrets': {**secrets, 'read': read}}))
    await asyncio.to_thread(server.start)
    person.come_back()
    await wait_until_async(lambda: person.finished)
    assert set(person.copy['secrets']) == (set() if read else {'s'})
    assert person.counts['refused resumes'] == 1
    reader = await Client.connect(server, 'reader')
    assert (await reader.call_progress('sync', 'notes', {'manifest': {'n': 0}, **position}))[1] == [0]
    await person.end()
