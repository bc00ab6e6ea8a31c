"""The embedded broker dies under load, with its topics and the group's offsets: PostgreSQL knows what it has lost."""
import pytest

from support.load import Load
from support.servers import EmbeddedBroker
from support.wait import until

pytestmark = pytest.mark.sweep  # what only Kafka knew of is found after two minutes
TIMES = 5


@pytest.fixture
def kafka(binaries):
    broker = EmbeddedBroker(binaries)
    yield broker
    broker.end()


def test_it_is_killed_and_forgets(fleet, jobs, kafka, migrated, env, binaries, logging_handler, handler_log):
    """Submitters are told that their jobs are kept, all the time; each job runs, once."""
    one = fleet(workers=2, handlers=[{"type": "logged", "exec": [logging_handler, handler_log]}])
    workers = one.worker_pids()
    with Load(binaries, env, '{"type":"logged"}', rate=100) as load:
        for _ in range(TIMES):
            known = len(load.acks)
            until(lambda: len(load.acks) >= known + 100, 60)
            kafka.kill()
            known = len(load.acks)
            until(lambda: len(load.acks) >= known + 40, 60)  # nobody waits for it
            kafka.start()
    jobs.wait(load.acks, "succeeded", seconds=180)
    until(lambda: migrated.one("select count(*) from outbox") == 0, 60, "an empty outbox")
    assert not load.failures and one.worker_pids() == workers
    assert migrated.sql("select attempt, fence, count(*)::int from job group by 1, 2") == [(1, 1, len(load.acks))]
    assert one.stop() == 0
    fleet.check.update(acks=load.acks, finished=True, handler_log=handler_log)


def test_what_it_had_is_found(fleet, jobs, kafka, migrated):
    """Announced to it while nobody read, and gone: the sweep finds these jobs, newer ones don't wait for that."""
    one = fleet(workers=1)
    acks = jobs.batch([{"type": "mock_process"}] * 20)
    jobs.wait(acks)
    assert one.stop() == 0
    lost = jobs.batch([{"type": "mock_process"}] * 100)
    until(lambda: migrated.one("select count(*) from outbox") == 0, what="it has them all")
    kafka.kill()
    kafka.start()
    again = fleet(workers=1, instance=one.instance)
    fresh = jobs.batch([{"type": "mock_process"}] * 100)
    jobs.wait(fresh, "succeeded", seconds=60)
    jobs.wait(lost, "succeeded", seconds=180)
    assert again.stop() == 0
    fleet.check.update(acks=acks + lost + fresh, finished=True)
