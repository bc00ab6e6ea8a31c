"""Fixtures of the package's tests: the package as `make deb` builds it, unpacked."""
import os
from pathlib import Path

import pytest
from support.command import run

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def deb():
    """build/deb/heimdex_*.deb, built anew only where the sources have changed since."""
    run(ROOT / "scripts" / "deb")
    [path] = (ROOT / "build" / "deb").glob("heimdex_*.deb")
    return path


@pytest.fixture(scope="session")
def unpacked(deb, tmp_path_factory):
    """The tree that the package installs; its scripts and lists are in DEBIAN/."""
    path = tmp_path_factory.mktemp("unpacked")
    run("dpkg-deb", "-R", deb, path)
    return path


@pytest.fixture(scope="session")
def programs(unpacked):
    return unpacked / "usr" / "bin"


@pytest.fixture
def quiet():
    """An environment in which nothing names a configuration or a server."""
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
