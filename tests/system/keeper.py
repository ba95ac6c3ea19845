"""A person who keeps the copies in a file, follows now these collections and now those, and is killed at any write."""

from client import CallError
from kept_copy import CopyFile, KeptCopy
from person import Person


class Keeper(Person):
    range = 7

    def __init__(self, server, user, collections, path, chance):
        self.path = path
        self.chance = chance
        self.together = chance.random() < 0.6  # documents and position in one write
        self.file = None
        super().__init__(server, user, collections)

    def load(self):
        if self.file:
            self.file.close()
        self.file = CopyFile(self.path, self.together)
        return KeptCopy(self.collections, self.file)

    # ---- what it does ----

    async def choose(self):
        """With a collection that is not declared now it does as with one that it does not want."""
        while True:
            try:
                return await super().choose()
            except CallError as error:
                if 'there is no collection' not in error.message:
                    raise
                self.wish = [name for name in self.followed if name != error.message.split()[-1]]

    async def synchronize(self, names):
        """Sometimes all in one call."""
        if self.chance.random() < 0.6 or not await self.synchronize_together(names):
            await super().synchronize(names)

    async def synchronize_together(self, names):
        """False: not with one of them."""
        kept, before = self.kept, self.kept.interruptions

        def done(data):
            if data['success'] and kept.interruptions == before:
                kept.answered(names, data['data'])
        self.counts['syncs'] += 1
        try:
            await self.call_then(done, 'sync', None, kept.sync_several_data(names))
        except CallError as error:
            if error.code not in ('forbidden', 'unknown_collection'):
                raise
            return False
        return True

    # ---- what is done to it ----

    def want_something(self):
        """All, or some with the last among them."""
        *others, last = self.collections
        some = [name for name in others if self.chance.random() < 0.6] + [last]
        self.want(self.collections if self.chance.random() < 0.3 else some)

    def die_after(self, writes):
        self.file.writes_left = writes

    def die(self):
        """For a moment, or until it is revived."""
        super().die()
        if self.chance.random() < 0.5:
            self.alive.clear()

    def revive(self):
        self.alive.set()

    def spare(self):
        """It is not killed from now on."""
        self.file.writes_left = None
        return super().spare()

    async def end(self):
        await super().end()
        self.file.writes_left = None
