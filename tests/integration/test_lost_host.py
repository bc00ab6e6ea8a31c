"""A host is gone, or stands still, or has another time of day. Two hosts and two schedulers throughout: what one of them had runs at the
other, within its lease and five seconds, and what comes back late changes nothing."""
import json
import os
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest

from support.clock import Monotonic, TimeOfDay
from support.gate import Gate
from support.host import suspended, vanish, wrap
from support.load import Load
from support.proxy import AFTER, BEFORE, Commit, Island
from support.servers import Postgres
from support.wait import below, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="hosts on one machine are root's")
LEASE = 3
QUICK_RETRIES = {"backoff_base": "50ms", "backoff_max": "200ms"}
LINE = '{"type":"mock_process"}'


class FirstAttempts(Gate):
    """A handler that waits at the gate in its first attempt, and remembers where it ran."""

    def __init__(self, folder):
        super().__init__(folder / "gate")
        self.log, self.seen = folder / "runs", folder / "seen"
        self.greeting = {"type": "greeting", "exec": ["/bin/sh", "-c", f'echo "$(hostname)/$PPID" >> {self.seen}']}
        self.handler = {"type": "gated", "exec": ["/bin/sh", "-c",
                        f'echo "$HEIMDEX_JOB_ID $HEIMDEX_FENCE $(hostname)" >> {self.log}\n'
                        f'[ "$HEIMDEX_ATTEMPT" -gt 1 ] || {self.sh}']}

    def workers(self):
        """Those that have run a greeting."""
        return set(self.seen.read_text().split()) if self.seen.exists() else set()

    def runs(self):
        """(job, fence, host) of each start."""
        return [(job, int(fence), host) for job, fence, host in map(str.split, self.log.read_text().splitlines())] if self.log.exists() else []

    def runs_of(self, ids):
        return [run for run in self.runs() if run[0] in ids]


@pytest.fixture
def gate(tmp_path):
    made = FirstAttempts(tmp_path)
    yield made
    made.close()


@pytest.fixture
def hosts(fleet, tmp_path, gate):
    """hosts("one", "two"): fleets. Their clocks since boot are far apart. Each of them has slots for all that a test gives them."""
    def make(*names, **options):
        options = {"workers": 2, "worker": {"lease": f"{LEASE}s", "slots": 64}, "jobs": {**QUICK_RETRIES, "max_crashes": 9},
                   "handlers": [gate.handler, gate.greeting], **options}
        networks, envs = options.pop("networks", {}), options.pop("envs", {})
        return [fleet(wrap=wrap(tmp_path, name, boottime=86400 * i, network=networks.get(name, ())), env=envs.get(name, {}), instance="main", **options)
                for i, name in enumerate(names)]
    return make


def held_by(migrated, host):
    return [id for id, in migrated.sql("select j.id::text from job j join worker w on w.id = j.worker where w.hostname = %s and j.status = 'running'",
                                       host)]


def spread(jobs, migrated, gate, n=40):
    """Jobs that run at both hosts: each of the four workers has its partitions before they are submitted."""
    greetings = []
    until(lambda: greetings.extend(jobs.batch([{"type": "greeting"}] * 8)) or len(gate.workers()) == 4, 40, "each worker to run a job")
    jobs.wait(greetings)
    ids = jobs.batch([{"type": "gated"}] * n)
    until(lambda: len(gate.runs()) == n)
    until(lambda: held_by(migrated, "one") and held_by(migrated, "two"))
    return ids, held_by(migrated, "one")


def claimed_again(migrated, ids):
    """When the second run of the last of them began, in the time of time.time()."""
    n, last = migrated.sql("""select count(*), extract(epoch from max(ts))::float8
                                from (select job_id, ts, row_number() over (partition by job_id order by ts) as n from job_event
                                       where job_id = any(%s::uuid[]) and next_status = 'running' and prev_status = 'queued') as claims
                               where n = 2""", ids)[0]
    return n == len(ids) and last


def test_a_dead_workers_jobs_run_again(fleet, jobs, migrated, gate, figure):
    """A worker's death is seen by its supervisor, and its jobs wait for no lease."""
    running = fleet(workers=2, worker={"slots": 64}, handlers=[gate.handler], jobs={"backoff_base": "1ms", "backoff_max": "1ms"})
    ids = []

    def until_they_run_again():
        made = jobs.batch([{"type": "gated"}] * 10)
        ids.extend(made)
        until(lambda: len(gate.runs_of(made)) == 10)
        worker = migrated.sql("select worker, count(*) from job where status = 'running' group by 1 order by 2 desc limit 1")[0][0]
        slot = migrated.one("select slot from worker where id = %s", worker)
        mine = [id for id, in migrated.sql("select id::text from job where worker = %s and status = 'running'", worker)]
        killed = time.time()
        os.kill(next(c["pid"] for c in running.children("worker") if c["slot"] == slot), 9)
        return until(lambda: claimed_again(migrated, mine)) - killed
    figure("a worker died, its jobs ran again", below(2, until_they_run_again), 1, bound=2)
    gate.open()
    jobs.wait(ids)
    fleet.check.update(acks=ids, finished=True)


