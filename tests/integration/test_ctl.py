"""heimdexctl: its commands, the shapes of their JSON, their exit codes (`events` and `doctor`: test_events.py, test_doctor.py)."""
import json
import re
import subprocess
import uuid

import pytest

from support.ctl import NO_SUCH, add_type, add_worker, ask, ctl, listener, run_under, settle, submit  # noqa: F401
from support.wait import until, within

STATUSES = ["queued", "running", "succeeded", "failed", "canceled", "dead_letter"]
NOBODY = "00000000-0000-0000-0000-000000000000"


# ---- status ----

def test_status_of_an_empty_database(ask):
    document = ask("status")
    assert document["counts"] == dict.fromkeys(STATUSES, 0)
    assert document["types"] == document["waiting"] == document["workers"] == []
    assert document["stuck"]["quarantine"] == 0


def test_status_counts_and_says_why_jobs_wait(ask, ctl, migrated):
    add_type(migrated, queue="images")
    add_worker(migrated)
    submit(migrated)
    submit(migrated, run_at="2100-01-01T00:00:00Z")
    submit(migrated, "nobody")
    settle(migrated, submit(migrated), "succeeded")
    document = ask("status")
    assert document["counts"] == {**dict.fromkeys(STATUSES, 0), "queued": 3, "succeeded": 1}
    types = {t["type"]: t for t in document["types"]}
    assert set(types["thumbnail"]) == {"type", "queue", "paused", "handled", "counts"}
    assert (types["thumbnail"]["queue"], types["thumbnail"]["paused"], types["thumbnail"]["handled"]) == ("images", False, True)
    assert types["thumbnail"]["counts"]["queued"] == 2
    assert types["nobody"]["handled"] is False
    waiting = {(w["type"], w["reason"]): w for w in document["waiting"]}
    assert set(waiting) == {("thumbnail", "sql"), ("thumbnail", "delayed"), ("nobody", "sql")}
    assert set(waiting["nobody", "sql"]) == {"type", "queue", "reason", "count", "oldest_due", "paused", "handled"}
    assert waiting["nobody", "sql"]["count"] == 1 and waiting["nobody", "sql"]["handled"] is False
    assert re.fullmatch(r"2100-01-01T00:00:00Z", waiting["thumbnail", "delayed"]["oldest_due"])
    text = ctl("status").stdout
    assert re.search(r"^  nobody .* no worker here has a handler for it$", text, re.M)
    assert "\033" not in text and not re.search(r" $", text, re.M)


def test_status_names_what_is_stuck_and_the_command(ctl, migrated):
    add_worker(migrated, seen="10 minutes")
    submit(migrated)
    migrated.sql("update outbox set created_at = created_at - interval '5 minutes'")
    settle(migrated, submit(migrated), "dead_letter", "exit_1")
    text = ctl("status").stdout
    assert re.search(r"no worker is alive +systemctl start heimdex-supervisor", text)
    assert re.search(r"outbox: 2 batches not announced.*the oldest for 5m +heimdexctl doctor", text)
    assert re.search(r"1 dead letter kept +heimdexctl redrive --dry-run", text)


# ---- jobs, job ----

def test_jobs_newest_first_and_filtered(ask, ctl, migrated):
    org = str(uuid.uuid4())
    first, second = submit(migrated), submit(migrated, "other", org_id=org)
    dead = submit(migrated)
    settle(migrated, dead, "dead_letter", "exit_1", "no such\nfile")
    ids = lambda *args: [job["id"] for job in ask("jobs", *args)]
    assert ids() == [dead, second, first]
    assert ids("--status", "dead_letter") == [dead]
    assert ids("--type", "other") == ids("--org", org) == [second]
    assert ids("--limit", "1") == [dead]
    assert ids("--since", "1h") == [dead, second, first]
    assert ids("--since", "1h", "--until", "2100-01-01T00:00:00Z") == [dead, second, first]
    text = ctl("jobs").stdout
    assert re.search(rf"^{dead}  thumbnail  dead_letter +1/1  \S+Z \((now|\d+s ago)\)  exit_1: no such\\nfile$", text, re.M)
    for args in (["--status", "failed"], ["--since", "2100-01-01T00:00:00Z"], ["--until", "2020-01-01T00:00:00Z"], ["--type", "nobody's"]):
        nothing, document = ctl("jobs", *args), ctl("jobs", *args, "--json")
        assert (nothing.returncode, nothing.stdout, nothing.stderr) == (1, "", "heimdexctl: jobs: none\n")
        assert (document.returncode, document.stdout, document.stderr) == (1, "[]\n", "heimdexctl: jobs: none\n")


