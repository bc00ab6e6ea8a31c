"""Fleets that are told to stop while a dependency is away, or by somebody in a hurry. Each test ends with the checker."""
import json
import os
import re
import signal
from contextlib import nullcontext
from pathlib import Path

import pytest

from checker import handler_log as runs_of
from support.handlers import QUICK_RETRIES, TERM_DEAF, pids_in, sh
from support.load import Load
from support.process import alive
from support.wait import until


@pytest.mark.quick
@pytest.mark.parametrize("signals", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_stop_in_a_hurry_leaves_no_row_running(fleet, jobs, tmp_path, migrated, signals):
    """The second TERM kills what runs, whatever grace it has, the third workers that stand still, too."""
    pids, deaf = tmp_path / "pids", tmp_path / "deaf"
    one = fleet(workers=2, handlers=[sh("long", f"echo $$ >{pids}; exec sleep 1000"), sh("deaf", TERM_DEAF.format(pids=deaf))],
                supervisor={"drain_timeout": "1h"}, jobs={"kill_grace": "1h"})
    ids = [jobs.submit("long"), jobs.submit("deaf"), jobs.submit("mock_process", {"duration_ms": 600_000})]
    until(lambda: len(pids_in(pids)) == 1 and len(pids_in(deaf)) == 2, what="they run")
    jobs.wait(ids, "running")
    if signals == 3:
        for pid in one.worker_pids():
            os.kill(pid, signal.SIGSTOP)
    for n in range(signals):
        one.process.send_signal(signal.SIGTERM)
        until(lambda: len(one.events("stopping")) == n + 1 or one.process.poll() is not None, what="it was heard")
    assert one.process.wait(15) == 0
    assert not any(alive(pid) for pid in pids_in(pids) + pids_in(deaf))
    assert {(jobs.status(id), jobs.row(id)["crash_count"], jobs.events(id)[-1][2]["reason"]) for id in ids} == {("queued", 0, "drain")}
    assert migrated.sql("select from worker where not dead") == []


@pytest.mark.parametrize("busy", [False, True])
def test_a_stop_while_postgresql_is_frozen(fleet, jobs, postgres, tmp_path, busy):
    """In time, and by nobody's KILL; what couldn't be written is released by the next start."""
    pids = tmp_path / "pids"
    script = f'[ "$HEIMDEX_ATTEMPT" = 2 ] && exit 0; echo $$ >{pids}; exec sleep 1000'
    one = fleet(workers=1, handlers=[sh("long", script)], supervisor={"drain_timeout": "5s"}, jobs={"kill_grace": "4s", **QUICK_RETRIES})
    if busy:
        id = jobs.submit("long")
        until(lambda: len(pids_in(pids)) == 1, what="it runs")
        jobs.wait(id, "running")
    with postgres.frozen():
        assert one.stop(seconds=9) == 0
        assert "killing it" not in one.log()
        assert not busy or not alive(pids_in(pids)[0])
    if busy:
        one.start()
        jobs.wait(id, "succeeded")


def takes_term(pid):
    """It has it blocked, for its loop to read; before that a TERM would be its end."""
    return int(re.search(r"^SigBlk:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1], 16) >> (signal.SIGTERM - 1) & 1


@pytest.mark.quick
def test_a_stop_before_postgresql_was_ever_reached(fleet):
    one = fleet(workers=1, start=False, env={"PGHOST": "127.0.0.1", "PGPORT": "1"}).start(wait=False)
    until(lambda: any(c["waiting"] for c in one.children("scheduler")) and any(takes_term(pid) for pid in one.worker_pids()), what="it waits")
    assert one.stop() == 0
    deaths = one.events("child.died")
    assert sorted((death["role"], death["death"]["exit"]) for death in deaths) == [("scheduler", 0), ("worker", 0)]
    assert "killing it" not in one.log()


@pytest.mark.parametrize("how", ["frozen", "away"])
def test_a_stop_without_kafka(fleet, jobs, kafka, migrated, how):
    """With records on their way."""
    one = fleet(workers=1, env={"KAFKA_BROKERS": "127.0.0.1:1"} if how == "away" else {}, supervisor={"drain_timeout": "5s"}, jobs={"kill_grace": "2s"})
    if how == "frozen":
        until(lambda: "topics are there" in one.log(), 30, "topics")
    with kafka.frozen() if how == "frozen" else nullcontext():
        migrated.sql("select heimdex_submit('mock_process') from generate_series(1, 50)")
        if how == "frozen":
            until(lambda: migrated.one("select count(*) from outbox where due > now() + interval '1 s'"), what="the relay has taken them")
        assert one.stop(seconds=7) == 0
    assert "killing it" not in one.log()


# ---- under full load -----------------------------------------------------------------------------------------


@pytest.fixture
def under_load(fleet, binaries, env, jobs, logging_handler, handler_log):
    """Two fleets with more to do than they can: builtin jobs, and programs that take a while, each job with one attempt."""
    options = {"workers": 2, "handlers": [{"type": "logged", "exec": [logging_handler, handler_log]}], "worker": {"slots": 4},
               "supervisor": {"drain_timeout": "10s"}, "jobs": {"kill_grace": "1m"}}
    fleets = fleet(**options), fleet(**options)
    lines = [json.dumps({"type": "mock_process", "payload": {"duration_ms": 100}, "max_attempts": 1}),
             json.dumps({"type": "logged", "payload": {"sleep_ms": 100}, "max_attempts": 1})]
    turn = iter(range(10**9))
    load = Load(binaries, env, lambda: lines[next(turn) % 2], rate=400)

    def busy(one):
        until(lambda: all(c["running"] >= 4 for c in one.children("worker") if c["pid"]), what="each of its workers runs what it can")

    def finish():
        fleet.check.update(acks=load.acks, finished=True, handler_log=handler_log)
        jobs.wait(load.acks, seconds=120)
        assert {status for status, in jobs.database.sql("select distinct status::text from job")} == {"succeeded"}

    with load:
        for one in fleets:
            busy(one)
        yield fleets, load, busy, finish


def left_of(migrated, one):
    """What a fleet that has ended left in the tables."""
    instance = one.sections["service"]["instance"]
    return migrated.sql("""select w.slot, w.dead, c.token from worker w left join claim c on c.worker = w.id
                           where w.instance = %s and (not w.dead or c.token is not null)""", instance)


def test_a_stop_of_one_of_two_fleets_under_full_load(under_load, migrated):
    """Nothing of it is left, no attempt is lost, and the other one goes on with all of it."""
    (one, other), load, busy, finish = under_load
    assert one.stop(seconds=12) == 0  # drain_timeout: nothing needs its grace
    assert left_of(migrated, one) == [] and "killing it" not in one.log()
    done = migrated.one("select count(*) from job where status = 'succeeded'")
    until(lambda: migrated.one("select count(*) from job where status = 'succeeded'") > done + 50, what="the other one works")
    one.start()
    busy(one)
    for fleet in (one, other):
        fleet.ask_to_stop()
    assert [fleet.stop(seconds=12) for fleet in (one, other)] == [0, 0]
    assert migrated.sql("select from worker where not dead") == [] == migrated.sql("select from job where status = 'running'")
    load.__exit__()
    one.start()
    finish()
    assert migrated.one("select max(attempt) from job") == 1 and migrated.one("select max(max_attempts) from job") == 1


def test_a_second_stop_under_full_load(under_load, jobs, migrated, handler_log, tmp_path):
    """What runs is killed, though it ignores TERM, whatever its grace; it is queued again with its attempt given back, and the other fleet runs
    it."""
    (one, other), load, busy, finish = under_load
    gate = tmp_path / "gate"
    held = jobs.batch([{"type": "logged", "payload": {"until": str(gate), "deaf": 1}, "max_attempts": 1, "priority": 9}] * 12)
    until(lambda: set(held) <= set(runs_of.read(handler_log)[0]), what="all of them run; the other one has slots for eight")
    cut = {id for id, in migrated.sql("select j.id::text from job j join worker w on w.id = j.worker where j.id = any(%s::uuid[]) and w.instance = %s",
                                      held, one.sections["service"]["instance"])}
    assert len(cut) >= 4
    one.ask_to_stop()
    until(lambda: len(one.events("stopping")) == 1, what="it was heard")
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(6) == 0
    assert left_of(migrated, one) == [] and "killing it" not in one.log()
    gate.touch()
    load.__exit__()
    finish()
    jobs.wait(held, "succeeded")
    for id in cut:
        assert (jobs.row(id)["crash_count"], jobs.row(id)["max_attempts"]) == (0, 2)
        assert "drain" in [detail.get("reason") for _, _, detail in jobs.events(id)]
    assert migrated.one("select count(*) from job where attempt > max_attempts or crash_count > 0") == 0
