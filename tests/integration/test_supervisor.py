"""heimdex-supervisor from outside, with children of our own making (tests/fakes/fleet_child)."""
import os
import re
import signal
import sys
import time

import pytest

from support.clock import Monotonic
from support.process import alive, children_of
from support.supervisor import FAKE, fleet, wait_for  # noqa: F401

pytestmark = [pytest.mark.quick, pytest.mark.asan]


# ---- start and stop ------------------------------------------------------------------------------------------


def test_starts_a_fleet_and_ends_it_cleanly(fleet):
    f = fleet().start()
    starts = wait_for("three starts", lambda: len(s := f.fakes("start")) == 3 and s)
    for start in starts:
        argv = start["argv"]
        assert argv[0::2] == ["--slot", "--incarnation", "--instance", "--evidence-fd", "--channel-fd", "--config-fd"]
        assert argv[7:12:2] == ["3", "4", "5"] and argv[5] == f.socket
        fds = start["fds"]
        assert fds["0"] == "/dev/null" and fds["1"] == fds["2"] and fds["2"].startswith("pipe:")
        assert "heimdex-evidence" in fds["3"] and fds["4"].startswith("socket:") and "heimdex-config" in fds["5"]
        assert not [link for fd, link in fds.items() if int(fd) > 5 and ":" in link]
        assert start["ppid"] == f.pid and start["group"] == start["pid"]
        assert "NOTIFY_SOCKET" not in start["environ"]
        assert start["environ"]["HEIMDEX_LOG_FORMAT"] == "json"
        assert start["config"]["values"]["log.format"]["text"] == "json"
    assert sorted(s["slot"] for s in starts if s["name"] == "heimdex-worker") == [0, 1]
    wait_for("all workers", lambda: f.status() == "2 workers, 0 jobs running")
    started = wait_for("its first line", lambda: [e for e in f.events() if e.get("event") == "starting"])
    assert started[0]["config"]["supervisor.workers"] and starts[0]["argv"][3] in started[0]["message"]
    pids = f.workers() + f.schedulers() + [f.guard()]
    assert len(pids) == 4
    assert f.stop() == 0
    assert not any(alive(pid) for pid in pids)
    assert not os.path.exists(f.socket)
    assert not [e for e in f.events() if e["level"] in ("error", "err", 3)]


def test_notifies_in_order(fleet):
    f = fleet(watchdog_ms=200).start()
    f.wait_notified("WATCHDOG=1")
    wait_for("several pings", lambda: f.assignments().count("WATCHDOG=1") >= 4)
    wait_for("all workers", lambda: f.status().startswith("2 workers"))
    f.stop()
    spoken = [a for a in f.assignments() if a != "WATCHDOG=1"]
    first = {word: [a.startswith(word) for a in spoken].index(True) for word in ("STATUS=starting", "READY=1", "STOPPING=1", "STATUS=stopping")}
    assert first["STATUS=starting"] < first["READY=1"] < first["STOPPING=1"] < first["STATUS=stopping"]
    assert spoken.count("READY=1") == 1 and spoken.count("STOPPING=1") == 1
    after = spoken[first["STOPPING=1"]:]
    assert all(a.startswith(("STOPPING=1", "STATUS=stopping", "EXTEND_TIMEOUT_USEC=")) for a in after)
    extended, = [int(a.partition("=")[2]) for a in after if a.startswith("EXTEND_TIMEOUT_USEC=")]
    assert extended > (30 + 5) * 1e6  # the time to drain, the grace, and what comes behind them


def test_the_watchdog_is_about_the_supervisor_alone(fleet):
    """It lives, though nobody can work, and when it stops."""
    f = fleet(watchdog_ms=200).plan("worker", waiting="PostgreSQL", term="slow").start(ready=False)

    def go_on():
        before = f.assignments().count("WATCHDOG=1")
        wait_for("pings", lambda: f.assignments().count("WATCHDOG=1") >= before + 3)

    f.wait_notified("waiting for PostgreSQL")
    go_on()
    f.signal(signal.SIGTERM)
    f.wait_notified("STOPPING=1")
    go_on()
    open(f"{f.dir}/go", "w").close()
    assert f.wait() == 0
    assert "READY=1" not in f.assignments()


