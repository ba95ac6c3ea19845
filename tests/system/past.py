"""Copies of a server's store, to be put back: what happens to a store behind the back of its clients."""

import os
import shutil
import signal


def take_copy(server, name):
    """Of a server that runs or not. While it runs the only writer is stopped for a moment: what LMDB has committed is
    then whole in the file, since it never writes over pages of the newest commit."""
    path = os.path.join(server.directory, f'copy-{name}')
    shutil.rmtree(path, ignore_errors=True)
    committer = server.committer_pid() if server.process else None
    if committer:
        os.kill(committer, signal.SIGSTOP)
    try:
        shutil.copytree(server.data, path)
    finally:
        if committer:
            os.kill(committer, signal.SIGCONT)
    os.remove(os.path.join(path, 'lock.mdb'))
    return path


def put_back(server, path):
    """Of a server that is stopped."""
    assert server.process is None
    shutil.rmtree(server.data)
    shutil.copytree(path, server.data)
