"""The supervisor's control socket: what it answers, who has it, and clients that mean no good."""
import json
import os
import signal
import socket
import subprocess

import pytest

from support.supervisor import BIN, PATIENCE, fleet, wait_for  # noqa: F401

pytestmark = [pytest.mark.quick, pytest.mark.asan]


def test_answers_requests(fleet):
    f = fleet().plan("worker", running=2).start()
    assert oct(os.stat(f.socket).st_mode & 0o777) == "0o660"
    wait_for("all ready", lambda: f.status().startswith("2 workers"))
    status = f.ask({"op": "status"})
    assert status["ok"] is True and status["pid"] == f.pid and status["instance"] == f.socket and status["ready"] is True
    assert status["status"] == "2 workers, 4 jobs running"
    worker, _, scheduler = status["children"]
    assert set(worker) == {"role", "slot", "pid", "state", "ready", "waiting", "restarts", "running", "uptime_ms"}
    assert (worker["role"], worker["slot"], worker["state"], worker["ready"], worker["running"]) == ("worker", 0, "ready", True, 2)
    assert worker["pid"] in f.workers() and scheduler["role"] == "scheduler"
    answers = f.ask({"op": "ping"}, {"op": "dance"}, {"no": 1}, {"op": "restart"}, {"op": "restart", "slot": 9})
    assert [a["ok"] for a in answers] == [True, False, False, False, False]
    assert f.ask(raw=b"nonsense\n")["ok"] is False
    assert f.ask(raw=b"[]\n")["ok"] is False


def test_restarts_a_worker_on_request(fleet):
    f = fleet().plan("worker", term="slow").start()
    wait_for("all ready", lambda: f.status().startswith("2 workers"))
    before = f.ask({"op": "status"})["children"]
    assert f.ask({"op": "restart", "slot": 1}) == {"ok": True}
    wait_for("it to be asked", lambda: f.fakes("term", "heimdex-worker"))
    assert f.ask({"op": "status"})["children"][1]["state"] == "restarting"
    open(f"{f.dir}/go", "w").close()
    after = wait_for("the next one", lambda: (c := f.ask({"op": "status"})["children"])[1]["restarts"] == 1 and c[1]["ready"] and c)
    assert after[0]["pid"] == before[0]["pid"] and after[1]["pid"] != before[1]["pid"]
    assert len(f.fakes("term", "heimdex-worker")) == 1


def test_bad_clients_harm_nobody(fleet):
    f = fleet(workers=1).start()
    silent = []
    for _ in range(40):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(f.socket)
        s.sendall(b'{"op":')
        silent.append(s)
    assert f.ask({"op": "ping"}) == {"ok": True}
    greedy = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    greedy.connect(f.socket)
    greedy.setblocking(False)
    sent = 0
    try:
        while sent < 1 << 22:  # never reads an answer
            sent += greedy.send(b'{"op":"status"}\n' * 100)
    except BlockingIOError:
        pass
    assert f.ask({"op": "ping"}) == {"ok": True}
    too_long = f.ask(raw=b"x" * 5000)
    assert too_long == {"ok": False, "error": "the line is too long"}
    for s in silent + [greedy]:
        s.close()
    assert f.stop() == 0


def test_only_one_supervisor_has_the_socket(fleet):
    f = fleet(workers=1).start()
    second = subprocess.run([f"{BIN}/heimdex-supervisor", "--bin-dir", f"{f.dir}/bin"],
                            env={k: v for k, v in f.environment.items() if k != "NOTIFY_SOCKET"}, capture_output=True, text=True, timeout=PATIENCE)
    assert second.returncode == 75
    assert second.stderr == f"heimdex-supervisor: supervisor.control_socket: {f.socket}: another supervisor is running\n"
    assert f.ask({"op": "ping"}) == {"ok": True}
    f.signal(signal.SIGKILL)
    f.process.wait()
    assert os.path.exists(f.socket)  # stale; the next one replaces it
    g = fleet(workers=1, dir=f.dir)
    os.unlink(f"{f.dir}/notify")
    g.start()
    assert g.ask({"op": "ping"}) == {"ok": True}
    assert g.stop() == 0


