"""PostgreSQL's host has a name, and the name servers go away."""
import os
import socket
import subprocess
import time

import pytest

from support.gate import gate  # noqa: F401
from support.process import alive
from support.wait import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="name servers and mounts are root's")
NAME = "database.test"


class Names:
    """A host name that can be forgotten, seen by `wrap` and what it starts: then only a name server that never answers could know it."""

    def __init__(self, folder):
        self.hosts, self.resolv = folder / "hosts", folder / "resolv.conf"
        self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        address = f"127.53.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
        self.server.bind((address, 53))
        self.resolv.write_text(f"nameserver {address}\nsearch test\n")
        self.know()
        self.wrap = ["unshare", "-m", "sh", "-c", f'mount --bind {self.hosts} /etc/hosts && mount --bind {self.resolv} /etc/resolv.conf && exec "$@"', "-"]

    def know(self):
        self.hosts.write_text(f"127.0.0.1 localhost {NAME}\n")

    def forget(self):
        self.hosts.write_text("127.0.0.1 localhost\n")

    def wait_for_query(self):
        """The id of a question."""
        self.server.settimeout(30)
        return self.server.recv(512)[:2]

    def wait_for_repeat(self):
        """Somebody has waited in vain, five seconds unless told otherwise, and asks again."""
        seen = set()
        until(lambda: (id := self.wait_for_query()) in seen or seen.add(id), 60, what="the same question twice")


@pytest.fixture
def names(tmp_path):
    made = Names(tmp_path)
    yield made
    made.server.close()


def test_no_name_server_answers(names, fleet, jobs, migrated, env, binaries, gate, tmp_path):
    """The loop turns meanwhile: a handler's timeout fires on time, and the supervisor finds nobody that stands still."""
    pids = tmp_path / "pids"
    running = fleet(workers=2, wrap=names.wrap, env={"PGHOST": NAME}, postgres={"timeout": "2s"}, worker={"lease": "8s"}, handlers=[
        {"type": "hangs", "timeout": "6s", "max_attempts": 1, "exec": ["/bin/sh", "-c", f"echo $$ >> {pids}; exec sleep 600"]},
        {"type": "works", "max_attempts": 1, "exec": ["/bin/sh", "-c", f"{gate.sh}; echo '{{}}'"]}])
    hanging, working = [jobs.submit("hangs") for _ in range(2)], [jobs.submit("works") for _ in range(2)]
    until(lambda: migrated.one("select count(*) from job where status = 'running'") == 4, what="all running")
    until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    workers, since = running.worker_pids(), time.monotonic()
    names.forget()
    with migrated.connect(autocommit=True, admin=True) as admin:
        admin.cursor().execute("select pg_terminate_backend(pid) from pg_stat_activity"
                               " where datname = current_database() and pid <> pg_backend_pid()")
    names.wait_for_query()
    began = time.monotonic()
    submit = binaries.popen("heimdex-submit", "works", wrap=names.wrap, env={**env, "PGHOST": NAME, "HEIMDEX_POSTGRES_TIMEOUT": "1s"},
                            stderr=subprocess.PIPE, text=True)
    said = submit.communicate(timeout=30)[1]
    took = time.monotonic() - began
    assert submit.returncode == 69 and f'could not translate host name "{NAME}" to address: no answer' in said, said
    until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()), what="their timeout")
    ended = time.monotonic() - since
    print(f"\nhandlers with a timeout of 6 s ended {ended:.1f} s after the name was forgotten; submit gave up after {took:.1f} s")
    until(lambda: "could not translate host name" in running.log())
    names.wait_for_repeat()
    until(lambda: len({event["worker"] for event in running.events("lease.lapsed")}) == 2, what="more than a lease")
    assert running.worker_pids() == workers and sum(child["restarts"] for child in running.children()) == 0
    gate.open()
    names.know()
    jobs.wait(hanging + working, seconds=90)
    assert ended < 6 + 2
    assert [jobs.row(id)["status"] for id in hanging + working] == ["dead_letter"] * 2 + ["succeeded"] * 2
    assert [jobs.row(id)["crash_count"] for id in hanging + working] == [0] * 4
    assert running.worker_pids() == workers and "stands still" not in running.log()
    fleet.check.update(acks=hanging + working, finished=True)