def test_a_search_that_takes_long_says_how_far_it_came(ctl, migrated):
    """Looking at a job takes a millisecond here, or more on a busy machine. 1,500 of them: what the first step looks at is not all."""
    patient = {"env": {"HEIMDEX_POSTGRES_TIMEOUT": "1m"}}
    migrated.sql("""with made as (
            insert into job (id, org_id, type, created_at)
            select overlay(overlay(heimdex_uuid_floor(at) :: text placing '7' from 15) placing '8' from 20)::uuid, %s,
                   case when i = 1 then 'first' when i in (2, 1500) then 'other' else 'common' end, at
              from (select i, now() - (1500 - i) * interval '1 s' as at from generate_series(1, 1500) as i) as x
            returning org_id, type, status)
        insert into delta select org_id, type, status, count(*) from made group by 1, 2, 3""", NOBODY)
    migrated.sql("""create function slow() returns boolean language plpgsql as 'begin perform pg_sleep(0.0008); return true; end';
        alter table job enable row level security, force row level security; create policy slow on job using (slow())""")
    found = ctl("jobs", "--type", "other", **patient)
    assert found.returncode == 0 and found.stdout.count("\n") == 2  # the heading, and the newest
    reached = re.fullmatch(r"heimdexctl: jobs: looked at the newest 1000, back to (\S+), and stopped; --until (\S+) goes on, .*\n", found.stderr)
    assert reached[1] == reached[2]
    nothing_yet = ctl("jobs", "--type", "first", "--json", **patient)
    assert (nothing_yet.returncode, nothing_yet.stdout) == (75, "[]\n")
    as_far_as_that = ctl("jobs", "--type", "first", "--since", "1d", timeout=120, **patient)
    assert (as_far_as_that.returncode, as_far_as_that.stdout.count("\n"), as_far_as_that.stderr) == (0, 2, "")
    migrated.sql("drop policy slow on job")
    migrated.sql("alter table job disable row level security")
    rest = json.loads(ctl("jobs", "--type", "other", "--until", reached[1], "--json").stdout)
    assert [job["created_at"] < reached[1] for job in rest] == [True]


def test_job_and_its_timeline(ask, ctl, migrated):
    job = submit(migrated, payload='{"n": 1}', requested_by="me")
    migrated.sql("insert into job_event (job_id, prev_status, next_status, detail_json) values (%s, 'queued', 'running', %s)", job,
                 json.dumps({"attempt": 1, "worker": "alpha/main/0"}))
    migrated.sql("insert into job_event (job_id, prev_status, next_status, detail_json) values (%s, 'running', 'running', %s)", job,
                 json.dumps({"stage": "extracting\033[31m", "progress": 40}))
    document = ask("job", job)
    assert set(document) == {"job", "events"}
    assert document["job"]["id"] == job and document["job"]["payload"] == {"n": 1} and document["job"]["requested_by"] == "me"
    assert document["job"]["progress"] == 40
    assert [event["next_status"] for event in document["events"]] == ["queued", "running", "running"]
    text = ctl("job", job).stdout
    assert re.search(r"^payload +\{\"n\":1\}$", text, re.M)
    assert re.search(r"Z +\+\d+\.\d{3}s  queued -> running +attempt 1, on alpha/main/0$", text, re.M)
    assert "extracting\\x1b[31m 40%" in text and "\033" not in text


