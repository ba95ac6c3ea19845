"""A damaged record in the store: what needs it fails, and nobody is told that what stands behind it is gone."""

import os
import struct

from client import Client

HEADER = 24  # record.h
LENGTH_AT = 4


def damage(server, text):
    """Makes the record with this text claim to be longer than it is; all copies of it, old ones too."""
    path = os.path.join(server.data, 'data.mdb')
    text = text.encode()
    with open(path, 'r+b') as file:
        content = file.read()
        found, at = 0, content.find(text)
        while at >= 0:
            for tag in range(64):  # what stands between the header and the text
                header = at - tag - HEADER
                if struct.unpack_from('<HI', content, header + 2) == (tag, len(text)):
                    file.seek(header + LENGTH_AT)
                    file.write(b'\xff\xff\xff\xff')
                    found += 1
            at = content.find(text, at + 1)
    assert found, f'no record {text}'


async def test_what_stands_behind_a_damaged_record_is_not_taken_for_gone(make_server):
    server = make_server(start=False)
    server.start()
    writer = await Client.connect(server, 'editor')
    for name in ('a', 'b', 'c', 'd', 'e'):
        await writer.call('insert', 'notes', {'_id': name, 'text': f'damage me {name}'})
        await writer.call('insert', 'samples', {'_id': name, 'user': 'editor', 'all_read': True})
    reader = await Client.connect(server, 'reader')
    position = await reader.synchronize('notes', 'samples')
    await writer.call('insert', 'samples', {'_id': 'f', 'user': 'editor', 'all_read': True})
    held = {name: dict(reader.copy(name)) for name in ('notes', 'samples')}
    assert sorted(held['notes']) == ['a', 'b', 'c', 'd', 'e']
    assert server.stop() == 0
    damage(server, '{"_id":"c","_version":0,"text":"damage me c"}')
    server.start()

    back = await Client.connect(server, 'reader')
    back.replica = {name: dict(copy) for name, copy in held.items()}
    manifest = {name: document['_version'] for name, document in held['notes'].items()}
    for _ in range(3):
        await back.fails('internal', 'sync', 'notes', manifest)
        await back.fails('internal', 'sync', data={'manifests': {'samples': {}, 'notes': manifest}})
        await back.fails('internal', 'find', 'notes', {})
        await back.fails('internal', 'find', 'notes', {'query': {'text': 'damage me e'}})
        await back.fails('internal', 'count', 'notes')
        await back.fails('internal', 'detail', 'notes', {'_id': 'c'})
    editor = await Client.connect(server, 'editor')
    await editor.fails('internal', 'update', 'notes', {'query': {}, 'changes': {'seen': True}})
    assert back.copy('notes') == held['notes'] and not back.of('remove', 'notes')
    export = server.ctl('export', 'notes', check=False)
    assert export.returncode != 0 and 'cannot be read' in export.stderr and '"_id":"d"' not in export.stdout

    # Whoever does not need it goes on.
    await back.synchronize('samples')
    assert (await back.call('count', 'samples')) == 6
    assert sorted(back.copy('samples')) == ['a', 'b', 'c', 'd', 'e', 'f']
    assert (await back.call('detail', 'notes', {'_id': 'd'}))['text'] == 'damage me d'
    await back.call('resume', data=position)
    await editor.call('insert', 'notes', {'_id': 'z', 'text': 'new'})
    await back.until(lambda: 'z' in back.copy('notes'))

    # The log says what it is, and each process says it once.
    lines = [line for line in server.log().splitlines() if 'document c of notes' in line]
    assert 1 <= len(lines) <= server.workers
    assert all('cannot be read' in line for line in lines)