def test_only_one_supervisor_has_the_instance(fleet):
    """Another socket, the same name: it would take the first one's workers for those of an earlier run."""
    name = f"twin-{os.getpid()}"
    f = fleet(workers=1, service_instance=name).start()
    g = fleet(workers=1, service_instance=name)
    second = subprocess.run([f"{BIN}/heimdex-supervisor", "--bin-dir", f"{g.dir}/bin"],
                            env={k: v for k, v in g.environment.items() if k != "NOTIFY_SOCKET"}, capture_output=True, text=True, timeout=PATIENCE)
    assert second.returncode == 75
    assert second.stderr == f"heimdex-supervisor: service.instance: {name}: another supervisor on this host has this name\n"
    assert not os.path.exists(g.socket) and not g.fakes("start")
    assert f.ask({"op": "ping"}) == {"ok": True}
    f.signal(signal.SIGKILL)
    f.process.wait()
    g.start()
    assert g.stop() == 0
    h = fleet(workers=1, service_instance=name).start()
    assert h.stop() == 0


def test_refuses_a_socket_it_cannot_have(fleet):
    f = fleet(workers=1)
    os.mkdir(f.socket)
    done = subprocess.run([f"{BIN}/heimdex-supervisor"], env=f.environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 78 and done.stderr.count("\n") == 1
    f.environment["HEIMDEX_SUPERVISOR_CONTROL_SOCKET"] = "/tmp/" + "x" * 120
    done = subprocess.run([f"{BIN}/heimdex-supervisor"], env=f.environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 78 and "107 bytes" in done.stderr and done.stderr.count("\n") == 1
    assert not os.path.exists(f.environment["HEIMDEX_SUPERVISOR_CONTROL_SOCKET"] + ".lock")


def test_systemd_keeps_the_socket_while_it_is_restarted(fleet):
    """Whoever connects meanwhile is served by the next supervisor. A stop is the same: what systemd keeps, it closes."""
    manager = Manager()
    f = manager.start(fleet())
    assert f.ask({"op": "ping"}) == {"ok": True}
    assert f.stop() == 0
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f.socket)
        s.sendall(b'{"op":"ping"}\n')
        g = manager.start(fleet(dir=f.dir), passing=True)
        s.settimeout(20)
        assert json.loads(s.recv(4096)) == {"ok": True}
    assert len(manager.kept) == 1  # the same one is not given away twice
    assert g.stop() == 0
    manager.forget()
    with socket.socket(socket.AF_UNIX) as s, pytest.raises(ConnectionRefusedError):
        s.connect(f.socket)
    assert fleet(dir=f.dir).start().ask({"op": "ping"}) == {"ok": True}


def test_a_kept_socket_that_nobody_can_reach_any_more_is_replaced(fleet):
    manager = Manager()
    f = manager.start(fleet())
    assert f.stop() == 0
    os.unlink(f.socket)
    g = manager.start(fleet(dir=f.dir), passing=True)
    assert g.ask({"op": "ping"}) == {"ok": True}
    assert len(manager.kept) == 1 and g.stop() == 0
    manager.forget()


class Manager:
    """systemd's store of descriptors."""

    def __init__(self):
        self.kept = []

    def start(self, fleet, passing=False):
        """passing: what was kept is passed."""
        fleet.environment["INVOCATION_ID"] = "0123456789abcdef0123456789abcdef"
        fleet.on_notified = self.hear
        if passing:
            fleet.wrap, fleet.passed = ["bash", "-c", 'exec env LISTEN_PID=$$ LISTEN_FDS=1 "$@" 3<&%d' % self.kept[0], "bash"], self.kept
        return fleet.start()

    def hear(self, assignments, fds):
        if "FDSTOREREMOVE=1" in assignments:
            self.forget()
        assert ("FDSTORE=1" in assignments) == bool(fds)
        self.kept += fds

    def forget(self):
        while self.kept:
            os.close(self.kept.pop())
