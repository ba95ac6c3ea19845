"""Whether everything that was committed was allowed at its place in the order, and whether what was refused was not
allowed all along: the change log is played again over what users, groups, sessions and documents were."""

import json
from bisect import bisect_right

WITH_RIGHTS = ('papers', 'samples')
WRITTEN = ('papers', 'samples', 'secrets')
RIGHTS = ('user', 'group', 'group_read', 'group_write', 'all_read', 'all_write')
ADMINISTRATOR = 'administrator'
# What a method asks for; of `users` and `groups` all ask for modify_options but those named here.
NEEDED = {
    **{('papers', method): {'write_papers'} for method in ('insert', 'update', 'patch')},
    ('papers', 'remove'): {'remove_papers'},
    **{('secrets', method): {'see_secrets'} for method in ('insert', 'update', 'patch', 'remove')},
    **{('samples', method): set() for method in ('insert', 'update', 'patch', 'remove')},
    ('users', 'logout'): set(), ('users', 'remove_session'): set(), ('users', 'sessions'): set(),
}
ENDING = ('set_password', 'set_force_reset', 'remove_user')


def needed(call):
    return NEEDED.get((call.collection, call.method), {'modify_options'})


def same(one, other):
    """Equal as JSON is: true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def merged(old, changes):
    """By a merge patch of plain values."""
    return {key: value for key, value in {**old, **changes}.items() if key not in changes or value is not None}


class State:
    """What there is at one place in the order."""

    def __init__(self, users, groups, sessions, documents):
        self.users, self.groups = users, groups  # {id: document}
        self.sessions = sessions                 # {id as it is stored: user} of those that hold
        self.documents = documents               # {collection: {id: document}}
        self.former = {}                         # {(collection, id): whose it was} of those that others removed
        self.used = set()                        # (collection, name) of users and groups that were removed

    # ---- who acts ----

    def is_administrator(self, user):
        return ADMINISTRATOR in self.users.get(user, {}).get('groups', ())

    def in_group(self, user, group):
        return (isinstance(group, str) and group in self.users[user]['groups']
                and (group == ADMINISTRATOR or group in self.groups))

    def permissions(self, user):
        groups = [self.groups.get(group, {}) for group in self.users[user]['groups']]
        return {name for group in groups for name, given in group.get('permissions', {}).items() if given is True}

    def actor_refused(self, call, administrator=False):
        """The code with which who calls is refused whatever it is about, or None."""
        user = call.user
        if user not in self.users or self.sessions.get(call.session) != user:
            return 'unauthorized'
        if self.is_administrator(user):
            return None
        return 'forbidden' if administrator or not needed(call) <= self.permissions(user) else None

    def may_end(self, call):
        """Whether the session of a remove_session is its caller's own, or may be another's."""
        return (call.of_user == call.user or self.is_administrator(call.user)
                or 'modify_options' in self.permissions(call.user))

    # ---- documents ----

    def allows(self, user, document, what):
        return (document.get('user') == user or document.get(f'all_{what}') is True
                or (document.get(f'group_{what}') is True and self.in_group(user, document.get('group'))))

    def change_refused(self, user, collection, key, old, new):
        """@old None: it is made; @new None: it is removed."""
        if collection not in WITH_RIGHTS or self.is_administrator(user):
            return None
        if old is None:
            if new.get('user') != user or self.former.get((collection, key), user) != user:
                return 'forbidden'
        elif not self.allows(user, old, 'read'):
            return 'not_found'
        elif not self.allows(user, old, 'write'):
            return 'forbidden'
        elif new is None:
            return None
        elif old.get('user') != user:
            return None if all(same(old.get(field), new.get(field)) for field in RIGHTS) else 'forbidden'
        group = new.get('group')
        fresh = isinstance(group, str) and group != '' and not same(group, (old or {}).get('group'))
        return 'forbidden' if fresh and not self.in_group(user, group) else None

    def refusals(self, call):
        """Codes with which a call of a document's method may be refused here."""
        refused = self.actor_refused(call)
        if refused:
            return {refused}
        documents, data = self.documents[call.collection], call.data
        if call.method == 'insert':
            return {self.insert_refused(call, document) for document in (data if isinstance(data, list) else [data])}
        if call.method == 'remove':
            ids = data['_id'] if isinstance(data['_id'], list) else [data['_id']]
            return {self.change_refused(call.user, call.collection, key, documents[key], None)
                    for key in ids if key in documents}
        if 'query' in data:
            return {self.update_refused(call, document, data['changes']) for document in documents.values()}
        if data['_id'] not in documents:
            return ({self.insert_refused(call, {**merged({}, data['changes']), '_id': data['_id']})}
                    if data.get('upsert') else {'not_found'})
        changes = data['changes'] if call.method == 'update' else {
            operation['path'][1:]: operation['value'] for operation in data['operations']}
        return {self.update_refused(call, documents[data['_id']], changes)}

    def insert_refused(self, call, document):
        key = document.get('_id')
        if key in self.documents[call.collection]:
            return 'exists'
        return self.change_refused(call.user, call.collection, key, None, {'user': call.user, **document})

    def update_refused(self, call, document, changes):
        return self.change_refused(call.user, call.collection, document['_id'], document, merged(document, changes))


