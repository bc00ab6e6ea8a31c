"""heimdex-migrate and Alembic on the same databases and the same chains: each understands what the other wrote, and both say it in the
same words."""
import re

import pytest

from support.alembic import Alembic
from support.migrations import running


@pytest.fixture
def alembic(tmp_path, database):
    return Alembic(tmp_path / "alembic", database)


@pytest.fixture
def both(alembic, chain):
    """The same three revisions for both tools."""
    parent = None
    for n, revision in enumerate(("001_first", "3af4686817cc", "8d2f6b0c4e17"), 1):
        up, down = f"create table t{n} ();", f"drop table t{n};"
        alembic.revision(revision, parent, up, down)
        chain(revision, parent or "", up, down)
        parent = revision
    return alembic


def test_what_alembic_made_is_gone_on_from(migrate, chain, both):
    both("upgrade", "3af4686817cc")
    assert migrate("current", "--chain", chain.directory).stdout == "3af4686817cc\n"
    done = migrate("upgrade", "head", "--chain", chain.directory)
    assert running(done) == ["Running upgrade 3af4686817cc -> 8d2f6b0c4e17, makes 8d2f6b0c4e17"]
    assert both("current").split() == ["8d2f6b0c4e17", "(head)"]
    migrate("downgrade", "base", "--chain", chain.directory)
    assert both("current") == "" and migrate.tables() == []


def test_what_we_made_is_gone_on_from(migrate, chain, both):
    migrate("upgrade", "001_first", "--chain", chain.directory)
    assert both("current") == "001_first\n"
    both("upgrade", "head")
    assert migrate("current", "--chain", chain.directory).stdout == "8d2f6b0c4e17 (head)\n"
    both("downgrade", "-2")
    migrate("upgrade", "+1", "--chain", chain.directory)
    migrate("verify", "--applied", "--chain", chain.directory)
    both("downgrade", "base")
    assert migrate("current", "--chain", chain.directory).stdout == "" and migrate.tables() == []


def test_stamps_are_understood(migrate, chain, both):
    both("stamp", "3af4686817cc")
    assert migrate("current", "--chain", chain.directory).stdout == "3af4686817cc\n"
    migrate("stamp", "head", "--chain", chain.directory)
    assert both("current").split() == ["8d2f6b0c4e17", "(head)"]
    migrate("stamp", "base", "--chain", chain.directory)
    assert both("current") == ""


def test_the_version_table_is_the_same(migrate, chain, both, postgres):
    columns = "select column_name, data_type, character_maximum_length, is_nullable from information_schema.columns " \
              "where table_name = 'alembic_version'"
    keys = "select conname, pg_get_constraintdef(oid) from pg_constraint where conrelid = 'alembic_version'::regclass"
    migrate("upgrade", "head", "--chain", chain.directory)
    ours = migrate.database.sql(columns), migrate.database.sql(keys)
    migrate.database.sql("drop table alembic_version, t1, t2, t3")
    both("upgrade", "head")
    assert (migrate.database.sql(columns), migrate.database.sql(keys)) == ours


def test_alembics_printed_sql_and_ours_come_to_the_same(migrate, chain, both):
    migrate.psql(both("upgrade", "head", "--sql"))
    assert migrate("current", "--chain", chain.directory).stdout == "8d2f6b0c4e17 (head)\n"
    migrate.psql(migrate("downgrade", "head:001_first", "--sql", "--chain", chain.directory).stdout)
    assert both("current") == "001_first\n"


def test_the_same_words(migrate, alembic):
    """history, heads and show of one folder, line by line, with branches, merges, labels and dependencies."""
    alembic.revision("aaa1", None, doc="first\n\nRevision ID: aaa1\nCreate Date: today\n", name="aaa1_first")
    alembic.revision("bbb2", "aaa1", name="bbb2_left", extra="branch_labels = ('left',)")
    alembic.revision("ccc3", "aaa1", name="ccc3_right")
    alembic.revision("ddd4", ("bbb2", "ccc3"), name="ddd4_merge")
    folder = ("--alembic", str(alembic.versions))
    assert migrate("heads", *folder).stdout == alembic("heads") == "ddd4 (left) (head)\n"
    alembic.revision("eee5", "ddd4", name="eee5_last")
    def as_set(text, pattern="^(?=Rev)"):  # branches beside each other have no order, neither here nor in "Branches into"
        text = re.sub("(?<=^Branches into: ).*$", lambda found: ", ".join(sorted(found[0].split(", "))), text.rstrip(), flags=re.M)
        return sorted(re.split(pattern, text + "\n", flags=re.M))
    for args in (("heads",), ("heads", "--verbose"), ("show", "aaa1"), ("show", "bbb2"), ("show", "ddd4"), ("show", "head"), ("history", "-v")):
        assert as_set(migrate(*args, *folder).stdout) == as_set(alembic(*args)), args
    assert as_set(migrate("history", *folder).stdout, "^") == as_set(alembic("history"), "^")
    assert migrate("verify", *folder).returncode == 0


def test_the_same_words_of_a_plain_chain(migrate, both):
    folder = ("--alembic", str(both.versions))
    both("upgrade", "3af4686817cc")
    for args in (("history",), ("history", "-v"), ("history", "-r", "001_first:3af"), ("history", "-r", "3af:"), ("history", "-i"),
                 ("history", "-i", "-v"), ("heads",), ("show", "3af")):
        assert migrate(*args, *folder).stdout == both(*args), args


def test_a_database_at_two_heads(migrate, chain, both):
    both.revision("9999", "3af4686817cc")
    both("upgrade", "heads")
    done = migrate("current", "--chain", chain.directory, fails=1)
    assert "2 rows (8d2f6b0c4e17, 9999)" in done.stderr
    folder = ("--alembic", str(both.versions))
    assert "alembic merge -m \"merge heads\" 8d2f6b0c4e17 9999" in migrate("verify", *folder, fails=65).stderr


def test_where_alembic_moved_the_database_while_we_waited(migrate, chain, both):
    """Alembic takes no lock of ours."""
    chain("9f00", "8d2f6b0c4e17", "update alembic_version set version_num = '001_first';")
    done = migrate("upgrade", "head", "--chain", chain.directory, fails=1)
    assert "alembic_version is not as expected" in done.stderr
    assert migrate.version() == "8d2f6b0c4e17"
