"""Handlers under systemd: control groups of their own, what they can't reach, and their jobs' story in the journal."""
import ctypes
import re

import pytest

from support.servers import ROOT
from support.wait import until

LANDLOCK_CREATE_RULESET = 444
HIDES = "pid=$( (setsid prlimit --locks=0:0 env -i /bin/sh -c 'echo $$; exec sleep 300 >/dev/null' &) ); echo $pid >/var/lib/heimdex/hidden"


def handler(type, script, **options):
    return {"type": type, "exec": ["/bin/sh", "-c", script], **options}


def in_group(machine, service, script):
    """What a line of shell says in the folder of the unit's control group."""
    return machine.run("sh", "-c", f'cd /sys/fs/cgroup/unified"$1" 2>/dev/null || cd /sys/fs/cgroup"$1" && {script}', "sh", service.show("ControlGroup")).stdout


def groups(machine, service):
    """Control groups in the unit's own."""
    return sorted(line[2:] for line in in_group(machine, service, "find . -mindepth 1 -type d").splitlines())


def test_runs_have_control_groups(service, machine, jobs):
    service.configure(handlers=[handler("waits", "sleep 300"), handler("hides", HIDES)], supervisor={"workers": 1}).start()
    assert [group for group in groups(machine, service) if not group.startswith("worker-")] == ["supervisor"]
    waits = service.submit("waits")
    jobs.wait(waits, "running")
    until(lambda: [group for group in groups(machine, service) if re.fullmatch(r"worker-\d+/run-\d+", group)], what="the group of the run")
    said = [e["MESSAGE"] for e in machine.journal("HEIMDEX_EVENT=cgroups")]
    assert not [line for line in said if "handlers have no cgroups of their own" in line], said
    jobs.wait(hides := service.submit("hides"), "succeeded")
    hidden = machine.read("/var/lib/heimdex/hidden").strip()
    until(lambda: machine.run("ps", "-o", "pid=", "-p", hidden, check=False).stdout == "", what="the end of what it hid")
    assert jobs.status(waits) == "running" and jobs.events(hides)[-1][2]["cpu_ms"] >= 0
    jobs.ctl("cancel", waits)
    jobs.wait(waits, "canceled")
    service.stop()


def test_cores_of_a_run(service, machine, jobs):
    """Limited, or said not to be."""
    service.configure(handlers=[handler("half", "sleep 300", cpu_max=0.5)], supervisor={"workers": 1}).start()
    warned = lambda: [line for line in service.messages() if "handler half: cpu_max: not limited here" in line]
    if "cpu" not in in_group(machine, service, "cat cgroup.controllers").split():
        until(lambda: len(warned()) == 1, what="it is said once")
        pytest.skip("control groups (v2) have no cpu controller here: that it isn't limited was said")
    assert not warned()
    id = service.submit("half")
    jobs.wait(id, "running")
    group = until(lambda: [group for group in groups(machine, service) if "/run-" in group], what="the group of the run")[0]
    assert in_group(machine, service, f"cat {group}/cpu.max") == "50000 100000\n"
    jobs.ctl("cancel", id)
    jobs.wait(id, "canceled")


def test_a_handler_that_takes_too_much_memory_is_a_job_that_failed(service, machine, jobs):
    """The kernel kills one of the unit's processes: OOMPolicy=continue."""
    service.configure(handlers=[handler("greedy", "exec tail /dev/zero", memory_max="64M", max_attempts=1)]).start()
    assert service.show("OOMPolicy") == "continue"
    if "memory" not in in_group(machine, service, "cat cgroup.controllers").split():
        pytest.skip("control groups (v2) have no memory controller here")
    main, id = service.pid, service.submit("greedy")
    jobs.wait(id, "dead_letter")
    assert jobs.row(id)["last_error_code"] == "memory_max"
    assert "oom_kill 0\n" not in in_group(machine, service, "cat memory.events")
    machine.systemctl("daemon-reload")  # systemd has seen what happened before
    jobs.wait(service.submit("mock_process"), "succeeded")
    assert (service.active, service.pid, service.restarts) == ("active", main, 0)


def kernel_hides():
    """The machine's kernel is ours, and has a Landlock that hides credentials."""
    return ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, 0, 1) >= 2


def test_credentials_are_not_theirs(service, machine, jobs):
    script = 'cat /run/credentials/*/pgpassword >/dev/null 2>&1; echo "{\\"result\\":{\\"exit\\":$?,\\"variable\\":\\"$CREDENTIALS_DIRECTORY\\"}}"'
    service.configure(handlers=[handler("curious", script), handler("plain", "cat /etc/passwd >/dev/null && ls /run >/dev/null && mv $(mktemp) /var/lib/heimdex/moved")]).start()
    curious, plain = service.submit("curious"), service.submit("plain")
    jobs.wait([curious, plain])
    assert (jobs.status(curious), jobs.status(plain)) == ("succeeded", "succeeded"), jobs.row(plain)
    hidden = kernel_hides()
    until(lambda: bool(machine.journal("HEIMDEX_EVENT=credentials.readable")) == (not hidden), what="the journal says so where they can be read")
    assert jobs.result(curious) == {"exit": 1 if hidden else 0, "variable": ""}
    if not hidden:
        pytest.skip("no Landlock here: that credentials can be read was said")


