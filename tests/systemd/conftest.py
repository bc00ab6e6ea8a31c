"""Fixtures of the tests in a booted Debian: machines with Heimdex installed, and the fleet's service on one."""
import os
import shutil
import subprocess

import pytest

from checker.check import check_database
from support.machine import ROOT, Machine, make_root, why_not
from support.service import Service
from support.wait import until

PACKAGE = "/var/cache/heimdex/heimdex.deb"


def _package(folder):
    """A layer of nothing but the package: $HX_TEST_DEB, or as `make deb` builds it now."""
    deb = os.environ.get("HX_TEST_DEB")
    if not deb:
        subprocess.run([ROOT / "scripts" / "deb"], check=True)
        [deb] = (ROOT / "build" / "deb").glob("heimdex_*.deb")
    (folder / "var/cache/heimdex").mkdir(parents=True)
    shutil.copy(deb, folder / "var/cache/heimdex/heimdex.deb")
    return folder


@pytest.fixture(scope="session")
def package(workdir):
    """A layer over the root file system in which PACKAGE can be installed."""
    why = why_not()
    if why:
        pytest.skip(why)
    make_root()
    yield _package(workdir / "package")
    shutil.rmtree(workdir / "package")


@pytest.fixture(scope="session")
def machine_layers(package, workdir):
    """What lies over the root file system: Heimdex, installed as an administrator would."""
    machine = Machine(workdir / "installing", package)
    try:
        machine.run("dpkg", "--install", PACKAGE)
        machine.keep(workdir / "installed")
    finally:
        machine.off()
    yield [package, workdir / "installed"]
    shutil.rmtree(workdir / "installed")


def _told(machine):
    return machine.run("sh", "-c", "systemctl --no-pager status 'heimdex*'; journalctl --no-pager -n 200", check=False).stdout


@pytest.fixture
def boot(request, tmp_path):
    """Makes machines of what is installed, or of other layers, which are switched off at the end."""
    made = []

    def make(*layers, **options):
        layers = layers or request.getfixturevalue("machine_layers")
        made.append(Machine(tmp_path / f"machine{len(made)}", *layers, **options))
        return made[-1]

    yield make
    for one in made:
        if getattr(request.node, "failed", False) and one.process.poll() is None:
            print(_told(one))
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
