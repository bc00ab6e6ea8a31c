"""Nothing is left behind by a hundred deaths; and a log that can't be written stops nobody."""
import os
import subprocess

import pytest

from support.binaries import clean_env
from support.handlers import QUICK_RETRIES
from support.process import alive, every, memory_kb, stat_of, status_of
from support.wait import until

CYCLES, WARM = 100, 20


def descriptors(pid):
    """How many it has; for who isn't root, and may not see them, how long its table of them has become, which never gets shorter."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        return status_of(pid, "FDSize")


def zombies(parent):
    return [pid for pid in every() if stat_of(pid)[:2] == ["Z", str(parent)]]


def test_a_hundred_deaths_leave_nothing_behind(fleet, jobs, migrated, logging_handler, handler_log):
    one = fleet(workers=2, handlers=[{"type": "logged", "exec": [logging_handler, handler_log]}], supervisor={"restart_backoff_max": "50ms"},
                jobs={"max_attempts": 100, "max_crashes": 100, **QUICK_RETRIES})
    acks, measured = [], []
    scheduler = one.children("scheduler")[0]["pid"]

    def sessions():
        return migrated.one("select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")

    def rows():
        return {table: migrated.one(f"select count(*) from {table}") for table in ("claim", "permit", "signal", "waiting", "outbox")}

    def at_rest():
        jobs.wait(acks, "succeeded", 0)
        assert all(count == 0 for count in rows().values()), rows()
        assert not zombies(one.pid) and len(one.worker_pids()) == 2 and one.status()["ready"]
        return True

    def measure():
        """At the end when it has come down to what it was: a look of ours may be a connection just now."""
        def held():
            return {"supervisor": descriptors(one.pid), "scheduler": descriptors(scheduler), "sessions": sessions()}
        found = until(lambda: (now := held()) and (not measured or all(now[key] <= measured[0][key] for key in now)) and now, 20,
                      "no more descriptors and sessions than before")
        measured.append({**found, "supervisor_kb": memory_kb(one.pid, "VmRSS"), "scheduler_kb": memory_kb(scheduler, "VmRSS")})

    for cycle in range(CYCLES):
        acks += jobs.batch([{"type": "mock_process"}] * 3 + [{"type": "logged", "payload": {"sleep_ms": 5}}] * 2)
        killed = one.kill_worker(cycle % 2)
        until(lambda: len(pids := one.worker_pids()) == 2 and killed not in pids, 20, "both run")
        if cycle in (WARM, CYCLES - 1):
            until(at_rest, 60, "all is done")
            measure()
    before, after = measured
    print(f"{CYCLES} workers killed; before and after: {before}, {after}")
    assert one.children("scheduler")[0]["pid"] == scheduler
    assert after["supervisor_kb"] - before["supervisor_kb"] < (CYCLES - WARM) * 4 and after["scheduler_kb"] - before["scheduler_kb"] < (CYCLES - WARM) * 16
    until(lambda: migrated.one("select count(*) from worker where not dead") == 2, what="the last one registers")
    fleet.check.update(acks=acks, finished=True, handler_log=handler_log)


@pytest.mark.parametrize("where", ["/dev/full", "a closed descriptor", "a pipe that nobody reads", "a pipe without a reader"])
def test_a_log_that_cannot_be_written_stops_nobody(fleet, jobs, tmp_path, where):
    one = fleet(workers=1, start=False, handlers=[{"type": "loud", "exec": ["/bin/sh", "-c", "i=0; while [ $i -lt 300 ]; do echo line $i >&2; i=$((i+1)); done"]}])
    reader, writer = os.pipe()
    full = os.open("/dev/full", os.O_WRONLY)
    if where == "a pipe without a reader":
        os.close(reader)
    target = {"/dev/full": full, "a closed descriptor": full}.get(where, writer)
    command = [jobs.binaries.path("heimdex-supervisor"), "--config", str(one.config)]
    if where == "a closed descriptor":
        command = ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    one.process = subprocess.Popen(command, env=clean_env(one.env), stdin=subprocess.DEVNULL, stdout=target, stderr=target, cwd=one.directory)
    one.wait_ready()
    ids = jobs.batch([{"type": "loud"}] * 20 + [{"type": "mock_process"}] * 20)
    jobs.wait(ids, "succeeded", 60)
    one.kill_worker()
    jobs.wait(jobs.batch([{"type": "loud"}] * 5), "succeeded", 60)
    assert one.stop() == 0
    assert not alive(one.process.pid)
    for fd in {full, writer} | ({reader} if where != "a pipe without a reader" else set()):
        os.close(fd)
    fleet.check.update(acks=ids)
