"""heimdex-migrate's engine: what was edited since it was applied, what a revision says, proxies in between, a terminal."""
import os
import re
import subprocess

import pytest

from support.migrations import running
from support.pgbouncer import Pgbouncer


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
