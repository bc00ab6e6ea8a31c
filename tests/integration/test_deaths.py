"""Workers and supervisors die or drain while their jobs run. Two instances against one database; each test ends with the checker."""
import signal
from collections import Counter

import pytest

from checker import handler_log as runs_of
from support.handlers import QUICK_RETRIES, TERM_DEAF, pids_in, sh
from support.process import alive
from support.wait import until


def release_events(jobs, id):
    return [detail for prev, _, detail in jobs.events(id) if prev == "running" and "run" in detail]


@pytest.mark.quick
@pytest.mark.asan
def test_a_worker_is_killed(fleet, jobs, logging_handler, handler_log, kafka, prefix, tmp_path):
    """Its handlers die with it, and what they did runs again, with the evidence in its history. Neither worker has slots for all."""
    gate = tmp_path / "gate"
    options = {"workers": 1, "handlers": [{"type": "logged", "exec": [logging_handler, handler_log], **QUICK_RETRIES}], "jobs": QUICK_RETRIES,
               "worker": {"slots": 19}}
    one, _ = fleet(**options), fleet(**options)
    kafka.wait_for_group(prefix, 2)
    ids = jobs.batch([{"type": "logged", "payload": {"until": str(gate)}} for _ in range(20)])
    until(lambda: len(runs_of.read(handler_log)[0]) == 20, what="all have started")
    one.kill_worker()
    until(lambda: one.events("child.died"), what="its death is known")
    gate.touch()
    jobs.wait(ids)
    deaths = {id: release_events(jobs, id) for id in ids}
    killed = [id for id in ids if deaths[id]]
    assert 0 < len(killed) < 20 and {jobs.status(id) for id in ids} == {"succeeded"}
    for id in killed:
        detail, = deaths[id]
        assert (detail["run"], detail["error"]["code"], detail["reason"]) == ("started", "SIGKILL", "worker died")
        row = jobs.row(id)
        assert (row["attempt"], row["crash_count"], row["last_error_code"]) == (2, 1, "SIGKILL")
        assert jobs.path(id) == ["queued", "running", "failed", "queued", "running", "succeeded"]
    runs, _ = runs_of.read(handler_log)
    assert {id: len(runs[id]) for id in ids} == {id: 2 if id in killed else 1 for id in ids}
    assert all(runs[id][0].end is None for id in killed)
    fleet.check.update(acks=ids, finished=True, handler_log=handler_log)


@pytest.mark.asan
def test_a_crash_costs_its_mates_nothing(fleet, jobs, migrated):
    """A batch of builtin jobs, and one of them takes the worker down: the others were claimed with it, and lose no attempt for what had
    not started."""
    fleet(workers=1, jobs=QUICK_RETRIES)
    jobs.ctl("pause", "mock_process")
    payloads = [{"fail": "crash", "fail_attempts": 1} if i == 20 else {} for i in range(200)]
    ids = jobs.batch([{"type": "mock_process", "payload": payload} for payload in payloads])
    until(lambda: migrated.one("select count(*) from waiting where reason = 'paused'") == 200, what="all wait together")
    jobs.ctl("resume", "mock_process")
    jobs.wait(ids)
    assert {jobs.status(id) for id in ids} == {"succeeded"}
    poison = jobs.row(ids[20])
    assert (poison["attempt"], poison["crash_count"], poison["last_error_code"]) == (2, 1, "SIGSEGV")
    spared = Counter()
    for id in ids[:20] + ids[21:]:
        row, death = jobs.row(id), release_events(jobs, id)
        run = death[0]["run"] if death else None
        spared[run] += 1
        assert row["crash_count"] == 0 and row["last_error_code"] is None
        assert (row["attempt"], row["max_attempts"]) == ((2, 6) if run == "ended" else (1, 5)), run
    assert spared["untouched"] > 0
    fleet.check.update(acks=ids, finished=True)


@pytest.mark.parametrize("log", ["json", "text"])
def test_a_crash_tells_nothing_of_other_jobs(fleet, jobs, log):
    """What the worker logged, of other orgs' jobs or of its configuration, is not in the crashed job's history."""
    one = fleet(workers=1, jobs=QUICK_RETRIES, log={"format": log}, handlers=[sh("chatty", "echo of another org")])
    chatty = jobs.batch([{"type": "chatty", "org_id": "33333333-3333-4333-8333-333333333333"}])[0]
    jobs.wait(chatty, "succeeded")
    until(lambda: "of another org" in one.log(), what="its output in the log")
    id = jobs.submit("mock_process", {"fail": "crash", "fail_attempts": 1})
    jobs.wait(id, "succeeded")
    death, = release_events(jobs, id)
    assert death["error"]["code"] == "SIGSEGV" and death["max_rss_kb"] > 0
    assert "stderr" not in death
    died = next(line for line in one.log().splitlines() if "was killed by SIGSEGV" in line)
    assert "another org" not in died and "heimdex-worker:" not in died and chatty not in died