def test_a_host_vanishes(fleet, hosts, jobs, migrated, gate, env, figure):
    """Its power is cut, and the network knows nothing of it: no connection of it ends."""
    island = Island()
    try:
        for port in env["PGPORT"], env["KAFKA_BROKERS"].rpartition(":")[2]:
            island.proxy(port)
        one, two = hosts("one", "two", networks={"one": island.wrap})
        ids, mine = spread(jobs, migrated, gate)
        for proxy in island.proxies:
            proxy.frozen = True  # not even the end of a connection passes
        vanished = time.time()
        vanish(one)
        seconds = until(lambda: claimed_again(migrated, mine), LEASE + 10) - vanished
        figure(f"a host with a lease of {LEASE} s vanished, its jobs ran again", seconds, LEASE + 5)
        gate.open()
        jobs.wait(ids)
        again = {job for job, fence, host in gate.runs() if fence == 2}
        assert again == set(mine)
        fleet.check.update(acks=ids, finished=True)
        assert two.stop() == 0
        fleet.check["stopped"] = True
    finally:
        island.close()


def test_a_host_vanishes_in_a_claim(fleet, hosts, jobs, migrated, gate, env):
    """The server is left with half of its transaction, the row locks of a job and of the worker, and nobody to end it."""
    island = Island()
    try:
        proxy = island.proxy(env["PGPORT"], postgres=True)
        island.proxy(env["KAFKA_BROKERS"].rpartition(":")[2])
        one, two = hosts("one", "two", networks={"one": island.wrap})
        ids, mine = spread(jobs, migrated, gate)
        fault = proxy.arm(Commit("claim", BEFORE, vanish=True))
        gate.open()
        until(lambda: ids.append(jobs.submit("gated")) or fault.fired.is_set())
        for each in island.proxies:
            each.frozen = True
        vanished = time.monotonic()
        vanish(one)
        jobs.wait(ids, seconds=40)
        print(f"\na host vanished in a claim: all jobs done after {time.monotonic() - vanished:.1f} s")
        fleet.check.update(acks=ids, finished=True)
    finally:
        island.close()


@pytest.fixture(params=[pytest.param(None, id="frozen"), pytest.param(Monotonic, id="asleep", marks=pytest.mark.release)])
def clock(request, tmp_path):
    """Of a host that is to be suspended: its processes stand still while all clocks go on, as a container's may; or the machine is asleep,
    which CLOCK_MONOTONIC doesn't count."""
    return request.param and request.param(tmp_path)


@pytest.fixture
def sleeper(hosts, env, clock):
    """sleeper(): a host with that clock, another one, and the proxy between the first and PostgreSQL."""
    island = Island()
    proxy = island.proxy(env["PGPORT"], postgres=True)
    island.proxy(env["KAFKA_BROKERS"].rpartition(":")[2])
    yield lambda **options: (*hosts("one", "two", networks={"one": island.wrap}, envs={"one": clock.env if clock else {}}, **options), proxy)
    island.close()


def claim_unheard(proxy, jobs, migrated, gate):
    """A worker of the first host gets a job and doesn't hear of it: the answer to its claim waits in the proxy. All jobs that were submitted
    for that, the last of which is the one; and the answer."""
    ids, answers = [], []

    def claimed():
        if not answers or answers[-1].fired.is_set():  # by a claim that got nothing
            for answer in answers:
                answer.released.set()
            answers.append(proxy.arm(Commit("claim", AFTER, hold=True)))
        ids.append(jobs.submit("gated"))
        until(lambda: gate.runs_of(ids[-1:]) or answers[-1].fired.is_set() and ids[-1] in held_by(migrated, "one"))
        return not gate.runs_of(ids[-1:])
    until(claimed, 40, "a claim of the first host's")
    return ids, answers[-1]


