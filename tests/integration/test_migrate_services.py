"""heimdex-migrate --services: several services, each with its chain, schema and version table, in one command."""
import json

import pytest

from support.migrations import Chain, running

NAMES = ("agent", "journal", "habits")


@pytest.fixture
def platform(tmp_path):
    """Three services with two revisions each, and their file."""
    class Platform:
        file = tmp_path / "services.conf"
        chains = {name: Chain(tmp_path / "chains" / name) for name in NAMES}

        def write(self, *entries):
            self.file.write_text("services = (\n" + ",\n".join(entries) + "\n);\n")

    made = Platform()
    for name, chain in made.chains.items():
        chain("a1", "", f"create table {name}_one ();", f"drop table {name}_one;")
        chain("b2", "a1", f"create table {name}_two ();", f"drop table {name}_two;")
    made.write(*(f'{{ name = "{name}"; chain = "chains/{name}"; schema = "{name}"; version_table = "alembic_version"; database = ""; }}'
                 for name in NAMES))
    return made


@pytest.fixture
def services(migrate, platform):
    def run(*args, **options):
        return migrate(*args, "--services", str(platform.file), **options)
    return run


def tables(migrate):
    return migrate.database.sql("select schemaname || '.' || tablename from pg_tables where schemaname !~ '^pg_|^information' order by 1")


def test_all_of_them(migrate, services):
    done = services("upgrade", "head")
    assert running(done) == ["Running upgrade  -> a1, makes a1", "Running upgrade a1 -> b2, makes b2"] * 3
    assert [name for name, in tables(migrate)] == sorted(
        f"{name}.{table}" for name in NAMES for table in ("alembic_version", "heimdex_migration", f"{name}_one", f"{name}_two"))
    assert services("current").stdout == "".join(f"{name}: b2 (head)\n" for name in NAMES)
    assert json.loads(services("current", "--json").stdout) == {name: {"revision": "b2", "head": True} for name in NAMES}
    assert running(services("upgrade", "head")) == []
    assert running(services("downgrade", "-1")) == ["Running downgrade b2 -> a1, makes b2"] * 3
    assert "journal: a1 -> b2 (head), makes b2\n" in services("history").stdout
    rows = json.loads(services("history", "--json").stdout)
    assert list(rows) == list(NAMES) and [row["applied"] for row in rows["habits"]] == [False, True]
    assert services("verify").stdout.count("nothing is wrong") == 3


def test_one_of_them(migrate, services):
    services("upgrade", "head", "--only", "journal")
    assert {name.split(".")[0] for name, in tables(migrate)} == {"journal"}
    assert services("current", "--only", "journal").stdout == "journal: b2 (head)\n"
    assert "nobody" in services("upgrade", "head", "--only", "nobody", fails=64).stderr


def test_all_are_verified_before_any_is_touched(migrate, services, platform):
    platform.chains["habits"]("x9", "gone")
    done = services("upgrade", "head", fails=65, PGPORT="1")
    assert "habits: missing parent" in done.stderr and "postgresql" not in done.stderr
    assert tables(migrate) == []
    done = services("verify", fails=65)
    assert "agent: 2 revisions" in done.stdout and "habits: two heads" in done.stderr
    found = json.loads(services("verify", "--json", fails=65).stdout)
    assert found["agent"] == [] and {one["problem"] for one in found["habits"]} == {"missing parent", "two heads"}


def test_a_failure_stops_there(migrate, services, platform):
    platform.chains["journal"]("c3", "b2", "create table late ();\nselect 1 / 0;")
    done = services("upgrade", "head", fails=1)
    assert done.stderr.splitlines()[-1] == "heimdex-migrate: services: done: agent; failed: journal; not touched: habits"
    assert "22012" in done.stderr
    assert services("current").stdout == "agent: b2 (head)\njournal: b2\n"
    assert not [name for name, in tables(migrate) if name.startswith("habits")]


def test_a_service_that_was_edited(migrate, services, platform):
    services("upgrade", "head")
    path = platform.chains["habits"]("a1", "", "create table habits_uno ();", "drop table habits_uno;")
    platform.chains["agent"]("c3", "b2", "create table agent_three ();")
    done = services("upgrade", "head", fails=1)
    assert f"habits: edited since applied: {path}" in done.stderr
    assert ("agent.agent_three",) not in tables(migrate), "all are verified before any is touched"


