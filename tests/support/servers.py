"""The servers that the tests talk to, started by the project's own scripts."""
import os
import re
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from . import figures, librdkafka
from .process import alive, linked, state_of, threads_of
from .wait import until

ROOT = Path(__file__).resolve().parent.parent.parent


def read_env(path):
    return {m[1]: m[2].strip("'\"") for m in re.finditer(r"^export (\w+)=(.*)$", Path(path).read_text(), re.M)}


def script(name, *args):
    done = subprocess.run([str(ROOT / "scripts" / name), *map(str, args)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"{name} {args}: {done.stdout}{done.stderr}")


class Database:
    def __init__(self, server, name):
        self.server, self.name = server, name
        self.env = {**server.env, "PGDATABASE": name}
        self._connection = None

    def connect(self, autocommit=False, admin=False):
        env = {**(self.server.admin_env if admin else self.env), "PGDATABASE": self.name}
        connection = psycopg2.connect(host=env["PGHOST"], port=env["PGPORT"], user=env["PGUSER"], password=env.get("PGPASSWORD"),
                                      dbname=self.name, application_name="test")
        connection.autocommit = autocommit
        return connection

    def sql(self, query, *args):
        """Rows of one statement, each in its own transaction; reconnects after an outage."""
        for attempt in (1, 2):
            if self._connection is None or self._connection.closed:
                self._connection = self.connect(autocommit=True)
            try:
                with self._connection.cursor() as cursor:
                    cursor.execute(query, args or None)
                    if cursor.description:
                        return cursor.fetchall()
                    return [()] * cursor.rowcount if cursor.statusmessage.startswith("SELECT") else []  # "select from …"
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                self._connection = None
                if attempt == 2:
                    raise

    def one(self, query, *args):
        return self.sql(query, *args)[0][0]

    def forget(self):
        """Whatever it was connected to."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def drop(self):
        self.forget()
        self.server.admin(f'drop database if exists "{self.name}" with (force)')


class Postgres:
    def __init__(self, directory, fast=True):
        self.directory, self.fast = Path(directory), fast
        self.start()

    def start(self):
        """Again on the port that it had."""
        port = [self.env["PGPORT"]] if hasattr(self, "env") else []
        script("private-pg", "start", self.directory, *port, *["--fast"] * self.fast)
        self.env = read_env(self.directory / "env")
        self.admin_env = {**self.env, **read_env(self.directory / "admin.env")}

    def stop(self):
        script("private-pg", "stop", self.directory)

    def delete(self):
        script("private-pg", "delete", self.directory)

    @property
    def pid(self):
        return int((self.directory / "pid").read_text())

    @property
    def data(self):
        link = self.directory / "data"
        return link.resolve() if link.is_symlink() else self.directory / "postgres" / "data"

    def family(self):
        """The postmaster first, then every process of its cluster."""
        return sorted(linked("cwd", str(self.data)), key=lambda pid: pid != self.pid)

    def end(self, signo):
        """SIGINT is a fast stop, SIGQUIT an immediate one, SIGKILL a crash. Returns when nothing of it is left."""
        figures.fault()
        os.kill(self.pid, signo)
        until(lambda: not self.family(), 30, "PostgreSQL's end")
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # in a container its pid may stay a zombie, which looks alive

    @contextmanager
    def frozen(self):
        """The kernel accepts connections, and nobody says anything."""
        figures.fault()
        os.kill(self.pid, signal.SIGSTOP)  # first: then there are no new backends
        until(lambda: state_of(self.pid) == "T", what="the postmaster to stand still")  # it may be making one
        family = self.family()
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(family):
                os.kill(pid, signal.SIGCONT)

    def admin(self, statement):
        env = self.admin_env
        connection = psycopg2.connect(host=env["PGHOST"], port=env["PGPORT"], user=env["PGUSER"], password=env.get("PGPASSWORD"),
                                      dbname="postgres")
        connection.autocommit = True
        try:
            connection.cursor().execute(statement)
        finally:
            connection.close()

    def create(self, name, template=None):
        self.admin(f'create database "{name}" owner "{self.env["PGUSER"]}"' + (f' template "{template}"' if template else ""))
        return Database(self, name)


def own_postgres(name):
    """The fixtures postgres and template of a file that has a server for itself, because of what it does to it."""
    @pytest.fixture(scope="module")
    def postgres(workdir):
        server = Postgres(workdir / f"{name}-pg")
        yield server
        server.delete()

    @pytest.fixture(scope="module")
    def template(postgres, binaries):
        database = postgres.create(f"template_{name}")
        binaries.migrate("upgrade", "head", env=database.env)
        return database
    return postgres, template


class Kafka:
    def __init__(self, directory, tls=None):
        """tls: a file with a key and its certificates, which it shows to those who come by tls_brokers. Read when it starts."""
        self.directory, self.tls, self.known = Path(directory), tls, set()
        self.ensure_running()

    @property
    def pid(self):
        return int((self.directory / "pid").read_text().split()[0])

    def kill(self):
        """Returns when its ports are free: the first of its threads may be a zombie while others still hold them."""
        figures.fault()
        os.kill(self.pid, signal.SIGKILL)
        until(lambda: not alive(self.pid) and len(threads_of(self.pid)) <= 1, what="Kafka's end")

    def ensure_running(self):
        script("test-kafka", "start", self.directory, *["--tls", self.tls] * bool(self.tls))
        env = read_env(self.directory / "env")
        self.brokers, self.tls_brokers = env["KAFKA_BROKERS"], env.get("KAFKA_TLS_BROKERS")

    def delete(self):
        script("test-kafka", "delete", self.directory)

    def kcat(self, *args, input=None):
        done = subprocess.run(["kcat", "-b", self.brokers, *args], input=input, capture_output=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def frozen(self):
        """It accepts connections, and says nothing."""
        figures.fault()
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def have_topics(self, *names):
        """They are there, with leaders. Who asks for one has it made, which takes Kafka longer than a submitter waits, if it has little time just then."""
        def leaders(name):
            return [int(leader) for leader in re.findall(rb" leader (-?\d+)", self.kcat("-L", "-t", name))]
        for name in set(names) - self.known:
            until(lambda: (found := leaders(name)) and min(found) >= 0, what=f"topic {name}")
            self.known.add(name)

    def delete_topic(self, name):
        figures.fault()
        self.known.discard(name)
        librdkafka.delete_topic(self.brokers, name)

    def wait_for_group(self, prefix, members):
        """Until that many workers have partitions, each of them, and nothing is being rearranged."""
        def balanced():
            state, assigned = librdkafka.assignments(self.brokers, f"{prefix}.workers")
            return state == "Stable" and len(assigned) == members and all(assigned)
        until(balanced, 20, f"{members} workers with partitions")


class EmbeddedBroker:
    """heimdex-broker. What it had is gone when it ends."""

    def __init__(self, binaries):
        port = subprocess.run([str(ROOT / "scripts" / "free-port")], capture_output=True, text=True, check=True).stdout.strip()
        self.binaries, self.brokers = binaries, f"127.0.0.1:{port}"
        self.start()

    def start(self):
        """Returns when it answers."""
        self.process = self.binaries.popen("heimdex-broker", "--listen", self.brokers, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout.readline().strip() == self.brokers

    def kill(self):
        figures.fault()
        self.end()

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
