"""heimdex-submit --wait, and what it shows on a terminal meanwhile."""
import json
import os
import pty
import subprocess
import threading

import pytest

from support.submission import close_with, ndjson, proxy, submit  # noqa: F401
from support.wait import until


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
