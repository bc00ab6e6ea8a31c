"""heimdex-submit from outside: what it takes, what it refuses and how, what is in the ledger and in Kafka afterwards, and what it does
when one of them is away. No fleet runs here."""
import json
import os
import pty
import socket
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.wait import until

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
def submit(request, binaries, env):
    """Tests that don't read topics share some: making one takes Kafka a second."""
    shared = {} if "records" in request.fixturenames else {"HEIMDEX_KAFKA_TOPIC_PREFIX": "submit"}
    return Submit(binaries, {**env, **shared})


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
            threading.Thread(target=self.pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, False), daemon=True).start()

    def pump(self, source, target, from_client):
        total = 0
        try:
            while data := source.recv(65536):
                total += len(data)
                if from_client and self.swallow_after is not None and total > self.swallow_after:
                    self.swallowing.set()
                if from_client or not self.swallowing.is_set():
                    target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        pairs, self.pairs = self.pairs, []
        self.swallow_after = None
        for pair in pairs:
            for one in pair:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.swallowing.clear()


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


# --- one job ---------------------------------------------------------------------------------------------------------

@pytest.mark.quick
@pytest.mark.asan
def test_one_job(submit, migrated, records):
    job = submit.id("thumbnail", "--payload", '{"n":1}')
    row, = migrated.sql("select type, status::text, payload, priority, org_id::text, attempt, idempotency_key, run_at from job where id = %s", job)
    assert row == ("thumbnail", "queued", {"n": 1}, 0, "00000000-0000-0000-0000-000000000000", 0, None, None)
    assert migrated.sql("select prev_status, next_status::text from job_event where job_id = %s", job) == [(None, "queued")]
    assert records() == [("thumbnail", [job])]
    assert migrated.sql("select * from outbox") == []
    assert migrated.sql("select * from waiting") == []


@pytest.mark.quick
def test_every_option(submit, migrated, records):
    job = submit.id("thumbnail", "--payload", "[1]", "--org", ORG, "--priority", "-7", "--key", "k", "--requested-by", "me",
                    "--max-attempts", "3", "--timeout", "90s", "--at", "2037-01-02T03:04:05+01:00", TRACEPARENT=TRACEPARENT)
    row, = migrated.sql("""select payload, org_id::text, priority, idempotency_key, requested_by, max_attempts, timeout_ms,
                                  extract(epoch from run_at)::bigint, traceparent from job where id = %s""", job)
    assert row == ([1], ORG, -7, "k", "me", 3, 90000, 2114474645, TRACEPARENT)
    assert migrated.sql("select reason from waiting where job_id = %s", job) == [("delayed",)]
    assert migrated.sql("select * from outbox") == []


def test_a_delayed_job_is_not_announced(submit, migrated, records):
    job = submit.id("t", "--delay", "1h")
    now = submit.id("t", "--delay", "0")
    assert records() == [("t", [now])]
    assert migrated.one("select run_at - now() between interval '59 min' and interval '61 min' from job where id = %s", job)
    assert migrated.one("select run_at from job where id = %s", now) is None


def test_priority_has_its_own_topic(submit, records):
    high, low = submit.id("t", "--priority", "1"), submit.id("t", "--priority", "-1")
    assert records() == [("t", [low])]
    assert records(high=True) == [("t", [high])]


def test_a_registered_type_travels_in_its_queue(submit, migrated, records):
    migrated.sql("insert into job_type (type, queue, announce) values ('movie', 'media', 3)")
    ids = submit.batch([{"type": "movie"}] * 8)
    found = records("media")
    assert sorted(len(ids) for _, ids in found) == [2, 3, 3]
    assert sorted(i for _, some in found for i in some) == ids


@pytest.mark.parametrize("given", [" {\"a\": [1, 2]}\n", '"text"', "null", "-0.5e3"])
def test_payload_from_a_file_and_from_stdin(submit, migrated, tmp_path, given):
    (tmp_path / "payload").write_text(given)
    for job in (submit.id("t", "--payload", f"@{tmp_path}/payload"), submit.id("t", "--payload", "-", input=given),
                submit.id("t", "--payload", given)):
        assert json.loads(migrated.one("select payload::text from job where id = %s", job)) == json.loads(given)


