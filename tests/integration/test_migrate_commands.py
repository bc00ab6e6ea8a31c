"""heimdex-migrate's commands that no other file has: --sql, stamp, revision, verify, ranges, options where they don't belong."""
import json
import os
import re
import subprocess

import pytest

from support.migrations import running

STORY = {  # reference: a file had been overwritten, and fresh deployments failed while old databases worked
    "001_first.py": ('"""the first"""', "revision = '001_first'", "down_revision = None"),
    "189b1231afd4_bootstrap_tables.py": ('"""habits\n\nRevision ID: 2a3f4c9d1cde\n"""', "revision = '2a3f4c9d1cde'",
                                         "down_revision = '189b1231afd4'"),
    "3b7a1d2e4f56_meals.py": ('"""meals"""', "revision: str = '3b7a1d2e4f56'",
                              "down_revision: Union[str, None] = '189b1231afd4'  # not 001_first"),
}


@pytest.fixture
def versions(tmp_path):
    """Writes an Alembic versions folder."""
    def write(files):
        folder = tmp_path / "versions"
        folder.mkdir()
        for name, lines in files.items():
            (folder / name).write_text("\n".join(lines) + "\n")
        return str(folder)
    return write


@pytest.fixture
def three(chain):
    chain("a1", "", "create table t1 ();", "drop table t1;")
    chain("b2", "a1", "create table t2 ();", "drop table t2;")
    chain("c3", "b2", "create table t3 ();", "drop table t3;")
    return chain


# --- --sql ------------------------------------------------------------------------------------------------------------

def test_sql_does_what_running_does(migrate):
    migrate("upgrade", "head")
    wanted, record = migrate.dump(), migrate.record()
    nowhere = {"PGHOST": "127.0.0.1", "PGPORT": "1"}
    migrate.psql(migrate("downgrade", "head:base", "--sql", **nowhere).stdout)
    assert migrate.version() is None and migrate.tables() == [] and migrate.record() == {}
    migrate.psql(migrate("upgrade", "head", "--sql", **nowhere).stdout)
    assert migrate.dump() == wanted and migrate.record() == record
    assert running(migrate("upgrade", "head")) == []
    migrate("verify", "--applied")


def test_sql_of_a_part(migrate, three):
    def sql(*args):
        return re.findall(r"^-- Running (.*)$", migrate(*args, "--sql", "--chain", three.directory).stdout, re.M)
    assert sql("upgrade", "a1:c3") == ["upgrade a1 -> b2, makes b2", "upgrade b2 -> c3, makes c3"]
    assert sql("upgrade", "a1:+1") == ["upgrade a1 -> b2, makes b2"]
    assert sql("upgrade", "+1") == ["upgrade  -> a1, makes a1"]
    assert sql("downgrade", "c3:a1") == ["downgrade c3 -> b2, makes c3", "downgrade b2 -> a1, makes b2"]
    assert sql("downgrade", "b2:base") == ["downgrade b2 -> a1, makes b2", "downgrade a1 -> , makes a1"]
    assert sql("downgrade", "c3:-1") == ["downgrade c3 -> b2, makes c3"]


def test_sql_stops_on_a_database_that_is_elsewhere(migrate, three):
    migrate("upgrade", "head", "--chain", three.directory)
    script = migrate("upgrade", "a1:b2", "--sql", "--chain", three.directory).stdout
    with pytest.raises(subprocess.CalledProcessError) as failure:
        migrate.psql(script)
    assert "alembic_version is not at a1" in failure.value.stderr
    assert migrate.version() == "c3"


def test_sql_without_a_transaction(migrate, three):
    three.piecemeal("d4", "c3", "create table t4 (n integer);\ncreate index concurrently t4_n on t4 (n);\nvacuum t4;")
    migrate.psql(migrate("upgrade", "head", "--sql", "--chain", three.directory).stdout)
    assert migrate.version() == "d4"
    migrate("verify", "--applied", "--chain", three.directory)


