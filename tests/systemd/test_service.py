"""heimdex-supervisor.service as an administrator has it: started, watched, killed, stopped."""
import signal

from support.wait import until

SLEEPER = {"type": "sleeper", "exec": ["/usr/bin/sleep", "300"], "max_attempts": 3}


def test_start_job_stop(service, machine, jobs, migrated):
    service.start()  # returns when it is ready
    assert service.show("Type", "NotifyAccess", "SubState", "WatchdogUSec") == ["notify", "main", "running", "30s"]
    until(lambda: service.status.startswith("2 workers, 0 jobs running"), what="both its workers, of which one is enough to be ready")
    id = service.submit("mock_process", "--payload", '{"duration_ms": 10}')
    jobs.wait(id, "succeeded")
    processes = service.processes()
    assert sorted(processes.values()) == ["heimdex-guard", "heimdex-schedul", "heimdex-supervi", "heimdex-worker", "heimdex-worker"]
    users = machine.run("ps", "-o", "user=", "-p", ",".join(map(str, processes))).stdout.split()
    assert set(users) == {"heimdex"}
    assert service.show("Slice") == "heimdex.slice"
    assert machine.run("stat", "-c", "%F %a %U %G", service.socket).stdout.strip() == "socket 660 heimdex heimdex"
    service.stop()
    assert service.show("ActiveState", "Result", "ExecMainStatus") == ["inactive", "success", "0"]
    assert not service.processes()
    assert migrated.sql("select from worker where not dead") == []


def test_the_journal_has_its_lines_with_fields(service, machine, jobs):
    service.configure(handlers=[{"type": "echo", "exec": ["/bin/sh", "-c", "echo from the handler"]}]).start()
    id = service.submit("echo")
    jobs.wait(id, "succeeded")
    until(lambda: any("from the handler" in entry["MESSAGE"] for entry in machine.journal(f"HEIMDEX_JOB_ID={id}")), what="the handler's line under its job")
    entries = machine.journal(f"--unit={service.unit}")
    assert {"heimdex-supervisor", "heimdex-worker", "heimdex-scheduler"} <= {entry.get("SYSLOG_IDENTIFIER") for entry in entries}


def test_what_a_handler_can_reach(service, machine, jobs):
    """Its own folder and a /tmp of the fleet's; the rest it can read at most. Its devices are the harmless ones, and it can be no one else."""
    machine.write("/home/somebody/file", "private\n", mode="0666")
    machine.write("/tmp/outside", "")
    checks = """can() { "$@" >/dev/null 2>&1 && printf '"%s":true,' "$name" || printf '"%s":false,' "$name"; }
        printf '{"result":{'
        name=folder; can touch here
        name=tmp; can touch /tmp/here
        name=etc; can touch /etc/here
        name=usr; can touch /usr/here
        name=configuration; can sh -c 'echo >>/etc/heimdex/heimdex.conf'
        name=home; can cat /home/somebody/file
        name=tmp_outside; can test -e /tmp/outside
        name=disks; can sh -c 'ls /dev/kmsg /dev/mem'
        name=root; can setpriv --reuid=0 true
        name=namespace; can unshare --user true
        name=kernel; can sh -c 'echo 1 >/proc/sys/kernel/sysrq'
        printf '"where":"%s"}}\\n' "$PWD"
        """
    service.configure(handlers=[{"type": "reaches", "exec": ["/bin/sh", "-c", checks]}]).start()
    id = service.submit("reaches")
    jobs.wait(id, "succeeded")
    assert jobs.result(id) == {"folder": True, "tmp": True, "etc": False, "usr": False, "configuration": False, "home": False, "tmp_outside": False,
                               "disks": False, "root": False, "namespace": False, "kernel": False, "where": "/var/lib/heimdex"}


def test_a_killed_worker_is_replaced(service, machine, jobs):
    service.configure(handlers=[{"type": "once", "exec": ["/bin/sh", "-c", 'test $HEIMDEX_ATTEMPT = 2 || sleep 300'], "backoff_base": "10ms"}]).start()
    id = service.submit("once")
    jobs.wait(id, "running")
    running = until(lambda: [pid for pid, comm in service.processes().items() if comm == "sleep"])
    before = set(service.worker_pids())
    victim = int(machine.run("ps", "-o", "ppid=", "-p", machine.run("ps", "-o", "ppid=", "-p", running[0]).stdout.strip()).stdout)
    assert victim in before
    machine.kill(victim)
    jobs.wait(id, "succeeded")
    until(lambda: len(set(service.worker_pids()) - before) == 1, what="another worker")
    assert service.active == "active" and service.restarts == 0


def test_a_killed_supervisor_is_started_again_and_nothing_survives_it(service, machine, jobs):
    """Also what has left its process group and its session."""
    script = 'setsid sleep 300 & test $HEIMDEX_ATTEMPT -gt 1 || sleep 300'
    service.configure(handlers=[{"type": "daemon", "exec": ["/bin/bash", "-c", script], "backoff_base": "10ms"}]).start()
    id = service.submit("daemon")
    jobs.wait(id, "running")
    until(lambda: sum(comm == "sleep" for comm in service.processes().values()) == 2, what="handler and daemon")
    before = service.processes()
    machine.kill(service.pid)
    until(lambda: service.restarts == 1 and service.active == "active", what="its restart")
    assert not set(before) & set(service.processes())
    assert machine.run("ps", "-o", "pid=", "-p", ",".join(map(str, before)), check=False).stdout == ""
    jobs.wait(id, "succeeded")


def test_a_frozen_supervisor_is_killed_by_its_watchdog(service, machine, jobs):
    machine.drop_in(service.unit, "[Service]\nWatchdogSec=5s\n")
    service.configure(handlers=[SLEEPER]).start()
    jobs.wait(service.submit("sleeper"), "running")
    before = service.processes()
    machine.kill(service.pid, signal.SIGSTOP)
    until(lambda: service.restarts >= 1 and service.active == "active", 60, "its restart by the watchdog")
    assert not set(before) & set(service.processes())
    until(lambda: any("Watchdog timeout" in e["MESSAGE"] for e in machine.journal(f"UNIT={service.unit}")), what="systemd says why")


def test_it_is_started_again_however_often_it_dies(service, machine):
    """StartLimitIntervalSec=0. The burst is lowered, so that a limit, were there one, would be reached at once."""
    machine.drop_in(service.unit, "[Unit]\nStartLimitBurst=1\n")
    service.start()
    for deaths in range(1, 5):
        machine.kill(until(lambda: service.pid, what="a supervisor"))
        until(lambda: service.restarts == deaths, what="another restart")
    service.wait_active()


def test_a_configuration_it_cannot_work_with_is_final(service, machine):
    """78: a start isn't tried again and again."""
    machine.write(service.config, "worker : { slotz = 3; };\n")
    assert machine.systemctl("start", service.unit, check=False).returncode != 0
    assert service.show("ActiveState", "ExecMainStatus", "NRestarts") == ["failed", "78", "0"]
    service.wait_message("/etc/heimdex/heimdex.conf:1: worker.slotz: unknown key")
    entry, = machine.journal(f"_SYSTEMD_UNIT={service.unit}", "HEIMDEX_EVENT=configuration.refused")  # what alerts are put on
    assert entry["SYSLOG_IDENTIFIER"] == "heimdex-supervisor" and entry["PRIORITY"] == "3" and "MESSAGE_ID" in entry
