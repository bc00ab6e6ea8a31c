"""heimdexctl against this test's database, and rows as a fleet would leave them there."""
import json
import socket

import pytest

NO_SUCH = "00000000-0000-7000-8000-000000000001"


@pytest.fixture
def ctl(binaries, migrated):
    """ctl("jobs", "--json") runs it and returns what has ended; it may fail."""
    def run(*args, env=None, **options):
        return binaries.ctl(*args, env={**migrated.env, **(env or {})}, check=False, **options)
    return run


@pytest.fixture
def ask(ctl):
    """The document of a command that succeeds."""
    def run(*args, **options):
        done = ctl(*args, "--json", **options)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\n") == 1
        return json.loads(done.stdout)
    return run


@pytest.fixture
def listener():
    """Connections to it are accepted, and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def submit(database, job_type="thumbnail", **named):
    names = "".join(f", {name} => %s" for name in named)
    job = str(database.one(f"select heimdex_submit(%s{names})", job_type, *named.values()))
    database.sql("select pg_sleep(0.002)")  # ids made by SQL are in order from one millisecond to the next
    return job


def add_type(database, job_type="thumbnail", queue="default"):
    database.sql("insert into job_type (type, queue) values (%s, %s)", job_type, queue)


def add_worker(database, types=("thumbnail",), slot=0, seen="0", dead=False, lease_ms=None):
    return database.one("""insert into worker (host, hostname, instance, slot, incarnation, boot_id, pid, version, types, dead, renewed_at, lease_ms)
        values ('h', 'alpha', 'main', %s, gen_random_uuid(), 'b', 4711, '0.1.0', %s, %s, clock_timestamp() - %s::interval, %s) returning id""",
                        slot, list(types), dead, seen, lease_ms)


def settle(database, job, status, code=None, message=None):
    """Moves a queued job on as the fleet would, as far as the operators' commands can see."""
    database.sql("""with was as (select id, org_id, type, status from job where id = %s), moved as (
            update job j set status = %s::job_status, last_error_code = %s, last_error_message = %s, attempt = 1, max_attempts = 1,
                   finished_at = case when %s in ('succeeded', 'canceled', 'dead_letter') then clock_timestamp() end,
                   updated_at = clock_timestamp()
              from was where j.id = was.id returning j.id, was.status as before, j.updated_at, j.org_id, j.type)
        , gone as (delete from waiting where job_id = %s)
        , counted as (insert into delta select org_id, type, before, -1 from moved
                      union all select org_id, type, %s::job_status, 1 from moved)
        insert into job_event (job_id, ts, prev_status, next_status) select id, updated_at, before, %s::job_status from moved""",
                 job, status, code, message, status, job, status, status)


def run_under(database, job, worker):
    settle(database, job, "running")
    database.sql("update job set worker = %s where id = %s", worker, job)
    database.sql("insert into claim (token, worker, ids) values (gen_random_uuid(), %s, array[%s::uuid])", worker, job)
