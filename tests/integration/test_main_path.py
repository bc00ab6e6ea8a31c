"""The main path from outside: heimdex-submit, fleets of two instances against one database and a real Kafka, heimdexctl. Each test ends
with the checker (conftest.fleet)."""
import json
import signal
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from checker import handler_log as runs_of
from support.wait import until

QUICK_RETRIES = {"backoff_base": "50ms", "backoff_max": "200ms"}
TERM_DEAF = "trap '' TERM; echo $$ >{pids}; sleep 1000 & echo $! >>{pids}; while :; do wait; done"


def sh(type, script, **options):
    """A handler in one line of shell."""
    return {"type": type, "exec": ["/bin/sh", "-c", script], **options}


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids_in(path):
    return [int(word) for word in path.read_text().split()]


# --- mock_process ---

MOCK = {
    # payload, options: path of statuses, attempt, error code
    "plain": (None, {}, ["queued", "running", "succeeded"], 1, None),
    "empty": ({}, {}, ["queued", "running", "succeeded"], 1, None),
    "other keys": ({"path": "/tmp"}, {}, ["queued", "running", "succeeded"], 1, None),
    "slow": ({"duration_ms": 100}, {}, ["queued", "running", "succeeded"], 1, None),
    "fails once": ({"fail": "error", "fail_attempts": 1}, {}, ["queued", "running", "failed", "queued", "running", "succeeded"], 2, "mock_error"),
    "fails slowly": ({"fail": "error", "fail_attempts": 1, "duration_ms": 40}, {},
                     ["queued", "running", "failed", "queued", "running", "succeeded"], 2, "mock_error"),
    "fails": ({"fail": "error"}, {"max_attempts": 2}, ["queued", "running", "failed", "queued", "running", "dead_letter"], 2, "mock_error"),
    "permanent": ({"fail": "permanent"}, {}, ["queued", "running", "dead_letter"], 1, "mock_permanent"),
    "permanent after all": ({"fail": "permanent", "fail_attempts": 0}, {}, ["queued", "running", "succeeded"], 1, None),
    "hangs": ({"fail": "hang"}, {"max_attempts": 1, "timeout": "200ms"}, ["queued", "running", "dead_letter"], 1, "timeout"),
    "hangs once": ({"fail": "hang", "fail_attempts": 1}, {"timeout": "200ms"},
                   ["queued", "running", "failed", "queued", "running", "succeeded"], 2, "timeout"),
    "unreadable": ({"duration_ms": "soon"}, {}, ["queued", "running", "dead_letter"], 1, "bad_payload"),
    "unknown": ({"fail": "softly"}, {}, ["queued", "running", "dead_letter"], 1, "bad_payload"),
    "no object": ([1], {}, ["queued", "running", "dead_letter"], 1, "bad_payload"),
}
STAGES = ["extracting", "transcribing", "analyzing", "indexing"]


@pytest.mark.quick
@pytest.mark.asan
def test_mock_process(fleet, jobs):
    fleet(workers=1, jobs=QUICK_RETRIES), fleet(workers=1, jobs=QUICK_RETRIES)
    ids = dict(zip(MOCK, jobs.batch([{"type": "mock_process", **({"payload": case[0]} if case[0] is not None else {}), **case[1]}
                                     for case in MOCK.values()])))
    jobs.wait(ids.values())
    rows = {name: jobs.row(id) for name, id in ids.items()}
    assert {name: jobs.path(id) for name, id in ids.items()} == {name: case[2] for name, case in MOCK.items()}
    assert {name: (row["attempt"], row["fence"]) for name, row in rows.items()} == {name: (case[3], case[3]) for name, case in MOCK.items()}
    assert {name: row["last_error_code"] for name, row in rows.items()} == {name: case[4] for name, case in MOCK.items()}
    assert {jobs.result(ids[name])["stages"] for name, row in rows.items() if row["status"] == "succeeded"} == {4}
    assert jobs.stages(ids["plain"]) == [] and rows["plain"]["payload"] == {}
    for name, times in (("slow", 1), ("fails slowly", 2)):
        seen = jobs.stages(ids[name])
        assert [stage for i, stage in enumerate(seen) if seen[i - 1:i] != [stage]] == STAGES * times
        progress = [detail["progress"] for _, _, detail in jobs.events(ids[name]) if "progress" in detail]
        assert progress == [0, 25, 50, 75, 100] * times
    details = [detail for _, next, detail in jobs.events(ids["fails"]) if next in ("failed", "dead_letter")]
    assert [(detail["attempt"], detail["error"]["code"], detail["error"]["retry"]) for detail in details] == [
        (1, "mock_error", True), (2, "mock_error", True)]
    assert details[1]["reason"] == "attempts used up"
    for row in rows.values():
        times = [datetime.fromisoformat(row[key].replace("Z", "+00:00")) for key in ("created_at", "started_at", "finished_at")]
        assert times == sorted(times)
    fleet.check.update(acks=ids.values(), finished=True)