def test_a_poisonous_job_is_put_away(fleet, jobs):
    fleet(workers=1, jobs={"max_crashes": 2, **QUICK_RETRIES}, supervisor={"restart_backoff_max": "200ms"})
    patient = jobs.batch([{"type": "mock_process", "payload": {"fail": "crash"}, "max_attempts": 10}])[0]
    brief = jobs.batch([{"type": "mock_process", "payload": {"fail": "crash"}, "max_attempts": 2}])[0]
    jobs.wait([patient, brief], seconds=60)
    row = jobs.row(patient)
    assert (row["status"], row["crash_count"], row["last_error_code"]) == ("dead_letter", 3, "SIGSEGV")
    assert "poison" in row["last_error_message"]
    row = jobs.row(brief)
    assert (row["status"], row["attempt"], row["last_error_code"]) == ("dead_letter", 2, "SIGSEGV")
    healthy = jobs.batch([{"type": "mock_process"}] * 50)
    jobs.wait(healthy, "succeeded")


def test_poison_is_found_by_running_it_alone(fleet, jobs, logging_handler, handler_log):
    """Whatever runs beside it is under the same suspicion, until each has run alone."""
    fleet(workers=1, handlers=[{"type": "logged", "exec": [logging_handler, handler_log], "max_attempts": 20, **QUICK_RETRIES}],
          jobs={"max_crashes": 2, **QUICK_RETRIES}, supervisor={"restart_backoff_max": "200ms"})
    mates = jobs.batch([{"type": "logged", "payload": {"sleep_ms": 500}} for _ in range(3)])
    until(lambda: len(runs_of.read(handler_log)[0]) == 3, what="they run")
    poison = jobs.submit("logged", {"kill_worker": 99})
    jobs.wait([poison, *mates], seconds=60)
    row = jobs.row(poison)
    assert (row["status"], row["crash_count"], row["attempt"]) == ("dead_letter", 3, 3)
    assert "poison" in row["last_error_message"]
    runs, _ = runs_of.read(handler_log)
    assert len(runs[poison]) == 3
    for id in mates:
        assert jobs.status(id) == "succeeded" and jobs.row(id)["crash_count"] <= 2
        assert all(run.end is not None for run in runs[id][2:]), "one died with it when it was to be alone"
    fleet.check.update(acks=[poison, *mates], finished=True, handler_log=handler_log)


def test_a_drain_lets_jobs_finish(fleet, jobs, kafka, prefix, logging_handler, handler_log, tmp_path):
    gate = tmp_path / "gate"
    one = fleet(workers=2, handlers=[{"type": "logged", "exec": [logging_handler, handler_log]}], worker={"slots": 2},
                supervisor={"drain_timeout": "1m"})
    kafka.wait_for_group(prefix, 2)  # or one worker has all of them
    ids = jobs.batch([{"type": "logged", "payload": {"until": str(gate)}} for _ in range(40)])
    until(lambda: len(runs_of.read(handler_log)[0]) == 4, what="four run")
    one.ask_to_stop()
    until(lambda: sum("draining: 2 jobs running" in line for line in one.log().splitlines()) == 2, what="both workers drain")
    gate.touch()
    assert one.stop() == 0
    assert Counter(jobs.status(id) for id in ids) == {"succeeded": 4, "queued": 36}
    assert all(jobs.row(id)["attempt"] == (jobs.status(id) == "succeeded") for id in ids)
    fleet.check.update(acks=ids, handler_log=handler_log, stopped=True)


