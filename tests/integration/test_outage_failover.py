"""The primary is lost, its standby becomes the primary: both stand in PGHOST and PGPORT, and nobody is told anything."""
import signal
import time
from contextlib import ExitStack

import pytest

from support.load import Load, rate, recovery
from support.servers import Postgres
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
        before = rate(migrated, begin, time.time())
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