# --- exec handlers ---

ERROR = '''echo '{"error":{"code":"%s","message":"said so"%s}}'; exit %d'''
EXEC = {
    # script: status, attempt (max_attempts is 2), error code
    "ok": ("true", "succeeded", 1, None),
    "result": ("""echo '{"result":{"n":1}}'; echo '{"result":{"n":2}}'""", "succeeded", 1, None),
    "talkative": ("""echo plain; echo '{"other":1}'; echo '{broken' >&2; echo '{"result":{"n":2}}'""", "succeeded", 1, None),
    "no newline": ("""printf '{"result":{"n":2}}'""", "succeeded", 1, None),
    "exit 1": ("exit 1", "dead_letter", 2, "exit_1"),
    "exit 255": ("exit 255", "dead_letter", 2, "exit_255"),
    "exit 69": ("exit 69", "dead_letter", 2, "exit_69"),
    "exit 75": ("exit 75", "dead_letter", 2, "exit_75"),
    **{f"exit {code}": (f"exit {code}", "dead_letter", 1, f"exit_{code}") for code in (64, 65, 66, 67, 70, 76, 77, 78)},
    "once": ('[ "$HEIMDEX_ATTEMPT" = 2 ]', "succeeded", 2, "exit_1"),
    "killed": ("kill -KILL $$", "dead_letter", 2, "SIGKILL"),
    "segv": ("kill -SEGV $$", "dead_letter", 2, "SIGSEGV"),
    "term": ("kill -TERM $$", "dead_letter", 2, "SIGTERM"),
    "error": (ERROR % ("no_file", "", 1), "dead_letter", 2, "no_file"),
    "error permanent": (ERROR % ("no_file", ',"retry":false', 1), "dead_letter", 1, "no_file"),
    "error retried": (ERROR % ("no_file", ',"retry":true', 65), "dead_letter", 2, "no_file"),
    "error and exit 0": (ERROR % ("no_file", "", 0), "dead_letter", 2, "no_file"),
    "retry_after": (ERROR % ("later", ',"retry_after":"1ms"', 1), "dead_letter", 2, "later"),
    "cancel": ("""echo '{"cancel":"not needed"}'""", "canceled", 1, "canceled"),
    "snooze": ("""[ "$HEIMDEX_ATTEMPT" = 2 ] || echo '{"snooze":"100ms"}'""", "succeeded", 2, None),
    "bad message": ("""echo '{"result":{"s":"\\u0000"}}'""", "dead_letter", 1, "bad_message"),
    "bad snooze": ("""echo '{"snooze":"soon"}'""", "dead_letter", 1, "bad_message"),
}


@pytest.mark.quick
@pytest.mark.asan
def test_exec_handlers(fleet, jobs):
    options = {"handlers": [sh(name.replace(" ", "."), case[0]) for name, case in EXEC.items()], "jobs": {"max_attempts": 2, **QUICK_RETRIES}}
    options["handlers"].append({"type": "nowhere", "exec": ["/nowhere/program"]})
    fleet(workers=1, **options), fleet(workers=1, **options)
    names = [*EXEC, "nowhere"]
    ids = dict(zip(names, jobs.batch([{"type": name.replace(" ", ".")} for name in names])))
    jobs.wait(ids.values())
    rows = {name: jobs.row(id) for name, id in ids.items()}
    assert {name: (row["status"], row["attempt"], row["last_error_code"]) for name, row in rows.items()} == {
        **{name: case[1:] for name, case in EXEC.items()}, "nowhere": ("dead_letter", 1, "spawn")}
    assert [jobs.result(ids[name]) for name in ("ok", "result", "talkative", "no newline")] == [None] + [{"n": 2}] * 3
    assert rows["error"]["last_error_message"] == "said so" and rows["cancel"]["last_error_message"] == "not needed"
    assert rows["snooze"]["max_attempts"] == 3 and rows["once"]["max_attempts"] == 2
    assert "/nowhere/program" in rows["nowhere"]["last_error_message"]
    fleet.check.update(acks=ids.values(), finished=True)


@pytest.mark.quick
@pytest.mark.asan
def test_stages_of_a_handler_are_in_order(fleet, jobs):
    stages = "".join(f"""echo '{{"stage":"s{i}","progress":{i}}}'; """ for i in range(40))
    fleet(workers=1, handlers=[sh("staged", stages), sh("moving", """for i in 1 2 3; do echo "{\\"progress\\":$i}"; done""")])
    staged, moving = jobs.submit("staged"), jobs.submit("moving")
    jobs.wait([staged, moving])
    assert jobs.stages(staged) == [f"s{i}" for i in range(40)]
    progress = [detail["progress"] for _, _, detail in jobs.events(moving) if "progress" in detail]
    assert progress == sorted(progress) and progress[-1] == 3