def test_a_number_that_only_postgresql_holds(ctl, ask, migrated):
    job = submit(migrated)
    migrated.sql("update job set payload = '{\"big\": 1e400}' where id = %s", job)  # the ways in refuse it
    assert '"big":"1' + "0" * 400 + '"' in ctl("job", job).stdout.replace(" ", "")
    assert job in ctl("jobs").stdout


def test_unknown_and_malformed_ids(ctl):
    for command in ("job", "cancel", "retry"):
        unknown = ctl(command, NO_SUCH)
        assert (unknown.returncode, unknown.stdout, unknown.stderr) == (1, "", f"heimdexctl: {command}: {NO_SUCH}: no such job\n")
        malformed = ctl(command, "17")
        assert (malformed.returncode, malformed.stderr) == (64, f"heimdexctl: {command}: 17: must be a UUID\n")


# ---- workers ----

def test_workers(ask, ctl, migrated):
    nobody, document = ctl("workers"), ctl("workers", "--json")
    assert (nobody.returncode, nobody.stdout, document.returncode, document.stdout) == (1, "", 1, "[]\n")
    assert nobody.stderr == document.stderr == "heimdexctl: workers: none: systemctl start heimdex-supervisor\n"
    alive, silent, dead = add_worker(migrated), add_worker(migrated, slot=1, seen="5 minutes"), add_worker(migrated, slot=2, dead=True)
    run_under(migrated, submit(migrated), alive)
    workers = {worker["id"]: worker for worker in ask("workers")}
    assert [workers[i]["alive"] for i in (alive, silent, dead)] == [True, False, False]
    assert (workers[alive]["claims"], workers[alive]["jobs"], workers[alive]["types"]) == (1, 1, ["thumbnail"])
    text = ctl("workers").stdout
    assert re.search(r"alpha  main/0 +4711  0\.1\.0 +alive +1 +1  \S+Z \(", text)
    assert re.search(r"main/1 .* silent .*\(5m ago\)", text) and re.search(r"main/2 .* dead ", text)


def test_a_worker_lives_by_its_own_lease(ask, ctl, migrated):
    """Whatever lease is configured here; that is for a row that names none."""
    short, long, unknown = (add_worker(migrated, slot=slot, seen="1 minute", lease_ms=lease_ms) for slot, lease_ms in enumerate((1000, 600_000, None)))
    for here, unknown_lives in (("1s", False), ("10m", True)):
        options = {"env": {"HEIMDEX_WORKER_LEASE": here}}
        wanted = {short: False, long: True, unknown: unknown_lives}
        assert {worker["id"]: worker["alive"] for worker in ask("workers", **options)} == wanted
        assert {worker["id"]: worker["alive"] for worker in ask("status", **options)["workers"]} == wanted
        text = ctl("workers", **options).stdout
        assert re.search(r"main/0 .* silent ", text) and re.search(r"main/1 .* alive ", text)
    migrated.sql("update worker set lease_ms = 1000")
    assert "no worker is alive" in ctl("status").stdout


# ---- cancel, retry ----

def test_cancel(ask, ctl, migrated):
    worker = add_worker(migrated)
    queued, running, done = submit(migrated), submit(migrated), submit(migrated)
    run_under(migrated, running, worker)
    settle(migrated, done, "succeeded")
    both = ctl("cancel", queued, running, "--reason", "wrong input")
    assert (both.returncode, both.stdout) == (0, f"{queued} canceled\n{running} asked its worker to stop\n")
    assert migrated.sql("select status::text, last_error_message from job where id = %s", queued) == [("canceled", "wrong input")]
    assert migrated.sql("select job_id::text, reason from signal where worker = %s", worker) == [(running, "wrong input")]
    some = ctl("cancel", done, queued, NO_SUCH, running)
    assert (some.returncode, some.stdout) == (1, f"{running} asked its worker to stop\n")
    assert f"{done}: already succeeded\n" in some.stderr and f"{queued}: already canceled\n" in some.stderr
    answer = ctl("cancel", "--json", done)
    assert answer.returncode == 1
    assert json.loads(answer.stdout) == [{"id": done, "ok": False, "was": "succeeded", "message": "already succeeded"}]


