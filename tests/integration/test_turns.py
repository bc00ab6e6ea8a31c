"""Who goes first, and who waits for its turn: priorities, limits, paused types, types without a handler, delays."""
from datetime import datetime, timedelta, timezone

import pytest

from checker import handler_log as runs_of
from support.handlers import QUICK_RETRIES, most_at_once, sh
from support.wait import until


@pytest.mark.quick
def test_priorities(fleet, jobs, logging_handler, handler_log, migrated):
    """All of them wait when the type is resumed; one slot takes them one by one."""
    fleet(workers=1, worker={"slots": 1}, handlers=[{"type": "logged", "exec": [logging_handler, handler_log]}])
    jobs.ctl("pause", "logged")
    low, high = [jobs.batch([{"type": "logged", "priority": priority} for _ in range(5)]) for priority in (0, 5)]
    until(lambda: migrated.one("select count(*) from waiting where reason = 'paused'") == 10, what="all paused")
    jobs.ctl("resume", "logged")
    jobs.wait(low + high)
    runs, _ = runs_of.read(handler_log)
    order = sorted(runs, key=lambda id: runs[id][0].start)
    # A tenth of what is taken is the lower band's.
    assert sum(id in high for id in order[:5]) >= 4, [id in high for id in order]
    fleet.check.update(acks=low + high, finished=True, handler_log=handler_log)


@pytest.mark.asan
def test_a_limit_holds_over_two_fleets(fleet, jobs, logging_handler, handler_log, kafka, prefix, migrated, tmp_path):
    """Neither fleet alone has the slots to reach the limit, both together could exceed it."""
    gate = tmp_path / "gate"
    options = {"workers": 1, "worker": {"slots": 2}, "handlers": [{"type": "limited", "exec": [logging_handler, handler_log], "concurrency": 3}]}
    fleet(**options), fleet(**options)
    kafka.wait_for_group(prefix, 2)
    ids = jobs.batch([{"type": "limited", "payload": {"until": str(gate), "sleep_ms": 20}} for _ in range(40)])
    until(lambda: most_at_once(handler_log) == 3, what="three run")
    until(lambda: migrated.one("select count(*) from waiting where reason = 'limited'"), what="the fourth slot was refused a job")
    gate.touch()
    jobs.wait(ids)
    assert most_at_once(handler_log) == 3
    assert len(migrated.sql("select distinct worker from job")) == 2
    fleet.check.update(acks=ids, finished=True, handler_log=handler_log)


def test_permits_of_the_dead_are_free_again(fleet, jobs, logging_handler, handler_log):
    options = {"workers": 1, "handlers": [{"type": "limited", "exec": [logging_handler, handler_log], "concurrency": 1, **QUICK_RETRIES}],
               "jobs": QUICK_RETRIES}
    one, _ = fleet(**options), fleet(**options)
    ids = jobs.batch([{"type": "limited", "payload": {"sleep_ms": 30, "kill_worker": 1}} for _ in range(3)])
    jobs.wait(ids)
    assert most_at_once(handler_log, killed=False) == 1
    assert [jobs.row(id)["attempt"] for id in ids] == [2, 2, 2]
    fleet.check.update(acks=ids, finished=True, handler_log=handler_log)


@pytest.mark.quick
def test_a_job_without_a_handler_waits_for_a_host_that_has_one(fleet, jobs, migrated):
    fleet(workers=1)
    id = jobs.submit("rare")
    until(lambda: migrated.one("select reason from waiting where job_id = %s", id) == "no_handler", what="parked")
    assert "no_handler" in jobs.ctl("status").stdout or "handler" in jobs.ctl("status").stdout
    fleet(workers=1, handlers=[sh("rare", "echo '{\"result\":{\"n\":1}}'")])
    jobs.wait(id)
    assert jobs.result(id) == {"n": 1}


@pytest.mark.quick
def test_a_paused_type_waits(fleet, jobs, migrated):
    fleet(workers=1), fleet(workers=1)
    jobs.ctl("pause", "mock_process")
    ids = jobs.batch([{"type": "mock_process"}] * 20)
    until(lambda: migrated.one("select count(*) from waiting where reason = 'paused'") == 20, what="parked")
    assert {jobs.status(id) for id in ids} == {"queued"}
    jobs.ctl("resume", "mock_process")
    jobs.wait(ids)
    assert {jobs.row(id)["attempt"] for id in ids} == {1}


def test_delayed_jobs_wait_for_their_time(fleet, jobs):
    """And no longer: what is due two seconds earlier starts earlier."""
    fleet(workers=1), fleet(workers=1)
    at = (datetime.now(timezone.utc) + timedelta(seconds=1)).isoformat()
    ids = [jobs.submit("mock_process", delay="700ms"), jobs.submit("mock_process", at=at), jobs.submit("mock_process", delay="1h")]
    last = jobs.submit("mock_process", delay="3s")
    past = jobs.submit("mock_process", at="2020-01-01T00:00:00Z")
    jobs.wait([*ids[:2], last, past])
    rows = [jobs.row(id) for id in (*ids[:2], last)]
    assert all(row["run_at"] <= row["started_at"] for row in rows)
    assert max(row["started_at"] for row in rows[:2]) < rows[2]["started_at"]
    assert jobs.status(ids[2]) == "queued"
    jobs.ctl("cancel", ids[2])
    assert jobs.status(ids[2]) == "canceled"
