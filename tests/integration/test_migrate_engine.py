"""heimdex-migrate's engine: locks and who holds them, revisions without a transaction and their interruption, what was edited since,
proxies in between."""
import os
import re
import socket
import subprocess

import pytest

from support.migrations import running
from support.pgbouncer import Pgbouncer
from support.proxy import Proxy
from support.wait import until

SLEEPING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
OURS = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'heimdex-migrate'"


@pytest.fixture
def apply(migrate, chain):
    """The test's own chain: apply() is upgrade head."""
    def run(*args, **options):
        return migrate(*(args or ("upgrade", "head")), "--chain", chain.directory, **options)
    return run


def kill(migrate, process):
    """Kills the tool, and waits until the server has noticed."""
    process.kill()
    process.communicate()
    until(lambda: migrate.database.one(OURS) == 0)


# --- locks ------------------------------------------------------------------------------------------------------------

def test_a_table_that_somebody_holds(migrate, chain, apply):
    chain("a1", "", "create table t ();", "drop table t;")
    apply()
    path = chain("b2", "a1", "alter table t add n integer;")
    with migrate.database.connect() as holder, holder.cursor() as cursor:
        cursor.execute("select from t")
        done = apply("upgrade", "head", "--lock-timeout", "400ms", fails=75)
        holder.rollback()
    assert done.stderr.count("55P03") == 3
    last = done.stderr.splitlines()[-1]
    assert re.fullmatch(rf"heimdex-migrate: b2: {re.escape(str(path))}:6: 55P03: canceling statement due to lock timeout: held by "
                        rf"pid {holder.get_backend_pid()} \(test, user heimdex, query started \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ, "
                        r"idle in transaction\)", last), last
    assert migrate.version() == "a1"
    apply()
    assert migrate.version() == "b2"


def test_a_lock_that_is_released_in_time(migrate, chain, apply):
    chain("a1", "", "create table t ();")
    apply()
    chain("b2", "a1", "alter table t add n integer;")
    with migrate.database.connect() as holder, holder.cursor() as cursor:
        cursor.execute("select from t")
        process = migrate.start("upgrade", "head", "--chain", chain.directory, "--lock-timeout", "60s")
        line = until(lambda: process.stderr.readline() if migrate.database.one("select count(*) from pg_locks where not granted")
                     else None)
        assert line.startswith("Running upgrade")
        assert "b2: waiting for a lock: pid" in process.stderr.readline()
        holder.rollback()
        assert process.wait(30) == 0
    assert migrate.version() == "b2"


def test_wait_for_whoever_holds_a_lock(migrate, chain, apply):
    """In place of 75."""
    chain("a1", "", "create table t ();")
    apply()
    chain("b2", "a1", "alter table t add n integer;")
    with migrate.database.connect() as holder, holder.cursor() as cursor:
        cursor.execute("select from t")
        process = migrate.start("upgrade", "head", "--chain", chain.directory, "--lock-timeout", "50ms", "--wait")
        while "--wait: trying again" not in (line := process.stderr.readline()):
            assert line
        holder.rollback()
        assert process.wait(30) == 0
    assert migrate.version() == "b2"


def test_wait_for_a_server(migrate, chain):
    """In place of 69. What a person must mend is said at once."""
    chain("a1", "", "create table t ();")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        process = migrate.start("upgrade", "head", "--chain", chain.directory, "--wait", PGPORT=listener.getsockname()[1])
        assert "Connection refused" in process.stderr.readline()
        assert process.stderr.readline() == "heimdex-migrate: --wait: trying again until it works\n"
        listener.listen()
        with Proxy((migrate.database.env["PGHOST"], migrate.database.env["PGPORT"]), listener=listener):
            assert process.wait(30) == 0
    assert migrate.version() == "a1"
    migrate("upgrade", "head", "--chain", chain.directory, "--wait", PGPASSWORD="wrong", fails=77)


def test_statement_timeout(migrate, chain, apply):
    path = chain("a1", "", "create table t ();\nselect pg_sleep(60);")
    done = apply("upgrade", "head", "--statement-timeout", "200ms", fails=1)
    assert f"heimdex-migrate: a1: {path}:7: 57014: " in done.stderr
    assert migrate.tables() == []


