"""heimdex-submit when PostgreSQL, Kafka or whoever reads its output is not as it should be."""
import os
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.submission import Submit, close_with, ids_of, ndjson, proxy, silent, submit  # noqa: F401
from support.wait import until, within


# --- PostgreSQL is not as it should be -------------------------------------------------------------------------------

@pytest.mark.quick
def test_postgresql_refuses_connections(binaries):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and doesn't listen
        port = nobody.getsockname()[1]
        done = within(2, lambda: Submit(binaries, {})("t", fails=69, PGHOST="127.0.0.1", PGPORT=port))
    assert f"PostgreSQL: 127.0.0.1:{port}: " in done.stderr
    assert done.stdout == ""


def test_postgresql_is_frozen(binaries, silent):
    def attempt(args):
        return Submit(binaries, {})(*args, fails=69, input='{"type":"t"}\n', PGHOST="127.0.0.1", PGPORT=silent, HEIMDEX_POSTGRES_TIMEOUT="4s")

    with ThreadPoolExecutor(2) as pool:  # both wait the whole time
        for done in pool.map(lambda args: within(4, lambda: attempt(args)), (["t"], ["--batch", "-"])):
            assert done.stdout == ""


def test_postgresql_freezes_in_the_middle(submit, migrated, proxy):
    def prepare():
        proxy.cut()
        process = submit.start("--batch", "-", env={"PGHOST": "127.0.0.1", "PGPORT": proxy.port, "HEIMDEX_POSTGRES_TIMEOUT": "2s"})
        process.stdin.write(b'{"type":"t"}\n')
        process.stdin.flush()
        first = process.stdout.readline().decode().strip()
        assert migrated.sql("select 1 from job where id = %s", first) == [(1,)]
        proxy.swallowing.set()
        return process

    def freeze(process):
        process.stdin.write(b'{"type":"t"}\n')
        out, err, code = close_with(process)
        assert code == 69 and out == "" and "no answer" in err

    within(2.1, freeze, prepare)


def test_wrong_password(submit, migrated):
    if not migrated.env.get("PGPASSWORD"):
        pytest.skip("this server asks for none")
    done = submit("t", fails=77, PGPASSWORD="wrong-password")
    assert "wrong-password" not in done.stderr and done.stdout == ""


def test_no_schema(binaries, database):
    done = Submit(binaries, database.env)("t", fails=78)
    assert "heimdex-migrate upgrade head" in done.stderr and done.stdout == ""


def test_no_database(binaries, database):
    assert "nowhere" in Submit(binaries, database.env)("t", fails=69, PGDATABASE="nowhere").stderr


# --- Kafka is away ---------------------------------------------------------------------------------------------------

