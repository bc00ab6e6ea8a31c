"""What happens when two statements of the ledger meet: every row of the table in docs/protocol.md, in both orders where that matters.

Sessions run the product's own texts under the product's settings, step by step; "blocked" is read from PostgreSQL. Each test ends with
the checker. The tests named `…_matters` leave out one protection and show what it is for; there the checker has to find it."""
import threading
import uuid

import psycopg2
import pytest

from checker.check import check_database
from support.statements import ORG, Session, Worker, cancel, mutated, new_id, reap, retry, submit, text_of
from support.wait import until

pytestmark = pytest.mark.quick


class Ledger:
    """A database with sessions in it."""

    def __init__(self, database):
        self.database, self.sessions = database, []
        self.client = self.session()

    def _kept(self, session):
        self.sessions.append(session)
        return session

    def session(self, **texts):
        return self._kept(Session(self.database, texts))

    def worker(self, **options):
        return self._kept(Worker(self.database, slot=len(self.sessions), **options))

    def jobs(self, n=1, announced=True, **options):
        """Submitted: n ids, ascending."""
        ids = sorted(new_id(-1) for _ in range(n))
        self.client.transaction(*submit(ids, **options))
        return ids

    def waiting(self, n=1, reason="swept", **options):
        """Submitted, and in waiting, due."""
        ids = self.jobs(n, **options)
        self.client.transaction(("park", ids, reason))
        return ids

    def failed(self, n=1, worker=None, announced=False):
        """Failed once, and due again. Not announced yet: it is also the scheduler's."""
        ids, worker = self.jobs(n), worker or self.worker()
        worker.transaction(*worker.fail(worker.transaction(*worker.claim(ids))))
        if announced:
            self.client.run("update waiting set announced = true")
        return ids

    def now_due(self):
        """What waits for a time is due, and announced."""
        self.client.run("update waiting set due = clock_timestamp()")
        self.client.run(("due", 1000))

    def sql(self, *args):
        return self.database.sql(*args)

    def status(self, *ids):
        found = [self.database.one("select status::text from job where id = %s", id) for id in ids]
        return found[0] if len(ids) == 1 else found

    def reasons(self, id):
        return [reason for reason, in self.sql("select reason from waiting where job_id = %s", id)]

    def transitions(self, id):
        return [next for next, in self.sql("""select next_status::text from job_event where job_id = %s and prev_status is distinct from next_status
                                              order by ts, id""", id)]

    def held(self):
        """Ids in claim rows by worker."""
        return {(worker, id) for worker, id in self.sql("select worker, unnest(ids)::text from claim")}

    def violations(self):
        connection = self.database.connect()
        try:
            return check_database(connection, outbox_kept=True)
        finally:
            connection.close()


@pytest.fixture
def ledger(request, migrated):
    made = Ledger(migrated)
    yield made
    for session in made.sessions:
        session.close()
    if not request.node.get_closest_marker("unchecked"):
        assert made.violations() == []


def ids_of(rows):
    return sorted(row["id"] for row in rows)


# --- claim / claim ---

def test_two_claims_of_the_same_ids(ledger):
    one, two = ledger.worker(), ledger.worker()
    ids = ledger.jobs(4)
    assert ids_of(one.begin(*one.claim(ids[:3]))) == ids[:3]
    late = two.start_transaction(*two.claim(ids[1:]))
    assert late.is_blocked()
    one.commit()
    assert ids_of(late.result()) == ids[3:]
    assert ledger.held() == {*((one.id, id) for id in ids[:3]), (two.id, ids[3])}


def test_a_claim_that_finds_nothing_leaves_no_row(ledger):
    one, two = ledger.worker(), ledger.worker()
    ids = ledger.jobs(2)
    one.begin(*one.claim(ids))
    late = two.start_transaction(*two.claim(ids))
    assert late.is_blocked()
    one.commit()
    assert late.result() == [] and two.tokens() == []


def test_the_second_claim_takes_what_the_first_gave_back(ledger):
    one, two = ledger.worker(), ledger.worker()
    ids = ledger.jobs(2)
    one.begin(*one.claim(ids))
    late = two.start_transaction(*two.claim(ids))
    assert late.is_blocked()
    one.rollback()
    assert ids_of(late.result()) == ids
    assert {fence for fence, in ledger.sql("select fence from job")} == {1}


def test_claims_in_opposite_order_do_not_deadlock(ledger):
    """A batch is sorted whatever order its ids come in: the second waits at the first job that both want, holding none of them."""
    one, two = ledger.worker(), ledger.worker()
    ids = ledger.jobs(20)
    token = str(uuid.uuid4())
    backwards = list(reversed(ids))
    one.begin(*one.claim(ids[:1]))
    late = two.start_transaction(("claim", token, two.id, backwards, [3] * 20, two.types, '"worker":"b"', []), ("unwait", ids))
    assert late.is_blocked()
    assert ids_of(one.run(*one.claim(ids[1:]))) == ids[1:]  # would be a deadlock if the second held any
    one.commit()
    assert late.result() == []


# --- claim / reap ---

def test_a_reap_waits_for_the_claim_in_flight(ledger):
    worker, ids = ledger.worker(), ledger.jobs(2)
    worker.begin(*worker.claim(ids))
    reaped = ledger.session().start_transaction(*reap(worker))
    assert reaped.is_blocked()
    worker.commit()
    reaped.result()
    assert ledger.status(*ids) == ["queued"] * 2 and ledger.held() == set()
    assert ledger.sql("select distinct attempt, fence from job") == [(0, 1)]


def test_a_claim_waits_for_the_reap_in_flight_and_takes_nothing(ledger):
    worker, ids, reaper = ledger.worker(), ledger.jobs(2), ledger.session()
    reaper.begin(*reap(worker))
    late = worker.start_transaction(*worker.claim(ids))
    assert late.is_blocked()
    reaper.commit()
    assert late.result() == []
    assert ledger.status(*ids) == ["queued"] * 2 and ledger.held() == set()