def test_the_lock_is_one_for_each_schema(migrate, chain, apply):
    chain("a1", "", "create table t ();")
    migrate.database.sql("create schema other")
    with migrate.database.connect() as holder, holder.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtext('heimdex-migrate'), hashtext('other'))")
        apply()
        apply("upgrade", "head", "--lock-timeout", "50ms", fails=75, PGOPTIONS="-c search_path=other")
        holder.rollback()


def test_nothing_to_do_needs_no_lock(migrate, chain, apply):
    chain("a1", "", "create table t ();")
    apply()
    with migrate.database.connect() as holder, holder.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtext('heimdex-migrate'), hashtext('public'))")
        apply()
        holder.rollback()


def test_a_revision_is_a_transaction_block(migrate, chain, apply):
    """LOCK TABLE, SET LOCAL and cursors are for blocks only."""
    chain("a1", "", """
create table t (n integer);
lock table t;
set local work_mem = '7MB';
insert into t select 1 / (current_setting('work_mem') = '7MB')::int;
declare c cursor for select 1;
""")
    apply()
    assert migrate.database.sql("select n from t") == [(1,)]


# --- without a transaction --------------------------------------------------------------------------------------------

def test_statements_that_cannot_be_in_a_transaction(migrate, chain, apply):
    chain("a1", "", "create table t (n integer);\ninsert into t select generate_series(1, 100);", "drop table t;")
    chain.piecemeal("b2", "a1", """
create unique index concurrently t_n on t (n);
vacuum t;
do $$ begin for i in 101 .. 103 loop insert into t values (i); commit; end loop; end $$;
alter table t add constraint t_key unique using index t_n;
""", "alter table t drop constraint t_key;\ndelete from t where n > 100;\nvacuum t;")
    apply()
    assert migrate.version() == "b2" and migrate.record() == {"a1": ("applied", 2), "b2": ("applied", 4)}
    assert migrate.database.sql("select count(*) from t") == [(103,)]
    apply("downgrade", "a1")
    assert migrate.version() == "a1" and migrate.record() == {"a1": ("applied", 2)}
    apply()


def test_killed_between_two_statements(migrate, chain, apply):
    """What has run doesn't run again: the inserts would show it."""
    chain("a1", "", "create table runs (n integer);")
    path = chain.piecemeal("b2", "a1", "insert into runs values (1);\nset search_path = nowhere, public;\nselect pg_sleep(60);\n"
                                       "insert into runs values (2);")
    process = migrate.start("upgrade", "head", "--chain", chain.directory)
    until(lambda: migrate.database.one(SLEEPING) == 1)
    kill(migrate, process)
    assert migrate.version() == "a1" and migrate.record()["b2"] == ("upgrading", 2)
    for args in (("downgrade", "base"),):
        assert "b2: its upgrade was interrupted after statement 2" in apply(*args, fails=1).stderr
    path.write_text(path.read_text().replace("pg_sleep(60)", "set_config('a.path', current_setting('search_path'), false), 1 / "
                                             "(current_setting('search_path') like 'nowhere%')::int"))
    assert "b2: going on after statement 2 of 4" in apply().stderr
    assert migrate.version() == "b2" and migrate.database.sql("select n from runs order by 1") == [(1,), (2,)]
    assert migrate.record()["b2"] == ("applied", 4)


def test_an_interrupted_downgrade_is_told_until_it_ends(migrate, chain, apply):
    """The version table says b2, but half of b2 is gone."""
    chain("a1", "", "select 1;")
    path = chain.piecemeal("b2", "a1", "create table n1 ();", "drop table n1;\nselect 1 / 0;\nselect 2;")
    apply()
    apply("verify", "--applied")
    assert "22012" in apply("downgrade", "-1", fails=1).stderr
    told = "b2: its downgrade was interrupted after statement 1; let it end first: heimdex-migrate downgrade -1\n"
    for target in ("b2", "head", "a1"):
        assert apply("upgrade", target, fails=1).stderr == f"heimdex-migrate: {told}"
    done = apply("current")
    assert done.stdout == "b2 (head)\n" and done.stderr == f"heimdex-migrate: interrupted: {told}"
    assert apply("verify", "--applied", fails=1).stderr == f"heimdex-migrate: interrupted: {told}"
    path.write_text(path.read_text().replace("1 / 0", "1"))
    apply("downgrade", "-1")
    assert apply("current").stderr == ""
    apply()
    assert migrate.tables() == ["n1"] and apply("verify", "--applied").stderr == ""


