"""heimdex-submit in one environment, what it left in Kafka, and a PostgreSQL that misbehaves: helpers and fixtures of its tests."""
import json
import socket
import subprocess
import threading
import uuid

import pytest

ORG = "11111111-2222-3333-4444-555555555555"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def ids_of(text):
    ids = text.split()
    for one in ids:
        assert uuid.UUID(one).version == 7
    return ids


def ndjson(jobs):
    return "".join(json.dumps(job) + "\n" for job in jobs)


def line_count(done):
    return len(done.stderr.splitlines())


class Submit:
    """The program in one environment."""

    def __init__(self, binaries, env):
        self.binaries, self.env = binaries, env

    def __call__(self, *args, fails=0, input="", **env):
        done = self.binaries.submit(*args, input=input, env={**self.env, **env}, check=False)
        assert done.returncode == fails, (done.returncode, done.stdout[-500:], done.stderr[-2000:])
        if fails:
            assert line_count(done) == 1 and done.stderr.startswith("heimdex-submit: "), done.stderr
        return done

    def start(self, *args, **options):
        env = {**self.env, **options.pop("env", {})}
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return self.binaries.popen("heimdex-submit", *args, env=env, **options)

    def id(self, *args, **env):
        one, = ids_of(self(*args, **env).stdout)
        return one

    def batch(self, jobs, *args, **options):
        return ids_of(self("--batch", "-", *args, input=ndjson(jobs), **options).stdout)


@pytest.fixture
def submit(request, binaries, env, kafka):
    """Tests that don't read topics share some: making one takes Kafka a second."""
    shared = {} if "records" in request.fixturenames else {"HEIMDEX_KAFKA_TOPIC_PREFIX": "submit"}
    made = Submit(binaries, {**env, **shared})
    kafka.have_topics(*(f"{made.env['HEIMDEX_KAFKA_TOPIC_PREFIX']}.jobs.default{band}" for band in ("", ".high")))
    return made


@pytest.fixture
def records(kafka, prefix):
    """All announcements of a topic: [(type, [ids])]."""
    def read(queue="default", high=False):
        topic = f"{prefix}.jobs.{queue}{'.high' if high else ''}"
        out = kafka.kcat("-C", "-t", topic, "-e", "-q", "-o", "beginning", "-f", "%S\n%s")
        found = []
        while out:
            size, _, out = out.partition(b"\n")
            record, out = out[:int(size)], out[int(size):]
            assert record[:4] == b"HX\x01\x01"
            n = record[4]
            ids = record[7 + n:]
            assert len(ids) == 16 * int.from_bytes(record[5 + n:7 + n], "big")
            found.append((record[5:5 + n].decode(), [str(uuid.UUID(bytes=ids[i:i + 16])) for i in range(0, len(ids), 16)]))
        return found
    return read


@pytest.fixture
def silent():
    """An address where connections are taken and nothing is ever said."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


class Proxy:
    """In front of PostgreSQL. Once told to, it swallows all that the server says, until it is cut; later connections pass."""

    def __init__(self, env):
        self.target = (env["PGHOST"], int(env["PGPORT"]))
        self.swallow_after = None  # bytes from the client
        self.swallowing = threading.Event()
        self.pairs, self.connections = [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(self.target)
            self.pairs.append((client, server))
            for source, target in (client, server), (server, client):
                threading.Thread(target=self.pump, args=(source, target, source is client, self.swallowing), daemon=True).start()

    def pump(self, source, target, from_client, swallowing):
        total = 0
        try:
            while data := source.recv(65536):
                total += len(data)
                if from_client and self.swallow_after is not None and total > self.swallow_after:
                    swallowing.set()
                if from_client or not swallowing.is_set():
                    target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        # The next connection may come before this is at its end; what is cut goes on swallowing until then.
        pairs, self.pairs = self.pairs, []
        self.swallow_after, self.swallowing = None, threading.Event()
        for pair in pairs:
            for one in pair:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


@pytest.fixture
def proxy(migrated):
    made = Proxy(migrated.env)
    yield made
    made.listener.close()
    made.cut()


def close_with(process):
    """Ends the input; what it says until its end, and its exit code."""
    out, err = process.communicate(timeout=60)
    return out.decode(), err.decode(), process.returncode