def test_a_reap_that_is_undone_lets_the_claim_go_on(ledger):
    worker, ids, reaper = ledger.worker(), ledger.jobs(1), ledger.session()
    reaper.begin(("bury_worker", worker.id))
    late = worker.start_transaction(*worker.claim(ids))
    assert late.is_blocked()
    reaper.rollback()
    assert ids_of(late.result()) == ids


def test_a_limited_claim_and_the_reap(ledger):
    worker, ids, reaper = ledger.worker(types=["limited"], concurrency=2), ledger.jobs(2, type="limited"), ledger.session()
    worker.begin(*worker.claim_limited(ids))
    reaped = reaper.start_transaction(*reap(worker))
    assert reaped.is_blocked()
    worker.commit()
    reaped.result()
    assert ledger.sql("select count(*) from permit where job_id is not null") == [(0,)]
    assert worker.transaction(*worker.claim_limited(ids)) == [] and ledger.status(*ids) == ["queued"] * 2


def test_renewals_do_not_wait_for_claims(ledger):
    """The claim locks the worker's row only FOR KEY SHARE."""
    worker, ids = ledger.worker(), ledger.jobs(1)
    worker.begin(*worker.claim(ids))
    renewal = ledger.session().start(("renew", worker.id, 1))
    assert not renewal.is_blocked() and renewal.result() == [{"alive": True}]
    worker.commit()


@pytest.mark.unchecked
def test_the_lock_of_the_workers_row_matters(ledger):
    """Without it a reaper doesn't see the claim in flight, and the job runs under a dead worker for ever."""
    careless = mutated("claim", "and not dead for key share", "and not dead")
    worker, ids = ledger.worker(texts={"claim": careless}), ledger.jobs(1)
    worker.begin(*worker.claim(ids))
    reaped = ledger.session().start_transaction(*reap(worker))
    assert not reaped.is_blocked()
    worker.commit()
    assert f"R2 job {ids[0]}: running at worker {worker.id}, which is dead" in ledger.violations()


# --- claim / cancel ---

def test_a_cancellation_behind_a_claim_asks_the_worker(ledger):
    worker, (id,) = ledger.worker(), ledger.jobs()
    rows = worker.begin(*worker.claim([id]))
    canceled = ledger.session().start_transaction(*cancel([id]))
    assert canceled.is_blocked()
    worker.commit()
    assert canceled.result() == [{"id": id, "was": "running"}]
    assert worker.run(("signals", worker.id)) == [{"job_id": id, "reason": "asked"}]
    worker.transaction(*worker.settle(rows, "canceled", "canceled", "asked"))
    assert ledger.status(id) == "canceled" and worker.run(("signals", worker.id)) == []


@pytest.mark.parametrize("where", ["fresh", "waiting"])
def test_a_claim_behind_a_cancellation_takes_nothing(ledger, where):
    worker, (id,) = ledger.worker(), ledger.jobs() if where == "fresh" else ledger.waiting()
    canceler = ledger.session()
    assert canceler.begin(*cancel([id])) == [{"id": id, "was": "queued"}]
    late = worker.start_transaction(*worker.claim([id]))
    assert late.is_blocked()
    canceler.commit()
    assert late.result() == []
    assert (ledger.status(id), ledger.reasons(id), ledger.sql("select * from signal")) == ("canceled", [], [])


# --- claim / sweep, claim / park ---

START = "00000000-0000-0000-0000-000000000000"
SWEEP, PEEK = ("sweep", -60_000, 100, START, True), ("sweep", -60_000, 100, START, False)
PARK = {"sweep": lambda ids: SWEEP, "peek": lambda ids: PEEK, "no handler": lambda ids: ("park", ids, "no_handler"),
        "limited": lambda ids: ("park", ids, "limited")}


@pytest.mark.parametrize("parking", PARK)
@pytest.mark.parametrize("unwaited", [False, True])
def test_parking_behind_a_claim(ledger, parking, unwaited):
    """Whether the claim has looked for waiting rows already or not."""
    worker, (id,) = ledger.worker(), ledger.jobs()
    worker.begin(*worker.claim([id])[:2 if unwaited else 1])
    parked = ledger.session().start_transaction(PARK[parking]([id]))
    assert parked.is_blocked()
    if not unwaited:
        worker.run(("unwait", [id]))
    worker.commit()
    parked.result()
    assert (ledger.status(id), ledger.reasons(id)) == ("running", [])


@pytest.mark.parametrize("parking", PARK)
def test_a_claim_behind_parking(ledger, parking):
    worker, (id,), other = ledger.worker(), ledger.jobs(), ledger.session()
    other.begin(PARK[parking]([id]))
    claimed = worker.start_transaction(*worker.claim([id]))
    assert claimed.is_blocked()
    other.commit()
    assert ids_of(claimed.result()) == [id]
    assert (ledger.status(id), ledger.reasons(id)) == ("running", [])


@pytest.mark.unchecked
@pytest.mark.parametrize("parking", PARK)
def test_unwaiting_in_a_statement_of_its_own_matters(ledger, parking):
    """In the claim's own snapshot, taken before it waited for the row, a row of waiting made meanwhile isn't there."""
    careless = mutated("claim", ", events as (", """, unwaited as (
        delete from waiting w using claimed c where w.job_id = c.id
    ), events as (""")
    worker, (id,), other = ledger.worker(texts={"claim": careless}), ledger.jobs(), ledger.session()
    other.begin(PARK[parking]([id]))
    claimed = worker.start_transaction(worker.claim([id])[0])
    assert claimed.is_blocked()
    other.commit()
    claimed.result()
    assert f"I8 waiting: job {id} is running" in ledger.violations()


@pytest.mark.unchecked
@pytest.mark.parametrize("statement, lock", [("sweep", "order by j.id for update of j"), ("park", "order by j.id for update")])
def test_locking_what_is_parked_matters(ledger, statement, lock):
    careless = mutated(statement, lock, "order by j.id")
    worker, (id,) = ledger.worker(), ledger.jobs()
    worker.begin(*worker.claim([id]))
    parked = ledger.session(**{statement: careless}).start_transaction(PARK[statement if statement != "park" else "limited"]([id]))
    assert not parked.is_blocked()
    worker.commit()
    assert f"I8 waiting: job {id} is running" in ledger.violations()


