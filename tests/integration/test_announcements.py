"""Kafka repeats, freezes, or is away."""
from collections import Counter

from checker import handler_log as runs_of
from support.handlers import QUICK_RETRIES
from support.wait import within


def test_kafka_is_frozen_when_jobs_come_in(fleet, jobs, kafka):
    fleet(workers=1), fleet(workers=1)
    jobs.wait(jobs.submit("mock_process"))
    with kafka.frozen():
        ids = within(6, lambda: [jobs.submit("mock_process")] + jobs.batch([{"type": "mock_process"}] * 100))  # two programs, 2 s each
        assert len(set(ids)) == 101
    jobs.wait(ids, seconds=60)
    fleet.check.update(acks=ids, finished=True)


def test_kafka_is_away_for_good(fleet, jobs, migrated, tmp_path):
    """Everything arrives through `waiting`, slower."""
    away = {"KAFKA_BROKERS": "127.0.0.1:1"}
    fleet(workers=1, env=away, jobs=QUICK_RETRIES), fleet(workers=1, env=away, jobs=QUICK_RETRIES)
    jobs.env.update(away)
    ids = jobs.batch([{"type": "mock_process", "payload": {"fail": "error", "fail_attempts": 1} if i % 10 == 0 else {}} for i in range(300)])
    sql = migrated.one("select heimdex_submit('mock_process')::text")
    jobs.wait([sql, *ids], seconds=60)
    # It stands in waiting from the beginning; the others only when somebody has looked for what is ten seconds old.
    assert migrated.one("select started_at from job where id = %s", sql) < migrated.one("select min(started_at) from job where id <> %s", sql)
    assert {jobs.row(id)["attempt"] for id in ids} == {1, 2}
    fleet.check.update(acks=ids, finished=True)


def test_records_that_come_again_run_nothing_again(fleet, jobs, kafka, prefix, logging_handler, handler_log):
    """All records of the topic ten times over."""
    fleet(workers=2, handlers=[{"type": "logged", "exec": [logging_handler, handler_log]}])
    ids = jobs.batch([{"type": "logged"} for _ in range(50)])
    jobs.wait(ids)
    topic = f"{prefix}.jobs.default"
    text = kafka.kcat("-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%S\n%s")
    records = []
    while text:
        length, _, text = text.partition(b"\n")
        records.append(text[:int(length)])
        text = text[int(length):]
    assert len(records) >= 50
    kafka.kcat("-P", "-t", topic, "-D", "<next>", input=b"<next>".join(records * 10))
    last = jobs.batch([{"type": "logged"} for _ in range(10)])
    jobs.wait(last)
    assert Counter(len(of_job) for of_job in runs_of.read(handler_log)[0].values()) == {1: 60}
    assert {jobs.row(id)["fence"] for id in ids} == {1}
    fleet.check.update(acks=ids + last, finished=True, handler_log=handler_log)
