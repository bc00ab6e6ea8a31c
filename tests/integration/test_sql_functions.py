"""What runs with the owner's rights: heimdex_submit() from SQL, and the partitions of others. What whoever calls them may, what comes of it, and what
the roles may that the migration makes.
heimdex_submit()'s limits: test_submit_refusals.py; beside others: test_isolation_waiting.py."""
from contextlib import contextmanager

import psycopg2
import pytest

from support.submission import ORG
from support.wait import until

pytestmark = pytest.mark.quick


@contextmanager
def login(postgres, migrated, name, more=""):
    """A session of a role of its own."""
    user = name + "_" + migrated.name[-8:]
    postgres.admin(f"create role \"{user}\" login password 'x' {more}")
    env = migrated.env
    session = psycopg2.connect(host=env["PGHOST"], port=env["PGPORT"], dbname=migrated.name, user=user, password="x")
    session.autocommit = True
    try:
        yield session.cursor()
    finally:
        session.close()
        migrated.sql(f'revoke all on function heimdex_submit from "{user}"')
        postgres.admin(f'drop role "{user}"')


@pytest.fixture
def caller(postgres, migrated):
    """A session of somebody who may call heimdex_submit(), and nothing else."""
    with login(postgres, migrated, "caller") as cursor:
        migrated.sql(f'grant execute on function heimdex_submit to "{cursor.connection.info.user}"')
        yield cursor


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


def test_a_key_is_its_organisations(migrated):
    orgs = ORG, "00000000-0000-0000-0000-000000000000"
    jobs = [migrated.one("select heimdex_submit('t', org_id => %s, idempotency_key => 'k')::text", org) for org in orgs * 2]
    assert jobs[0] != jobs[1] and jobs[2:] == jobs[:2]


def test_the_relay_is_told_when_it_commits(migrated):
    """And not of one that is delayed: the scheduler looks for those."""
    relay, client = migrated.connect(autocommit=True), migrated.connect()
    try:
        relay.cursor().execute("listen heimdex_outbox")
        migrated.one("select heimdex_submit('t', run_at => now() + interval '1 h')::text")
        client.cursor().execute("select heimdex_submit('t')")
        relay.poll()
        assert relay.notifies == []
        client.commit()
        until(lambda: relay.poll() or relay.notifies, what="a word")
        assert [notify.channel for notify in relay.notifies] == ["heimdex_outbox"]
    finally:
        client.close()
        relay.close()


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


def test_partitions_are_made_for_who_may_make_none(caller, migrated):
    user = caller.connection.info.user
    last = migrated.one("select max(inhrelid::regclass::text) from pg_inherits where inhparent = 'job_event'::regclass and inhrelid::regclass::text ~ '[0-9]$'")
    migrated.sql(f"drop table {last}")
    migrated.sql(f'grant execute on function heimdex_upkeep_partitions to "{user}"')
    try:
        caller.execute("select heimdex_upkeep_partitions()")
        assert caller.fetchone() == (1,)
        assert migrated.one("select pg_get_userbyid(relowner) from pg_class where oid = %s::regclass", last) == migrated.env["PGUSER"]
    finally:
        migrated.sql(f'revoke all on function heimdex_upkeep_partitions from "{user}"')


def test_the_runtime_owns_nothing_and_changes_no_event(migrated):
    rights = "SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"
    may = [right for right in rights if migrated.one("select has_table_privilege('heimdex_runtime', 'job_event', %s)", right)]
    assert may == ["SELECT", "INSERT"]
    assert migrated.sql("select from pg_class where relowner = 'heimdex_runtime'::regrole") == []
    assert migrated.one("select bool_and(has_function_privilege('heimdex_runtime', oid, 'execute')) from pg_proc "
                        "where proname in ('heimdex_submit', 'heimdex_upkeep_partitions')")


def test_the_api_sees_one_organisation(postgres, migrated):
    migrated.one("select heimdex_submit('t', org_id => %s)", ORG)
    migrated.one("select heimdex_submit('t')")
    with login(postgres, migrated, "api", "in role heimdex_api") as cursor:
        for org, seen in ((ORG, [(ORG,)]), ("", [])):
            cursor.execute("select set_config('app.current_org_id', %s, false)", (org,))
            cursor.execute("select org_id::text from job")
            assert cursor.fetchall() == seen
            cursor.execute("select count(*) from job_event")
            assert cursor.fetchone() == (len(seen),)


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
