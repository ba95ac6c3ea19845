"""After any history of documents, users, groups, permissions, connections and dead processes each copy is exactly
what a fresh `find` of that user returns."""

import asyncio
import os
import random

import pytest

from client import CallError, Client
from configuration import COLLECTIONS, configuration, password
from histories import Drivers, differ, find_all
from person import Person
from server import PATIENCE, scaled

ROUNDS = int(os.environ.get('DISPATCHD_TEST_ROUNDS', scaled(40, 8)))
SEED = os.environ.get('DISPATCHD_TEST_SEED', '1')
STEPS = 60

PEOPLE = ['ann', 'ben', 'carl', 'insider', 'reader', 'curator', 'ann', 'insider', 'carl', 'admin']
USERS = ['ann', 'ben', 'carl', 'insider', 'reader', 'curator']
GROUPS = ['lab', 'other', 'insiders', 'curators']
# `vault` has both a permission to see it and rights; everything small, so that slow readers leave the backlog.
VAULT = {**COLLECTIONS['samples'], 'read': 'see_secrets'}
WITH_VAULT = {**COLLECTIONS, 'vault': VAULT}
SMALL = {'ring_bytes': '128K', 'backlog_bytes': '64K', 'log_level': 'notice',
         'limits': {'message_bytes': '16K', 'document_bytes': '16K', 'login_attempts': 100000}}
WRITTEN = ['notes', 'viruses', 'samples', 'secrets', 'vault']
FOLLOWED = ['users', 'groups', 'secrets', 'vault', 'samples', 'viruses', 'notes']  # the last is open to all
IDS = [f'd{i:02}' for i in range(40)]


def random_document_call(chance):
    collection, key = chance.choice(WRITTEN), chance.choice(IDS)
    rights = {'user': chance.choice([*USERS, None]), 'group': chance.choice([*GROUPS, None]),
              'group_read': chance.random() < 0.5, 'all_read': chance.random() < 0.2}
    text = 'x' * chance.choice([0, 100, 3000, 10000])
    kind = chance.random()
    if kind < 0.15:
        return ('remove', collection, {'_id': chance.sample(IDS, chance.choice([1, 1, 5]))})
    if kind < 0.35:
        changes = {k: v for k, v in rights.items() if chance.random() < 0.4}
        return ('update', collection, {'query': {'_id': {'$gte': key}}, 'changes': {**changes, 'n': chance.random()}})
    changes = {'name': key, 'text': text, 'archived': chance.random() < 0.3, **rights}
    return ('update', collection, {'_id': key, 'changes': changes, 'upsert': True})


def random_rights_call(chance):
    user, group = chance.choice(USERS), chance.choice(GROUPS)
    kind = chance.random()
    if kind < 0.4:
        return ('set_group', 'users', {'user_id': user, 'group_id': group})
    if kind < 0.65:
        permission = chance.choice(['see_secrets', 'see_secrets', 'see_secrets', 'modify_options'])
        return ('update_permissions', 'groups', {'_id': group, 'permissions': {permission: chance.random() < 0.5}})
    if kind < 0.75:
        return ('set_group', 'users', {'user_id': user, 'group_id': 'administrator'})
    if kind < 0.85:
        return ('remove_group', 'groups', {'_id': group})
    return ('add', 'groups', {'_id': group, 'take_over': True})