@pytest.mark.asan
def test_a_drain_cuts_short_what_takes_too_long(fleet, jobs, tmp_path, migrated):
    pids = tmp_path / "pids"
    one = fleet(workers=1, handlers=[sh("long", f"echo $$ >{pids}; exec sleep 1000"), sh("deaf", TERM_DEAF.format(pids=tmp_path / "deaf"))],
                supervisor={"drain_timeout": "500ms"}, jobs={"kill_grace": "500ms"})
    ids = [jobs.submit("long"), jobs.submit("deaf"), jobs.submit("mock_process", {"duration_ms": 60_000})]
    until(lambda: len(pids_in(pids)) == 1 and len(pids_in(tmp_path / "deaf")) == 2, what="they run")
    jobs.wait(ids, "running")
    assert one.stop() == 0
    assert [jobs.status(id) for id in ids] == ["queued"] * 3
    assert not any(alive(pid) for pid in pids_in(pids) + pids_in(tmp_path / "deaf"))
    for id in ids:
        row = jobs.row(id)
        assert (row["attempt"], row["max_attempts"]) == (1, 6)
        assert jobs.events(id)[-1][2]["reason"] == "drain"
    assert migrated.sql("select from worker where not dead") == []


@pytest.mark.quick
@pytest.mark.asan
def test_a_drain_that_its_worker_has_no_time_for(fleet, jobs):
    """The fleet kills the worker, which is no crash of what it ran: as if the worker had said so itself."""
    one = fleet(workers=1, handlers=[sh("long", "exec sleep 1000")], supervisor={"drain_timeout": "500ms"}, jobs={"kill_grace": "500ms"})
    ids = [jobs.submit("long"), jobs.submit("mock_process", {"duration_ms": 60_000})]
    jobs.wait(ids, "running")
    one.kill_worker(signo=signal.SIGSTOP)
    assert one.stop() == 0
    assert "did not end in time, killing it" in one.log()
    for id in ids:
        row = jobs.row(id)
        assert (row["status"], row["attempt"], row["max_attempts"], row["crash_count"]) == ("queued", 1, 6, 0)
        assert jobs.events(id)[-1][2]["reason"] == "drain"
    fleet.check.update(acks=ids, stopped=True)


@pytest.mark.quick
@pytest.mark.asan
def test_the_supervisor_is_killed(fleet, jobs, logging_handler, handler_log, tmp_path):
    """Workers and handlers die with it; the next one releases what they held, long before their lease has run out."""
    gate = tmp_path / "gate"
    one = fleet(workers=2, handlers=[{"type": "logged", "exec": [logging_handler, handler_log], **QUICK_RETRIES}], jobs=QUICK_RETRIES,
                worker={"lease": "10m"})
    ids = jobs.batch([{"type": "logged", "payload": {"until": str(gate)}} for _ in range(6)])
    until(lambda: len(runs_of.read(handler_log)[0]) == 6, what="all run")
    workers = one.worker_pids()
    handlers = [run.pid for of_job in runs_of.read(handler_log)[0].values() for run in of_job]
    one.kill()
    until(lambda: not any(alive(pid) for pid in workers + handlers), what="nothing of it is left")
    assert {jobs.status(id) for id in ids} == {"running"}
    gate.touch()
    one.start()
    jobs.wait(ids, seconds=15)
    assert {(jobs.status(id), jobs.row(id)["attempt"]) for id in ids} == {("succeeded", 2)}
    fleet.check.update(acks=ids, finished=True, handler_log=handler_log)


def test_a_worker_that_is_frozen_loses_its_jobs(fleet, jobs, logging_handler, handler_log, kafka, prefix, tmp_path):
    """The supervisor kills it before its lease runs out, its handlers too, and only then do its jobs run elsewhere."""
    gate = tmp_path / "gate"
    # Half of the lease is the supervisor's, five eighths are its guard's: the time between is more than it may have to wait for a processor.
    options = {"workers": 1, "handlers": [{"type": "logged", "exec": [logging_handler, handler_log], **QUICK_RETRIES}], "jobs": QUICK_RETRIES,
               "worker": {"lease": "16s", "slots": 19}}
    one, _ = fleet(**options), fleet(**options)
    kafka.wait_for_group(prefix, 2)
    ids = jobs.batch([{"type": "logged", "payload": {"until": str(gate)}} for _ in range(20)])
    until(lambda: len(runs_of.read(handler_log)[0]) == 20, what="all run")
    one.kill_worker(signo=signal.SIGSTOP)
    death, = until(lambda: one.events("child.died"), what="its death")
    assert death["death"]["stood_still"] is True
    gate.touch()
    jobs.wait(ids, seconds=40)
    assert {jobs.status(id) for id in ids} == {"succeeded"}
    assert {jobs.row(id)["attempt"] for id in ids} == {1, 2}
    fleet.check.update(acks=ids, finished=True, handler_log=handler_log)
