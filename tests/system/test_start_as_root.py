"""Root at the start, and links that the user of the service placed: nothing is opened, made or given away through them."""

import os
import pwd
import stat

import pytest


pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root, to become another user')
SECRET = 'root alone reads this\n'


class Place:
    """A directory of root's, with one of the service's user in it and what that would like to have."""

    def __init__(self, server):
        self.server = server
        self.nobody = pwd.getpwnam('nobody')
        os.chmod(server.directory, 0o755)
        self.theirs = os.path.join(server.directory, 'theirs')
        self.victim = os.path.join(server.directory, 'victim')
        self.victims = os.path.join(server.directory, 'victims')
        os.mkdir(self.theirs)
        os.mkdir(self.victims, 0o755)
        os.chown(self.theirs, self.nobody.pw_uid, self.nobody.pw_gid)
        with open(self.victim, 'w', encoding='utf-8') as file:
            file.write(SECRET)
        os.chmod(self.victim, 0o600)
        server.options = ['--user', 'nobody']

    def their(self, name):
        return os.path.join(self.theirs, name)

    def refuses(self, word, *options):
        failed = self.server.run_once('--foreground', *options)
        assert failed.returncode == 1 and word in failed.stderr + self.server.log(), failed
        self.check()

    def check(self):
        status = os.stat(self.victim)
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o600)
        with open(self.victim, encoding='utf-8') as file:
            assert file.read() == SECRET
        status = os.stat(self.victims)
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o755) and os.listdir(self.victims) == []


@pytest.fixture
def place(make_server):
    return Place(make_server(start=False, prepared=False))


def test_log(place):
    os.symlink(place.victim, place.their('link'))
    place.refuses('log: ', '--log', place.their('link'))
    os.link(place.victim, place.their('hard'))
    place.refuses('log: ', '--log', place.their('hard'))
    os.symlink(place.victims, place.their('directory'))
    place.refuses('log: ', '--log', place.their('directory/log'))
    os.symlink(place.their('link'), os.path.join(place.server.directory, 'by_way_of_theirs'))
    place.refuses('log: ', '--log', os.path.join(place.server.directory, 'by_way_of_theirs'))


def test_pid_file(place):
    os.link(place.victim, place.their('hard'))
    place.refuses('pid_file: ', '--pid-file', place.their('hard'))
    os.symlink(place.victims, place.their('directory'))
    place.refuses('pid_file: ', '--pid-file', place.their('directory/pid'))


def test_data_directory(place):
    os.symlink(place.victims, place.their('data'))
    place.refuses('data: ', '--data', place.their('data'))
    place.refuses('data: ', '--data', place.their('data/made'))


def test_control_socket(place):
    os.symlink(place.victims, place.their('directory'))
    place.refuses('control: ', '--control', place.their('directory/control'))
    os.symlink(place.victim, place.their('control'))
    place.refuses('control: ', '--control', place.their('control'))


def owner_and_mode(path):
    status = os.lstat(path)
    return status.st_uid, stat.S_IMODE(status.st_mode)


def test_what_is_made_belongs_to_the_user(place):
    """In a directory of root's, through a link of root's too, and in one of the user's."""
    server, nobody = place.server, place.nobody.pw_uid
    pid_file = os.path.join(server.directory, 'pid')
    logs = os.path.join(server.directory, 'logs')
    os.mkdir(logs, 0o755)
    os.symlink('logs', os.path.join(server.directory, 'link'))
    server.options += ['--control-mode', '0620', '--pid-file', pid_file]
    server.log_path = os.path.join(server.directory, 'link', 'log')
    for _ in range(2):
        server.start()
        assert owner_and_mode(server.data) == (nobody, 0o700)
        assert owner_and_mode(server.control) == (nobody, 0o620)
        assert owner_and_mode(os.path.join(logs, 'log')) == (nobody, 0o640)
        assert owner_and_mode(pid_file) == (0, 0o644)
        assert server.stop() == 0
        # The user may not remove it from a directory of root's.
        assert os.path.getsize(pid_file) == 0
        assert f'the pid file {pid_file} cannot be removed: Permission denied; it stays, without a number' in server.log()
        server.data, server.control = place.their('data'), place.their('control')
    place.check()


def test_a_pid_file_in_a_directory_of_the_user_is_gone_at_the_end(place):
    server = place.server
    pid_file = place.their('pid')
    server.options += ['--pid-file', pid_file]
    server.start()
    with open(pid_file, encoding='utf-8') as file:
        assert int(file.read()) == server.process.pid
    assert server.stop() == 0
    assert os.listdir(place.theirs) == []
    assert 'pid file' not in server.log()


def test_a_log_with_another_name_is_not_given_away(place):
    server = place.server
    with open(server.log_path, 'w', encoding='utf-8'):
        pass
    os.link(server.log_path, os.path.join(server.directory, 'another'))
    server.start()
    assert os.stat(server.log_path).st_uid == 0 and 'cannot be given to nobody' in server.log()
