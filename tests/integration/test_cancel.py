"""Operators stop jobs, and run them again: cancel, retry, redrive."""
import pytest

from support.gate import gate  # noqa: F401
from support.handlers import TERM_DEAF, pids_in, sh
from support.process import alive
from support.wait import until


@pytest.mark.quick
@pytest.mark.asan
def test_cancel_what_runs(fleet, jobs, gate, tmp_path):
    """TERM ends the handler: KILL would come a minute later, and the built-in one would run as long."""
    pids = tmp_path / "pids"
    fleet(workers=1, handlers=[sh("long", f"echo $$ >{pids}; sleep 1000 & echo $! >>{pids}; wait"),
                               sh("other", gate.sh)], jobs={"kill_grace": "1m"})
    id, other, mock = jobs.submit("long"), jobs.submit("other"), jobs.submit("mock_process", {"duration_ms": 60_000})
    jobs.wait([id, other, mock], "running")
    until(lambda: len(pids_in(pids)) == 2, what="the handler runs")
    jobs.ctl("cancel", id, mock)
    jobs.wait([id, mock])
    assert {jobs.status(id), jobs.status(mock)} == {"canceled"}
    until(lambda: not any(alive(pid) for pid in pids_in(pids)), what="the whole group is gone")  # killed by now, which takes effect when it may run
    gate.open()
    jobs.wait(other)
    assert jobs.status(other) == "succeeded"


def test_cancel_and_retry_of_what_takes_its_time_to_stop(fleet, jobs, gate, tmp_path):
    started, asked = tmp_path / "started", tmp_path / "asked"
    script = f"trap '' TERM; {gate.sh} & trap 'echo >>{asked}' TERM; echo >>{started}; until wait $!; do :; done"  # the gate is deaf
    fleet(workers=1, handlers=[sh("slow", script)], jobs={"kill_grace": "1m"})
    id = jobs.submit("slow")
    until(lambda: started.read_text() == "\n", what="the handler runs")
    jobs.ctl("cancel", id)
    until(lambda: asked.read_text() == "\n", what="it is asked to stop")
    assert jobs.ctl("retry", id, check=False).returncode == 75
    gate.open()
    jobs.wait(id)
    assert jobs.status(id) == "canceled"
    gate.close()
    assert jobs.ctl("retry", id).returncode == 0
    until(lambda: started.read_text() == "\n\n", what="the handler runs again")
    jobs.ctl("cancel", id)
    until(lambda: asked.read_text() == "\n\n", what="it is asked again")
    gate.open()
    jobs.wait(id)
    assert jobs.path(id) == ["queued", "running", "canceled", "queued", "running", "canceled"]


def test_cancel_of_what_will_not_stop(fleet, jobs, tmp_path):
    pids = tmp_path / "pids"
    fleet(workers=1, handlers=[sh("deaf", TERM_DEAF.format(pids=pids))], jobs={"kill_grace": "300ms"})
    id = jobs.submit("deaf")
    until(lambda: len(pids_in(pids)) == 2, what="the handler runs")
    jobs.ctl("cancel", id)
    jobs.wait(id)
    assert jobs.status(id) == "canceled"
    until(lambda: not any(alive(pid) for pid in pids_in(pids)), what="the whole group is gone")


@pytest.mark.quick
def test_retry_and_redrive(fleet, jobs, tmp_path):
    switch = tmp_path / "mended"
    fleet(workers=1, handlers=[sh("breakable", f"[ -e {switch} ]", max_attempts=1)])
    ids = jobs.batch([{"type": "breakable"}] * 3)
    jobs.wait(ids)
    assert {jobs.status(id) for id in ids} == {"dead_letter"}
    assert jobs.ctl("cancel", "00000000-0000-7000-8000-000000000001", check=False).returncode == 1
    switch.touch()
    jobs.ctl("retry", ids[0])
    jobs.wait(ids[0], "succeeded")
    jobs.ctl("redrive", "--type", "breakable", "--error", "exit_1")
    jobs.wait(ids, "succeeded")
    row = jobs.row(ids[0])
    assert (row["attempt"], row["max_attempts"]) == (2, 2)
    assert jobs.path(ids[1]) == ["queued", "running", "dead_letter", "queued", "running", "succeeded"]
