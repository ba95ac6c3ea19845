"""doc/guide.md: every command and every file of it, in the order in which a reader comes to them."""

import json
import os
import re

import pytest

from page import Browser
from server import reserve_port
from terminal import Terminal, read_page
from test_browser import CHROMIUM

PORTS = ('9950', '8000')
FILES = ('json', 'python', 'html')


def blocks_of(page):
    """[(words behind the fence, content, what stands before it)]"""
    found, end = [], 0
    for match in re.finditer(r'^```(.*)\n((?:.*\n)*?)^```$', page, re.MULTILINE):
        found.append((match[1], match[2], page[end:match.start()].strip()))
        end = match.end()
    return found


def pattern_of(text):
    """What is printed: `...` is anything."""
    return '.*'.join(map(re.escape, text.strip().split('...')))


class Reader:
    """Does what the guide says."""

    def __init__(self, terminal):
        self.terminal = terminal
        self.terminal.here = terminal.path('board')
        self.terminal.environment['PYTHONUNBUFFERED'] = '1'
        self.reserved = [reserve_port() for _ in PORTS]
        self.ports = {printed: str(reserved.getsockname()[1]) for printed, reserved in zip(PORTS, self.reserved)}
        self.printed = None  # by the commands of the last block, or the one that is running
        os.mkdir(terminal.here)

    def close(self):
        for reserved in self.reserved:
            reserved.close()

    def actual(self, text):
        return re.sub('|'.join(PORTS), lambda match: self.ports[match[0]], text)

    def do(self, kind, content, before):
        content = self.actual(content)
        if kind in FILES:
            name = re.findall(r'`([\w.]+)`', before)[-1]
            assert before.endswith(':'), before
            with open(os.path.join(self.terminal.here, name), 'w', encoding='utf-8') as file:
                file.write(content)
        elif kind == 'sh running':
            self.printed = self.terminal.paste_lasting(content)
        elif kind == 'text':
            self.compare(content)
        else:
            assert kind in ('sh', 'sh fails'), kind
            self.printed = self.terminal.paste(content, status=kind == 'sh fails')

    def compare(self, content):
        pattern = pattern_of(content)
        if isinstance(self.printed, str):
            assert re.search(pattern, self.printed, re.DOTALL), f'{self.printed} instead of {content}'
        else:
            self.printed.printed(pattern)


@pytest.fixture
def reader():
    terminal = Terminal()
    result = Reader(terminal)
    yield result
    problems = terminal.close()
    result.close()
    assert not problems, '\n'.join(problems)


async def log_in(page, name):
    await page.evaluate(f'element("name").value = "{name}"; element("password").value = "only for this guide"; '
                        'element("form").requestSubmit()')
    await page.shows('element("said").textContent', 'up to date')


SHOWN = 'JSON.stringify([...document.querySelectorAll("li")].map(item => item.firstChild.textContent.trim()).sort())'


async def shows(page, *tasks):
    await page.shows(SHOWN, json.dumps(sorted(tasks), separators=(',', ':')))


@pytest.mark.long
@pytest.mark.skipif(not CHROMIUM, reason='there is no chromium; scripts/install-packages test installs it')
async def test_guide(reader):
    blocks = iter(blocks_of(read_page('doc/guide.md')))
    for block in blocks:
        reader.do(*block)
        if block[1].startswith('Serving HTTP'):
            break
    url = f'http://127.0.0.1:{reader.ports["8000"]}/'
    async with Browser() as browser:
        ben, carl = await browser.open(url), await browser.open(url)
        await log_in(ben, 'ben')
        await log_in(carl, 'carl')
        await shows(carl, 'Paint the fence: open', 'Summer party: open')
        await ben.evaluate('[...document.querySelectorAll("li")].find(item => item.textContent.startsWith("Paint"))'
                           '.querySelector("button").click()')
        for page in (ben, carl):
            await shows(page, 'Paint the fence: done', 'Summer party: open')
        reader.do(*next(blocks))
        await shows(carl, 'Paint the fence: done', 'Summer party: open', 'Oil the gate: open')
        await carl.evaluate('window.stale = {...tasks.get("gate")}')
        for block in blocks:
            reader.do(*block)
        # Through all that followed, a stop of the server too, both pages have gone along.
        chairs = [f'Mend chair {i:02}: open' for i in range(1, 26) if i not in (7, 8)]
        for page in (ben, carl):
            await shows(page, 'Paint the fence: done', 'Summer party: open', 'Oil the gate: begun', 'Look at the roof: open',
                        'Mend chair 07: done', *chairs)
        await carl.evaluate('markDone(window.stale)')
        await carl.shows('element("said").textContent', '"Oil the gate" was changed by somebody else: look at it again')
    away_for_too_long(reader)
    for lasting in reader.terminal.lasting:
        lasting.interrupt()


def away_for_too_long(reader):
    """away.py with a position that is of no history: it asks for everything, and has it all."""
    path = os.path.join(reader.terminal.here, 'copy.json')
    with open(path, encoding='utf-8') as file:
        kept = json.load(file)
    kept['position'] = {'epoch': 1, 'seq': 1}
    del kept['tasks']['chair 01']
    kept['tasks']['gone'] = {'_id': 'gone', '_version': 0, 'title': 'Gone', 'state': 'open'}
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(kept, file)
    said = reader.terminal.paste('python3 away.py carl').splitlines()
    assert said == ['chair 01 is open', 'gone is gone', 'roof is open', '28 tasks']
