"""The dead-letter topic, and records of no use: what nobody can read, and ids of no job. They are kept, and the partition moves on."""
import base64
import json

import pytest

from support import librdkafka
from support.announcement import announcement
from support.gate import gate  # noqa: F401
from support.handlers import ERROR, sh
from support.process import memory_kb
from support.statements import new_id
from support.wait import until


def dead_letters(kafka, prefix):
    text = kafka.kcat("-C", "-t", f"{prefix}.dead-letter", "-o", "beginning", "-e", "-q", "-f", "%s\n").decode()
    return [json.loads(line) for line in text.splitlines() if line]


PARTITIONS = 6


def produce(kafka, topic, *records, partition=0):
    for record in records:
        kafka.kcat("-P", "-t", topic, "-p", str(partition), "-D", "\x01\x02\x03", input=record)


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


def read_again(kafka, prefix, topic):
    """The group begins at offset 0 once more; it has no members."""
    until(lambda: librdkafka.set_offsets(kafka.brokers, f"{prefix}.workers", topic, PARTITIONS, 0) or True, what="the group's members to be gone")


@pytest.mark.asan
def test_ids_of_no_job(fleet, jobs, kafka, prefix, migrated):
    """As after a failover that lost them, or from a stranger. What else stands in the same record, runs or has run."""
    one = fleet(workers=2, worker={"batch": 20})
    topic, gone = f"{prefix}.jobs.default", [new_id() for _ in range(44)]
    known = jobs.batch([{"type": "mock_process"}] * 3)
    jobs.wait(known)
    records = [announcement("mock_process", [known[0], gone[0], known[1], gone[1]]), announcement("mock_process", [gone[2]]),
               announcement("nobody_handles_it", [gone[3], known[2]]), announcement("mock_process", known), announcement("mock_process", gone[4:])]
    produce(kafka, topic, *records)
    rows = until(lambda: len(found := migrated.sql("select reason, record from quarantine")) == len(gone) and found, what="all put away")
    wanted = {announcement("nobody_handles_it" if id == gone[3] else "mock_process", [id]): f"no such job: {id}" for id in gone}
    assert {bytes(record): reason for reason, record in rows} == wanted
    letters = until(lambda: len(found := dead_letters(kafka, prefix)) == len(gone) and found, what="dead letters")
    assert {base64.b64decode(letter["record_base64"]) for letter in letters} == set(wanted)
    assert {event["message"].partition(":")[0] for event in one.events("record.quarantined")} == {"announcement of no job, quarantined"}

    # Read again from the beginning, they are the same; one more stands behind them.
    assert one.stop() == 0
    read_again(kafka, prefix, topic)
    produce(kafka, topic, announcement("mock_process", [new_id()]))
    again = fleet(workers=1)
    until(lambda: migrated.one("select count(*) from quarantine") > len(gone), what="one more")
    assert again.stop() == 0
    assert migrated.one("select count(*) from quarantine") == len(gone) + 1 and migrated.one("select count(*) from job where attempt <> 1") == 0
    fleet.check.update(acks=known, finished=True)


def test_what_retention_has_deleted(fleet, jobs, kafka, prefix, migrated):
    """Its records may be there for longer than it."""
    old = [new_id(seconds_ago=10 * 86400) for _ in range(20)]
    one = fleet(workers=1, scheduler={"retention": "7d"})
    produce(kafka, f"{prefix}.jobs.default", announcement("mock_process", old), announcement("mock_process", [last := new_id()]))
    until(lambda: migrated.one("select count(*) from quarantine"), what="the last one")
    assert one.stop() == 0
    assert migrated.sql("select reason from quarantine") == [(f"no such job: {last}",)]


@pytest.mark.release  # its memory is measured
@pytest.mark.parametrize("record, count", [(lambda: announcement("mock_process", [new_id()]), 8000), (lambda: b"no record of ours", 16000)],
                         ids=["no jobs", "garbage"])
def test_a_flood(fleet, jobs, kafka, prefix, migrated, gate, record, count):
    """Who renews a lease doesn't wait behind it."""
    one = fleet(workers=1, worker={"lease": "3s"}, handlers=[sh("gated", gate.sh)])
    held = jobs.submit("gated")
    jobs.wait(held, "running")
    pids = one.worker_pids()
    kafka.kcat("-P", "-t", f"{prefix}.jobs.default", "-p", "0", "-D", "\x01\x02\x03", input=b"\x01\x02\x03".join(record() for _ in range(count)))
    until(lambda: migrated.one("select count(*) from quarantine") == count, 240, "all of them")
    assert memory_kb(pids[0]) < 40_000
    gate.open()
    jobs.wait(held)
    assert one.worker_pids() == pids and not one.events("worker.reaped") and not one.events("lease.lapsed")
    assert jobs.row(held)["attempt"] == 1
    fleet.check.update(acks=[held], finished=True)


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
