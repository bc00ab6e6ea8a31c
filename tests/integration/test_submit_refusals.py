"""What heimdex-submit refuses, and how: one line that says what, where and why, and the right exit code."""
import json
import re
import subprocess

import psycopg2
import pytest

from support.binaries import clean_env
from support.submission import Submit, ndjson, submit  # noqa: F401


@pytest.mark.quick
@pytest.mark.parametrize("args, says", [
    ([], "TYPE"),
    (["a", "b"], "b: "),
    (["a b"], "TYPE: a b: must be 1 to 100 bytes of printable text without spaces"),
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
    (["t", "--wait=soon"], '--wait: soon: must be a duration such as "30s", 0 to 36500d\n'),
    (["t", "--wait="], "--wait: : must be a duration"),
    (["t", "--wait", "36501d"], "--wait: 36501d: must be a duration"),
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


@pytest.mark.parametrize("limit", range(5, 13))
def test_descriptors_run_out(binaries, env, limit):
    """Wherever it is that none is left."""
    done = subprocess.run(["/bin/sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", binaries.path("heimdex-submit"), "t"], env=clean_env(env),
                          capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        assert done.stderr.endswith(": Too many open files\n") and done.stderr.count("\n") == 1 and done.stdout == ""
        assert done.stderr.startswith("heimdex-submit: ") and "kafka.properties" not in done.stderr


def test_the_limit_of_a_payload_is_configured(submit):
    submit("t", "--payload", "[1,2]", HEIMDEX_JOBS_MAX_PAYLOAD="5")
    submit("t", "--payload", "[1,22]", fails=65, HEIMDEX_JOBS_MAX_PAYLOAD="5")
    assert "line 2: payload: 6 bytes" in submit("--batch", "-", input=ndjson([{"type": "t"}]) + '{"type":"t","payload":[1,22]}\n', fails=65,
                                                HEIMDEX_JOBS_MAX_PAYLOAD="5").stderr


LIMITS = [  # member, flag, the last that is taken, the first that isn't, its complaint
    ("type", None, "x" * 100, "x" * 101, "must be 1 to 100 bytes of printable text without spaces"),
    ("type", None, "ü" * 50, "ü" * 51, "must be 1 to 100 bytes of printable text without spaces"),
    ("type", None, "größe", "a\u007fb", "must be 1 to 100 bytes of printable text without spaces"),
    ("idempotency_key", "--key", "k" * 255, "k" * 256, "must be 1 to 255 characters of UTF-8 text"),
    ("idempotency_key", "--key", "€" * 255, "€" * 256, "must be 1 to 255 characters of UTF-8 text"),
    ("requested_by", "--requested-by", "ü" * 255, "", "must be 1 to 255 characters of UTF-8 text"),
    ("payload", "--payload", f'"{"x" * 1048574}"', f'"{"x" * 1048575}"', "1048577 bytes, over the limit of 1M ("),
    ("payload", "--payload", "[" * 64 + "]" * 64, '{"a":' * 64 + "[]" + "}" * 64, "nesting deeper than 64"),
]


@pytest.mark.quick
@pytest.mark.parametrize("member, flag, good, bad, complaint", LIMITS, ids=[f"{row[0]}-{n}" for n, row in enumerate(LIMITS)])
def test_limits_are_the_same_everywhere(submit, migrated, tmp_path, member, flag, good, bad, complaint):
    """On the command line, in a batch, and in SQL."""
    def line(value):
        payload = value if member == "payload" else "{}"
        job = {"type": "t"} if member == "payload" else {"type": "t", member: value}
        return json.dumps(job)[:-1] + f', "payload": {payload}}}\n'

    def args(value):
        (tmp_path / "payload").write_text(value)
        return [value] if member == "type" else ["t", flag, f"@{tmp_path}/payload" if member == "payload" else value]

    def sql(value):
        if member == "type":
            return "select heimdex_submit(%s)::text", value
        cast = "::jsonb" if member == "payload" else ""
        return f"select heimdex_submit('t', {member} => %s{cast})::text", value

    ids = [submit(*args(good)).stdout.strip(), submit("--batch", "-", input=line(good)).stdout.strip(), migrated.one(*sql(good))]
    assert len(set(ids)) == (1 if member == "idempotency_key" else 3)
    said = [submit(*args(bad), fails=65 if member == "payload" else 64).stderr,
            submit("--batch", "-", input=line(bad), fails=65).stderr]
    with pytest.raises(psycopg2.errors.InvalidParameterValue) as refused:
        migrated.sql(*sql(bad))
    said.append(str(refused.value))
    assert [complaint in text for text in said] == [True] * 3, said
    assert re.search(f"{member}: (byte [0-9]+: )?{re.escape(complaint)}", said[1]) and f"{member}: {complaint}" in said[2]


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
