"""heimdex-supervisor.service on a machine, as its administrator sees it."""
import json
import socket

from .fleet import config_text
from .wait import until

UNIT = "heimdex-supervisor.service"


class Service:
    def __init__(self, machine, env, unit=UNIT, config="/etc/heimdex/heimdex.conf", credential="heimdex.pgpassword",
                 socket="/run/heimdex/control"):
        """env: the test's database and topics, as the programs out here know them."""
        self.machine, self.unit, self.config, self.credential, self.socket = machine, unit, config, credential, socket
        self.env = dict(env)
        self.sections = {
            "service": {"environment": "test"},
            "postgres": {"host": env["PGHOST"], "port": int(env["PGPORT"]), "user": env["PGUSER"], "dbname": env["PGDATABASE"]},
            "kafka": {"brokers": env["KAFKA_BROKERS"], "topic_prefix": env["HEIMDEX_KAFKA_TOPIC_PREFIX"]},
            "supervisor": {"workers": 2, "drain_timeout": "10s"},
            "jobs": {"kill_grace": "2s"},
        }
        self.handlers = []

    def configure(self, handlers=None, **sections):
        """Writes the file: these keys beside those of before, these handlers instead of the old ones. And the password, where root alone reads it."""
        self.sections = {**self.sections, **{name: {**self.sections.get(name, {}), **keys} for name, keys in sections.items()}}
        self.handlers = self.handlers if handlers is None else list(handlers)
        self.machine.write(self.config, config_text(self.sections, self.handlers), mode="0640", owner="root:heimdex")
        if self.env.get("PGPASSWORD"):
            self.machine.write(f"/etc/credstore/{self.credential}", self.env["PGPASSWORD"], mode="0600")
        return self

    # ---- systemctl ----

    def start(self):
        """Until it is ready: that is when `systemctl start` returns."""
        self.machine.systemctl("start", self.unit)
        return self

    def start_no_block(self):
        self.machine.systemctl("start", "--no-block", self.unit)
        return self

    def stop(self):
        self.machine.systemctl("stop", self.unit)

    def show(self, *names):
        return self.machine.show(self.unit, *names)

    @property
    def active(self):
        return self.show("ActiveState")

    @property
    def status(self):
        """STATUS=, as systemctl shows it."""
        return self.show("StatusText")

    @property
    def pid(self):
        return int(self.show("MainPID"))

    @property
    def restarts(self):
        return int(self.show("NRestarts"))

    def wait_status(self, *words, seconds=60):
        until(lambda: all(word in self.status for word in words), seconds, f"{words} in STATUS of {self.unit}")

    def wait_active(self, state="active", seconds=60):
        until(lambda: self.active == state, seconds, f"{self.unit} {state}")

    def processes(self):
        return self.machine.processes(self.unit)

    def messages(self):
        return self.machine.messages(self.unit)

    def wait_message(self, words, seconds=20):
        """journald writes down what it is sent a moment later."""
        until(lambda: any(words in line for line in self.messages()), seconds, f"a line of {self.unit}: {words}")

    # ---- heimdexctl and heimdex-submit, there ----

    def ctl(self, *arguments, **options):
        return self.machine.run("heimdexctl", "--config", self.config, *arguments, **{"PGPASSWORD": self.env.get("PGPASSWORD", ""), **options})

    def submit(self, *arguments):
        return self.machine.run("heimdex-submit", "--config", self.config, *arguments, PGPASSWORD=self.env.get("PGPASSWORD", "")).stdout.strip()

    def ask(self, **request):
        """Of the control socket."""
        with self.connect() as s:
            s.sendall((json.dumps(request) + "\n").encode())
            text = b""
            while not text.endswith(b"\n"):
                part = s.recv(65536)
                assert part, "the connection ended without an answer"
                text += part
        return json.loads(text)

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        try:
            s.connect(f"/proc/{self.machine.leader}/root{self.socket}")
        except OSError:
            s.close()
            raise
        return s

    def worker_pids(self):
        """By the numbers that they have in there."""
        return [child["pid"] for child in self.ask(op="status")["children"] if child["role"].endswith("worker") and child["pid"]]


def instance(name, machine, env):
    """A fleet beside the main one, by the template."""
    return Service(machine, env, unit=f"heimdex-supervisor@{name}.service", config=f"/etc/heimdex/{name}/heimdex.conf",
                   credential=f"heimdex.{name}.pgpassword", socket=f"/run/heimdex/{name}/control")