def test_is_ready_only_with_worker_and_scheduler(fleet):
    f = fleet().plan("worker", waiting="PostgreSQL at 127.0.0.1:5432: connection refused").start(ready=False)
    f.wait_notified("STATUS=starting: waiting for PostgreSQL at 127.0.0.1:5432: connection refused")
    assert f.ask({"op": "status"})["ready"] is False
    f.plan("worker")
    os.kill(f.workers()[0], signal.SIGKILL)
    f.wait_notified("READY=1")
    assert "READY=1" not in f.assignments()[:f.assignments().index("STATUS=starting: waiting for PostgreSQL at 127.0.0.1:5432: connection refused")]
    assert f.ask({"op": "status"})["ready"] is True


def seconds_in(f, before, behind=""):
    """What its statuses say between the two: which second is left out is chance, since they come about once a second."""
    return [int(a[len(before):len(a) - len(behind)]) for a in f.assignments() if re.fullmatch(re.escape(before) + r"\d+" + re.escape(behind), a)]


def test_says_what_it_waits_for_and_for_how_long(fleet):
    began = time.monotonic()
    f = fleet().plan("worker", waiting="PostgreSQL at db:1", detail="refused").start(ready=False)
    said = wait_for("two of them", lambda: len(s := seconds_in(f, "STATUS=starting: waiting for PostgreSQL at db:1 for ", " s: refused")) > 1 and s)
    assert 0 < said[0] < said[1] <= time.monotonic() - began
    assert {child["waiting"] for child in f.ask({"op": "status"})["children"]} == {"PostgreSQL at db:1: refused", None}
    began = time.monotonic()
    g = fleet().plan("scheduler", without="Kafka at k:1").start()
    said = wait_for("two of them", lambda: len(s := seconds_in(g, "STATUS=2 workers, 0 jobs running, without Kafka at k:1 for ", " s")) > 1 and s)
    assert 0 < said[0] < said[1] <= time.monotonic() - began


def test_works_without_a_scheduler_of_its_own(fleet):
    f = fleet(schedulers=0, workers=1).start()
    assert f.stop() == 0


@pytest.mark.parametrize("role", ["worker", "scheduler"])
def test_gives_up_on_a_wrong_configuration_before_the_first_ready(fleet, role):
    f = fleet().plan(role, exit=78, fatal="the schema is at revision 12, this program needs 14").start(ready=False)
    assert f.wait() == 78
    assert f.logged(f"can't work with this configuration: the schema is at revision 12, this program needs 14")
    assert f.wait_notified("STOPPING=1")


def test_goes_on_with_a_wrong_configuration_after_the_first_ready(fleet):
    f = fleet(workers=1, supervisor_restart_backoff_max="50ms").start()
    f.plan("worker", exit=78, fatal="the schema is gone")
    os.kill(f.workers()[0], signal.SIGKILL)
    wait_for("three more deaths", lambda: len(f.deaths()) >= 4)
    assert f.process.poll() is None
    f.plan("worker")
    wait_for("a worker", lambda: f.status() == "1 worker, 0 jobs running")


def test_says_which_program_is_missing(fleet):
    f = fleet(workers=1, supervisor_restart_backoff_max="50ms")
    os.unlink(f"{f.dir}/bin/heimdex-scheduler")
    f.start(ready=False)
    wait_for("complaints", lambda: len(f.logged("heimdex-scheduler could not be started: No such file or directory")) >= 3)
    os.symlink(FAKE, f"{f.dir}/bin/heimdex-scheduler")
    f.wait_notified("READY=1")


# ---- deaths --------------------------------------------------------------------------------------------------


def test_restarts_a_killed_worker_and_has_its_death_settled(fleet):
    f = fleet(workers=1).plan("worker", worker_id=12, handler=True, daemon=True, stderr="last words\n", running=3).start()
    started = wait_for("handler", lambda: f.fakes("handler"))[0]
    daemon = wait_for("daemon", lambda: f.fakes("daemon"))[0]["daemon"]
    f.plan("worker")
    worker = f.workers()[0]
    os.kill(worker, signal.SIGSEGV)
    wait_for("the handler's end", lambda: not alive(started["handler"]))
    wait_for("the daemon's end", lambda: not alive(daemon))
    message = wait_for("the report", lambda: f.fakes("message", "heimdex-scheduler"))[0]
    said = message["message"]
    assert message["fds"] == 1
    assert (said["op"], said["worker"], said["slot"], said["pid"], said["code"]) == ("death", 12, 0, worker, "SIGSEGV")
    assert said["detail"]["signal"] == signal.SIGSEGV and "last words" in said["detail"]["stderr"]
    wait_for("the next worker", lambda: f.status() == "1 worker, 0 jobs running" and f.workers() not in ([], [worker]))
    death, = wait_for("its line", lambda: f.deaths())
    assert death["error_code"] == "SIGSEGV" and death["pid"] == worker and death["slot"] == 0
    assert "restarting at once" in death["message"] and "last words" in death["message"] and death["death"]["max_rss_kb"] > 0
    wait_for("its words", lambda: "last words\n" in f.lines)
    assert f.stop() == 0
    assert len(f.fakes("message", "heimdex-scheduler")) == 1


