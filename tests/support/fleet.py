"""A supervisor with its children, as a test sees it from outside."""
import json
import os
import signal
import socket
from pathlib import Path

from .process import children_of, name_of
from .wait import until


def _libconfig(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_libconfig, value)) + "]"
    return json.dumps(str(value))


def handler_text(handler):
    return "{ " + " ".join(f"{k} = {_libconfig(v)};" for k, v in handler.items()) + " }"


def config_text(sections, handlers):
    """A configuration file."""
    lines = [f"{name} : {{ " + " ".join(f"{k} = {_libconfig(v)};" for k, v in keys.items()) + " };" for name, keys in sections.items()]
    return "\n".join([*lines, "handlers = ( " + ", ".join(map(handler_text, handlers)) + " );"]) + "\n"


class Fleet:
    def __init__(self, binaries, directory, env, workers=2, handlers=(), start=True, instance=None, wrap=(), **sections):
        """wrap: a command that the supervisor's own is the end of."""
        self.binaries, self.directory, self.env = binaries, Path(directory), dict(env)
        self.wrap = list(wrap)
        self.directory.mkdir(parents=True)
        self.log_path = self.directory / "log"
        # The path of a unix socket is short; the test's folder may not be.
        self.socket = f"/tmp/hx-{os.getpid()}-{abs(hash(str(directory))) % 10**10}.sock"
        self.config = self.directory / "heimdex.conf"
        sections.setdefault("supervisor", {})
        sections["supervisor"] = {"workers": workers, "control_socket": self.socket, "drain_timeout": "5s", **sections["supervisor"]}
        self.socket = sections["supervisor"]["control_socket"]
        self.instance = instance or f"test-{os.getpid()}-{Path(directory).name}"
        sections["service"] = {"instance": self.instance, **sections.get("service", {})}
        sections["log"] = {"format": "json", **sections.get("log", {})}
        sections["jobs"] = {"kill_grace": "2s", **sections.get("jobs", {})}
        self.write_config(sections, handlers)
        self.process, self.processes = None, []
        self.asked_to_stop = False
        self.exit_code = None
        if start:
            self.start()

    def write_config(self, sections, handlers):
        self.sections, self.handlers = sections, list(handlers)
        self.config.write_text(config_text(sections, handlers))

    def change(self, handlers=None, **sections):
        """Another configuration file: these handlers instead of the old ones, these keys beside the old ones."""
        merged = {**self.sections, **{name: {**self.sections.get(name, {}), **keys} for name, keys in sections.items()}}
        self.write_config(merged, self.handlers if handlers is None else handlers)
        return self

    def reload(self, code=0):
        """heimdexctl reload: what it says."""
        done = self.binaries.ctl("reload", env={"HEIMDEX_SUPERVISOR_CONTROL_SOCKET": self.socket}, check=False)
        assert done.returncode == code, done
        return done.stdout if code == 0 else done.stderr

    def start(self, wait=True):
        with open(self.log_path, "ab") as log:
            self.process = self.binaries.popen("heimdex-supervisor", "--config", self.config, wrap=self.wrap, env=self.env, stdin=-3,
                                               stdout=log, stderr=log, cwd=self.directory)
        self.processes.append(self.process)
        self.asked_to_stop = False
        if wait:
            self.wait_ready()
        return self

    @property
    def pid(self):
        """The supervisor's. A wrap that forks is its parent."""
        pid = self.process.pid
        if self.wrap and not name_of(pid).startswith("heimdex-superv"):
            pid = children_of(pid)[0]
        return pid

    def control(self, **request):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(self.socket)
            s.sendall((json.dumps(request) + "\n").encode())
            text = b""
            while not text.endswith(b"\n"):
                part = s.recv(65536)
                if not part:
                    break
                text += part
        return json.loads(text)

    def status(self):
        return self.control(op="status")

    def wait_ready(self, seconds=30):
        def ready():
            assert self.process.poll() is None, f"the supervisor ended with {self.process.returncode}:\n{self.log()[-4000:]}"
            return self.status()["ready"]
        until(ready, seconds, "fleet ready")

    def children(self, role=None):
        return [c for c in self.status()["children"] if role is None or c["role"].endswith(role)]

    def worker_pids(self):
        return [c["pid"] for c in self.children("worker") if c["pid"] > 0]

    def kill_worker(self, index=0, signo=signal.SIGKILL):
        pid = self.worker_pids()[index]
        os.kill(pid, signo)
        return pid

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def events(self, event):
        found = []
        for line in self.log().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("event") == event:
                found.append(entry)
        return found

    def killed(self):
        """How many of its processes were, supervisors and their children."""
        children = sum(entry.get("death", {}).get("signal") == signal.SIGKILL for entry in self.events("child.died"))
        return children + sum(process.poll() == -signal.SIGKILL for process in self.processes)

    def ask_to_stop(self):
        """One TERM: a second one would end everything at once."""
        if not self.asked_to_stop and self.process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
        self.asked_to_stop = True

    def stop(self, seconds=15):
        self.ask_to_stop()
        self.exit_code = self.process.wait(seconds)
        return self.exit_code

    def kill(self):
        self.process.kill()
        self.process.wait()

    def finish(self):
        """Stops it if it still runs; yields what is wrong with how it ended."""
        if not self.process or self.process.poll() is not None:
            return
        try:
            code = self.stop()
            if code != 0:
                yield f"{self.directory.name}: a clean stop exited with {code}"
        except Exception as error:
            self.process.kill()
            yield f"{self.directory.name}: did not stop: {error}"
