"""Fixtures of the tests in a booted Debian: machines, and a host in one with Heimdex installed."""
import os
import shutil
import subprocess

import pytest

from support.machine import ROOT, Machine, make_root, why_not


@pytest.fixture(scope="session")
def machine_layers(workdir):
    """What lies over the root file system: Heimdex as `make install` puts it there."""
    why = why_not()
    if why:
        pytest.skip(why)
    make_root()
    layer = workdir / "layer"
    subprocess.run(["cmake", "--install", ROOT / "build" / "release"], env={**os.environ, "DESTDIR": str(layer)}, check=True, capture_output=True)
    yield [layer]
    shutil.rmtree(layer)


@pytest.fixture
def boot(machine_layers, tmp_path):
    """Makes machines, which are switched off at the end."""
    made = []

    def make():
        made.append(Machine(tmp_path / f"machine{len(made)}", *machine_layers))
        return made[-1]

    yield make
    for one in made:
        one.off()


@pytest.fixture
def machine(boot):
    return boot()
