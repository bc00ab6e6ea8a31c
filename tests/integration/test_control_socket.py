"""The supervisor's control socket: what it answers, who has it, and clients that mean no good."""
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
