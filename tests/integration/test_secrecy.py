"""What a handler can't learn of the fleet that runs it, though both are the same user. Root may read everything: then the fleets run as somebody
else."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from support.binaries import Binaries
from support.handlers import python
from support.process import alive, children_of
from support.wait import until

pytestmark = [pytest.mark.quick, pytest.mark.asan]

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
# As under ProtectProc=invisible: a process that can't be traced isn't even seen.
HIDDEN_PROC = ["unshare", "--mount", "/bin/sh", "-c", 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', "sh"]


class Place:
    """A folder with all that a fleet needs, for a user who may read nothing of the tests'."""

    def __init__(self, binaries):
        self.path = Path(tempfile.mkdtemp(prefix="hx"))
        shutil.copytree(binaries.folder, self.path / "bin", ignore=lambda _, names: [n for n in names if not n.startswith("heimdex")])
        self.binaries = Binaries(self.path / "bin")
        self.credentials = self.path / "credentials/service"
        self.credentials.mkdir(parents=True)
        self.credentials.joinpath("pgpassword").write_text("a-password-of-the-service")
        self.wrap = AS_NOBODY if os.geteuid() == 0 else []

    def start(self, fleet, wrap=(), **options):
        """A fleet that was given its database's password by systemd."""
        one = fleet(binaries=self.binaries, workers=1, start=False, wrap=[*wrap, *self.wrap], **options)
        one.env["CREDENTIALS_DIRECTORY"] = str(self.credentials)
        self.credentials.joinpath("pgpassword").write_text(one.env.pop("PGPASSWORD"))
        home = self.path / "fleet"
        one.directory.rename(home)
        one.directory, one.config, one.log_path = home, home / "heimdex.conf", home / "log"
        if os.geteuid() == 0:
            for path in (self.path, *self.path.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        return one.start()


@pytest.fixture
def place(binaries):
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("no setpriv here: the tests run as root, who may read everything")
    made = Place(binaries)
    yield made
    shutil.rmtree(made.path, ignore_errors=True)


SPY = """
import ctypes, errno
def says(what):
    try: return what() and 'done'
    except OSError as e: return errno.errorcode[e.errno]
def trace(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0x4206, pid, 0, 0) < 0: raise OSError(ctypes.get_errno(), 'ptrace')
    return True
def above(pid): return int(open('/proc/%d/stat' % pid).read().rpartition(')')[2].split()[1])
worker = os.getppid()
supervisor = above(worker)
fleet = [supervisor, *map(int, open('/proc/%d/task/%d/children' % (supervisor, supervisor)).read().split())]
looks = {'environ': lambda p: open('/proc/%d/environ' % p).read(), 'memory': lambda p: open('/proc/%d/mem' % p), 'descriptors': lambda p: os.listdir('/proc/%d/fd' % p),
         'trace': trace}
print(json.dumps({'result': {
    'fleet': {open('/proc/%d/comm' % p).read().strip(): {name: says(lambda: look(p)) for name, look in looks.items()} for p in fleet},
    'myself': says(lambda: looks['environ'](os.getpid())),
    'password': says(lambda: open(PATH).read()), 'listing': says(lambda: open('/etc/passwd').read()),
    'env': dict(os.environ)}}))
"""


def test_memory_environment_and_credentials(place, fleet, jobs):
    one = place.start(fleet, handlers=[python("spy", max_attempts=1)])
    password = place.credentials / "pgpassword"
    id = jobs.submit("spy", {"do": SPY.replace("PATH", repr(str(password)))})
    jobs.wait(id)
    assert jobs.status(id) == "succeeded", jobs.row(id)
    seen = jobs.result(id)
    assert sorted(seen["fleet"]) == ["heimdex-guard", "heimdex-schedul", "heimdex-supervi", "heimdex-worker"]
    for looks in seen["fleet"].values():
        assert set(looks.values()) <= {"EACCES", "EPERM"}, seen["fleet"]
    assert (seen["myself"], seen["listing"]) == ("done", "done")
    assert "CREDENTIALS_DIRECTORY" not in seen["env"] and password.read_text() not in json.dumps(seen)
    hidden = not [line for line in one.log().splitlines() if "credentials.readable" in line]
    assert seen["password"] == ("EACCES" if hidden else "done")
    if not hidden:
        pytest.skip("no Landlock here: that credentials can be read was said")


def test_where_proc_hides_them(place, fleet, jobs):
    """Under hidepid the fleet's processes don't see each other: whose a signal was, and what to end when the supervisor is killed, is known all the
    same."""
    if os.geteuid() != 0 or subprocess.run([*HIDDEN_PROC, "true"], capture_output=True).returncode != 0:
        pytest.skip("no /proc can be mounted here")
    script = "os.kill(os.getppid(), signal.SIGTERM)\nos.kill(SUPERVISOR, signal.SIGTERM)\nprint('{\"result\":1}', flush=True)\ntime.sleep(1000)"
    # backoff_base: a second attempt, before it is canceled, would look for a supervisor that is dead, and fail.
    one = place.start(fleet, wrap=HIDDEN_PROC, handlers=[python("murder", max_attempts=2)], jobs={"backoff_base": "1h", "backoff_max": "1h"})
    id = jobs.submit("murder", {"do": script.replace("SUPERVISOR", str(one.status()["pid"]))})
    until(lambda: len(one.events("signal.ignored")) == 2, 20, "both take no notice")
    assert {line["service"] for line in one.events("signal.ignored")} == {"heimdex-supervisor", "heimdex-worker"}
    assert jobs.status(id) == "running"
    worker = one.worker_pids()[0]
    handler = children_of(worker)[0]
    os.kill(one.status()["pid"], signal.SIGKILL)
    one.process.wait(20)
    until(lambda: not alive(worker) and not alive(handler), 10, "worker and handler are gone")
    one.start()
    jobs.ctl("cancel", id)
    jobs.wait(id, "canceled")
