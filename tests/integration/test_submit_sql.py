"""heimdex_submit() from SQL: what it writes, and what whoever calls it may. Its limits: test_submit_refusals.py; beside others: test_isolation_waiting.py."""
import psycopg2
import pytest

from support.submission import ORG

pytestmark = pytest.mark.quick


@pytest.fixture
def caller(postgres, migrated):
    """A session of somebody who may call it, and nothing else."""
    user = "caller_" + migrated.name[-8:]
    postgres.admin(f"create role \"{user}\" login password 'x'")
    migrated.sql(f'grant execute on function heimdex_submit to "{user}"')
    env = migrated.env
    session = psycopg2.connect(host=env["PGHOST"], port=env["PGPORT"], dbname=migrated.name, user=user, password="x")
    session.autocommit = True
    yield session.cursor()
    session.close()
    migrated.sql(f'revoke all on function heimdex_submit from "{user}"')
    postgres.admin(f'drop role "{user}"')


def test_it_writes_what_the_programs_write(migrated):
    migrated.sql("insert into job_type (type, queue) values ('thumbnail', 'pictures')")
    job = migrated.one("select heimdex_submit('thumbnail', '{\"n\": 1}', %s, 3, 'k', 'me', max_attempts => 2, timeout => '90 s')::text", ORG)
    row, = migrated.sql("""select payload, org_id::text, priority, idempotency_key, requested_by, run_at, max_attempts, timeout_ms, status::text, attempt, fence
                             from job where id = %s""", job)
    assert row == ({"n": 1}, ORG, 3, "k", "me", None, 2, 90000, "queued", 0, 0)
    assert migrated.sql("select e.prev_status, e.next_status::text, e.ts = j.created_at and j.updated_at = j.created_at from job_event e, job j "
                        "where e.job_id = j.id") == [(None, "queued", True)]
    assert migrated.sql("select org_id::text, type, status::text, count from delta") == [(ORG, "thumbnail", "queued", 1)]
    assert migrated.sql("select job_id::text, type, queue, priority, reason, announced, due <= now() from waiting") == [
        (job, "thumbnail", "pictures", 3, "sql", True, True)]
    assert migrated.sql("select kind, ids::text[], due <= now() from outbox") == [("announce", [job], True)]
    assert migrated.one("select heimdex_submit('thumbnail', org_id => %s, idempotency_key => 'k')::text", ORG) == job
    assert migrated.one("select (select count(*) from job_event) + (select count(*) from delta) + (select count(*) from outbox)") == 3


def test_a_delayed_one_is_announced_when_it_is_due(migrated):
    job = migrated.one("select heimdex_submit('t', run_at => now() + interval '1 h')::text")
    assert migrated.sql("select w.job_id::text, w.reason, w.announced, w.due = j.run_at from waiting w, job j where w.job_id = j.id") == [
        (job, "delayed", False, True)]
    assert migrated.sql("select from outbox") == []


def test_whoever_calls_it_needs_no_other_right(caller, migrated):
    caller.execute("select heimdex_submit('t')::text")
    job, = caller.fetchone()
    assert migrated.sql("select id::text from job") == [(job,)]
    for query in "select from job", "insert into outbox default values", "select heimdex_upkeep_partitions()":
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            caller.execute(query)


def test_nobody_calls_it_unasked(caller, migrated):
    migrated.sql(f'revoke execute on function heimdex_submit from "{caller.connection.info.user}"')
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        caller.execute("select heimdex_submit('t')")


@pytest.mark.parametrize("path", ["public", "pg_temp, public"])
def test_the_callers_own_tables_are_not_the_ledgers(caller, migrated, path):
    """They could have triggers, which would run with the owner's rights."""
    tables = "job_type", "job", "job_event", "delta", "waiting", "outbox"
    for table in tables:
        columns = migrated.one("select string_agg(format('%%I %%s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum) from pg_attribute "
                               "where attrelid = %s::regclass and attnum > 0 and not attisdropped", table)
        caller.execute(f"create temp table {table} ({columns}); grant all on pg_temp.{table} to public")
    caller.execute(f"set search_path = {path}")
    caller.execute("select public.heimdex_submit('t')")
    for table in tables:
        caller.execute(f"select count(*) from pg_temp.{table}")
        assert caller.fetchone() == (0,), table
        assert migrated.one(f"select count(*) from {table}") == (0 if table == "job_type" else 1), table


@pytest.mark.parametrize("schema", ["public", "Odd, one"])
def test_an_older_schema_comes_to_that_too(migrate, database, schema):
    """Whatever the functions' path is, it stays, with the caller's tables behind it."""
    path = f'"{schema}"'
    database.sql(f"create schema if not exists {path}; alter database \"{database.name}\" set search_path = {path}")
    database.forget()  # its session began without that
    paths = "select distinct c from pg_proc, unnest(proconfig) as c where prosecdef and proname like 'heimdex%'"
    migrate("upgrade", "d94b6e0c83f5")
    shown, = (path for path, in database.sql(paths))
    migrate("upgrade", "head")
    assert database.sql(paths) == [(shown + ", pg_temp",)]
    assert database.one("select heimdex_submit('t')::text") == database.one("select id::text from job")
    migrate("downgrade", "-1")
    assert database.sql(paths) == [(shown,)]
