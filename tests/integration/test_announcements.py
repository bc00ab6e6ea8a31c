"""Kafka repeats, freezes, is away, or carries what nobody can read; dead letters are published."""
import json
from collections import Counter

import pytest

from checker import handler_log as runs_of
from support.handlers import ERROR, QUICK_RETRIES, sh
from support.wait import until, within


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


def dead_letters(kafka, prefix):
    text = kafka.kcat("-C", "-t", f"{prefix}.dead-letter", "-o", "beginning", "-e", "-q", "-f", "%s\n").decode()
    return [json.loads(line) for line in text.splitlines() if line]


@pytest.mark.asan
def test_records_that_nobody_can_read(fleet, jobs, kafka, prefix, migrated):
    one = fleet(workers=1)
    for garbage in (b"no record of ours", b"\x00" * 40, b"x" * 100_000):
        kafka.kcat("-P", "-t", f"{prefix}.jobs.default", "-p", "0", "-D", "\x01\x02\x03", input=garbage)
    unknown = {"type": "mock_process"}
    ids = jobs.batch([unknown] * 20)
    jobs.wait(ids)
    until(lambda: migrated.one("select count(*) from quarantine") == 3, what="three records put away")
    rows = migrated.sql("select topic, size, length(record), record from quarantine order by size")
    assert [(topic, size, kept) for topic, size, kept, _ in rows] == [
        (f"{prefix}.jobs.default", 17, 17), (f"{prefix}.jobs.default", 40, 40), (f"{prefix}.jobs.default", 100_000, 65_536)]
    assert bytes(rows[0][3]) == b"no record of ours"
    letters = until(lambda: len(found := dead_letters(kafka, prefix)) == 3 and found, what="three dead letters")
    assert {(letter["kind"], letter["topic"], letter["size"]) for letter in letters} == {("record", f"{prefix}.jobs.default", n) for n in (17, 40, 100_000)}
    assert len(one.events("record.quarantined")) == 3


@pytest.mark.quick
def test_dead_letters_are_published(fleet, jobs, kafka, prefix, migrated):
    fleet(workers=1, handlers=[sh("broken", ERROR % ("no_file", ',"retry":false', 1))])
    id = jobs.submit("broken", {"path": "/nowhere"})
    jobs.wait(id)
    letter, = until(lambda: dead_letters(kafka, prefix), what="a dead letter")
    row = jobs.row(id)
    assert (letter["kind"], letter["id"], letter["type"], letter["payload"]) == ("job", id, "broken", {"path": "/nowhere"})
    assert letter["error"] == {"code": "no_file", "message": "said so"} and letter["attempt"] == 1 and row["status"] == "dead_letter"
    until(lambda: migrated.one("select count(*) from outbox") == 0, what="the outbox is empty")


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