def test_a_paused_type_is_parked_behind_its_claim(ledger):
    worker, (id,), other = ledger.worker(), ledger.jobs(), ledger.worker()
    ledger.client.transaction(("pause", "plain", True))
    assert worker.begin(*worker.claim([id])) == []
    again = other.start_transaction(*other.claim([id]))
    assert again.is_blocked()
    worker.commit()
    assert again.result() == []
    assert (ledger.status(id), ledger.reasons(id)) == ("queued", ["paused"])
    assert worker.run(("take", ["plain"], 10)) == []
    ledger.client.transaction(("pause", "plain", False))
    assert worker.run(("take", ["plain"], 10)) == [{"job_id": id, "type": "plain", "priority": 0}]
    assert ids_of(worker.transaction(*worker.claim([id]))) == [id]


# --- complete / reap, complete / cancel, older fences ---

def test_a_completion_before_the_release_stays(ledger):
    worker, ids, reaper = ledger.worker(), ledger.jobs(2), ledger.session()
    rows = worker.transaction(*worker.claim(ids))
    first, token = [row for row in rows if row["id"] == ids[0]], worker.tokens()[0]
    worker.begin(*worker.complete(first, claims=[]))
    released = reaper.start_transaction(*reap(worker, started=rows))
    assert released.is_blocked()
    worker.commit()
    assert released.result() == 1
    assert ledger.status(*ids) == ["succeeded", "failed"]
    assert ledger.transitions(ids[0]) == ["queued", "running", "succeeded"] and worker.tokens() == [] and token


def test_a_completion_behind_the_release_is_refused(ledger):
    worker, (id,), reaper = ledger.worker(), ledger.jobs(), ledger.session()
    rows = worker.transaction(*worker.claim([id]))
    reaper.begin(*reap(worker, started=rows))
    late = worker.start_transaction(*worker.complete(rows, claims=[]))
    assert late.is_blocked()
    reaper.commit()
    assert late.result() == [] and ledger.status(id) == "failed"


@pytest.mark.parametrize("how", ["complete", "bury", "fail", "snooze", "release", "tell"])
def test_an_older_fence_changes_nothing(ledger, how):
    """The job was taken from one worker and runs at another: whatever the first says is not heard."""
    old, new, (id,) = ledger.worker(), ledger.worker(), ledger.jobs()
    stale = old.transaction(*old.claim([id]))
    ledger.client.transaction(*reap(old))
    rows = new.transaction(*new.claim([id]))
    assert (stale[0]["fence"], rows[0]["fence"]) == (1, 2)
    before = ledger.sql("select xmin, j.* from job j")
    said = old.transaction(*(old.tell(stale, "late") if how == "tell" else getattr(old, how)(stale, claims=[])))
    assert said in ([], 0)
    assert ledger.sql("select xmin, j.* from job j") == before
    new.transaction(*new.complete(rows))
    old.transaction(*old.complete(stale, claims=[]))
    assert ledger.transitions(id) == ["queued", "running", "queued", "running", "succeeded"]


def test_an_older_fence_behind_the_newer_one(ledger):
    """While the new completion is on its way: the old one doesn't even wait."""
    old, new, (id,) = ledger.worker(), ledger.worker(), ledger.jobs()
    stale = old.transaction(*old.claim([id]))
    ledger.client.transaction(*reap(old))
    rows = new.transaction(*new.claim([id]))
    new.begin(*new.complete(rows))
    late = old.start_transaction(*old.complete(stale, claims=[]))
    assert not late.is_blocked() and late.result() == []
    new.commit()


@pytest.mark.unchecked
def test_the_fence_matters(ledger):
    old, new = ledger.worker(texts={"complete": mutated("complete", "and j.fence = x.fence ", "")}), ledger.worker()
    (id,) = ledger.jobs()
    stale = old.transaction(*old.claim([id]))
    ledger.client.transaction(*reap(old, started=stale))
    ledger.client.run(("due", 10))
    new.transaction(*new.claim([id]))
    old.transaction(*old.complete(stale, claims=[]))
    found = ledger.violations()
    assert any(violation.startswith(f"I3 job {id}") and "speaks of attempt 1" in violation for violation in found), found


def test_a_cancellation_behind_a_completion_comes_too_late(ledger):
    worker, (id,) = ledger.worker(), ledger.jobs()
    rows = worker.transaction(*worker.claim([id]))
    worker.begin(worker.complete(rows)[0])
    canceled = ledger.session().start_transaction(*cancel([id]))
    assert canceled.is_blocked()
    worker.run(*worker.complete(rows)[1:])
    worker.commit()
    assert canceled.result() == [{"id": id, "was": "succeeded"}]
    assert (ledger.status(id), ledger.sql("select * from signal")) == ("succeeded", [])


def test_a_completion_behind_a_cancellation_answers_it(ledger):
    worker, (id,), canceler = ledger.worker(), ledger.jobs(), ledger.session()
    rows = worker.transaction(*worker.claim([id]))
    assert canceler.begin(*cancel([id])) == [{"id": id, "was": "running"}]
    completed = worker.start_transaction(*worker.complete(rows, worker.tokens()))
    assert completed.is_blocked()
    canceler.commit()
    assert ids_of(completed.result()) == [id]
    assert (ledger.status(id), ledger.sql("select * from signal")) == ("succeeded", [])


@pytest.mark.unchecked
def test_answering_in_a_statement_of_its_own_matters(ledger):
    careless = mutated("complete", ", counted as (", """, answered as (
        delete from signal where job_id in (select id from done)
    ), counted as (""")
    worker, (id,), canceler = ledger.worker(texts={"complete": careless}), ledger.jobs(), ledger.session()
    rows = worker.transaction(*worker.claim([id]))
    canceler.begin(*cancel([id]))
    completed = worker.start_transaction(worker.complete(rows, claims=[])[0], ("claim_done", worker.tokens()))
    assert completed.is_blocked()
    canceler.commit()
    completed.result()
    assert f"I8 signal to worker {worker.id}: job {id} is succeeded" in ledger.violations()


