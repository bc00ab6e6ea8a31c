"""What happens when a claim meets another statement of the ledger: rows of the table in docs/protocol.md, in both orders where that matters.

Sessions run the product's own texts under the product's settings, step by step; "blocked" is read from PostgreSQL. Each test ends with
the checker. The tests named `…_matters` leave out one protection and show what it is for; there the checker has to find it."""
import uuid

import pytest

from support.ledger import PEEK, SWEEP, ids_of, ledger  # noqa: F401
from support.statements import cancel, mutated, reap

pytestmark = pytest.mark.quick


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
@pytest.mark.parametrize("statement, lock", [("sweep", "order by j.id for update of j"),
                                             ("park", "order by j.id for update")])
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
