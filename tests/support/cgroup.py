"""A control group of the unified hierarchy (cgroup v2), handed over to a fleet as systemd does it with Delegate=yes."""
import os
import uuid
from pathlib import Path

import pytest

from .wait import until


def _own_place():
    """Where this process's own group lies; None without the hierarchy."""
    path = next((line[3:].rstrip("\n") for line in open("/proc/self/cgroup") if line.startswith("0::/")), None)
    mounts = [line.split() for line in open("/proc/self/mountinfo") if " - cgroup2 " in line]
    return Path(mounts[0][4] + path) if path and mounts else None


class Cgroup:
    def __init__(self, path):
        self.path = path
        self.path.mkdir()
        self.controllers = set((self.path / "cgroup.controllers").read_text().split())

    def delegate(self):
        os.setxattr(self.path, "user.delegate", b"1")
        return self

    @property
    def wrap(self):
        """Before a command that is to start in it."""
        return ["/bin/sh", "-c", f'echo 0 >{self.path}/cgroup.procs && exec "$@"', "sh"]

    def groups(self, below="."):
        """Paths of all groups in it, relative to `below`."""
        top = self.path / below
        return sorted(str(Path(folder).relative_to(top)) for folder, _, _ in os.walk(top) if Path(folder) != top)

    def group_of(self, pid):
        """Of a process, relative to this one."""
        path = next(line[3:].rstrip("\n") for line in open(f"/proc/{pid}/cgroup") if line.startswith("0::/"))
        return path.partition(self.path.name)[2].lstrip("/")

    def populated(self):
        return "populated 1" in (self.path / "cgroup.events").read_text()

    def close(self):
        (self.path / "cgroup.kill").write_text("1")
        until(lambda: not self.populated(), 10, "the test's control group is empty")
        for folder, _, _ in os.walk(self.path, topdown=False):
            os.rmdir(folder)


@pytest.fixture
def cgroup():
    """To be asked for before `fleet`, so that fleets end first."""
    place = _own_place()
    try:
        made = Cgroup(place / f"hx-test-{uuid.uuid4().hex[:12]}") if place else None
    except OSError:
        made = None
    if not made or not (made.path / "cgroup.kill").exists():
        pytest.skip("no control group (v2) can be made here")
    yield made
    made.close()
