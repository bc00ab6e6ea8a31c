"""A fleet that takes another configuration while jobs run: none is lost, none fails, none runs twice. Each test ends with the checker."""
import json
import os
import signal

import pytest

from support.gate import gate  # noqa: F401
from support.handlers import pids_in, sh
from support.load import Load
from support.process import alive
from support.wait import until

EX_CONFIG = 78
PATIENT = 'echo $$ >>{pids}; {gate.sh}'


def in_place(fleet, *more):
    """Slots of workers that can work, and of those in the given states."""
    return sorted(c["slot"] for c in fleet.children("worker") if c["state"] in ("ready", *more))


@pytest.fixture
def load(binaries, env):
    """Batches of every kind of job, each with one attempt: what a reload cut short or lost would be seen."""
    lines = [json.dumps({"type": type, "payload": {"duration_ms": 20} if type == "mock_process" else {}, "max_attempts": 1})
             for type in ("mock_process", "quick")]
    turn = iter(range(10**9))
    return Load(binaries, env, lambda: lines[next(turn) % 2], rate=100)


def loaded(jobs, load):
    """Some were done since, so it works as it is now."""
    seen = len(load.acks)
    until(lambda: len(load.acks) > seen, what="more jobs")
    jobs.wait(load.acks[seen:seen + 5])


def all_succeeded(fleets, jobs, migrated, load, *more, codes=(0,)):
    """In one run each, and no worker ended with another exit code."""
    assert not load.failures
    ids = [*load.acks, *more]
    jobs.wait(ids, seconds=60)
    assert migrated.sql("select status, attempt, crash_count, count(*)::int from job where id = any(%s::uuid[]) group by 1, 2, 3",
                        ids) == [("succeeded", 1, 0, len(ids))]
    deaths = [death for one in fleets for death in one.events("child.died") if death["role"] == "worker"]
    assert not [death for death in deaths if death["death"].get("exit") not in codes]


def test_good_files_under_load(fleet, jobs, load, migrated, kafka, prefix, gate, tmp_path):
    """A handler more, a shorter timeout, workers from 2 to 4 to 1; a job that began before all of it ends where it began."""
    pids = tmp_path / "pids"
    handlers = [sh("quick", "exit 0"), sh("patient", PATIENT.format(pids=pids, gate=gate)), sh("slow", "exec sleep 1000", timeout="1h")]
    one = fleet(workers=2, handlers=handlers)
    with load:
        loaded(jobs, load)
        patient, fresh = jobs.submit("patient", max_attempts=1), jobs.submit("fresh", max_attempts=1)
        until(lambda: len(pids_in(pids)) == 1, what="it runs")
        jobs.wait(patient, "running")
        old = one.worker_pids()
        handlers = [*handlers[:2], sh("slow", "exec sleep 1000", timeout="300ms", max_attempts=1), sh("fresh", "echo '{\"result\":{\"new\":true}}'")]
        assert one.change(handlers).reload() == "reloaded: handler slow, handler fresh\n"
        jobs.wait(fresh, "succeeded")
        assert jobs.result(fresh) == {"new": True}
        slow = jobs.submit("slow")
        jobs.wait(slow, "dead_letter")
        assert jobs.row(slow)["last_error_code"] == "timeout"
        until(lambda: in_place(one, "retiring") in ([0, 0, 1], [0, 1, 1]), what="one of the old ones has ended")
        left, = [pid for pid in old if alive(pid)]
        kafka.wait_for_group(prefix, 2)  # it isn't one of them
        loaded(jobs, load)
        for workers in (4, 1):
            assert one.change(supervisor={"workers": workers}).reload() == "reloaded: supervisor.workers\n"
            until(lambda: in_place(one) == list(range(workers)), what=f"{workers} workers")
            kafka.wait_for_group(prefix, workers)
            loaded(jobs, load)
        assert alive(left) and jobs.status(patient) == "running"
        gate.open()
        jobs.wait(patient, "succeeded")
        until(lambda: not alive(left), what="the last old worker has ended")
    all_succeeded([one], jobs, migrated, load, patient, fresh)
    assert one.stop() == 0
    assert migrated.sql("select from worker where not dead") == []
    fleet.check.update(acks=[*load.acks, patient, fresh, slow], finished=True)


