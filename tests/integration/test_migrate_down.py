"""The way down: rows of the old table as they were, and what has no place below kept beside."""
import pytest

from support.old_ledger import OldLedger, make_jobs, old_rows, some_jobs, violations

EVENTS_READY, FILLED = "5c1de7a4b8f0", "a7e3905fd21c"


@pytest.mark.parametrize("target", [FILLED, "3af4686817cc", "base"])
def test_the_way_down_restores_jobs_row_by_row(migrate, database, target):
    make_jobs(database, some_jobs())
    database.sql("create index jobs_by_status on jobs (status)")
    database.sql("alter table jobs add column path text, add column seen timestamp, alter column stage set default 'new'")
    database.sql("update jobs set path = status || E'\\t/x', seen = '2024-02-29 12:00:00.000001' where progress = 7")
    before, shape = old_rows(database), migrate.dump()
    migrate("upgrade", "head")
    assert f"jobs: {len(before)} rows are back" in migrate("downgrade", target).stderr
    assert old_rows(database) == before
    if target == "base":
        assert [line for line in migrate.dump() if "alembic_version" not in line and "heimdex_migration" not in line and "jobs" in line] \
            == [line for line in shape if "jobs" in line]
    migrate("upgrade", "head")
    assert "jobs" not in migrate.tables()
    assert database.one("select count(*) from job") == len(before)
    assert violations(database) == []


def test_a_job_that_went_on_is_restored_as_it_is_now(migrate, database):
    rows = some_jobs()
    make_jobs(database, rows)
    migrate("upgrade", "head")
    id = rows[0][0]
    database.sql("with gone as (delete from waiting where job_id = %s) update job set status = 'dead_letter', updated_at = '2025-01-01+00', "
                 "last_error_code = 'X', last_error_message = 'gone' where id = %s", id, id)
    database.sql("""insert into job_event (job_id, ts, prev_status, next_status, detail_json)
                    values (%s, '2025-01-01+00', 'queued', 'dead_letter', '{"stage": "late", "progress": 3}')""", id)
    migrate("downgrade", FILLED)
    assert database.sql("select status, stage, progress, error, extract(year from updated_at)::int from jobs where id = %s", id) \
        == [("failed", "late", 3, "gone", 2025)]


def test_jobs_made_since_are_kept_beside(migrate, database):
    make_jobs(database, some_jobs())
    migrate("upgrade", "head")
    made = database.one("""select heimdex_submit('thumbnail', '{"n": 1}')""")
    done = migrate("downgrade", "base")
    assert "jobs_made_since: keeps 1 jobs" in done.stderr
    assert database.sql("select id, job -> 'payload', jsonb_array_length(events) from jobs_made_since") == [(made, {"n": 1}, 1)]
    migrate("upgrade", "head")
    assert "jobs_made_since" not in migrate.tables()
    assert database.sql("select type, status::text, payload from job where id = %s", made) == [("thumbnail", "queued", {"n": 1})]
    assert violations(database) == []


def test_jobs_made_since_are_kept_beside_again(migrate, database):
    """Taken in again they are older than the carry-over, and were still made since."""
    make_jobs(database, some_jobs())
    migrate("upgrade", "head")
    made = {database.one("select heimdex_submit('thumbnail')") for _ in range(3)}
    assert "jobs_made_since: keeps 3 jobs" in migrate("downgrade", FILLED).stderr
    migrate("upgrade", "head")
    assert "jobs_made_since: keeps 3 jobs" in migrate("downgrade", "base").stderr
    assert {id for id, in database.sql("select id from jobs_made_since")} == made


def test_jobs_made_since_are_kept_when_no_row_of_jobs_is_left(migrate, database):
    make_jobs(database, some_jobs())
    migrate("upgrade", "head")
    for statement in ("delete from job_event", "delete from job", "delete from waiting", "delete from claim"):  # as retention does
        database.sql(statement)
    made = {database.one("select heimdex_submit('thumbnail')") for _ in range(3)}
    done = migrate("downgrade", FILLED)
    assert "jobs: 0 rows are back" in done.stderr and "jobs_made_since: keeps 3 jobs" in done.stderr
    assert {id for id, in database.sql("select id from jobs_made_since")} == made
    # Whoever throws `jobs` away gets them back all the same.
    database.sql("drop table jobs")
    migrate("upgrade", "head")
    assert {id for id, in database.sql("select id from job")} == made and "jobs_made_since" not in migrate.tables()


