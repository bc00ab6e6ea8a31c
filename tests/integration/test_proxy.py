"""The tests' own proxy (tests/support/proxy.py) does what it says: to bytes, and to transactions."""
import os
import socket
import subprocess
import threading
import time

import psycopg2
import pytest

from support.proxy import AFTER, BEFORE, REPLIED, Bytes, Commit, Island, Proxy
from support.wait import until

pytestmark = pytest.mark.quick
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="networks are root's")


class Echo:
    """Sends back what it gets, and remembers it."""

    def __init__(self):
        self.listener, self.got, self.ended = socket.create_server(("127.0.0.1", 0)), b"", []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(s,), daemon=True).start()

    def talk(self, s):
        while True:
            try:
                data = s.recv(4096)
            except OSError:
                data = b""
            if not data:
                self.ended.append(s)
                return
            self.got += data
            s.sendall(data)


@pytest.fixture
def echo():
    made = Echo()
    yield made
    made.listener.close()


@pytest.fixture
def proxy(echo):
    with Proxy(echo.listener.getsockname()) as made:
        yield made


def connect(proxy):
    s = socket.create_connection(("127.0.0.1", proxy.port))
    s.settimeout(10)
    return s


def heard(s, n):
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part:
            break
        data += part
    return data


def silent(s):
    s.settimeout(0.2)
    with pytest.raises(socket.timeout):
        s.recv(1)
    s.settimeout(10)
    return True


def test_passes_bytes_on(proxy):
    s = connect(proxy)
    data = os.urandom(300_000)
    threading.Thread(target=s.sendall, args=(data,)).start()
    assert heard(s, len(data)) == data


def test_an_end_passes_through(proxy, echo):
    s = connect(proxy)
    s.sendall(b"bye")
    assert heard(s, 3) == b"bye"
    s.shutdown(socket.SHUT_WR)
    until(lambda: echo.ended)


@pytest.mark.parametrize("fault, arrives", [
    (dict(n=4), b"abcd"), (dict(n=0), b""), (dict(pattern=b"de"), b"abc"), (dict(pattern=b"de", where=AFTER), b"abcde"),
    (dict(pattern=b"cd"), b"abc"), (dict(pattern=b"cd", where=AFTER), b"abcd")])
def test_cuts_at_a_place(proxy, echo, fault, arrives):
    """The client sends in two pieces; what of the pattern has gone before can't be held back any more."""
    s = connect(proxy)
    armed = proxy.arm(Bytes(**fault))
    if fault.get("n") != 0:
        s.sendall(b"abc")
        assert heard(s, 3) == b"abc"
    s.sendall(b"def")
    assert armed.fired.wait(10)
    with pytest.raises(ConnectionResetError):
        heard(s, 10)
    until(lambda: echo.ended)
    assert echo.got == arrives


def test_a_fault_happens_once(proxy):
    proxy.arm(Bytes(pattern=b"x"))
    with pytest.raises(ConnectionResetError):
        s = connect(proxy)
        s.sendall(b"x")
        s.recv(1)
    s = connect(proxy)
    s.sendall(b"x")
    assert heard(s, 1) == b"x"


def test_cuts_all(proxy, echo):
    several = [connect(proxy) for _ in range(3)]
    for s in several:
        s.sendall(b"a")
        assert heard(s, 1) == b"a"
    proxy.cut()
    for s in several:
        with pytest.raises(ConnectionResetError):
            s.recv(1)
    until(lambda: len(echo.ended) == 3)


def test_swallows(proxy, echo):
    old = connect(proxy)
    old.sendall(b"a")
    assert heard(old, 1) == b"a"
    proxy.swallowing = True
    new = connect(proxy)
    for s in (old, new):
        s.sendall(b"b")
        assert silent(s)
    assert echo.got == b"a"
    proxy.swallowing = False
    old.sendall(b"c")
    assert heard(old, 1) == b"c"


def test_freezes_and_thaws(proxy):
    s = connect(proxy)
    s.sendall(b"a")
    assert heard(s, 1) == b"a"
    proxy.frozen = True
    s.sendall(b"b")
    assert silent(s)
    proxy.frozen = False
    assert heard(s, 1) == b"b"


def test_refuses(proxy):
    proxy.refusing = True
    with pytest.raises(ConnectionResetError):
        connect(proxy).recv(1)