@pytest.mark.quick
def test_what_a_handler_is_given(fleet, jobs, migrated):
    script = """import json, os, sys
print(json.dumps({"result": {"stdin": sys.stdin.read(), "env": dict(os.environ), "group": os.getpgid(0) == os.getpid(),
                             "fds": sorted(os.listdir("/proc/self/fd"))}}))"""
    fleet(workers=1, handlers=[{"type": "curious", "exec": ["/usr/bin/python3", "-c", script], "timeout": "1m"}],
          env={"HEIMDEX_POSTGRES_TIMEOUT": "10s", "SECRET_TOKEN": "s3cret"})
    payload = {"text": "line\nline \"quoted\" é", "big": "x" * 200_000}
    id = jobs.batch([{"type": "curious", "payload": payload, "org_id": "33333333-3333-4333-8333-333333333333"}])[0]
    jobs.wait(id)
    given, row = jobs.result(id), jobs.row(id)
    assert json.loads(given["stdin"]) == payload and given["group"]
    assert given["fds"] in (["0", "1", "2"], ["0", "1", "2", "3"])  # 3: the directory being listed
    env = given["env"]
    assert (env["HEIMDEX_JOB_ID"], env["HEIMDEX_JOB_TYPE"], env["HEIMDEX_ORG_ID"]) == (id, "curious", row["org_id"])
    assert (env["HEIMDEX_ATTEMPT"], env["HEIMDEX_MAX_ATTEMPTS"], env["HEIMDEX_FENCE"]) == ("1", str(row["max_attempts"]), "1")
    left = datetime.fromisoformat(env["HEIMDEX_DEADLINE"].replace("Z", "+00:00")) - datetime.fromisoformat(row["started_at"].replace("Z", "+00:00"))
    assert timedelta(seconds=58) < left < timedelta(seconds=62)
    assert env["TRACEPARENT"].startswith("00-" + id.replace("-", ""))
    allowed = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TRACEPARENT"}
    assert {name for name in env if not name.startswith("HEIMDEX_")} <= allowed
    assert {name for name in env if name.startswith("HEIMDEX_")} == {
        "HEIMDEX_" + name for name in "JOB_ID JOB_TYPE ORG_ID ATTEMPT MAX_ATTEMPTS FENCE DEADLINE FLEET".split()}
    assert migrated.env["PGPASSWORD"] not in json.dumps(env) and "s3cret" not in json.dumps(env)


@pytest.mark.quick
@pytest.mark.asan
def test_a_handler_that_ignores_its_timeout(fleet, jobs, tmp_path):
    pids = tmp_path / "pids"
    one = fleet(workers=1, handlers=[sh("deaf", TERM_DEAF.format(pids=pids), timeout="300ms", max_attempts=1)], jobs={"kill_grace": "300ms"})
    id = jobs.submit("deaf")
    jobs.wait(id)
    assert (jobs.status(id), jobs.row(id)["last_error_code"]) == ("dead_letter", "timeout")
    until(lambda: not any(alive(pid) for pid in pids_in(pids)), 5, "the whole group is gone")
    detail = jobs.events(id)[-1][2]
    assert detail["signal"] == signal.SIGKILL and detail["error"]["message"] == "ran longer than its timeout"
    assert one.status()["ready"]


@pytest.mark.quick
def test_what_a_handler_leaves_behind_ends_with_it(fleet, jobs, tmp_path):
    pids = tmp_path / "pids"
    fleet(workers=1, handlers=[sh("untidy", f"sleep 1000 & echo $! >{pids}; setsid sleep 1000 & echo $! >>{pids}")])
    id = jobs.submit("untidy")
    jobs.wait(id)
    assert jobs.status(id) == "succeeded"
    until(lambda: len(pids_in(pids)) == 2 and not any(alive(pid) for pid in pids_in(pids)), 5, "nothing of it is left")


@pytest.mark.quick
def test_a_flood_of_output(fleet, jobs):
    one = fleet(workers=1, handlers=[sh("flood", "yes | head -c 30000000; yes | head -c 30000000 >&2; head -c 3000000 /dev/zero; exit 65"),
                                     sh("endless", "yes", timeout="500ms", max_attempts=1)])
    ids = [jobs.submit("flood"), jobs.submit("endless"), jobs.submit("mock_process")]
    jobs.wait(ids)
    assert [jobs.row(id)["last_error_code"] for id in ids] == ["exit_65", "timeout", None]
    for id in ids[:2]:
        lines = [line for line in one.log().splitlines() if id in line]
        assert sum(len(json.loads(line)["message"]) + 1 for line in lines) < 300 * 1024
    assert jobs.events(ids[0])[-1][2]["output_truncated"]


