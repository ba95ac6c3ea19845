"""Calls at the limits, made from a seed: documents, queries, sorts, patches, merge patches, imports, manifests,
positions and rights that cost much to look at. What one number gives does not depend on the others, so that each can be
played back alone."""

import json
import random
import re

KIB, MIB = 1 << 10, 1 << 20
DOCUMENT_MOST = 900 * KIB  # limits.document_bytes
MESSAGE_MOST = MIB - 64
LEVELS_MOST = 63  # and the message's own

COLLECTIONS = {
    'whole': {'methods': {'insert': [], 'update': [], 'patch': [], 'remove': []}},
    'indexed': {
        'projector': ['a', 'name'], 'sync_filter': {'archived': {'$ne': True}},
        'unique': ['u'], 'index': ['a', 'l', 'n'],
        'methods': {'insert': [], 'update': [], 'patch': [], 'remove': []},
    },
    'owned': {
        'projector': ['a', 'user', 'group'], 'index': ['a'],
        'rights': {'owner': 'user', 'group': 'group', 'group_read': 'group_read', 'group_write': 'group_write',
                   'all_read': 'all_read', 'all_write': 'all_write'},
        'methods': {'insert': [], 'update': [], 'patch': [], 'remove': []},
    },
}

FIELDS = ('a', 'l', 'n', 'o', 'u')
STEPS = ('a', 'b', 'x', '0', '1', '7', 'k', 'kk')


class Call:
    def __init__(self, what, method, collection, data, user='ann'):
        self.what, self.method, self.collection, self.data, self.user = what, method, collection, data, user

    def __str__(self):
        return f'{self.what}: {self.collection}.{self.method}'


class Texts:
    """Values of which JSON knows several spellings: what is sent is written by hand."""

    def __init__(self):
        self.written = []

    def value(self, text):
        self.written.append(text)
        return f'@@{len(self.written) - 1}@@'

    def dump(self, data):
        text = json.dumps(data, separators=(',', ':'), ensure_ascii=False)
        return re.sub(r'"@@(\d+)@@"', lambda match: self.written[int(match[1])], text)


def sizes(rng, least, most):
    """A size of any order of magnitude; often the largest."""
    if rng.random() < 0.2:
        return most
    return int(least * (most / least) ** rng.random())


def depth(value):
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return 0
    return 1 + max((depth(each) for each in value if isinstance(each, (dict, list))), default=0)