def test_a_host_is_suspended_and_comes_back(fleet, sleeper, jobs, migrated, gate, clock, figure):
    """Longer than its lease: its workers were declared dead, and their jobs run at the other host. Awake, they end what they run, write
    nothing, and begin anew; what they had claimed and hear of only now they don't start."""
    one, two, proxy = sleeper()
    ids, _ = spread(jobs, migrated, gate)
    more, answer = claim_unheard(proxy, jobs, migrated, gate)
    ids, unheard = ids + more, more[-1]
    old = [id for id, in migrated.sql("select id from worker where hostname = 'one'")]
    with suspended(one, clock):
        answer.released.set()
        mine, began = held_by(migrated, "one"), time.time()
        assert unheard in mine
        seconds = until(lambda: claimed_again(migrated, mine), LEASE + 10) - began
        figure(f"a host with a lease of {LEASE} s was suspended, its jobs ran again", seconds, LEASE + 5)
        jobs.wait(mine)
    until(lambda: migrated.one("select count(*) from worker where hostname = 'one' and not dead and id <> all(%s)", old) == 2, 30,
          "workers of the host again")
    gate.open()
    jobs.wait(ids)
    later = []
    until(lambda: later.append(jobs.submit("gated")) or any(host == "one" for job, fence, host in gate.runs() if job in later), 30,
          "the host runs jobs again")
    jobs.wait(later)
    assert sorted(gate.runs_of(mine)) == sorted([(id, 1, "one") for id in mine if id != unheard] + [(id, 2, "two") for id in mine])
    assert jobs.database.one("select count(*) from job where id = any(%s::uuid[]) and attempt <> 2", mine) == 0
    assert one.stop() == 0 and two.stop() == 0
    fleet.check.update(acks=ids + later, finished=True)


def test_a_short_suspension_harms_nobody(fleet, sleeper, jobs, migrated, gate, clock):
    """What was claimed and is heard of only now is the host's all the same."""
    one, two, proxy = sleeper(worker={"lease": "20s", "slots": 64})
    ids, _ = spread(jobs, migrated, gate)
    more, answer = claim_unheard(proxy, jobs, migrated, gate)
    ids, unheard = ids + more, more[-1]
    with suspended(one, clock):
        answer.released.set()
        began = time.monotonic()
        until(lambda: time.monotonic() > began + 3)
    gate.open()
    jobs.wait(ids)
    assert {jobs.row(id)["attempt"] for id in ids} == {1} and len(gate.runs()) == len(ids)
    assert gate.runs_of([unheard]) == [(unheard, 1, "one")]
    assert one.stop() == 0 and two.stop() == 0
    fleet.check.update(acks=ids, finished=True)


def test_hosts_may_differ_in_their_lease(hosts, fleet, jobs, migrated, gate):
    """As while another one is rolled out: who promised to be heard of once a minute isn't missed by those who promise more."""
    (patient,) = hosts("one", worker={"lease": "1m", "slots": 64})
    ids = jobs.batch([{"type": "gated"}] * 4)
    until(lambda: len(gate.runs()) == 4)
    (hasty,) = hosts("two", worker={"lease": "4s", "slots": 64})
    # It is silent for so long that the others are for more than the hasty lease, before or after the one renewal that they may have meanwhile.
    lost = migrated.one("""insert into worker (host, hostname, instance, slot, incarnation, boot_id, pid, version, types, lease_ms)
                           values ('x', 'gone', 'x', 0, gen_random_uuid(), 'x', 1, 'x', '{}', 10000) returning id""")
    until(lambda: migrated.one("select dead from worker where id = %s", lost), 30, "one that is silent for its lease is missed")
    gate.open()
    jobs.wait(ids)
    assert {jobs.row(id)["attempt"] for id in ids} == {1}
    # By either, or by both at once: the patient one looks as often as the shortest lease that it knows of wants.
    assert {e["worker"] for each in (patient, hasty) for e in each.events("worker.reaped")} == {str(lost)}
    fleet.check.update(acks=ids, finished=True)


@pytest.mark.sweep
def test_both_hosts_are_suspended(fleet, hosts, jobs, migrated, gate):
    """Nobody is there to miss anybody: awake, neither declares the other dead for the time that neither looked."""
    one, two = hosts("one", "two")
    ids, mine = spread(jobs, migrated, gate)
    with suspended(one), suspended(two):
        began = time.monotonic()
        until(lambda: time.monotonic() > began + 2 * LEASE)
    gate.open()
    jobs.wait(ids)
    assert not one.events("worker.reaped") and not two.events("worker.reaped")
    fleet.check.update(acks=ids, finished=True)


# --- the time of day jumps ---

