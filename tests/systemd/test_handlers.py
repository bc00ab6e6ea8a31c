"""Handlers under systemd: control groups of their own, what they can't reach, and their jobs' story in the journal."""
import ctypes
import re

from support.wait import until

LANDLOCK_CREATE_RULESET = 444
HIDES = "pid=$( (setsid env -i /bin/sh -c 'echo $$; exec sleep 300 >/dev/null' &) ); echo $pid >/var/lib/heimdex/hidden"


def handler(type, script, **options):
    return {"type": type, "exec": ["/bin/sh", "-c", script], **options}


def groups(machine, service):
    """Control groups in the unit's own."""
    found = machine.run("sh", "-c", 'cd /sys/fs/cgroup/unified"$1" 2>/dev/null || cd /sys/fs/cgroup"$1"; find . -mindepth 1 -type d', "sh",
                        service.show("ControlGroup")).stdout
    return sorted(line[2:] for line in found.splitlines())


def test_runs_have_control_groups(service, machine, jobs):
    service.configure(handlers=[handler("waits", "sleep 300", cpu_max=0.5), handler("hides", HIDES)], supervisor={"workers": 1}).start()
    assert [group for group in groups(machine, service) if not group.startswith("worker-")] == ["supervisor"]
    waits = service.submit("waits")
    jobs.wait(waits, "running")
    until(lambda: [group for group in groups(machine, service) if re.fullmatch(r"worker-\d+/run-\d+", group)], what="the group of the run")
    said = [e["MESSAGE"] for e in machine.journal("HEIMDEX_EVENT=cgroups")]
    assert not [line for line in said if "handlers have no cgroups of their own" in line], said
    limited = not [line for line in said if "no cpu controller" in line]
    warned = [line for line in service.messages() if "handler waits: cpu_max: not limited here" in line]
    assert len(warned) == (0 if limited else 1)
    jobs.wait(hides := service.submit("hides"), "succeeded")
    hidden = machine.read("/var/lib/heimdex/hidden").strip()
    until(lambda: machine.run("ps", "-o", "pid=", "-p", hidden, check=False).stdout == "", what="the end of what it hid")
    assert jobs.status(waits) == "running" and jobs.events(hides)[-1][2]["cpu_ms"] >= 0
    jobs.ctl("cancel", waits)
    jobs.wait(waits, "canceled")
    service.stop()


def test_credentials_are_not_theirs(service, machine, jobs):
    script = 'cat /run/credentials/*/pgpassword >/dev/null 2>&1; echo "{\\"result\\":{\\"exit\\":$?,\\"variable\\":\\"$CREDENTIALS_DIRECTORY\\"}}"'
    service.configure(handlers=[handler("curious", script), handler("plain", "cat /etc/passwd >/dev/null && ls /run >/dev/null && mv $(mktemp) /var/lib/heimdex/moved")]).start()
    curious, plain = service.submit("curious"), service.submit("plain")
    jobs.wait([curious, plain])
    assert (jobs.status(curious), jobs.status(plain)) == ("succeeded", "succeeded"), jobs.row(plain)
    hidden = ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, 0, 1) >= 2  # the machine's kernel is ours
    assert bool(machine.journal("HEIMDEX_EVENT=credentials.readable")) == (not hidden)
    assert jobs.result(curious) == {"exit": 1 if hidden else 0, "variable": ""}


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


def test_a_stopped_journal_stops_nobody(service, machine, jobs):
    service.configure(handlers=[handler("talks", "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done")], log={"heartbeat": "500ms"}).start()
    machine.systemctl("stop", "systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald-audit.socket", "systemd-journald.service",
                      check=False)
    ids = [service.submit("talks") for _ in range(3)]
    jobs.wait(ids, "succeeded")
    machine.systemctl("start", "systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald.service")
    id = service.submit("talks")
    jobs.wait(id, "succeeded")
    until(lambda: machine.journal(f"HEIMDEX_JOB_ID={id}"), what="the journal has its lines again")
    assert service.active == "active" and service.restarts == 0
