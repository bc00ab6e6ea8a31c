"""The checker finds what it is for: every rule is broken once, by hand, and must be named; an honest history gives nothing."""
import subprocess
import uuid

import pytest

from checker.check import check_database, check_transaction
from support.statements import Session, Worker, cancel, new_id, reap, retry, submit
from support.wait import within

pytestmark = pytest.mark.quick
GONE = "11111111-1111-4111-8111-111111111111"


def write_history(database):
    """A ledger with a job in every state, made by the product's statements. Their ids by name."""
    names = """fresh keyed delayed running stopping done told failed buried canceled revived snoozed released crashed ended spared limited
               waiting_limited""".split()
    job = {name: new_id(seconds_ago=-i) for i, name in enumerate(names)}
    client, worker, victim = Session(database), Worker(database, ["plain", "limited"], concurrency=1), Worker(database, slot=1)
    client.transaction(*submit([job[name] for name in names if name not in ("keyed", "delayed", "limited", "waiting_limited")]))
    client.transaction(*submit([job["keyed"]], keys=["a key"]))
    client.transaction(*submit([job["delayed"]], run_at="2100-01-01"))
    client.transaction(*submit([job["limited"], job["waiting_limited"]], type="limited"))

    def claimed(by, *names):
        return {name: row for name in names for row in by.transaction(*by.claim([job[name]]))}

    def end(how, name):
        token = str(uuid.uuid4())
        rows = worker.transaction(*worker.claim([job[name]], token))
        worker.transaction(*how(rows, claims=[token]))

    claimed(worker, "running", "stopping")
    client.transaction(*cancel([job["stopping"]]))
    end(worker.complete, "done")
    token = str(uuid.uuid4())
    told = worker.transaction(*worker.claim([job["told"]], token))
    worker.transaction(*worker.tell(told, "extracting"))
    worker.transaction(*worker.tell(told, "indexing"), *worker.complete(told, [token]))
    client.transaction(("log_event", job["told"], {"note": "seen by somebody"}))
    end(lambda rows, claims: worker.fail(rows, 3_600_000, claims), "failed")
    end(worker.bury, "buried")
    client.transaction(*cancel([job["canceled"]]))
    end(worker.bury, "revived")
    client.transaction(*retry([job["revived"]]))
    end(lambda rows, claims: worker.snooze(rows, 3_600_000, claims), "snoozed")
    end(worker.release, "released")
    held = claimed(victim, "crashed", "ended", "spared")
    client.transaction(*reap(victim, started=[held["crashed"]], ended=[held["ended"]], base_ms=3_600_000))
    worker.transaction(*worker.claim_limited([job["limited"], job["waiting_limited"]]))
    client.transaction(("quarantine", "a.topic", 0, 7, "truncated", "00ff", 2))
    client.transaction(("fold", 5))
    for session in (client, worker, victim):
        session.close()
    return job


@pytest.fixture(scope="module")
def written(postgres, template):
    database = postgres.create("history_" + uuid.uuid4().hex[:8], template=template.name)
    yield database, write_history(database)
    database.drop()


class History:
    """It in an open transaction, in which a test may break it; `job` has the ids by name."""

    def __init__(self, database, job):
        self.job, self.connection = job, database.connect()
        self.cursor = self.connection.cursor()

    def sql(self, statement, *args):
        self.cursor.execute(statement, args or None)
        return self.cursor.fetchall() if self.cursor.description else []

    def one(self, statement):
        return self.sql(statement)[0][0]

    def violations(self, **options):
        self.sql("savepoint before")
        found = check_transaction(self.cursor, **options)
        self.sql("rollback to savepoint before")
        return found


@pytest.fixture
def history(written):
    opened = History(*written)
    yield opened
    opened.connection.close()


def test_an_honest_history_gives_nothing(history):
    statuses = {status for status, in history.sql("select distinct status::text from job")}
    assert statuses == {"queued", "running", "succeeded", "failed", "canceled", "dead_letter"}
    assert history.violations(acks=history.job.values(), outbox_kept=True) == []
    assert history.violations(same_transaction=False) == []


def test_an_empty_ledger_gives_nothing(migrated):
    with migrated.connect() as connection:
        assert check_database(connection, acks=[], finished=True, idle=True, stopped=True, outbox_kept=True) == []
    connection.close()


