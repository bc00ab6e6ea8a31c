"""What a handler is given, what it may say, and what its end means for its job."""
import json
import signal
from datetime import datetime

import pytest

from support.handlers import ERROR, QUICK_RETRIES, TERM_DEAF, pids_in, sh
from support.process import alive
from support.wait import until

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
        **{name: case[1:] for name, case in EXEC.items()}, "nowhere": ("dead_letter", 2, "spawn")}
    assert [jobs.result(ids[name]) for name in ("ok", "result", "talkative", "no newline")] == [None] + [{"n": 2}] * 3
    assert rows["error"]["last_error_message"] == "said so" and rows["cancel"]["last_error_message"] == "not needed"
    assert rows["snooze"]["max_attempts"] == 3 and rows["once"]["max_attempts"] == 2
    assert "/nowhere/program" in rows["nowhere"]["last_error_message"]
    fleet.check.update(acks=ids.values(), finished=True)


def test_a_program_that_a_deployment_replaces(fleet, jobs, tmp_path):
    """It is away, then half there, then there."""
    program = tmp_path / "program"
    fleet(workers=1, handlers=[{"type": "deployed", "exec": [program], "backoff_base": "50ms", "backoff_max": "50ms", "max_attempts": 1000}])
    id = jobs.submit("deployed")
    jobs.wait_for(id, lambda row: "No such file" in (row["last_error_message"] or ""))
    program.write_text("")
    jobs.wait_for(id, lambda row: "Permission denied" in row["last_error_message"])
    assert jobs.row(id)["last_error_code"] == "spawn"
    (tmp_path / "new").write_text("""#!/bin/sh\necho '{"result":"new"}'\n""")
    (tmp_path / "new").chmod(0o755)
    (tmp_path / "new").rename(program)
    jobs.wait(id, "succeeded")
    assert jobs.result(id) == "new"


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
    script = """import json, os, sys, time
print(json.dumps({"result": {"now": time.time(), "stdin": sys.stdin.read(), "env": dict(os.environ), "group": os.getpgid(0) == os.getpid(),
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
    started, deadline = (datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() for text in (row["started_at"], env["HEIMDEX_DEADLINE"]))
    assert started + 60 <= deadline <= given["now"] + 60  # the minute begins between the claim and the program
    assert env["TRACEPARENT"].startswith("00-" + id.replace("-", ""))
    allowed = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TRACEPARENT"}
    assert {name for name in env if not name.startswith("HEIMDEX_")} <= allowed
    assert {name for name in env if name.startswith("HEIMDEX_")} == {
        "HEIMDEX_" + name for name in "JOB_ID JOB_TYPE ORG_ID ATTEMPT MAX_ATTEMPTS FENCE DEADLINE FLEET".split()}
    assert migrated.env["PGPASSWORD"] not in json.dumps(env) and "s3cret" not in json.dumps(env)


@pytest.mark.asan
def test_a_handler_that_ignores_its_timeout(fleet, jobs, tmp_path):
    pids = tmp_path / "pids"
    # The timeout is longer than a shell takes to set its trap: before that the TERM would be its end.
    one = fleet(workers=1, handlers=[sh("deaf", TERM_DEAF.format(pids=pids), timeout="3s", max_attempts=1)], jobs={"kill_grace": "300ms"})
    id = jobs.submit("deaf")
    jobs.wait(id)
    assert (jobs.status(id), jobs.row(id)["last_error_code"]) == ("dead_letter", "timeout")
    until(lambda: not any(alive(pid) for pid in pids_in(pids)), what="the whole group is gone")
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
    until(lambda: len(pids_in(pids)) == 2 and not any(alive(pid) for pid in pids_in(pids)), what="nothing of it is left")


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