def test_a_payload_that_was_not_given(submit, migrated):
    assert migrated.one("select payload from job where id = %s", submit.id("t")) == {}


def test_a_traceparent_that_is_none_is_ignored(submit, migrated):
    assert migrated.one("select traceparent from job where id = %s", submit.id("t", TRACEPARENT="rubbish")) is None


@pytest.mark.quick
def test_json(submit):
    first = json.loads(submit("t", "--key", "k", "--json").stdout)
    again = json.loads(submit("t", "--key", "k", "--json").stdout)
    assert first == {"id": first["id"], "created": True, "status": "queued"}
    assert again == {"id": first["id"], "created": False, "status": None}


# --- idempotency -----------------------------------------------------------------------------------------------------

@pytest.mark.quick
def test_one_key_one_job(submit, migrated):
    first = submit.id("t", "--key", "k")
    assert submit.id("t", "--key", "k") == first
    assert submit.id("other", "--key", "k", "--payload", "1") == first
    assert submit.id("t", "--key", "k", "--org", ORG) != first
    assert migrated.one("select count(*) from job") == 2
    assert migrated.one("select count(*) from job_event") == 2


@pytest.mark.asan
def test_keys_within_and_across_batches(submit, migrated, records):
    jobs = [{"type": "t", "idempotency_key": f"k{i % 1500}", "payload": i} for i in range(4000)]
    ids = submit.batch(jobs)
    assert ids[1500:3000] == ids[:1500] and ids[3000:] == ids[:1000]
    assert ids[:1500] == sorted(set(ids))
    assert submit.batch(jobs) == ids
    assert migrated.sql("select id::text, payload from job order by id") == [(ids[i], i) for i in range(1500)]
    assert sorted(i for _, some in records() for i in some) == ids[:1500]
    assert migrated.sql("select * from outbox") == []


def test_many_submitters_one_key(submit, migrated):
    with ThreadPoolExecutor(12) as pool:
        found = set(pool.map(lambda _: submit.id("t", "--key", "same"), range(12)))
    assert len(found) == 1
    assert migrated.one("select count(*) from job") == 1


def test_batches_that_race_for_the_same_keys(submit, migrated):
    jobs = [{"type": "t", "idempotency_key": f"k{i}"} for i in range(1500)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda turn: submit.batch(jobs if turn % 2 else jobs[::-1]), range(4)))
    for turn, ids in enumerate(results):
        assert (ids if turn % 2 else ids[::-1]) == results[1]
    assert migrated.one("select count(*) from job") == 1500


# --- what is refused -------------------------------------------------------------------------------------------------

@pytest.mark.quick
@pytest.mark.parametrize("args, says", [
    ([], "TYPE"),
    (["a", "b"], "b: "),
    (["a b"], "TYPE: a b: must be 1 to 100 printable"),
    (["x" * 101], "TYPE: "),
    ([""], "TYPE: "),
    (["t", "--frobnicate"], "--frobnicate: "),
    (["t", "--priority", "high"], "--priority: high: "),
    (["t", "--priority", "2147483648"], "--priority: 2147483648: "),
    (["t", "--org", "nobody"], "--org: nobody: must be a UUID"),
    (["t", "--key", ""], "--key: : "),
    (["t", "--key", "k" * 256], "--key: "),
    (["t", "--requested-by", "k" * 256], "--requested-by: "),
    (["t", "--delay", "5"], "--delay: 5: "),
    (["t", "--delay", "999999999999d"], "--delay: "),
    (["t", "--at", "tomorrow"], "--at: tomorrow: "),
    (["t", "--at", "2026-02-30T00:00:00Z"], "--at: "),
    (["t", "--at", "2037-01-01T00:00:00Z", "--delay", "5s"], "--delay, --at: "),
    (["t", "--max-attempts", "0"], "--max-attempts: 0: "),
    (["t", "--timeout", "0"], "--timeout: 0: "),
    (["t", "--timeout", "-5s"], "--timeout: -5s: "),
    (["t", "--wait=soon"], "--wait: soon: "),
    (["t", "--skip-bad"], "--skip-bad: "),
    (["t", "--batch", "-"], "t: "),
    (["--batch", "-", "--key", "k"], "--key: not with --batch"),
    (["--batch", "-", "--wait"], "--wait: not with --batch"),
    (["t", "--key"], "--key: needs a value"),
])
def test_usage(binaries, args, says):
    done = Submit(binaries, {})(*args, fails=64)
    assert done.stderr.startswith("heimdex-submit: " + says), done.stderr
    assert done.stdout == ""


