"""A fault at each arrow of the protocol (common/failpoint.h), and the invariant checker behind it. Needs a build with failure points.
Those of heimdex-migrate: test_failpoints_migrate.py."""
import pytest

from support import failpoints
from support.faulty import Faulty, RETRIES
from support.statements import Session, new_id, submit
from support.wait import until

pytestmark = pytest.mark.failpoints
MIGRATE = "heimdex-migrate"
DOUBT = "heimdex-worker/work.after_commit:error"  # the answer to a commit is lost: to a worker's first, which is a claim


@pytest.fixture(autouse=True)
def built_in(binaries):
    if not failpoints.built_in(binaries):
        pytest.skip("these programs have no failure points: HEIMDEX_BIN=build/asan/bin")


@pytest.fixture
def faulty(fleet, jobs, kafka, prefix, migrated, logging_handler, handler_log, tmp_path):
    return lambda fail="": Faulty(fleet, jobs, kafka, prefix, migrated, logging_handler, handler_log, tmp_path, fail)


POINTS = [point for point in failpoints.declared() if point.program != MIGRATE]
FAILING = [point for point in POINTS if point.fails]
APART = {  # points that have a run of their own
    "peek": [point for point in POINTS if point.name.startswith("peek.")],  # only while Kafka is silent, which takes its time
    "poll.revoked": [point for point in POINTS if point.name == "poll.revoked"],  # a worker that dies before gives nothing away
    "audit": [point for point in POINTS if point.name.startswith(("audit.", "adopt."))],  # which comes once a lease
    "heimdexctl": [point for point in POINTS if point.program == "heimdexctl"],  # nobody else is touched
}


# --- each point is hit ---

@pytest.mark.asan
def test_each_point_is_hit(faulty):
    """Without a fault but one lost answer: all of them lie on ways that are gone."""
    stage = faulty(DOUBT)
    stage.start(in_turn=True)
    stage.load()
    stage.garbage()
    stage.operators()
    stage.waiting_submitter()
    stage.cancel()
    stage.stale_signal()
    stage.unknown_claim()
    stage.silent_kafka()
    stage.settled()  # before those deaths: a worker's would mend what the lost answer has spoilt
    stage.crash()
    stage.kill_supervisor()
    stage.settled()
    stage.stop()
    stage.judge()
    hit = {(hit.program, hit.name) for hit in stage.hits()}
    missed = [f"{point.program}/{point.name}" for point in POINTS if point[:2] not in hit]
    assert not missed, missed
    unknown = hit - {point[:2] for point in POINTS}
    assert not unknown, unknown


# --- the sweep ---

def slices(points, n):
    """n groups; of each program's points a group has every n-th. Two programs' points of one name, of which one would fire, have different groups."""
    groups = [[] for _ in range(n)]
    for program in sorted({point.program for point in points}):
        for number, point in enumerate(point for point in points if point.program == program):
            near = (groups[(number + i) % n] for i in range(n))
            next(group for group in near if point.name not in {other.name for other in group}).append(point)
    return groups


def run_with(faulty, points, action):
    fail = [failpoints.armed(points, action)]
    doubted = any(point.name == "doubt.begin" or point.name.startswith("ask.") for point in points)
    if doubted:
        fail.append(DOUBT)
    wanted = {(point.program, point.name.rpartition(".")[0]) for point in points}
    programs = {point.program for point in points}
    stage = faulty(",".join(fail))
    stage.start(in_turn=any(point.name == "poll.revoked" for point in points))
    for _ in range(5):
        stage.again("work.after_commit.error")
        stage.load()
        stage.garbage()
        stage.cancel()
        if ("heimdex-worker", "answer") in wanted:
            stage.stale_signal()
        if wanted & {("heimdex-worker", "audit"), ("heimdex-worker", "adopt")}:
            stage.unknown_claim()
        if "heimdexctl" in programs:
            stage.operators()
        if programs & {"heimdex-submit"}:
            stage.waiting_submitter()
        if ("heimdex-scheduler", "peek") in wanted:
            stage.silent_kafka()
        stage.settled()  # by themselves: a death more might hide what went wrong
        crashes = any(point.program == "heimdex-supervisor" or point.name.startswith("reaper.") for point in points)
        if crashes:
            stage.crash()
        if failpoints.GUARD in programs:
            stage.kill_supervisor()
        if crashes or failpoints.GUARD in programs:
            stage.settled()
        stage.stop()
        if not stage.unfired(points):
            break
        stage.start()
    missed = stage.unfired(points)
    assert not missed, f"never fired: {missed}"
    if any(one.process.poll() is None for one in stage.fleets):
        stage.stop()
    stage.judge()


def sweep(n, points):
    rest = [point for point in points if not any(point in apart for apart in APART.values())]
    groups = {f"{number + 1}-of-{n}": group for number, group in enumerate(slices(rest, n))}
    groups.update({name: [point for point in points if point in apart] for name, apart in APART.items()})
    return [pytest.param(group, id=id) for id, group in groups.items() if group]


