"""The built-in chain: each revision down and up again, what is compiled from it, how it meets a disk that is full."""
import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def test_each_revision_up_down_up(migrate):
    """pg_dump of every revision is the same, whichever way it was come to."""
    revisions = [row["revision"] for row in reversed(json.loads(migrate("history", "--json").stdout))]
    dumps = {}
    for revision in revisions:
        migrate("upgrade", "+1")
        dumps[revision] = migrate.dump()
    for revision, parent in zip(reversed(revisions), [*reversed(revisions[:-1]), None]):
        migrate("downgrade", "-1")
        assert migrate.version() == parent
        if parent:
            assert migrate.dump() == dumps[parent], f"down from {revision}"
    for revision in revisions:
        migrate("upgrade", "+1")
        assert migrate.dump() == dumps[revision], f"up again to {revision}"


def test_compiled_files_are_what_the_revisions_say(binaries):
    done = subprocess.run([ROOT / "scripts" / "compile-sql", "--check"], env={**os.environ, "HEIMDEX_BIN": str(binaries.folder)},
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_compiled_files_make_the_same_schema(migrate):
    migrate("upgrade", "head")
    wanted = migrate.dump()
    migrate("downgrade", "base")
    for path in sorted((ROOT / "migrations" / "sql").glob("*.sql")):
        migrate.psql(path.read_text())
    assert migrate.dump() == wanted
    migrate("verify", "--applied")


@pytest.fixture
def small_disk(postgres, database):
    """A tablespace whose disk is nearly full, and the file that may be deleted to make room."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system of its own")
    folder = Path("/var/tmp") / f"heimdex-test-{os.getpid()}"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=777", "tmpfs", folder], capture_output=True).returncode == 0
    try:
        if not mounted:
            pytest.skip("this machine lets nobody mount a file system")
        subprocess.run(["chown", "postgres:", folder], check=True)
        postgres.admin(f"create tablespace small location '{folder}'")
        postgres.admin("grant create on tablespace small to heimdex")
        filler = folder / "filler"
        filler.write_bytes(bytes(38 << 20))
        yield "small", filler
        database.sql("drop table if exists t")
        postgres.admin("drop tablespace small")
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


def test_a_full_disk(migrate, chain, small_disk):
    tablespace, filler = small_disk
    chain("a1", "", f"create table t (a text) tablespace {tablespace};")
    path = chain("b2", "a1", "insert into t select repeat('x', 1000) from generate_series(1, 10000);")
    done = migrate("upgrade", "head", "--chain", chain.directory, fails=69)
    assert f"b2: {path}:6: 53100: " in done.stderr
    assert migrate.version() == "a1" and migrate.database.sql("select count(*) from t") == [(0,)]
    filler.unlink()
    migrate("upgrade", "head", "--chain", chain.directory)
    assert migrate.version() == "b2"
