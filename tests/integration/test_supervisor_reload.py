"""heimdex-supervisor and SIGHUP, with children of our own making (tests/fakes/fleet_child)."""
import json
import os
import signal

import pytest

from support.process import alive
from support.supervisor import fleet, wait_for  # noqa: F401

pytestmark = [pytest.mark.quick, pytest.mark.asan]

TWO = "supervisor = { workers = 2; };\n"
EX_CONFIG, EX_TEMPFAIL = 78, 75


def slots(f, *states):
    return [(c["role"], c["slot"]) for c in f.ask({"op": "status"})["children"] if c["state"] in states]


def values(start):
    return {key: value.get("text") for key, value in start["config"]["values"].items()}


def full(f, workers=2):
    plural = "s" if workers != 1 else ""
    wait_for("all workers", lambda: f.status().startswith(f"{workers} worker{plural}, "))
    return f


def test_a_new_configuration_replaces_the_children_one_by_one(fleet):
    f = full(fleet(file=TWO).start())
    old = f.workers() + f.schedulers()
    f.configure(TWO + 'worker = { slots = 3; };\nhandlers = ( { type = "t"; exec = ["/bin/true"]; } );\n')
    assert f.reload() == {"ok": True, "reload": 1, "done": True, "code": 0, "message": "worker.slots, handler t"}
    starts = f.fakes("start")
    assert {(s["name"], s["slot"]) for s in starts[3:5]} == {("heimdex-worker", 0), ("heimdex-scheduler", 0)}
    assert [(s["name"], s["slot"]) for s in starts[5:]] == [("heimdex-worker", 1)]
    assert [values(s)["worker.slots"] for s in starts] == ["16"] * 3 + ["3"] * 3
    deaths = wait_for("the end of the old ones", lambda: len(d := [e for e in f.events() if e.get("event") == "child.died"]) == 3 and d)
    assert sorted(d["pid"] for d in deaths) == sorted(old) and all(d["death"]["exit"] == 0 for d in deaths)
    assert [m["message"] for m in f.fakes("message", "heimdex-worker")] == [{"op": "retire"}] * 2  # what they ended for
    wait_for("the new ones", lambda: f.status() == "2 workers, 0 jobs running")
    assert len(f.workers()) == 2 and len(f.schedulers()) == 1
    os.kill(f.workers()[0], signal.SIGKILL)
    another = wait_for("one more", lambda: f.fakes("start")[6:])[0]
    assert values(another)["worker.slots"] == "3"
    assert f.stop() == 0


def test_the_manager_is_told_in_order(fleet):
    f = full(fleet(file=TWO).start())
    f.configure(TWO + "worker = { slots = 3; };\n").signal(signal.SIGHUP)
    wait_for("its end", lambda: f.assignments().count("READY=1") == 2)
    f.configure("worker = { slots = 0; };\n").signal(signal.SIGHUP)
    wait_for("its end", lambda: f.assignments().count("READY=1") == 3)
    spoken = [a for a in f.assignments() if a.startswith(("READY", "RELOADING", "MONOTONIC"))]
    assert [a.split("=")[0] for a in spoken] == ["READY"] + ["RELOADING", "MONOTONIC_USEC", "READY"] * 2
    assert int(spoken[2].split("=")[1]) > 0
    began = [m for m in f.notified if "RELOADING=1" in m]
    assert all(len(m) == 2 and m[1].startswith("MONOTONIC_USEC=") for m in began)  # one datagram
    in_force = [m for m in f.notified if "READY=1" in m]
    assert "reload refused" not in in_force[1][1]
    assert f"reload refused: {f.dir}/heimdex.conf:1: Invalid worker.slots: 0 (must be 1-1024)" in in_force[2][1]
    assert f.stop() == 0


