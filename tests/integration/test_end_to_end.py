"""20,000 mixed jobs through two supervisors with two workers each, while workers are killed, a supervisor too, and the topic is deleted.
At the end every acknowledged job is terminal, and the checker finds nothing."""
import os
import random
import time

from checker import handler_log as runs_of
from checker.check import check_database
from support.mix import make
from support.process import kill_if_there
from support.statements import Session
from support.wait import until

JOBS, ROUNDS = 20_000, 10
RETRIES = {"backoff_base": "100ms", "backoff_max": "500ms"}


def test_nothing_is_lost(fleet, jobs, kafka, prefix, migrated, logging_handler, handler_log, tmp_path):
    dice = random.Random(os.environ.get("HEIMDEX_TEST_SEED", "20000"))
    options = {"workers": 2, "jobs": {"max_attempts": 6, "max_crashes": 20, **RETRIES}, "worker": {"lease": "6s"},
               "supervisor": {"restart_backoff_max": "500ms"}, "handlers": [{"type": "logged", "exec": [logging_handler, handler_log]}]}
    fleets = [fleet(**options), fleet(**options)]
    kafka.wait_for_group(prefix, 4)
    began = time.monotonic()
    acks, keys, asked, by_key = [], [], set(), set()

    def kill_who_runs():
        """One run that waits for it: a kill surely meets a running job."""
        gate = tmp_path / "gate"
        acks.extend(jobs.batch([{"type": "logged", "payload": {"until": str(gate)}}]))
        until(lambda: acks[-1] in runs_of.read(handler_log)[0], what="it runs")
        pid_of = "select w.pid from job j join worker w on w.id = j.worker where j.id = %s"
        until(lambda: any(kill_if_there(pid) for pid, in migrated.sql(pid_of, acks[-1])), what="its worker is killed")
        until(lambda: jobs.row(acks[-1])["crash_count"] >= 1, what="its death is known")
        gate.touch()

    def kill_a_worker():
        one = dice.choice(fleets)
        kill_if_there(dice.choice(until(one.worker_pids)))

    def cancel_some():
        some = dice.sample(acks, 60)
        asked.update(some)
        jobs.ctl("cancel", *some, check=False)  # some have ended already

    def kill_a_supervisor():
        fleets[0].kill()
        fleets[0].start(wait=False)

    disturbances = [kill_who_runs, cancel_some, kill_a_worker, lambda: kafka.delete_topic(f"{prefix}.jobs.default"), kill_a_worker, cancel_some,
                    kill_a_supervisor, kill_a_worker, kill_a_worker, cancel_some]
    assert len(disturbances) == ROUNDS
    for number, disturb in enumerate(disturbances):
        batch = [make(dice, number * JOBS + i, keys) for i in range(JOBS // ROUNDS)]
        ids = jobs.batch(batch)
        assert len(ids) == len(batch)
        for job, id in zip(batch, ids):
            if "idempotency_key" in job:
                by_key.add((job["idempotency_key"], id))
        acks += ids
        disturb()
    assert len(acks) == JOBS + 1 and len({key for key, _ in by_key}) == len(by_key)  # a key has one id

    def open_jobs(lost):
        """Those whose announcement went with the topic, ten seconds ago or more; or all others."""
        return migrated.one("""select count(*) from job j where j.status not in ('succeeded', 'canceled', 'dead_letter')
            and %s = (j.status = 'queued' and j.id < heimdex_uuid_floor(clock_timestamp() - interval '10 s')
                      and not exists (select from waiting w where w.job_id = j.id))""", lost)

    # The lost ones are the sweep's, two minutes later. Not to wait for that, a statement of its kind is run sooner.
    until(lambda: open_jobs(False) == 0, 60, "all jobs terminal, or lost with their topic")
    lost, session = open_jobs(True), Session(migrated)
    session.transaction(("sweep", 10_000, 100_000, "00000000-0000-0000-0000-000000000000", False))
    session.close()
    until(lambda: open_jobs(True) + open_jobs(False) == 0, 30, "all jobs terminal")
    seconds = time.monotonic() - began
    connection = migrated.connect()
    until(lambda: not check_database(connection, idle=True), 30, "nothing is left")
    connection.close()
    fleet.check.update(acks=set(acks), finished=True, handler_log=handler_log, idle=True)

    statuses = dict(migrated.sql("select status::text, count(*) from job group by 1"))
    codes = dict(migrated.sql("select last_error_code, count(*) from job where status = 'dead_letter' group by 1"))
    runs, _ = runs_of.read(handler_log)
    print(f"{seconds:.1f} s; {statuses}; dead letters: {codes}; {sum(map(len, runs.values()))} handler runs of {len(runs)} jobs; "
          f"{lost} announcements lost")
    assert sum(statuses.values()) == len(set(acks))
    assert statuses["canceled"] <= len(asked)
    assert set(codes) <= {"mock_permanent"}, codes  # nobody loses its budget to our kills
    assert migrated.one("select count(*) from job_event where detail_json ? 'run'") > 0, "no kill met a running job"
