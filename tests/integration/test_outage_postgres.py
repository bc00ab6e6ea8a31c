"""PostgreSQL goes away, stands still, loses its network, its disk, its primary: what was acknowledged is done, once, when it is back.

The figures are printed: pytest -s."""
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.load import Load, rate, recovery
from support.proxy import AFTER, BEFORE, REPLIED, Commit, Island, Proxy
from support.servers import Postgres, alive
from support.wait import until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="networks and file systems are root's")
LINE = '{"type":"mock_process"}'
QUICK_RETRIES = {"backoff_base": "100ms", "backoff_max": "500ms"}


# A server for this file alone: what is done to it is nobody else's business.

@pytest.fixture(scope="module")
def postgres(workdir):
    server = Postgres(workdir / "outage-pg")
    yield server
    server.delete()


@pytest.fixture(scope="module")
def template(postgres, binaries):
    database = postgres.create("template_outage")
    binaries.migrate("upgrade", "head", env=database.env)
    return database


@pytest.fixture
def proxy(postgres):
    with Proxy((postgres.env["PGHOST"], postgres.env["PGPORT"]), postgres=True) as made:
        yield made


@pytest.fixture
def through(proxy):
    return {"PGPORT": str(proxy.port)}


def restarts(fleet):
    return sum(child["restarts"] for child in fleet.children())


# --- it goes and comes back ---

@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGQUIT, marks=pytest.mark.sweep), signal.SIGKILL],
                         ids=["restart", "immediate", "crash"])
def test_it_goes_and_comes_back(fleet, jobs, postgres, migrated, kafka, prefix, env, binaries, how, tmp_path):
    running = fleet(jobs=QUICK_RETRIES)
    kafka.wait_for_group(prefix, 2)
    workers = running.worker_pids()
    with Load(binaries, {**env, "HEIMDEX_POSTGRES_TIMEOUT": "2s"}, LINE) as load:
        until(lambda: len(load.acks) >= 300)
        begin = time.time()
        until(lambda: len(load.acks) >= 1200)
        before = rate(migrated, begin, time.time())
        postgres.end(how)
        failed = len(load.failures)
        until(lambda: len(load.failures) > failed)  # submitters notice
        postgres.start()
        back = time.time()
        seconds = until(lambda: recovery(migrated, before, back), 30, "90 % of the rate")
    print(f"\nPostgreSQL back: {seconds:.1f} s to 90 % of {before:.0f} jobs/s; {len(load.failures)} submitters failed meanwhile")
    jobs.wait(load.acks)
    assert {code for code, _ in load.failures} <= {69}, load.failures
    assert running.worker_pids() == workers and restarts(running) == 0
    fleet.check.update(acks=load.acks, finished=True)


def test_backends_are_ended_all_the_time(fleet, jobs, migrated, env, binaries):
    running = fleet(jobs=QUICK_RETRIES)
    with Load(binaries, env, LINE) as load:
        for wanted in range(200, 2001, 200):
            until(lambda: len(load.acks) >= wanted)
            migrated.sql("""select pg_terminate_backend(pid) from pg_stat_activity
                             where datname = current_database() and application_name like 'heimdex-%%'""")
    jobs.wait(load.acks)
    assert restarts(running) == 0
    fleet.check.update(acks=load.acks, finished=True)


# --- a connection is cut at a COMMIT ---

WHERE = pytest.mark.parametrize("where", [BEFORE, AFTER, REPLIED])


@WHERE
def test_a_commit_is_cut(proxy, through, fleet, jobs, migrated, env, where, logging_handler, handler_log):
    """Each transaction of a job's way, cut at its commit. Then the job is done all the same, and the handler ran once."""
    jobs.env = {**env, **through}
    running = fleet(workers=1, env=through, worker={"lease": "3s"}, jobs=QUICK_RETRIES,
                    handlers=[{"type": "logged", "exec": [logging_handler, handler_log]}])
    acks = []
    failing = {"fail": "error", "fail_attempts": 1}
    for statement in ("submit", "claim", "complete", "settle", "due", "outbox_done", "relay_take", "relay_jobs", "take", "renew", "signals",
                      "fold"):
        fault = proxy.arm(Commit(statement, where))
        began = time.monotonic()
        made = jobs.batch([{"type": "mock_process"}] * 3 + [{"type": "logged", "payload": {"sleep_ms": 300}}] * 2)
        made += [jobs.submit("mock_process", failing), migrated.one("select heimdex_submit('mock_process')::text")]
        assert fault.fired.wait(20), statement
        jobs.wait(made)
        print(f"{statement} cut {where}: {time.monotonic() - began:.2f} s")
        assert [jobs.row(id)["attempt"] for id in made] == [1, 1, 1, 1, 1, 2, 1], statement
        acks += made
    fleet.check.update(acks=acks, finished=True, handler_log=handler_log)
    assert restarts(running) == 0


@needs_root
def test_a_commit_is_cut_for_good(proxy, through, fleet, jobs, env):
    """The client's host is gone, and nobody tells the server: its session would hold the locks of a transaction that nobody ends."""
    jobs.env = env
    fleet(workers=1, env=through)
    acks = [jobs.submit("mock_process")]
    jobs.wait(acks)
    for statement in ("claim", "complete"):
        fault = proxy.arm(Commit(statement, BEFORE, vanish=True))
        id = jobs.submit("mock_process")
        assert fault.fired.wait(20), statement
        began = time.monotonic()
        jobs.wait(id, seconds=30)
        print(f"\n{statement}: its session without a client was ended within {time.monotonic() - began:.1f} s")
        acks.append(id)
    fleet.check.update(acks=acks, finished=True)


# --- it stands still ---

