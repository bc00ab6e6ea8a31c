"""PostgreSQL goes away, stands still, loses its network, its disk, its primary: what was acknowledged is done, once, when it is back."""
import os
import signal
import time

import pytest

from support.gate import gate  # noqa: F401
from support.handlers import sh
from support.load import Load, rate, recovery
from support.proxy import AFTER, BEFORE, REPLIED, Commit, Island, Proxy
from support.process import alive
from support.servers import own_postgres
from support.wait import below, until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="networks and file systems are root's")
LINE = '{"type":"mock_process"}'
QUICK_RETRIES = {"backoff_base": "100ms", "backoff_max": "500ms"}


# A server for this file alone: what is done to it is nobody else's business.

postgres, template = own_postgres("outage")


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
def test_it_goes_and_comes_back(fleet, jobs, postgres, migrated, kafka, prefix, env, binaries, how, figure, request):
    running = fleet(jobs=QUICK_RETRIES)
    kafka.wait_for_group(prefix, 2)
    workers = running.worker_pids()
    with Load(binaries, {**env, "HEIMDEX_POSTGRES_TIMEOUT": "2s"}, LINE) as load:
        until(lambda: len(load.acks) >= 300)
        begin = time.time()
        until(lambda: len(load.acks) >= 1200)
        before = min(rate(migrated, begin, time.time()), load.rate)  # above that it is what had gathered before
        postgres.end(how)
        failed = len(load.failures)
        until(lambda: len(load.failures) > failed)  # submitters notice
        postgres.start()
        back = time.time()
        seconds = until(lambda: recovery(migrated, before, back), 30, "90 % of the rate")
    print(f"\n{before:.0f} jobs/s before it went; {len(load.failures)} submitters failed meanwhile")
    figure(f"PostgreSQL is there again ({request.node.callspec.id}), 90 % of the rate is back", seconds, 30)
    jobs.wait(load.acks)
    assert {code for code, _ in load.failures} <= {69}, load.failures
    assert running.worker_pids() == workers and restarts(running) == 0
    fleet.check.update(acks=load.acks, finished=True)


def test_it_is_away_for_twice_a_lease(fleet, jobs, postgres, gate):
    """Two hosts' worth of fleets: whoever is back first must not take the others for dead."""
    lease = 6  # half of it is what a process may stand still before its supervisor ends it
    options = {"workers": 2, "worker": {"lease": f"{lease}s", "slots": 8}, "jobs": QUICK_RETRIES, "handlers": [sh("gated", gate.sh)]}
    fleets = [fleet(**options), fleet(**options)]
    held = jobs.batch([{"type": "gated"}] * 16)
    jobs.wait(held, "running")
    for _ in range(2):
        postgres.end(signal.SIGKILL)
        back = time.monotonic() + 2 * lease + 2
        until(lambda: time.monotonic() > back)
        postgres.start()
        looked = time.monotonic() + lease + 2
        until(lambda: time.monotonic() > looked)
        jobs.wait(jobs.submit("mock_process"))
    assert not [event for one in fleets for event in one.events("worker.reaped")]
    gate.open()
    jobs.wait(held)
    assert {jobs.row(id)["attempt"] for id in held} == {1}
    assert sum(map(restarts, fleets)) == 0
    fleet.check.update(acks=held, finished=True)


def test_backends_are_ended_all_the_time(fleet, jobs, migrated, env, binaries):
    running = fleet(jobs=QUICK_RETRIES)
    with Load(binaries, env, LINE) as load:
        for wanted in range(200, 2001, 200):
            until(lambda: len(load.acks) >= wanted)
            migrated.sql("""select pg_terminate_backend(pid) from pg_stat_activity
                             where datname = current_database() and application_name like 'heimdex-%'""")
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
    for statement in ("submit_new", "submit", "claim", "complete", "settle", "due", "outbox_done", "relay_take", "relay_jobs", "take", "renew",
                      "signals", "fold"):
        fault = proxy.arm(Commit(statement, where))
        began = time.monotonic()
        made = jobs.batch([{"type": "mock_process"}] * 3 + [{"type": "logged", "payload": {"sleep_ms": 300}}] * 2)
        made += jobs.batch([{"type": "mock_process", "idempotency_key": f"{statement} {where}"}])  # by submit, not by submit_new
        made += [jobs.submit("mock_process", failing), migrated.one("select heimdex_submit('mock_process')::text")]
        assert fault.fired.wait(20), statement
        jobs.wait(made)
        print(f"{statement} cut {where}: {time.monotonic() - began:.2f} s")
        assert [jobs.row(id)["attempt"] for id in made] == [1, 1, 1, 1, 1, 1, 2, 1], statement
        acks += made
    fleet.check.update(acks=acks, finished=True, handler_log=handler_log)
    assert restarts(running) == 0