def test_half_closes(proxy, echo):
    s = connect(proxy)
    s.sendall(b"a")
    assert heard(s, 1) == b"a"
    proxy.half_close()
    assert s.recv(1) == b""
    s.sendall(b"b")
    until(lambda: echo.got == b"ab")


def test_delays_and_throttles(proxy):
    proxy.delay = 0.1
    s, began = connect(proxy), time.monotonic()
    s.sendall(b"a")
    assert heard(s, 1) == b"a" and time.monotonic() - began >= 0.2
    proxy.delay, proxy.rate, began = 0, 1000, time.monotonic()
    s.sendall(b"a" * 200)
    assert heard(s, 200) == b"a" * 200 and time.monotonic() - began >= 0.4


# --- transactions ---

@pytest.fixture
def wire(postgres):
    with Proxy((postgres.env["PGHOST"], postgres.env["PGPORT"]), postgres=True) as made:
        yield made


@pytest.fixture
def table(migrated):
    migrated.sql("create table cut (n int)")
    return migrated


@pytest.fixture
def pgbench(table, wire, tmp_path):
    """Runs one statement without a name, in a pipeline: like us it sends the Sync in the same breath."""
    script = tmp_path / "script"
    script.write_text("\\startpipeline\ninsert into cut values (1);\n\\endpipeline\n")

    def run():
        return subprocess.run(["/usr/lib/postgresql/15/bin/pgbench", "-n", "-M", "extended", "-t", "1", "-f", script],
                              env={**table.env, "PGPORT": str(wire.port), "PATH": os.environ["PATH"]}, capture_output=True, text=True)
    return run


def test_a_transaction_passes(pgbench, table, wire):
    assert wire.postgres and pgbench().returncode == 0 and table.one("select count(*) from cut") == 1


@pytest.mark.parametrize("where, committed", [(BEFORE, 0), (AFTER, 1), (REPLIED, 1)])
def test_cuts_a_commit(pgbench, table, wire, where, committed):
    fault = wire.arm(Commit("", where))
    done = pgbench()
    assert done.returncode != 0 and fault.fired.wait(10)  # the client may have gone before the proxy says so
    until(lambda: not table.one("select count(*) from pg_stat_activity where datname = current_database() and application_name = 'pgbench'"))
    assert table.one("select count(*) from cut") == committed
    assert pgbench().returncode == 0


def test_holds_the_answer_to_a_commit(pgbench, table, wire):
    fault, done = wire.arm(Commit("", AFTER, hold=True)), []
    waiting = threading.Thread(target=lambda: done.append(pgbench().returncode))
    waiting.start()
    until(lambda: table.one("select count(*) from cut") == 1)
    assert fault.fired.wait(10) and not done
    fault.released.set()
    waiting.join()
    assert done == [0] and pgbench().returncode == 0


@needs_root
def test_a_client_vanishes(pgbench, table, wire):
    """The server is left with a transaction that nobody will end, and knows nothing of it."""
    wire.arm(Commit("", BEFORE, vanish=True))
    assert pgbench().returncode != 0
    left = "select pid from pg_stat_activity where application_name = 'pgbench'"
    pid = until(lambda: table.sql(left))[0][0]
    until(lambda: table.one("select count(*) from pg_locks where pid = %s and mode = 'RowExclusiveLock'", pid) == 1, what="what has arrived to be done")
    assert table.sql(left) == [(pid,)]
    table.sql("select pg_terminate_backend(%s)", pid)
    until(lambda: not table.sql(left))


# --- another network ---

@needs_root
def test_an_island_loses_packets(table, migrated):
    island, env = Island(), migrated.env
    try:
        island.proxy(env["PGPORT"])
        ask = [*island.wrap, "psql", "-Atc", "select 1"]

        def answer(seconds):
            return subprocess.run(ask, env={**env, "PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=seconds).stdout
        assert answer(10) == "1\n"
        island.drop(env["PGPORT"])
        with pytest.raises(subprocess.TimeoutExpired):
            answer(1)
        island.mend()
        assert answer(10) == "1\n"
    finally:
        island.close()


def test_libpq_says_that_a_connection_was_cut(table, wire):
    env = table.env
    connection = psycopg2.connect(host=env["PGHOST"], port=wire.port, user=env["PGUSER"], password=env["PGPASSWORD"], dbname=env["PGDATABASE"])
    wire.cut()
    with pytest.raises(psycopg2.OperationalError):
        connection.cursor().execute("select 1")