@pytest.mark.parametrize("args", [
    ("downgrade", "a1", "--sql"), ("upgrade", "a1:b2"), ("downgrade", "c3:a1"), ("upgrade", "c3:a1", "--sql"),
    ("downgrade", "a1:c3", "--sql"), ("upgrade", "a1:nope", "--sql"), ("upgrade", "+1:c3", "--sql"), ("stamp", "+1"), ("stamp", "nope"),
    ("current", "--sql"), ("current", "--purge"), ("upgrade", "head", "--json"), ("upgrade", "head", "--only", "x"),
    ("heads", "--alembic", "/tmp", "--chain", "/tmp"), ("history", "--rev-range", "a1"), ("history", "-r", "c3:a1"),
    ("upgrade", "head", "--lock-timeout", "soon"), ("upgrade", "head", "--lock-timeout", "0"), ("verifi",), ("revision",),
    ("upgrade", "head", "--sql", "--wait"), ("upgrade", "+1", "--wait"), ("downgrade", "base", "--wait"),
    ("revision", "-m", ""), ("revision", "-m", "two\nlines"), ("revision", "-m", "x", "--rev-id", "a1"),
    ("revision", "-m", "x", "--rev-id", "a b"), ("revision", "-m", "x", "--destructive"),
])
def test_usage(migrate, three, args):
    chain = [] if "--alembic" in args else ["--chain", three.directory]
    done = migrate(*args, *chain, fails=64)
    assert done.stdout == "" and done.stderr.startswith("heimdex-migrate: ") and done.stderr.count("\n") == 1
    assert len(list(three.path.iterdir())) == 3 and migrate.version() is None


# --- history, current -------------------------------------------------------------------------------------------------

def test_history_of_a_part_and_where_the_database_is(migrate, three):
    where = ("--chain", three.directory)
    assert migrate("history", "-r", "b2:", *where).stdout == "b2 -> c3 (head), makes c3\na1 -> b2, makes b2\n"
    assert migrate("history", "--rev-range", ":a1", *where).stdout == "<base> -> a1, makes a1\n"
    migrate("upgrade", "b2", *where)
    assert migrate("history", "-i", *where).stdout.splitlines()[1] == "a1 -> b2 (current), makes b2"
    assert "Rev: b2 (current)\n" in migrate("history", "-i", "-v", *where).stdout


# --- stamp ------------------------------------------------------------------------------------------------------------

def test_stamp(migrate, three):
    where = ("--chain", three.directory)
    done = migrate("stamp", "b2", *where)
    assert running(done) == ["Running stamp_revision  -> b2"]
    assert migrate.version() == "b2" and set(migrate.record()) == {"a1", "b2"} and migrate.tables() == []
    assert running(migrate("stamp", "head", *where)) == ["Running stamp_revision b2 -> c3"]
    assert running(migrate("stamp", "base", *where)) == ["Running stamp_revision c3 -> "]
    assert migrate.version() is None and migrate.record() == {}
    migrate.psql(migrate("stamp", "b2", "--sql", *where).stdout)
    assert migrate.version() == "b2" and set(migrate.record()) == {"a1", "b2"}


def test_stamp_over_what_nobody_knows_needs_purge(migrate, three):
    where = ("--chain", three.directory)
    migrate("stamp", "head", *where)
    migrate.database.sql("update alembic_version set version_num = 'gone'")
    assert "--purge" in migrate("stamp", "b2", *where, fails=1).stderr
    migrate("stamp", "b2", "--purge", *where)
    migrate.database.sql("insert into alembic_version values ('a1')")
    for args in (("current",), ("upgrade", "head"), ("stamp", "b2")):
        assert "2 rows" in migrate(*args, *where, fails=1).stderr
    migrate("stamp", "c3", "--purge", *where)
    assert migrate.version() == "c3"


# --- revision ---------------------------------------------------------------------------------------------------------