@pytest.mark.asan
@pytest.mark.parametrize("points", sweep(5, [point for point in POINTS if point not in APART["peek"]]))
def test_killed_at_each_point(faulty, points):
    """The quick sweep: several programs die in one run, each at several points, once."""
    run_with(faulty, points, "kill")


@pytest.mark.sweep
@pytest.mark.parametrize("points", sweep(18, POINTS))
@pytest.mark.parametrize("action", ["kill", "freeze"])
def test_each_point(faulty, points, action):
    """The sweep: up to three points of each program in a run."""
    run_with(faulty, points, action)


@pytest.mark.sweep
@pytest.mark.parametrize("points", sweep(9, POINTS))
def test_a_pause_at_each_point(faulty, points):
    run_with(faulty, points, "delay=700ms")


@pytest.mark.sweep
@pytest.mark.parametrize("points", sweep(18, FAILING))
def test_an_error_at_each_point(faulty, points):
    run_with(faulty, points, "error")


# --- what had not started ---

MATES = {  # where the worker dies at the fourth of eight: how many had started
    "claim.after_commit:kill": 0,
    "run.before_evidence:kill@4": 3,
    "run.after_evidence:kill@4": 4,
    "run.before_spawn:kill@4": 4,
    "run.after_spawn:kill@4": 4,
    "run.after_spawn:abort@4": 4,  # or it ends by itself, as if all were well
    "run.after_spawn:exit=0@4": 4,
}


def one_claim(database, type, n):
    """n jobs that a worker finds all at once: nobody announces them, and they wait for it."""
    ids = sorted(new_id() for _ in range(n))
    session = Session(database)
    session.transaction(*submit(ids, type=type), ("park", ids, "swept"), "delete from outbox")
    session.close()
    return ids


@pytest.mark.asan
@pytest.mark.parametrize("fail", MATES)
def test_mates_of_a_crash_lose_no_attempt(fleet, jobs, migrated, tmp_path, fail):
    """Eight jobs of one claim, and the worker dies while it starts them."""
    env = {"HEIMDEX_FAIL": f"heimdex-worker/{fail}", "HEIMDEX_FAIL_ONCE": tmp_path / "once", "HEIMDEX_FAIL_LOG": tmp_path / "log"}
    fleet(workers=1, env=env, handlers=[{"type": "mate", "exec": ["/bin/sleep", "1000"]}], worker={"slots": 8}, jobs=RETRIES)
    ids = one_claim(migrated, "mate", 8)
    until(lambda: [hit for hit in failpoints.hits(tmp_path / "log") if hit.action], what="the worker died")

    def released():
        deaths = [detail for id in ids for prev, next, detail in jobs.events(id) if prev == "running" and "run" in detail]
        assert len(deaths) == 8, deaths
        return [detail["run"] for detail in deaths]
    runs = until(released, what="all are released")
    assert (runs.count("started"), runs.count("untouched")) == (MATES[fail], 8 - MATES[fail])
    jobs.wait(ids, "running")
    for id in ids:
        row = jobs.row(id)
        started = any(detail.get("run") == "started" for _, _, detail in jobs.events(id))
        assert (row["attempt"], row["crash_count"], row["max_attempts"]) == ((2, 1, 5) if started else (1, 0, 5))
    jobs.ctl("cancel", *ids, "--wait")
    fleet.check.update(acks=ids, finished=True)


@pytest.mark.asan
def test_builtin_mates_of_a_crash_lose_no_attempt(fleet, jobs, migrated, tmp_path):
    """Of fifty that one claim took twenty have ended, one has begun, and twenty-nine were not touched."""
    env = {"HEIMDEX_FAIL": "heimdex-worker/run.after_evidence:kill@21", "HEIMDEX_FAIL_ONCE": tmp_path / "once"}
    fleet(workers=1, env=env, jobs=RETRIES)
    ids = one_claim(migrated, "mock_process", 50)
    jobs.wait(ids, "succeeded")
    released = [detail["run"] for id in ids for _, _, detail in jobs.events(id) if "run" in detail]
    assert {run: released.count(run) for run in set(released)} == {"ended": 20, "started": 1, "untouched": 29}
    counts = sorted((row["attempt"], row["max_attempts"], row["crash_count"]) for row in map(jobs.row, ids))
    assert counts == sorted([(2, 6, 0)] * 20 + [(2, 5, 1)] + [(1, 5, 0)] * 29)
    fleet.check.update(acks=ids, finished=True)


# --- the points themselves ---

@pytest.mark.asan
@pytest.mark.parametrize("program", ["heimdex-submit", "heimdex-supervisor", "heimdex-worker", "heimdex-scheduler", "heimdexctl", MIGRATE])
def test_a_bad_point_ends_the_program(binaries, program):
    done = binaries.run(program, "--version", env={"HEIMDEX_FAIL": "submit.before_ack:burn"}, check=False)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == f"{program}: environment HEIMDEX_FAIL: submit.before_ack:burn: must be kill, abort, exit=CODE, freeze, delay=TIME or error\n"