class History:
    def __init__(self, server):
        self.server = server
        self.drivers = Drivers(server)
        self.people = [Person(server, user, FOLLOWED) for user in PEOPLE]
        self.calls = []
        self.kills = 0

    def act(self, chance):
        kind = chance.random()
        person = chance.choice(self.people)
        if kind < 0.55:
            self.begin(chance, random_document_call(chance))
        elif kind < 0.78:
            self.begin(chance, random_rights_call(chance))
        elif kind < 0.85:
            person.pause()
        elif kind < 0.90:
            person.go_on()
        elif kind < 0.94:
            person.cut_off()
        elif kind < 0.98:
            person.cut_off(after=chance.randrange(1, 12))
            person.go_on()
        elif person.user != 'admin':
            self.calls.append(asyncio.ensure_future(self.end_sessions(person.user)))

    def begin(self, chance, call):
        self.calls.append(asyncio.ensure_future(self.drivers.run(chance.randrange(3), call)))

    async def end_sessions(self, user):
        await self.drivers.run(0, ('set_password', 'users', {'_id': user, 'new_password': password(user)}))

    async def kill(self, chance):
        pids = [self.server.committer_pid(), *self.server.worker_pids()]
        await asyncio.to_thread(self.server.kill, chance.choice(pids))
        self.kills += 1

    async def run(self, chance):
        """Random steps, of which some wait for what was begun."""
        murder = chance.randrange(STEPS) if chance.random() < 0.4 else None
        for step in range(STEPS):
            self.act(chance)
            if step == murder:
                await self.kill(chance)
            if chance.random() < 0.2:
                await asyncio.gather(*self.calls)
        await asyncio.gather(*self.calls)
        self.calls.clear()

    # ---- quiet ----

    async def quiet(self):
        """Until everybody is there, and has got what was the last change."""
        mark = (await self.drivers.surely('update', 'notes', {
            '_id': 'mark', 'changes': {'n': random.random()}, 'upsert': True}))['_version']
        for person in self.people:
            person.go_on()
        deadline = asyncio.get_running_loop().time() + PATIENCE * 2
        for person in self.people:
            while not (person.spare() and person.copy.get('notes', {}).get('mark', {}).get('_version') == mark):
                if person.task.done():
                    person.task.result()
                person.go_on()
                assert asyncio.get_running_loop().time() < deadline, \
                    f'{person.user} waits: {vars(person)}'[:2000]
                await asyncio.sleep(0.005)

    async def fresh(self, user):
        """{collection: (what must be held, the number of documents)} by a new connection's find."""
        client = await Client.connect(self.server)
        token = next(p.token for p in self.people if p.user == user and p.complete)
        await client.call('authorize_by_token', 'users', {'token': token})
        result = {}
        for name in FOLLOWED:
            try:
                result[name] = (await find_all(client, name, WITH_VAULT.get(name, {})),
                                await client.call('count', name))
            except CallError as error:
                assert error.code == 'forbidden' and name in ('users', 'groups', 'secrets', 'vault')
                result[name] = ({}, None)
        await client.close()
        return result

    async def differences(self):
        found = []
        for user in dict.fromkeys(PEOPLE):
            wanted = await self.fresh(user)
            for person in (p for p in self.people if p.user == user):
                for name, (documents, count) in wanted.items():
                    found += [f'{self.people.index(person)} {user} {name} {line}'
                              for line in differ(person.copy.get(name, {}), documents)]
                    try:
                        counted = await person.line.call('count', name)
                    except CallError as error:
                        assert error.code == 'forbidden'
                        counted = None
                    if counted != count:
                        found.append(f'{user} {name}: {counted} counted, not {count}')
        return found


@pytest.mark.long
async def test_random_histories(make_server):
    config = configuration(collections=WITH_VAULT, **SMALL)
    server = make_server(workers=3, config=config)
    history = History(server)
    try:
        for round_ in range(ROUNDS):
            where = f'seed {SEED}, round {round_}'
            kills = history.kills
            await history.run(random.Random(f'{SEED}.{round_}'))
            await history.quiet()
            found = await history.differences()
            if found and history.kills != kills:
                # What a dead process left half done may go on for a moment.
                await history.quiet()
                found = await history.differences()
            assert not found, '\n'.join([where, *found[:40]])
    except BaseException:
        print(f'seed {SEED}, round {round_}', server.log()[-4000:], sep='\n')
        raise
    finally:
        for person in history.people:
            await person.end()
    totals = {key: sum(p.counts[key] for p in history.people) for key in history.people[0].counts}
    print(totals)
    # A change of rights is brought in line without a sync nearly always.
    assert totals['amend'] >= ROUNDS and totals['resync'] * 20 <= totals['amend'], totals
    assert totals['refused resumes'] * 4 <= totals['resumes'], totals