def test_revision(migrate, three):
    where = ("--chain", three.directory)
    done = migrate("revision", "-m", "Add a table: of Users & more", *where)
    path = re.fullmatch(r"Generating (.*/[0-9a-f]{12}_add_a_table_of_users_more\.sql) \.\.\.  done\n", done.stdout)[1]
    assert os.path.dirname(path) == three.directory
    migrate("verify", *where)
    assert migrate("heads", *where).stdout.split()[0] in path
    assert json.loads(migrate("show", "head", "--json", *where).stdout)[0]["down_revision"] == "c3"
    made = json.loads(migrate("revision", "-m", "more", "--rev-id", "e5", "--json", *where).stdout)
    assert made == {"revision": "e5", "path": f"{three.directory}/e5_more.sql"}
    migrate("upgrade", "head", *where)
    assert migrate.version() == "e5"


def test_the_first_revision(migrate, tmp_path):
    (tmp_path / "empty").mkdir()
    migrate("revision", "-m", "first", "--chain", str(tmp_path / "empty"))
    assert json.loads(migrate("history", "--json", "--chain", str(tmp_path / "empty")).stdout)[0]["down_revision"] is None


def test_revision_finds_the_source_tree(migrate, tmp_path):
    inner = tmp_path / "migrations" / "versions" / "deeper"
    inner.mkdir(parents=True)
    done = migrate.binaries.run("heimdex-migrate", "revision", "-m", "x", cwd=inner)
    assert f"{tmp_path}/migrations/versions/" in done.stdout
    (tmp_path / "elsewhere").mkdir()
    for cwd in ("/", str(tmp_path.parent)):
        done = migrate.binaries.run("heimdex-migrate", "revision", "-m", "x", cwd=cwd, check=False)
        assert done.returncode == 64 and "--chain DIR" in done.stderr


def test_no_revision_is_added_to_a_broken_chain(migrate, three):
    three("x9", "b2")
    assert "two heads" in migrate("revision", "-m", "more", "--chain", three.directory, fails=65).stderr
    assert len(list(three.path.iterdir())) == 4


def test_a_slug_is_cut_between_words(migrate, three):
    done = migrate("revision", "--rev-id", "z", "-m", "one two three four five six seven eight nine ten", "--chain", three.directory)
    assert "/z_one_two_three_four_five_six_seven_eight.sql" in done.stdout


# --- verify -----------------------------------------------------------------------------------------------------------

def test_verify_what_is_whole(migrate, three):
    nowhere = {"PGHOST": "127.0.0.1", "PGPORT": "1"}
    assert migrate("verify", **nowhere).stdout.endswith("nothing is wrong\n")
    assert json.loads(migrate("verify", "--json", "--chain", three.directory, **nowhere).stdout) == []


@pytest.mark.parametrize("name, revision, parent, problem", [
    ("d4", "d4", "gone", "missing parent"), ("c3_copy", "c3", "b2", "duplicate revision"), ("d4", "d4", "d4", "cycle"),
    ("d4", "d4", "b2", "two heads"), ("d4", "d4", "", "two roots"), ("other", "d4", "c3", "name disagrees"),
    ("d4", "a:b", "c3", "revision file"),
])
def test_verify_what_is_broken(migrate, three, name, revision, parent, problem):
    path = three(revision, parent, name=name)
    done = migrate("verify", "--chain", three.directory, fails=65)
    assert done.stdout == "" and f"heimdex-migrate: {problem}: " in done.stderr and str(path) in done.stderr
    found = json.loads(migrate("verify", "--json", "--chain", three.directory, fails=65).stdout)
    assert [set(one) for one in found] == [{"problem", "revision", "files", "advice"}] * len(found)
    one, = [one for one in found if one["problem"] == problem]
    assert str(path) in one["files"] and one["advice"]


