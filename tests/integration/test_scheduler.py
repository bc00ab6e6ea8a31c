"""heimdex-scheduler alone, against a real PostgreSQL and a real Kafka: nobody submits through us, and no worker takes anything."""
import json
import os
import struct
import time
import uuid
from datetime import datetime, timedelta

import pytest

from support.process import cpu_seconds
from support.scheduler import ORG, add_claimed, add_failed, add_job, add_worker, empty, scheduler, status  # noqa: F401
from support.servers import script
from support.wait import until, within

pytestmark = [pytest.mark.quick, pytest.mark.asan]


def swept(db, job):
    return db.one("select count(*) from waiting where job_id = %s and reason = 'swept'", job) == 1


def records(kafka, topic, fmt="%s"):
    """All records of a topic: bytes of the format, each ended by a line."""
    out = kafka.kcat("-C", "-q", "-e", "-o", "beginning", "-t", topic, "-f", fmt + "\\n")
    return out


def announced(kafka, topic):
    """How often each job id was announced."""
    out = kafka.kcat("-C", "-q", "-e", "-o", "beginning", "-t", topic, "-f", "%R%s")
    counts, at = {}, 0
    while at < len(out):
        size = struct.unpack_from(">i", out, at)[0]
        record = out[at + 4:at + 4 + size]
        at += 4 + size
        assert record[:4] == b"HX\x01\x01"
        n = struct.unpack_from(">H", record, 5 + record[4])[0]
        ids = record[7 + record[4]:]
        assert len(ids) == 16 * n
        for i in range(n):
            job = str(uuid.UUID(bytes=ids[16 * i:16 * i + 16]))
            counts[job] = counts.get(job, 0) + 1
    return counts


def test_sql_submission_is_relayed_within_a_second(scheduler, migrated, kafka, prefix):
    scheduler().ready().with_topics()
    jobs = []

    def relay(priority):
        jobs.append(migrated.one("select heimdex_submit('t', priority => %s)::text", priority))
        until(lambda: empty(migrated, "outbox"))

    for priority, topic in ((0, f"{prefix}.jobs.default"), (1, f"{prefix}.jobs.default.high")):
        before = len(jobs)
        within(1.0, lambda: relay(priority))
        assert announced(kafka, topic) == {job: 1 for job in jobs[before:]}
    assert migrated.one("select count(*) from waiting") == len(jobs)  # publishing never deletes it


def test_records_hold_what_the_type_allows(scheduler, migrated, kafka, prefix):
    migrated.sql("insert into job_type (type, announce) values ('t', 50)")
    jobs = sorted(add_job(migrated) for _ in range(120))
    migrated.sql("insert into outbox (kind, ids, due) values ('announce', %s::uuid[], now()), ('announce', %s::uuid[], now())", jobs[:60],
                 jobs[60:])
    gone = add_job(migrated, "succeeded")
    migrated.sql("insert into outbox (kind, ids, due) values ('announce', %s::uuid[], now())", [gone])
    one = scheduler().ready()
    until(lambda: empty(migrated, "outbox"))
    told = one.events("job.announced")
    assert len(told) >= 50 and {line["job_id"] for line in told} <= set(jobs) and {line["topic"] for line in told} == {f"{prefix}.jobs.default"}
    topic = f"{prefix}.jobs.default"
    assert announced(kafka, topic) == {job: 1 for job in jobs}
    assert len(records(kafka, topic, "%S").split()) <= 4


def test_what_is_due_is_queued_and_announced(scheduler, migrated, kafka, prefix):
    scheduler().ready().with_topics()
    later = add_failed(migrated, "now() + interval '1 hour'")
    job = add_failed(migrated, "now() + interval '500 ms'")
    until(lambda: status(migrated, job) == "queued")
    until(lambda: empty(migrated, "outbox"))
    assert announced(kafka, f"{prefix}.jobs.default") == {job: 1}
    assert status(migrated, later) == "failed"
    assert migrated.sql("select prev_status::text, next_status::text, detail_json->>'reason' from job_event") == [("failed", "queued", "retry")]


