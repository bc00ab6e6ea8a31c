"""The primary is lost, its standby becomes the primary: both stand in PGHOST and PGPORT, and nobody is told anything."""
import signal
import subprocess
import time
from contextlib import ExitStack

import pytest

from support import figures
from support.load import Load, rate, recovery
from support.servers import Database, Postgres
from support.standby import Standby
from support.wait import until

LINE = '{"type":"mock_process"}'


@pytest.fixture
def postgres(workdir):
    server = Postgres(workdir / "primary")
    yield server
    server.delete()


@pytest.fixture
def template(postgres, binaries):
    database = postgres.create("template_failover")
    binaries.migrate("upgrade", "head", env=database.env)
    return database


@pytest.fixture
def standby(postgres):
    made = Standby(postgres)
    yield made
    made.delete()


@pytest.fixture
def migrated(postgres, template, standby):
    made = postgres.create("t_failover", template=template.name)
    made.env = {**made.env, "PGHOST": "127.0.0.1,127.0.0.1", "PGPORT": f"{postgres.env['PGPORT']},{standby.port}"}
    return made


@pytest.mark.parametrize("how", ["killed", pytest.param("frozen", marks=pytest.mark.sweep)])
def test_failover(fleet, jobs, postgres, standby, migrated, kafka, prefix, env, binaries, how, figure):
    running = fleet(workers=2, postgres={"timeout": "3s"}, worker={"lease": "10s"}, jobs={"backoff_base": "100ms", "backoff_max": "500ms"})
    kafka.wait_for_group(prefix, 2)
    with ExitStack() as frozen, Load(binaries, {**env, "HEIMDEX_POSTGRES_TIMEOUT": "5s"}, LINE) as load:
        until(lambda: len(load.acks) >= 300)
        begin = time.time()
        until(lambda: len(load.acks) >= 1200)
        before = min(rate(migrated, begin, time.time()), load.rate)  # above that it is what had gathered before
        if how == "killed":
            postgres.end(signal.SIGKILL)
        else:
            frozen.callback(postgres.end, signal.SIGKILL)  # it never comes back: that is what fencing is for
            frozen.enter_context(postgres.frozen())
        migrated.env = {**migrated.env, "PGPORT": standby.port, "PGHOST": "127.0.0.1"}  # the test's own; the fleet finds it
        migrated.forget()
        standby.promote()
        back = time.time()
        if how == "killed":
            seconds = until(lambda: recovery(migrated, before, back), 30, "90 % of the rate")
            print(f"\n{before:.0f} jobs/s before the primary was lost; {len(load.failures)} submitters failed meanwhile")
            figure("a standby is promoted, 90 % of the rate is back", seconds, 30)
        else:  # every new submitter gives the silent host its share of time first
            known = len(load.acks)
            until(lambda: len(load.acks) > known, 30)
    jobs.wait(load.acks)
    assert sum(child["restarts"] for child in running.children()) == 0
    fleet.check.update(acks=load.acks, finished=True)
    assert running.stop() == 0


