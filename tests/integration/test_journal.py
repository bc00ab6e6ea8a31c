"""What the journal is told: the catalog, one job's story across processes, and that nobody waits for it."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.handlers import sh
from support.journal import journal  # noqa: F401
from support.wait import until

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = [pytest.mark.quick]


def events():
    """(name, id) of the table."""
    return re.findall(r'\{ "([^"]+)",\s*"([0-9a-f]{32})",', (ROOT / "common/log_event.c").read_text())


def test_the_catalog_is_taken(tmp_path):
    """By journalctl itself, each entry whole: with a subject, and a command or an answer."""
    if not shutil.which("journalctl"):
        pytest.skip("no journalctl here")
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "systemd/heimdex.catalog", folder)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    said = subprocess.run(["journalctl", f"--root={tmp_path}", "--update-catalog"], capture_output=True, text=True)
    assert said.returncode == 0 and "heimdex.catalog" not in said.stderr, said.stderr
    listed = subprocess.run(["journalctl", f"--root={tmp_path}", "--list-catalog"], capture_output=True, text=True, check=True).stdout
    assert sorted(line.split()[0] for line in listed.splitlines()) == sorted(id for _, id in events())
    assert all(line.split()[1] == "Heimdex:" for line in listed.splitlines())


def test_every_event_is_logged_somewhere():
    sources = "".join(path.read_text() for folder in ("common", "lib", "supervisor", "worker", "scheduler") for path in ROOT.glob(f"{folder}/**/*.c")
                      if path.name != "log_event.c")
    assert len(events()) > 30
    assert [name for name, _ in events() if f'"{name}"' not in sources] == []


def test_one_jobs_story(journal, fleet, jobs):
    one = fleet(workers=1, wrap=journal.wrap, log={"format": "journal"}, handlers=[
        sh("talks", "echo to stdout; echo to stderr >&2; echo '{\"stage\":\"on\"}'; exit 65", max_attempts=1)])
    done = subprocess.run([*journal.wrap, jobs.binaries.path("heimdex-submit"), "talks", "--requested-by", "me"], env={**jobs.env, "PATH": "/usr/bin:/bin"},
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    id = done.stdout.strip()
    jobs.wait(id, "dead_letter")

    def told(program):
        return [e["HEIMDEX_EVENT"] for e in journal.of(HEIMDEX_JOB_ID=id, SYSLOG_IDENTIFIER=program)]
    until(lambda: "job.dead_letter" in told("heimdex-worker"), 20, "its end is told")
    assert told("heimdex-submit") == ["job.submitted"]
    first, *output, end = told("heimdex-worker")
    assert (first, sorted(output), end) == ("job.claimed", ["handler.stderr", "handler.stdout", "job.started"], "job.dead_letter")
    story = journal.of(HEIMDEX_JOB_ID=id, SYSLOG_IDENTIFIER="heimdex-worker")
    of = {e["HEIMDEX_EVENT"]: e for e in journal.of(HEIMDEX_JOB_ID=id)}
    assert of["job.submitted"]["MESSAGE"] == "submitted by me"
    assert of["job.claimed"]["HEIMDEX_TOPIC"].endswith(".jobs.default") and int(of["job.claimed"]["HEIMDEX_OFFSET"]) >= 0
    assert (of["handler.stdout"]["MESSAGE"], of["handler.stderr"]["MESSAGE"]) == ("to stdout", "to stderr")
    for entry in story:
        assert (entry["HEIMDEX_JOB_TYPE"], entry["HEIMDEX_ATTEMPT"], entry["HEIMDEX_FENCE"]) == ("talks", "1", "1")
        assert entry["HEIMDEX_TRACE_ID"] == id.replace("-", "") and entry["HEIMDEX_WORKER"].endswith("/0")
    end = of["job.dead_letter"]
    assert (end["PRIORITY"], end["HEIMDEX_ERROR_CODE"], end["MESSAGE_ID"]) == ("4", "exit_65", dict(events())["job.dead_letter"])
    assert journal.of(HEIMDEX_EVENT="ready", SYSLOG_IDENTIFIER="heimdex-supervisor")[0]["MESSAGE_ID"] == dict(events())["ready"]
    one.stop()
    until(lambda: journal.of(HEIMDEX_EVENT="stopped"), 10, "the last line")
    assert one.log() == "" and all("HEIMDEX_WORKER" in e for e in journal.entries if e["SYSLOG_IDENTIFIER"] == "heimdex-worker")
    assert [e["HEIMDEX_EVENT"] for e in journal.entries if "MESSAGE_ID" in e and e["MESSAGE_ID"] != dict(events())[e["HEIMDEX_EVENT"]]] == []


def test_builtins_are_told_as_long_as_they_are_few(fleet, jobs):
    """Ten thousand a second would drown the rest; but of a job that was begun with, all is told."""
    one = fleet(workers=1)
    ids = jobs.batch([{"type": "mock_process"}] * 1000)
    jobs.wait(ids, "succeeded")  # within 30 s: at most 50 and 5 a second
    assert one.stop() == 0  # what the worker logs comes by the supervisor: now all of it is there

    def told(event):
        return [e["job_id"] for e in one.events(event)]
    assert 50 <= len(told("job.claimed")) < 1000 and set(told("job.claimed")) <= set(ids)
    assert sorted(told("job.ended")) == sorted(told("job.claimed"))
    fleet.check.update(acks=ids, finished=True)


def test_a_busy_journal_loses_nothing(journal, fleet, jobs):
    """It comes to its socket when the run is over: what the program printed and how it ended waited in the worker, far more than the socket takes."""
    fleet(workers=1, wrap=journal.wrap, log={"format": "journal"}, handlers=[
        sh("talks", "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; echo '{\"result\":1}'")])
    journal.reading.clear()
    id = jobs.submit("talks")
    jobs.wait(id, "succeeded")
    journal.reading.set()
    until(lambda: journal.of(HEIMDEX_JOB_ID=id, HEIMDEX_EVENT="job.ended"), 20, "its end is told")
    story = journal.of(HEIMDEX_JOB_ID=id, SYSLOG_IDENTIFIER="heimdex-worker")
    assert [e["MESSAGE"] for e in story if e["HEIMDEX_EVENT"] == "handler.stdout"] == [f"line {i}" for i in range(2000)]
    assert story[-1]["HEIMDEX_EVENT"] == "job.ended" and not journal.of(HEIMDEX_EVENT="log.dropped")


def test_nobody_waits_for_it(journal, fleet, jobs):
    """It stands still, is stopped, comes back: jobs go on meanwhile, and what was lost is counted."""
    one = fleet(workers=1, wrap=journal.wrap, log={"format": "journal", "heartbeat": "500ms"}, handlers=[
        sh("talks", "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; echo '{\"result\":1}'")])
    journal.reading.clear()
    frozen = jobs.batch([{"type": "talks"}] * 12 + [{"type": "mock_process"}] * 50)
    jobs.wait(frozen, "succeeded")
    journal.reading.set()
    reports = until(lambda: journal.of(HEIMDEX_EVENT="log.dropped", SYSLOG_IDENTIFIER="heimdex-worker"), 20, "what was dropped is said")
    assert re.fullmatch(r"\d+ lines dropped, nobody read them in time", reports[0]["MESSAGE"]) and "MESSAGE_ID" in reports[0]
    journal.close()
    stopped = jobs.batch([{"type": "talks"}])
    jobs.wait(stopped, "succeeded")
    until(lambda: f"job_id={stopped[0]}" in one.log(), 20, "text in its place")
    before = len(journal.entries)
    journal.open()
    until(lambda: len(journal.entries) > before, 20, "entries come again")
    fleet.check.update(acks=[*frozen, *stopped], finished=True)