def test_bad_files_under_load(fleet, jobs, load, migrated):
    one = fleet(workers=2, handlers=[sh("quick", "exit 0")])
    good = one.config.read_text()
    bad = {
        "syntax": (good + "worker : {", "heimdex.conf:"),
        "unknown": (good + "worker : { slotz = 3; };\n", "worker.slotz: unknown key, did you mean worker.slots?"),
        "range": (good + "worker : { slots = 0; };\n", "Invalid worker.slots: 0 (must be 1-1024)"),
        "gone": (None, "heimdex.conf: No such file or directory"),
        "handlers": (good.replace("exec = ", "exek = "), "exek"),
        "refused by librdkafka": (good + 'kafka : { properties = [ "no.such.property=1" ]; };\n', "no.such.property"),
    }
    with load:
        loaded(jobs, load)
        children = {c["pid"] for c in one.children()}
        for kind, (text, why) in bad.items():
            one.config.unlink(missing_ok=True)
            if text is not None:
                one.config.write_text(text)
            said = one.reload(EX_CONFIG)
            assert why in said and said.count("\n") == 1, (kind, said)
            assert why in one.status()["status"] and "reload refused" in one.status()["status"]
            until(lambda: {c["pid"] for c in one.children()} == children, what=f"nothing is changed ({kind})")
            loaded(jobs, load)
        assert len([e for e in one.events("reload.refused") if "refused" in e["message"]]) == len(bad)
        one.config.write_text(good)
        assert one.change(service={"instance": "another"}).reload() == "reloaded: nothing has changed; as before until a restart: service.instance\n"
        one.process.send_signal(signal.SIGHUP)
        until(lambda: len([e for e in one.events("reload") if "nothing has changed" in e["message"]]) == 2, what="the signal was heard")
        assert {c["pid"] for c in one.children()} == children
        loaded(jobs, load)
    all_succeeded([one], jobs, migrated, load, codes=(0, EX_CONFIG))  # one was tried with librdkafka's property
    fleet.check.update(acks=load.acks, finished=True)


def test_reloads_one_after_the_other_under_load(fleet, jobs, load, migrated):
    """By two fleets, as fast as they go, with signals between that nobody waits for."""
    both = [fleet(workers=2, handlers=[sh("quick", "exit 0")]), fleet(workers=2, handlers=[sh("quick", "exit 0")])]
    with load:
        loaded(jobs, load)
        for slots in range(3, 9):
            for one in both:
                one.change(worker={"slots": slots}).process.send_signal(signal.SIGHUP)
            for one in both:
                assert one.change(worker={"slots": 2 * slots}, supervisor={"workers": 1 + slots % 3}).reload().startswith("reloaded: ")
        for one in both:
            until(lambda: in_place(one, "retiring") == [0, 1, 2], what="what is wanted, and nobody else")
        loaded(jobs, load)
    all_succeeded(both, jobs, migrated, load)
    for one in both:
        assert one.stop() == 0
    assert migrated.sql("select from worker where not dead") == []
    fleet.check.update(acks=load.acks, finished=True)