def test_a_cancellation_and_the_reap(ledger):
    """The worker dies while a cancellation is being written: nobody is left to answer it, so the reaper does."""
    worker, (id,), canceler, reaper = ledger.worker(), ledger.jobs(), ledger.session(), ledger.session()
    rows = worker.transaction(*worker.claim([id]))
    canceler.begin(*cancel([id]))
    reaped = reaper.start_transaction(*reap(worker, started=rows))
    assert reaped.is_blocked()
    canceler.commit()
    reaped.result()
    assert (ledger.status(id), ledger.reasons(id), ledger.sql("select * from signal")) == ("canceled", [], [])


def test_a_reap_behind_a_cancellation(ledger):
    worker, ids = ledger.worker(), ledger.jobs(3)
    rows = {row["id"]: row for row in worker.transaction(*worker.claim(ids))}
    ledger.client.transaction(*cancel(ids))
    ledger.client.transaction(*reap(worker, started=[rows[ids[0]]], ended=[rows[ids[1]]]))
    assert ledger.status(*ids) == ["canceled"] * 3
    assert ledger.sql("select * from signal") == ledger.sql("select * from waiting") == []


def test_a_cancellation_behind_the_reap(ledger):
    worker, (id,), canceler, reaper = ledger.worker(), ledger.jobs(), ledger.session(), ledger.session()
    rows = worker.transaction(*worker.claim([id]))
    reaper.begin(*reap(worker, started=rows))
    canceled = canceler.start_transaction(*cancel([id]))
    assert canceled.is_blocked()
    reaper.commit()
    assert canceled.result() == [{"id": id, "was": "failed"}]
    assert (ledger.status(id), ledger.reasons(id), ledger.sql("select * from signal")) == ("canceled", [], [])


def test_stages_and_the_end_stay_in_order(ledger):
    """A note that somebody writes while the completion is on its way gets a time behind it or before it, never its own."""
    worker, (id,), reader = ledger.worker(), ledger.jobs(), ledger.session()
    rows = worker.transaction(*worker.claim([id]))
    worker.begin(*worker.tell(rows, "extracting"), *worker.complete(rows))
    noted = reader.start_transaction(("log_event", id, {"note": "seen"}))
    assert noted.is_blocked()
    worker.commit()
    noted.result()
    assert [row[0] for row in ledger.sql("select next_status::text from job_event where job_id = %s order by ts, id", id)] == [
        "queued", "running", "running", "succeeded", "succeeded"]


# --- take, due ---

def test_two_takes_share(ledger):
    one, two = ledger.worker(), ledger.worker()
    ids = ledger.waiting(4)
    first = one.begin(("take", ["plain"], 2))
    second = two.start(("take", ["plain"], 10))
    assert not second.is_blocked()
    one.commit()
    taken = [row["job_id"] for row in first] + [row["job_id"] for row in second.result()]
    assert sorted(taken) == ids
    assert one.run(("take", ["plain"], 10)) == []  # reserved
    assert ids_of(one.transaction(*one.claim(ids))) == ids


def test_two_takes_of_failed_jobs(ledger):
    one, two = ledger.worker(), ledger.worker()
    ids = ledger.failed(4)
    one.begin(("take", ["plain"], 10))
    assert two.run(("take", ["plain"], 10)) == []
    one.commit()
    assert all(ledger.transitions(id) == ["queued", "running", "failed", "queued"] for id in ids)


@pytest.mark.parametrize("first, second", [("take", "due"), ("due", "take")])
@pytest.mark.parametrize("undone", [False, True])
def test_take_and_due_of_one_failed_job(ledger, first, second, undone):
    (id,), one, two = ledger.failed(), ledger.session(), ledger.session()
    step = {"take": ("take", ["plain"], 10), "due": ("due", 10)}
    one.begin(step[first])
    late = two.start_transaction(step[second])
    assert not late.is_blocked()  # SKIP LOCKED
    late.result()
    one.rollback() if undone else one.commit()
    two.transaction(step[second])
    assert ledger.transitions(id) == ["queued", "running", "failed", "queued"]


def test_a_take_behind_an_update_it_did_not_see(ledger):
    """The take's snapshot has the job as failed; by the time it gets to the row, somebody has queued it."""
    (id,), taker, retrier = ledger.failed(announced=True), ledger.session(), ledger.session()
    retrier.begin(retry([id])[0])
    taken = taker.start_transaction(("take", ["plain"], 10))
    taken.is_blocked()
    retrier.commit()
    taken.result()
    assert ledger.transitions(id) == ["queued", "running", "failed", "queued"]


def test_a_cancellation_behind_a_take(ledger):
    (id,), taker, canceler = ledger.failed(), ledger.session(), ledger.session()
    taker.begin(("take", ["plain"], 10))
    canceled = canceler.start_transaction(*cancel([id]))
    assert canceled.is_blocked()
    taker.commit()
    assert canceled.result() == [{"id": id, "was": "queued"}]
    assert (ledger.status(id), ledger.reasons(id)) == ("canceled", [])
    worker = ledger.worker()
    assert worker.transaction(*worker.claim([id])) == []


def test_a_take_behind_a_cancellation(ledger):
    (id,), taker, canceler = ledger.failed(), ledger.session(), ledger.session()
    canceler.begin(*cancel([id]))
    assert taker.run(("take", ["plain"], 10)) == []
    canceler.commit()
    assert (ledger.status(id), ledger.reasons(id)) == ("canceled", [])


def again_after_deadlock(session, steps):
    """What the product does with 40P01: the same transaction again."""
    try:
        return session.transaction(*steps)
    except psycopg2.errors.DeadlockDetected:
        return again_after_deadlock(session, steps)


def test_a_take_between_the_two_statements_of_a_cancellation(ledger):
    """The take holds the waiting row and wants the job's; the cancellation the other way round. PostgreSQL ends one of them, which is
    sent again."""
    (id,), taker, canceler = ledger.failed(), ledger.session(), ledger.session()
    steps = cancel([id])
    canceler.begin(steps[0])
    taken = taker.start_transaction(("take", ["plain"], 10))
    assert taken.is_blocked()
    try:
        canceler.run(steps[1])
        canceler.commit()
    except psycopg2.errors.DeadlockDetected:
        canceler.rollback()
        again_after_deadlock(canceler, steps)
    try:
        taken.result()
    except psycopg2.errors.DeadlockDetected:
        again_after_deadlock(taker, [("take", ["plain"], 10)])
    assert (ledger.status(id), ledger.reasons(id)) == ("canceled", [])