@pytest.mark.quick
@pytest.mark.parametrize("payload, says", [
    (b"", "text ends"),
    (b"{", "text ends"),
    (b"{} {}", "more text"),
    (b'{"a":1,"a":2}', "duplicate key"),
    (b'"\xff\xfe"', "UTF-8"),
    (b'"a\x00b"', "0x00"),
    (b'{"a":1}\x00', "more text"),
    (rb'"\u0000"', "u0000"),
    (b"[" * 65 + b"]" * 65, "nesting deeper than 64"),
    (b"[" * 500000, "nesting deeper than 64"),
    (b"1e400", "out of range"),
    (b"-1e999999999999", "out of range"),
    (b'"' + b"x" * (1 << 20) + b'"', "over the limit of 1M (jobs.max_payload)"),
])
def test_bad_payloads(binaries, tmp_path, payload, says):
    (tmp_path / "payload").write_bytes(payload)
    done = Submit(binaries, {})("t", "--payload", f"@{tmp_path}/payload", fails=65)
    assert says in done.stderr and f"--payload: {tmp_path}/payload: " in done.stderr
    assert len(done.stderr) < 500
    assert done.stdout == ""


def test_the_limit_of_a_payload_is_configured(submit):
    submit("t", "--payload", "[1,2]", HEIMDEX_JOBS_MAX_PAYLOAD="5")
    submit("t", "--payload", "[1,22]", fails=65, HEIMDEX_JOBS_MAX_PAYLOAD="5")
    assert "line 2: payload: 6 bytes" in submit("--batch", "-", input=ndjson([{"type": "t"}]) + '{"type":"t","payload":[1,22]}\n', fails=65,
                                                HEIMDEX_JOBS_MAX_PAYLOAD="5").stderr


@pytest.mark.parametrize("args", [["t", "--payload", "@/nonexistent"], ["t", "--payload", "@/tmp"], ["--batch", "/nonexistent"],
                                  ["--batch", "/tmp"]])
def test_files_that_are_not_there(binaries, args):
    assert args[-1].lstrip("@") + ": " in Submit(binaries, {})(*args, fails=65).stderr


def test_bad_configuration(binaries, tmp_path):
    submit = Submit(binaries, {})
    assert "PGPORT" in submit("t", fails=78, PGPORT="99999").stderr or "99999" in submit("t", fails=78, PGPORT="99999").stderr
    assert "jobs.max_payload" in submit("t", fails=78, HEIMDEX_JOBS_MAX_PAYLOAD="lots").stderr
    assert "/nonexistent" in submit("t", "--config", "/nonexistent", fails=78).stderr
    assert "kafka.properties" in submit("t", fails=78, HEIMDEX_KAFKA_PROPERTIES="no.such.property=1").stderr


# --- PostgreSQL is not as it should be -------------------------------------------------------------------------------

@pytest.mark.quick
def test_postgresql_refuses_connections(binaries):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and doesn't listen
        port = nobody.getsockname()[1]
        started = time.monotonic()
        done = Submit(binaries, {})("t", fails=69, PGHOST="127.0.0.1", PGPORT=port)
    assert f"PostgreSQL: 127.0.0.1:{port}: " in done.stderr
    assert done.stdout == "" and time.monotonic() - started < 2


