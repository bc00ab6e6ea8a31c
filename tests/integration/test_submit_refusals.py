"""What heimdex-submit refuses, and how: one line that says what, where and why, and the right exit code."""
import pytest

from support.submission import Submit, ndjson, submit  # noqa: F401


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
