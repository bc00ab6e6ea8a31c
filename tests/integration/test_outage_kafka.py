"""Kafka goes away, stands still, forgets, repeats, rearranges: PostgreSQL has the truth, so every job is done, once, and TERM ends the
fleet in time."""
import os
import random
import signal
import time
from contextlib import contextmanager

import pytest

from support import librdkafka
from support.load import Load, rate, recovery
from support.process import kill_if_there
from support.proxy import Island
from support.servers import Kafka
from support.wait import until, within

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="networks are root's")
LINE = '{"type":"mock_process"}'
PARTITIONS = 6


# A broker for this file alone: what is done to it is nobody else's business.

@pytest.fixture(scope="module")
def kafka_server(workdir):
    server = Kafka(workdir / "outage-kafka")
    yield server
    server.delete()


@pytest.fixture
def island():
    made = Island()
    yield made
    made.close()


@contextmanager
def away(how, kafka, island=None):
    if how == "killed":
        kafka.kill()
        try:
            yield
        finally:
            kafka.ensure_running()
    elif how == "frozen":
        with kafka.frozen():
            yield
    else:
        island.drop(kafka.brokers.rpartition(":")[2])
        try:
            yield
        finally:
            island.mend()


def restarts(fleet):
    return sum(child["restarts"] for child in fleet.children())


def succeeded(migrated, ids):
    return migrated.one("select count(*) from job where id = any(%s::uuid[]) and status = 'succeeded'", ids)


OUTAGES = pytest.mark.parametrize("how", [pytest.param("killed", marks=pytest.mark.sweep), "frozen",
                                          pytest.param("lost packets", marks=[pytest.mark.sweep, needs_root])])


@pytest.fixture
def options(request, env, kafka):
    """What programs need so that packets can be lost between them and Kafka."""
    if request.getfixturevalue("how") != "lost packets":
        return {}
    island = request.getfixturevalue("island")
    for port in env["PGPORT"], kafka.brokers.rpartition(":")[2]:
        island.proxy(port)
    return {"wrap": island.wrap}


@OUTAGES
def test_it_goes_and_comes_back(request, options, fleet, jobs, kafka, prefix, migrated, env, binaries, how, figure):
    island = request.getfixturevalue("island") if options else None
    running = fleet(workers=2, **options)
    kafka.wait_for_group(prefix, 2)
    with Load(binaries, env, LINE, rate=100, **options) as load:
        until(lambda: len(load.acks) >= 100)
        begin = time.time()
        until(lambda: len(load.acks) >= 400)
        before = min(rate(migrated, begin, time.time()), load.rate)  # above that it is what had gathered before
        with away(how, kafka, island):
            known = len(load.acks)
            began = time.monotonic()
            until(lambda: len(load.acks) >= known + 40)  # submitters don't wait for Kafka
            submitted = time.monotonic() - began
            during = list(load.acks[known:known + 20])
            until(lambda: succeeded(migrated, during) == 20, 40, "jobs without Kafka")
            found = time.monotonic() - began
        back = time.time()
        seconds = until(lambda: recovery(migrated, before, back), 30, "90 % of the rate")
    print(f"\nKafka {how}: 40 jobs submitted in {submitted:.1f} s, 20 done after {found:.1f} s; {before:.0f} jobs/s before")
    figure(f"Kafka is there again ({how}), 90 % of the rate is back", seconds, 30)
    jobs.wait(load.acks, seconds=60)
    assert not load.failures and restarts(running) == 0
    fleet.check.update(acks=load.acks, finished=True)


@pytest.mark.parametrize("how", [pytest.param("killed", marks=pytest.mark.sweep), "frozen",
                                 pytest.param("lost packets", marks=[pytest.mark.sweep, needs_root])])
