"""The build itself: reproducible, clean by lintian, and nothing written beside the sources."""
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from support.command import run

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_same_bytes_from_another_place(deb, tmp_path):
    """Built again from a copy under another path, as another host would: other times, umask, time zone, language, home."""
    there = tmp_path / "somewhere" / "else entirely"
    there.mkdir(parents=True)
    names = run("git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z").stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).exists():
            (there / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, there / name)
            (there / name).chmod((ROOT / name).stat().st_mode & 0o700)
    env = {"PATH": os.environ["PATH"], "TZ": "Pacific/Auckland", "LC_ALL": "C", "HOME": str(tmp_path), "CFLAGS": "-O0", "USER": "somebody"}
    run("sh", "-c", "umask 077; exec scripts/deb", cwd=there, env=env)
    for first in sorted(deb.parent.glob("*.deb")):
        second = there / "build" / "deb" / first.name
        assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest(), f"{first.name} differs"


def test_lintian_finds_nothing(deb):
    """Neither error nor warning; an override says why above it (debian/heimdex.lintian-overrides)."""
    [changes] = deb.parent.glob("*.changes")
    done = run("lintian", "--allow-root", "--fail-on", "error,warning", changes, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_overrides_say_why():
    lines = (ROOT / "debian" / "heimdex.lintian-overrides").read_text().splitlines()
    reason = False
    for line in lines:
        assert line.startswith("#") or reason, f"{line}: no reason above it"
        reason = line.startswith("#")


def test_nothing_is_written_beside_the_sources(deb):
    status = subprocess.run(["git", "-C", ROOT, "status", "--porcelain", "--ignored", "debian"], text=True, capture_output=True, check=True)
    assert not [line for line in status.stdout.splitlines() if line.startswith(("!!", "??")) and "debian/" in line]


def test_make_install_is_the_package(unpacked, tmp_path):
    """`make install` puts the same names in the same places, but for what only a package has."""
    run(ROOT / "scripts" / "build", "release")
    run("cmake", "--install", ROOT / "build" / "release", env=dict(os.environ, DESTDIR=str(tmp_path)))

    def names(top):
        found = {re.sub("^lib/", "usr/lib/", str(path.relative_to(top)).removesuffix(".gz")) for path in top.rglob("*") if not path.is_dir() or path.is_symlink()}
        return {name for name in found if not name.startswith(("DEBIAN/", "usr/share/lintian/"))
                and name not in ("usr/share/doc/heimdex/changelog", "usr/share/doc/heimdex/copyright")}

    assert names(tmp_path) == names(unpacked)
    assert (tmp_path / "etc/heimdex/heimdex.conf").stat().st_mode & 0o777 == 0o640


def test_make_install_leaves_a_configuration_alone(tmp_path):
    (tmp_path / "etc/heimdex").mkdir(parents=True)
    conf = tmp_path / "etc/heimdex/heimdex.conf"
    conf.write_text("// mine\n")
    run("cmake", "--install", ROOT / "build" / "release", env=dict(os.environ, DESTDIR=str(tmp_path)))
    assert conf.read_text() == "// mine\n"
