"""What a client keeps of a user's collections from one connection to the next, and when it changes: the rules of
dispatchd-protocol(7), 'The life of a copy', in one place. What it keeps can be a file, and the client can be killed
before and after everything that is written to it."""

import json
import sqlite3
from typing import NamedTuple, Optional


class Mark(NamedTuple):
    """How far the copy of one collection is true."""
    position: Optional[tuple] = None  # (epoch, seq)
    unfinished: Optional[int] = None  # the run that has written what may be newer than the position

    def said(self):
        """As sync and resume take it."""
        said = {} if self.position is None else {'epoch': self.position[0], 'seq': self.position[1]}
        return said if self.unfinished is None else {**said, 'unfinished': self.unfinished}


class Killed(Exception):
    """The client has died here."""


class Memory:
    """Where a client keeps its copies that lives as long as they do."""

    def load(self, collections):
        return {name: {} for name in collections}, {name: Mark() for name in collections}

    def write(self, changes, marks):
        pass


class CopyFile:
    """Keeps documents and marks in a file; @together: in one transaction, so that a kill meets all of it or nothing.
    Otherwise the rule for those who cannot do so holds: `unfinished` first, then documents, then the position."""

    def __init__(self, path, together=True):
        self.together = together
        self.writes_left = None  # after so many more the client is killed
        self.stored = {}         # the marks as the file has them
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.executescript("""
            PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;
            CREATE TABLE IF NOT EXISTS documents (collection, id, document, PRIMARY KEY (collection, id)) WITHOUT ROWID;
            CREATE TABLE IF NOT EXISTS marks (collection PRIMARY KEY, mark) WITHOUT ROWID;""")

    def close(self):
        self.database.close()

    def load(self, collections):
        documents = {name: {} for name in collections}
        for name, key, text in self.database.execute('SELECT collection, id, document FROM documents'):
            documents[name][key] = json.loads(text)
        marks = {name: Mark() for name in collections}
        for name, text in self.database.execute('SELECT collection, mark FROM marks'):
            position, unfinished = json.loads(text)
            marks[name] = Mark(position and tuple(position), unfinished)
        self.stored = dict(marks)
        return documents, marks

    def write(self, changes, marks):
        """@changes: [(collection, id, document or None)]; @marks: {collection: mark}."""
        if self.together or not changes:
            self.commit(changes, marks)
            return
        begun = {}
        for name, mark in marks.items():
            position, unfinished = self.stored[name]
            begun[name] = Mark(position, unfinished or mark.unfinished or mark.position[0])
        self.commit([], begun)
        self.commit(changes, {})
        self.commit([], marks)

    def commit(self, changes, marks):
        self.may_be_killed()
        self.database.execute('BEGIN')
        for name, key, document in changes:
            if document is None:
                self.database.execute('DELETE FROM documents WHERE collection = ? AND id = ?', (name, key))
            else:
                self.database.execute('INSERT OR REPLACE INTO documents VALUES (?, ?, ?)',
                                      (name, key, json.dumps(document)))
        for name, mark in marks.items():
            if mark != self.stored[name]:
                self.database.execute('INSERT OR REPLACE INTO marks VALUES (?, ?)', (name, json.dumps(mark)))
        self.database.execute('COMMIT')
        self.stored.update(marks)
        self.may_be_killed()

    def may_be_killed(self):
        if self.writes_left is None:
            return
        self.writes_left -= 1
        if self.writes_left <= 0:
            self.writes_left = None
            raise Killed


class KeptCopy:
    def __init__(self, collections, storage=None):
        self.storage = storage or Memory()
        self.documents, self.marks = self.storage.load(collections)  # by collection
        self.epoch = None       # the server's run, as its pings say
        self.complete = set()   # the collections that follow the changes on this connection
        self.left_out = set()   # those that it is not subscribed to
        self.interruptions = 0  # how often they have ceased to

    def save(self, changes, marks):
        """What came in one message, and what it means for the marks."""
        self.storage.write(changes, marks)
        for name, key, document in changes:
            if document is None:
                self.documents[name].pop(key, None)
            else:
                self.documents[name][key] = document
        self.marks.update(marks)

    def begun(self, name):
        """Something is written that the position does not speak of. An older run's word stays."""
        position, unfinished = self.marks[name]
        return Mark(position, self.epoch if unfinished is None else unfinished)

    def begin_all(self):
        self.save([], {name: self.begun(name) for name in self.marks if name not in self.left_out})

    # ---- what arrives ----

    def take(self, message):
        operation = message['operation']
        if operation == 'ping':
            self.take_ping(message)
        elif operation == 'resync':
            self.begin_all()
            self.interrupt()
        elif operation == 'deauthorize':
            self.interrupt()
        elif operation in ('update', 'remove') and message['collectionName'] != 'transaction':
            self.take_change(message)

    def take_ping(self, message):
        """It says which run this is; and that all up to its number was sent, and nothing newer, or with null that what
        comes next may be newer."""
        if 'epoch' not in message:  # before a log-in
            return
        self.epoch = message['epoch']
        if message['seq'] is None:
            self.begin_all()
        else:
            self.save([], {name: Mark((self.epoch, message['seq'])) for name in self.complete})

    def take_change(self, message):
        name, changes, marks = message['collectionName'], [], {}
        if name in self.documents:
            changes = [(name, item['_id'], item) if message['operation'] == 'update' else (name, item, None)
                       for item in message['data']]
            if name not in self.complete:
                assert self.epoch is not None, 'the run must be known before the first document comes'
                marks[name] = self.begun(name)
        if 'seq' in message:
            for each in self.complete:
                marks[each] = Mark((self.epoch, message['seq']), marks.get(each, self.marks[each]).unfinished)
        self.save(changes, marks)

    def interrupt(self):
        """The copies no longer follow: what comes from here on says nothing of what is missing."""
        self.complete.clear()
        self.interruptions += 1

    # ---- the answers ----

    def answered(self, names, answer):
        """A resume was, or a sync of all of these with no interruption since its first part was called. The ping
        behind it says whether all of it is finished."""
        position = (answer['epoch'], answer['seq'])
        self.save([], {name: Mark(position, self.marks[name].unfinished) for name in names})
        self.complete.update(names)

    def let_go(self, name):
        """The user may not see the collection."""
        self.save([(name, key, None) for key in self.documents[name]], {name: self.begun(name)})

    def leave_out(self, names):
        """Before `subscribe` is called without these: their positions stay where they are."""
        self.left_out = set(names)
        self.complete.difference_update(names)

    # ---- what is said ----

    def parts(self, name, most):
        """The ranges, as (from, to), in which sync is told of a collection, so that no message is too large."""
        ids = sorted(self.documents[name], key=str.encode)
        bounds = [None, *ids[most::most], None]
        return list(zip(bounds, bounds[1:]))

    def sync_data(self, name, part):
        """The data of sync for such a part."""
        low, high = part
        held = {key: document['_version'] for key, document in self.documents[name].items()
                if (low is None or key.encode() >= low.encode()) and (high is None or key.encode() < high.encode())}
        range_ = {key: bound for key, bound in (('from', low), ('to', high)) if bound is not None}
        return {'manifest': held, **range_, **self.marks[name].said()}

    def sync_several_data(self, names):
        """The data of dispatcher.sync for collections that have come equally far."""
        manifests = {name: self.sync_data(name, (None, None))['manifest'] for name in names}
        return {'manifests': manifests, **self.marks[names[0]].said()}