@needs_root
@pytest.mark.sweep
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
    """A handler that never ends by itself, and how long each of its runs lasted, as seen from outside. Its timeout leaves a slow machine time for
    whatever is to happen before it."""

    def __init__(self, folder, timeout=4):
        self.folder, self.timeout = folder / "hanging", timeout
        self.folder.mkdir()
        script = f"read stat < /proc/$$/stat; echo $stat > {self.folder}/new.$$; mv {self.folder}/new.$$ {self.folder}/$$; exec sleep 600"
        self.handler = {"type": "hanging", "timeout": f"{timeout}s", "max_attempts": 1, "exec": ["/bin/sh", "-c", script]}

    def started(self):
        """{pid: when, on CLOCK_BOOTTIME}"""
        return {int(path.name): int(path.read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
                for path in self.folder.iterdir() if path.name.isdigit()}

    def wait_for(self, n):
        until(lambda: len(self.started()) >= n)

    def lateness(self):
        """Waits until whatever runs now has ended; by how much the last one was late."""
        left = {pid: start for pid, start in self.started().items() if alive(pid)}
        ended, deadline = [], time.monotonic() + 30
        assert left, "all have ended before the fault began"
        while left and time.monotonic() < deadline:
            for pid in [pid for pid in left if not alive(pid)]:
                ended.append(time.clock_gettime(time.CLOCK_BOOTTIME) - left.pop(pid))
            time.sleep(0.002)
        assert not left
        return max(ended) - self.timeout


def check_timeouts(figure, what, lateness):
    """Whatever runs in a fault ends on time. lateness(): has handlers time out in one, and returns by how much they were late."""
    figure(f"{what}, a timeout is late by", below(1, lateness), 0.05, bound=1)


def test_a_frozen_server_delays_no_timeout(fleet, jobs, postgres, migrated, env, tmp_path, figure):
    hanging = Hanging(tmp_path)
    running = fleet(workers=1, postgres={"timeout": "3s"}, worker={"lease": "30s"}, handlers=[hanging.handler])
    acks = []

    def lateness():
        acks.extend(jobs.batch([{"type": "hanging"}] * 8))
        hanging.wait_for(len(acks))
        with postgres.frozen():
            late = hanging.lateness()
            done = jobs.binaries.submit("mock_process", env={**env, "HEIMDEX_POSTGRES_TIMEOUT": "1s"}, check=False, timeout=10)
            assert (done.returncode, done.stdout) == (69, "")
            until(lambda: "no answer within 3000 ms" in running.log() or "no connection within 3000 ms" in running.log())
        thawed = time.monotonic()
        jobs.wait(acks)
        print(f"their ends were written {time.monotonic() - thawed:.1f} s after the thaw")
        return late
    check_timeouts(figure, "PostgreSQL is frozen", lateness)
    assert {jobs.row(id)["status"] for id in acks} == {"dead_letter"} and restarts(running) == 0
    acks.append(jobs.submit("mock_process"))
    jobs.wait(acks)
    fleet.check.update(acks=acks, finished=True)


def test_a_frozen_server_and_many_timeouts(fleet, jobs, postgres, tmp_path, figure):
    """While connections are being given up and tried again, over and over, the loop turns."""
    hanging = Hanging(tmp_path)
    running = fleet(workers=1, postgres={"timeout": "100ms"}, worker={"lease": "30s"}, handlers=[hanging.handler])
    acks = []

    def lateness():
        acks.extend(jobs.batch([{"type": "hanging"}] * 16))
        hanging.wait_for(len(acks))
        with postgres.frozen():
            late = hanging.lateness()
        jobs.wait(acks)
        return late
    check_timeouts(figure, "PostgreSQL is frozen and asked every 100 ms", lateness)
    assert restarts(running) == 0
    fleet.check.update(acks=acks, finished=True)


@pytest.mark.sweep
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_stop_while_it_is_frozen_ends_in_time(fleet, jobs, postgres, tmp_path, busy):
    hanging = Hanging(tmp_path, 60)
    running = fleet(workers=2, supervisor={"drain_timeout": "1s"}, jobs={"kill_grace": "1s"}, handlers=[hanging.handler])
    acks = jobs.batch([{"type": "hanging"}] * 2 * busy + [{"type": "mock_process"}])
    jobs.wait(acks[-1])
    hanging.wait_for(2 * busy)
    with postgres.frozen():
        began = time.monotonic()
        code = running.stop(30)
        print(f"\nTERM while PostgreSQL is frozen: exit {code} after {time.monotonic() - began:.1f} s")
        assert not any(alive(pid) for pid in hanging.started())
    again = fleet(workers=1, instance=running.instance, handlers=[{"type": "hanging", "exec": ["/bin/true"]}])
    jobs.wait(acks)
    assert again.stop() == 0
    fleet.check.update(acks=acks, finished=True)


def test_a_silent_host_before_the_right_one(proxy, fleet, jobs, migrated, env):
    """PGHOST names two, as after a failover. The first one says nothing: it has half of the time."""
    proxy.swallowing = True
    jobs.env = two = {**env, "PGHOST": "127.0.0.1,127.0.0.1", "PGPORT": f"{proxy.port},{env['PGPORT']}"}
    id = jobs.binaries.submit("mock_process", env={**two, "HEIMDEX_POSTGRES_TIMEOUT": "6s"}).stdout.strip()
    fleet(env=two, workers=1, postgres={"timeout": "6s"})
    jobs.wait(id)
    fleet.check.update(acks=[id], finished=True)


@needs_root
def test_lost_packets(fleet, jobs, migrated, kafka, env, binaries, postgres, tmp_path, figure):
    """Nobody says that the connection is gone, on either side."""
    hanging, island, acks = Hanging(tmp_path), Island(), []
    try:
        for port in env["PGPORT"], kafka.brokers.rpartition(":")[2]:
            island.proxy(port)
        running = fleet(workers=1, wrap=island.wrap, worker={"lease": "5s"}, postgres={"timeout": "3s"}, handlers=[hanging.handler])

        def lateness():
            before = len(hanging.started())
            acks.extend(jobs.batch([{"type": "hanging"}] * 4))
            hanging.wait_for(before + 4)
            island.drop(env["PGPORT"])
            late = hanging.lateness()
            until(lambda: "no answer within" in running.log() or "retrying" in running.log())
            acks.extend(jobs.batch([{"type": "mock_process"}] * 10))
            island.mend()
            mended = time.monotonic()
            jobs.wait(acks)
            print(f"all done {time.monotonic() - mended:.1f} s after the network was back")
            return late
        check_timeouts(figure, "packets are lost", lateness)
        fleet.check.update(acks=acks, finished=True)
        assert running.stop() == 0
    finally:
        island.close()


# --- it refuses ---

PLANT = """
create sequence planted; create table plant (code text);
create function plant() returns trigger language plpgsql as $$
declare wanted text;
begin
    select code into wanted from plant;
    if wanted is not null and nextval('planted') % 23 = 0 then raise exception 'planted' using errcode = wanted; end if;
    return null;
end $$;
"""


def test_every_error_that_passes(fleet, jobs, migrated):
    """Each table that we write refuses every 23rd statement; the transaction is done again, whole, and nothing of it twice."""
    running = fleet(jobs=QUICK_RETRIES)
    migrated.sql(PLANT)
    for table in "job", "job_event", "claim", "waiting", "outbox", "worker", "delta":
        migrated.sql(f"create trigger plant before insert or update or delete on {table} for each statement execute function plant()")
    acks, mix = [], [{"type": "mock_process"}] * 50 + [{"type": "mock_process", "payload": {"fail": "error", "fail_attempts": 1}}] * 10
    for code in "40P01", "40001", "55P03", "57014", "53100", "53200", "57P03", "08006", "58030", "XX000":
        migrated.sql("delete from plant")
        made = jobs.batch(mix) if code == "XX000" else []  # an internal error doesn't pass, says the submitter; the fleet goes on
        migrated.sql("insert into plant values (%s)", code)
        made = made or jobs.batch(mix)
        jobs.wait(made, seconds=30)
        assert migrated.one("select count(*) from job where id = any(%s::uuid[]) and status <> 'succeeded'", made) == 0, code
        acks += made
    assert migrated.one("select last_value from planted") > 23 * 10
    migrated.sql("delete from plant")
    assert restarts(running) == 0
    fleet.check.update(acks=acks, finished=True)


def test_a_deadlock(fleet, jobs, migrated):
    """Another session has the second job of a completion and wants the first: PostgreSQL ends the completion, which comes again."""
    fleet(workers=1)
    ids = sorted(jobs.batch([{"type": "mock_process", "payload": {"duration_ms": 4000}}] * 20))  # time enough to be there first
    jobs.wait(ids, "running")
    other = migrated.connect(admin=True)
    with other.cursor() as cursor:
        cursor.execute("set deadlock_timeout = '1h'")  # the worker's session finds it
        cursor.execute("select id from job where id = %s for update", (ids[-1],))
        until(lambda: migrated.one("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'heimdex-worker-%'"))
        cursor.execute("select id from job where id = any(%s::uuid[]) for update", (ids[:-1],))
        other.commit()
    other.close()
    jobs.wait(ids)
    assert {jobs.row(id)["attempt"] for id in ids} == {1}
    until(lambda: migrated.one("select deadlocks from pg_stat_database where datname = current_database()") >= 1)
    fleet.check.update(acks=ids, finished=True)


@pytest.mark.sweep
def test_too_few_connections(fleet, jobs, migrated, postgres):
    """Ours, the test's too, are three: some of the fleet work, the others try again, and nobody dies of it."""
    postgres.admin(f'alter database "{migrated.name}" connection limit 3')
    running = fleet(workers=2, start=False).start(wait=False)
    until(lambda: "too many connections" in running.log())
    postgres.admin(f'alter database "{migrated.name}" connection limit -1')
    running.wait_ready()
    acks = jobs.batch([{"type": "mock_process"}] * 100)
    jobs.wait(acks)
    postgres.admin(f'alter database "{migrated.name}" connection limit 3')
    migrated.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
    until(lambda: running.log().count("too many connections") > 3)
    postgres.admin(f'alter database "{migrated.name}" connection limit -1')
    more = jobs.batch([{"type": "mock_process"}] * 100)
    jobs.wait(more)
    assert restarts(running) == 0
    fleet.check.update(acks=acks + more, finished=True)


def test_a_password_that_is_rotated(fleet, jobs, migrated, postgres, env, tmp_path, binaries):
    """Wrong, it is said so, nobody dies of it, and no log has it; right again in the file that libpq reads, all goes on."""
    old, new, user = env["PGPASSWORD"], "rotated-4711-secret", "rotating_" + migrated.name
    postgres.admin(f"create role \"{user}\" login in role heimdex password '{old}'")
    passfile = tmp_path / "pgpass"

    def write(password):
        passfile.write_text(f"*:*:*:*:{password}\n")
        passfile.chmod(0o600)
    write(old)
    theirs = {**{k: v for k, v in env.items() if k != "PGPASSWORD"}, "PGUSER": user, "PGPASSFILE": passfile}
    fleet_env, jobs.env = {**theirs, "PGPASSWORD": ""}, theirs
    running = fleet(workers=1, env=fleet_env)
    acks = [jobs.submit("mock_process")]
    jobs.wait(acks)
    postgres.admin(f"alter role \"{user}\" password '{new}'")
    postgres.admin(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{user}'")
    until(lambda: "password authentication failed" in running.log())
    refused = binaries.submit("mock_process", env=theirs, check=False)
    assert refused.returncode == 77 and "password authentication failed" in refused.stderr and old not in refused.stderr
    write(new)
    acks.append(jobs.submit("mock_process"))
    jobs.wait(acks)
    assert restarts(running) == 0 and not {old, new} & set(running.log().split('"')) and new not in running.log()
    fleet.check.update(acks=acks, finished=True)


@pytest.mark.sweep
def test_a_snapshot_that_is_held(fleet, jobs, migrated, env, binaries):
    """Somebody's forgotten transaction: no row version may go. The jobs go on, and doctor names the session."""
    running = fleet(workers=2)
    holder = migrated.connect()
    with Load(binaries, env, LINE, rate=500) as load:
        until(lambda: len(load.acks) >= 500)
        before_from = time.time()
        until(lambda: len(load.acks) >= 1500)
        before, held_from = rate(migrated, before_from, time.time()), time.time()
        holder.set_session(isolation_level="REPEATABLE READ")
        holder.cursor().execute("select count(*) from job")
        until(lambda: len(load.acks) >= 4000)
        held = rate(migrated, held_from, time.time())
        said = until(lambda: (text := jobs.ctl("doctor", check=False).stdout).count(f"session {holder.info.backend_pid} (") and text, 30)
    assert "application test) has held a snapshot for" in said and f"pg_terminate_backend({holder.info.backend_pid})" in said
    print(f"\na snapshot held: {held:.0f} jobs/s, before {before:.0f}")
    jobs.wait(load.acks)
    holder.close()
    assert "has held a snapshot" not in jobs.ctl("doctor", check=False).stdout
    assert restarts(running) == 0
    fleet.check.update(acks=load.acks, finished=True)
