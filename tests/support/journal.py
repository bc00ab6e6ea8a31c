"""A journal of our own: what journald's native socket would hear of programs that run in a mount namespace with it."""
import array
import ctypes
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

ENTER = 'if [ ! -d /run/systemd/journal ]; then mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal; fi && ' \
        'mount --bind "$0" /run/systemd/journal && exec "$@"'


CLONE_NEWNET = 0x40000000


def _roomy_socket(path):
    """A datagram socket that takes thousands of entries before somebody reads them, as journald's does. How many is the network namespace's to say
    in which it is made: one of its own, so that nothing else changes; who finds it by its path needn't be in there."""
    made = []

    def make():
        if ctypes.CDLL(None).unshare(CLONE_NEWNET) != 0:
            return
        Path("/proc/sys/net/unix/max_dgram_qlen").write_text("4096")
        made.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        made[0].bind(path)
        os.chmod(path, 0o777)
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if not made:
        pytest.skip("no network namespace can be made here: a journal of the test's own needs one")
    return made[0]


class Journal:
    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir()
        self.entries = []
        self.reading = threading.Event()
        self.open()

    def open(self):
        self.socket = _roomy_socket(str(self.folder / "socket"))
        self.socket.settimeout(0.2)
        self.reading.set()
        self.thread = threading.Thread(target=self._read, args=(self.socket,), daemon=True)
        self.thread.start()
        return self

    def close(self):
        """As when journald is stopped."""
        gone, self.socket = self.socket, None
        self.reading.set()
        self.thread.join()
        gone.close()
        os.unlink(self.folder / "socket")

    @property
    def wrap(self):
        """Before a command that is to talk to it."""
        return ["unshare", "--mount", "/bin/sh", "-c", ENTER, str(self.folder)]

    def _read(self, own):
        while self.socket is own:
            self.reading.wait()
            try:
                data, ancillary, _, _ = own.recvmsg(1 << 20, 64)
            except TimeoutError:
                continue
            for _, _, payload in ancillary:  # what was too big for a datagram
                fd = array.array("i", payload[:4])[0]
                data = os.pread(fd, 1 << 24, 0)
                os.close(fd)
            self.entries.append(dict(line.split("=", 1) for line in data.decode().splitlines()))

    def of(self, **fields):
        """Entries with these fields: of(HEIMDEX_EVENT="ready")."""
        return [e for e in list(self.entries) if all(e.get(name) == value for name, value in fields.items())]


@pytest.fixture
def journal(tmp_path):
    """To be asked for before `fleet`, so that fleets end first."""
    made = Journal(tmp_path / "journal")
    entered = subprocess.run([*made.wrap, "true"], capture_output=True) if shutil.which("unshare") else None
    if not entered or entered.returncode != 0:
        made.close()
        pytest.skip("no mount namespace can be made here: a journal of the test's own needs one")
    yield made
    if made.socket:
        made.close()