# --- who goes first, and who waits ---

@pytest.mark.quick
def test_priorities(fleet, jobs, logging_handler, handler_log, migrated):
    """All of them wait when the type is resumed; one slot takes them one by one."""
    fleet(workers=1, worker={"slots": 1}, handlers=[{"type": "logged", "exec": [logging_handler, handler_log]}])
    jobs.ctl("pause", "logged")
    low, high = [jobs.batch([{"type": "logged", "priority": priority} for _ in range(5)]) for priority in (0, 5)]
    until(lambda: migrated.one("select count(*) from waiting where reason = 'paused'") == 10, what="all paused")
    jobs.ctl("resume", "logged")
    jobs.wait(low + high)
    runs, _ = runs_of.read(handler_log)
    order = sorted(runs, key=lambda id: runs[id][0].start)
    # A tenth of what is taken is the lower band's.
    assert sum(id in high for id in order[:5]) >= 4, [id in high for id in order]
    fleet.check.update(acks=low + high, finished=True, handler_log=handler_log)


def most_at_once(path):
    runs, wrong = runs_of.read(path)
    assert not wrong
    changes = sorted([(run.start, 1) for of_job in runs.values() for run in of_job] +
                     [(run.end, -1) for of_job in runs.values() for run in of_job if run.end is not None])
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


@pytest.mark.quick
@pytest.mark.asan
def test_a_limit_holds_over_two_fleets(fleet, jobs, logging_handler, handler_log, migrated):
    options = {"workers": 2, "handlers": [{"type": "limited", "exec": [logging_handler, handler_log], "concurrency": 3}]}
    fleet(**options), fleet(**options)
    ids = jobs.batch([{"type": "limited", "payload": {"sleep_ms": 60}} for _ in range(40)])
    jobs.wait(ids)
    assert most_at_once(handler_log) == 3
    assert len({row[0] for row in migrated.sql("select worker from job")}) > 1
    fleet.check.update(acks=ids, finished=True, handler_log=handler_log)


def test_permits_of_the_dead_are_free_again(fleet, jobs, logging_handler, handler_log):
    options = {"workers": 1, "handlers": [{"type": "limited", "exec": [logging_handler, handler_log], "concurrency": 1, **QUICK_RETRIES}],
               "jobs": QUICK_RETRIES}
    one, _ = fleet(**options), fleet(**options)
    ids = jobs.batch([{"type": "limited", "payload": {"sleep_ms": 30, "kill_worker": 1}} for _ in range(3)])
    jobs.wait(ids)
    assert most_at_once(handler_log) >= 1
    assert [jobs.row(id)["attempt"] for id in ids] == [2, 2, 2]
    fleet.check.update(acks=ids, finished=True, handler_log=handler_log)


@pytest.mark.quick
def test_a_job_without_a_handler_waits_for_a_host_that_has_one(fleet, jobs, migrated):
    fleet(workers=1)
    id = jobs.submit("rare")
    until(lambda: migrated.one("select reason from waiting where job_id = %s", id) == "no_handler", what="parked")
    assert "no_handler" in jobs.ctl("status").stdout or "handler" in jobs.ctl("status").stdout
    fleet(workers=1, handlers=[sh("rare", "echo '{\"result\":{\"n\":1}}'")])
    jobs.wait(id)
    assert jobs.result(id) == {"n": 1}


@pytest.mark.quick
def test_a_paused_type_waits(fleet, jobs, migrated):
    fleet(workers=1), fleet(workers=1)
    jobs.ctl("pause", "mock_process")
    ids = jobs.batch([{"type": "mock_process"}] * 20)
    until(lambda: migrated.one("select count(*) from waiting where reason = 'paused'") == 20, what="parked")
    assert {jobs.status(id) for id in ids} == {"queued"}
    jobs.ctl("resume", "mock_process")
    jobs.wait(ids)
    assert {jobs.row(id)["attempt"] for id in ids} == {1}