def test_the_story_of_the_overwritten_file(migrate, versions):
    folder = versions(STORY)
    done = migrate("verify", "--alembic", folder, fails=65)
    line, = [line for line in done.stderr.splitlines() if "missing parent: " in line]
    assert "189b1231afd4 is declared by no file; 2a3f4c9d1cde is declared by 189b1231afd4_bootstrap_tables.py, which was probably " \
           "overwritten" in line
    assert f"git checkout COMMIT -- {folder}/189b1231afd4_bootstrap_tables.py" in line
    problems = {one["problem"]: one for one in json.loads(migrate("--json", "verify", "--alembic", folder, fails=65).stdout)}
    assert problems["missing parent"]["revision"] == "189b1231afd4"
    assert problems["missing parent"]["files"] == [f"{folder}/189b1231afd4_bootstrap_tables.py", f"{folder}/3b7a1d2e4f56_meals.py"]
    assert problems["name disagrees"]["files"] == [f"{folder}/189b1231afd4_bootstrap_tables.py"]
    assert migrate("history", "--alembic", folder, fails=65).stdout == ""


def test_python_is_read_and_not_run(migrate, versions, tmp_path):
    trap = tmp_path / "ran"
    folder = versions({
        "__init__.py": ("raise SystemExit",),
        "aaa_first.py": ("'''first'''", f"open({str(trap)!r}, 'w')", "revision = 'aaa'", "down_revision = None"),
        "bbb_left.py": ('# revision = "no"', '"""left\n\nmore of it"""', "def upgrade():", '    revision = "no"', 'revision = ("b"', '    "bb")',
                        'down_revision = "aaa"'),
        "ccc_right.py": ('"right"', "revision: str = r'ccc'", "down_revision: Union[str, Sequence[str], None] = \\", "    'aaa'"),
        "ddd_merge.py": ('"""merge"""', "revision = 'ddd'", "down_revision = (", "    'bbb',  # left", "    'ccc',", ")",
                         "branch_labels = ('all',)", "depends_on = None"),
    })
    assert migrate("heads", "--alembic", folder).stdout == "ddd (all) (head)\n"
    assert migrate("verify", "--alembic", folder).returncode == 0
    history = migrate("history", "--alembic", folder).stdout.splitlines()
    assert history[0] == "bbb, ccc -> ddd (all) (head) (mergepoint), merge" and history[-1] == "<base> -> aaa (branchpoint), first"
    assert sorted(history[1:3]) == ["aaa -> bbb, left", "aaa -> ccc, right"]
    rows = json.loads(migrate("show", "ddd", "--json", "--alembic", folder).stdout)
    assert rows[0]["down_revision"] == ["bbb", "ccc"] and rows[0]["path"] == f"{folder}/ddd_merge.py"
    assert "Merges: bbb, ccc\n" in migrate("show", "ddd", "--alembic", folder).stdout
    assert not trap.exists()


@pytest.mark.parametrize("lines, line, why", [
    (("revision = make_id()", "down_revision = None"), 1, "computed"), (("revision = f'{a}'", "down_revision = None"), 1, "computed"),
    (("x = 1", "revision = 'a'", "down_revision = PARENT"), 3, "computed"), (("x = 1",), 1, "no `revision"),
    (("revision = 'a'",), 1, "no `down_revision"), (("revision = 'a", "down_revision = None"), 1, "computed"),
    (("revision = 'a' + 'b'", "down_revision = None"), 1, "computed"), (("revision = None", "down_revision = None"), 1, "one string"),
])
def test_python_that_cannot_be_read(migrate, versions, lines, line, why):
    folder = versions({"a_x.py": lines})
    done = migrate("verify", "--alembic", folder, fails=65)
    assert f"revision file: {folder}/a_x.py:{line}: " in done.stderr and why in done.stderr and done.stderr.count("\n") == 1


def test_a_folder_that_is_no_chain(migrate, tmp_path):
    (tmp_path / "empty").mkdir()
    for args in (("--chain", "/nowhere/at/all"), ("--alembic", "/nowhere/at/all"), ("--chain", str(tmp_path / "empty")),
                 ("--alembic", str(tmp_path / "empty"))):
        done = migrate("verify", *args, fails=65)
        assert args[1] in done.stderr and done.stderr.count("\n") == 1