@pytest.mark.parametrize("text,why", [
    ("worker = { slots = 3 };\nworker = {", ":2: "),
    ("worker = {\n slotz = 3; };", ":2: worker.slotz: unknown key, did you mean worker.slots?"),
    ("worker = { slots = 1025; };", ":1: Invalid worker.slots: 1025 (must be 1-1024)"),
    ('handlers = ( { type = "t"; } );', ":1: handler"),
    (None, ": No such file or directory"),
])
def test_a_bad_file_changes_nothing(fleet, text, why):
    f = full(fleet(file=TWO).start())
    children = f.workers() + f.schedulers()
    f.configure(text or "")
    if text is None:
        os.unlink(f"{f.dir}/heimdex.conf")
    outcome = f.reload()
    assert outcome["code"] == EX_CONFIG and outcome["message"].startswith(f"{f.dir}/heimdex.conf{why}"), outcome
    line, = wait_for("a line", lambda: f.logged("reload refused"))
    assert line["event"] == "reload.refused" and outcome["message"] in line["message"]
    assert f.workers() + f.schedulers() == children and len(f.fakes("start")) == 3
    f.wait_notified(f"STATUS=2 workers, 0 jobs running, reload refused: {outcome['message']}")
    f.configure(TWO)
    assert f.reload()["message"] == "nothing has changed"
    wait_for("another status", lambda: f.status() == "2 workers, 0 jobs running")
    assert len(f.fakes("start")) == 3
    assert f.stop() == 0


def test_fixed_keys_stay_until_a_restart(fleet):
    f = full(fleet(file=TWO).start())
    f.configure(TWO + 'service = { instance = "other"; };\nkafka = { brokers = "elsewhere:9092"; };\njobs = { timeout = "7m"; };\n')
    assert f.reload()["message"] == "jobs.timeout; as before until a restart: service.instance, kafka.brokers"
    new = values(f.fakes("start")[-1])
    assert (new["service.instance"], new["kafka.brokers"], new["jobs.timeout"]) == ("main", "127.0.0.1:9092", "7m")
    f.configure(TWO + 'kafka = { brokers = "elsewhere:9092"; };\njobs = { timeout = "7m"; };\n')
    assert f.reload()["message"] == "nothing has changed; as before until a restart: kafka.brokers"
    assert f.stop() == 0


def test_what_nobody_but_the_supervisor_reads_replaces_nobody(fleet):
    f = full(fleet(file=TWO).start())
    two, scheduler = f.workers(), f.schedulers()
    f.configure('supervisor = { workers = 4; restart_backoff_max = "1s"; };\n')
    assert f.reload()["message"] == "supervisor.workers, supervisor.restart_backoff_max"
    full(f, 4)
    assert set(two) < set(f.workers()) and f.schedulers() == scheduler
    slot_of = {c["pid"]: c["slot"] for c in f.ask({"op": "status"})["children"] if c["role"] == "worker"}
    f.configure('supervisor = { workers = 1; restart_backoff_max = "1s"; };\n')
    assert f.reload()["code"] == 0
    wait_for("one worker", lambda: len(f.workers()) == 1)
    assert slot_of[f.workers()[0]] == 0 and f.schedulers() == scheduler
    assert len(f.fakes("message", "heimdex-worker")) == 3 and not f.fakes("term")
    full(f, 1)
    f.configure("supervisor = { workers = 1; schedulers = 0; };\n")
    assert f.reload()["code"] == 0
    wait_for("no scheduler", lambda: not f.schedulers())
    f.configure("supervisor = { workers = 1; schedulers = 2; };\n")
    assert f.reload()["code"] == 0
    wait_for("two schedulers", lambda: len(f.schedulers()) == 2)
    assert f.stop() == 0


def test_old_workers_finish_what_they_run(fleet):
    f = full(fleet(file=TWO).plan("worker", term="slow", running=2, worker_id=7).start())
    old = f.workers()
    f.plan("worker").configure(TWO + "worker = { slots = 3; };\n")
    assert f.reload()["code"] == 0
    f.wait_notified("STATUS=2 workers, 4 jobs running, 2 old workers finish their jobs")
    wait_for("the scheduler's end", lambda: slots(f, "retiring") == [("worker", 0), ("worker", 1)])
    assert all(alive(pid) for pid in old)
    os.kill(old[0], signal.SIGKILL)  # its death is settled like any other, and nobody comes for it
    wait_for("the report", lambda: f.fakes("message", "heimdex-scheduler"))
    f.wait_notified("STATUS=2 workers, 2 jobs running, 1 old worker finishes its jobs")
    assert len(f.fakes("start")) == 6 and len(f.workers()) == 3
    open(f"{f.dir}/go", "w").close()
    wait_for("its end", lambda: not alive(old[1]))
    wait_for("a plain status", lambda: f.status() == "2 workers, 0 jobs running")
    assert f.stop() == 0