@pytest.mark.quick
def test_delayed_jobs_wait_for_their_time(fleet, jobs):
    fleet(workers=1), fleet(workers=1)
    at = (datetime.now(timezone.utc) + timedelta(seconds=1)).isoformat()
    ids = [jobs.submit("mock_process", delay="700ms"), jobs.submit("mock_process", at=at), jobs.submit("mock_process", delay="1h")]
    past = jobs.submit("mock_process", at="2020-01-01T00:00:00Z")
    jobs.wait([*ids[:2], past])
    for id in ids[:2]:
        row = jobs.row(id)
        late = datetime.fromisoformat(row["started_at"].replace("Z", "+00:00")) - datetime.fromisoformat(row["run_at"].replace("Z", "+00:00"))
        assert timedelta(0) <= late < timedelta(seconds=2)
    assert jobs.status(ids[2]) == "queued"
    jobs.ctl("cancel", ids[2])
    assert jobs.status(ids[2]) == "canceled"


@pytest.mark.quick
def test_one_key_one_job(fleet, jobs, migrated):
    fleet(workers=1)
    first = jobs.submit("mock_process", {"duration_ms": 50}, key="k")
    assert {jobs.submit("mock_process", {"n": 2}, key="k") for _ in range(3)} == {first}
    jobs.wait(first)
    assert jobs.submit("mock_process", key="k") == first
    other = jobs.submit("mock_process", key="k", org="33333333-3333-4333-8333-333333333333")
    assert other != first
    jobs.wait(other)
    assert migrated.one("select count(*) from job") == 2


# --- cancel and retry ---

@pytest.mark.quick
@pytest.mark.asan
def test_cancel_what_runs(fleet, jobs, tmp_path):
    pids = tmp_path / "pids"
    fleet(workers=1, handlers=[sh("long", f"echo $$ >{pids}; sleep 1000 & echo $! >>{pids}; wait"), sh("other", "sleep 1")])
    id, other, mock = jobs.submit("long"), jobs.submit("other"), jobs.submit("mock_process", {"duration_ms": 60_000})
    jobs.wait([id, other, mock], "running")
    until(lambda: len(pids_in(pids)) == 2, what="the handler runs")
    began = time.monotonic()
    jobs.ctl("cancel", id, mock)
    jobs.wait([id, mock])
    assert time.monotonic() - began < 3
    assert {jobs.status(id), jobs.status(mock)} == {"canceled"}
    assert not any(alive(pid) for pid in pids_in(pids))
    jobs.wait(other)
    assert jobs.status(other) == "succeeded"


@pytest.mark.quick
def test_cancel_and_retry_of_what_will_not_stop(fleet, jobs, tmp_path):
    pids = tmp_path / "pids"
    fleet(workers=1, handlers=[sh("deaf", TERM_DEAF.format(pids=pids))], jobs={"kill_grace": "1500ms"})
    id = jobs.submit("deaf")
    until(lambda: len(pids_in(pids)) == 2, what="the handler runs")
    jobs.ctl("cancel", id)
    assert jobs.ctl("retry", id, check=False).returncode == 75
    jobs.wait(id)
    assert jobs.status(id) == "canceled" and not any(alive(pid) for pid in pids_in(pids))
    assert jobs.ctl("retry", id).returncode == 0
    jobs.wait(id, "running")
    jobs.ctl("cancel", id)
    jobs.wait(id)
    assert jobs.path(id) == ["queued", "running", "canceled", "queued", "running", "canceled"]


@pytest.mark.quick
def test_retry_and_redrive(fleet, jobs, tmp_path):
    switch = tmp_path / "mended"
    fleet(workers=1, handlers=[sh("breakable", f"[ -e {switch} ]", max_attempts=1)])
    ids = jobs.batch([{"type": "breakable"}] * 3)
    jobs.wait(ids)
    assert {jobs.status(id) for id in ids} == {"dead_letter"}
    assert jobs.ctl("cancel", "00000000-0000-7000-8000-000000000001", check=False).returncode == 1
    switch.touch()
    jobs.ctl("retry", ids[0])
    jobs.wait(ids[0], "succeeded")
    jobs.ctl("redrive", "--type", "breakable", "--error", "exit_1")
    jobs.wait(ids, "succeeded")
    row = jobs.row(ids[0])
    assert (row["attempt"], row["max_attempts"]) == (2, 2)
    assert jobs.path(ids[1]) == ["queued", "running", "dead_letter", "queued", "running", "succeeded"]


# --- deaths ---

def release_events(jobs, id):
    return [detail for prev, _, detail in jobs.events(id) if prev == "running" and "run" in detail]


