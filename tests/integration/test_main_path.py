"""The main path from outside: heimdex-submit, fleets of two instances against one database and a real Kafka, heimdexctl. Each test ends
with the checker (conftest.fleet)."""
from datetime import datetime

import pytest

from support.handlers import QUICK_RETRIES
from support.wait import until

MOCK = {
    # payload, options: path of statuses, attempt, error code
    "plain": (None, {}, ["queued", "running", "succeeded"], 1, None),
    "empty": ({}, {}, ["queued", "running", "succeeded"], 1, None),
    "other keys": ({"path": "/tmp"}, {}, ["queued", "running", "succeeded"], 1, None),
    "slow": ({"duration_ms": 100}, {}, ["queued", "running", "succeeded"], 1, None),
    "fails once": ({"fail": "error", "fail_attempts": 1}, {}, ["queued", "running", "failed", "queued", "running", "succeeded"], 2, "mock_error"),
    "fails slowly": ({"fail": "error", "fail_attempts": 1, "duration_ms": 40}, {},
                     ["queued", "running", "failed", "queued", "running", "succeeded"], 2, "mock_error"),
    "fails": ({"fail": "error"}, {"max_attempts": 2}, ["queued", "running", "failed", "queued", "running", "dead_letter"], 2, "mock_error"),
    "permanent": ({"fail": "permanent"}, {}, ["queued", "running", "dead_letter"], 1, "mock_permanent"),
    "permanent after all": ({"fail": "permanent", "fail_attempts": 0}, {}, ["queued", "running", "succeeded"], 1, None),
    "hangs": ({"fail": "hang"}, {"max_attempts": 1, "timeout": "200ms"}, ["queued", "running", "dead_letter"], 1, "timeout"),
    "hangs once": ({"fail": "hang", "fail_attempts": 1}, {"timeout": "200ms"},
                   ["queued", "running", "failed", "queued", "running", "succeeded"], 2, "timeout"),
    "unreadable": ({"duration_ms": "soon"}, {}, ["queued", "running", "dead_letter"], 1, "bad_payload"),
    "unknown": ({"fail": "softly"}, {}, ["queued", "running", "dead_letter"], 1, "bad_payload"),
    "no object": ([1], {}, ["queued", "running", "dead_letter"], 1, "bad_payload"),
}
STAGES = ["extracting", "transcribing", "analyzing", "indexing"]


@pytest.mark.quick
@pytest.mark.asan
def test_mock_process(fleet, jobs):
    fleet(workers=1, jobs=QUICK_RETRIES), fleet(workers=1, jobs=QUICK_RETRIES)
    ids = dict(zip(MOCK, jobs.batch([{"type": "mock_process", **({"payload": case[0]} if case[0] is not None else {}), **case[1]}
                                     for case in MOCK.values()])))
    jobs.wait(ids.values())
    rows = {name: jobs.row(id) for name, id in ids.items()}
    assert {name: jobs.path(id) for name, id in ids.items()} == {name: case[2] for name, case in MOCK.items()}
    assert {name: (row["attempt"], row["fence"]) for name, row in rows.items()} == {name: (case[3], case[3]) for name, case in MOCK.items()}
    assert {name: row["last_error_code"] for name, row in rows.items()} == {name: case[4] for name, case in MOCK.items()}
    assert {jobs.result(ids[name])["stages"] for name, row in rows.items() if row["status"] == "succeeded"} == {4}
    assert jobs.stages(ids["plain"]) == [] and rows["plain"]["payload"] == {}
    for name, times in (("slow", 1), ("fails slowly", 2)):
        seen = jobs.stages(ids[name])
        assert [stage for i, stage in enumerate(seen) if seen[i - 1:i] != [stage]] == STAGES * times
        progress = [detail["progress"] for _, _, detail in jobs.events(ids[name]) if "progress" in detail]
        assert progress == [0, 25, 50, 75, 100] * times
    details = [detail for _, next, detail in jobs.events(ids["fails"]) if next in ("failed", "dead_letter")]
    assert [(detail["attempt"], detail["error"]["code"], detail["error"]["retry"]) for detail in details] == [
        (1, "mock_error", True), (2, "mock_error", True)]
    assert details[1]["reason"] == "attempts used up"
    for row in rows.values():
        times = [datetime.fromisoformat(row[key].replace("Z", "+00:00")) for key in ("created_at", "started_at", "finished_at")]
        assert times == sorted(times)
    fleet.check.update(acks=ids.values(), finished=True)


@pytest.mark.quick
def test_one_key_one_job(fleet, jobs, migrated):
    fleet(workers=1)
    first = jobs.submit("mock_process", {"duration_ms": 50}, key="k")
    assert {jobs.submit("mock_process", {"n": 2}, key="k") for _ in range(3)} == {first}
    jobs.wait(first)
    assert jobs.submit("mock_process", key="k") == first
    other = jobs.submit("mock_process", key="k", org="33333333-3333-4333-8333-333333333333")
    assert other != first
    jobs.wait(other)
    assert migrated.one("select count(*) from job") == 2


@pytest.mark.quick
@pytest.mark.asan
def test_nothing_is_left_when_all_is_done(fleet, jobs, migrated, logging_handler, handler_log):
    from checker.check import check_database
    options = {"workers": 1, "jobs": QUICK_RETRIES,
               "handlers": [{"type": "limited", "exec": [logging_handler, handler_log], "concurrency": 2}]}
    fleet(**options), fleet(**options)
    ids = jobs.batch([{"type": "mock_process", "payload": {"fail": "error", "fail_attempts": i % 3}} for i in range(300)] +
                     [{"type": "limited", "payload": {"fail_attempts": i % 2}} for i in range(20)])
    ids += [str(migrated.one("select heimdex_submit('mock_process')::text")) for _ in range(20)]
    jobs.wait(ids)
    connection = migrated.connect()
    until(lambda: check_database(connection, acks=ids, finished=True, handler_log=handler_log, idle=True) == [], 20,
          "nothing is left: " + str(check_database(connection, idle=True)[:5]))
    connection.close()