@pytest.mark.quick
@pytest.mark.parametrize("args", [["t"], ["--batch", "-"]])
def test_postgresql_is_frozen(binaries, silent, args):
    started = time.monotonic()
    done = Submit(binaries, {})(*args, fails=69, input='{"type":"t"}\n', PGHOST="127.0.0.1", PGPORT=silent, HEIMDEX_POSTGRES_TIMEOUT="2s")
    assert done.stdout == "" and time.monotonic() - started < 2


def test_postgresql_freezes_in_the_middle(submit, migrated, proxy):
    process = submit.start("--batch", "-", env={"PGHOST": "127.0.0.1", "PGPORT": proxy.port, "HEIMDEX_POSTGRES_TIMEOUT": "2s"})
    process.stdin.write(b'{"type":"t"}\n')
    process.stdin.flush()
    first = process.stdout.readline().decode()
    proxy.swallowing.set()
    started = time.monotonic()
    process.stdin.write(b'{"type":"t"}\n')
    out, err, code = close_with(process)
    assert code == 69 and out == "" and "no answer" in err
    assert time.monotonic() - started < 2.1
    assert migrated.sql("select 1 from job where id = %s", first.strip()) == [(1,)]


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
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("batch", [False, True])
def test_kafka_is_away(submit, migrated, silent, frozen, batch):
    brokers = f"127.0.0.1:{silent if frozen else 1}"
    started = time.monotonic()
    if batch:
        ids = submit.batch([{"type": "t"}] * 2500, KAFKA_BROKERS=brokers)
    else:
        ids = [submit.id("t", KAFKA_BROKERS=brokers)]
    assert time.monotonic() - started < 2.0 + (0.5 if batch else 0)
    announced = migrated.sql("select ids::text[] from outbox where kind = 'announce'")
    assert sorted(i for some, in announced for i in some) == ids


def test_kafka_is_away_for_a_long_stream(submit, migrated):
    """The client's queue doesn't fill up with what the relay has taken over, and nobody waits."""
    process = submit.start("--batch", "-", env={"KAFKA_BROKERS": "127.0.0.1:1"})
    seen = []
    until_ms = time.monotonic() + 2.5
    while time.monotonic() < until_ms:
        started = time.monotonic()
        process.stdin.write(b'{"type":"t"}\n' * 50)
        process.stdin.flush()
        seen += [process.stdout.readline().decode().strip() for _ in range(50)]
        assert time.monotonic() - started < 1
    out, err, code = close_with(process)
    assert code == 0 and out == "" and "Kafka" in err
    assert migrated.one("select count(*) from job") == len(set(seen)) == len(seen)


# --- batches ---------------------------------------------------------------------------------------------------------

@pytest.mark.quick
@pytest.mark.asan
@pytest.mark.parametrize("from_file", [False, True])
def test_a_batch(submit, migrated, records, tmp_path, from_file):
    jobs = [{"type": "even" if i % 2 == 0 else "odd", "payload": {"i": i}, "priority": i % 3} for i in range(2345)]
    if from_file:
        (tmp_path / "jobs").write_text(ndjson(jobs).rstrip("\n"))
        ids = ids_of(submit("--batch", tmp_path / "jobs").stdout)
    else:
        ids = submit.batch(jobs)
    assert ids == sorted(set(ids)) and len(ids) == len(jobs)
    rows = migrated.sql("select id::text, type, payload, priority from job order by id")
    assert rows == [(ids[i], jobs[i]["type"], jobs[i]["payload"], jobs[i]["priority"]) for i in range(len(jobs))]
    assert migrated.one("select count(*) from job_event where next_status = 'queued'") == len(jobs)
    low, high = records(), records(high=True)
    assert sorted(i for _, some in low for i in some) == ids[::3]
    assert sorted(i for _, some in low + high for i in some) == ids
    assert migrated.sql("select * from outbox") == []


