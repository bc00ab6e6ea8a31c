"""Three brokers, one of which is lost, or stands still: the others have every partition, and the fleet hardly notices."""
import time

import pytest

from support.cluster import KafkaCluster
from support.load import Load, rate, recovery
from support.wait import until

pytestmark = pytest.mark.sweep
LINE = '{"type":"mock_process"}'
RATE = 100


@pytest.fixture(scope="module")
def cluster(workdir):
    made = KafkaCluster(workdir / "cluster")
    yield made
    made.delete()


@pytest.fixture
def kafka(cluster):
    return cluster


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_one_of_three_is_lost(fleet, jobs, cluster, migrated, env, binaries, how, figure):
    running = fleet(workers=2)
    with Load(binaries, env, LINE, rate=RATE) as load:
        until(lambda: len(load.acks) >= 200, 60)
        begin = time.time()
        until(lambda: len(load.acks) >= 600)
        before = min(rate(migrated, begin, time.time()), RATE)  # above that it is what had gathered before there were partitions
        cluster.kill(1) if how == "killed" else cluster.freeze(1)
        lost = time.time()
        seconds = until(lambda: recovery(migrated, before, lost, seconds=60), 60, "90 % of the rate with two")
        until(lambda: len(load.acks) >= 1500, 60)
        cluster.start(1) if how == "killed" else cluster.thaw(1)
        until(lambda: cluster.alive() == 3, 120)
    print(f"\n{before:.0f} jobs/s before a broker was {how}")
    figure(f"one of three brokers is {how}, 90 % of the rate is back", seconds, 30, bound=60)
    jobs.wait(load.acks, seconds=60)
    assert not load.failures
    assert running.stop() == 0
    fleet.check.update(acks=load.acks, finished=True)
