"""Rows of the predecessor on their way to the ledger and back, and large tables that nobody has to wait for."""
import json
import signal
import uuid

import pytest

from support.migrations import Migrate
from support.old_ledger import MAPPED, ORG, OldLedger, OldWorker, make_jobs, old_rows, some_jobs, violations
from support.wait import until

EVENTS_READY, PROTOCOL, FILLED, CARRIED, RIGHTS = "5c1de7a4b8f0", "8d2f6b0c4e17", "a7e3905fd21c", "d94b6e0c83f5", "c40f7d1e8a52"
# Tables of a hundred rows are large ones.
LARGE = {"PGOPTIONS": "-c heimdex.small_table=100"}


# --- the old table jobs ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("start", ["001 sets it aside", "beside the ledger"])
def test_each_row_is_carried_over_as_the_mapping_says(migrate, database, start):
    if start == "beside the ledger":
        migrate("upgrade", "3af4686817cc")
    make_jobs(database, some_jobs())
    before = old_rows(database)
    done = migrate("upgrade", "head")
    assert f"jobs: {len(before)} rows carried over" in done.stderr
    assert not {"jobs", "jobs_before_ledger"} & set(migrate.tables())
    for id, status, stage, progress, result, error, created_at, updated_at in before:
        job, = database.sql("select org_id::text, type, status::text, attempt, priority, created_at, updated_at, last_error_code, "
                            "last_error_message, started_at, finished_at, idempotency_key, requested_by from job where id = %s", id)
        assert job == (ORG, "mock_process", MAPPED[status], 0, 0, created_at, updated_at, None if error is None else "legacy", error,
                       None, None, None, None)
        events = database.sql("select prev_status::text, next_status::text, detail_json, ts from job_event where job_id = %s order by ts, id", id)
        assert [prev for prev, *_ in events] == [None, *(following for _, following, *_ in events[:-1])]
        last = events[-1]
        assert last[1] == MAPPED[status] and last[3] == updated_at
        assert (last[2].get("stage"), last[2].get("progress")) == (stage, progress)
        assert database.one("select detail_json ? 'result' from job_event where job_id = %s order by ts desc limit 1", id) \
            == database.one("select %s::jsonb is not null", None if result is None and stage is None else json.dumps(result))
        assert last[2].get("result") == result
    assert violations(database) == []


def test_carried_jobs_are_listed_and_counted(migrate, database):
    make_jobs(database, some_jobs())
    migrate("upgrade", "head")
    counts = database.sql("select status::text, sum(count) from (select * from job_count union all select * from delta) as c group by 1 order by 1")
    assert counts == [("failed", 4), ("queued", 4), ("running", 4), ("succeeded", 4)]
    assert database.one("select count(*) from waiting where reason = 'migrated'") == 8
    # What ran is held by a worker that shows no sign of life, so that the first scheduler takes it back.
    assert database.sql("select cardinality(c.ids), w.dead from claim c join worker w on w.id = c.worker") == [(4, False)]


STRANGE = ["pending", "DONE", None, ""]
LISTED = "jobs: unknown statuses, map each with --map-status OLD=NEW: '' (1) with =NEW, 'DONE' (1), NULL (1) with NULL=NEW"
MAPPING = "--map-status", "DONE=completed", "--map-status", "=queued", "--map-status", "NULL=failed"


@pytest.mark.parametrize("start", [None, "3af4686817cc"])
def test_an_unknown_status_stops_the_upgrade_before_it_begins(migrate, database, start):
    if start:
        OldLedger(database)
    make_jobs(database, [(str(uuid.uuid4()), status, None, None, None, None) for status in STRANGE])
    before, shape = old_rows(database), migrate.tables()
    assert LISTED in migrate("upgrade", "head", fails=1).stderr
    assert (migrate.version(), migrate.tables(), old_rows(database)) == (start, shape, before)
    told = migrate("upgrade", "head", *MAPPING).stderr
    for line in ('"DONE" became "succeeded"', '"" became "queued"', '"NULL" became "failed"'):
        assert f"jobs.status: {line} in 1 rows" in told
    assert database.sql("select status::text, count(*) from job group by 1 order by 1") == [("failed", 1), ("queued", 2), ("succeeded", 1)]
    assert violations(database) == []
    migrate("downgrade", FILLED)
    assert old_rows(database) == before


