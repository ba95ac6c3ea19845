"""Groups: who is in which, their permissions, and their end."""

import asyncio

from client import CallError, Client
from server import scaled


async def message(client, code, *arguments):
    return (await client.fails(code, *arguments))['message']


async def pair(server):
    """The administrator on two workers."""
    return [await Client.connect(server, 'admin') for _ in range(2)]


async def user(client, id_):
    return await client.call('detail', 'users', {'_id': id_})


# ---- users.set_group, set_primary_group ----

async def test_set_group(server):
    admin, other = await pair(server)
    reader = await Client.connect(server, 'reader')
    await reader.fails('forbidden', 'insert', 'viruses', {'name': 'V'})

    async def set_group(client, **data):
        return await client.call('set_group', 'users', {'user_id': 'reader', **data})

    assert await set_group(admin, group_id='curators') == ['curators']
    assert await set_group(other, group_id='lab', member=True) == ['curators', 'lab']
    await reader.until(lambda: [m['data']['groups'] for m in reader.of('amend', 'users')][-1:] == [['curators', 'lab']])
    await reader.call('insert', 'viruses', {'name': 'V'})
    version = (await user(admin, 'reader'))['_version']
    assert await set_group(admin, group_id='lab', member=True) == ['curators', 'lab']  # is already
    assert await set_group(admin, group_id='other', member=False) == ['curators', 'lab']  # is not
    assert (await user(admin, 'reader'))['_version'] == version
    assert await set_group(admin, group_id='lab') == ['curators']
    assert await set_group(other, group_id='curators', member=False) == []
    await reader.until(lambda: reader.of('amend', 'users')[-1]['data']['groups'] == [])
    await reader.fails('forbidden', 'insert', 'viruses', {'name': 'W'})


async def test_set_group_failures(server):
    admin, _ = await pair(server)
    data = {'user_id': 'reader', 'group_id': 'lab'}
    assert await message(admin, 'not_found', 'set_group', 'users', {**data, 'user_id': 'x'}) == 'User does not exist'
    for member in (True, False):
        assert await message(admin, 'not_found', 'set_group', 'users',
                             {**data, 'group_id': 'x', 'member': member}) == 'Group does not exist'
    for member in ({'member': False}, {}):
        assert await message(admin, 'forbidden', 'set_group', 'users',
                             {'user_id': 'admin', 'group_id': 'administrator', **member}) == \
            'Administrators cannot remove themselves from the administrator group'
    assert await admin.call('set_group', 'users', {'user_id': 'admin', 'group_id': 'administrator', 'member': True}) \
        == ['administrator']
    for wrong in ({'member': 1}, {'member': None}, {'user_id': None}, {'group_id': ''}, {'x': 1}):
        await admin.fails('invalid', 'set_group', 'users', {**data, **wrong})


async def test_groups_of_one_user_are_bounded(server):
    admin, _ = await pair(server)
    server.load('users', [{'_id': 'much', 'groups': [f'g{i}' for i in range(256)]}])
    await admin.fails('too_large', 'set_group', 'users', {'user_id': 'much', 'group_id': 'lab'})