def test_kill_in_a_handler(service, machine, jobs):
    """By the time anybody looks, kill(1) has ended: it is of the fleet's user, so it is no operator. systemd is one all the same."""
    script = """for pid in $PPID $(cat /var/lib/heimdex/main); do for signal in TERM INT HUP; do /bin/kill -$signal $pid; done; done
        echo '{"result":1}'"""
    service.configure(handlers=[handler("rude", script, max_attempts=1)]).start()
    main, workers = service.pid, service.worker_pids()
    machine.write("/var/lib/heimdex/main", f"{main}\n")
    jobs.wait(id := service.submit("rude"))
    assert (jobs.status(id), jobs.result(id)) == ("succeeded", 1), jobs.row(id)
    until(lambda: {entry["SYSLOG_IDENTIFIER"] for entry in machine.journal("HEIMDEX_EVENT=signal.ignored")} == {"heimdex-worker", "heimdex-supervisor"},
          what="both have said that they take no notice")
    jobs.wait(service.submit("mock_process"), "succeeded")
    assert (service.pid, service.worker_pids()) == (main, workers)
    service.stop()
    assert service.show("ActiveState", "Result") == ["inactive", "success"]


def test_a_sandbox_of_a_handlers_own(service, machine, jobs):
    """With the lines of the example for it; it can mount where the fleet has no credential."""
    example = (ROOT / "examples/handlers-that-need-more.conf").read_text()
    lines = re.search(r"^# sandboxes of their own.*\n((?:#\S.*\n)+)", example, re.M)[1].replace("#", "")
    machine.drop_in(service.unit, f"[Service]\n{lines}")
    script = 'unshare --user --map-root-user --mount sh -c "mount -t tmpfs none /mnt && touch /mnt/own" >&2; echo "{\\"result\\":$?}"'
    service.configure(handlers=[handler("boxed", script)], postgres={"password": service.env["PGPASSWORD"]})
    machine.run("rm", f"/etc/credstore/{service.credential}")
    service.start()
    jobs.wait(without := service.submit("boxed"), "succeeded")
    assert jobs.result(without) == 0
    assert not machine.journal("HEIMDEX_EVENT=credentials.readable")
    service.configure()
    machine.systemctl("restart", service.unit)
    jobs.wait(with_one := service.submit("boxed"), "succeeded")
    assert (jobs.result(with_one) != 0) == kernel_hides()
    if not kernel_hides():
        pytest.skip("no Landlock here: what it would forbid is allowed")


def test_one_jobs_story(service, machine, jobs):
    service.configure(handlers=[handler("talks", "echo to stdout; echo to stderr >&2; exit 65", max_attempts=1)]).start()
    id = service.submit("talks", "--requested-by", "me")
    jobs.wait(id, "dead_letter")
    until(lambda: "job.dead_letter" in [e["HEIMDEX_EVENT"] for e in machine.journal(f"HEIMDEX_JOB_ID={id}")], what="its end is told")
    told = {e["HEIMDEX_EVENT"]: (e["SYSLOG_IDENTIFIER"], e["MESSAGE"]) for e in machine.journal(f"HEIMDEX_JOB_ID={id}")}
    assert told["job.submitted"] == ("heimdex-submit", "submitted by me")
    assert told["handler.stdout"] == ("heimdex-worker", "to stdout") and told["handler.stderr"] == ("heimdex-worker", "to stderr")
    assert set(told) == {"job.submitted", "job.claimed", "job.started", "handler.stdout", "handler.stderr", "job.dead_letter"}
    explained = machine.run("journalctl", "--no-pager", "-x", f"HEIMDEX_JOB_ID={id}", "-n", "1").stdout
    assert "A job is a dead letter" in explained and f"heimdexctl retry {id}" in explained


def test_the_story_of_a_program_that_is_gone(service, machine, jobs):
    """It is the first of its burst, which joins its control group beside the loop; and it never started."""
    machine.write("/usr/local/bin/tool", "#!/bin/sh\n", mode="0755")
    service.configure(handlers=[{"type": "gone", "exec": ["/usr/local/bin/tool"], "max_attempts": 1}], supervisor={"workers": 1}).start()
    machine.run("rm", "/usr/local/bin/tool")
    id = service.submit("gone")
    jobs.wait(id, "dead_letter")
    story = until(lambda: (told := [e["HEIMDEX_EVENT"] for e in machine.journal(f"HEIMDEX_JOB_ID={id}")]) and "job.dead_letter" in told and told, what="its end is told")
    assert sorted(story) == ["job.claimed", "job.dead_letter", "job.not_started", "job.submitted"]


TALKS = handler("talks", "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done")


def test_a_stopped_journal_stops_nobody(service, machine, jobs):
    service.configure(handlers=[TALKS], log={"heartbeat": "500ms"}).start()
    machine.systemctl("stop", "systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald-audit.socket", "systemd-journald.service",
                      check=False)
    ids = [service.submit("talks") for _ in range(3)]
    jobs.wait(ids, "succeeded")
    machine.systemctl("start", "systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald.service")
    id = service.submit("talks")
    jobs.wait(id, "succeeded")
    until(lambda: machine.journal(f"HEIMDEX_JOB_ID={id}"), what="the journal has its lines again")
    assert service.active == "active" and service.restarts == 0


def test_the_journals_limit_of_a_units_lines(service, machine, jobs):
    """What journald takes no more is gone, and it says so; nobody waits for it."""
    machine.drop_in(service.unit, "[Service]\nLogRateLimitIntervalSec=2s\nLogRateLimitBurst=10\n")
    service.configure(handlers=[TALKS]).start()
    id = service.submit("talks")
    jobs.wait(id, "succeeded")
    until(lambda: jobs.wait(service.submit("mock_process"), "succeeded") or any(
        f"messages from {service.unit}" in entry["MESSAGE"] for entry in machine.journal("_COMM=systemd-journal")), 60, "journald says what it left out")
    assert 0 < len(machine.journal(f"HEIMDEX_JOB_ID={id}", "_COMM=heimdex-worker")) < 2000
    assert service.active == "active" and service.restarts == 0