def test_a_status_that_came_later_stops_the_upgrade(migrate, database):
    make_jobs(database, [])
    migrate("upgrade", FILLED)
    for status in STRANGE:
        database.sql("insert into jobs_before_ledger (id, status) values (gen_random_uuid(), %s)", status)
    assert LISTED in migrate("upgrade", "head", fails=1).stderr
    assert migrate.version() == FILLED and database.one("select count(*) from job") == 0
    migrate("upgrade", "head", *MAPPING)


def test_a_status_is_mapped_to_a_status_only(migrate, database):
    make_jobs(database, [(str(uuid.uuid4()), "DONE", None, None, None, None)])
    assert "nonsense is no status" in migrate("upgrade", "head", "--map-status", "DONE=nonsense", fails=1).stderr


def test_jobs_stay_when_the_counts_disagree(migrate, database):
    make_jobs(database, some_jobs())
    before = old_rows(database)
    migrate("upgrade", FILLED)
    database.sql("create function lose() returns trigger language plpgsql as 'begin return null; end'")
    database.sql("create trigger lose before insert on job for each row when (new.status = 'failed') execute function lose()")
    told = migrate("upgrade", "head", fails=1).stderr
    assert "16 rows, 12 of them were carried over: nothing was changed: no job of their status, or no events that lead to it: " in told
    assert all(row[0] in told for row in before if row[1] == "failed")
    database.sql("alter table jobs_before_ledger rename to jobs")
    assert old_rows(database) == before
    assert database.one("select count(*) from job") == 0


def test_times_without_end_are_carried_over(migrate, database):
    make_jobs(database, some_jobs())
    database.sql("update jobs set updated_at = 'infinity' where stage is not null")
    database.sql("update jobs set created_at = '-infinity' where progress = 0")
    database.sql("update jobs set created_at = '-infinity', updated_at = '-infinity' where progress = 7")
    before = old_rows(database, "id, status, created_at::text, updated_at::text")
    assert "jobs: 12 rows have an infinite created_at or updated_at" in migrate("upgrade", "head").stderr
    assert database.one("select count(*) from job where isfinite(created_at) and isfinite(updated_at)") == len(before)
    assert violations(database) == []
    migrate("downgrade", FILLED)
    assert old_rows(database, "id, status, created_at::text, updated_at::text") == before


def test_ids_that_are_in_job_already_are_named(migrate, database):
    make_jobs(database, some_jobs())
    migrate("upgrade", FILLED)
    database.sql("insert into job (id, org_id, type) select id, id, 'x' from jobs_before_ledger where status = 'failed'")
    ids = sorted(id for id, in database.sql("select id from job"))
    told = migrate("upgrade", "head", fails=1).stderr
    assert f"jobs: 4 of its ids are in job already: drop these rows in one of the two: {', '.join(ids)}\n" in told


def test_what_hangs_on_jobs_is_named(migrate, database):
    make_jobs(database, some_jobs())
    migrate("upgrade", FILLED)
    database.sql("create view report as select status from jobs_before_ledger")
    told = migrate("upgrade", "head", fails=1).stderr
    assert told.splitlines()[-1].endswith("2BP01: cannot drop desired object(s) because other objects depend on them: view report depends on table jobs")
    database.sql("drop view report")
    migrate("upgrade", "head")


# --- databases that Alembic made ------------------------------------------------------------------------------------

