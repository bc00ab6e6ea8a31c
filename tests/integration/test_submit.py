"""heimdex-submit from outside: what it takes, and what is in the ledger and in Kafka afterwards. No fleet runs here."""
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.submission import ORG, TRACEPARENT, Submit, close_with, ids_of, ndjson, records, submit  # noqa: F401
from support.wait import until


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


def test_a_registered_type_travels_in_its_queue(submit, migrated, records, kafka, prefix):
    kafka.have_topics(f"{prefix}.jobs.media")
    migrated.sql("insert into job_type (type, queue, announce) values ('movie', 'media', 3)")
    ids = submit.batch([{"type": "movie"}] * 8)
    found = records("media")
    assert sorted(len(ids) for _, ids in found) == [2, 3, 3]
    assert sorted(i for _, some in found for i in some) == ids


def test_a_topic_that_is_not_there_yet(submit, migrated, records):
    """It is made; while Kafka takes too long for that, the announcement stays where the relay finds it."""
    migrated.sql("insert into job_type (type, queue) values ('first', 'untouched')")
    job = submit.id("first")
    left = migrated.sql("select ids::text[] from outbox where kind = 'announce'")
    assert left == [([job],)] or left == [] and records("untouched") == [("first", [job])]


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
    with ThreadPoolExecutor(100) as pool:
        found = set(pool.map(lambda _: submit.id("t", "--key", "same"), range(100)))
    assert len(found) == 1
    assert migrated.one("select count(*) from job") == 1


def test_batches_that_race_for_the_same_keys(submit, migrated):
    jobs = [{"type": "t", "idempotency_key": f"k{i}"} for i in range(1500)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda turn: submit.batch(jobs if turn % 2 else jobs[::-1]), range(4)))
    for turn, ids in enumerate(results):
        assert (ids if turn % 2 else ids[::-1]) == results[1]
    assert migrated.one("select count(*) from job") == 1500


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
    until(lambda: migrated.one("select count(*) from outbox") == 0)
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


# --- the rest --------------------------------------------------------------------------------------------------------

@pytest.mark.quick
def test_common_options(binaries):
    submit = Submit(binaries, {})
    assert "Usage: heimdex-submit TYPE" in submit("--help").stdout
    assert submit("--version").stdout.startswith("heimdex-submit ")
    assert "jobs.max_payload" in submit("--show-config").stdout
    submit("--check-config")