@pytest.mark.quick
@pytest.mark.asan
def test_a_worker_is_killed(fleet, jobs, logging_handler, handler_log, kafka, prefix):
    """Its handlers die with it, and what they did runs again, with the evidence in its history."""
    options = {"workers": 1, "handlers": [{"type": "logged", "exec": [logging_handler, handler_log], **QUICK_RETRIES}], "jobs": QUICK_RETRIES,
               "worker": {"slots": 20}}
    one, _ = fleet(**options), fleet(**options)
    kafka.wait_for_group(prefix, 2)
    ids = jobs.batch([{"type": "logged", "payload": {"sleep_ms": 700}} for _ in range(20)])
    jobs.wait(ids, "running")
    until(lambda: len(runs_of.read(handler_log)[0]) == 20, what="all have started")
    one.kill_worker()
    jobs.wait(ids)
    deaths = {id: release_events(jobs, id) for id in ids}
    killed = [id for id in ids if deaths[id]]
    assert 0 < len(killed) < 20 and {jobs.status(id) for id in ids} == {"succeeded"}
    for id in killed:
        detail, = deaths[id]
        assert (detail["run"], detail["error"]["code"], detail["reason"]) == ("started", "SIGKILL", "worker died")
        row = jobs.row(id)
        assert (row["attempt"], row["crash_count"], row["last_error_code"]) == (2, 1, "SIGKILL")
        assert jobs.path(id) == ["queued", "running", "failed", "queued", "running", "succeeded"]
    runs, _ = runs_of.read(handler_log)
    assert {id: len(runs[id]) for id in ids} == {id: 2 if id in killed else 1 for id in ids}
    assert all(runs[id][0].end is None for id in killed)
    fleet.check.update(acks=ids, finished=True, handler_log=handler_log)


@pytest.mark.quick
@pytest.mark.asan
def test_a_crash_costs_its_mates_nothing(fleet, jobs):
    """A batch of builtin jobs, and one of them takes the worker down: the others were claimed with it, and lose no attempt for what had
    not started."""
    fleet(workers=1, jobs=QUICK_RETRIES)
    jobs.ctl("pause", "mock_process")
    payloads = [{"fail": "crash", "fail_attempts": 1} if i == 20 else {} for i in range(200)]
    ids = jobs.batch([{"type": "mock_process", "payload": payload} for payload in payloads])
    jobs.ctl("resume", "mock_process")
    jobs.wait(ids)
    assert {jobs.status(id) for id in ids} == {"succeeded"}
    poison = jobs.row(ids[20])
    assert (poison["attempt"], poison["crash_count"], poison["last_error_code"]) == (2, 1, "SIGSEGV")
    spared = Counter()
    for id in ids[:20] + ids[21:]:
        row, death = jobs.row(id), release_events(jobs, id)
        run = death[0]["run"] if death else None
        spared[run] += 1
        assert row["crash_count"] == 0 and row["last_error_code"] is None
        assert (row["attempt"], row["max_attempts"]) == ((2, 6) if run == "ended" else (1, 5)), run
    assert spared["untouched"] > 0
    fleet.check.update(acks=ids, finished=True)


def test_a_poisonous_job_is_put_away(fleet, jobs):
    fleet(workers=1, jobs={"max_crashes": 2, **QUICK_RETRIES}, supervisor={"restart_backoff_max": "200ms"})
    patient = jobs.batch([{"type": "mock_process", "payload": {"fail": "crash"}, "max_attempts": 10}])[0]
    brief = jobs.batch([{"type": "mock_process", "payload": {"fail": "crash"}, "max_attempts": 2}])[0]
    jobs.wait([patient, brief], seconds=60)
    row = jobs.row(patient)
    assert (row["status"], row["crash_count"], row["last_error_code"]) == ("dead_letter", 3, "SIGSEGV")
    assert "poison" in row["last_error_message"]
    row = jobs.row(brief)
    assert (row["status"], row["attempt"], row["last_error_code"]) == ("dead_letter", 2, "SIGSEGV")
    healthy = jobs.batch([{"type": "mock_process"}] * 50)
    jobs.wait(healthy, "succeeded")


@pytest.mark.quick
def test_a_drain_lets_jobs_finish(fleet, jobs, kafka, prefix, logging_handler, handler_log):
    one = fleet(workers=2, handlers=[{"type": "logged", "exec": [logging_handler, handler_log]}], worker={"slots": 2})
    kafka.wait_for_group(prefix, 2)  # or one worker has all of them
    ids = jobs.batch([{"type": "logged", "payload": {"sleep_ms": 800}} for _ in range(12)])
    jobs.wait(ids, ("running", "queued"))
    until(lambda: len(runs_of.read(handler_log)[0]) == 4, what="four run")
    assert one.stop() == 0
    statuses = Counter(jobs.status(id) for id in ids)
    assert statuses["running"] == statuses["failed"] == 0 and statuses["succeeded"] >= 4
    assert all(jobs.row(id)["attempt"] == (jobs.status(id) == "succeeded") for id in ids)
    fleet.check.update(acks=ids, handler_log=handler_log, stopped=True)