def test_the_old_primary_is_still_up(fleet, jobs, postgres, standby, migrated, kafka, prefix, binaries, env, logging_handler, handler_log):
    """Its standby is the primary now, and it knows nothing of that: who connects finds it first in PGHOST, and it takes writes. They wait for its
    standby, so nobody is told that they are done, and nothing runs by them, until it is fenced. Then all goes on at the new one."""
    one = fleet(workers=2, postgres={"timeout": "8s"}, worker={"lease": "6s"}, handlers=[{"type": "logged", "exec": [logging_handler, handler_log]}])
    kafka.wait_for_group(prefix, 2)
    acks, workers, old = jobs.batch([{"type": "logged"}] * 20), one.worker_pids(), Database(postgres, migrated.name)
    jobs.wait(acks)
    migrated.env = {**migrated.env, "PGPORT": standby.port, "PGHOST": "127.0.0.1"}
    migrated.forget()
    standby.promote()
    figures.fault()
    patient = {**env, "HEIMDEX_POSTGRES_TIMEOUT": "8s"}  # half of it is for the old one: who hears nothing of it till then goes on to the new one
    submitters = [binaries.popen("heimdex-submit", "logged", env=patient, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for refused in submitters:
        out, said = refused.communicate(timeout=30)
        assert refused.returncode == 69 and out == "" and "no answer within" in said, said
    for program in "heimdex-submit", "heimdex-worker", "heimdex-scheduler":
        until(lambda: old.sql("select from pg_stat_activity where wait_event = 'SyncRep' and application_name like %s", program + "%"), what=program)
    old.forget()
    postgres.end(signal.SIGKILL)  # fenced
    keyed = [{"type": "logged", "idempotency_key": f"late {n}"} for n in range(20)]  # an answer that is lost makes none of them twice
    acks += until(lambda: jobs.batch(keyed))
    jobs.wait(acks, "succeeded", seconds=60)
    assert one.worker_pids() == workers
    assert migrated.one("select count(*) from job") == len(acks)
    assert sorted(line.split()[1] for line in handler_log.read_text().splitlines() if line.startswith("start ")) == sorted(acks)
    fleet.check.update(acks=acks, finished=True, handler_log=handler_log)
    assert one.stop() == 0


def end_old_sessions(old):
    """Sessions of ours that are older than its configuration are told to end: whether there were any."""
    return old.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'heimdex-%'"
                   " and backend_start < pg_conf_load_time()")


def test_the_old_primary_is_fenced_and_up(fleet, jobs, postgres, standby, migrated, kafka, prefix, env):
    """It is read-only before its standby is promoted, and stays there, first in PGHOST: all goes on at the new one, nothing is written to the old."""
    one = fleet(workers=2, postgres={"timeout": "2s"})
    kafka.wait_for_group(prefix, 2)
    acks, workers, old = jobs.batch([{"type": "mock_process"}] * 20), one.worker_pids(), Database(postgres, migrated.name)
    jobs.wait(acks)
    postgres.admin("alter system set default_transaction_read_only = on")
    postgres.admin("select pg_reload_conf()")
    until(lambda: not end_old_sessions(old), what="no session that knew it otherwise")
    tables = "select (select count(*) from job), (select count(*) from job_event), (select count(*) from claim), (select sum(lease) from worker)"
    before = old.sql(tables)
    migrated.env = {**migrated.env, "PGPORT": standby.port, "PGHOST": "127.0.0.1"}
    migrated.forget()
    figures.fault()
    standby.promote()
    acks += until(lambda: jobs.batch([{"type": "mock_process"}] * 20), 30)
    jobs.wait(acks, "succeeded", seconds=60)
    assert one.worker_pids() == workers
    assert old.sql(tables) == before and migrated.sql(tables) != before
    old.forget()
    fleet.check.update(acks=acks, finished=True)
    assert one.stop() == 0


def test_failover_to_one_that_was_behind(fleet, jobs, postgres, standby, migrated, kafka, prefix):
    """Acknowledged jobs are gone with the primary. What Kafka still announces of them is kept, and says which."""
    one = fleet(workers=1)
    known = jobs.batch([{"type": "mock_process"}] * 20)
    jobs.wait(known)
    assert one.stop() == 0
    standby.fall_behind()
    gone = jobs.batch([{"type": "mock_process"}] * 20)
    until(lambda: migrated.one("select count(*) from outbox") == 0, what="Kafka has their records")
    postgres.end(signal.SIGKILL)
    migrated.env = {**migrated.env, "PGPORT": standby.port, "PGHOST": "127.0.0.1"}
    migrated.forget()
    standby.promote()
    again = fleet(workers=1)
    reasons = until(lambda: len(found := migrated.sql("select reason from quarantine")) == len(gone) and found, what="all of them in quarantine")
    assert {reason for reason, in reasons} == {f"no such job: {id}" for id in gone}
    fresh = jobs.batch([{"type": "mock_process"}] * 20)
    jobs.wait(fresh)
    assert migrated.one("select count(*) from job where id = any(%s::uuid[])", gone) == 0 and {jobs.status(id) for id in known} == {"succeeded"}
    fleet.check.update(acks=known + fresh, finished=True)
    assert again.stop() == 0