def test_cancel_waits_for_the_worker(binaries, ctl, migrated):
    job = submit(migrated)
    run_under(migrated, job, add_worker(migrated))
    impatient = ctl("cancel", job, "--wait", "300ms")
    assert impatient.returncode == 75 and "it has not yet" in impatient.stderr
    migrated.sql("delete from signal")
    waiting = binaries.popen("heimdexctl", "cancel", job, "--wait", env=migrated.env, stdout=subprocess.PIPE, text=True)
    until(lambda: migrated.one("select count(*) from signal"))
    settle(migrated, job, "canceled", "canceled")
    assert waiting.communicate(timeout=10)[0] == f"{job} canceled\n"
    assert waiting.returncode == 0


def test_retry(ctl, migrated):
    dead, queued, running, done = (submit(migrated) for _ in range(4))
    settle(migrated, dead, "dead_letter", "exit_1")
    settle(migrated, done, "succeeded")
    run_under(migrated, running, add_worker(migrated))
    again = ctl("retry", dead)
    assert (again.returncode, again.stdout) == (0, f"{dead} queued again\n")
    assert migrated.sql("select status::text, attempt, max_attempts from job where id = %s", dead) == [("queued", 1, 2)]
    reason = migrated.one("select detail_json ->> 'reason' from job_event where job_id = %s order by ts desc limit 1", dead)
    assert reason.startswith("heimdexctl retry by ")
    for job, words in ((queued, "is queued already"), (running, "is running"), (done, "succeeded; a finished job does not change")):
        refused = ctl("retry", job)
        assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", f"heimdexctl: retry: {job}: {words}\n")
    ctl("cancel", running)
    assert ctl("retry", running).returncode == 75
    assert ctl("retry", running, NO_SUCH).returncode == 75


def test_many_ids(ctl, migrated):
    jobs = [str(row[0]) for row in migrated.sql("select heimdex_submit('thumbnail') from generate_series(1, 1200)")]
    done = ctl("cancel", *reversed(jobs), jobs[0])
    assert done.returncode == 0
    assert done.stdout.split()[::2] == [*reversed(jobs), jobs[0]]
    assert migrated.one("select count(*) from job where status = 'canceled'") == 1200


# ---- redrive, pause ----

def test_redrive(ctl, ask, migrated):
    nothing = ctl("redrive")
    assert (nothing.returncode, nothing.stderr) == (1, "heimdexctl: redrive: no dead letter matches\n")
    dead = [submit(migrated, "a" if i < 3 else "b") for i in range(5)]
    for i, job in enumerate(dead):
        settle(migrated, job, "dead_letter", f"exit_{i % 2}")
    status = lambda: [migrated.one("select status::text from job where id = %s", job) for job in dead]
    rehearsal = ask("redrive", "--type", "a", "--dry-run")
    assert rehearsal == {"dry_run": True, "matched": 3, "redriven": 0, "groups": rehearsal["groups"]}
    assert {(g["type"], g["error"], g["count"]) for g in rehearsal["groups"]} == {("a", "exit_0", 2), ("a", "exit_1", 1)}
    assert status() == ["dead_letter"] * 5
    assert ctl("redrive", "--until", "1h").returncode == ctl("redrive", "--since", "2100-01-01T00:00:00Z").returncode == 1
    assert ask("redrive", "--limit", "1")["redriven"] == 1
    assert status() == ["queued"] + ["dead_letter"] * 4
    assert ask("redrive", "--error", "exit_1")["redriven"] == 2
    assert status() == ["queued", "queued", "dead_letter", "queued", "dead_letter"]
    assert ctl("redrive").stdout.endswith("2 jobs queued again\n")
    assert status() == ["queued"] * 5