class Refused:
    """A refusal that nothing has explained yet."""

    def __init__(self, call):
        self.call = call
        self.explained = False
        data = call.data if isinstance(call.data, dict) else {}
        self.about_administrator = data.get('group_id') == ADMINISTRATOR or data.get('take_over') is True

    def look(self, state):
        call = self.call
        if call.collection in WRITTEN:
            self.explained = call.code in state.refusals(call)
            return
        if call.method in ENDING:
            # The call was made for an administrator, and asks for one from then on.
            self.about_administrator |= state.is_administrator(call.data['_id'])
        code = state.actor_refused(call, self.about_administrator)
        if code is None and call.method == 'remove_session' and not state.may_end(call):
            code = 'forbidden'
        # Of two reasons that there are, any may be said.
        self.explained = code == call.code or (
            call.code == 'forbidden' and self.about_administrator and not state.is_administrator(call.user))


class Judge:
    def __init__(self, start, state, calls):
        """What @state there was after the change @start, and all calls that came after it."""
        self.start = start
        self.state = state
        self.calls = calls  # {number: Call}, in the order in which they were sent
        self.problems = []
        self.counts = {}
        self.seen = set(state.sessions)
        self.about = {}     # {what a call is about: [Call]}
        for call in calls.values():
            for subject in call.subjects():
                self.about.setdefault(subject, []).append(call)

    def judge(self, entries, messages, logged_in):
        """@messages: {seq: message} of who sees everything; @logged_in: {session: user}. In the end the problems."""
        self.logged_in = logged_in
        self.limit_lives(entries, messages)
        self.coming = sorted((call for call in self.calls.values() if call.judged), key=lambda call: -call.known)
        self.active = []
        self.look_at_refusals(self.start)
        for entry in entries:
            self.take(entry, messages)
            self.look_at_refusals(entry.seq)
        for refused in [*self.active, *map(Refused, self.coming)]:
            self.finish(refused)
        return self.problems

    def look_at_refusals(self, seq):
        """Those of the calls that were under way when this was the last change."""
        new = []
        while self.coming and self.coming[-1].known <= seq:
            new.append(Refused(self.coming.pop()))
        active = []
        for refused in [*(r for r in self.active if seq < r.call.limit), *new]:
            refused.look(self.state)
            active.append(refused)
        for refused in self.active:
            if seq >= refused.call.limit:
                self.finish(refused)
        for refused in active:
            if refused.explained:
                self.finish(refused)
        self.active = [refused for refused in active if not refused.explained]

    def finish(self, refused):
        self.count(f'refused {refused.call.code}')
        if not refused.explained:
            self.problems.append(f'{refused.call} was refused and had been allowed all the time')

    def limit_lives(self, entries, messages):
        """Before which sequence number a call was answered: the first change of those that were sent after that."""
        changes = [(self.maker(messages[entry.seq]).number, entry.seq) for entry in entries
                   if entry.collection in WRITTEN and not entry.removed]
        changes.sort()
        least = float('inf')
        limits = []
        for number, seq in reversed(changes):
            least = min(least, seq)
            limits.append((number, least))
        limits.reverse()
        numbers = [number for number, _ in limits]
        for call in self.calls.values():
            place = bisect_right(numbers, call.answered)
            call.limit = limits[place][1] if place < len(limits) else float('inf')

    def maker(self, message):
        return self.calls[message['data'][0]['by']]

    # ---- one change ----

    def count(self, kind):
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def take(self, entry, messages):
        state = self.state
        if entry.collection == 'sessions':
            self.take_session(entry)
        elif entry.collection == 'credentials':
            self.take_credentials(entry)
        elif entry.collection in ('users', 'groups', *WRITTEN):
            message = messages[entry.seq]
            document = None if entry.removed else message['data'][0]
            assert (message['data'][0] if entry.removed else document['_id']) == entry.id, (entry, message)
            assert entry.removed or document['_version'] == entry.version, (entry, message)
            table = {'users': state.users, 'groups': state.groups}.get(entry.collection)
            if table is None:
                table = state.documents[entry.collection]
                self.take_document(entry, table.get(entry.id), document)
            elif entry.collection == 'users':
                self.take_user(entry, table.get(entry.id), document)
            else:
                methods = ('remove_group',) if entry.removed else ('update_permissions', 'remove_group')
                self.need(entry, [('groups', entry.id)], methods if entry.id in table else ('add',),
                          self.takes_over(entry))
            if document is None:
                del table[entry.id]
                state.used.add((entry.collection, entry.id))
            else:
                table[entry.id] = document

    def take_document(self, entry, old, new):
        if new is None:
            call = self.remover(entry)
        else:
            call = self.calls[new['by']]
        if call is None or call.code is not None:
            self.problems.append(f'{entry} was done by {call}')
            return
        state, place = self.state, (entry.collection, entry.id)
        code = state.actor_refused(call) or state.change_refused(call.user, *place, old, new)
        self.count(f'{entry.collection} {"removed" if new is None else "changed"}')
        if code:
            self.problems.append(f'{entry} was {code} at its place: {call}; {old} became {new}; who: '
                                 f'{state.users.get(call.user)}, session {call.session in state.sessions}')
        if new is None and not state.is_administrator(call.user) and old.get('user') != call.user:
            state.former[place] = old.get('user')
        elif new is not None:
            state.former.pop(place, None)

    def remover(self, entry):
        """Who says that it removed this document, or this version of it."""
        for call in self.about.get((entry.collection, entry.id), ()):
            if (call.method == 'remove' and call.code is None and entry.id in call.answer['_ids']
                    and call.data.get('_version', entry.version) == entry.version):
                return call
        return None

    def take_user(self, entry, old, new):
        """A removal of a group takes its members out of it, before it is the group's turn."""
        before, after = set((old or {}).get('groups', ())), set((new or {}).get('groups', ()))
        subjects = [('users', entry.id), *(('groups', group) for group in before - after)]
        touches = ADMINISTRATOR in before ^ after or (ADMINISTRATOR in before and (
            new is None or old.get('force_reset') != new.get('force_reset')))
        touches = touches or self.takes_over(entry)
        if old is None or new is None:
            methods = ('remove_user',) if old else ('add',)
        else:
            methods = ('set_group', 'remove_group') if before != after else ('set_force_reset',)
        self.need(entry, subjects, methods, touches)

    def takes_over(self, entry):
        """Whether it gives somebody a name that was used."""
        there = self.state.users if entry.collection == 'users' else self.state.groups
        return entry.id not in there and (entry.collection, entry.id) in self.state.used

    def take_credentials(self, entry):
        """Of those who do not log in: a log-in leaves its mark there."""
        if not entry.removed and entry.id.startswith('t'):
            self.need(entry, [('users', entry.id)], ('set_password', 'add'), self.state.is_administrator(entry.id))

    def take_session(self, entry):
        state = self.state
        if entry.removed:
            state.sessions.pop(entry.id, None)
        elif entry.id in self.seen:
            user = state.sessions.get(entry.id)
            if user:
                self.need(entry, [('sessions', entry.id), ('users', user)], ('logout', 'remove_session', *ENDING))
            state.sessions.pop(entry.id, None)
        else:
            self.seen.add(entry.id)
            user = self.logged_in.get(entry.id)
            state.sessions[entry.id] = user
            if user and (user not in state.users or state.users[user].get('force_reset')):
                self.problems.append(f'{entry}: {user} logged in')

    def need(self, entry, subjects, methods, administrator=False):
        """One of the calls of these methods about this was under way here, and allowed."""
        self.count(f'{entry.collection} {"removed" if entry.removed else "changed"}'
                   f'{" of administrators" if administrator else ""}')
        candidates = [call for subject in subjects for call in self.about.get(subject, ())
                      if call.known < entry.seq < call.limit
                      and call.method in methods and (call.code is None or call.method == 'remove_group')]
        if not any(self.explains(call, entry, administrator) for call in candidates):
            users = {call.user: self.state.users.get(call.user) for call in candidates}
            self.problems.append(f'{entry} was not allowed at its place: {candidates}; {users}')

    def explains(self, call, entry, administrator):
        if entry.collection == 'sessions':
            if call.method == 'logout':
                return call.session == entry.id
            if call.method == 'remove_session':
                return self.state.actor_refused(call) is None and self.state.may_end(call)
            administrator = self.state.is_administrator(call.data['_id'])
        return self.state.actor_refused(call, administrator) is None
