"""Daemons that cleared their environment, where no control group holds them: a mark tells whose they are."""
import os
import signal
import tempfile
import time

import pytest

from support.gate import gate  # noqa: F401
from support.handlers import DAEMON, FORGETFUL, QUICK_RETRIES, pids_in, python
from support.host import wrap
from support.process import alive, children_of, kill_guard_and_freeze, name_of, state_of, status_of
from support.wait import until

# The first run does something; the next one says which of the processes noted by then live.
TWO_RUNS = """
def alive(pid):
    try: return open('/proc/' + pid + '/stat').read().rpartition(')')[2].split()[0] not in 'ZX'
    except OSError: return False
def living():
    return [pid for pid in open({pids!r}).read().split() if alive(pid)]
def noted(n):
    end = time.monotonic() + 20
    while not os.path.exists({pids!r}) or len(open({pids!r}).read().split()) < n:
        assert time.monotonic() < end, "the daemons are not noted"
        time.sleep(0.01)
if os.environ['HEIMDEX_ATTEMPT'] == '1':
    {first}
{then}
print(json.dumps({{'result': living()}}))"""
LEAVES_ONE = f"daemon(lambda: {FORGETFUL}); noted(1)"


def two_runs(pids, first, then=""):
    return {"do": DAEMON.format(pids=str(pids)) + TWO_RUNS.format(pids=str(pids), first=first, then=then)}


def guard_of(supervisor):
    """It gives itself its name, while the fleet gets ready."""
    return until(lambda: [pid for pid in children_of(supervisor) if name_of(pid) == "heimdex-guard"], what="the guard")[0]


def looked(guard, times):
    """Waits until it has: between two of its looks it sleeps."""
    def sleeps():
        return status_of(guard, "voluntary_ctxt_switches")
    before = sleeps()
    until(lambda: sleeps() > before + times, what="the guard to look")


@pytest.mark.quick
@pytest.mark.asan
def test_one_beside_an_older_run(fleet, jobs, gate, tmp_path):
    """It ends with its own run, not with the last one that it might have come from; the next run of its job finds none of it."""
    pids = tmp_path / "pids"
    one = fleet(workers=1, handlers=[python("older"), python("leaves", **QUICK_RETRIES)], jobs=QUICK_RETRIES)
    older = jobs.batch([{"type": "older", "payload": {"do": gate.python}}])[0]
    until(lambda: jobs.status(older) == "running", what="the older one runs")
    killed_by_now = "end = time.monotonic() + 10\nwhile living() and time.monotonic() < end: time.sleep(0.01)"
    id = jobs.batch([{"type": "leaves", "payload": two_runs(pids, LEAVES_ONE + "; sys.exit(1)", killed_by_now)}])[0]
    jobs.wait(id, "succeeded")
    assert (jobs.row(id)["attempt"], jobs.result(id)) == (2, [])
    assert jobs.status(older) == "running"
    gate.open()
    jobs.wait(older, "succeeded")
    assert one.worker_pids()
    fleet.check.update(acks=[id, older], finished=True)


@pytest.mark.quick
def test_one_that_outlives_supervisor_and_guard(fleet, jobs, tmp_path):
    """The next start ends it, before its job runs again."""
    pids = tmp_path / "pids"
    one = fleet(workers=1, handlers=[python("leaves", **QUICK_RETRIES)], jobs=QUICK_RETRIES)
    workers, guard = one.worker_pids(), guard_of(one.pid)
    id = jobs.batch([{"type": "leaves", "payload": two_runs(pids, LEAVES_ONE + "; time.sleep(1000)")}])[0]
    until(lambda: pids.exists() and pids_in(pids), what="the daemon")
    kill_guard_and_freeze(one.pid, guard)
    one.kill()
    until(lambda: not any(alive(pid) for pid in [guard, *workers]), what="only the daemon is left")
    assert all(alive(pid) for pid in pids_in(pids))
    one.start()
    jobs.wait(id, "succeeded")
    assert (jobs.row(id)["attempt"], jobs.result(id)) == (2, [])
    fleet.check.update(acks=[id], finished=True)


@pytest.mark.quick
def test_one_that_outlives_the_supervisor(fleet, jobs, tmp_path):
    """The guard ends it."""
    pids = tmp_path / "pids"
    one = fleet(workers=1, handlers=[python("leaves", **QUICK_RETRIES)], jobs=QUICK_RETRIES)
    id = jobs.batch([{"type": "leaves", "payload": two_runs(pids, LEAVES_ONE + "; time.sleep(1000)")}])[0]
    until(lambda: pids.exists() and pids_in(pids), what="the daemon")
    one.kill()
    until(lambda: not any(alive(pid) for pid in pids_in(pids)), 10, "it is ended")
    one.start()
    jobs.wait(id, "succeeded")
    assert (jobs.row(id)["attempt"], jobs.result(id)) == (2, [])
    fleet.check.update(acks=[id], finished=True)