def test_a_crash_loop_is_said_once(fleet):
    f = fleet(workers=1, supervisor_restart_backoff_max="20ms").plan("worker", exit=70, stderr="no such file\n").start(ready=False)
    wait_for("many deaths", lambda: len(f.deaths()) >= 9)
    line, = [e for e in f.events() if e.get("event") == "child.crash_loop"]
    assert line["message"] == "worker 0 has ended 5 times in a row soon after its start: no such file; restarting it after growing pauses"
    assert line["level"] == "error" and f.stop() == 0


def test_a_death_waits_for_a_scheduler_that_answers(fleet):
    f = fleet(workers=1).plan("worker", worker_id=7).plan("scheduler", answer=False).start()
    os.kill(f.workers()[0], signal.SIGKILL)
    first = wait_for("the report", lambda: f.fakes("message", "heimdex-scheduler"))[0]["message"]
    f.plan("scheduler")
    os.kill(f.schedulers()[0], signal.SIGKILL)
    again = wait_for("the second report", lambda: f.fakes("message", "heimdex-scheduler")[1:])[0]["message"]
    assert again == first
    assert f.stop() == 0
    assert not f.logged("could not be settled")


@pytest.mark.slow
def test_pauses_grow_and_are_forgotten(fleet):
    f = fleet(workers=1, supervisor_restart_backoff_max="700ms").plan("worker", exit=1).start(ready=False)
    deaths = wait_for("seven deaths", lambda: len(d := f.deaths()) >= 7 and d)
    pauses = [d["restart_ms"] for d in deaths[:7]]
    assert pauses[0] == 0
    for pause, ceiling in zip(pauses[1:], [200, 400, 700, 700, 700, 700]):
        assert ceiling // 2 <= pause <= ceiling
    f.plan("worker")
    f.wait_notified("READY=1")
    assert f.stop() == 0


@pytest.mark.slow
def test_a_frozen_worker_is_killed(fleet):
    f = fleet(workers=2, worker_lease="4s").start()
    victim = f.workers()[0]
    wait_for("two workers", lambda: f.status().startswith("2 workers"))
    os.kill(victim, signal.SIGSTOP)
    wait_for("its death", lambda: f.deaths())
    death, = f.deaths()
    assert death["pid"] == victim and death["death"]["stood_still"] is True
    wait_for("both again", lambda: f.status().startswith("2 workers"))


def say_running(pid, n):
    """In the child's evidence, in its place."""
    fd = os.open(f"/proc/{pid}/fd/3", os.O_RDWR)
    os.pwrite(fd, n.to_bytes(4, sys.byteorder), 28)
    os.close(fd)


def test_the_manager_hears_what_somebody_else_has_asked_for(fleet):
    """Who asks for the status has it looked at anew, which is news to the manager, too."""
    f = fleet(workers=1).start()
    worker, = f.workers()
    for running in range(1, 6):
        say_running(worker, running)
        text = f"1 worker, {running} job{'s' if running > 1 else ''} running"
        wait_for("it to see them", lambda: f.ask({"op": "status"})["status"] == text)
        f.wait_notified(f"STATUS={text}")
    assert f.stop() == 0