@pytest.mark.quick
@pytest.mark.parametrize("frozen", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("batch", [pytest.param(False, marks=pytest.mark.slow), True])
def test_kafka_is_away(submit, migrated, silent, frozen, batch):
    brokers = f"127.0.0.1:{silent if frozen else 1}"
    all_ids = []

    def attempt():
        all_ids.extend(submit.batch([{"type": "t"}] * 2500, KAFKA_BROKERS=brokers) if batch else [submit.id("t", KAFKA_BROKERS=brokers)])

    within(2.0 + (0.5 if batch else 0), attempt)
    announced = migrated.sql("select ids::text[] from outbox where kind = 'announce'")
    assert sorted(i for some, in announced for i in some) == all_ids


def test_kafka_is_away_for_a_long_stream(submit, migrated):
    """The client's queue doesn't fill up with what the relay has taken over, and nobody waits."""
    seen = []

    def longest_wait():
        process = submit.start("--batch", "-", env={"KAFKA_BROKERS": "127.0.0.1:1"})
        began, waits = time.monotonic(), []
        while time.monotonic() - began < 2.5:
            started = time.monotonic()
            process.stdin.write(b'{"type":"t"}\n' * 50)
            process.stdin.flush()
            seen.extend(process.stdout.readline().decode().strip() for _ in range(50))
            waits.append(time.monotonic() - started)
        out, err, code = close_with(process)
        assert code == 0 and out == "" and "Kafka" in err
        return max(waits)

    assert any(longest_wait() < 1 for _ in range(4))  # one that the product makes comes every time
    assert migrated.one("select count(*) from job") == len(set(seen)) == len(seen)


# --- connections break -----------------------------------------------------------------------------------------------

@pytest.mark.asan
@pytest.mark.parametrize("key", [None, "k"])
def test_the_answer_to_a_commit_is_lost(submit, migrated, proxy, key):
    """The job is there, its id wasn't printed: the same batch again finds it, and makes no second one."""
    proxy.swallow_after = 1500
    process = submit.start("--batch", "-", env={"PGHOST": "127.0.0.1", "PGPORT": proxy.port})
    job = {"type": "t", "payload": "x" * 2000, **({"idempotency_key": key} if key else {})}
    process.stdin.write(ndjson([job]).encode())
    process.stdin.flush()
    until(lambda: migrated.one("select count(*) from job") == 1)
    assert proxy.swallowing.is_set()
    proxy.cut()
    out, err, code = close_with(process)
    assert code == 0, err
    assert migrated.sql("select id::text from job") == [(out.strip(),)]
    assert migrated.one("select count(*) from job_event") == 1
    assert proxy.connections == 2


def test_sessions_are_terminated_again_and_again(submit, migrated):
    total, seen = 20000, []
    process = submit.start("--batch", "-")
    writer = threading.Thread(target=lambda: (process.stdin.write(ndjson({"type": "t", "payload": i} for i in range(total)).encode()),
                                              process.stdin.close()))
    writer.start()
    with migrated.connect(autocommit=True, admin=True) as admin:
        for line in process.stdout:
            seen.append(line.decode().strip())
            if len(seen) % 4000 == 500:
                admin.cursor().execute("""select pg_terminate_backend(pid) from pg_stat_activity
                                           where application_name = 'heimdex-submit' and datname = current_database()""")
    writer.join()
    assert process.wait(30) == 0, process.stderr.read()
    rows = migrated.sql("select id::text, payload from job order by payload")
    assert [p for _, p in rows] == list(range(total))
    assert [i for i, _ in rows] == seen


# --- standard output -------------------------------------------------------------------------------------------------

def test_nobody_reads_any_more(submit, migrated, tmp_path):
    (tmp_path / "jobs").write_text(ndjson([{"type": "t"}]) * 60000)
    process = submit.start("--batch", tmp_path / "jobs")
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) not in (0, None)
    assert "standard output: Broken pipe" in process.stderr.read().decode()
    assert migrated.one("select count(*) from job") < 60000


def test_a_reader_that_takes_its_time(submit, migrated):
    process = submit.start("--batch", "-", env={"HEIMDEX_POSTGRES_TIMEOUT": "3s"})
    threading.Thread(target=lambda: (process.stdin.write(b'{"type":"t"}\n' * 10000), process.stdin.close())).start()
    until(lambda: migrated.one("select count(*) from job") == 10000)
    taken = time.monotonic() + 3.5  # longer than PostgreSQL may take
    until(lambda: time.monotonic() > taken)
    out = process.stdout.read().decode()
    assert process.wait(30) == 0
    assert len(set(ids_of(out))) == 10000


@pytest.mark.parametrize("fd, args, fails, says", [(1, ["t"], 69, "standard output: Bad file"), (0, ["--batch", "-"], 65, "standard input: Bad file"),
                                                  (0, ["t", "--payload", "-"], 65, "standard input: Bad file")])
def test_closed_descriptors(submit, fd, args, fails, says):
    process = submit.start(*args, stdin=subprocess.DEVNULL, preexec_fn=lambda: os.close(fd))
    _, err = process.communicate(timeout=30)
    assert process.returncode == fails and says in err.decode()


def test_a_full_disk(submit):
    with open("/dev/full", "w") as full:
        process = submit.start("t", stdout=full)
        assert process.wait(30) not in (0, None)
        assert "standard output: No space left" in process.stderr.read().decode()
