"""Clients that keep their copies in files and are killed at any message, through any history of documents, rights,
restarts, dead processes, stores put back or filled from an export, and changed configurations: whenever they come up to
date, their copies are what a fresh `find` returns.

DISPATCHD_TEST_SEED and DISPATCHD_TEST_ROUNDS say which histories, and how many."""

import asyncio
import os
import random

import pytest

from client import CallError, Client
from configuration import COLLECTIONS, configuration
from histories import Drivers, differ, find_all
from keeper import Keeper
from past import put_back, take_copy
from person import BROKEN
from server import PATIENCE, scaled

ROUNDS = int(os.environ.get('DISPATCHD_TEST_ROUNDS', scaled(25, 5)))
SEED = os.environ.get('DISPATCHD_TEST_SEED', '1')
STEPS = 50

PEOPLE = ['ann', 'ben', 'carl', 'insider', 'reader', 'ann', 'insider', 'admin']
USERS = ['ann', 'ben', 'carl', 'insider', 'reader']
GROUPS = ['lab', 'other', 'insiders']
WRITTEN = ['notes', 'viruses', 'samples', 'secrets', 'vault']
FOLLOWED = ['groups', 'secrets', 'vault', 'samples', 'viruses', 'notes']  # the last is open to all
CLOSED = {'groups', 'secrets', 'vault', 'samples'}                       # to some, in some configuration
IDS = [f'd{i:02}' for i in range(25)]


# ---- configurations ----

RIGHTS = COLLECTIONS['samples']['rights']
DECLARATIONS = {
    'notes': [{}],
    'viruses': [{'projector': ['name', 'abbreviation'], 'sync_filter': {'archived': {'$ne': True}}},
                {'projector': ['name', 'n'], 'sync_filter': {'archived': {'$ne': True}}},
                {'projector': ['name', 'abbreviation']},
                {'sync_filter': {'archived': True}}],
    'samples': [{'projector': ['name', 'user', 'group'], 'rights': RIGHTS},
                {'projector': ['name', 'user', 'group'], 'rights': {**RIGHTS, 'group_read': 'archived'}},
                {'projector': ['name', 'user', 'group'], 'rights': {'owner': 'user'}, 'read': 'see_secrets'}],
    'secrets': [{'read': 'see_secrets'}, {}, None],
    'vault': [{'rights': RIGHTS, 'read': 'see_secrets'}, {'rights': RIGHTS}],
}


def random_configuration(chance, before=None):
    """Like the one before, but for a declaration or two."""
    collections = dict(before or {name: kinds[0] for name, kinds in DECLARATIONS.items()})
    for name in chance.sample(sorted(DECLARATIONS), 2):
        collections[name] = chance.choice(DECLARATIONS[name])
    return collections


def write_configuration(server, chance, collections):
    """Small, so that slow clients leave the backlog, and often the change log too."""
    methods = COLLECTIONS['notes']['methods']
    declared = {name: {**kind, 'methods': methods} for name, kind in collections.items() if kind is not None}
    server.configure(configuration(
        collections=declared, ring_bytes='128K', backlog_bytes='64K', log_level='notice', stop_timeout_ms=500,
        change_log_entries=chance.choice([15, 60, 400, 100000]), ping_interval_ms=chance.choice([500, 1500, 5000]),
        limits={'message_bytes': '16K', 'document_bytes': '16K', 'login_attempts': 100000}))


# ---- calls ----

def random_document_call(chance):
    collection, keys = chance.choice(WRITTEN), chance.sample(IDS, chance.choice([1, 1, 1, 4]))
    rights = {'user': chance.choice([*USERS, None]), 'group': chance.choice([*GROUPS, None]),
              'group_read': chance.random() < 0.5, 'all_read': chance.random() < 0.2}
    changes = {'n': chance.randrange(4), 'archived': chance.random() < 0.3, 'abbreviation': chance.choice('ABC'),
               **rights}
    text = 'x' * chance.choice([0, 0, 0, 100, 3000, 10000])
    kind = chance.random()
    if kind < 0.25:
        return ('remove', collection, {'_id': keys})
    if kind < 0.55:
        return ('insert', collection, [{'_id': key, 'name': key, 'text': text, **changes} for key in keys])
    if kind < 0.6:
        return ('insert', collection, [{'name': 'one of many', 'text': text, **changes} for _ in keys])
    if kind < 0.65:  # together those with ids of the server's are not more and more
        return ('remove', collection, {'_id': [f'd{i:02}' for i in range(3)]})
    if kind < 0.75:
        some = {key: value for key, value in changes.items() if chance.random() < 0.3}
        return ('update', collection, {'query': {'_id': {'$gte': keys[0]}}, 'changes': {**some, 'n': chance.random()}})
    return ('update', collection, {'_id': keys[0], 'changes': {'name': keys[0], 'text': text, **changes},
                                   'upsert': True})