@pytest.mark.quick
@pytest.mark.asan
def test_a_drain_cuts_short_what_takes_too_long(fleet, jobs, tmp_path, migrated):
    pids = tmp_path / "pids"
    one = fleet(workers=1, handlers=[sh("long", f"echo $$ >{pids}; exec sleep 1000"), sh("deaf", TERM_DEAF.format(pids=tmp_path / "deaf"))],
                supervisor={"drain_timeout": "500ms"}, jobs={"kill_grace": "500ms"})
    ids = [jobs.submit("long"), jobs.submit("deaf"), jobs.submit("mock_process", {"duration_ms": 60_000})]
    until(lambda: len(pids_in(pids)) == 1 and len(pids_in(tmp_path / "deaf")) == 2, what="they run")
    jobs.wait(ids, "running")
    began = time.monotonic()
    assert one.stop() == 0
    assert time.monotonic() - began < 4
    assert [jobs.status(id) for id in ids] == ["queued"] * 3
    assert not any(alive(pid) for pid in pids_in(pids) + pids_in(tmp_path / "deaf"))
    for id in ids:
        row = jobs.row(id)
        assert (row["attempt"], row["max_attempts"]) == (1, 6)
        assert jobs.events(id)[-1][2]["reason"] == "drain"
    assert migrated.sql("select from worker where not dead") == []


@pytest.mark.quick
@pytest.mark.asan
def test_the_supervisor_is_killed(fleet, jobs, logging_handler, handler_log):
    """Workers and handlers die with it; the next one releases what they held, at once."""
    one = fleet(workers=2, handlers=[{"type": "logged", "exec": [logging_handler, handler_log], **QUICK_RETRIES}], jobs=QUICK_RETRIES,
                worker={"lease": "60s"})
    ids = jobs.batch([{"type": "logged", "payload": {"sleep_ms": 1500}} for _ in range(6)])
    until(lambda: len(runs_of.read(handler_log)[0]) == 6, what="all run")
    workers = one.worker_pids()
    handlers = [run.pid for of_job in runs_of.read(handler_log)[0].values() for run in of_job]
    one.kill()
    until(lambda: not any(alive(pid) for pid in workers + handlers), 2, "nothing of it is left")
    assert {jobs.status(id) for id in ids} == {"running"}
    began = time.monotonic()
    one.start()
    jobs.wait(ids)
    assert time.monotonic() - began < 15
    assert {(jobs.status(id), jobs.row(id)["attempt"]) for id in ids} == {("succeeded", 2)}
    fleet.check.update(acks=ids, finished=True, handler_log=handler_log)


def test_a_worker_that_is_frozen_loses_its_jobs(fleet, jobs, logging_handler, handler_log):
    """The supervisor kills it before its lease runs out, its handlers too, and only then do its jobs run elsewhere."""
    options = {"workers": 1, "handlers": [{"type": "logged", "exec": [logging_handler, handler_log], **QUICK_RETRIES}], "jobs": QUICK_RETRIES,
               "worker": {"lease": "4s"}}
    one, _ = fleet(**options), fleet(**options)
    ids = jobs.batch([{"type": "logged", "payload": {"sleep_ms": 3000}} for _ in range(6)])
    until(lambda: len(runs_of.read(handler_log)[0]) == 6, what="all run")
    one.kill_worker(signo=signal.SIGSTOP)
    jobs.wait(ids, seconds=40)
    assert {jobs.status(id) for id in ids} == {"succeeded"}
    fleet.check.update(acks=ids, finished=True, handler_log=handler_log)


# --- Kafka ---

def test_kafka_is_frozen_when_jobs_come_in(fleet, jobs, kafka):
    fleet(workers=1), fleet(workers=1)
    jobs.wait(jobs.submit("mock_process"))
    with kafka.frozen():
        began = time.monotonic()
        ids = [jobs.submit("mock_process")] + jobs.batch([{"type": "mock_process"}] * 100)
        assert time.monotonic() - began < 6  # two programs, 2 s each
        assert len(set(ids)) == 101
    jobs.wait(ids, seconds=60)
    fleet.check.update(acks=ids, finished=True)


def test_kafka_is_away_for_good(fleet, jobs, migrated, tmp_path):
    """Everything arrives through `waiting`, slower."""
    away = {"KAFKA_BROKERS": "127.0.0.1:1"}
    fleet(workers=1, env=away, jobs=QUICK_RETRIES), fleet(workers=1, env=away, jobs=QUICK_RETRIES)
    jobs.env.update(away)
    ids = jobs.batch([{"type": "mock_process", "payload": {"fail": "error", "fail_attempts": 1} if i % 10 == 0 else {}} for i in range(300)])
    sql = migrated.one("select heimdex_submit('mock_process')::text")
    jobs.wait(sql, seconds=5)
    jobs.wait(ids, seconds=60)
    assert {jobs.row(id)["attempt"] for id in ids} == {1, 2}
    fleet.check.update(acks=ids, finished=True)