def test_what_has_run_must_not_be_edited_before_it_is_resumed(migrate, chain, apply):
    chain("a1", "", "create table runs (n integer);")
    path = chain.piecemeal("b2", "a1", "insert into runs values (1);\nselect 1 / 0;")
    assert "22012" in apply(fails=1).stderr
    good = path.read_text()
    path.write_text(good.replace("values (1)", "values (7)"))
    assert "b2" in apply(fails=1).stderr and migrate.database.sql("select n from runs") == [(1,)]
    path.write_text(good.replace("1 / 0", "1"))
    apply()
    assert migrate.version() == "b2" and migrate.database.sql("select n from runs") == [(1,)]


def test_an_invalid_index_is_built_again(migrate, chain, apply):
    """CREATE INDEX CONCURRENTLY that is killed leaves an index that is valid never, and in the way of the next try."""
    chain("a1", "", "create table t (n integer);\ninsert into t select generate_series(1, 100);")
    apply()
    chain.piecemeal("b2", "a1", "create index concurrently if not exists t_n on t (n);")
    with migrate.database.connect() as holder, holder.cursor() as cursor:  # whose snapshot the build waits for
        cursor.execute("insert into t values (101)")
        process = migrate.start("upgrade", "head", "--chain", chain.directory)
        until(lambda: migrate.database.one("select count(*) from pg_index where not indisvalid") == 1)
        kill(migrate, process)
        holder.commit()
    assert migrate.record()["b2"] == ("upgrading", 0)
    done = apply()
    assert "public.t_n: dropping this index" in done.stderr
    assert migrate.database.sql("select indisvalid from pg_index where indexrelid = 't_n'::regclass") == [(True,)]


def test_a_failed_build_leaves_nothing_in_the_way(migrate, chain, apply):
    chain("a1", "", "create table t (n integer);\ninsert into t values (1), (1);")
    chain.piecemeal("b2", "a1", "create unique index concurrently t_n on t (n);")
    assert "23505" in apply(fails=1).stderr
    migrate.database.sql("delete from t where ctid = (select min(ctid) from t)")
    apply()
    assert migrate.database.sql("select indisvalid from pg_index where indexrelid = 't_n'::regclass") == [(True,)]


def test_killed_after_an_index_was_built_and_before_it_was_noted(migrate, chain, apply):
    chain("a1", "", "create table t (n integer);")
    apply()
    chain.piecemeal("b2", "a1", "create index concurrently t_n on t (n);")
    with migrate.database.connect() as holder, holder.cursor() as cursor:  # so that the build stops behind its note
        cursor.execute("insert into t values (101)")
        process = migrate.start("upgrade", "head", "--chain", chain.directory)
        until(lambda: migrate.database.one("select count(*) from pg_index where not indisvalid") == 1)
        kill(migrate, process)
        holder.commit()
    migrate.database.sql("drop index t_n")
    migrate.database.sql("create index t_n on t (n)")  # as if the server had come to the end of it
    apply()
    assert migrate.version() == "b2"


def test_a_name_that_an_index_has_already(migrate, chain, apply):
    chain("a1", "", "create table t (n integer);\ncreate index t_n on t (n);")
    chain.piecemeal("b2", "a1", "create index concurrently t_n on t (n);")
    for _ in range(2):
        assert "42P07" in apply(fails=1).stderr


