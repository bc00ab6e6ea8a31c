"""The control groups of a fleet that was given one, with children of our own making (tests/fakes/fleet_child)."""
import os
import signal

import pytest

from support.cgroup import cgroup  # noqa: F401
from support.process import alive, kill_guard_and_freeze
from support.supervisor import fleet, wait_for  # noqa: F401

pytestmark = [pytest.mark.quick, pytest.mark.asan]


def said(f):
    return [e["message"] for e in f.events() if e.get("event") == "cgroups" and e["level"] == "notice"]


def test_each_worker_has_its_own(cgroup, fleet):
    f = fleet(wrap=cgroup.delegate().wrap).start()
    starts = wait_for("three starts", lambda: len(s := f.fakes("start")) == 3 and s)
    workers = {s["pid"]: s for s in starts if s["name"] == "heimdex-worker"}
    scheduler, = (s for s in starts if s["name"] == "heimdex-scheduler")
    assert {cgroup.group_of(pid) for pid in (f.pid, f.guard(), scheduler["pid"])} == {"supervisor"}
    assert "--cgroup-fd" not in scheduler["argv"] and "6" not in scheduler["fds"]
    places = {pid: cgroup.group_of(pid) for pid in workers}
    assert len(set(places.values())) == 2
    for pid, place in places.items():
        assert place.startswith("worker-") and place.endswith("/self")
        assert workers[pid]["argv"][-2:] == ["--cgroup-fd", "6"]
        assert workers[pid]["fds"]["6"] == str(cgroup.path / os.path.dirname(place))
    dead = min(workers)
    os.kill(dead, signal.SIGKILL)
    wait_for("another worker", lambda: len(f.fakes("start")) == 4)
    wait_for("its group is gone", lambda: os.path.dirname(places[dead]) not in cgroup.groups())
    assert len([g for g in cgroup.groups() if g.endswith("/self")]) == 2
    assert f.stop() == 0
    assert cgroup.groups() == ["supervisor"] and not cgroup.populated()


def test_what_it_lacks_is_said_once(cgroup, fleet):
    f = fleet(wrap=cgroup.delegate().wrap).start()
    lacking = {name for name in ("memory", "cpu", "pids") if name not in cgroup.controllers}
    f.stop()
    assert len(said(f)) == len(lacking)
    for name in lacking:
        assert any(f"have no {name} controller here: " in line for line in said(f))


def test_one_that_was_not_delegated_is_left_alone(cgroup, fleet):
    f = fleet(wrap=cgroup.wrap).start()
    assert cgroup.group_of(f.pid) == ""
    wait_for("both workers", lambda: len(f.fakes("start", "heimdex-worker")) == 2)
    os.kill(f.workers()[0], signal.SIGKILL)
    wait_for("another worker", lambda: len(f.fakes("start", "heimdex-worker")) == 3)
    assert cgroup.groups() == [] and not [s for s in f.fakes("start") if "--cgroup-fd" in s["argv"]]
    f.stop()
    line, = said(f)
    assert line.startswith("handlers have no cgroups of their own: the cgroup of this process wasn't delegated to it (Delegate=yes); ")


def test_two_fleets_in_one(cgroup, fleet):
    """The second one must not end the first one's workers."""
    one = fleet(wrap=cgroup.delegate().wrap, schedulers=0).start()
    workers = one.workers()
    two = fleet(wrap=cgroup.wrap, schedulers=0).start()
    assert "another supervisor is in the cgroup of this process" in wait_for("its line", lambda: said(two))[0]
    assert two.stop() == 0 and one.workers() == workers
    assert one.stop() == 0


def daemon_of(f):
    started, = wait_for("the daemon", lambda: f.fakes("daemon"))
    return started["daemon"]


def test_daemons_end_with_the_supervisor(cgroup, fleet):
    """Killed as it was, it can't end them, and they are nobody's children: its guard does."""
    f = fleet(workers=1, wrap=cgroup.delegate().wrap).plan("worker", daemon=True).start()
    pids = [daemon_of(f), f.guard(), *f.workers()]
    f.signal(signal.SIGKILL)
    f.process.wait()
    wait_for("nothing is left", lambda: not any(alive(pid) for pid in pids) and not cgroup.populated())


def test_daemons_end_when_a_supervisor_comes(cgroup, fleet):
    """Without a guard, too: whatever the earlier one left in its group."""
    f = fleet(workers=1, wrap=cgroup.delegate().wrap).plan("worker", daemon=True).start()
    daemon, guard, workers = daemon_of(f), f.guard(), f.workers()
    kill_guard_and_freeze(f.pid, guard)
    f.signal(signal.SIGKILL)
    f.process.wait()
    wait_for("only the daemon is left", lambda: not any(alive(pid) for pid in [guard, *workers]))
    assert alive(daemon)
    left = cgroup.groups()
    again = fleet(workers=1, wrap=cgroup.wrap).start()
    assert not alive(daemon)
    wait_for("the same lines", lambda: said(again) == said(f))
    assert cgroup.group_of(again.pid) == "supervisor" and again.stop() == 0
    assert cgroup.groups() == ["supervisor"] and len(left) > 1