async def test_toggles_at_the_same_time(server):
    """None is lost: each sees what the others did before it."""
    clients = await pair(server)
    count = scaled(40, 10)
    answers = await asyncio.gather(*(clients[i % 2].call('set_group', 'users', {
        'user_id': 'reader', 'group_id': 'lab'}) for i in range(count)))
    assert sorted(answers) == [[]] * (count // 2) + [['lab']] * (count // 2)


async def test_primary_group(server):
    admin, other = await pair(server)
    await admin.call('set_group', 'users', {'user_id': 'ann', 'group_id': 'other'})
    assert await admin.call('set_primary_group', 'users', {'_id': 'ann', 'group_id': 'lab'}) is None
    assert (await user(other, 'ann'))['primary_group'] == 'lab'
    # It goes with the membership, and with that of no other group.
    await other.call('set_group', 'users', {'user_id': 'ann', 'group_id': 'other'})
    assert (await user(admin, 'ann'))['primary_group'] == 'lab'
    await other.call('set_group', 'users', {'user_id': 'ann', 'group_id': 'lab'})
    ann = await user(admin, 'ann')
    assert ann['groups'] == [] and ann['primary_group'] is None
    assert await message(admin, 'invalid', 'set_primary_group', 'users', {'_id': 'ann', 'group_id': 'lab'}) == \
        'group_id: expected a group that the user is in'
    await admin.call('set_primary_group', 'users', {'_id': 'ben', 'group_id': 'lab'})
    assert await admin.call('set_primary_group', 'users', {'_id': 'ben', 'group_id': None}) is None
    ben = await user(other, 'ben')
    assert 'primary_group' in ben and ben['primary_group'] is None
    assert await message(admin, 'not_found', 'set_primary_group', 'users', {'_id': 'x', 'group_id': None}) == \
        'User does not exist'
    assert await message(admin, 'not_found', 'set_primary_group', 'users', {'_id': 'ben', 'group_id': 'x'}) == \
        'Group does not exist'
    for data in ({'_id': 'ben'}, {'_id': 'ben', 'group_id': 5}, {'group_id': 'lab'}, None):
        await admin.fails('invalid', 'set_primary_group', 'users', data)


# ---- groups ----

async def test_add(server):
    admin, other = await pair(server)
    assert await admin.call('add', 'groups', {'_id': 'crew'}) == 'crew'
    assert await other.call('detail', 'groups', {'_id': 'crew'}) == {'_id': 'crew', '_version': 0, 'permissions': {}}
    for name in ('crew', 'administrator'):
        assert await message(other, 'exists', 'add', 'groups', {'_id': name}) == 'Group already exists'
    for data in ({}, None, {'_id': ''}, {'_id': 5}, {'_id': 'x', 'y': 1}):
        await admin.fails('invalid', 'add', 'groups', data)
    answers = await asyncio.gather(*(client.call('add', 'groups', {'_id': f'g{i}'})
                                     for i in range(20) for client in (admin, other)), return_exceptions=True)
    assert sorted(str(a) for a in answers) == sorted([f'g{i}' for i in range(20)] +
                                                     ['exists: Group already exists'] * 20)


async def test_update_permissions(server):
    admin, other = await pair(server)
    data = {'_id': 'lab', 'permissions': {'modify_virus': True, 'see_secrets': False}}
    changed = {'_id': 'lab', '_version': 1, 'permissions': {'modify_virus': True}}
    assert await admin.call('update_permissions', 'groups', data) == changed
    assert await other.call('update_permissions', 'groups', data) == changed  # nothing changes
    assert await other.call('detail', 'groups', {'_id': 'lab'}) == changed
    assert await message(admin, 'not_found', 'update_permissions', 'groups', {**data, '_id': 'x'}) == \
        'Group does not exist'
    await admin.fails('forbidden', 'update_permissions', 'groups', {**data, '_id': 'administrator'})
    for wrong in ({'bogus': True}, {'modify_virus': 1}, [], None):
        await admin.fails('invalid', 'update_permissions', 'groups', {'_id': 'lab', 'permissions': wrong})


async def test_remove_group(server):
    """Its members lose it, and what it allowed, on every worker."""
    admin, other = await pair(server)
    editors = [await Client.connect(server, 'editor') for _ in range(2)]
    await admin.call('set_primary_group', 'users', {'_id': 'editor', 'group_id': 'editors'})
    assert await admin.call('remove_group', 'groups', {'_id': 'editors'}) is None
    editor = await user(other, 'editor')
    assert editor['groups'] == [] and editor['primary_group'] is None
    await other.fails('not_found', 'detail', 'groups', {'_id': 'editors'})
    for client in editors:
        await client.until(lambda c=client: c.of('amend', 'users') and
                           c.of('amend', 'users')[-1]['data']['groups'] == [])
        await client.fails('forbidden', 'insert', 'viruses', {'name': 'V'})
    assert await message(admin, 'not_found', 'remove_group', 'groups', {'_id': 'editors'}) == 'Group does not exist'
    await admin.fails('forbidden', 'remove_group', 'groups', {'_id': 'administrator'})
    for data in ({}, None, {'_id': 5}):
        await admin.fails('invalid', 'remove_group', 'groups', data)


async def test_remove_group_with_many_members(server):
    """While others put more people in: nobody is in a group that is gone, nor in a later one of that name."""
    admin, other = await pair(server)
    count = scaled(1000, 200)
    server.load('users', [{'_id': f'm{i}', 'groups': ['lab', 'other'], 'primary_group': 'lab'} for i in range(count)])
    server.load('users', [{'_id': f'n{i}', 'groups': []} for i in range(count)])
    removal = asyncio.ensure_future(admin.call('remove_group', 'groups', {'_id': 'lab'}))
    put_in = 0
    for i in range(count):
        if removal.done():
            break
        try:
            await other.call('set_group', 'users', {'user_id': f'n{i}', 'group_id': 'lab', 'member': True})
            put_in += 1
        except CallError as error:
            assert error.message == 'Group does not exist'
    assert await removal is None
    await other.call('add', 'groups', {'_id': 'lab', 'take_over': True})
    for client in (admin, other):
        assert await client.call('count', 'users', {'query': {'groups': 'lab'}}) == 0
        assert await client.call('count', 'users', {'query': {'primary_group': 'lab'}}) == 0
        assert await client.call('count', 'users', {'query': {'groups': 'other'}}) == count + 1


async def test_removal_that_was_interrupted_goes_on(make_server):
    """Killed in the middle: what is left is a group that nobody can be put into, until it is removed."""
    server = make_server()
    for group in ('lab', 'other', 'insiders', 'curators', 'editors'):
        server.load('users', [{'_id': f'{group}{i}', 'groups': [group]} for i in range(scaled(2000, 400))])
        admin = await Client.connect(server, 'admin')
        await admin.start('remove_group', 'groups', {'_id': group})
        await admin.until(lambda c=admin: c.of('update', 'groups'))
        server.kill_all()
        server.start()
        admin = await Client.connect(server, 'admin')
        if await admin.call('count', 'users', {'query': {'groups': group}}):
            break  # otherwise it was faster than the test
    assert await message(admin, 'not_found', 'set_group', 'users',
                         {'user_id': 'reader', 'group_id': group, 'member': True}) == 'Group does not exist'
    assert await admin.call('remove_group', 'groups', {'_id': group}) is None
    assert await admin.call('count', 'users', {'query': {'groups': group}}) == 0


async def test_dispatchctl_groups(server):
    curator = await Client.connect(server, 'curator')
    server.ctl('group', 'set', 'curators', '--permission', 'remove_virus', '--no-permission', 'modify_virus')
    await curator.until(lambda: curator.of('amend', 'users'))
    await curator.fails('forbidden', 'insert', 'viruses', {'name': 'V'})
    listed = server.ctl('group', 'list').stdout.splitlines()
    assert listed[0].split() == ['NAME', 'PERMISSIONS'] and listed[1].split() == ['administrator', '(all)']
    assert ['curators', 'remove_virus'] in [line.split() for line in listed]
    assert ['editors', 'modify_virus,remove_virus,modify_sample'] in [line.split() for line in listed]
    assert len({line.rindex(' ') for line in listed}) == 1
    assert '"_id":"administrator"' in server.ctl('group', 'list', '--json').stdout.splitlines()[0]
    server.ctl('group', 'remove', 'curators')
    assert 'curators' not in server.ctl('group', 'list').stdout
    for words, error in ((('remove', 'curators'), 'Group does not exist'), (('add', 'lab'), 'Group already exists'),
                         (('remove', 'administrator'), 'cannot be removed'),
                         (('set', 'x', '--permission', 'modify_virus'), 'Group does not exist'),
                         (('set', 'lab', '--permission', 'bogus'), 'there is no permission bogus'),
                         (('set',), 'usage'), (('bogus',), 'usage'), ((), 'usage'), (('list', 'x'), 'usage'),
                         (('add', 'x', '--no-permission', 'modify_virus'), 'usage')):
        result = server.ctl('group', *words, check=False)
        assert result.returncode == 1 and error in result.stderr, (words, result)