def test_batch_members(submit, migrated):
    job, = submit.batch([{"type": "t", "payload": None, "org_id": ORG, "priority": 5, "idempotency_key": "kä\n", "requested_by": "me",
                          "run_at": "2037-01-01T00:00:00Z", "max_attempts": 2, "timeout": "1500ms"}], TRACEPARENT=TRACEPARENT)
    row, = migrated.sql("""select payload::text, org_id::text, priority, idempotency_key, requested_by, max_attempts, timeout_ms,
                                  extract(year from run_at at time zone 'UTC')::int, traceparent from job where id = %s""", job)
    assert row == ("{}", ORG, 5, "kä\n", "me", 2, 1500, 2037, TRACEPARENT)


def test_batch_as_json(submit):
    out = submit("--batch", "-", "--json", input=ndjson([{"type": "t", "idempotency_key": "k"}] * 2)).stdout
    first, second = map(json.loads, out.splitlines())
    assert first["created"] and not second["created"] and first["id"] == second["id"]


def test_an_empty_batch(submit):
    assert submit("--batch", "-", input="\n  \r\n").stdout == ""
    assert submit("--batch", "/dev/null").stdout == ""


@pytest.mark.quick
def test_a_pipe_is_not_held_back(submit):
    process = submit.start("--batch", "-")
    process.stdin.write(b'{"type":"t"}\n')
    process.stdin.flush()
    assert process.stdout.readline()  # connected by now
    took = []
    for n in (1, 3, 1, 7, 1, 50, 1, 1, 1, 1, 1):
        started = time.monotonic()
        process.stdin.write(b'{"type":"t"}\n' * n)
        process.stdin.flush()
        for _ in range(n):
            assert process.stdout.readline()
        took.append(time.monotonic() - started)
    assert sorted(took)[len(took) // 2] < 0.05, took
    process.stdin.write(b'{"type":"t"}')  # no end of line
    out, err, code = close_with(process)
    assert code == 0 and len(ids_of(out)) == 1


def test_an_idle_stream_leaves_nothing_to_the_relay(submit, migrated):
    process = submit.start("--batch", "-")
    process.stdin.write(b'{"type":"t"}\n')
    process.stdin.flush()
    assert process.stdout.readline()
    until(lambda: migrated.one("select count(*) from outbox") == 0, 5)
    assert migrated.one("select count(*) from pg_stat_activity where application_name = 'heimdex-submit' and datname = current_database()") == 1
    assert close_with(process) == ("", "", 0)


BAD_LINES = [
    "nonsense",
    "[]",
    '{"payload":1}',
    '{"type":"t","color":"red"}',
    '{"type":"t","type":"t"}',
    '{"type":"t","payload":{"a":1,"a":1}}',
    '{"type":"t","payload":"\\u0000"}',
    '{"type":"t","payload":' + "[" * 65 + "]" * 65 + "}",
    '{"type":"t","priority":"1"}',
    '{"type":"t","org_id":"x"}',
    '{"type":"t","run_at":"x"}',
    '{"type":"t","max_attempts":0}',
    '{"type":"t","timeout":5}',
    '{"type":"t","payload":"' + "x" * (1 << 20) + '"}',
    '{"type":"t","payload":"' + "x" * (2 << 20) + '"}',
    '{"type":"t',
    '{"type":"t"}}',
    '{"type":"\udcff"}',
]


@pytest.mark.parametrize("bad", BAD_LINES, ids=[b[:30] for b in BAD_LINES])
@pytest.mark.parametrize("skip", [False, True])
def test_bad_lines(submit, migrated, bad, skip):
    text = ('{"type":"t","payload":1}\n' * 3 + "\n" + bad + "\n" + '{"type":"t","payload":2}\n' * 2).encode(errors="surrogateescape")
    done = submit.binaries.submit("--batch", "-", *["--skip-bad"] * skip, input=text, env=submit.env, check=False)
    err = done.stderr.decode().splitlines()
    assert err[0].startswith("heimdex-submit: standard input: line 5: "), err
    assert done.returncode == (0 if skip else 65)
    assert len(ids_of(done.stdout.decode())) == (5 if skip else 3)
    assert migrated.one("select count(*) from job") == (5 if skip else 3)
    assert err[1:] == (["heimdex-submit: standard input: 1 bad line skipped"] if skip else [])


def test_unknown_keys_are_named(submit):
    assert 'line 1: unknown key "prioritiy", did you mean "priority"?' in submit("--batch", "-", input='{"type":"t","prioritiy":1}', fails=65).stderr


@pytest.mark.parametrize("skip", [False, True])
def test_the_database_refuses_a_job(submit, migrated, skip):
    """What none of our checks knows: the batch is halved until the line is found."""
    migrated.sql("alter table job add constraint no_devils check (payload <> '666')")
    jobs = [{"type": "t", "payload": i} for i in range(1, 1001)]
    done = submit.binaries.submit("--batch", "-", *["--skip-bad"] * skip, input=ndjson(jobs), env=submit.env, check=False)
    assert "line 666: 23514: " in done.stderr and "no_devils" in done.stderr
    assert done.returncode == (0 if skip else 65)
    kept = [i for i in range(1, 1001) if i != 666] if skip else list(range(1, 666))
    assert len(ids_of(done.stdout)) == len(kept)
    assert [p for p, in migrated.sql("select payload from job order by id")] == kept


def test_the_database_refuses_a_single_job(submit, migrated):
    migrated.sql("alter table job add constraint no_devils check (payload <> '666')")
    assert "23514" in submit("t", "--payload", "666", fails=65).stderr


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

@pytest.mark.quick
def test_nobody_reads_any_more(submit, migrated, tmp_path):
    (tmp_path / "jobs").write_text(ndjson([{"type": "t"}]) * 60000)
    process = submit.start("--batch", tmp_path / "jobs")
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) not in (0, None)
    assert "standard output: Broken pipe" in process.stderr.read().decode()
    assert migrated.one("select count(*) from job") < 60000