def test_a_reserved_job_is_free_again_when_nobody_claims_it(ledger):
    (id,), worker = ledger.waiting(), ledger.worker()
    assert len(worker.run(("take", ["plain"], 10))) == 1
    assert worker.run(("take", ["plain"], 10)) == []
    ledger.sql("update waiting set due = due - interval '11 s'")
    assert len(worker.run(("take", ["plain"], 10))) == 1
    assert ids_of(worker.transaction(*worker.claim([id]))) == [id]


# --- submit ---

def test_one_key_submitted_twice_at_once(ledger):
    one, two = ledger.session(), ledger.session()
    (mine,), (theirs,) = [new_id(-1)], [new_id(-1)]
    assert len(one.begin(*submit([mine], keys=["k"]))) == 1
    late = two.start(*submit([theirs], keys=["k"]))
    assert late.is_blocked()
    one.commit()
    assert late.result() == []
    assert two.run(("find_keys", [ORG], ["k"])) == [{"id": mine, "n": 1}]
    assert ledger.sql("select count(*) from job where idempotency_key = 'k'") == [(1,)]


def test_the_second_gets_the_key_when_the_first_is_undone(ledger):
    one, two = ledger.session(), ledger.session()
    id = new_id(-1)
    one.begin(*submit([new_id(-1)], keys=["k"]))
    late = two.start_transaction(*submit([id], keys=["k"]))
    assert late.is_blocked()
    one.rollback()
    assert [row["id"] for row in late.result()] == [id]
    assert two.run(("find_keys", [ORG], ["k"])) == [{"id": id, "n": 1}]


@pytest.mark.unchecked
def test_asking_for_the_key_in_a_statement_of_its_own_matters(ledger):
    """Its snapshot must be younger than the wait for whoever had the key."""
    one, two = ledger.session(), ledger.session()
    one.begin(*submit([new_id(-1)], keys=["k"]))
    in_one = "with " + text_of("submit").split("with ", 1)[1].rstrip() + \
        " union all select j.id, null, null from job j where j.org_id = any($2::uuid[]) and j.idempotency_key = any($6::varchar[])"
    two.texts["submit"] = in_one
    late = two.start(*submit([new_id(-1)], keys=["k"]))
    assert late.is_blocked()
    one.commit()
    assert late.result() == []  # nobody's id: the caller would be left without an answer