@pytest.mark.parametrize("statement", range(1, 5))
def test_killed_at_every_statement(migrate, chain, apply, statement):
    """Each statement in turn waits for a lock, and the tool is killed there."""
    chain("a1", "", "create table t (n integer);\ncreate table gate ();")
    apply()
    steps = ["insert into t values (1)", "create index concurrently t_n on t (n)", "insert into t values (2)", "drop index concurrently t_n"]
    steps.insert(statement, "lock table gate")
    chain.piecemeal("b2", "a1", ";\n".join(["select 0", *steps]) + ";")
    with migrate.database.connect() as holder, holder.cursor() as cursor:
        cursor.execute("lock table gate")
        process = migrate.start("upgrade", "head", "--chain", chain.directory)
        until(lambda: migrate.database.one("select count(*) from pg_locks where not granted"))
        kill(migrate, process)
        holder.rollback()
    assert migrate.record()["b2"] == ("upgrading", statement + 1)
    apply()
    assert migrate.version() == "b2" and migrate.database.sql("select n from t order by 1") == [(1,), (2,)]


def test_ten_starts_build_an_index_without_waiting_for_each_other(migrate, chain, apply):
    """Whoever waits for our lock must hold no snapshot, or the build would wait for that."""
    chain("a1", "", "create table t (n integer);\ninsert into t select generate_series(1, 1000);")
    chain.piecemeal("b2", "a1", "create index concurrently t_n on t (n);")
    processes = [migrate.start("upgrade", "head", "--chain", chain.directory) for _ in range(10)]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 10, errors
    assert sum(error.count("Running ") for error in errors) == 2


# --- what was applied -------------------------------------------------------------------------------------------------

def test_edited_since_applied(migrate, chain, apply):
    path = chain("a1", "", "create table t (n integer, m integer);", "drop table t;")
    apply()
    chain("b2", "a1", "create table u ();")
    good = path.read_text()
    path.write_text(good.replace("create table t (n integer, m integer)", "create  table t -- why not\n(n integer,m integer )"))
    apply("upgrade", "a1")
    path.write_text(good.replace("n integer", "n bigint"))
    for args in (("upgrade", "head"), ("downgrade", "base"), ("verify", "--applied")):
        done = apply(*args, fails=1)
        assert f"edited since applied: {path}: " in done.stderr and "heimdex-migrate stamp a1" in done.stderr
    assert migrate.version() == "a1" and migrate.tables() == ["t"]
    apply("stamp", "a1")
    apply("verify", "--applied")
    apply()
    assert migrate.version() == "b2"


def test_an_edited_downgrade_is_no_edit(migrate, chain, apply):
    path = chain("a1", "", "create table t ();", "drop table wrong;")
    apply()
    path.write_text(path.read_text().replace("drop table wrong", "drop table t"))
    apply("downgrade", "base")
    assert migrate.tables() == []


def test_a_revision_deleted_from_the_middle(migrate, chain, apply):
    chain("a1", "", "create table t ();")
    chain("b2", "a1", "create table u ();")
    chain("c3", "b2", "create table v ();")
    apply()
    (chain.path / "b2.sql").unlink()
    (chain.path / "c3.sql").unlink()
    chain("c3", "a1", "create table v ();")
    done = apply("upgrade", "head", fails=1)
    assert "applied but unknown: b2: no file of the chain declares" in done.stderr
    assert apply("stamp", "c3").returncode == 0
    apply("verify", "--applied")


# --- notices, rights, disk --------------------------------------------------------------------------------------------

def test_what_a_revision_says(migrate, chain, apply):
    chain("a1", "", "do $$ begin raise notice '% rows of status %', 3, 'Pending'; raise warning 'odd'; raise log 'unheard'; end $$;")
    err = apply().stderr
    assert "heimdex-migrate: NOTICE: 3 rows of status Pending\n" in err and "heimdex-migrate: WARNING: odd\n" in err
    assert "unheard" not in err


def test_an_error_tells_its_detail_but_no_row(migrate, chain, apply):
    chain("a1", "", "create table t (n integer primary key, word text, check (n > 0)); insert into t values (1, 'hush');")
    apply()
    chain("b2", "a1", "insert into t values (1, 'hush');")
    assert apply(fails=1).stderr.endswith('"t_pkey": Key (n)=(1) already exists.\n')
    for n in ("null", "0"):
        chain("b2", "a1", f"insert into t values ({n}, 'hush');")
        assert "hush" not in apply(fails=1).stderr


