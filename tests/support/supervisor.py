"""heimdex-supervisor with children of our own making (tests/fakes/fleet_child), the manager it reports to, and its log. Test modules that
import `fleet` get such fleets instead of real ones."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from .process import children_of, name_of

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("HEIMDEX_BIN", os.path.join(ROOT, "build/bin"))
FAKE = os.path.join(ROOT, "tests/fakes/fleet_child")
PATIENCE = 20

def wait_for(what, condition, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.01)


class Fleet:
    """A supervisor, its fake children, the manager it reports to, and its log."""

    def __init__(self, workers=2, schedulers=1, watchdog_ms=0, dir=None, file=None, wrap=(), **config):
        """wrap: a command that the supervisor's own is the end of. file: the text of a configuration file, whose keys no variable overrides; configure() writes another."""
        self.dir = dir or tempfile.mkdtemp(prefix="hx")
        os.makedirs(f"{self.dir}/bin", exist_ok=True)
        for name in ("heimdex-worker", "heimdex-scheduler"):
            if not os.path.lexists(f"{self.dir}/bin/{name}"):
                os.symlink(FAKE, f"{self.dir}/bin/{name}")
        self.socket = f"{self.dir}/control"
        self.notified, self.lines = [], []
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.environment = {
            "PATH": os.environ["PATH"], "FAKE_DIR": self.dir, "NOTIFY_SOCKET": f"{self.dir}/notify",
            "HEIMDEX_CONFIG": "/dev/null", "HEIMDEX_SUPERVISOR_WORKERS": str(workers),
            "HEIMDEX_SUPERVISOR_SCHEDULERS": str(schedulers), "HEIMDEX_SUPERVISOR_CONTROL_SOCKET": self.socket,
            **{f"HEIMDEX_{key.upper()}": str(value) for key, value in config.items()},
        }
        if file is not None:
            del self.environment["HEIMDEX_SUPERVISOR_WORKERS"], self.environment["HEIMDEX_SUPERVISOR_SCHEDULERS"]
            self.environment["HEIMDEX_CONFIG"] = f"{self.dir}/heimdex.conf"
            self.configure(file)
        if watchdog_ms:
            self.environment["WATCHDOG_USEC"] = str(watchdog_ms * 1000)
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        self.process = None
        self.wrap, self.passed, self.on_notified = list(wrap), (), None

    def plan(self, role, **plan):
        with open(f"{self.dir}/plan", "w") as f:
            json.dump(plan, f)
        os.rename(f"{self.dir}/plan", f"{self.dir}/heimdex-{role}.json")
        return self

    def configure(self, text):
        with open(f"{self.dir}/fresh.conf", "w") as f:
            f.write(text)
        os.rename(f"{self.dir}/fresh.conf", f"{self.dir}/heimdex.conf")
        return self

    def reload(self):
        """Asks for one over the control socket; its outcome."""
        told = self.ask({"op": "reload"})
        return wait_for("the outcome", lambda: (now := self.ask({"op": "reloaded", "reload": told["reload"]}))["done"] and now)

    def start(self, ready=True):
        if os.path.exists(self.environment["NOTIFY_SOCKET"]):
            os.unlink(self.environment["NOTIFY_SOCKET"])
        self.notify.bind(self.environment["NOTIFY_SOCKET"])
        self.hearer = threading.Thread(target=self._hear, daemon=True)
        self.hearer.start()
        self.process = subprocess.Popen([*self.wrap, f"{BIN}/heimdex-supervisor", "--bin-dir", f"{self.dir}/bin"], env=self.environment,
                                        pass_fds=self.passed, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if ready:
            self.wait_notified("READY=1")
        return self

    def _hear(self):
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.notify, 65536, 8)
            except OSError:
                return
            if not data:  # close()
                return
            if self.on_notified:
                self.on_notified(data.decode().split("\n"), fds)
            self.notified.append(data.decode().split("\n"))

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line.decode())

    # what it says

    def assignments(self):
        return [a for message in list(self.notified) for a in message]

    def wait_notified(self, text):
        return wait_for(f"{text} in {self.notified}", lambda: [a for a in self.assignments() if text in a])

    def status(self):
        return [a for a in self.assignments() if a.startswith("STATUS=")][-1][7:]

    def events(self):
        out = []
        for line in list(self.lines):
            try:
                out.append(json.loads(line))
            except ValueError:
                pass
        return out

    def logged(self, text):
        return [e for e in self.events() if text in e.get("message", "") and e.get("service") == "heimdex-supervisor"]

    def deaths(self, role="worker"):
        return [e for e in self.events() if e.get("event") == "child.died" and e["role"] == role]

    def fakes(self, event, name=None):
        try:
            with open(f"{self.dir}/log") as f:
                lines = [json.loads(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []
        return [line for line in lines if line["event"] == event and name in (None, line["name"])]

    def workers(self):
        return [pid for pid in children_of(self.pid) if name_of(pid) == "heimdex-worker"]

    def schedulers(self):
        return [pid for pid in children_of(self.pid) if name_of(pid) == "heimdex-schedul"]

    def guard(self):
        return wait_for("the guard", lambda: [p for p in children_of(self.pid) if name_of(p) == "heimdex-guard"])[0]

    # what is done to it

    def ask(self, *requests, raw=None):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(PATIENCE)
            s.connect(self.socket)
            s.sendall(raw if raw is not None else b"".join(json.dumps(r).encode() + b"\n" for r in requests))
            s.shutdown(socket.SHUT_WR)
            data = b""
            while chunk := s.recv(65536):
                data += chunk
        answers = [json.loads(line) for line in data.splitlines()]
        return answers[0] if len(answers) == 1 else answers

    def signal(self, signo):
        self.process.send_signal(signo)

    def wait(self, seconds=PATIENCE):
        """Its end; all that it said has been heard then."""
        code = self.process.wait(seconds)
        self.reader.join(seconds)
        self.notify.shutdown(socket.SHUT_RD)  # behind what is in it already
        self.hearer.join(seconds)
        return code

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait()

    def _ended(self):
        self.signal(signal.SIGTERM)  # a third one kills what still runs
        return self.process.poll() is not None

    def close(self):
        if self.process and self.process.poll() is None:
            try:
                wait_for("its end", self._ended)
            except AssertionError:
                self.process.kill()
                self.process.wait()
        # Its thread ends first: the next test's socket may get the same number, and have its messages stolen.
        if self.process:
            self.notify.shutdown(socket.SHUT_RD)
            self.hearer.join()
        self.notify.close()
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture
def fleet():
    made = []

    def make(**options):
        made.append(Fleet(**options))
        return made[-1]

    yield make
    for f in made:
        f.close()