def test_a_stop_has_old_workers_drain_within_the_time_that_is_in_force(fleet):
    """It is long enough for the old one to say that it heard of it, before it is killed."""
    one = 'supervisor = {{ workers = 1; drain_timeout = "{}"; }};\njobs = {{ kill_grace = "100ms"; }};\n'.format
    f = full(fleet(file=one("1h")).plan("worker", term="slow", running=1).start(), 1)
    f.plan("worker").configure(one("3s"))
    assert f.reload()["code"] == 0
    f.signal(signal.SIGTERM)
    assert f.wait() == 0
    said = [m["message"] for m in f.fakes("message", "heimdex-worker")]
    assert said == [{"op": "retire"}, {"op": "drain", "within_ms": 3000}]


@pytest.mark.parametrize("role", ["worker", "scheduler"])
def test_children_that_cannot_work_with_it_have_it_refused(fleet, role):
    f = full(fleet(file=TWO).start())
    children = f.workers() + f.schedulers()
    f.plan(role, exit=EX_CONFIG, fatal="kafka.properties: no such property").configure(TWO + "worker = { slots = 3; };\n")
    outcome = f.reload()
    assert outcome["code"] == EX_CONFIG
    assert outcome["message"] == f"{role} 0 can't work with it: kafka.properties: no such property"
    wait_for("their end", lambda: f.workers() + f.schedulers() == children)
    f.plan(role)
    started = len(f.fakes("start"))
    os.kill(children[0], signal.SIGKILL)
    again = wait_for("the next", lambda: f.fakes("start")[started:])[0]
    assert values(again)["worker.slots"] == "16"
    assert f.stop() == 0


def test_a_child_that_dies_meanwhile_has_the_new_configuration(fleet):
    f = full(fleet(file=TWO).start())
    old = f.workers()
    f.plan("scheduler", ready=False).configure(TWO + "worker = { slots = 3; };\n").signal(signal.SIGHUP)
    wait_for("a trial", lambda: len(f.fakes("start")) == 5)
    f.plan("scheduler")
    os.kill(f.schedulers()[-1], signal.SIGKILL)  # the one that is tried: it is started again
    wait_for("the outcome", lambda: f.logged("reloaded: worker.slots"))
    wait_for("the end of the old ones", lambda: not any(alive(pid) for pid in old))
    assert {values(s)["worker.slots"] for s in f.fakes("start")[3:]} == {"3"}
    assert f.stop() == 0


def test_workers_are_told_of_a_shorter_lease_before_anybody_expects_it(fleet):
    f = full(fleet(file=TWO).start())
    first = f.workers()
    f.configure(TWO + 'worker = { lease = "10s"; };\n')
    assert f.reload()["code"] == 0
    second = [pid for pid in f.workers() if pid not in first]
    f.configure(TWO + 'worker = { lease = "20s"; };\n')
    assert f.reload()["code"] == 0

    def said(*pids):
        return [m["message"] for m in f.fakes("message", "heimdex-worker") if m["pid"] in pids]
    wait_for("all four have heard it", lambda: said(*first, *second).count({"op": "retire"}) == 4)
    # Each for itself: who is slow hears both when another has ended.
    assert all(said(pid) == [{"op": "lease", "ms": 10000}, {"op": "retire"}] for pid in first)
    assert all(said(pid) == [{"op": "retire"}] for pid in second) and len(f.fakes("message", "heimdex-worker")) == 6
    assert f.stop() == 0


