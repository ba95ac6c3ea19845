"""Pages in a real browser, driven over the Chrome DevTools Protocol."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import tempfile
import time

import websockets

from server import PATIENCE, read_text, wait_until
from test_browser import CHROMIUM, FLAGS


class Browser:
    """async with Browser() as browser: page = await browser.open(url)"""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(prefix='dispatchd-test-', ignore_cleanup_errors=True)
        self.process = None
        self.socket = None
        self.numbers = itertools.count(1)

    async def __aenter__(self):
        with open(os.path.join(self.profile.name, 'messages'), 'wb') as messages:
            self.process = subprocess.Popen(
                [CHROMIUM, *FLAGS, f'--user-data-dir={self.profile.name}', '--remote-debugging-port=0', 'about:blank'],
                stdin=subprocess.DEVNULL, stdout=messages, stderr=messages, start_new_session=True)
        try:
            port, path = wait_until(self.devtools, seconds=3 * PATIENCE, what='the browser being there')
            self.socket = await websockets.connect(f'ws://127.0.0.1:{port}{path}', max_size=None, ping_interval=None)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_):
        if self.socket:
            await self.socket.close()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.profile.cleanup()

    def devtools(self):
        """The port and the path, when the file that has them is complete."""
        lines = read_text(os.path.join(self.profile.name, 'DevToolsActivePort')).split('\n')
        return lines if len(lines) == 2 and lines[1] else None

    async def send(self, method, session=None, **parameters):
        number = next(self.numbers)
        target = {'sessionId': session} if session else {}
        await self.socket.send(json.dumps({'id': number, 'method': method, 'params': parameters, **target}))
        while True:
            message = json.loads(await self.socket.recv())
            if message.get('id') == number:
                assert 'error' not in message, message
                return message['result']

    async def open(self, url):
        """In a window of its own: the one in front would be the only one that is drawn."""
        target = (await self.send('Target.createTarget', url=url, newWindow=True))['targetId']
        page = Page(self, (await self.send('Target.attachToTarget', targetId=target, flatten=True))['sessionId'])
        await page.shows('location.href + " " + document.readyState', f'{url} complete')
        return page


class Page:
    def __init__(self, browser, session):
        self.browser = browser
        self.session = session

    async def evaluate(self, expression):
        """The value of a JavaScript expression in the page; of a promise, what it comes to."""
        result = await self.browser.send('Runtime.evaluate', self.session, expression=expression, returnByValue=True,
                                         awaitPromise=True)
        assert 'exceptionDetails' not in result, result
        return result['result'].get('value')

    async def shows(self, expression, value):
        """Waits until @expression has this value."""
        deadline = time.monotonic() + 3 * PATIENCE
        while (seen := await self.evaluate(expression)) != value:
            assert time.monotonic() < deadline, f'{expression} is {seen}, not {value}'
            await asyncio.sleep(0.01)
