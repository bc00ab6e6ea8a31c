"""What happens when a retry meets another statement of the ledger (as test_isolation_claim.py)."""
from support.ledger import ids_of, ledger  # noqa: F401
from support.statements import cancel, retry


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