def dead_letters(kafka, prefix):
    text = kafka.kcat("-C", "-t", f"{prefix}.dead-letter", "-o", "beginning", "-e", "-q", "-f", "%s\n").decode()
    return [json.loads(line) for line in text.splitlines() if line]


@pytest.mark.quick
@pytest.mark.asan
def test_records_that_nobody_can_read(fleet, jobs, kafka, prefix, migrated):
    one = fleet(workers=1)
    for garbage in (b"no record of ours", b"\x00" * 40, b"x" * 100_000):
        kafka.kcat("-P", "-t", f"{prefix}.jobs.default", "-p", "0", "-D", "\x01\x02\x03", input=garbage)
    unknown = {"type": "mock_process"}
    ids = jobs.batch([unknown] * 20)
    jobs.wait(ids)
    until(lambda: migrated.one("select count(*) from quarantine") == 3, what="three records put away")
    rows = migrated.sql("select topic, size, length(record), record from quarantine order by size")
    assert [(topic, size, kept) for topic, size, kept, _ in rows] == [
        (f"{prefix}.jobs.default", 17, 17), (f"{prefix}.jobs.default", 40, 40), (f"{prefix}.jobs.default", 100_000, 65_536)]
    assert bytes(rows[0][3]) == b"no record of ours"
    letters = until(lambda: len(found := dead_letters(kafka, prefix)) == 3 and found, what="three dead letters")
    assert {(letter["kind"], letter["topic"], letter["size"]) for letter in letters} == {("record", f"{prefix}.jobs.default", n) for n in (17, 40, 100_000)}
    assert len(one.events("record.quarantined")) == 3


@pytest.mark.quick
def test_dead_letters_are_published(fleet, jobs, kafka, prefix, migrated):
    fleet(workers=1, handlers=[sh("broken", ERROR % ("no_file", ',"retry":false', 1))])
    id = jobs.submit("broken", {"path": "/nowhere"})
    jobs.wait(id)
    letter, = until(lambda: dead_letters(kafka, prefix), what="a dead letter")
    row = jobs.row(id)
    assert (letter["kind"], letter["id"], letter["type"], letter["payload"]) == ("job", id, "broken", {"path": "/nowhere"})
    assert letter["error"] == {"code": "no_file", "message": "said so"} and letter["attempt"] == 1 and row["status"] == "dead_letter"
    until(lambda: migrated.one("select count(*) from outbox") == 0, what="the outbox is empty")


def test_records_that_come_again_run_nothing_again(fleet, jobs, kafka, prefix, logging_handler, handler_log):
    """All records of the topic ten times over."""
    fleet(workers=2, handlers=[{"type": "logged", "exec": [logging_handler, handler_log]}])
    ids = jobs.batch([{"type": "logged"} for _ in range(50)])
    jobs.wait(ids)
    topic = f"{prefix}.jobs.default"
    text = kafka.kcat("-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%S\n%s")
    records = []
    while text:
        length, _, text = text.partition(b"\n")
        records.append(text[:int(length)])
        text = text[int(length):]
    assert len(records) >= 50
    kafka.kcat("-P", "-t", topic, "-D", "<next>", input=b"<next>".join(records * 10))
    last = jobs.batch([{"type": "logged"} for _ in range(10)])
    jobs.wait(last)
    assert Counter(len(of_job) for of_job in runs_of.read(handler_log)[0].values()) == {1: 60}
    assert {jobs.row(id)["fence"] for id in ids} == {1}
    fleet.check.update(acks=ids + last, finished=True, handler_log=handler_log)


# --- at rest ---

@pytest.mark.quick
@pytest.mark.asan
def test_nothing_is_left_when_all_is_done(fleet, jobs, migrated, logging_handler, handler_log):
    from checker.check import check_database
    options = {"workers": 1, "jobs": QUICK_RETRIES,
               "handlers": [{"type": "limited", "exec": [logging_handler, handler_log], "concurrency": 2}]}
    fleet(**options), fleet(**options)
    ids = jobs.batch([{"type": "mock_process", "payload": {"fail": "error", "fail_attempts": i % 3}} for i in range(300)] +
                     [{"type": "limited", "payload": {"fail_attempts": i % 2}} for i in range(20)])
    ids += [str(migrated.one("select heimdex_submit('mock_process')::text")) for _ in range(20)]
    jobs.wait(ids)
    connection = migrated.connect()
    until(lambda: check_database(connection, acks=ids, finished=True, handler_log=handler_log, idle=True) == [], 20,
          "nothing is left: " + str(check_database(connection, idle=True)[:5]))
    connection.close()
