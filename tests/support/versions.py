"""Programs of another release: the same ones under another version, which knows another head of the chain if that is given. Both are
text of their own in the binaries, so another text of the same length takes its place."""
import shutil
from pathlib import Path

from .binaries import Binaries


def version_of(binaries):
    return binaries.run("heimdex-worker", "--version").stdout.split()[-1]


def another_version(binaries, folder, version, head=None):
    """head: (old, new). Programs that run already keep what they are."""
    replace = [(version_of(binaries), version), *([head] if head else [])]
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    for program in binaries.folder.glob("heimdex*"):
        content = program.read_bytes()
        for old, new in replace:
            assert len(old) == len(new)
            content = content.replace(old.encode() + b"\0", new.encode() + b"\0")
        fresh = folder / "fresh"
        fresh.write_bytes(content)
        shutil.copymode(program, fresh)
        fresh.rename(folder / program.name)  # as a package is installed: over programs that run
    other = Binaries(folder)
    assert version_of(other) == version
    return other
