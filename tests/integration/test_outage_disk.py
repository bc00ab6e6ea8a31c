"""PostgreSQL's disk is full: for data, where it goes on refusing, and for its log, where it stops. Nothing acknowledged is lost, nobody
spins, and all goes on when there is room again."""
import os
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from support.load import Load
from support.process import cpu_seconds
from support.servers import own_postgres
from support.wait import until

pytestmark = [pytest.mark.sweep, pytest.mark.skipif(os.geteuid() != 0, reason="file systems are root's")]
LINE = '{"type":"mock_process","payload":{"text":"' + "x" * 500 + '"}}'


class Disk:
    """A small one."""

    def __init__(self, path, size):
        self.path = path
        path.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700,uid=postgres,gid=postgres", "tmpfs", path], check=True)

    @contextmanager
    def full(self):
        with open(self.path / "ballast", "wb", buffering=0) as ballast, suppress(OSError):
            while ballast.write(bytes(4096)):
                pass
        try:
            yield
        finally:
            (self.path / "ballast").unlink()

    def remove(self):
        subprocess.run(["umount", "-l", self.path], check=True)
        self.path.rmdir()


@pytest.fixture
def disk():
    made = Disk(Path(f"/var/tmp/heimdex-disk-{os.getpid()}"), "160m")  # where user postgres can reach it
    yield made
    made.remove()


postgres, template = own_postgres("disk")


@pytest.fixture
def migrated(postgres, template, disk):
    postgres.admin(f"create tablespace cramped location '{disk.path}'")
    made = postgres.create("t_disk", template=template.name)
    postgres.admin('alter database t_disk set tablespace cramped')
    yield made
    made.drop()
    postgres.admin("drop tablespace cramped")


def test_no_room_for_data(fleet, jobs, migrated, disk, env, binaries):
    running = fleet(workers=2, jobs={"backoff_base": "100ms", "backoff_max": "500ms"})
    with Load(binaries, {**env, "HEIMDEX_POSTGRES_TIMEOUT": "1s"}, LINE) as load:
        until(lambda: len(load.acks) >= 300)
        backlog = jobs.batch([{"type": "mock_process", "payload": {"duration_ms": 500}}] * 10_000)
        with disk.full():
            until(lambda: any("53100" in error for _, error in load.failures), 30)
            until(lambda: "53100" in running.log())
            pids = [child["pid"] for child in running.children()]
            spent, began = sum(map(cpu_seconds, pids)), time.monotonic()
            until(lambda: time.monotonic() > began + 3)
            spent = sum(map(cpu_seconds, pids)) - spent
        cleared, known = time.monotonic(), len(load.acks)
        until(lambda: len(load.acks) >= known + 300)
        print(f"\ndisk full: {spent:.2f} s of CPU in 3 s; 300 jobs more {time.monotonic() - cleared:.1f} s after there was room")
    jobs.wait(load.acks + backlog)
    assert spent < 1.5 and {code for code, _ in load.failures} == {69}
    assert sum(child["restarts"] for child in running.children()) == 0
    fleet.check.update(acks=load.acks + backlog, finished=True)


def test_no_room_for_the_log(fleet, jobs, postgres, migrated, disk, env, binaries):
    """PostgreSQL panics and stays down until somebody makes room."""
    postgres.admin("alter system set max_wal_size = '32MB'")
    postgres.admin("alter system set min_wal_size = '32MB'")
    postgres.stop()
    subprocess.run(["mv", postgres.data / "pg_wal", disk.path / "wal"], check=True)
    (postgres.data / "pg_wal").symlink_to(disk.path / "wal")
    try:
        postgres.start()
        running = fleet(workers=2, jobs={"backoff_base": "100ms", "backoff_max": "500ms"})
        with Load(binaries, {**env, "HEIMDEX_POSTGRES_TIMEOUT": "1s"}, LINE) as load:
            until(lambda: len(load.acks) >= 300)
            with disk.full():
                until(lambda: not postgres.family() or not postgres.admin("select pg_switch_wal()") and False, 60, "its end")
                failed = len(load.failures)
                until(lambda: len(load.failures) > failed)
            postgres.start()
            back, known = time.monotonic(), len(load.acks)
            until(lambda: len(load.acks) >= known + 300)
            print(f"\nlog's disk full: 300 jobs more {time.monotonic() - back:.1f} s after PostgreSQL was back")
        jobs.wait(load.acks)
        assert sum(child["restarts"] for child in running.children()) == 0
        fleet.check.update(acks=load.acks, finished=True)
        assert running.stop() == 0
    finally:
        postgres.stop()
        (postgres.data / "pg_wal").unlink()
        subprocess.run(["mv", disk.path / "wal", postgres.data / "pg_wal"], check=True)
        postgres.start()