@pytest.mark.quick
def test_a_worker_dies_under_a_frozen_supervisor(fleet, jobs, gate, tmp_path):
    """What it left, daemon or not, is ended meanwhile; what runs in another worker isn't, and the death is told when the supervisor wakes up."""
    pids, worker = tmp_path / "pids", tmp_path / "worker"
    one = fleet(workers=2, handlers=[python("leaves", **QUICK_RETRIES), python("other")], jobs=QUICK_RETRIES, worker={"slots": 1, "lease": "1m"})
    other = jobs.batch([{"type": "other", "payload": {"do": DAEMON.format(pids=str(tmp_path / "others")) + f"""
daemon(lambda: {FORGETFUL})
{gate.python}
"""}}])[0]
    until(lambda: jobs.status(other) == "running", what="the other one runs")
    first = f"""open({str(worker)!r}, 'w').write(str(os.getppid()))
    note()
    if os.fork() == 0: note(); time.sleep(1000)
    daemon(lambda: {FORGETFUL})
    noted(3)
    time.sleep(1000)"""
    id = jobs.batch([{"type": "leaves", "payload": two_runs(pids, first)}])[0]
    until(lambda: pids.exists() and len(pids_in(pids)) == 3 and (tmp_path / "others").exists(), what="all of them")
    os.kill(one.pid, signal.SIGSTOP)
    try:
        os.kill(*pids_in(worker), signal.SIGKILL)
        until(lambda: not any(alive(pid) for pid in pids_in(pids)), 20, "they are ended")
        assert jobs.status(id) == "running"
        assert all(alive(pid) for pid in pids_in(tmp_path / "others"))
    finally:
        os.kill(one.pid, signal.SIGCONT)
    jobs.wait(id, "succeeded")
    row = jobs.row(id)
    assert (row["attempt"], row["crash_count"], row["last_error_code"], jobs.result(id)) == (2, 1, "SIGKILL", [])
    gate.open()
    jobs.wait(other, "succeeded")
    assert jobs.row(other)["attempt"] == 1
    assert '"event":"supervisor.still"' in one.log().replace(" ", "")
    fleet.check.update(acks=[id, other], finished=True)


@pytest.mark.quick
def test_a_worker_freezes_under_a_frozen_supervisor(fleet, jobs, tmp_path):
    """Nobody of its fleet is left to kill it but the guard, which does so before the lease is over: then another host would run its job, too."""
    pids, worker = tmp_path / "pids", tmp_path / "worker"
    # The lease is so long that an eighth of it, which the guard is ahead of the others, is more than it may have to wait for a processor.
    options = {"handlers": [python("leaves", **QUICK_RETRIES)], "jobs": QUICK_RETRIES, "worker": {"slots": 1, "lease": "16s"}}
    one = fleet(workers=1, **options)
    first = f"""open({str(worker)!r}, 'w').write(str(os.getppid()))
    note()
    daemon(lambda: {FORGETFUL})
    noted(2)
    time.sleep(1000)"""
    id = jobs.batch([{"type": "leaves", "payload": two_runs(pids, first)}])[0]
    until(lambda: pids.exists() and len(pids_in(pids)) == 2, what="all of them")
    two = fleet(workers=1, **options)
    os.kill(one.pid, signal.SIGSTOP)
    try:
        os.kill(*pids_in(worker), signal.SIGSTOP)
        jobs.wait(id, "succeeded", 60)
    finally:
        os.kill(one.pid, signal.SIGCONT)
    assert (jobs.row(id)["attempt"], jobs.result(id)) == (2, [])  # nothing of the first run lived beside the second
    assert "and so does pid" in one.log()
    until(lambda: one.events("worker.reaped") or two.events("worker.reaped"), what="who did it says so, by its supervisor")


@pytest.mark.quick
def test_a_guard_that_stood_still_itself(fleet, jobs, gate):
    """Every process of the fleet stands still, and the guard wakes up before the others: no pulse has moved for longer than it allows, which is nobody's
    fault."""
    lease = 8
    one = fleet(workers=1, handlers=[python("held")], worker={"lease": f"{lease}s"})
    id = jobs.batch([{"type": "held", "payload": {"do": gate.python}}])[0]
    until(lambda: jobs.status(id) == "running", what="the job runs")
    others, workers, guard = [one.pid, *(child["pid"] for child in one.children())], one.worker_pids(), guard_of(one.pid)
    try:
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        until(lambda: {state_of(pid) for pid in others} == {"T"}, what="the others to stand still")
        began = time.monotonic()
        looked(guard, 2)  # else the last pulses would be news to it
        os.kill(guard, signal.SIGSTOP)
        until(lambda: state_of(guard) == "T" and time.monotonic() > began + lease * 5 / 8 + 1, what="more than the guard allows")
        os.kill(guard, signal.SIGCONT)
        looked(guard, 3)
        assert {state_of(pid) for pid in others} == {"T"}  # and not killed
    finally:
        for pid in guard, *reversed(others):  # the supervisor last: until then its dead have their pids
            os.kill(pid, signal.SIGCONT)
    gate.open()
    jobs.wait(id, "succeeded")
    assert jobs.row(id)["attempt"] == 1
    assert one.worker_pids() == workers and guard_of(one.pid) == guard
    assert not one.events("supervisor.still")
    fleet.check.update(acks=[id], finished=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="hosts on one machine are root's")
def test_a_fleet_outside_a_container_with_the_same_control_socket(fleet, jobs, gate, tmp_path):
    """It sees the container's processes, which bear the same path, and leaves them alone when it starts."""
    with tempfile.TemporaryDirectory(prefix="hx-") as folder:
        same = {"handlers": [python("held")], "supervisor": {"workers": 1, "control_socket": f"{folder}/control"}}
        contained = fleet(start=False, wrap=wrap(tmp_path, "box", hidden=folder), **same)
        contained.start(wait=False)
        id = jobs.batch([{"type": "held", "payload": {"do": gate.python}}])[0]
        until(lambda: jobs.status(id) == "running", what="the container's job runs")
        outside = fleet(**same)
        gate.open()
        jobs.wait(id, "succeeded")
        assert jobs.row(id)["attempt"] == 1 and not outside.events("leftovers.ended")
        assert outside.stop() == 0 and contained.stop() == 0
    fleet.check.update(acks=[id], finished=True)