def test_a_reader_that_takes_its_time(submit, migrated):
    process = submit.start("--batch", "-", env={"HEIMDEX_POSTGRES_TIMEOUT": "1s"})
    threading.Thread(target=lambda: (process.stdin.write(b'{"type":"t"}\n' * 10000), process.stdin.close())).start()
    until(lambda: migrated.one("select count(*) from job") == 10000)
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


# --- progress --------------------------------------------------------------------------------------------------------

def on_terminal(submit, *args, **env):
    """What it writes to stderr when that is a terminal."""
    leader, follower = pty.openpty()
    process = submit.start(*args, stderr=follower, stdout=subprocess.DEVNULL, env={"TERM": "xterm", **env})
    process.stdin.close()
    os.close(follower)
    text = b""
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        if not data:
            break
        text += data
    os.close(leader)
    assert process.wait(30) == 0
    return text.decode()


def test_a_progress_bar_on_a_terminal_only(submit, tmp_path):
    (tmp_path / "jobs").write_text(ndjson([{"type": "t", "payload": "x" * 100}]) * 30000)
    text = on_terminal(submit, "--batch", tmp_path / "jobs")
    assert " jobs, " in text and "\033[32m" in text and text.endswith("\r\033[K")
    plain = on_terminal(submit, "--batch", tmp_path / "jobs", NO_COLOR="1")
    assert " jobs, " in plain and "\033[32m" not in plain
    assert on_terminal(submit, "--batch", tmp_path / "jobs", TERM="dumb") == ""
    assert submit("--batch", tmp_path / "jobs").stderr == ""


# --- waiting ---------------------------------------------------------------------------------------------------------

def end_job(database, job, status, detail=None, code=None, message=None):
    database.sql("""with done as (update job set status = %s, last_error_code = %s, last_error_message = %s, updated_at = clock_timestamp()
                                   where id = %s returning id, updated_at)
                    insert into job_event (job_id, ts, prev_status, next_status, detail_json)
                    select id, updated_at, 'running', %s, %s from done""",
                 status, code, message, job, status, json.dumps(detail) if detail else None)


@pytest.fixture
def waiting(submit, migrated):
    """Starts a submission that waits; (process, id)."""
    def start(*args):
        process = submit.start("t", *args)
        job = process.stdout.readline().decode().strip() if "--json" not in args else until(lambda: migrated.one("select id::text from job"))
        return process, job
    return start


