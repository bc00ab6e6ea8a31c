"""heimdex-migrate and revisions without a transaction: their statements, their interruption anywhere, the indexes they build."""
import pytest

from support.wait import until

SLEEPING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
OURS = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'heimdex-migrate'"


def kill(migrate, process):
    """Kills the tool, and waits until the server has noticed."""
    process.kill()
    process.communicate()
    until(lambda: migrate.database.one(OURS) == 0)


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