def test_a_stop_while_it_is_away(request, options, fleet, jobs, kafka, prefix, env, binaries, how):
    island = request.getfixturevalue("island") if options else None
    running = fleet(workers=2, **options)
    kafka.wait_for_group(prefix, 2)
    acks = jobs.batch([{"type": "mock_process"}] * 20)
    jobs.wait(acks)
    acks += jobs.batch([{"type": "mock_process", "payload": {"duration_ms": 1500}}] * 20)
    jobs.wait(acks[20:], ("running", "succeeded"))
    with away(how, kafka, island):
        within(2.5, lambda: acks.append(binaries.submit("mock_process", env=env).stdout.strip()))
        began = time.monotonic()
        code = running.stop(20)
        ended = time.monotonic() - began
    print(f"\nKafka {how}: TERM ended the fleet with {code} after {ended:.1f} s")
    assert code == 0 and ended < 5 + 2  # drain_timeout + kill_grace
    again = fleet(workers=2, instance=running.instance)  # the same static members
    jobs.wait(acks, seconds=40)
    assert again.stop() == 0
    fleet.check.update(acks=acks, finished=True)


def test_everything_is_replayed(fleet, jobs, kafka, prefix, migrated, env, logging_handler, handler_log, tmp_path):
    """The group's offsets are set back to 0, and every record is there a hundred times more, in another order."""
    options = {"workers": 2, "handlers": [{"type": "logged", "exec": [logging_handler, handler_log]}]}
    running = fleet(**options)
    acks = jobs.batch([{"type": "mock_process"}] * 100 + [{"type": "logged"}] * 20)
    jobs.wait(acks)
    assert running.stop() == 0
    topic, records = f"{prefix}.jobs.default", tmp_path / "records"
    records.mkdir()
    count = int(kafka.kcat("-C", "-t", topic, "-e", "-q", "-f", "%T\n").count(b"\n"))
    for partition in range(PARTITIONS):
        ends = kafka.kcat("-C", "-t", topic, "-p", str(partition), "-e", "-q", "-f", "%o\n").split()
        for offset in ends:
            data = kafka.kcat("-C", "-t", topic, "-p", str(partition), "-o", offset.decode(), "-c", "1", "-q", "-D", "")
            (records / f"{partition}-{offset.decode()}").write_bytes(data)
    files = [str(path) for path in records.iterdir()]
    assert len(files) == count > 0
    many = files * 100
    random.Random(4).shuffle(many)
    for i in range(0, len(many), 500):
        kafka.kcat("-P", "-t", topic, "-p", "-1", *many[i:i + 500])
    until(lambda: librdkafka.set_offsets(kafka.brokers, f"{prefix}.workers", topic, PARTITIONS, 0) or True, what="the group's members to be gone")

    def all_read():
        ends = kafka.kcat("-Q", *[word for p in range(PARTITIONS) for word in ("-t", f"{topic}:{p}:-1")])  # lines: TOPIC [PARTITION] offset END
        by_partition = sorted((int(partition.strip(b"[]")), int(end)) for _, partition, _, end in map(bytes.split, ends.splitlines()))
        return librdkafka.committed(kafka.brokers, f"{prefix}.workers", topic, PARTITIONS) == [end for _, end in by_partition]
    assert not all_read()
    running = fleet(instance=running.instance, **options)
    kafka.wait_for_group(prefix, 2)
    acks += jobs.batch([{"type": "logged"}] * 20)  # behind all of them
    jobs.wait(acks)
    until(all_read, 60, "all records to be read")
    assert running.stop() == 0
    assert migrated.one("select count(*) from job where attempt <> 1 or fence <> 1") == 0
    starts = [line for line in handler_log.read_text().splitlines() if line.startswith("start ")]
    assert len(starts) == 40
    print(f"\n{len(many)} old records read again, {len(starts)} runs of 40 jobs")
    fleet.check.update(acks=acks, finished=True, handler_log=handler_log)


@pytest.fixture
def stormy(fleet, logging_handler, handler_log):
    """stormy(workers): two fleets of so many, whose jobs survive whatever happens to them."""
    def make(workers):
        options = {"workers": workers, "jobs": {"max_attempts": 100, "max_crashes": 100, "backoff_base": "100ms", "backoff_max": "300ms"},
                   "worker": {"lease": "6s"}, "supervisor": {"restart_backoff_max": "300ms"},
                   "handlers": [{"type": "logged", "exec": [logging_handler, handler_log]}]}
        return [fleet(**options), fleet(**options)]
    return make


LOGGED = '{"type":"logged","payload":{"sleep_ms":20}}'