@pytest.mark.quick
def test_wait_for_success(waiting, migrated):
    process, job = waiting("--wait")
    end_job(migrated, job, "running", {"stage": "x", "progress": 25})
    end_job(migrated, job, "succeeded", {"result": {"ok": True, "big": 12345678901234567890123, "text": "a  b"}})
    out, err, code = close_with(process)
    assert (out, err, code) == ('{"ok":true,"big":12345678901234567890123,"text":"a  b"}\n', "", 0) or \
        (json.loads(out) == {"ok": True, "big": 12345678901234567890123, "text": "a  b"} and err == "" and code == 0)
    assert migrated.sql("select * from outbox") == []


def test_wait_for_success_without_a_result(waiting, migrated):
    process, job = waiting("--wait", "30s")
    end_job(migrated, job, "succeeded")
    assert close_with(process) == ("", "", 0)


def test_wait_shows_stages_on_a_terminal(submit, migrated):
    def run_it():
        job = until(lambda: migrated.one("select id::text from job"))
        end_job(migrated, job, "running", {"stage": "transcribing", "progress": 25})
        return job

    def end_it():
        until(lambda: "transcribing" in shown[0])
        end_job(migrated, job, "succeeded")

    shown = [""]
    leader, follower = pty.openpty()
    process = submit.start("t", "--wait", stderr=follower, stdout=subprocess.DEVNULL, env={"TERM": "xterm", "NO_COLOR": "1"})
    os.close(follower)
    job = run_it()
    ender = threading.Thread(target=end_it)
    ender.start()
    while True:
        try:
            shown[0] += os.read(leader, 65536).decode()
        except OSError:
            break
    ender.join()
    os.close(leader)
    assert process.wait(30) == 0
    assert "running: transcribing" in shown[0] and " 25 % " in shown[0] and shown[0].endswith("\r\033[K")


@pytest.mark.parametrize("status", ["dead_letter", "canceled"])
def test_wait_for_failure(waiting, migrated, status):
    process, job = waiting("--wait")
    end_job(migrated, job, "failed", {}, "first", "try")  # waits for its retry
    end_job(migrated, job, status, {}, "mock_error", "it\nbroke")
    out, err, code = close_with(process)
    assert out == "" and code == 1
    assert err.startswith(f"heimdex-submit: job {job}: {status}: mock_error: it") and len(err.splitlines()) == 1


@pytest.mark.quick
def test_wait_no_longer_than(waiting):
    process, job = waiting("--wait=300ms")
    out, err, code = close_with(process)
    assert (out, code) == ("", 1)
    assert err == f"heimdex-submit: job {job}: still queued after 300ms\n"


def test_wait_as_json(waiting, migrated):
    process, job = waiting("--wait", "--json")
    end_job(migrated, job, "succeeded", {"result": [1]})
    out, _, code = close_with(process)
    assert json.loads(out) == {"id": job, "created": True, "status": "succeeded", "result": [1], "error": None} and code == 0


def test_wait_as_json_for_failure(waiting, migrated):
    process, job = waiting("--wait", "--json")
    end_job(migrated, job, "dead_letter", {}, "c", "m")
    out, _, code = close_with(process)
    assert json.loads(out)["error"] == {"code": "c", "message": "m"} and code == 1


def test_wait_survives_a_lost_connection(submit, migrated, proxy):
    process = submit.start("t", "--wait", env={"PGHOST": "127.0.0.1", "PGPORT": proxy.port})
    job = process.stdout.readline().decode().strip()
    proxy.cut()
    until(lambda: proxy.connections >= 2)
    end_job(migrated, job, "succeeded", {"result": 1})
    assert close_with(process) == ("1\n", "", 0)


# --- the rest --------------------------------------------------------------------------------------------------------

@pytest.mark.quick
def test_common_options(binaries):
    submit = Submit(binaries, {})
    assert "Usage: heimdex-submit TYPE" in submit("--help").stdout
    assert submit("--version").stdout.startswith("heimdex-submit ")
    assert "jobs.max_payload" in submit("--show-config").stdout
    submit("--check-config")
