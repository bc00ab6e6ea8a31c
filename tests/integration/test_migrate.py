"""heimdex-migrate against a real server: what operators know from Alembic, and what Alembic doesn't do."""

import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.migrations import running
from support.wait import until

BASE = "001_job_ledger_init"
HARDENING = "3af4686817cc"


@pytest.fixture
def head(migrate):
    return migrate("heads").stdout.split()[0]


# --- up and down ------------------------------------------------------------------------------------------------------

def test_up_down_up_gives_the_same_schema(migrate, head):
    migrate("upgrade", "head")
    assert migrate.version() == head
    before = migrate.dump()
    migrate("downgrade", "base")
    assert migrate.version() is None
    assert migrate.tables() == []
    migrate("upgrade", "head")
    assert migrate.dump() == before


def test_alembics_words(migrate):
    done = migrate("upgrade", "+2")
    assert running(done) == [
        f"Running upgrade  -> {BASE}, Initial job ledger schema with job and job_event tables",
        f"Running upgrade {BASE} -> {HARDENING}, hardening: job ledger enums/indexes/idempotency",
    ]
    assert done.stdout == ""
    assert running(migrate("downgrade", "base")) == [
        f"Running downgrade {HARDENING} -> {BASE}, hardening: job ledger enums/indexes/idempotency",
        f"Running downgrade {BASE} -> , Initial job ledger schema with job and job_event tables",
    ]


def test_steps_and_prefixes(migrate):
    migrate("upgrade", "3af")
    assert migrate.version() == HARDENING
    migrate("downgrade", "-1")
    assert migrate.version() == BASE
    migrate("upgrade", "+1")
    assert migrate.version() == HARDENING
    migrate("downgrade", BASE)
    assert migrate.version() == BASE


def test_nothing_to_do(migrate):
    migrate("upgrade", "+2")
    for args in (("upgrade", BASE), ("upgrade", HARDENING), ("downgrade", HARDENING)):
        assert running(migrate(*args)) == []
    assert migrate.version() == HARDENING
    migrate("downgrade", "base")
    assert running(migrate("downgrade", "base")) == []


def test_version_table_is_alembics(migrate):
    migrate("upgrade", "+1")
    columns = migrate.database.sql("select column_name, data_type, character_maximum_length, is_nullable "
                                   "from information_schema.columns where table_name = 'alembic_version'")
    assert columns == [("version_num", "character varying", 32, "NO")]
    keys = migrate.database.sql("select conname, contype::text from pg_constraint where conrelid = 'alembic_version'::regclass")
    assert keys == [("alembic_version_pkc", "p")]


def test_version_table_lies_in_the_first_schema(migrate, chain):
    chain("a1", "", "create table t ();", "drop table t;")
    migrate("upgrade", "head", "--chain", chain.directory)
    migrate.database.sql("create schema \"Other one\"")
    options = {"PGOPTIONS": "-c search_path=\"Other\\ one\",public"}
    assert migrate("current", "--chain", chain.directory, **options).stdout == ""
    migrate("upgrade", "head", "--chain", chain.directory, **options)
    rows = migrate.database.sql("select schemaname, tablename from pg_tables where tablename in ('t', 'alembic_version') "
                                "order by 1, 2")
    assert [schema for schema, _ in rows] == ["Other one", "Other one", "public", "public"]


# --- what is told -----------------------------------------------------------------------------------------------------

def test_history(migrate, head):
    lines = migrate("history").stdout.splitlines()
    assert lines[0].split(",")[0].endswith(f" -> {head} (head)")
    assert lines[-2:] == [
        f"{BASE} -> {HARDENING}, hardening: job ledger enums/indexes/idempotency",
        f"<base> -> {BASE}, Initial job ledger schema with job and job_event tables",
    ]
    verbose = migrate("--verbose", "history").stdout
    assert f"Rev: {BASE}\nParent: <base>\nPath: migrations/versions/{BASE}.sql\n" in verbose
    assert "\n\n    Initial job ledger schema with job and job_event tables\n" in verbose
    assert migrate("heads").stdout == f"{head} (head)\n"
    assert f"Parent: {BASE}\n" in migrate("show", "3af").stdout