@pytest.mark.release  # the sanitizers' own library wants to be the first one
def test_a_machine_that_stood_still_blames_nobody(fleet, tmp_path):
    """Supervisor and worker are stopped for an hour, and the supervisor is the first to go on: what it sees is a pulse that has stood
    still for long. What it says of running jobs tells when it has looked."""
    clock, f = Monotonic(tmp_path), fleet(workers=1, worker_lease="1h")
    f.environment.update(clock.env)
    f.start()
    worker, = f.workers()
    os.kill(worker, signal.SIGSTOP)
    say_running(worker, 7)
    wait_for("a look at the worker that is stopped", lambda: "7 jobs running" in f.status())
    os.kill(f.pid, signal.SIGSTOP)
    say_running(worker, 8)
    clock.advance(3600)
    os.kill(f.pid, signal.SIGCONT)
    wait_for("a look an hour later", lambda: "8 jobs running" in f.status() or f.deaths())
    assert f.workers() == [worker] and not f.deaths()
    os.kill(worker, signal.SIGCONT)
    assert f.stop() == 0
    assert [death["death"].get("exit") for death in f.deaths()] == [0]


# ---- the end -------------------------------------------------------------------------------------------------


def test_waits_for_a_worker_that_drains(fleet):
    f = fleet(workers=2).plan("worker", term="slow", running=4).start()
    wait_for("both workers", lambda: f.status().startswith("2 workers"))
    scheduler = f.schedulers()[0]
    f.signal(signal.SIGTERM)
    wait_for("both to be asked", lambda: len(f.fakes("term", "heimdex-worker")) == 2)
    f.wait_notified("STATUS=stopping: 2 workers finish 8 jobs")
    assert alive(scheduler) and not f.fakes("term", "heimdex-scheduler")
    open(f"{f.dir}/go", "w").close()
    assert f.wait() == 0
    assert len(f.fakes("term", "heimdex-worker")) == 2 and len(f.fakes("term", "heimdex-scheduler")) == 1


def test_kills_a_stuck_worker_at_the_deadline_and_has_it_settled(fleet):
    f = fleet(workers=1, supervisor_drain_timeout="500ms", jobs_kill_grace="200ms").plan("worker", term="ignore", worker_id=5, handler=True).start()
    handler = wait_for("handler", lambda: f.fakes("handler"))[0]["handler"]
    at = time.monotonic()
    assert f.stop() == 0
    assert time.monotonic() - at >= 0.7
    assert not alive(handler)
    assert [m["message"]["worker"] for m in f.fakes("message", "heimdex-scheduler")] == [5]
    assert f.logged("did not end in time, killing it")


@pytest.mark.slow
def test_a_scheduler_that_never_answers_does_not_hold_the_stop(fleet):
    f = fleet(workers=1, supervisor_drain_timeout="100ms", jobs_kill_grace="0").plan("worker", term="ignore", worker_id=5)
    f.plan("scheduler", answer=False, term="ignore").start()
    assert f.stop() == 0
    assert f.logged("could not be settled in time")


def test_a_second_signal_does_not_wait_for_jobs(fleet):
    """Nor for their grace, nor for a worker that doesn't listen."""
    f = fleet(supervisor_drain_timeout="1h", jobs_kill_grace="1h").plan("worker", term="ignore", worker_id=5, handler=True, daemon=True).start()
    wait_for("daemons", lambda: len(f.fakes("daemon")) == 2)
    left = [h["handler"] for h in f.fakes("handler")] + [d["daemon"] for d in f.fakes("daemon")] + children_of(f.pid)
    f.signal(signal.SIGTERM)
    f.wait_notified("STOPPING=1")
    f.signal(signal.SIGINT)
    assert f.wait() == 0
    assert [m["message"] for m in f.fakes("message", "heimdex-worker")] == [{"op": "hurry"}] * 2
    assert not any(alive(pid) for pid in left)
    assert [m["message"]["worker"] for m in f.fakes("message", "heimdex-scheduler")] == [5, 5]  # their jobs are settled
    assert not f.logged("could not be settled")


def test_a_third_signal_kills_and_has_it_settled(fleet):
    f = fleet(supervisor_drain_timeout="1h", jobs_kill_grace="1h").plan("worker", term="ignore", worker_id=5, handler=True).start()
    wait_for("handlers", lambda: len(f.fakes("handler")) == 2)
    left = [h["handler"] for h in f.fakes("handler")] + children_of(f.pid)
    f.signal(signal.SIGTERM)
    f.wait_notified("STOPPING=1")
    f.signal(signal.SIGINT)
    wait_for("a hurry", lambda: len(f.fakes("message", "heimdex-worker")) == 2)
    f.signal(signal.SIGTERM)
    assert f.wait() == 0
    assert not any(alive(pid) for pid in left)
    assert [m["message"]["worker"] for m in f.fakes("message", "heimdex-scheduler")] == [5, 5]
    assert not f.logged("could not be settled")