@pytest.mark.release  # faketime wants to be the first library, and so does that of the sanitizers
def test_the_fleets_clock_jumps(fleet, jobs, migrated, env, binaries, gate, tmp_path):
    """By an hour, both ways, under load: nobody is declared dead, nothing is due too early or too late."""
    clock, began = TimeOfDay(tmp_path), time.time()
    options = {"workers": 2, "worker": {"lease": f"{LEASE}s"}, "jobs": QUICK_RETRIES, "handlers": [gate.handler]}
    jumping, other = fleet(env=clock.env, log={"heartbeat": "500ms"}, **options), fleet(**options)
    held = jobs.batch([{"type": "gated"}] * 20)
    until(lambda: len(gate.runs()) == 20)
    delayed = []
    with Load(binaries, env, LINE, rate=100) as load:
        for seconds in 3600, -3600, 0:
            delayed.append(jobs.submit("mock_process", delay="2s"))
            known = len(load.acks)
            clock.set(seconds)
            until(lambda: len(load.acks) >= known + 100)
            until(lambda: migrated.one("select count(*) from job where id = any(%s::uuid[]) and status = 'succeeded'",
                                       load.acks[known:known + 100]) == 100)
            done = time.time() + LEASE + 1
            until(lambda: time.time() > done)
    gate.open()
    jobs.wait(load.acks + held + delayed)
    stamps = [datetime.fromisoformat(entry["ts"].replace("Z", "+00:00")).timestamp() for entry in map(json.loads, filter(None, jumping.log().splitlines()))]
    assert min(stamps) < began - 3000 and max(stamps) > time.time() + 3000  # it did jump
    assert not jumping.events("worker.reaped") and not other.events("worker.reaped")
    assert {jobs.row(id)["attempt"] for id in held} == {1}
    for id in delayed:
        late = migrated.one("""select extract(epoch from e.ts - j.run_at)::float8 from job j join job_event e on e.job_id = j.id
                                where j.id = %s and e.next_status = 'running'""", id)
        assert 0 <= late < 5
    fleet.check.update(acks=load.acks + held + delayed, finished=True)


class JumpingPostgres(Postgres):
    """Started once more, with a time of day that can be set."""

    def __init__(self, directory):
        super().__init__(directory)
        self.folder = Path(f"/var/tmp/heimdex-clock-{os.getpid()}")  # user postgres reads it
        self.folder.mkdir(mode=0o755)
        self.clock = TimeOfDay(self.folder)
        self.stop()
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "env", *(f"{k}={v}" for k, v in self.clock.env.items()),
                   "/usr/lib/postgresql/15/bin/postgres", "-D", self.data]
        self.process = subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: self.admin("select 1") or True)

    def delete(self):
        self.process.terminate()
        super().delete()
        self.process.wait()
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()


@pytest.mark.sweep
class TestTheServersClock:
    @pytest.fixture(scope="class")
    def postgres(self, workdir):
        server = JumpingPostgres(workdir / "clock-pg")
        yield server
        server.delete()

    @pytest.fixture(scope="class")
    def template(self, postgres, binaries):
        database = postgres.create("template_clock")
        binaries.migrate("upgrade", "head", env=database.env)
        return database

    @pytest.mark.parametrize("seconds", [3600, -3600], ids=["ahead", "back"])
    def test_it_jumps(self, postgres, fleet, jobs, migrated, env, binaries, gate, seconds):
        """Nobody is declared dead; what was to run at a time runs once, events stay in order, new jobs are done at once."""
        postgres.clock.set(0)
        options = {"workers": 2, "worker": {"lease": f"{LEASE}s"}, "jobs": QUICK_RETRIES, "handlers": [gate.handler]}
        running, other = fleet(**options), fleet(**options)
        held = jobs.batch([{"type": "gated"}] * 20)
        until(lambda: len(gate.runs()) == 20)
        delayed = [jobs.submit("mock_process", delay="30m" if seconds > 0 else "1s")]
        known = 0
        with Load(binaries, env, LINE, rate=100) as load:
            until(lambda: len(load.acks) >= 100)
            postgres.clock.set(seconds)
            until(lambda: abs(migrated.one("select extract(epoch from clock_timestamp())::float8") - time.time() - seconds) < 60)
            known = len(load.acks)
            until(lambda: len(load.acks) >= known + 300)
            done = time.time() + LEASE + 2
            until(lambda: time.time() > done)
        fresh = load.acks[known + 100:]
        jobs.wait(fresh, seconds=40)
        gate.open()
        jobs.wait(held)
        if seconds < 0:
            postgres.clock.set(0)
        jobs.wait(load.acks + delayed, seconds=60)
        assert not running.events("worker.reaped") and not other.events("worker.reaped")
        assert {jobs.row(id)["attempt"] for id in held + delayed} == {1}
        fleet.check.update(acks=load.acks + held + delayed, finished=True)