def test_dead_letters_reach_their_topic_however_long(scheduler, migrated, kafka, prefix):
    small = add_job(migrated, "dead_letter", last_error_code="boom", last_error_message="why", payload='{"n": 1}')
    large = add_job(migrated, "dead_letter", last_error_code="boom", payload=json.dumps({"x": "y" * 1_200_000}))
    migrated.sql("insert into outbox (kind, ids, due) values ('dead_letter', %s::uuid[], now())", sorted([small, large]))
    scheduler().ready()
    until(lambda: empty(migrated, "outbox"), 30)
    lines = records(kafka, f"{prefix}.dead-letter", "%k %s").decode().splitlines()
    found = {line.split(" ", 1)[0]: json.loads(line.split(" ", 1)[1]) for line in lines}
    assert set(found) == {small, large}
    assert found[small]["payload"] == {"n": 1} and found[small]["error"] == {"code": "boom", "message": "why"}
    assert found[large]["payload"] is None and found[large]["truncated"] is True and found[large]["payload_size"] > 1_200_000


def test_sweep_finds_what_was_never_announced(scheduler, migrated):
    forgotten = add_job(migrated, ago_s=300)
    done = add_job(migrated, "succeeded", ago_s=300)
    fresh = add_job(migrated, ago_s=20)
    migrated.sql("update sweep set position = heimdex_uuid_floor(now() - interval '10 min')")
    scheduler().ready()
    until(lambda: swept(migrated, forgotten))
    assert migrated.one("select count(*) from waiting") == 1
    assert migrated.one("select position::text from sweep") >= done[:13]
    assert migrated.one("select position::text from sweep") < fresh


@pytest.mark.slow
def test_kafka_away_fresh_jobs_wait_in_postgresql_and_the_outbox_drains_later(scheduler, migrated, kafka, prefix):
    migrated.sql("update sweep set position = heimdex_uuid_floor(now() - interval '1 min')")
    one = scheduler().ready().with_topics()
    kafka.kill()
    jobs = {migrated.one("select heimdex_submit('t')::text") for _ in range(30)}
    silent = add_job(migrated, ago_s=15)  # as if submitted by a program: in no row of waiting
    until(lambda: swept(migrated, silent), 30)
    assert one.process.poll() is None
    assert migrated.one("select count(*) from outbox") == 30
    script("test-kafka", "start", kafka.directory, kafka.brokers.rpartition(":")[2])  # at the port that the scheduler knows
    until(lambda: empty(migrated, "outbox"), 60)
    assert set(announced(kafka, f"{prefix}.jobs.default")) == jobs


@pytest.mark.slow
def test_two_schedulers_do_each_thing_once(scheduler, migrated, kafka, prefix):
    for _ in range(2):
        scheduler().ready().with_topics()
    jobs = {add_failed(migrated, "now() + interval '1 s'") for _ in range(300)}
    sent = {row[0] for row in migrated.sql("select heimdex_submit('t')::text from generate_series(1, 300)")}
    until(lambda: migrated.one("select count(*) from job where status = 'queued'") == 600)
    until(lambda: empty(migrated, "outbox"))
    assert migrated.one("select count(*) from job_event where prev_status = 'failed'") == 300
    assert migrated.one("select count(distinct job_id) from job_event where prev_status = 'failed'") == 300
    assert announced(kafka, f"{prefix}.jobs.default") == {job: 1 for job in jobs | sent}


def test_counts_are_folded(scheduler, migrated):
    migrated.sql("insert into delta select %s, 't', s::job_status, c from (values ('queued', 5), ('queued', -2), ('running', 2)) as v (s, c),"
                 " generate_series(1, 4000)", ORG)
    scheduler().ready()
    until(lambda: empty(migrated, "delta"))
    assert dict(migrated.sql("select status::text, count from job_count where type = 't'")) == {"queued": 12000, "running": 8000}


def test_partitions_are_made(scheduler, migrated):
    months = [row[0] for row in migrated.sql("select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid "
                                             "where i.inhparent = 'job_event'::regclass and c.relname ~ '[0-9]$' order by 1")]
    ahead = migrated.one("select to_char(date_trunc('month', now() at time zone 'UTC') + interval '3 months', '\"job_event_\"YYYY_MM')")
    assert months[-1] == ahead  # three of them, and behind all the default one
    assert migrated.one("select relispartition from pg_class where relname = 'job_event_default'")
    migrated.sql(f"drop table {months[-1]}")
    scheduler().ready()
    until(lambda: migrated.one("select to_regclass(%s) is not null", months[-1]))


