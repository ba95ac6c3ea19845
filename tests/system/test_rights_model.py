"""Rights by fields against a small model of the rules, over random documents, users and calls."""

import json
import os
import random

from client import CallError, Client
from server import scaled

GROUPS = {'admin': {'administrator'}, 'ann': {'lab'}, 'ben': {'lab'}, 'carl': {'other'}}
RIGHTS = ('user', 'group', 'group_read', 'group_write', 'all_read', 'all_write')


class Refused(Exception):
    pass


def same(one, other):
    """Equal as JSON is: true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def member(document, name):
    return isinstance(document.get('group'), str) and document['group'] in GROUPS[name]


def only(document, field):
    return {k: v for k, v in document.items() if k == field}


class Model:
    """What the documents are, and what a call comes to."""

    def __init__(self):
        self.documents = {}
        self.former = {}  # {id: whose it was} of those that somebody else removed

    def reads(self, name, document):
        return (name == 'admin' or document.get('user') == name or document.get('all_read') is True
                or (document.get('group_read') is True and member(document, name)))

    def changes(self, name, document):
        return (name == 'admin' or document.get('user') == name or document.get('all_write') is True
                or (document.get('group_write') is True and member(document, name)))

    def seen(self, name):
        return {key: d for key, d in self.documents.items() if self.reads(name, d)}

    def need(self, name, key, missing='not_found'):
        document = self.documents.get(key)
        if document is None or not self.reads(name, document):
            raise Refused(missing)
        if not self.changes(name, document):
            raise Refused('forbidden')
        return document

    def become(self, name, key, old, new):
        """The document as it is stored, from what was there (None: it is new)."""
        former = self.former.pop(key, name) if old is None else name
        if old is None:
            new.setdefault('user', name)
        if name == 'admin':
            return new
        if former != name:
            raise Refused('forbidden')
        owns = new.get('user') == name if old is None else old.get('user') == name
        if not owns and (old is None or any(not same(only(old, f), only(new, f)) for f in RIGHTS)):
            raise Refused('forbidden')
        group = new.get('group')
        if isinstance(group, str) and group not in {'', *GROUPS[name]} and (old is None or old.get('group') != group):
            raise Refused('forbidden')
        return new

    def run(self, name, method, data):
        """Applies the call; returns the ids of the answer."""
        after = dict(self.documents)
        before, self.documents = (self.documents, dict(self.former)), after
        try:
            return getattr(self, method)(name, data)
        except Refused:
            self.documents, self.former = before
            raise

    def insert(self, name, data):
        for document in data:
            if document['_id'] in self.documents:
                raise Refused('exists')
            fields = {k: v for k, v in document.items() if k != '_id'}
            self.documents[document['_id']] = self.become(name, document['_id'], None, fields)
        return [d['_id'] for d in data]

    def update(self, name, data):
        if 'query' in data:
            # All that may be read, as far as the query goes.
            ids = [k for k, d in sorted(self.seen(name).items()) if d.get('n') == data['query']['n']]
            for key in ids:
                self.merge(name, key, self.need(name, key), data['changes'])
            return ids
        key = data['_id']
        if data.get('upsert') and key not in self.documents:
            self.merge(name, key, None, data['changes'])
        else:
            self.merge(name, key, self.need(name, key), data['changes'])
        return [key]

    def merge(self, name, key, old, changes):
        new = {**(old or {}), **changes}
        new = {k: v for k, v in new.items() if v is not None or (k not in changes)}
        if old is None or not same(new, old):
            self.documents[key] = self.become(name, key, old, new)

    def patch(self, name, data):
        old = self.need(name, data['_id'])
        new = dict(old)
        for operation in data['operations']:
            field = operation['path'][1:]
            if operation['op'] == 'test':
                if not same(new.get(field), operation['value']):
                    raise Refused('conflict')
            else:
                new[field] = operation['value']
        if not same(new, old):
            self.documents[data['_id']] = self.become(name, data['_id'], old, new)
        return [data['_id']]

    def remove(self, name, data):
        ids = []
        for key in data['_id']:
            if key in self.documents and self.reads(name, self.documents[key]):
                owner = self.need(name, key).get('user')
                del self.documents[key]
                if name not in ('admin', owner):
                    self.former[key] = owner
                ids.append(key)
        return ids


class Chance:
    """Random calls."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.n = 0

    def key(self):
        return f'k{self.random.randrange(8)}'

    def fields(self, most=3, null=True):
        values = {
            'user': ['ann', 'ben', 'carl', 7], 'group': ['lab', 'other', '', ['lab']],
            'group_read': [True, True, False], 'group_write': [True, True, False],
            'all_read': [True, True, False, 'true'], 'all_write': [True, True, False, 1], 'n': [0, 1, 2],
        }
        names = self.random.sample(sorted(values), self.random.randrange(most + 1))
        return {f: self.random.choice(values[f] + ([None] if null else [])) for f in names}

    def call(self):
        method = self.random.choice(['insert', 'insert', 'update', 'update', 'update', 'patch', 'remove'])
        if method == 'insert':
            keys = self.random.sample(range(8), self.random.choice([1, 1, 2]))
            return method, [{'_id': f'k{k}', **self.fields(5)} for k in keys]
        if method == 'remove':
            return method, {'_id': [f'k{k}' for k in self.random.sample(range(8), self.random.choice([1, 1, 3]))]}
        if method == 'patch':
            operations = [{'op': 'add', 'path': f'/{f}', 'value': v} for f, v in self.fields().items()]
            if self.random.random() < 0.3:
                operations.insert(0, {'op': 'test', 'path': '/n', 'value': 1})
            return method, {'_id': self.key(), 'operations': operations}
        changes = {**self.fields(), 'm': self.random.randrange(3)}
        if self.random.random() < 0.2:
            return method, {'query': {'n': self.random.randrange(3)}, 'changes': changes}
        return method, {'_id': self.key(), 'changes': changes, 'upsert': self.random.random() < 0.3}


async def run_call(client, method, data):
    try:
        answer = await client.call(method, 'samples', data)
    except CallError as error:
        return error.code
    return [a['_id'] for a in answer] if method == 'insert' else answer.get('_ids') or (
        [answer['_id']] if '_id' in answer else [])


async def test_against_a_model(server):
    """Random calls of random users come to what the rules say; in the end each sees exactly what it may."""
    seed = int(os.environ.get('DISPATCHD_TEST_SEED', random.randrange(1 << 30)))
    chance, model = Chance(seed), Model()
    clients = {name: await Client.connect(server, name) for name in GROUPS}
    counts = {}
    for step in range(scaled(3000, 600)):
        name = chance.random.choice(sorted(GROUPS))
        method, data = chance.call()
        try:
            expected = model.run(name, method, data)
        except Refused as refused:
            expected = str(refused)
        what = f'seed {seed}, step {step}: {name} {method} {data}'
        assert await run_call(clients[name], method, data) == expected, what
        kind = expected if isinstance(expected, str) else 'done'
        counts[kind] = counts.get(kind, 0) + 1
    assert min(counts.get(kind, 0) for kind in ('done', 'forbidden', 'not_found', 'exists')) > 10, counts
    await clients['admin'].call('insert', 'notes', {'_id': 'end'})
    for name, client in clients.items():
        found = (await client.call('find', 'samples', {}))['documents']
        assert {d.pop('_id'): {k: v for k, v in d.items() if k != '_version'} for d in found} == model.seen(name), seed
        assert await client.call('count', 'samples') == len(found)
        await client.until(lambda c=client: 'end' in c.copy('notes'))
        assert set(client.copy('samples')) == set(model.seen(name)), seed
