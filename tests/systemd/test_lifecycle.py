"""Reloads, restarts, stops and reboots by systemd's own commands, while jobs run."""
import threading

import pytest

from support.load import Load
from support.proxy import Proxy
from support.wait import until

# Runs until its gate is open.
GATED = {"type": "gated", "exec": ["/bin/sh", "-c", "until test -e /var/lib/heimdex/gate; do sleep 0.1; done"]}
DEAF = {"type": "deaf", "exec": ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"]}


def open_gate(machine):
    machine.run("touch", "/var/lib/heimdex/gate")


def test_a_reload(service, machine, jobs):
    """`systemctl reload` returns when the new configuration is in force; what runs goes on."""
    service.configure(handlers=[GATED]).start()
    id = jobs.submit("gated")
    jobs.wait(id, "running")
    main, before = service.pid, set(service.worker_pids())
    service.configure(worker={"slots": 3})
    machine.systemctl("reload", service.unit)
    assert not before & {child["pid"] for child in service.ask(op="status")["children"] if child["state"] == "ready"}
    assert service.show("ActiveState", "SubState") == ["active", "running"] and service.pid == main
    service.wait_status("1 old worker finishes its jobs")  # the one without a job is gone in a moment
    service.wait_message("reloaded: worker.slots")
    assert not [line for line in service.messages() if "secret file" in line]
    open_gate(machine)
    jobs.wait(id, "succeeded")
    assert jobs.row(id)["attempt"] == 1


def test_a_reload_of_a_bad_file(service, machine, jobs):
    service.start()
    main, before = service.pid, service.worker_pids()
    machine.write(service.config, "worker : {\n  slotz = 3;\n};\n", mode="0640", owner="root:heimdex")
    assert machine.systemctl("reload", service.unit, check=False).returncode != 0
    why = f"{service.config}:2: worker.slotz: unknown key, did you mean worker.slots?"
    assert not machine.journal("SYSLOG_IDENTIFIER=env")  # which calls heimdexctl
    service.wait_status("2 workers, 0 jobs running", f"reload refused: {why}")
    service.wait_message(f"reload refused, the old configuration stays: {why}")
    assert service.show("ActiveState", "SubState", "MainPID") == ["active", "running", str(main)]
    assert service.worker_pids() == before
    jobs.wait(jobs.submit("mock_process"), "succeeded")
    service.configure()
    machine.systemctl("reload", service.unit)
    until(lambda: "refused" not in service.status, what="a STATUS of the good file")


def test_a_reload_with_a_pipe_among_its_files(service, machine):
    """Nobody waits for what may come out of it, nor does the next start."""
    service.start()
    pipe = "/etc/heimdex/handlers.d/pipe.conf"
    machine.run("mkfifo", "--mode=644", pipe)
    try:
        assert machine.systemctl("reload", service.unit, check=False).returncode != 0
        why = f"{pipe}: a pipe or a socket, must be a file"
        service.wait_status("2 workers, 0 jobs running", f"reload refused: {why}")
        assert machine.systemctl("restart", service.unit, check=False).returncode != 0
        assert service.show("ActiveState", "ExecMainStatus") == ["failed", "78"]
    finally:
        machine.run("rm", pipe)


def test_a_reload_without_its_file(service, machine):
    """It isn't one with the defaults, though the unit names no file."""
    service.start()
    before = service.worker_pids()
    machine.run("mv", service.config, service.config + ".gone")
    assert machine.systemctl("reload", service.unit, check=False).returncode != 0
    service.wait_status("2 workers, 0 jobs running", f"reload refused: {service.config}: No such file or directory")
    assert service.worker_pids() == before
    machine.run("mv", service.config + ".gone", service.config)
    assert service.ctl("reload").stdout == "reloaded: nothing has changed\n"


def test_a_stop_while_it_reloads(service, machine, env):
    """It ends the reload too, which is no failure."""
    with Proxy((env["PGHOST"], env["PGPORT"])) as proxy:
        service.configure(postgres={"port": proxy.port}).start()
        proxy.refusing = True  # what the new workers need
        service.configure(log={"heartbeat": "7s"})
        machine.systemctl("reload", "--no-block", service.unit)
        service.wait_active("reloading")
        service.stop()
        assert service.show("ActiveState", "Result") == ["inactive", "success"]
        assert machine.systemctl("is-system-running", check=False).stdout.strip() == "running"


def test_a_restart_refuses_no_connection(service, machine):
    """Somebody has been connected all the while; others come and go."""
    service.start()
    old = service.connect()
    ended, answers, refused = threading.Event(), [], []

    def ask():
        while not ended.is_set():
            try:
                answers.append(service.ask(op="ping"))
            except (ConnectionRefusedError, FileNotFoundError) as error:
                refused.append(error)
            except (AssertionError, ConnectionResetError, BrokenPipeError):
                pass  # it was connected, and the supervisor ended

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        before = service.pid
        machine.systemctl("restart", service.unit)
        assert service.pid != before
        machine.kill(service.pid)
        until(lambda: service.restarts == 1 and service.active == "active", what="its restart")
        counted = len(answers)
        until(lambda: len(answers) > counted + 1, what="answers of the new one")
    finally:
        ended.set()
        asking.join()
    assert not refused
    assert old.recv(1) == b""
    old.close()
    service.stop()
    with pytest.raises(ConnectionRefusedError):
        service.connect()
    assert "no supervisor runs here" in service.ctl("reload", check=False).stderr


def test_a_stop_under_load(service, machine, binaries, env, jobs, migrated):
    service.configure(handlers=[GATED], supervisor={"drain_timeout": "1s"}).start()
    held = [jobs.submit("gated") for _ in range(3)]
    jobs.wait(held, "running")
    with Load(binaries, env, '{"type": "mock_process"}') as load:
        until(lambda: migrated.one("select count(*) from job where status = 'succeeded'") > 50, what="load")
        service.stop()
    assert service.show("ActiveState", "Result", "ExecMainStatus") == ["inactive", "success", "0"]
    assert not service.processes()
    assert migrated.sql("select id from job where status = 'running'") == []
    assert [jobs.status(id) for id in held] == ["queued"] * 3
    open_gate(machine)
    service.start()
    jobs.wait(held + load.acks, "succeeded")
    assert not load.failures


def test_a_long_drain_gets_the_time_that_is_configured(service, machine, jobs):
    """Though the unit gives less: the supervisor asks for more."""
    machine.drop_in(service.unit, "[Service]\nTimeoutStopSec=2s\n")
    service.configure(handlers=[GATED], supervisor={"drain_timeout": "60s"}).start()
    id = jobs.submit("gated")
    jobs.wait(id, "running")
    main = service.pid
    machine.systemctl("stop", "--no-block", service.unit)
    service.wait_status("stopping: ", " 1 job")
    assert service.active == "deactivating"
    before = int(machine.run("date", "+%s").stdout)
    until(lambda: int(machine.run("date", "+%s").stdout) > before + 4, what="more than TimeoutStopSec")
    assert service.show("ActiveState", "MainPID") == ["deactivating", str(main)]
    open_gate(machine)
    service.wait_active("inactive")
    assert service.show("Result", "ExecMainStatus") == ["success", "0"]
    assert (jobs.status(id), jobs.row(id)["attempt"]) == ("succeeded", 1)


@pytest.mark.parametrize("signal, handler", [("TERM", GATED), ("INT", DEAF)])
def test_another_signal_while_it_drains_waits_for_nobody(service, machine, jobs, signal, handler):
    """It ends handlers, whatever time the drain has, and whatever grace those have that don't listen."""
    service.configure(handlers=[handler], supervisor={"drain_timeout": "1h"}, jobs={"kill_grace": "1h"}).start()
    id = jobs.submit(handler["type"])
    jobs.wait(id, "running")
    machine.systemctl("stop", "--no-block", service.unit)
    service.wait_status("stopping: ")
    machine.systemctl("kill", "--kill-whom=main", f"--signal={signal}", service.unit)
    until(lambda: sum(" again: " in line for line in service.messages()) == 1, what="it is heard")
    service.wait_active("inactive")
    assert service.show("Result", "ExecMainStatus") == ["success", "0"]
    assert not service.processes()
    assert jobs.status(id) != "running"


def test_a_reboot_with_the_unit_enabled(service, machine, jobs):
    machine.systemctl("enable", service.unit)
    service.configure(handlers=[GATED], supervisor={"drain_timeout": "100ms"}).start()
    id = jobs.submit("gated")
    jobs.wait(id, "running")
    machine.reboot()
    open_gate(machine)
    service.wait_active()
    jobs.wait(id, "succeeded")


def test_a_boot_does_not_wait_for_postgresql(service, machine):
    machine.systemctl("enable", service.unit)
    service.configure(postgres={"port": 1})
    machine.reboot()  # until everything of multi-user.target has started
    service.wait_status("waiting for PostgreSQL at 127.0.0.1:1")
    assert service.active == "activating"
    assert machine.show("multi-user.target", "ActiveState") == "active"
    assert "ordering cycle" not in machine.run("journalctl", "-b", "--quiet").stdout