def test_a_rebalance_storm(stormy, fleet, jobs, env, binaries, handler_log):
    """Workers come and go all the time, killed and restarted in order, in two fleets: the group is never at rest."""
    dice = random.Random(5)
    fleets = stormy(2)
    with Load(binaries, env, LOGGED, rate=50) as load:
        for storm in range(25):
            one = dice.choice(fleets)
            if storm % 2:
                one.control(op="restart", slot=dice.randrange(2))
            else:
                kill_if_there(dice.choice(until(one.worker_pids)))  # one that is being restarted ends by itself
            known = len(load.acks)
            until(lambda: len(load.acks) > known)
    calm = time.monotonic()
    jobs.wait(load.acks, seconds=60)
    print(f"\n{len(load.acks)} jobs in a storm of 25 rebalances, the last done {time.monotonic() - calm:.1f} s after it")
    fleet.check.update(acks=load.acks, finished=True, handler_log=handler_log)


@pytest.mark.sweep
def test_a_long_rebalance_storm(stormy, fleet, jobs, env, binaries, handler_log):
    """Eight workers, each of which is killed or restarted once in what a second's jobs take to be submitted, sixty times."""
    fleets, rate = stormy(4), 50
    with Load(binaries, env, LOGGED, rate=rate) as load:
        for storm in range(60):
            for one in fleets:
                for slot, pid in enumerate(one.worker_pids()):
                    if (storm + slot) % 2:
                        one.control(op="restart", slot=slot)
                    else:
                        kill_if_there(pid)
            known = len(load.acks)
            until(lambda: len(load.acks) >= known + rate, 60)
    calm = time.monotonic()
    jobs.wait(load.acks, seconds=120)
    ended = sum(len(one.events("child.died")) for one in fleets)
    print(f"\n{len(load.acks)} jobs while {ended} processes ended, the last done {time.monotonic() - calm:.1f} s after it")
    assert not load.failures
    fleet.check.update(acks=load.acks, finished=True, handler_log=handler_log)


@pytest.mark.sweep
def test_a_static_member_is_gone(fleet, jobs, kafka, prefix, migrated, env, binaries):
    """A whole fleet dies at once. Its partitions are read by nobody until the group's session timeout; its jobs run again before that."""
    options = {"workers": 2, "worker": {"lease": "3s"}, "jobs": {"backoff_base": "100ms", "backoff_max": "300ms"}}
    here, there = fleet(**options), fleet(**options)
    kafka.wait_for_group(prefix, 4)
    with Load(binaries, env, LINE, rate=100) as load:
        until(lambda: len(load.acks) >= 300)
        there.kill()
        gone = len(load.acks)
        until(lambda: len(load.acks) >= gone + 200)
    killed = time.monotonic()
    jobs.wait(load.acks, seconds=40)
    kafka.wait_for_group(prefix, 2)
    print(f"\na fleet gone: all of {len(load.acks)} jobs done {time.monotonic() - killed:.1f} s after the last was submitted")
    fleet.check.update(acks=load.acks, finished=True)
    assert here.stop() == 0


@pytest.mark.sweep
@pytest.mark.parametrize("how", ["deleted", "expired"])
def test_announcements_are_lost(fleet, jobs, kafka, prefix, how):
    """The topic is deleted (and made anew), or its retention is over, before anybody read it. The sweep finds the jobs."""
    topic = f"{prefix}.jobs.default"
    running = fleet(workers=1)
    acks = jobs.batch([{"type": "mock_process"}] * 20)
    jobs.wait(acks)
    assert running.stop() == 0
    lost = jobs.batch([{"type": "mock_process"}] * 100)
    if how == "deleted":
        kafka.delete_topic(topic)
    else:
        librdkafka.delete_records(kafka.brokers, topic, PARTITIONS)
    running = fleet(workers=1, instance=running.instance)
    fresh = jobs.batch([{"type": "mock_process"}] * 100)
    began = time.monotonic()
    jobs.wait(fresh, seconds=150)
    print(f"\n{how}: new jobs were done after {time.monotonic() - began:.1f} s")
    jobs.wait(lost, seconds=150)
    print(f"{how}: lost announcements were made good after {time.monotonic() - began:.1f} s")
    fleet.check.update(acks=acks + lost + fresh, finished=True)