def random_rights_call(chance):
    user, group = chance.choice(USERS), chance.choice(GROUPS)
    kind = chance.random()
    if kind < 0.5:
        return ('set_group', 'users', {'user_id': user, 'group_id': group})
    if kind < 0.8:
        return ('update_permissions', 'groups', {'_id': group, 'permissions': {'see_secrets': chance.random() < 0.5}})
    if kind < 0.9:
        return ('set_group', 'users', {'user_id': user, 'group_id': 'administrator'})
    if kind < 0.95:
        return ('remove_group', 'groups', {'_id': group})
    return ('add', 'groups', {'_id': group, 'take_over': True})


# ---- a history ----

class History:
    def __init__(self, server, chance):
        self.server = server
        self.drivers = Drivers(server)
        self.collections = random_configuration(chance)
        self.copies = []  # of the store: (path, configuration)
        self.calls = []
        self.events = {}  # how often what happened
        write_configuration(server, chance, self.collections)
        server.start()
        directory = os.path.join(server.directory, 'clients')
        os.mkdir(directory)
        self.people = [Keeper(server, user, FOLLOWED, os.path.join(directory, f'{i}.db'), random.Random(f'{SEED}.{i}'))
                       for i, user in enumerate(PEOPLE)]

    async def end(self):
        for person in self.people:
            await person.end()

    # ---- steps ----

    def act(self, chance):
        kind = chance.random()
        person = chance.choice(self.people)
        if kind < 0.60:
            self.begin(chance, random_document_call(chance))
        elif kind < 0.72:
            self.begin(chance, random_rights_call(chance))
        elif kind < 0.75:  # more than a slow client's sockets hold
            person.pause()
            for _ in range(4):
                text = chance.choice('xyz') * 12000
                self.begin(chance, ('update', 'notes', {'query': {}, 'changes': {'text': text, 'n': chance.random()}}))
        elif kind < 0.78:
            person.pause()
        elif kind < 0.84:
            person.go_on()
        elif kind < 0.87:
            person.cut_off()
        elif kind < 0.96:
            person.die_after(chance.choice([1, 2, 3, 5, 8, 13, 30]))
            person.go_on()
        else:
            person.want_something()

    def begin(self, chance, call):
        if self.collections.get(call[1], {}) is not None:
            self.calls.append(asyncio.ensure_future(self.drivers.run(chance.randrange(3), call)))

    async def steps(self, chance, number):
        """Random ones, of which some wait for what was begun."""
        for _ in range(number):
            self.act(chance)
            if chance.random() < 0.2:
                await self.settle()
            elif chance.random() < 0.3:
                await asyncio.sleep(0)
        await self.settle()

    async def settle(self):
        await asyncio.gather(*self.calls)
        self.calls.clear()

    # ---- what happens to the server ----

    async def happen(self, chance):
        names = ['nothing', 'worker', 'committer', 'stop', 'kill', 'put_back', 'put_back', 'refill', 'reconfigure']
        name = chance.choice(names)
        self.events[name] = self.events.get(name, 0) + 1
        away = [person for person in self.people if chance.random() < 0.3]
        for person in away:
            await person.leave()
        await getattr(self, name)(chance)
        await self.steps(chance, chance.choice([0, 5, STEPS]))
        for person in away:
            person.come_back()
        for person in self.people:
            person.revive()

    async def nothing(self, chance):
        pass

    async def worker(self, chance):
        await asyncio.to_thread(self.server.kill, chance.choice(self.server.worker_pids()))

    async def committer(self, chance):
        self.begin(chance, random_document_call(chance))
        await asyncio.to_thread(self.server.kill, self.server.committer_pid())
        await self.settle()

    async def down(self, chance):
        """Ends in one of two ways."""
        self.begin(chance, random_document_call(chance))
        if chance.random() < 0.5:
            assert await asyncio.to_thread(self.server.stop) == 0
        else:
            await asyncio.to_thread(self.server.kill_all)

    async def up(self):
        await asyncio.to_thread(self.server.start)
        await self.settle()

    async def stop(self, chance):
        assert await asyncio.to_thread(self.server.stop) == 0
        await self.up()

    async def kill(self, chance):
        self.begin(chance, random_document_call(chance))
        await asyncio.to_thread(self.server.kill_all)
        await self.up()

    async def reconfigure(self, chance):
        await self.down(chance)
        self.collections = random_configuration(chance, self.collections)
        write_configuration(self.server, chance, self.collections)
        await self.up()

    async def take_copy(self, chance):
        """Of the store, while some read what was before and die when they have read something of what comes after."""
        slow = [person for person in self.people if chance.random() < 0.4]
        for person in slow:
            person.pause()
        await self.steps(chance, chance.choice([0, 5, STEPS]))
        name = str(chance.randrange(3))
        path = await asyncio.to_thread(take_copy, self.server, name)
        self.copies = [(other, collections) for other, collections in self.copies if other != path]
        self.copies.append((path, self.collections))
        await self.steps(chance, chance.choice([0, 5, STEPS]))
        for person in slow:
            person.die_after(chance.randrange(1, 20))
            person.go_on()

    async def put_back(self, chance):
        """An older store, perhaps with a configuration that it was not made with."""
        if not self.copies:
            return
        path, collections = chance.choice([*self.copies, self.copies[-1], self.copies[-1]])
        await self.down(chance)
        await asyncio.to_thread(put_back, self.server, path)
        if chance.random() < 0.7:
            self.collections = random_configuration(chance, collections) if chance.random() < 0.5 else collections
        write_configuration(self.server, chance, self.collections)
        await self.up()

    async def refill(self, chance):
        """An empty store on the same port, with what was exported from the former one."""
        names = [name for name in WRITTEN if self.collections[name] is not None]
        exported = {name: await asyncio.to_thread(self.server.export, name) for name in names}
        await self.down(chance)
        await asyncio.to_thread(put_back, self.server, self.server.template.data)
        await asyncio.to_thread(self.server.start)
        for name in names:
            await asyncio.to_thread(self.server.load, name, exported[name].values())
        await self.settle()

    # ---- quiet ----

    async def quiet(self):
        """Until everybody is there, and has got what was the last change."""
        call = {'_id': 'mark', 'changes': {'mark': random.random()}, 'upsert': True}
        await self.drivers.surely('update', 'notes', call)
        deadline = asyncio.get_running_loop().time() + PATIENCE * 2
        for person in self.people:
            person.want([name for name in FOLLOWED if self.collections.get(name, {}) is not None])
            person.go_on()
        for person in self.people:
            person.revive()
            while not (person.spare() and
                       person.copy['notes'].get('mark', {}).get('mark') == call['changes']['mark']):
                if person.task.done():
                    person.task.result()
                person.go_on()
                assert asyncio.get_running_loop().time() < deadline, f'{person.user} waits: {vars(person)}'[:3000]
                await asyncio.sleep(0.005)

    async def fresh(self, user):
        """{collection: what must be held} by a new connection's find."""
        while True:
            try:
                client = await Client.connect(self.server, user)
                result = {name: await self.fresh_collection(client, name) for name in FOLLOWED}
                await client.close()
                return result
            except BROKEN:  # a slow machine, and short pings
                await asyncio.sleep(0.01)

    async def fresh_collection(self, client, name):
        declared = self.collections.get(name, {})
        try:
            return {} if declared is None else await find_all(client, name, declared)
        except CallError as error:
            assert error.code == 'forbidden' and name in CLOSED, error
            return {}

    async def differences(self):
        found = []
        for user in dict.fromkeys(PEOPLE):
            wanted = await self.fresh(user)
            for number, person in enumerate(self.people):
                if person.user == user:
                    found += [f'{number} {user} {name} {line}' for name, documents in wanted.items()
                              if name in person.followed for line in differ(person.copy[name], documents)]
        return found

    async def check(self, where):
        found = True
        for _ in range(2):  # what a dead process left half done may go on for a moment
            if found:
                await self.quiet()
                found = await self.differences()
        assert not found, '\n'.join([where, *found[:40]])


@pytest.mark.long
async def test_random_histories(make_server, template):
    chance = random.Random(SEED)
    server = make_server(start=False, workers=3)
    server.template = template
    history = History(server, chance)
    round_ = 0
    try:
        for round_ in range(ROUNDS):
            chance = random.Random(f'{SEED}.{round_}')
            await history.steps(chance, chance.randrange(STEPS))
            if chance.random() < 0.5:
                await history.take_copy(chance)
            await history.happen(chance)
            await history.check(f'seed {SEED}, round {round_}, {history.events}')
    except BaseException:
        print(f'seed {SEED}, round {round_}', server.log()[-4000:], sep='\n')
        raise
    finally:
        await history.end()
    totals = {key: sum(p.counts[key] for p in history.people) for key in history.people[0].counts}
    print(history.events, totals)
    assert totals['kills'] >= ROUNDS and totals['resumes'] > totals['refused resumes'], totals