VARIANTS = {
    "001": {"revision": "001_job_ledger_init"},
    "3af4": {},
    "3af4, another name": {"enum": "jobstatus"},
    "3af4, varchar events": {"events": "varchar"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_events_become_the_first_partition_without_being_copied(migrate, database, variant):
    old = OldLedger(database, jobs=1000, **VARIANTS[variant])
    file, events = old.file_of("job_event"), database.one("select count(*) from job_event")
    done = migrate("upgrade", "head", **LARGE)
    assert old.file_of("job_event_before") == file
    assert database.one("select inhparent::regclass::text from pg_inherits where inhrelid = 'job_event_before'::regclass") == "job_event"
    assert database.one("select count(*) from job_event") == events
    assert ("its statuses stay varchar" in done.stderr) == (variant == "001")
    assert database.one("select count(*) from pg_index where not indisvalid") == 0
    assert database.one("select count(*) from pg_constraint where not convalidated") == 0
    assert migrate("check").stdout == ""
    assert violations(database) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_job_of_the_ledger_has_its_place(migrate, database, variant):
    OldLedger(database, jobs=1000, **VARIANTS[variant])
    migrate("upgrade", "head", **LARGE)
    assert database.one("select count(*) from waiting") == 20
    assert database.one("select sum(cardinality(ids)) from claim") == 10
    assert dict(database.sql("select status::text, count from job_count")) == {
        "queued": 10, "running": 10, "succeeded": 950, "failed": 10, "canceled": 10, "dead_letter": 10}
    assert database.one("select count(*) from job where status in ('canceled', 'dead_letter') and last_error_code is null") == 0


def test_fewer_events_take_the_type(migrate, database):
    OldLedger(database, revision="001_job_ledger_init", jobs=50)
    migrate("upgrade", "head")
    assert database.one("select format_type(atttypid, null) from pg_attribute where attrelid = 'job_event'::regclass and attname = 'next_status'") \
        == "job_status"
    assert violations(database) == []


def test_the_enum_has_its_name_again_on_the_way_down(migrate, database):
    OldLedger(database, enum="\"jobStatus\"", jobs=10)
    enums = "select typname from pg_type where typtype = 'e'"
    for _ in range(2):
        migrate("upgrade", "head")
        assert database.sql(enums) == [("job_status",)]
        migrate("downgrade", "3af4686817cc")
        assert database.sql(enums) == [("jobStatus",)]
        assert database.one("select obj_description('\"jobStatus\"'::regtype, 'pg_type')") is None
    migrate("downgrade", "-1")
    assert database.sql(enums) == []


def test_normalised_statuses_are_told(migrate, database):
    OldLedger(database, revision="001_job_ledger_init", jobs=10)
    database.sql("alter table job drop constraint ck_job_status")
    database.sql("update job set status = 'Completed' where status = 'succeeded'")
    database.sql("update job_event set next_status = 'cancelled' where next_status = 'succeeded'")
    done = migrate("upgrade", "3af4686817cc")
    assert 'job.status: "Completed" became "succeeded" in 6 rows' in done.stderr
    assert 'job_event.next_status: "cancelled" became "canceled" in 6 rows' in done.stderr


def test_a_status_that_is_none_stops_the_hardening(migrate, database):
    OldLedger(database, revision="001_job_ledger_init", jobs=10)
    database.sql("update job_event set prev_status = 'lost' where prev_status = 'running'")
    done = migrate("upgrade", "head", fails=1)
    assert "job_event.prev_status 'lost'" in done.stderr and "--map-status OLD=NEW" in done.stderr
    assert migrate.version() == "001_job_ledger_init"
    migrate("upgrade", "head", "--map-status", "lost=running")
    assert violations(database) == []


def test_statuses_of_varchar_events_are_normalised_above_the_hardening_too(migrate, database):
    """Where Alembic left the events varchar, nobody has looked at them yet."""
    OldLedger(database, events="varchar", jobs=100)
    database.sql("update job_event set next_status = 'pending' where next_status = 'queued'")
    database.sql("update job_event set next_status = 'processing' where next_status = 'running'")
    database.sql("update job_event set next_status = 'COMPLETED' where next_status = 'succeeded'")
    database.sql("update job_event set prev_status = 'Processing' where prev_status = 'running'")
    database.sql("update job_event set next_status = 'boom' where next_status = 'canceled'")
    database.sql("update job_event set next_status = '' where next_status = 'failed'")
    done = migrate("upgrade", "head", fails=1)
    assert "--map-status OLD=NEW: job_event.next_status '' (1) with =NEW, job_event.next_status 'boom' (1)" in done.stderr
    assert migrate.version() == "3af4686817cc"
    assert database.one("select count(*) from job_event where next_status = 'processing'") > 0
    told = migrate("upgrade", "head", "--map-status", "boom=canceled", "--map-status", "=failed").stderr
    for line in ('next_status: "pending" became "queued" in 100', 'next_status: "processing" became "running" in 98', 'next_status: "" became "failed" in 1',
                 'next_status: "COMPLETED" became "succeeded" in 95', 'prev_status: "Processing" became "running" in 97'):
        assert f"NOTICE: job_event.{line} rows" in told
    assert violations(database) == []


@pytest.mark.parametrize("variant", ["001", "3af4"])
def test_the_predecessors_workers_go_on(migrate, database, variant):
    """Through every revision: none of their statements fails or waits a second for a lock."""
    OldLedger(database, jobs=1000, **VARIANTS[variant])
    with OldWorker(database) as one, OldWorker(database) as other:
        until(lambda: len(one.finished) > 20 and len(other.finished) > 20)
        migrate("upgrade", "head", **LARGE)
        before = len(one.finished), len(other.finished)
        until(lambda: len(one.finished) > before[0] and len(other.finished) > before[1])
    assert (one.error, other.error) == (None, None)


def test_what_the_predecessors_workers_do_meanwhile_is_counted_and_listed(migrate, database):
    OldLedger(database, jobs=1000)
    with OldWorker(database) as one, OldWorker(database) as other:
        until(lambda: one.left and other.left)
        migrate("upgrade", PROTOCOL, **LARGE)
        before = len(one.left), len(other.left)
        until(lambda: len(one.left) > before[0] and len(other.left) > before[1])
    assert (one.error, other.error) == (None, None)
    migrate("upgrade", "head", **LARGE)
    jobs = one.finished + other.finished
    assert database.one("select count(*) from job where id = any (%s::uuid[])", jobs) == len(jobs)
    assert {id for id, in database.sql("select job_id::text from waiting")} > set(one.left + other.left)
    assert violations(database) == []


# --- interrupted ------------------------------------------------------------------------------------------------------

INTERRUPTED = {
    "the unique index": (EVENTS_READY, "lock table job_event in row exclusive mode", "%job_event_before_key%"),
    "the bound": (EVENTS_READY, "lock table job_event in access share mode", "%job_event_before_bound%"),
    "attaching": (PROTOCOL, "lock table job_event in access share mode", "%heimdex_lock%"),
    "filling": (FILLED, "select from job where status = 'queued' for update", "%stand_in%"),
    "adopting": (FILLED, "lock table job in access share mode", "%stand_in%"),
    "carrying over": (CARRIED, "lock table jobs in access share mode", "%jobs_before_ledger%"),
}


@pytest.mark.parametrize("step", INTERRUPTED)
def test_resumable_at(migrate, database, step):
    """Killed where it waits for somebody else's lock; what is there then is taken on from."""
    revision, lock, query = INTERRUPTED[step]
    old = OldLedger(database, jobs=1000)
    make_jobs(database, some_jobs())
    file = old.file_of("job_event")
    at = "select pid from pg_stat_activity where datname = current_database() and application_name = 'heimdex-migrate' and query like %s"
    chain = [row["revision"] for row in reversed(json.loads(migrate("history", "--json").stdout))]
    migrate("upgrade", chain[chain.index(revision) - 1], **LARGE)
    with database.connect() as holder, holder.cursor() as cursor:
        cursor.execute(lock)
        process = migrate.binaries.popen("heimdex-migrate", "upgrade", "head", env={**database.env, **LARGE})
        until(lambda: database.sql(at + " and wait_event_type in ('Lock', 'Timeout')", query))
        process.send_signal(signal.SIGKILL)
        process.wait()
        holder.rollback()
    until(lambda: not database.sql(at, query))
    migrate("upgrade", "head", **LARGE)
    assert old.file_of("job_event_before") == file
    assert database.one("select count(*) from job") == 1016
    assert database.one("select count(*) from pg_index where not indisvalid") == 0
    assert migrate("check").stdout == ""
    assert violations(database) == []


@pytest.mark.parametrize("revision", ["3af4686817cc", EVENTS_READY, PROTOCOL, FILLED, CARRIED, RIGHTS])
@pytest.mark.parametrize("filled", ["empty", "filled"])
def test_up_down_up_equals_up(migrate, database, revision, filled):
    if filled == "filled":
        OldLedger(database, revision="001_job_ledger_init", jobs=100)
        make_jobs(database, some_jobs())
    migrate("upgrade", revision)
    before, jobs = migrate.dump(), database.sql("select * from job order by id")
    migrate("downgrade", "-1")
    migrate("upgrade", "+1")
    assert migrate.dump() == before
    assert [row[0] for row in database.sql("select * from job order by id")] == [row[0] for row in jobs]


@pytest.mark.unchecked  # the predecessor's events tell of starts that its rows don't count
def test_a_fleet_finishes_what_the_predecessor_left(binaries, migrated, fleet):
    """What waited, what failed, and what seemed to run: its worker shows no sign of life."""
    migrate = Migrate(binaries, migrated)
    migrate("downgrade", "base")
    make_jobs(migrated, some_jobs())
    migrate("upgrade", "head")
    fleet(workers=1, worker={"lease": "5s"})
    until(lambda: migrated.sql("select status::text, count(*) from job group by 1") == [("succeeded", 16)], 60)
    assert migrated.sql("select count(*) from worker where host = 'predecessor' and not dead") == [(0,)]
    until(lambda: migrated.sql("select count(*) from claim") == [(0,)], what="the last claim's row is deleted, behind its last outcome")
    until(lambda: migrated.sql("select status::text, sum(count) from (select * from job_count union all select * from delta) as c "
                               "group by 1 having sum(count) <> 0") == [("succeeded", 16)])