def test_a_stop_ends_what_old_workers_still_run(fleet, jobs, migrated, gate, tmp_path):
    """Within the drain_timeout that is in force by then; the jobs are queued again, no attempt lost."""
    pids = tmp_path / "pids"
    one = fleet(workers=1, handlers=[sh("patient", PATIENT.format(pids=pids, gate=gate))], supervisor={"drain_timeout": "1h"})
    id = jobs.submit("patient", max_attempts=1)
    until(lambda: len(pids_in(pids)) == 1, what="it runs")
    jobs.wait(id, "running")
    assert one.change(supervisor={"drain_timeout": "200ms"}).reload() == "reloaded: supervisor.drain_timeout\n"
    assert one.stop() == 0
    assert "killing it" not in one.log() and not alive(pids_in(pids)[0])
    row = jobs.row(id)
    assert (row["status"], row["crash_count"], row["max_attempts"]) == ("queued", 0, 2)
    assert jobs.events(id)[-1][2]["reason"] == "drain"
    gate.open()
    one.start()
    jobs.wait(id, "succeeded")


def test_a_shorter_lease_does_not_kill_who_knew_a_longer_one(fleet, jobs, migrated, gate, tmp_path):
    """The new scheduler expects more signs of life than the old worker had promised."""
    pids = tmp_path / "pids"
    one = fleet(workers=1, handlers=[sh("patient", PATIENT.format(pids=pids, gate=gate))], worker={"lease": "1m"})
    id = jobs.submit("patient", max_attempts=1)
    until(lambda: len(pids_in(pids)) == 1, what="it runs")
    jobs.wait(id, "running")
    assert one.change(worker={"lease": "2s"}).reload() == "reloaded: worker.lease\n"
    old, new = migrated.sql("select id from worker order by id")
    beats = "select lease from worker where id = %s"
    then = migrated.one(beats, old)
    until(lambda: migrated.one(beats, new) > 9 and migrated.one(beats, old) > then + 9, what="three leases of both")
    assert migrated.sql("select dead from worker") == [(False,), (False,)]
    gate.open()
    jobs.wait(id, "succeeded")
    assert jobs.row(id)["attempt"] == 1


def test_an_old_worker_is_killed(fleet, jobs, gate, tmp_path):
    """Its job goes to the new one, with the evidence, and its death is told once."""
    pids = tmp_path / "pids"
    one = fleet(workers=1, handlers=[sh("patient", PATIENT.format(pids=pids, gate=gate), backoff_base="50ms", backoff_max="50ms")])
    id = jobs.submit("patient")
    until(lambda: len(pids_in(pids)) == 1, what="it runs")
    jobs.wait(id, "running")
    old, = one.worker_pids()
    one.change(worker={"slots": 3}).reload()
    os.kill(old, signal.SIGKILL)
    gate.open()
    jobs.wait(id, "succeeded")
    row = jobs.row(id)
    assert (row["attempt"], row["crash_count"]) == (2, 1) and not alive(pids_in(pids)[0])
    until(lambda: in_place(one, "retiring", "starting", "paused") == [0], what="one worker")
    assert one.stop() == 0


def test_a_password_that_is_wrong_and_one_that_was_changed(fleet, jobs, postgres, migrated, env):
    """The old workers go on with their sessions until new ones have shown that they can come in."""
    user = "reload_" + migrated.name[-8:]
    postgres.admin(f"create role \"{user}\" login password 'first' superuser")
    try:
        one = fleet(workers=1, postgres={"password": "first"}, env={"PGUSER": user, "PGPASSWORD": ""})
        postgres.admin(f"alter role \"{user}\" password 'second'")
        assert one.change(postgres={"password": "second"}).reload() == "reloaded: postgres.password\n"
        id = jobs.submit("mock_process")
        jobs.wait(id, "succeeded")
        workers = one.worker_pids()
        said = one.change(postgres={"password": "third"}).reload(75)
        assert "isn't ready with it" in said and "password authentication failed" in said and "third" not in said
        until(lambda: one.worker_pids() == workers, what="those that were tried have ended")
        assert "first" not in one.log() and "third" not in one.log()
        id = jobs.submit("mock_process")
        jobs.wait(id, "succeeded")
        assert one.stop() == 0
    finally:
        postgres.admin(f'drop role "{user}"')