def test_a_scheduler_that_waits_for_postgresql_settles_nothing(fleet):
    """So nobody waits for it, either."""
    f = fleet(workers=1).plan("worker", worker_id=5).plan("scheduler", waiting="PostgreSQL", answer=False).start(ready=False)
    wait_for("its word", lambda: f.assignments() and "waiting for PostgreSQL" in f.status())
    worker = wait_for("the worker", lambda: (c := f.ask({"op": "status"})["children"][0])["ready"] and c)
    os.kill(worker["pid"], signal.SIGKILL)
    wait_for("its death", lambda: f.deaths())
    assert f.stop() == 0
    assert not f.logged("could not be settled")


def test_stops_while_it_starts(fleet):
    f = fleet().plan("worker", waiting="PostgreSQL").start(ready=False)
    f.wait_notified("waiting for PostgreSQL")
    assert f.stop() == 0
    assert "READY=1" not in f.assignments()


def test_nothing_survives_a_killed_supervisor(fleet):
    f = fleet().plan("worker", handler=True).start()
    wait_for("handlers", lambda: len(f.fakes("handler")) == 2)
    handlers = [h["handler"] for h in f.fakes("handler")]
    frozen = f.workers()[0]
    guard = f.guard()
    left = handlers + children_of(f.pid)
    os.kill(guard, signal.SIGTERM)  # it takes no notice
    os.kill(frozen, signal.SIGSTOP)
    f.signal(signal.SIGKILL)
    f.process.wait()
    wait_for("everything to end", lambda: not any(alive(pid) for pid in left), 5)
    assert guard in left


def test_nothing_survives_a_supervisor_killed_while_it_stops(fleet):
    f = fleet(workers=1).plan("worker", term="slow", handler=True).start()
    handler = wait_for("handler", lambda: f.fakes("handler"))[0]["handler"]
    left = [handler] + children_of(f.pid)
    f.signal(signal.SIGTERM)
    wait_for("the worker to be asked", lambda: f.fakes("term", "heimdex-worker"))
    f.signal(signal.SIGKILL)
    f.process.wait()
    wait_for("everything to end", lambda: not any(alive(pid) for pid in left), 5)


def test_a_dead_guard_is_replaced(fleet):
    f = fleet(workers=1).plan("worker", handler=True).start()
    handler = wait_for("handler", lambda: f.fakes("handler"))[0]["handler"]
    guard = f.guard()
    os.kill(guard, signal.SIGKILL)
    wait_for("another guard", lambda: (g := f.guard()) != guard and g)
    f.signal(signal.SIGKILL)
    f.process.wait()
    wait_for("the handler's end", lambda: not alive(handler), 5)


def test_hup_is_no_end(fleet):
    f = fleet(workers=1).start()
    f.signal(signal.SIGHUP)
    wait_for("a word", lambda: f.logged("nothing has changed"))
    assert f.stop() == 0


# ---- output --------------------------------------------------------------------------------------------------


def test_forwards_what_children_print(fleet):
    f = fleet(workers=1).plan("worker", stderr="one\ntwo without its end").start()
    wait_for("the first line", lambda: "one\n" in f.lines)
    assert f.stop() == 0
    assert "two without its end\n" in f.lines


def test_a_text_log_begins_with_the_configuration(fleet):
    f = fleet(workers=1, log_format="text", jobs_timeout="7m", postgres_password="hunter22").start()
    line = wait_for("its start", lambda: [text for text in f.lines if "starting version" in text])[0]
    assert " supervisor.workers=1 " in line and " jobs.timeout=7m " in line and f" supervisor.control_socket={f.socket} " in line
    assert " postgres.password=*** " in line and "hunter22" not in "".join(f.lines)
    assert "jobs.max_crashes" not in line and line.rstrip().endswith("log.format=text")
    assert f.stop() == 0


def test_heartbeats(fleet):
    f = fleet(log_heartbeat="50ms").plan("worker", running=3).start()
    beat = wait_for("a heartbeat of a full fleet", lambda: [e for e in f.events() if e.get("event") == "heartbeat" and e["workers_ready"] == 2 and e["schedulers_ready"]])[0]
    assert beat["workers"] == 2 and beat["running"] == 6 and beat["schedulers_ready"] == 1