def test_jobs_that_the_ledger_had_before_stay_there(migrate, database):
    """Whatever time they bear."""
    OldLedger(database, jobs=100)
    database.sql("update job set created_at = now() + interval '1 day' where status = 'succeeded'")
    make_jobs(database, some_jobs())
    migrate("upgrade", "head")
    assert "jobs_made_since" not in migrate("downgrade", "3af4686817cc").stderr
    assert database.one("select count(*) from job") == 100


# --- what has no place below ------------------------------------------------------------------------------------------

def ours(database):
    """Everything that only our revisions have a place for; of `waiting` what is due later."""
    return [database.sql(query) for query in (
        "select id, type, payload, priority, idempotency_key, requested_by, run_at, max_attempts, timeout_ms, fence, crash_count, traceparent, "
        "status::text, attempt, created_at, updated_at from job order by id",
        "select type, queue, concurrency, max_attempts, limits, paused, updated_at from job_type",
        "select id, topic, partition, \"offset\", reason, size, record::text from quarantine",
        "select kind, ids::text, tries from outbox where kind <> 'announce'",
        "select id, job_id, ts, next_status::text, detail_json from job_event order by id",
        "select job_id, due, reason from waiting where due > now() order by 1")]


@pytest.mark.parametrize("target", [EVENTS_READY, "3af4686817cc", "001_job_ledger_init"])
def test_what_has_no_place_below_is_kept_beside(migrate, database, target):
    migrate("upgrade", "head")
    plain = {table for table in migrate.tables() if not table.startswith("job_event_")}
    database.sql("""select heimdex_submit('thumb', '{"a": 1}', priority => 3, idempotency_key => 'k', requested_by => 'me', max_attempts => 9,
                                          run_at => '2100-01-01', timeout => '90 s')""")
    database.sql("select heimdex_submit('plain')")
    done = database.one("""select heimdex_submit('thumb', '{"b": [1.50, null]}')""")
    database.sql("with gone as (delete from waiting where job_id = %s) update job set status = 'succeeded', fence = 4, crash_count = 2, "
                 "traceparent = '00-a', attempt = 1 where id = %s", done, done)
    database.sql("insert into job_event (job_id, ts, prev_status, next_status, detail_json) select id, updated_at, 'queued', 'succeeded', '{}' "
                 "from job where id = %s", done)
    database.sql("insert into job_type (type, queue, paused, limits) values ('thumb', 'slow', true, '{\"x\": 1}')")
    database.sql("insert into quarantine (topic, partition, \"offset\", reason, record, size) values ('t', 0, 1, 'why', '\\x00ff', 2)")
    database.sql("insert into outbox (kind, ids, due, tries) values ('dead_letter', array[gen_random_uuid()], now(), 2)")
    database.sql("insert into job_event (job_id, next_status, detail_json) values (gen_random_uuid(), 'queued', '{\"left\": 1}')")
    before = ours(database)
    told = migrate("downgrade", target).stderr
    for line in ("job_kept: keeps payload, fence, max_attempts, crash_count, timeout_ms, run_at and traceparent of 2 jobs",
                 "waiting_kept: keeps when 1 jobs are due", "job_type_kept: keeps 1 types", "quarantine_kept: keeps 1 records in quarantine",
                 "outbox_kept: keeps 1 records to be published", "job_event_kept: keeps 1 events without a job"):
        assert f"NOTICE: {line}\n" in told
    migrate("upgrade", "head")
    assert ours(database) == before
    assert {table for table in migrate.tables() if not table.startswith("job_event_")} == plain
    assert migrate("check").stdout == ""


def test_nothing_is_kept_beside_where_there_is_nothing(migrate, database):
    migrate("upgrade", "head")
    database.sql("select heimdex_submit('plain')")
    assert "keeps" not in migrate("downgrade", "3af4686817cc").stderr
    assert migrate.tables() == ["job", "job_event"]


def test_what_is_kept_of_jobs_that_went_below(migrate, database):
    migrate("upgrade", "head")
    gone, stays = (database.one("""select heimdex_submit('thumb', '{"a": 1}', max_attempts => 9)""") for _ in range(2))
    migrate("downgrade", "3af4686817cc")
    database.sql("delete from job where id = %s", gone)
    database.sql("update job set status = 'running', attempt = 1 where id = %s", stays)
    assert "job_kept: 1 of its jobs are no longer there" in migrate("upgrade", "head").stderr
    assert database.sql("select id, payload, max_attempts from job") == [(stays, {"a": 1}, 9)]
    database.sql("delete from claim")
    database.sql("update job set status = 'queued', worker = null")
    migrate("downgrade", "base")
    assert migrate.tables() == []
