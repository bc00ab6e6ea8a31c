"""Runs of programs in control groups of their own."""
import pytest

from support.cgroup import cgroup  # noqa: F401
from support.gate import gate  # noqa: F401
from support.handlers import pids_in, python, sh
from support.process import alive
from support.wait import until

pytestmark = [pytest.mark.quick, pytest.mark.asan]

# Without group, session, parent, environment or mark (common/mark.h): nothing but the control group knows whose it is.
HIDDEN = "pid=$( (setsid prlimit --locks=0:0 env -i /bin/sh -c 'echo $$; exec sleep 1000 >/dev/null' &) ); echo $pid >>{pids}"


def test_what_hides_ends_with_its_run(cgroup, fleet, jobs, gate, tmp_path):
    """While another program of the same worker goes on: by its environment alone it could have been that one's."""
    pids = tmp_path / "pids"
    one = fleet(workers=1, wrap=cgroup.delegate().wrap, handlers=[
        sh("hides", HIDDEN.format(pids=pids) + "; echo '{\"result\":1}'"),
        sh("waits", gate.sh)])
    worker = one.worker_pids()[0]
    waits = jobs.submit("waits")
    jobs.wait(waits, "running")
    until(lambda: any("/run-" in group for group in cgroup.groups()), 10, "its group")
    hides = jobs.batch([{"type": "hides"}] * 3)
    jobs.wait(hides, "succeeded")
    until(lambda: not any(alive(pid) for pid in pids_in(pids)), 10, "nothing of them is left")
    until(lambda: len([group for group in cgroup.groups() if "/run-" in group]) == 1, 10, "their groups are gone")
    assert jobs.status(waits) == "running" and len(pids_in(pids)) == 3 and one.worker_pids() == [worker]
    for id in hides:
        detail = jobs.events(id)[-1][2]
        assert detail["result"] == 1 and detail["cpu_ms"] >= 0
        assert ("memory_peak_kb" in detail) == ("memory" in cgroup.controllers)
    gate.open()
    jobs.wait(waits, "succeeded")
    fleet.check.update(acks=[*hides, waits], finished=True)


def test_a_dead_workers_runs(cgroup, fleet, jobs, tmp_path):
    pids = tmp_path / "pids"
    one = fleet(workers=1, wrap=cgroup.delegate().wrap, handlers=[
        sh("hides", f"""[ "$HEIMDEX_ATTEMPT" = 1 ] || exit 0; {HIDDEN.format(pids=pids)}; while :; do sleep 1; done""",
           backoff_base="50ms", backoff_max="100ms")])
    id = jobs.submit("hides")
    until(lambda: pids.exists() and len(pids_in(pids)) == 1, 20, "it runs")
    groups = {group.partition("/")[0] for group in cgroup.groups()}
    one.kill_worker()
    jobs.wait(id, "succeeded")
    assert not any(alive(pid) for pid in pids_in(pids))
    until(lambda: len({group.partition("/")[0] for group in cgroup.groups()} & groups) == 1, 10, "the dead one's group is gone")
    fleet.check.update(acks=[id], finished=True)


def test_memory_of_a_run(cgroup, fleet, jobs):
    """Of all its processes together; its neighbours don't notice."""
    if "memory" not in cgroup.controllers:
        pytest.skip("control groups (v2) have no memory controller here")
    script = "import os, time\nfor _ in range(4): os.fork() or (bytearray(40 << 20), time.sleep(1000))\ntime.sleep(1000)"
    one = fleet(workers=1, wrap=cgroup.delegate().wrap, handlers=[python("greedy", memory_max="128M", max_attempts=1), sh("honest", "exit 0")])
    workers = one.worker_pids()
    id, *others = jobs.batch([{"type": "greedy", "payload": {"do": script}}] + [{"type": "honest"}] * 5)
    jobs.wait([id, *others])
    row = jobs.row(id)
    assert (row["status"], row["last_error_code"]) == ("dead_letter", "memory_max")
    assert row["last_error_message"].startswith("the handler died by SIGKILL (memory_max 128M, ")
    assert {jobs.status(other) for other in others} == {"succeeded"} and one.worker_pids() == workers
    fleet.check.update(acks=[id, *others], finished=True)


def test_cores_of_a_run(cgroup, fleet, jobs):
    """Limited, or said not to be."""
    one = fleet(workers=1, wrap=cgroup.delegate().wrap, handlers=[sh("half", "sleep 1000", cpu_max=0.5)])
    warnings = [line for line in one.log().splitlines() if "handler half: cpu_max: not limited here: " in line]
    if "cpu" not in cgroup.controllers:
        assert len(warnings) == 1
        pytest.skip("control groups (v2) have no cpu controller here: that it isn't limited was said")
    assert not warnings
    id = jobs.submit("half")
    group = until(lambda: [group for group in cgroup.groups() if "/run-" in group], 20, "its group")[0]
    assert (cgroup.path / group / "cpu.max").read_text() == "50000 100000\n"
    jobs.ctl("cancel", id)
    jobs.wait(id, "canceled")


def test_without_one_cpu_max_is_warned_of(fleet, jobs):
    one = fleet(workers=1, handlers=[sh("half", "exit 0", cpu_max=0.5)])
    if "handlers have no cgroups of their own: " not in one.log():
        pytest.skip("whoever runs the tests was given a control group")
    assert one.log().count("handler half: cpu_max: not limited here: ") == 1
    one.change(handlers=[sh("half", "exit 0", cpu_max=0.25)])
    one.reload()
    assert one.log().count("handler half: cpu_max: not limited here: ") == 2