def test_current(migrate, head):
    assert migrate("current").stdout == ""
    assert json.loads(migrate("current", "--json").stdout) == {"revision": None, "head": False}
    migrate("upgrade", "+1")
    assert migrate("current").stdout == f"{BASE}\n"
    assert migrate("current", "--verbose").stdout.startswith(f"Rev: {BASE}\nParent: <base>\n")
    migrate("upgrade", "head")
    assert migrate("current").stdout == f"{head} (head)\n"
    assert json.loads(migrate("--json", "current").stdout) == {"revision": head, "head": True}


def test_json(migrate, head):
    migrate("upgrade", "+1")
    rows = json.loads(migrate("history", "--json").stdout)
    assert [set(row) for row in rows] == [{"revision", "down_revision", "message", "path", "head", "applied"}] * len(rows)
    assert [row["applied"] for row in rows] == [False] * (len(rows) - 1) + [True]
    assert [row["revision"] for row in rows if row["head"]] == [head] == [rows[0]["revision"]]
    assert rows[-1]["down_revision"] is None
    assert json.loads(migrate("show", "3af", "--json").stdout) == [rows[-2]]
    assert json.loads(migrate("heads", "--json").stdout) == [rows[0]]


def test_json_without_a_server_says_that_applied_is_unknown(migrate):
    rows = json.loads(migrate("history", "--json", PGHOST="127.0.0.1", PGPORT="1").stdout)
    assert {row["applied"] for row in rows} == {None}


# --- refused ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("args", [
    ("upgrade", "nope"), ("downgrade", "nope"), ("show", "nope"), ("upgrade", "+99"), ("downgrade", "-99"),
    ("upgrade", "+0"), ("upgrade", "-1"), ("downgrade", "head"), ("upgrade",), ("upgrade", "head", "head"),
    ("nonsense",), (), ("current", "--nonsense"),
])
def test_usage(migrate, args):
    done = migrate(*args, fails=64)
    assert done.stdout == ""
    assert done.stderr.startswith("heimdex-migrate: ") and done.stderr.count("\n") == 1
    assert migrate.tables() == []


@pytest.mark.parametrize("broken", ["missing parent", "duplicate", "cycle", "two heads", "two roots", "revision file"])
def test_broken_chains_are_refused_before_connecting(migrate, chain, broken):
    chain("a1", "")
    if broken == "missing parent":
        chain("b2", "gone")
    elif broken == "duplicate":
        chain("a1", "", name="a1_again")
    elif broken == "cycle":
        chain("x", "y")
        chain("y", "x")
    elif broken == "two heads":
        chain("b2", "a1")
        chain("c3", "a1")
    elif broken == "two roots":
        chain("b2", "")
    else:
        chain("b2", "a1").write_text("select 1;\n")
    started = time.monotonic()
    done = migrate("upgrade", "head", "--chain", chain.directory, fails=65, PGHOST="127.0.0.1", PGPORT="1")
    assert broken in done.stderr and "postgresql" not in done.stderr
    assert time.monotonic() - started < 5


def test_a_name_that_disagrees_is_warned_of(migrate, chain):
    chain("a1", "", "create table t ();", name="b2_words")
    done = migrate("upgrade", "head", "--chain", chain.directory)
    assert "warning: " in done.stderr and "b2_words.sql" in done.stderr
    assert migrate.version() == "a1"


def test_an_applied_revision_that_no_file_knows(migrate, chain):
    chain("a1", "")
    migrate("upgrade", "head", "--chain", chain.directory)
    for args in (("upgrade", "head"), ("downgrade", "base"), ("current",)):
        assert "a1: no file of the chain declares" in migrate(*args, fails=1).stderr
    assert migrate.version() == "a1"