def test_map_status_reaches_the_sql(migrate, chain, apply):
    chain("a1", "", "create table t as select current_setting('heimdex.status_map') as map;")
    apply("upgrade", "head", "--map-status", "weird=failed", "--map-status", "done=completed")
    assert migrate.database.sql("select map from t") == [("weird=failed,done=completed",)]
    for wrong in ("weird", "=", "a=", "a=b=c", "a=b,c"):
        assert apply("upgrade", "head", "--map-status", wrong, fails=64).stderr.count("\n") == 1


def test_a_role_without_rights(migrate, chain, apply, postgres):
    chain("a1", "", "create table t ();")
    postgres.admin("drop role if exists bystander")
    postgres.admin("create role bystander login password 'bystander-secret'")
    try:
        done = apply("upgrade", "head", fails=77, PGUSER="bystander", PGPASSWORD="bystander-secret")
        assert "42501" in done.stderr and "bystander-secret" not in done.stderr
        assert migrate.tables() == []
        done = apply("current", fails=77, PGUSER="bystander", PGPASSWORD="not-the-secret")
        assert "28P01" in done.stderr and "not-the-secret" not in done.stderr
    finally:
        postgres.admin("drop role bystander")


# --- proxies ----------------------------------------------------------------------------------------------------------

@pytest.fixture
def pgbouncer(tmp_path_factory, database):
    made = Pgbouncer(tmp_path_factory.mktemp("pgbouncer"), database.env)
    yield made.start
    made.stop()


def test_a_proxy_that_pools_by_transaction_is_refused(migrate, chain, apply, pgbouncer):
    chain("a1", "", "create table t ();")
    through = pgbouncer("transaction", "ignore_startup_parameters = options")
    done = apply("upgrade", "head", fails=78, **through)
    assert "a proxy in between pools by transaction" in done.stderr and done.stderr.count("\n") == 1
    assert migrate.version() is None and migrate.tables() == []
    assert migrate.database.sql("select count(*) from pg_locks where locktype = 'advisory'") == [(0,)]
    assert apply("current", **through).stdout == ""  # reading is fine


def test_a_proxy_that_knows_no_options_is_refused(migrate, chain, apply, pgbouncer):
    chain("a1", "", "create table t ();")
    done = apply("upgrade", "head", fails=78, **pgbouncer("transaction"))
    assert "a pooling proxy stands in between" in done.stderr


@pytest.mark.parametrize("settings", [[], ["default_pool_size = 1"]])
def test_a_proxy_that_pools_by_session_will_do(migrate, chain, apply, pgbouncer, settings):
    chain("a1", "", "create table t ();")
    done = apply("upgrade", "head", **pgbouncer("session", "ignore_startup_parameters = options", *settings))
    assert len(running(done)) == 1 and migrate.version() == "a1"


# --- a terminal -------------------------------------------------------------------------------------------------------

def test_progress_on_a_terminal(migrate, chain):
    """While a revision runs its time goes along on one line; what is left in the end is how long it took."""
    chain("a1", "", "create table gate ();")
    migrate("upgrade", "head", "--chain", chain.directory)
    chain.piecemeal("b2", "a1", "select 1;\nlock table gate;\nselect 2;")
    ours, theirs = os.openpty()
    with migrate.database.connect() as holder, holder.cursor() as cursor:
        cursor.execute("lock table gate")
        process = migrate.binaries.popen("heimdex-migrate", "upgrade", "head", "--chain", chain.directory, env=migrate.database.env,
                                         stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        shown = b""
        while b"\r\x1b[K  b2: 1 of 3 statements, " not in shown:
            shown += os.read(ours, 4096)
        holder.rollback()
        while chunk := read_terminal(ours):
            shown += chunk
    assert process.wait(30) == 0
    assert re.search(rb"\r\x1b\[K  done in \d+\.\d\d s\r\n$", shown), shown
    assert b"  done" not in migrate("downgrade", "-1", "--chain", chain.directory).stderr.encode()


def read_terminal(fd):
    try:
        return os.read(fd, 4096)
    except OSError:  # nobody has its other end any more
        return b""