class Hanging:
    """A handler that never ends by itself, and how long each of its runs lasted, as seen from outside."""

    def __init__(self, folder, timeout="1s"):
        self.folder = folder / "hanging"
        self.folder.mkdir()
        self.handler = {"type": "hanging", "timeout": timeout, "max_attempts": 1,
                        "exec": ["/bin/sh", "-c", f"echo $$ > {self.folder}/new.$$; mv {self.folder}/new.$$ {self.folder}/$$; exec sleep 600"]}

    def pids(self):
        return [int(path.name) for path in self.folder.iterdir() if path.name.isdigit()]

    def wait_for(self, n):
        until(lambda: len(self.pids()) >= n)
        return self.pids()

    def lifetimes(self, seconds=20):
        """Waits for the end of all that run; seconds that each of them lived."""
        boot, ticks, started, ended = time.clock_gettime(time.CLOCK_BOOTTIME), os.sysconf("SC_CLK_TCK"), {}, {}
        for pid in self.pids():
            started[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]) / ticks
        while len(ended) < len(started) and time.clock_gettime(time.CLOCK_BOOTTIME) < boot + seconds:
            for pid in started.keys() - ended.keys():
                if not alive(pid):
                    ended[pid] = time.clock_gettime(time.CLOCK_BOOTTIME)
            time.sleep(0.002)
        assert len(ended) == len(started), f"{len(started) - len(ended)} still run"
        return [ended[pid] - started[pid] for pid in started]


def check_timeouts(lifetimes, what):
    print(f"\n{what}: {len(lifetimes)} handlers with a timeout of 1 s ended after {min(lifetimes):.3f} to {max(lifetimes):.3f} s")
    assert max(lifetimes) < 2  # PostgreSQL's own deadlines begin at 3


def test_a_frozen_server_delays_no_timeout(fleet, jobs, postgres, migrated, env, tmp_path):
    hanging = Hanging(tmp_path)
    running = fleet(workers=1, postgres={"timeout": "3s"}, worker={"lease": "30s"}, handlers=[hanging.handler])
    acks = jobs.batch([{"type": "hanging"}] * 8)
    hanging.wait_for(8)
    with postgres.frozen():
        check_timeouts(hanging.lifetimes(), "PostgreSQL frozen")
        done = jobs.binaries.submit("mock_process", env={**env, "HEIMDEX_POSTGRES_TIMEOUT": "1s"}, check=False, timeout=10)
        assert (done.returncode, done.stdout) == (69, "")
        until(lambda: "no answer within 3000 ms" in running.log() or "no connection within 3000 ms" in running.log())
    thawed = time.monotonic()
    jobs.wait(acks)
    print(f"their ends were written {time.monotonic() - thawed:.1f} s after the thaw")
    assert {jobs.row(id)["status"] for id in acks} == {"dead_letter"} and restarts(running) == 0
    acks.append(jobs.submit("mock_process"))
    jobs.wait(acks)
    fleet.check.update(acks=acks, finished=True)


def test_a_frozen_server_and_many_timeouts(fleet, jobs, postgres, tmp_path):
    """While connections are being given up and tried again, over and over, the loop turns."""
    hanging = Hanging(tmp_path)
    running = fleet(workers=1, postgres={"timeout": "100ms"}, worker={"lease": "30s"}, handlers=[hanging.handler])
    acks = jobs.batch([{"type": "hanging"}] * 16)
    hanging.wait_for(16)
    with postgres.frozen():
        check_timeouts(hanging.lifetimes(), "PostgreSQL frozen, a connection attempt each 100 ms and more")
    jobs.wait(acks)
    assert restarts(running) == 0
    fleet.check.update(acks=acks, finished=True)


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_stop_while_it_is_frozen_ends_in_time(fleet, jobs, postgres, tmp_path, busy):
    hanging = Hanging(tmp_path, "1m")
    running = fleet(workers=2, supervisor={"drain_timeout": "1s"}, jobs={"kill_grace": "1s"}, handlers=[hanging.handler])
    acks = jobs.batch([{"type": "hanging"}] * 2 * busy + [{"type": "mock_process"}])
    jobs.wait(acks[-1])
    hanging.wait_for(2 * busy)
    with postgres.frozen():
        began = time.monotonic()
        code = running.stop(30)
        print(f"\nTERM while PostgreSQL is frozen: exit {code} after {time.monotonic() - began:.1f} s")
        assert not any(alive(pid) for pid in hanging.pids())
    again = fleet(workers=1, instance="test-fleet0", handlers=[{"type": "hanging", "exec": ["/bin/true"]}])
    jobs.wait(acks)
    assert again.stop() == 0
    fleet.check.update(acks=acks, finished=True)


@needs_root
def test_lost_packets(fleet, jobs, migrated, kafka, env, binaries, postgres, tmp_path):
    """Nobody says that the connection is gone, on either side."""
    hanging, island = Hanging(tmp_path), Island()
    try:
        for port in env["PGPORT"], kafka.brokers.rpartition(":")[2]:
            island.proxy(port)
        running = fleet(workers=1, wrap=island.wrap, worker={"lease": "5s"}, postgres={"timeout": "3s"}, handlers=[hanging.handler])
        acks = jobs.batch([{"type": "hanging"}] * 4)
        hanging.wait_for(4)
        island.drop(env["PGPORT"])
        check_timeouts(hanging.lifetimes(), "packets lost")
        until(lambda: "no answer within" in running.log() or "retrying" in running.log())
        late = jobs.batch([{"type": "mock_process"}] * 10)
        island.mend()
        mended = time.monotonic()
        jobs.wait(acks + late)
        print(f"all done {time.monotonic() - mended:.1f} s after the network was back")
        fleet.check.update(acks=acks + late, finished=True)
        assert running.stop() == 0
    finally:
        island.close()