def test_an_argument_that_fits_some(migrate, services, platform):
    """It is found before the first is touched, and is what it is with one service."""
    platform.chains["agent"]("c3", "b2", "create table agent_three ();", "drop table agent_three;")
    done = services("upgrade", "c3", fails=64)
    assert "journal: upgrade: c3: no such revision" in done.stderr and "habits: upgrade: c3: no such revision" in done.stderr
    assert services("stamp", "c3", fails=64).stderr.count("no such revision") == 2
    assert "journal: upgrade: +3: there are only 2 above" in services("upgrade", "+3", fails=64).stderr
    assert tables(migrate) == []
    services("upgrade", "head", "--only", "journal")
    done = services("upgrade", "+1", fails=64)
    assert "journal: upgrade: +1: there are only 0 above where it starts" in done.stderr
    assert {name.split(".")[0] for name, in tables(migrate)} == {"journal"}
    assert "agent: downgrade: -1: there are only 0 below" in services("downgrade", "-1", fails=64).stderr
    assert services("current", "--only", "journal").stdout == "journal: b2 (head)\n"


def test_version_tables_beside_each_other(migrate, platform, services):
    platform.write(*(f'{{ name = "{name}"; chain = "chains/{name}"; version_table = "{name} Version"; }}' for name in NAMES))
    services("upgrade", "head")
    services("upgrade", "head")
    assert services("current").stdout.count("b2 (head)") == 3
    assert migrate.version('"habits Version"') == "b2"
    assert migrate.database.sql("select count(*) from heimdex_migration") == [(6,)]
    services("verify", "--applied")
    services("downgrade", "base")


def test_a_database_of_its_own(migrate, platform, services, postgres):
    other = postgres.create(migrate.database.name + "_other")
    try:
        platform.write('{ name = "agent"; chain = "chains/agent"; }',
                       f'{{ name = "journal"; chain = "chains/journal"; database = "{other.name}"; }}')
        services("upgrade", "head")
        assert ("public.journal_two",) in other.sql("select schemaname || '.' || tablename from pg_tables where schemaname = 'public'")
        assert ("public.journal_two",) not in tables(migrate)
    finally:
        other.drop()


def test_sql_of_services(migrate, services):
    script = services("upgrade", "head", "--sql", PGPORT="1").stdout
    assert "-- service agent\n" in script
    migrate.psql(script)
    assert services("current").stdout.count("b2 (head)") == 3
    assert running(services("upgrade", "head")) == []


@pytest.mark.parametrize("text, line, why", [
    ("services = (\n{ name = \"a\"; }\n);", 2, "needs chain"), ("services = ();", None, "no services"), ("", None, "no services"),
    ("services = (\n{ name = \"a\"; chain = \"c\"; },\n{ name = \"a\"; chain = \"d\"; schema = \"d\"; }\n);", 3, "already"),
    ("services = (\n{ name = \"a\"; chain = \"c\"; },\n{ name = \"b\"; chain = \"d\"; }\n);", 3, "version table of a"),
    ("services = (\n{ name = \"a\"; chian = \"c\"; }\n);", 2, "did you mean chain?"), ("services = (\n{ name = 1; }\n);", 2, "must be a string"),
    ("services = (\n{ name = \"a\"; chain = \"c\"; version_table = \"heimdex_migration\"; }\n);", 2, "heimdex-migrate's own"),
    ("services = (\n{ name = \"a\"; chain = \"c\"; schema = \"pg_x\"; }\n);", 2, "PostgreSQL's own"),
    ("servces = ();", 1, "unknown key"), ("services = (\n{ name = \"a\"\n", 2, "syntax error"), ("services = (\n \"a\" );", 2, "a group"),
    ("services = (\n{ name = \"a\"; chain = \"c\"; schema = \"" + "x" * 64 + "\"; }\n);", 2, "63 bytes"),
])
def test_a_file_that_is_wrong(services, platform, text, line, why):
    platform.file.write_text(text)
    done = services("upgrade", "head", fails=78)
    where = f"{platform.file}:{line}: " if line else f"{platform.file}: "
    assert done.stderr.startswith(f"heimdex-migrate: {where}") and why in done.stderr and done.stderr.count("\n") == 1


def test_no_file(services, platform):
    platform.file.unlink()
    assert str(platform.file) in services("upgrade", "head", fails=78).stderr
