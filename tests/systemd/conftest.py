"""Fixtures of the tests in a booted Debian: machines with Heimdex installed, and the fleet's service on one."""
import os
import shutil
import subprocess

import pytest

from checker.check import check_database
from support.machine import ROOT, Machine, make_root, why_not
from support.service import Service
from support.wait import until


def _install(layer):
    """What `make install` puts there, and the accounts, which a package's scripts would make."""
    subprocess.run(["cmake", "--install", ROOT / "build" / "release"], env={**os.environ, "DESTDIR": str(layer)}, check=True, capture_output=True)
    units, source = layer / "usr/lib/systemd/system", ROOT / "systemd"
    for unit in [*source.glob("*.service"), *source.glob("*.slice")]:
        units.mkdir(parents=True, exist_ok=True)
        shutil.copy(unit, units)
    for kind in ("sysusers", "tmpfiles"):
        (layer / f"usr/lib/{kind}.d").mkdir(parents=True, exist_ok=True)
        shutil.copy(source / f"heimdex.{kind}", layer / f"usr/lib/{kind}.d/heimdex.conf")


@pytest.fixture(scope="session")
def machine_layers(workdir):
    """What lies over the root file system."""
    why = why_not()
    if why:
        pytest.skip(why)
    make_root()
    _install(workdir / "layer")
    yield [workdir / "layer"]
    shutil.rmtree(workdir / "layer")


@pytest.fixture
def boot(request, machine_layers, tmp_path):
    """Makes machines, which are switched off at the end."""
    made = []

    def make():
        made.append(Machine(tmp_path / f"machine{len(made)}", *machine_layers))
        made[-1].run("systemd-sysusers")
        made[-1].run("systemd-tmpfiles", "--create", "heimdex.conf")
        return made[-1]

    yield make
    for one in made:
        if getattr(request.node, "failed", False) and one.process.poll() is None:
            print(one.run("sh", "-c", "systemctl --no-pager status 'heimdex*'; journalctl --no-pager -n 200", check=False).stdout)
        one.off()


@pytest.fixture
def machine(boot):
    return boot()


@pytest.fixture
def service(machine, env, migrated):
    """heimdex-supervisor.service, configured for this test's database and topics, not started. The invariants are checked when its machine is
    off: as after a power cut."""
    one = Service(machine, env).configure()
    yield one
    machine.off()
    until(lambda: not migrated.sql("select from pg_stat_activity where datname = current_database() and application_name like 'heimdex%%'"),
          what="the end of its sessions")
    connection = migrated.connect()
    found = check_database(connection)
    connection.close()
    assert not found, "\n".join(found)