@pytest.mark.slow
def test_a_new_queue_gets_its_topics(scheduler, migrated, kafka, prefix):
    scheduler().ready().with_topics()
    migrated.sql("insert into job_type (type, queue) values ('slow', 'heavy')")
    until(lambda: f'"{prefix}.jobs.heavy.high"' in kafka.kcat("-L").decode(), 30)


def test_workers_of_an_earlier_run_are_reaped_before_ready(scheduler, migrated):
    ours, theirs = str(uuid.uuid4()), str(uuid.uuid4())
    bereaved = add_worker(migrated, "left", theirs)
    alive = add_worker(migrated, "left", ours)
    elsewhere = add_worker(migrated, "left", theirs, host="another")
    container = add_worker(migrated, "left", theirs, hostname="3f2a9c")
    jobs = add_claimed(migrated, bereaved, 3)
    kept = add_claimed(migrated, alive) + add_claimed(migrated, elsewhere) + add_claimed(migrated, container)
    one = scheduler("--instance", "left", "--incarnation", ours).ready()
    assert {status(migrated, job) for job in jobs} <= {"failed", "queued"}
    assert {status(migrated, job) for job in kept} == {"running"}
    assert migrated.sql("select id, dead from worker order by id") == [(bereaved, True), (alive, False), (elsewhere, False), (container, False)]
    assert migrated.sql("select distinct last_error_code from job where id = any(%s::uuid[])", jobs) == [("SIGKILL",)]
    said = [line["event"] == "worker.reaped" for line in one.events() if line["event"] == "worker.reaped" or line["message"] == "ready"]
    assert said == [True, False]  # in this order
    until(lambda: all(status(migrated, job) == "queued" for job in jobs))


def test_term_before_postgresql_was_reached(scheduler):
    one = scheduler(extra={"PGHOST": "127.0.0.1", "PGPORT": "1"})
    until(lambda: any("retrying" in line["message"] for line in one.events()), what="it waits")
    assert one.end() == 0


def test_alone_it_reaps_nobody_who_may_live(scheduler, migrated):
    worker = add_worker(migrated, "main", str(uuid.uuid4()))
    scheduler().ready()
    until(lambda: migrated.one("select count(*) from worker where id = %s and not dead", worker) == 1)


@pytest.mark.slow
def test_a_lease_that_stands_still_is_a_death(scheduler, migrated):
    silent, alive = (add_worker(migrated, "main", str(uuid.uuid4()), host="far", slot=slot) for slot in (1, 2))
    job, kept = add_claimed(migrated, silent)[0], add_claimed(migrated, alive)[0]
    one = scheduler(extra={"HEIMDEX_WORKER_LEASE": "3s"}).ready()

    def released():
        migrated.sql("update worker set lease = lease + 1 where id = %s", alive)
        return status(migrated, job) != "running"

    until(released, 20)
    begin, = (event["ts"] for event in one.events("starting"))
    reaped, = until(lambda: [event["ts"] for event in one.events("worker.reaped")], what="it is logged")
    assert datetime.fromisoformat(reaped[:-1]) - datetime.fromisoformat(begin[:-1]) >= timedelta(seconds=3)
    assert migrated.one("select last_error_code from job where id = %s", job) == "WORKER_LOST"
    assert status(migrated, kept) == "running"


def test_no_schema_is_fatal(scheduler, database, kafka):
    one = scheduler(extra={"PGDATABASE": database.name})
    assert one.process.wait(timeout=20) == 78
    assert "heimdex-migrate upgrade head" in open(one.log_path).read()


def test_term_finishes_what_is_in_flight(scheduler, migrated):
    one = scheduler().ready().with_topics()
    migrated.sql("select heimdex_submit('t') from generate_series(1, 500)")
    assert one.end() == 0
    assert one.process.returncode == 0


@pytest.mark.slow
def test_idle_it_costs_next_to_nothing(scheduler, migrated):
    if "asan" in os.environ.get("HEIMDEX_BIN", ""):
        pytest.skip("sanitizers cost what they cost")
    one = scheduler(extra={"HEIMDEX_LOG_HEARTBEAT": "3s"}).ready().with_topics()

    def used():
        return cpu_seconds(one.process.pid)

    def beats():
        return len(one.events("heartbeat"))

    until(lambda: beats() >= 1)
    before, seen, started = used(), beats(), time.monotonic()
    until(lambda: beats() >= seen + 3, 30)
    assert (used() - before) / (time.monotonic() - started) < 0.01