def test_pause_and_resume(ctl, ask, migrated):
    add_type(migrated)
    submit(migrated)
    assert ask("pause", "thumbnail") == {"type": "thumbnail", "paused": True}
    assert ask("status")["types"][0]["paused"] is True
    assert "heimdexctl resume thumbnail" in ctl("status").stdout
    assert ctl("resume", "thumbnail").stdout == "thumbnail resumed\n"
    assert migrated.one("select paused from job_type") is False
    unknown = ctl("pause", "thumbnial")
    assert (unknown.returncode, unknown.stderr) == (1, "heimdexctl: pause: thumbnial: no such type, did you mean thumbnail?\n")

# ---- all of it ----

def test_with_a_fleet(ctl, ask, fleet, env, binaries, migrated):
    one = fleet(workers=1, handlers=[{"type": "sleep", "exec": ["/bin/sleep", "600"]}])
    here = {"env": {**env, "HEIMDEX_SUPERVISOR_CONTROL_SOCKET": one.socket}}
    well = until(lambda: (lambda done: done if done.returncode == 0 else None)(ctl("doctor", **here)), what="doctor is content")
    assert all(line.startswith(("ok ", "warn ")) for line in well.stdout.splitlines()), well.stdout
    document = ask("status")
    assert [worker["alive"] for worker in document["workers"]] == [True]
    assert {"mock_process", "sleep"} <= {t["type"] for t in document["types"]}
    job = binaries.submit("sleep", env=env).stdout.strip()
    until(lambda: ctl("jobs", "--status", "running").returncode == 0, what="it runs")
    canceled = ctl("cancel", job, "--wait")
    assert (canceled.returncode, canceled.stdout) == (0, f"{job} canceled\n"), canceled.stderr
    assert ask("job", job)["job"]["status"] == "canceled"
    done = binaries.submit("mock_process", env=env).stdout.strip()
    until(lambda: ask("job", done)["job"]["status"] == "succeeded")
    assert [event["next_status"] for event in ask("events", "--job", done)] == ["queued", "running", "succeeded"]


# ---- PostgreSQL is away, and other refusals ----

COMMANDS = [["status"], ["jobs"], ["job", NO_SUCH], ["events"], ["events", "--follow"], ["workers"], ["cancel", NO_SUCH],
            ["retry", NO_SUCH], ["redrive"], ["pause", "x"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_postgresql_away(ctl, command):
    done = ctl(*command, env={"PGHOST": "127.0.0.1", "PGPORT": "1"})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (69, "", 1)
    assert done.stderr.startswith("heimdexctl: PostgreSQL: ")


def test_postgresql_silent(ctl, listener):
    silent = {"PGHOST": "127.0.0.1", "PGPORT": str(listener.getsockname()[1])}
    done = within(3, lambda: ctl("status", env={**silent, "HEIMDEX_POSTGRES_TIMEOUT": "1s"}))
    assert (done.returncode, done.stderr.count("\n")) == (69, 1)


def test_no_schema(ctl, database):
    done = ctl("status", env=database.env)
    assert done.returncode == 78 and done.stderr.endswith("heimdex-migrate upgrade head\n")


def test_wrong_password(ctl):
    done = ctl("status", env={"PGPASSWORD": "wrong"})
    if done.returncode == 0:
        pytest.skip("this server trusts everybody")
    assert done.returncode == 77 and "wrong" not in done.stderr.replace("wrong password", "")


def test_usage(ctl):
    cases = {(): "command: missing", ("stats",): "stats: unknown command, did you mean status?", ("job",): "job: ID: missing",
             ("status", "x"): "status: x: unexpected argument",
             ("workers", "--limit", "1"): "workers: --limit: not an option of this command",
             ("jobs", "--status", "dead"): "--status: dead: must be ", ("jobs", "--since", "soon"): "--since: soon: must be ",
             ("jobs", "--limit", "0"): "--limit: 0: must be ", ("jobs", "--lim"): "--lim: unknown option, did you mean --limit?",
             ("cancel", NO_SUCH, "--wait=soon"): "--wait: soon: must be a duration, like 30s\n"}
    for words, complaint in cases.items():
        done = ctl(*words)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (64, "", 1), words
        assert done.stderr.startswith(f"heimdexctl: {complaint}")
    assert ctl("--help").returncode == ctl("--version").returncode == 0