BROKEN = {
    # rule, name of the case: a statement, and what the violation says of the job
    "I2 terminal to running": ("insert into job_event (job_id, prev_status, next_status) values ({done}, 'succeeded', 'running')",
                               "leaves a terminal status"),
    "I2 success revived": ("""insert into job_event (job_id, prev_status, next_status, detail_json)
                              values ({done}, 'succeeded', 'queued', '{{"reason": "retry", "max_attempts": 5}}')""", "leaves a terminal status"),
    "I2 revived without a reason": ("update job_event set detail_json = null where job_id = {revived} and prev_status = 'dead_letter'",
                                    "leaves a terminal status"),
    "I2 terminal without an end": ("update job set finished_at = null where id = {done}", "finished_at null"),
    "I2 an end without an end": ("update job set finished_at = now() where id = {running}", "running with finished_at"),
    "I2 no code": ("update job set last_error_code = null where id = {buried}", "without an error code"),
    "I3 fence without a claim": ("update job set fence = 2 where id = {done}", "fence 2 after 1 claims"),
    "I3 claim without a fence": ("update job set fence = 0 where id = {done}", "fence 0 after 1 claims"),
    "I3 end of another attempt": ("""update job_event set detail_json = detail_json || '{{"attempt": 2}}'
                                     where job_id = {done} and next_status = 'succeeded'""", "speaks of attempt 2"),
    "I3 stage of another attempt": ("""update job_event set detail_json = detail_json || '{{"attempt": 7}}'
                                       where job_id = {told} and detail_json ->> 'stage' = 'indexing'""", "speaks of attempt 7"),
    "I3 end by another worker": ("""update job_event set detail_json = detail_json || '{{"worker": "elsewhere/test/0"}}'
                                    where job_id = {done} and next_status = 'succeeded'""", "is of worker elsewhere"),
    "I4 first event missing": ("delete from job_event where job_id = {done} and prev_status is null", "is the first"),
    "I4 second submit": ("insert into job_event (job_id, next_status) values ({fresh}, 'queued')", "follows one that ended in queued"),
    "I4 gap": ("delete from job_event where job_id = {revived} and prev_status = 'queued'", "follows one that ended in queued"),
    "I4 no transition": ("""with a as (delete from job_event where job_id = {buried} and next_status = 'running' returning ts)
                            update job_event set prev_status = 'queued' where job_id = {buried} and next_status = 'dead_letter'""",
                         "is no transition"),
    "I4 twice": ("""insert into job_event (job_id, ts, prev_status, next_status, detail_json)
                    select job_id, ts + interval '1 s', prev_status, next_status, detail_json from job_event
                     where job_id = {done} and next_status = 'succeeded'""", "follows one that ended in succeeded"),
    "I4 one moment": ("""insert into job_event (job_id, ts, prev_status, next_status) select id, updated_at, 'running', 'running'
                           from job where id = {running}""", "has the time of the one before"),
    "I4 out of order": ("""update job_event set ts = ts - interval '1 hour' where job_id = {done} and next_status = 'succeeded'""",
                        "is the first"),
    "I4 another status": ("update job set status = 'failed', finished_at = null where id = {done}", "failed, its last event says succeeded"),
    "I4 another time": ("update job set updated_at = updated_at + interval '1 s' where id = {done}", "the event that moved it"),
    "I5 beyond its budget": ("update job set attempt = max_attempts + 1 where id = {done}", "attempt 4 of 3"),
    "I5 a start not counted": ("update job set attempt = 0 where id = {crashed}", "attempt 0, counted from its events 1"),
    "I5 an untouched run counted": ("update job set attempt = 1 where id = {released}", "attempt 1, counted from its events 0"),
    "I5 an untouched run of the dead counted": ("update job set attempt = 1 where id = {spared}", "attempt 1, counted from its events 0"),
    "I7 one key, two jobs": ("""drop index uq_job_org_idempotency; update job set idempotency_key = 'a key' where id = {fresh}""", "key a key"),
    "I8 waiting and running": ("""insert into waiting (job_id, type, queue, due, reason)
                                  values ({running}, 'plain', 'default', now(), 'swept')""", "is running"),
    "I8 waiting and done": ("""insert into waiting (job_id, type, queue, due, reason)
                               values ({done}, 'plain', 'default', now(), 'swept')""", "is succeeded"),
    "I8 waiting for nobody": ("""insert into waiting (job_id, type, queue, due, reason)
                                 values ({gone}, 'plain', 'default', now(), 'swept')""", "is not there"),
    "I8 claim of the dead": ("insert into claim (token, worker, ids) select gen_random_uuid(), id, '{{}}' from worker where dead", "which is dead"),
    "I8 claim of nobody": ("insert into claim (token, worker, ids) values (gen_random_uuid(), 999, '{{}}')", "which is gone"),
    "I8 claim of what is done": ("insert into claim (token, worker, ids) select gen_random_uuid(), id, array[{done}::uuid] from worker where not dead",
                                 "none of its jobs runs"),
    "I8 permit of what is done": ("update permit set job_id = {done}, worker = 1", "which is succeeded"),
    "I8 permit at another worker": ("update permit set worker = worker + 1", "running at another worker"),
    "I8 two permits": ("insert into permit select type, 2, worker, job_id from permit", "all held for job"),
    "I8 signal to what is done": ("update signal set job_id = {done}", "is succeeded"),
    "I8 signal to another worker": ("update signal set worker = worker + 1", "is running at worker"),
    "R1 queued, swept past": ("update sweep set position = {fresh}::uuid", "the sweep is past it"),
    "R1 failed and forgotten": ("delete from waiting where job_id = {failed}", "failed, not in waiting"),
    "R2 in no claim": ("delete from claim where {running}::uuid = any(ids)", "in no claim of it"),
    "R2 in another's claim": ("""with other as (insert into worker (host, hostname, instance, slot, incarnation, boot_id, pid, version, types)
                                               values ('h', 'h', 'i', 0, gen_random_uuid(), 'b', 1, 'v', '{{}}') returning id)
                                 update claim set worker = other.id from other where {running}::uuid = any(ids)""", "in no claim of it"),
    "R2 at the dead": ("update worker set dead = true", "which is dead"),
    "R2 at nobody": ("delete from worker", "which is gone"),
    "R3 announced, and not there": ("insert into outbox (kind, ids, due) values ('announce', array[{gone}::uuid], now())", "there is no job"),
    "R3 not announced": ("delete from outbox where {fresh}::uuid = any(ids)", "wrote no announcement"),
    "R3 not announced by retry": ("delete from outbox where {revived}::uuid = any(ids) and kind = 'announce' and cardinality(ids) = 1",
                                  "wrote no announcement"),
    "R3 dead and not said": ("delete from outbox where {buried}::uuid = any(ids) and kind = 'dead_letter'", "wrote no dead letter"),
    "R3 announced by somebody else": ("update outbox set due = due where kind = 'announce'", "wrote no announcement"),
    "R4 no event": ("delete from job_event where job_id = {fresh}", "has no event"),
    "R4 no event of its own": ("update job set attempt = attempt where id = {done}", "was written by transaction"),
    "R4 event lost": ("delete from job_event where job_id = {done} and next_status = 'succeeded'", "was written by transaction"),
    "orphan": ("delete from job where id = {done}", "3 events of a job that isn't there"),
    "counts of what is gone": ("delete from delta where status = 'succeeded'", "succeeded: counted"),
    "counts of what never was": ("insert into delta values ('00000000-0000-0000-0000-000000000000', 'other', 'queued', 1)",
                                 "other, queued: counted 1, there are 0"),
    "limit": ("""update job set status = 'running' where id = {waiting_limited}""", "2 run, there are 1 permits"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_by_hand(history, case):
    statement, says = BROKEN[case]
    names = {name: f"'{id}'" for name, id in history.job.items()}
    history.sql(statement.format(gone=f"'{GONE}'", **names))
    found = history.violations(outbox_kept=case.startswith("R3"))
    assert [violation for violation in found if violation.startswith(case.split()[0] + " ") and says in violation], found


def test_acknowledgements(history):
    job = history.job
    assert history.violations(acks=[job["done"], GONE]) == [f"I1 job {GONE}: acknowledged, and isn't there"]
    assert history.violations(acks=[job["done"], job["told"], job["buried"], job["canceled"]], finished=True) == []
    assert history.violations(acks=[job["done"], job["failed"]], finished=True) == [f"I1 job {job['failed']}: still failed"]
    open_jobs = history.one("select count(*) from job where status in ('queued', 'running', 'failed')")
    assert len(history.violations(finished=True)) == open_jobs


def test_at_rest(history):
    """What is left while work goes on is a violation once there is nothing to do."""
    found = "\n".join(history.violations(idle=True))
    for left in ("outbox 1 (announce", "claim ", "(redriven, due", "queued, and waits for nothing", "still running", "permit 1 of limited",
                 "signal to worker", "rows are not folded"):
        assert left in found, left
    for may_wait in (history.job["delayed"], history.job["failed"]):
        assert may_wait not in found
    stopped = history.violations(stopped=True)
    assert {violation.split()[0] for violation in stopped} == {"I10"}
    history.sql("update job_type set paused = true")
    assert "(redriven" not in "\n".join(history.violations(idle=True))


# --- what handlers wrote down ---

@pytest.fixture
def log(tmp_path):
    def write(*lines):
        path = tmp_path / "handlers.log"
        path.write_text("".join(line + "\n" for line in lines))
        return path
    return write


def test_an_honest_handler_log(history, log):
    path = log(f"start {history.job['done']} 1 100 5.000", f"end {history.job['done']} 1 100 6.000",
               f"start {history.job['told']} 1 101 5.500", f"end {history.job['told']} 1 101 6.500",
               f"start {history.job['crashed']} 1 102 5.000")
    assert history.violations(handler_log=path) == []


@pytest.mark.parametrize("lines, says", [
    (["start {done} 1 100 5", "end {done} 1 100 6", "start {done} 1 101 7", "end {done} 1 101 8"], "I5 job {done}: 2 starts, 1 claims"),
    (["start {released} 1 100 5"], "I5 job {released}: 1 starts, attempt 0"),
    (["start {done} 2 100 5", "end {done} 2 100 6"], "I3 job {done}: run 2 (pid 100, 5.000 to 6.000) has a fence that was never given"),
    (["start {done} 1 100 5", "start {done} 1 101 7", "end {done} 1 101 8"], "I3 job {done}: run 1 (pid 101"),
    (["start {done} 1 100 5", "start {done} 2 101 6", "end {done} 2 101 7", "end {done} 1 100 8"], "I6 job {done}: run 2 (pid 101, 6.000 to 7.000) began during"),
    (["start {done} 1 100 5", "overlap {done} 1 101 6 100", "end {done} 1 100 7"], "I6 job {done}: run 1 (pid 101) began while pid 100"),
    (["start {done} 1 100 5"], "I5 job {done}: succeeded, and its handler (plain) never came to the end of run 1"),
    (["start {gone} 1 100 5"], "I5 job {gone}: ran, and isn't there"),
    (["end {done} 1 100 5"], "end without its start"),
    (["start {done}"], "can't be read"),
])
def test_a_handler_log_that_tells_otherwise(history, log, lines, says):
    names = {**history.job, "gone": GONE}
    found = history.violations(handler_log=log(*(line.format(**names) for line in lines)))
    assert [violation for violation in found if says.format(**names) in violation], found


# --- as a program ---

@pytest.fixture
def copy(postgres, written):
    database = postgres.create("t_" + uuid.uuid4().hex[:12], template=written[0].name)
    yield database, written[1]
    database.drop()


def run_program(database, *args, **env):
    root = __file__.rsplit("/tests/", 1)[0]
    return subprocess.run([root + "/scripts/check-invariants", *map(str, args)], env={**database.env, "PATH": "/usr/bin:/bin", **env},
                          capture_output=True, text=True, timeout=60)


def test_the_program(copy, tmp_path):
    database, job = copy
    acks = tmp_path / "acks"
    acks.write_text("".join(id + "\n" for id in job.values()))
    jobs, events = database.one("select count(*) from job"), database.one("select count(*) from job_event")
    done = run_program(database, "--acks", acks)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"invariants: {jobs} jobs, {events} events, 0 violations\n", "")

    database.sql("delete from waiting where job_id = %s", job["failed"])
    database.sql("""insert into waiting (job_id, type, queue, due, reason) select gen_random_uuid(), 'plain', 'default', now(), 'swept'
                    from generate_series(1, 30)""")
    done = run_program(database)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("R1 ") and job["failed"] in line]
    assert len([line for line in lines if line.startswith("I8 ")]) == 21 and "I8 … and 10 more" in lines
    assert lines[-1] == f"invariants: {jobs} jobs, {events} events, 31 violations"


def test_the_program_without_a_database(written, tmp_path):
    done = run_program(written[0], PGPORT="1")
    assert (done.returncode, done.stdout) == (69, "") and done.stderr.startswith("check-invariants: ")
    assert run_program(written[0], "--acks", tmp_path / "nothing").returncode == 65
    assert run_program(written[0], "--what").returncode == 64


@pytest.mark.slow
def test_it_is_quick(migrated):
    """30,000 jobs of four events in the time of a breath."""
    worker = Worker(migrated)
    ids = sorted(new_id() for _ in range(30_000))
    token = str(uuid.uuid4())
    worker.transaction(*submit(ids))
    rows = worker.transaction(*worker.claim(ids, token))
    worker.transaction(*worker.tell(rows, "extracting"), *worker.complete(rows, [token]))
    worker.close()
    with migrated.connect() as connection:
        assert within(10, lambda: check_database(connection, acks=ids, finished=True)) == []
    connection.close()