def test_many_keys_in_opposite_order(ledger):
    """Hundreds of pairs of batches with the same keys, backwards in one of them: sorted inside, they never deadlock."""
    sessions, failures = [ledger.session(), ledger.session()], []

    def run(session, order):
        try:
            for batch in range(40):
                keys = [f"{batch}-{i}" for i in range(20)]
                session.transaction(*submit([new_id(-1) for _ in keys], keys=keys[::order]))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in zip(sessions, (1, -1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert ledger.sql("select count(*), count(distinct idempotency_key) from job") == [(800, 800)]


def test_a_repeated_submit_changes_nothing(ledger):
    ids = ledger.jobs(3, keys=["a", "b", "c"])
    before = ledger.sql("select xmin, j.* from job j order by id")
    assert ledger.client.transaction(*submit(ids, keys=["a", "b", "c"])) == []
    assert ledger.sql("select xmin, j.* from job j order by id") == before
    assert ledger.sql("select count(*) from outbox") == [(1,)]


def test_heimdex_submit_that_commits_behind_the_sweep(ledger):
    """The caller's transaction is still open when the sweep passes the id."""
    caller, worker = ledger.session(), ledger.worker()
    (row,) = caller.begin("select heimdex_submit('plain', '{\"n\": 1}') as id")
    (later,) = ledger.jobs()
    assert ledger.client.run(SWEEP) == [{"walked": 1, "swept": 1, "last": later}]
    caller.commit()
    assert row["id"] < ledger.database.one("select position from sweep")
    assert ledger.reasons(row["id"]) == ["sql"]
    assert row["id"] in [taken["job_id"] for taken in worker.run(("take", ["plain"], 10))]
    assert ids_of(worker.transaction(*worker.claim([row["id"]]))) == [row["id"]]


@pytest.mark.unchecked
def test_the_waiting_row_of_heimdex_submit_matters(ledger):
    caller = ledger.session()
    caller.begin(*submit([new_id(-1)]))  # the product's own submit commits at once, and does without
    ledger.jobs()
    ledger.client.run(SWEEP)
    caller.commit()
    assert any(violation.startswith("R1 ") for violation in ledger.violations())


def test_two_heimdex_submits_of_one_key(ledger):
    one, two = ledger.session(), ledger.session()
    call = "select heimdex_submit('plain', idempotency_key => 'k') as id"
    first = one.begin(call)
    late = two.start(call)
    assert late.is_blocked()
    one.commit()
    assert late.result() == first


def test_an_id_off_the_clock_has_a_waiting_row(ledger):
    """The sweep would walk past the one, and come to the other in an hour."""
    slow, fast, right = new_id(3600), new_id(-3600), new_id(-1)
    ledger.client.transaction(*submit([slow, fast, right]))
    assert [ledger.reasons(id) for id in (slow, fast, right)] == [["clock"], ["clock"], []]


# --- settle, release ---

@pytest.mark.parametrize("how", ["fail", "snooze", "release"])
def test_the_sweep_and_what_waits_again(ledger, how):
    """One waiting row, whichever comes first."""
    worker, ids, sweeper = ledger.worker(), ledger.jobs(2), ledger.session()
    rows = {row["id"]: row for row in worker.transaction(*worker.claim(ids))}
    token = worker.tokens()
    worker.begin(*getattr(worker, how)([rows[ids[0]]], claims=[]))
    swept = sweeper.start_transaction(SWEEP)
    assert not swept.is_blocked()
    worker.commit()
    swept.result()
    worker.transaction(*getattr(worker, how)([rows[ids[1]]], claims=token))
    ledger.client.run(PEEK)
    assert [len(ledger.reasons(id)) for id in ids] == [1, 1]


def test_what_is_settled_again_waits_once(ledger):
    """Its row of an earlier wait is gone by then, or replaced."""
    worker, (id,) = ledger.worker(), ledger.waiting()
    worker.transaction(*worker.snooze(worker.transaction(*worker.claim([id])), 3_600_000))
    assert ledger.reasons(id) == ["snoozed"]
    ledger.now_due()
    worker.transaction(*worker.fail(worker.transaction(*worker.claim([id])), 3_600_000))
    assert ledger.reasons(id) == ["retry"]


@pytest.mark.parametrize("how", ["complete", "bury", "fail", "snooze", "release"])
def test_a_repeated_outcome_changes_nothing(ledger, how):
    """The connection broke in the commit, the commit had happened, and the worker sends it again."""
    worker, (id,) = ledger.worker(), ledger.jobs()
    rows, tokens = worker.transaction(*worker.claim([id])), worker.tokens()
    steps = getattr(worker, how)(rows, claims=tokens)
    assert ids_of(worker.transaction(*steps)) == [id]
    before = ledger.sql("select xmin, j.* from job j"), ledger.sql("select * from waiting"), ledger.sql("select count(*) from outbox")
    assert worker.transaction(*steps) == []
    assert before == (ledger.sql("select xmin, j.* from job j"), ledger.sql("select * from waiting"), ledger.sql("select count(*) from outbox"))


def test_a_repeated_outcome_behind_the_release(ledger):
    worker, (id,) = ledger.worker(), ledger.jobs()
    rows, tokens = worker.transaction(*worker.claim([id])), worker.tokens()
    worker.transaction(*worker.complete(rows, tokens))
    ledger.client.transaction(*reap(worker, started=rows))
    assert worker.transaction(*worker.complete(rows, tokens)) == [] and ledger.status(id) == "succeeded"


def test_a_repeated_reap_changes_nothing(ledger):
    worker, ids = ledger.worker(), ledger.jobs(3)
    rows = {row["id"]: row for row in worker.transaction(*worker.claim(ids))}
    steps = reap(worker, started=[rows[ids[0]]], ended=[rows[ids[1]]])
    ledger.client.transaction(*steps)
    before = ledger.sql("select xmin, j.* from job j order by id")
    ledger.client.transaction(*steps)
    assert ledger.sql("select xmin, j.* from job j order by id") == before
    assert ledger.sql("select status::text, attempt, max_attempts, crash_count from job order by id") == [
        ("failed", 1, 3, 1), ("queued", 1, 4, 0), ("queued", 0, 3, 0)]


def test_two_reaps_at_once(ledger):
    worker, ids = ledger.worker(), ledger.jobs(2)
    rows = worker.transaction(*worker.claim(ids))
    one, two = ledger.session(), ledger.session()
    one.begin(*reap(worker, started=rows))
    late = two.start_transaction(*reap(worker, no_evidence=True))
    assert late.is_blocked()
    one.commit()
    late.result()
    assert ledger.sql("select distinct attempt, crash_count from job") == [(1, 1)]


def test_a_release_does_not_touch_what_another_worker_has(ledger):
    """The job was given back, and somebody else runs it, while the first worker's claim row still names it."""
    old, new, ids = ledger.worker(), ledger.worker(), ledger.jobs(2)
    rows = {row["id"]: row for row in old.transaction(*old.claim(ids))}
    old.transaction(*old.snooze([rows[ids[0]]], claims=[]))
    ledger.now_due()
    running = new.transaction(*new.claim([ids[0]]))
    ledger.client.transaction(*reap(old, no_evidence=True))
    assert ledger.status(*ids) == ["running", "failed"]
    assert ids_of(new.transaction(*new.complete(running))) == [ids[0]]


def test_in_doubt_is_answered_by_the_token(ledger):
    worker, ids = ledger.worker(), ledger.jobs(3)
    token, never = str(uuid.uuid4()), str(uuid.uuid4())
    rows = worker.transaction(*worker.claim(ids, token))
    again = worker.run(("claimed_again", token, worker.id))
    assert ids_of(again) == ids and {row["fence"] for row in again} == {1}
    assert worker.run(("asked", token, worker.pid))[0]["ids"] is not None
    assert worker.run(("asked", never, worker.pid)) == [{"ids": None, "alive": False}]  # one's own backend doesn't count
    assert worker.run(("asked", never, ledger.client.pid)) == [{"ids": None, "alive": True}]
    worker.transaction(*worker.complete(rows[:1], claims=[]))
    assert len(worker.run(("claimed_again", token, worker.id))) == 2


# --- retry ---

def dead(ledger, worker):
    (id,) = ledger.jobs()
    worker.transaction(*worker.bury(worker.transaction(*worker.claim([id]))))
    return id


def test_retry_and_claim(ledger):
    worker, other, retrier = ledger.worker(), ledger.worker(), ledger.session()
    id = dead(ledger, worker)
    retrier.begin(*retry([id]))
    assert other.transaction(*other.claim([id])) == []  # not queued yet
    retrier.commit()
    one = worker.transaction(*worker.claim([id]))
    two = other.transaction(*other.claim([id]))
    assert (ids_of(one), two) == ([id], [])
    assert ledger.transitions(id) == ["queued", "running", "dead_letter", "queued", "running"] and ledger.reasons(id) == []


def test_two_retries_at_once(ledger):
    worker, one, two = ledger.worker(), ledger.session(), ledger.session()
    id = dead(ledger, worker)
    one.begin(*retry([id]))
    late = two.start_transaction(*retry([id]))
    assert late.is_blocked()
    one.commit()
    assert late.result() == [{"id": id, "was": "queued", "stopping": False}]
    assert ledger.transitions(id) == ["queued", "running", "dead_letter", "queued"] and ledger.reasons(id) == ["redriven"]


def test_retry_of_what_is_being_stopped(ledger):
    worker, (id,) = ledger.worker(), ledger.jobs()
    rows = worker.transaction(*worker.claim([id]))
    ledger.client.transaction(*cancel([id]))
    assert ledger.client.transaction(*retry([id])) == [{"id": id, "was": "running", "stopping": True}]
    worker.transaction(*worker.settle(rows, "canceled", "canceled", "asked"))
    assert ledger.client.transaction(*retry([id])) == [{"id": id, "was": "canceled", "stopping": False}]
    assert ledger.status(id) == "queued"


def test_retry_raises_a_budget_that_is_used_up(ledger):
    worker = ledger.worker()
    (id,) = ledger.jobs(max_attempts=1)
    worker.transaction(*worker.bury(worker.transaction(*worker.claim([id]))))
    ledger.client.transaction(*retry([id]))
    assert ledger.sql("select attempt, max_attempts from job") == [(1, 2)]
    assert worker.transaction(*worker.claim([id]))[0]["attempt"] == 2


def test_retry_and_cancel(ledger):
    worker, one, two = ledger.worker(), ledger.session(), ledger.session()
    id = dead(ledger, worker)
    one.begin(*retry([id]))
    canceled = two.start_transaction(*cancel([id]))
    assert canceled.is_blocked()
    one.commit()
    canceled.result()
    assert (ledger.status(id), ledger.reasons(id)) == ("canceled", [])


def test_retry_of_a_failed_job_and_take(ledger):
    (id,), retrier, taker = ledger.failed(), ledger.session(), ledger.session()
    taker.begin(("take", ["plain"], 10))
    late = retrier.start_transaction(*retry([id]))
    assert late.is_blocked()
    taker.commit()
    assert late.result()[0]["was"] == "queued"
    assert ledger.transitions(id) == ["queued", "running", "failed", "queued"]


# --- the scheduler's own ---

def test_two_sweeps(ledger):
    one, two, ids = ledger.session(), ledger.session(), ledger.jobs(3)
    assert one.begin(("sweep", -60_000, 2, START, True))[0]["walked"] == 2
    late = two.start_transaction(("sweep", -60_000, 2, START, True))
    assert not late.is_blocked() and late.result() == [{"walked": 0, "swept": 0, "last": None}]
    one.commit()
    assert two.transaction(("sweep", -60_000, 2, START, True)) == [{"walked": 1, "swept": 1, "last": ids[2]}]
    assert [ledger.reasons(id) for id in ids] == [["swept"]] * 3


def test_a_sweep_and_a_peek(ledger):
    one, two, ids = ledger.session(), ledger.session(), ledger.jobs(2)
    one.begin(PEEK)
    late = two.start_transaction(SWEEP)
    assert not late.is_blocked() and late.result() == [{"walked": 0, "swept": 0, "last": None}]
    one.commit()
    assert two.transaction(SWEEP) == [{"walked": 2, "swept": 0, "last": ids[1]}]
    assert [ledger.reasons(id) for id in ids] == [["swept"]] * 2


def test_a_sweep_that_is_undone_comes_again(ledger):
    one, ids = ledger.session(), ledger.jobs(2)
    one.begin(SWEEP)
    one.rollback()
    assert one.transaction(SWEEP)[0]["swept"] == 2 and all(ledger.reasons(id) for id in ids)


def test_two_folds(ledger):
    one, two = ledger.session(), ledger.session()
    ledger.jobs(3), ledger.jobs(2)
    assert one.begin(("fold", 1)) == [{"folded": 1}]
    late = two.start_transaction(("fold", 10))
    assert not late.is_blocked() and late.result() == [{"folded": 0}]
    one.commit()
    assert two.transaction(("fold", 10)) == [{"folded": 1}]
    assert ledger.sql("select status::text, count from job_count") == [("queued", 5)]


def test_a_fold_beside_new_deltas(ledger):
    one, worker = ledger.session(), ledger.worker()
    ids = ledger.jobs(3)
    one.begin(("fold", 10))
    worker.transaction(*worker.claim(ids[:2]))
    one.commit()
    assert dict((row["status"], row["count"]) for row in one.run(("counts",))) == {"queued": 1, "running": 2}


def test_two_relays(ledger):
    one, two = ledger.session(), ledger.session()
    ledger.jobs(), ledger.jobs(), ledger.jobs()
    ledger.sql("update outbox set due = due - interval '3 s'")
    ledger.sql("with o as (delete from outbox returning *) insert into outbox overriding system value select * from o")
    first = one.begin(("relay_take", 2))
    second = two.start_transaction(("relay_take", 10))
    assert not second.is_blocked()
    one.commit()
    taken = [row["id"] for row in first] + [row["id"] for row in second.result()]
    assert len(taken) == len(set(taken)) == 3
    assert one.run(("relay_take", 10)) == []  # theirs for ten seconds


test_two_relays = pytest.mark.unchecked(test_two_relays)  # it moves the rows' transactions itself


def test_a_duplicate_does_not_run_a_job_before_its_time(ledger):
    """However often its record comes, whatever else it waits for."""
    worker = ledger.worker(types=["plain", "limited"], concurrency=5)
    (plain,), (limited,) = ledger.jobs(run_at="2100-01-01"), ledger.jobs(run_at="2100-01-01", type="limited")
    for _ in range(3):
        assert worker.transaction(*worker.claim([plain])) == worker.transaction(*worker.claim_limited([limited])) == []
    ledger.client.transaction(("pause", "plain", True))
    worker.transaction(*worker.claim([plain]))
    ledger.client.transaction(("pause", "plain", False))
    assert worker.transaction(*worker.claim([plain])) == []
    assert worker.run(("take", ["plain", "limited"], 10)) == []
    ledger.now_due()
    assert ids_of(worker.transaction(*worker.claim([plain]))) == [plain]
    assert ids_of(worker.transaction(*worker.claim_limited([limited]))) == [limited]


# --- limits ---

def permits(ledger):
    return ledger.sql("select count(*) filter (where job_id is not null), count(*) from permit where n <= 2")[0]


def test_a_limit_over_two_workers(ledger):
    options = {"types": ["limited"], "concurrency": 2}
    one, two, ids = ledger.worker(**options), ledger.worker(**options), ledger.jobs(5, type="limited")
    first = one.begin(one.claim_limited(ids[:1])[0])
    second = two.begin(two.claim_limited(ids[1:])[0])
    assert (len(first), len(second)) == (1, 1)
    two.run(*two.claim_limited(ids[1:])[1:])
    two.commit()
    one.run(*one.claim_limited(ids[:1])[1:])
    one.commit()
    assert permits(ledger) == (2, 2)
    assert sorted(ledger.reasons(id) for id in ids) == [[]] * 2 + [["limited"]] * 3
    assert one.run(("take", ["limited"], 10)) == []  # no permit, so nothing to take
    one.transaction(*one.complete(first))
    assert len(one.run(("take", ["limited"], 10))) == 1
    assert len(two.transaction(*two.claim_limited(ids))) == 1
    assert permits(ledger) == (2, 2)


def test_permits_that_are_being_given_back_are_not_taken_yet(ledger):
    options = {"types": ["limited"], "concurrency": 2}
    one, two, ids = ledger.worker(**options), ledger.worker(**options), ledger.jobs(4, type="limited")
    rows = one.transaction(*one.claim_limited(ids[:2]))
    one.begin(*one.complete(rows))
    assert two.transaction(*two.claim_limited(ids[2:])) == []
    one.commit()
    assert len(two.transaction(*two.claim_limited(ids[2:]))) == 2


def test_the_same_limited_ids_twice(ledger):
    options = {"types": ["limited"], "concurrency": 4}
    one, two, ids = ledger.worker(**options), ledger.worker(**options), ledger.jobs(2, type="limited")
    one.begin(*one.claim_limited(ids))
    late = two.start_transaction(*two.claim_limited(ids))
    assert late.is_blocked()
    one.commit()
    assert late.result() == []
    assert ledger.sql("select count(*) from permit where job_id is not null") == [(2,)]


def test_many_workers_at_a_limit(ledger):
    """Claims and completions from six workers at once: at no time do more jobs run than there are permits."""
    ids = ledger.jobs(60, type="limited")
    workers = [ledger.worker(types=["limited"], concurrency=3) for _ in range(6)]
    most, failures, left = [], [], set(ids)

    def run(worker):
        try:
            while left:
                token = str(uuid.uuid4())
                rows = worker.transaction(*worker.claim_limited(sorted(left)[:10], token=token))
                most.append(worker.run("select count(*) as n from job where status = 'running'")[0]["n"])
                if rows:
                    worker.transaction(*worker.complete(rows, [token]))
                    left.difference_update(row["id"] for row in rows)
        except psycopg2.errors.DeadlockDetected as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=[worker]) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert max(most) <= 3
    assert ledger.sql("select status::text, count(*) from job group by 1") == [("succeeded", 60)]


@pytest.mark.unchecked
def test_locking_the_permits_matters(ledger):
    careless = mutated("claim_limited", "limit cardinality($3::uuid[]) for update skip locked", "limit cardinality($3::uuid[])")
    options = {"types": ["limited"], "concurrency": 1, "texts": {"claim_limited": careless}}
    one, two, ids = ledger.worker(**options), ledger.worker(**options), ledger.jobs(2, type="limited")
    one.begin(one.claim_limited(ids[:1])[0])
    late = two.start_transaction(two.claim_limited(ids[1:])[0])
    late.is_blocked()
    one.commit()
    late.result()
    assert "limit type limited: 2 run, there are 1 permits" in ledger.violations()


def test_everything_at_once(ledger):
    """Random transactions of all kinds from eight sessions on the same thirty jobs; then all is finished, and the history is right."""
    import random
    ids = ledger.jobs(30)
    failures, rounds = [], 60

    def attempt(session, steps):
        try:
            return session.transaction(*steps)
        except (psycopg2.errors.DeadlockDetected, psycopg2.errors.LockNotAvailable):
            return None

    def work(seed):
        """A worker, and its successors: the disturbers declare it dead now and then, while it goes on with what it has."""
        dice, worker, mine = random.Random(seed), ledger_worker[seed], []
        for _ in range(rounds):
            if worker.run(("renew", worker.id, 0)) == [{"alive": False}]:
                worker = ledger_worker[seed] = ledger.worker()
            token = str(uuid.uuid4())
            rows = attempt(worker, worker.claim(dice.sample(ids, 6), token)) or []
            mine += [(worker, row, token) for row in rows]
            dice.shuffle(mine)
            part, mine = mine[:4], mine[4:]
            for i, (by, row, of) in enumerate(part):
                failure = by.fail if row["attempt"] < row["max_attempts"] else by.bury
                how = dice.choice([by.complete, failure, by.snooze, by.release, by.bury])
                last = [of] if not any(of == token for _, _, token in mine + part[i + 1:]) else []
                while attempt(by, how([row], claims=last)) is None:
                    pass

    def disturb(seed):
        dice, session = random.Random(seed), ledger.session()
        for _ in range(rounds):
            some = dice.sample(ids, 4)
            attempt(session, dice.choice([cancel(some), retry(some), [("due", 5)], [SWEEP], [PEEK], [("take", ["plain"], 4)],
                                          [("fold", 50)], [("park", sorted(some), "no_handler")],
                                          reap(dice.choice(ledger_worker), no_evidence=dice.random() < 0.5)]))

    def guarded(function, seed):
        try:
            function(seed)
        except Exception as error:
            failures.append(repr(error))

    ledger_worker = [ledger.worker() for _ in range(4)]
    threads = [threading.Thread(target=guarded, args=(work, seed)) for seed in range(4)]
    threads += [threading.Thread(target=guarded, args=(disturb, 100 + seed)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    for worker in ledger_worker:
        ledger.client.transaction(*reap(worker, no_evidence=True))
    last = ledger.worker()

    def finish():
        ledger.now_due()
        rows = last.transaction(*last.claim(ids))
        if rows:
            last.transaction(*last.complete(rows))
        return not ledger.sql("select from job where status not in ('succeeded', 'canceled', 'dead_letter')")

    until(finish)
    assert ledger.sql("select count(*) from waiting") == [(0,)]