def test_another_order_meanwhile_counts(fleet):
    f = full(fleet(file=TWO).start())
    f.plan("scheduler", ready=False).configure(TWO + "worker = { slots = 3; };\n").signal(signal.SIGHUP)
    wait_for("a trial", lambda: len(f.fakes("start")) == 5)
    assert "reloading" in f.ask({"op": "status"})["status"]
    f.configure(TWO + "worker = { slots = 4; };\n")
    second = f.ask({"op": "reload"})
    assert second == {"ok": True, "reload": 2, "done": False}
    assert f.ask({"op": "reload"}) == second  # one more is the same one
    f.plan("scheduler")
    os.kill(f.schedulers()[-1], signal.SIGKILL)
    outcome = wait_for("both", lambda: (now := f.ask({"op": "reloaded", "reload": 2}))["done"] and now)
    assert (outcome["code"], outcome["message"]) == (0, "worker.slots")
    workers = [values(s)["worker.slots"] for s in f.fakes("start") if s["name"] == "heimdex-worker"]
    assert workers == ["16", "16", "3", "3", "4", "4"]
    assert f.stop() == 0


def test_a_stop_while_reloading(fleet):
    f = full(fleet(file=TWO).start())
    f.plan("scheduler", ready=False).configure(TWO + "worker = { slots = 3; };\n").signal(signal.SIGHUP)
    wait_for("a trial", lambda: len(f.fakes("start")) == 5)
    f.plan("worker", term="slow")
    f.signal(signal.SIGTERM)
    f.wait_notified("STOPPING=1")
    assert f.wait() == 0
    spoken = [a for a in f.assignments() if a in ("READY=1", "RELOADING=1", "STOPPING=1")]
    assert spoken == ["READY=1", "RELOADING=1", "STOPPING=1"]
    assert not [e for e in f.events() if e["level"] in ("error", "err", 3)]


def test_a_stop_takes_a_reload_back(fleet):
    """What would have made it succeed comes too late: nobody is started any more."""
    f = full(fleet(file=TWO).plan("worker", term="slow").start())
    f.plan("scheduler", ready=False).configure(TWO + "worker = { slots = 3; };\n").signal(signal.SIGHUP)
    wait_for("a trial", lambda: len(f.fakes("start")) == 5)
    f.signal(signal.SIGTERM)
    f.wait_notified("STOPPING=1")
    outcome = f.ask({"op": "reloaded", "reload": 1})
    assert outcome["done"] and (outcome["code"], outcome["message"]) == (EX_TEMPFAIL, "the fleet is stopping")
    f.plan("scheduler")
    os.kill(f.schedulers()[-1], signal.SIGKILL)
    wait_for("its death", lambda: f.deaths("scheduler"))
    open(f"{f.dir}/go", "w").close()
    assert f.wait() == 0
    assert len(f.fakes("start", "heimdex-worker")) == 3


def test_a_reload_while_stopping(fleet):
    f = full(fleet(file=TWO).plan("worker", term="slow").start())
    f.signal(signal.SIGTERM)
    f.wait_notified("STOPPING=1")
    f.configure(TWO + "worker = { slots = 3; };\n").signal(signal.SIGHUP)
    wait_for("a word", lambda: f.logged("not reloaded: the fleet is stopping"))
    outcome = f.reload()
    assert (outcome["code"], outcome["message"]) == (EX_TEMPFAIL, "the fleet is stopping")
    open(f"{f.dir}/go", "w").close()
    assert f.wait() == 0
    assert "RELOADING=1" not in f.assignments()


def test_nothing_survives_a_supervisor_killed_meanwhile(fleet):
    f = full(fleet(file=TWO).plan("worker", term="slow", handler=True).start())
    f.plan("scheduler", ready=False).configure(TWO + "worker = { slots = 3; };\n")
    f.signal(signal.SIGHUP)
    wait_for("a trial", lambda: len(f.fakes("handler")) == 3)
    f.plan("scheduler")
    os.kill(f.schedulers()[-1], signal.SIGKILL)
    wait_for("the outcome", lambda: f.logged("reloaded: worker.slots"))
    wait_for("the last handler", lambda: len(f.fakes("handler")) == 4)
    left = [h["handler"] for h in f.fakes("handler")] + f.workers() + f.schedulers() + [f.guard()]
    assert len(f.workers()) == 4
    f.signal(signal.SIGKILL)
    f.process.wait()
    wait_for("everything to end", lambda: not any(alive(pid) for pid in left))