class Values:
    """Random values of about so many bytes, of which several are nearly the same."""

    def __init__(self, rng, texts):
        self.rng = rng
        self.texts = texts
        self.kinds = (self.string, self.escaped, self.number, self.exponent, self.numbers, self.strings,
                      self.objects, self.members, self.long_members, self.deep, self.deep_objects, self.empties,
                      self.tree, self.mixed)

    def any(self, size):
        return self.rng.choice(self.kinds)(size)

    def tail(self):
        return self.rng.choice(('', 'a', 'b', str(self.rng.randrange(10))))

    def string(self, size):
        return 'x' * size + self.tail()

    def escaped(self, size):
        return self.texts.value('"' + '\\u0078' * (size // 6) + self.tail() + '"')

    def number(self, size):
        digits = self.rng.choice(('1', '9', '10'))
        return self.texts.value((digits * size)[:max(1, size)] + str(self.rng.randrange(10)))

    def exponent(self, size):
        digits = '0' * max(1, size - 12)
        return self.texts.value(self.rng.choice((f'0.{digits}1e{size}', f'1{digits}e-{size}', f'1e{size}',
                                                 f'1.{digits}', f'-0.{digits}{self.rng.randrange(10)}')))

    def numbers(self, size):
        return [self.rng.randrange(10) for _ in range(size // 2)]

    def strings(self, size):
        each = sizes(self.rng, 1, max(2, size // 4))
        return ['y' * each + str(n % 7) for n in range(max(1, size // (each + 4)))]

    def objects(self, size):
        key = self.rng.choice(STEPS)
        return [{key: n % 5} for n in range(max(1, size // (len(key) + 7)))]

    def members(self, size):
        return {f'k{n}': n % 3 for n in range(max(1, size // 9))}

    def long_members(self, size):
        each = sizes(self.rng, 8, max(9, size // 8))
        return {'k' * each + str(n): None for n in range(max(1, size // (each + 12)))}

    def deep(self, size):
        value = [1] * max(1, size // 2)
        for _ in range(self.rng.randrange(2, 52)):
            value = [value]
        return value

    def deep_objects(self, size):
        key = self.rng.choice(('a', 'b', 'x'))
        value = self.string(size)
        for _ in range(self.rng.randrange(2, 52)):
            value = {key: value}
        return value

    def empties(self, size):
        return [self.rng.choice(([], {}, None, '', 0))] * max(1, size // 5)

    def tree(self, size):
        """Lists of lists of objects: a path goes into all of them."""
        each = max(2, int((size / 7) ** 0.5))
        key = self.rng.choice(('a', 'x'))
        return [[{key: n % 3} for n in range(each)] for _ in range(max(1, size // (7 * each)))]

    def mixed(self, size):
        return [self.any(max(1, size // 8)) for _ in range(6)]


class Cases:
    """The case of one number: the calls of its preparation, and those that are about it."""

    def __init__(self, seed, number):
        self.rng = random.Random(f'{seed}/{number}')
        self.texts = Texts()
        self.values = Values(self.rng, self.texts)
        self.number = number
        self.collection = self.rng.choice(tuple(COLLECTIONS))
        self.ids = []
        self.documents = []
        self.calls = []
        self.makers = (self.queries, self.queries, self.sorts, self.projections, self.patches, self.patches,
                       self.merges, self.merges, self.imports, self.manifests, self.rights, self.upserts, self.updates,
                       self.words)

    def make(self):
        maker = self.rng.choice(self.makers)
        self.prepare()
        for _ in range(self.rng.randrange(1, 4)):
            maker()
        if self.ids:
            self.add('clean up', 'remove', {'_id': self.ids[:10000]}, user='admin')
        for call in self.calls:
            call.text = self.texts.dump(call.data)
        return [call for call in self.calls
                if len(call.text.encode()) < MESSAGE_MOST and depth(call.data) < LEVELS_MOST]

    def add(self, what, method, data, collection=None, user='ann'):
        self.calls.append(Call(what, method, collection or self.collection, data, user))

    # ---- documents ----

    def document(self, number, size):
        """One of about @size bytes."""
        rng = self.rng
        document = {'_id': f'{self.number}-{number}'}
        fields = rng.sample(FIELDS, rng.randrange(1, 4))
        for field in fields:
            # The fields with an index take what is small, or a list of up to 1000.
            if self.collection == 'indexed' and field in 'anlu' and rng.random() < 0.7:
                each = max(1, min(size // 1000, 400))
                document[field] = self.values.strings(rng.choice((1, 20, min(size, 1000 * (each + 3)))))[:1000]
            else:
                document[field] = self.values.any(max(1, size // len(fields)))
        if self.collection == 'indexed' and 'u' in document:
            document['u'] = rng.choice((f'{number}', 'u' * min(size, 300) + f'{number}'))
        if self.collection == 'owned':
            document |= {'user': 'ann', 'group': rng.choice(('lab', 'other')), 'group_read': rng.random() < 0.5}
        return document

    def prepare(self):
        """Few large documents, or many small ones, in lists of a message each."""
        size = sizes(self.rng, 20, DOCUMENT_MOST - KIB)
        count = max(1, min(self.rng.choice((1, 1, 3, 20, 1000)), 4 * MIB // size))
        same = self.rng.random() < 0.3
        documents, bytes_ = [], 0
        first = self.document(0, size)
        for n in range(count):
            document = first if n == 0 else dict(first, _id=f'{self.number}-{n}') if same else self.document(n, size)
            length = len(self.texts.dump(document).encode())
            if length > MESSAGE_MOST:
                continue
            if bytes_ + length + 1 > MESSAGE_MOST - 64:
                self.add('prepare', 'insert', documents, user='admin')
                documents, bytes_ = [], 0
            if self.collection == 'indexed' and 'u' in document and n:
                document['u'] = f'{document["u"]}-{self.number}-{n}'
            documents.append(document)
            bytes_ += length + 16
            self.ids.append(document['_id'])
            self.documents = documents
        if documents:
            self.add('prepare', 'insert', documents, user='admin')

    def known(self):
        """A document that is there, or an empty one."""
        return self.rng.choice(self.documents) if self.documents else {}

    def path(self):
        """One that leads somewhere, as far as it goes; or long ones that lead nowhere."""
        rng = self.rng
        if rng.random() < 0.1:
            return '.'.join(rng.choice(STEPS) for _ in range(rng.randrange(1, 64)))
        steps, value = [], self.known()
        while isinstance(value, (dict, list)) and value and (not steps or rng.random() < 0.85) and len(steps) < 63:
            if isinstance(value, dict):
                steps.append(rng.choice((next(iter(value)), rng.choice(list(value)), list(value)[-1])))
                value = value[steps[-1]]
            elif rng.random() < 0.7:
                value = value[-1]  # all elements
            else:
                at = rng.choice((0, len(value) - 1))
                steps.append(str(at))
                value = value[at]
        return '.'.join(steps)

    def operand(self, size):
        """A value like one that is there, or another."""
        rng = self.rng
        if rng.random() < 0.5:
            value = self.known()
            for step in self.path().split('.'):
                if isinstance(value, dict) and step in value:
                    value = value[step]
                elif isinstance(value, list) and value:
                    value = value[-1]
            if isinstance(value, dict) and rng.random() < 0.5:
                value = dict(reversed(value.items()))
            return value
        return self.values.any(size)

    # ---- queries ----

    def condition(self, size, deep=0):
        rng = self.rng
        kind = rng.randrange(8)
        if kind == 0:
            count = rng.choice((3, 100, 990))
            each = max(1, size // count)
            return {rng.choice(('$in', '$nin')): [self.operand(each) if rng.random() < 0.05 else
                                                  rng.choice((self.values.string, self.values.number,
                                                              self.values.exponent))(each) for _ in range(count)]}
        if kind == 1 and deep < 40:
            return {'$not': self.condition(size, deep + 1)}
        if kind == 2:
            return {'$exists': rng.random() < 0.5}
        if kind in (3, 4):
            return {rng.choice(('$gt', '$gte', '$lt', '$lte')): rng.choice(
                (self.values.string, self.values.number, self.values.exponent, self.values.escaped))(size)}
        return {rng.choice(('$eq', '$ne')): self.operand(size)}

    def query(self):
        rng = self.rng
        size = sizes(rng, 1, DOCUMENT_MOST - 8 * KIB)
        form = rng.randrange(5)
        if form == 0:
            return {self.path(): self.condition(size)}
        count = rng.choice((2, 10, 100, 330))
        parts = [{self.path(): self.condition(max(1, size // count))} for _ in range(count)]
        if form == 1:
            return {rng.choice(('$and', '$or')): parts}
        if form == 2:
            path = self.path()
            return {'$or': [{path: {'$ne': 0, '$gt': n, '$exists': True}} for n in range(200)]}
        if form == 3:
            query = {'$or': parts}
            for _ in range(rng.randrange(20)):
                query = {'$not': query} if rng.random() < 0.5 else {'$and': [query]}
            return query
        return {key: value for part in parts for key, value in part.items()}

    def find(self, what, **data):
        self.add(what, self.rng.choice(('find', 'find', 'count')) if set(data) <= {'query'} else 'find', data,
                 user=self.rng.choice(('ann', 'ann', 'ann', 'reader')))

    def queries(self):
        self.find('query', query=self.query())

    def sorts(self):
        rng = self.rng
        sort = {self.path(): rng.choice((1, -1)) for _ in range(rng.randrange(1, 9))}
        data = {'sort': sort, 'limit': rng.choice((1, 10, 1000))}
        if rng.random() < 0.5:
            data['skip'] = rng.choice((0, 1, 100, 9000))
        if rng.random() < 0.3:
            data['query'] = self.query()
        self.find('sort', **data)

    def projections(self):
        rng = self.rng
        keys = list(self.known()) or ['a']
        value = self.known().get(keys[-1])
        if isinstance(value, dict):
            keys += list(value)
        fields = [rng.choice((rng.choice(keys), self.path(), 'k' * sizes(rng, 1, 1000) + str(n))) for n in
                  range(rng.choice((1, 10, 100, 256)))]
        self.find('projection', fields=fields, **({'query': self.query()} if rng.random() < 0.3 else {}))

    # ---- changes ----

    def pointer(self):
        return ''.join('/' + step.replace('~', '~0').replace('/', '~1') for step in self.path().split('.'))

    def container(self):
        """A pointer to a list or an object, and the value."""
        value, steps = self.known(), []
        while isinstance(value, (dict, list)) and value:
            step = self.rng.choice((0, -1))
            key = list(value)[step] if isinstance(value, dict) else str(len(value) - 1 if step else 0)
            child = value[key] if isinstance(value, dict) else value[int(key)]
            if not isinstance(child, (dict, list)) or (steps and self.rng.random() < 0.3):
                break
            steps.append(str(key))
            value = child
        return ''.join('/' + step for step in steps), value

    def operations(self, count):
        """One kind of operation, again and again, or any."""
        rng = self.rng
        base, value = self.container()
        last = len(value) - 1 if isinstance(value, list) else 0
        whole = self.operand(10)
        rounds = {
            'add in front': lambda n: [{'op': 'add', 'path': base + '/0', 'value': n}],
            'add behind': lambda n: [{'op': 'add', 'path': base + '/-', 'value': n}],
            'add a member': lambda n: [{'op': 'add', 'path': f'{base}/new{n}', 'value': n}],
            'add and remove': lambda n: [{'op': 'add', 'path': base + '/0', 'value': n},
                                         {'op': 'remove', 'path': base + '/0'}],
            'remove the last': lambda n: [{'op': 'remove', 'path': f'{base}/{max(0, last - n)}'}],
            'remove the first': lambda n: [{'op': 'remove', 'path': base + '/0'}],
            'to and fro': lambda n: [{'op': 'move', 'from': base, 'path': '/moved'},
                                     {'op': 'move', 'from': '/moved', 'path': base}],
            'within': lambda n: [{'op': 'move', 'from': f'{base}/0', 'path': f'{base}/{last}'}],
            'copy': lambda n: [{'op': 'copy', 'from': base, 'path': f'/c{n}'}],
            'copy into itself': lambda n: [{'op': 'copy', 'from': base, 'path': base + '/-'}],
            'test': lambda n: [{'op': 'test', 'path': base, 'value': whole if n else value}],
            'test the last': lambda n: [{'op': 'test', 'path': f'{base}/{last}', 'value': n}],
            'replace': lambda n: [{'op': 'replace', 'path': self.pointer() or '/a', 'value': n}],
            'replace the last': lambda n: [{'op': 'replace', 'path': f'{base}/{last}', 'value': n}],
        }
        if isinstance(value, dict) and value:
            key = '/' + list(value)[-1]
            rounds['the last member'] = lambda n: [{'op': 'replace', 'path': base + key, 'value': n}]
            rounds['away and back'] = lambda n: [{'op': 'remove', 'path': base + key},
                                                 {'op': 'add', 'path': base + key, 'value': n}]
        name = rng.choice(list(rounds))
        return name, [operation for n in range(count) for operation in rounds[name](n)]

    def patches(self):
        rng = self.rng
        names, operations = [], []
        for _ in range(rng.choice((1, 1, 2))):
            name, more = self.operations(rng.choice((1, 10, 300, 5000, 12000)))
            names.append(name)
            operations += more
        while operations and len(self.texts.dump(operations)) > MESSAGE_MOST - 200:
            operations = operations[:len(operations) // 2]
        self.add(f'patch, {" and ".join(names)}', 'patch',
                 {'_id': self.known().get('_id', 'none'), 'operations': operations})

    def merge(self):
        """Changes that fit what is there: members in another order, null for each, or other ones."""
        rng = self.rng
        document = {key: value for key, value in self.known().items()
                    if key not in ('_id', 'user', 'group', 'group_read', 'u')}
        kind = rng.randrange(6)
        if kind == 0:
            return 'the same', document
        if kind == 1:
            return 'backwards', {key: dict(reversed(value.items())) if isinstance(value, dict) else value
                                 for key, value in document.items()}
        if kind == 2:
            return 'away', {key: {name: None for name in value} if isinstance(value, dict) else None
                            for key, value in document.items()}
        if kind == 3:
            return 'others', {key: {f'{name}!': 1 for name in value} if isinstance(value, dict) else 7
                              for key, value in document.items()}
        if kind == 4:
            return 'nulls that are nowhere', {f'none{n}': None for n in range(sizes(rng, 1, 60000))}
        return 'any', {rng.choice(FIELDS[:4]): self.values.any(sizes(rng, 1, DOCUMENT_MOST - 4 * KIB))}

    def merges(self):
        name, changes = self.merge()
        self.add(f'merge, {name}', 'update', {'_id': self.known().get('_id', 'none'), 'changes': changes})

    def updates(self):
        """By a query: many documents."""
        name, changes = self.merge()
        if self.rng.random() < 0.5:
            name, changes = 'little', {'o': self.rng.randrange(10)}
        query = {'_id': {'$gte': f'{self.number}-', '$lt': f'{self.number}.'}}
        if self.rng.random() < 0.5:
            query = self.query()
        self.add(f'update by query, {name}', 'update', {'query': query, 'changes': changes})

    def upserts(self):
        rng = self.rng
        new = f'{self.number}-upsert{len(self.calls)}'
        self.ids.append(new)
        name, changes = self.merge()
        for _ in range(2):
            self.add(f'upsert, {name}', 'update', {'_id': new, 'changes': changes, 'upsert': True})
        self.add('patch, text', 'patch', {'_id': new, 'operations': [
            {'op': rng.choice(('add', 'replace', 'test')), 'path': rng.choice(('/a', '/o', '/b/c', '')),
             'value': self.values.any(sizes(rng, 1, DOCUMENT_MOST - KIB))}]})

    def imports(self):
        """Lists of small documents with many keys, of which the last may be in the way of another."""
        rng = self.rng
        count = rng.choice((10, 1000, 9990))
        keys = rng.choice((0, 1, 10, 100))
        document = {'l': [f'{n:03}' for n in range(keys)], 'a': 'x' * rng.choice((1, 30))}
        if rng.random() < 0.2:
            document['l'] = ['l' * 400 + f'{n:03}' for n in range(keys)]
        room = MESSAGE_MOST // (len(json.dumps(document)) + 40)
        prefix = 'p' * rng.choice((1, 40, 200))
        room = min(room, MESSAGE_MOST // (len(prefix) + len(json.dumps(document)) + 60))
        documents = [{'_id': f'{prefix}{self.number}-{n:05}', **document, 'u': f'{n}'} for n in range(min(count, room))]
        if rng.random() < 0.3:
            documents.append(dict(documents[0]))
        self.add('import', 'insert', documents)
        ids = [document['_id'] for document in documents]
        changes = rng.choice(({'o': 1}, {'l': None}, {'l': ['x']}, {'a': 'y'}))
        query = {'_id': {'$gte': f'{prefix}{self.number}-', '$lt': f'{prefix}{self.number}.'}}
        if rng.random() < 0.5:
            self.add('update of an import', 'update', {'query': query, 'changes': changes})
        if rng.random() < 0.5:
            self.find('query of an import', query={'l': {'$gte': '000'}, **({'a': self.condition(10)})})
        if rng.random() < 0.5:
            self.find('sort of an import', query=query, sort={rng.choice(('u', 'a', 'l', '_id')): -1})
        rng.shuffle(ids)
        self.add('remove an import', 'remove', {'_id': ids})

    # ---- copies ----

    def manifests(self):
        rng = self.rng
        count = sizes(rng, 1, 50000)
        prefix = rng.choice(('', 'm', 'p' * 30, 'p' * 230, f'{self.number}-'))
        names = [f'{prefix}{n}' for n in range(min(count, MESSAGE_MOST // (len(prefix) + 12)))]
        order = rng.randrange(3)
        if order == 0:
            names.sort(reverse=True)
        elif order == 1:
            rng.shuffle(names)
        manifest = {name: rng.randrange(3) for name in names}
        kind = rng.randrange(4)
        if kind == 0:
            self.add('sync', 'sync', manifest)
        elif kind == 1:
            data = {'manifest': manifest, 'from': rng.choice(names), 'to': rng.choice(names)}
            self.add('sync of a range', 'sync', data)
        elif kind == 2:
            data = {'manifests': {name: manifest for name in rng.sample(tuple(COLLECTIONS), rng.randrange(1, 3))}}
            self.add('sync of several', 'sync', data, 'dispatcher')
        else:
            self.add('resume', 'resume', {'epoch': '@@epoch@@', 'seq': '@@seq@@'}, 'dispatcher')

    # ---- rights ----

    def rights(self):
        rng = self.rng
        kind = rng.randrange(5)
        if kind == 0:
            self.add('membership', 'set_group', {'user_id': rng.choice(('ann', 'reader')), 'group_id': 'lab',
                                                 'member': rng.random() < 0.5}, 'users', 'admin')
        elif kind == 1:
            self.add('owners', 'update', {'query': {'user': 'ann'}, 'changes': {'user': rng.choice(('reader', 'ann'))}},
                     'owned', 'admin')
        elif kind == 2:
            self.add('readers', 'update', {'query': {}, 'changes': {'all_read': rng.random() < 0.5}}, 'owned', 'admin')
        elif kind == 3:
            self.add('permissions', 'update_permissions', {'_id': 'lab', 'permissions': {'modify_virus': True}},
                     'groups', 'admin')
        else:
            self.add('groups', 'update', {'query': {'group': 'lab'}, 'changes': {'group': 'other'}}, 'owned', 'admin')
        self.find('query after rights', query={})

    # ---- what is no use ----

    def words(self):
        """Names and values where others are expected: what says so must not cost more than it."""
        rng = self.rng
        size = sizes(rng, 1, DOCUMENT_MOST - KIB)
        value = self.values.any(size)
        what = rng.choice((
            ('subscribe', 'dispatcher', {'collections': [rng.choice((*COLLECTIONS, 'z' * 20))] * sizes(rng, 1, 40000)}),
            ('subscribe', 'dispatcher', {'collections': None}), ('describe', 'dispatcher', value),
            ('n' * min(size, 2000), self.collection, None), ('find', self.collection, {'sort': value}),
            ('find', self.collection, {'query': value}), ('find', self.collection, {'fields': value}),
            ('remove', self.collection, {'_id': value}), ('remove', self.collection, {'_id': ['none'] * (size // 8)}),
            ('sync', self.collection, value), ('sync', 'dispatcher', {'manifests': value}),
            ('patch', self.collection, {'_id': 'none', 'operations': value}),
            ('update', self.collection, {'_id': 'none', 'changes': value}),
            ('insert', self.collection, value), ('detail', self.collection, {'_id': value}),
            ('change_user_setting', 'users', {'key': value, 'value': value if size < MIB // 3 else 1}),
            ('sessions', 'users', {'user_id': value}), ('find', self.collection, {'query': {self.path(): value}})))
        self.add('words', what[0], what[2], what[1])
        if what[0] == 'subscribe':
            self.add('words', 'subscribe', {'collections': None}, 'dispatcher')
