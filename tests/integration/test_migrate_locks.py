"""heimdex-migrate and what others hold: locks and who has them, a server that isn't there yet, how long a statement may take."""
import re
import socket
from contextlib import contextmanager

from support.proxy import Proxy
from support.wait import until


@contextmanager
def a_table_held(migrate, chain, apply):
    """Revision a1 has made it, b2 is to alter it: the session that has read it meanwhile, and the file of b2."""
    chain("a1", "", "create table t ();", "drop table t;")
    apply()
    path = chain("b2", "a1", "alter table t add n integer;")
    with migrate.database.connect() as holder, holder.cursor() as cursor:
        cursor.execute("select from t")
        yield holder, path


def test_a_table_that_somebody_holds(migrate, chain, apply):
    with a_table_held(migrate, chain, apply) as (holder, path):
        done = apply("upgrade", "head", "--lock-timeout", "1s", fails=75)
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
    with a_table_held(migrate, chain, apply) as (holder, _):
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
    with a_table_held(migrate, chain, apply) as (holder, _):
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
    done = apply("upgrade", "head", "--statement-timeout", "2s", fails=1)
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