def test_what_needs_no_transaction_is_refused_before_anything_runs(migrate, chain):
    chain("a1", "", "create table t ();")
    path = chain("b2", "a1", "vacuum;")
    done = migrate("upgrade", "head", "--chain", chain.directory, fails=65)
    assert f"{path}:6: " in done.stderr and "-- no-transaction" in done.stderr
    assert migrate.tables() == []


# --- failures ---------------------------------------------------------------------------------------------------------

def test_failing_sql_names_file_and_line_and_changes_nothing(migrate, chain):
    chain("a1", "", "create table t (n integer);", "drop table t;")
    path = chain("b2", "a1", "create table u ();\n\n-- the next one fails; it does\nselect\n  nope from t;\ncreate table v ();",
                 "drop table nothing;")
    done = migrate("upgrade", "head", "--chain", chain.directory, fails=1)
    assert done.stderr.splitlines()[-1] == f'heimdex-migrate: b2: {path}:9: 42703: column "nope" does not exist'
    assert migrate.version() == "a1" and migrate.tables() == ["t"]

    path.write_text(path.read_text().replace("nope", "n"))
    migrate("upgrade", "head", "--chain", chain.directory)
    done = migrate("downgrade", "base", "--chain", chain.directory, fails=1)
    assert f"heimdex-migrate: b2: {path}:13: 42P01: " in done.stderr
    assert migrate.version() == "b2" and migrate.tables() == ["t", "u", "v"]


def test_what_fails_at_the_commit_is_told_at_the_section(migrate, chain):
    path = chain("a1", "", "create table t (n integer unique deferrable initially deferred);\ninsert into t values (1), (1);")
    done = migrate("upgrade", "head", "--chain", chain.directory, fails=1)
    assert f"heimdex-migrate: a1: {path}:5: 23505: " in done.stderr
    assert migrate.version() is None and migrate.tables() == []


def test_a_revision_that_writes_the_version_itself(migrate, chain):
    """As the SQL does that Alembic prints."""
    chain("a1", "", "create table t ();")
    chain("b2", "a1", "create table u ();\nupdate alembic_version set version_num = 'b2';")
    done = migrate("upgrade", "head", "--chain", chain.directory, fails=1)
    assert "b2.sql: alembic_version is not as expected" in done.stderr
    assert migrate.version() == "a1" and migrate.tables() == ["t"]


def test_session_settings_do_not_reach_the_next_revision(migrate, chain):
    chain("a1", "", "select set_config('search_path', '', false);\ncreate table public.t ();")
    chain("b2", "a1", "create table u ();")
    migrate("upgrade", "head", "--chain", chain.directory)
    assert migrate.version() == "b2" and migrate.tables() == ["t", "u"]


def test_one_transaction_a_revision(migrate, chain):
    """Every shape that the splitter must hold together, run by the server itself."""
    chain("a1", "", """
create table t (n integer, "odd;name" text);
create function f() returns integer language plpgsql as $body$ begin return 1; end; $body$;
create function g() returns integer begin atomic select 1; select case when true then 2 end; end;
create rule r as on insert to t do also (notify a; notify b);
insert into t values (1, E'a\\';b'), (2, 'a;''b'); /* ; /* ; */ ; */
do $$ begin perform f(); end $$; -- ; the end
insert into t select g(), txid_current()::text;
""")
    migrate("upgrade", "head", "--chain", chain.directory)
    rows = migrate.database.sql('select n, "odd;name" from t order by 1, 2')
    assert rows[0] == (1, "a';b") and (2, "a;'b") in rows and len(rows) == 3