def test_before_it_was_ever_ready(fleet):
    """What keeps the fleet from working may be what the new file mends; nothing is told to the manager that isn't so."""
    f = fleet(file=TWO).plan("worker", ready=False).start(ready=False)
    f.wait_notified("STATUS=starting")
    wait_for("a scheduler", lambda: ("scheduler", 0) in slots(f, "ready"))
    wait_for("both workers, which know their plan", lambda: len(f.fakes("start", "heimdex-worker")) == 2)
    f.plan("worker").configure(TWO + "worker = { slots = 3; };\n")
    assert f.reload()["code"] == 0
    f.wait_notified("READY=1")
    assert "RELOADING=1" not in f.assignments() and f.assignments().count("READY=1") == 1
    assert f.stop() == 0


def test_the_supervisor_goes_by_it_itself(fleet):
    f = full(fleet(file=TWO).start())
    f.configure(TWO + 'log = { heartbeat = "50ms"; };\n')
    assert f.reload()["code"] == 0
    wait_for("heartbeats", lambda: len([e for e in f.events() if e.get("event") == "heartbeat"]) > 2)
    f.configure(TWO + 'log = { format = "text"; heartbeat = "0"; };\n')
    assert f.reload()["code"] == 0
    wait_for("text", lambda: [line for line in f.lines if "reloaded: log.format" in line and not line.startswith("{")])
    guard = f.guard()
    os.kill(guard, signal.SIGKILL)  # another one is started with what there is now
    wait_for("another guard", lambda: f.guard() != guard)
    assert f.stop() == 0


def test_the_content_of_files_counts(fleet):
    f = fleet(file="supervisor = { workers = 1; };").start()
    with open(f"{f.dir}/ca.pem", "w") as ca:
        ca.write("1")
    text = f'supervisor = {{ workers = 1; }};\nkafka = {{ properties = [ "ssl.ca.location={f.dir}/ca.pem" ]; }};\n'
    f.configure(text)
    assert f.reload()["code"] == 0
    assert f.reload()["message"] == "nothing has changed"
    with open(f"{f.dir}/ca.pem", "w") as ca:
        ca.write("22")
    assert f.reload()["message"] == f"content of {f.dir}/ca.pem"
    assert f.stop() == 0


# ---- heimdexctl reload ---------------------------------------------------------------------------------------


@pytest.fixture
def reload(binaries):
    def run(f, *args, code=0, **env):
        done = binaries.ctl("reload", *args, env={"HEIMDEX_SUPERVISOR_CONTROL_SOCKET": f.socket, **env}, check=False)
        assert done.returncode == code, done
        return done
    return run


def test_ctl_waits_for_the_outcome(fleet, reload):
    f = full(fleet(file=TWO).start())
    assert reload(f).stdout == "reloaded: nothing has changed\n"
    f.configure(TWO + "worker = { slots = 3; };\n")
    assert json.loads(reload(f, "--json").stdout) == {"reloaded": "worker.slots"}
    assert [values(s)["worker.slots"] for s in f.fakes("start")[3:]] == ["3"] * 3
    f.configure("worker = {\n slotz = 3; };")
    done = reload(f, code=EX_CONFIG)
    assert done.stderr == f"heimdexctl: reload: {f.dir}/heimdex.conf:2: worker.slotz: unknown key, did you mean worker.slots?\n" and done.stdout == ""
    # with the same file, it sees that itself
    assert f"{f.dir}/heimdex.conf:2: worker.slotz" in reload(f, code=EX_CONFIG, HEIMDEX_CONFIG=f"{f.dir}/heimdex.conf").stderr
    f.configure(TWO).plan("worker", exit=EX_CONFIG, fatal="no such property")
    assert "worker 0 can't work with it: no such property" in reload(f, code=EX_CONFIG).stderr
    f.plan("worker")
    assert f.stop() == 0


def test_ctl_without_a_supervisor(fleet, reload):
    f = fleet(file=TWO).plan("worker", term="slow")
    assert reload(f, code=69).stderr == f"heimdexctl: reload: {f.socket}: no supervisor runs here\n"
    full(f.start())
    f.signal(signal.SIGTERM)
    f.wait_notified("STOPPING=1")
    assert reload(f, code=EX_TEMPFAIL).stderr == "heimdexctl: reload: the fleet is stopping\n"
    open(f"{f.dir}/go", "w").close()
    assert f.wait() == 0
