"""Fleets that are told to stop while a dependency is away, or by somebody in a hurry. Each test ends with the checker."""
import signal
from contextlib import nullcontext

import pytest

from support.handlers import QUICK_RETRIES, TERM_DEAF, alive, pids_in, sh
from support.wait import until


@pytest.mark.quick
@pytest.mark.parametrize("signals,kill_grace", [(2, "500ms"), (3, "1h")])
def test_a_stop_in_a_hurry_leaves_no_row_running(fleet, jobs, tmp_path, migrated, signals, kill_grace):
    """The second TERM doesn't wait for what runs, the third not even for its grace."""
    pids, deaf = tmp_path / "pids", tmp_path / "deaf"
    one = fleet(workers=2, handlers=[sh("long", f"echo $$ >{pids}; exec sleep 1000"), sh("deaf", TERM_DEAF.format(pids=deaf))],
                supervisor={"drain_timeout": "1h"}, jobs={"kill_grace": kill_grace})
    ids = [jobs.submit("long"), jobs.submit("deaf"), jobs.submit("mock_process", {"duration_ms": 600_000})]
    until(lambda: len(pids_in(pids)) == 1 and len(pids_in(deaf)) == 2, what="they run")
    jobs.wait(ids, "running")
    for n in range(signals):
        one.process.send_signal(signal.SIGTERM)
        until(lambda: len(one.events("stopping")) == n + 1, what="it was heard")
    assert one.process.wait(15) == 0
    assert not any(alive(pid) for pid in pids_in(pids) + pids_in(deaf))
    assert {jobs.status(id) for id in ids} <= {"queued", "failed"}
    if signals == 2:
        assert {jobs.events(id)[-1][2]["reason"] for id in ids} == {"drain"}
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


@pytest.mark.quick
def test_a_stop_before_postgresql_was_ever_reached(fleet):
    one = fleet(workers=1, start=False, env={"PGHOST": "127.0.0.1", "PGPORT": "1"}).start(wait=False)
    until(lambda: any(c["waiting"] for c in one.children("scheduler")) and one.worker_pids(), what="it waits")
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