def test_dependencies_that_are_away(migrate):
    assert "does not exist" in migrate("current", fails=69, PGDATABASE="hx_there_is_none").stderr
    assert migrate("upgrade", "head", fails=69, PGHOST="127.0.0.1", PGPORT="1").stdout == ""
    for env in ({"PGUSER": "hx_there_is_nobody"}, {"PGPASSWORD": "wrong"}):
        assert migrate("current", fails=77, **env).stdout == ""


def test_a_server_that_never_answers(migrate):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        started = time.monotonic()
        migrate("current", fails=69, PGHOST="127.0.0.1", PGPORT=port, HEIMDEX_POSTGRES_TIMEOUT="1s")
        assert time.monotonic() - started < 5


def test_killed_in_the_middle(migrate, chain):
    path = chain("a1", "", "create table t ();\nselect pg_sleep(60);\ncreate table u ();")
    process = migrate.binaries.popen("heimdex-migrate", "upgrade", "head", "--chain", chain.directory, env=migrate.database.env)
    asleep = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
    until(lambda: migrate.database.sql(asleep) == [(1,)])
    process.kill()
    process.wait()
    until(lambda: migrate.database.sql(asleep) == [(0,)])
    assert migrate.version() is None and migrate.tables() == []
    path.write_text(path.read_text().replace("60", "0"))
    migrate("upgrade", "head", "--chain", chain.directory)
    assert migrate.version() == "a1" and migrate.tables() == ["t", "u"]


# --- several at once --------------------------------------------------------------------------------------------------

def test_ten_upgrades_at_once_apply_each_revision_once(migrate, chain):
    chain("a1", "", "create table runs (revision text);\ninsert into runs values ('a1');\nselect pg_sleep(0.2);")
    for n in range(2, 6):
        chain(f"a{n}", f"a{n - 1}", f"insert into runs values ('a{n}');\nselect pg_sleep(0.1);")
    with ThreadPoolExecutor(10) as pool:
        done = list(pool.map(lambda _: migrate("upgrade", "head", "--chain", chain.directory), range(10)))
    assert migrate.database.sql("select revision from runs order by 1") == [(f"a{n}",) for n in range(1, 6)]
    assert migrate.version() == "a5"
    assert len([line for one in done for line in running(one)]) == 5


def test_ten_first_steps_at_once_are_one_step(migrate, chain):
    for n in range(1, 4):
        chain(f"a{n}", f"a{n - 1}" if n > 1 else "", f"create table t{n} ();\nselect pg_sleep(1);")
    with migrate.database.connect() as holder, holder.cursor() as cursor:  # so that all ten have looked before one goes on
        cursor.execute("select pg_advisory_xact_lock(hashtext('heimdex-migrate'), hashtext('public'))")
        with ThreadPoolExecutor(10) as pool:
            futures = [pool.submit(migrate, "upgrade", "+1", "--chain", chain.directory) for _ in range(10)]
            asking = "select count(*) from pg_stat_activity where datname = current_database() and " \
                     "application_name = 'heimdex-migrate' and query like '%%pg_try_advisory_lock%%'"
            until(lambda: migrate.database.sql(asking) == [(10,)])
            holder.rollback()
            for future in futures:
                future.result()
    assert migrate.version() == "a1"


def test_a_lock_that_is_not_granted(migrate):
    with migrate.database.connect() as holder, holder.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtext('heimdex-migrate'), hashtext('public'))")
        done = migrate("upgrade", "head", "--lock-timeout", "100ms", fails=75)
        pid = holder.get_backend_pid()
        assert re.search(fr"not granted within 3 times 100 ms: pid {pid} \(test, user \w+, query started "
                         r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, idle in transaction\)$", done.stderr.rstrip()), done.stderr
        holder.rollback()
    assert migrate.version() is None
    migrate("upgrade", "head")


def test_the_sweep_begins_behind_slower_clocks(migrate, database):
    """Whose jobs come in with ids of before: it walks each id once."""
    migrate("upgrade", "head")
    assert database.one("select position < heimdex_uuid_floor(now() - interval '2 min') from sweep")
