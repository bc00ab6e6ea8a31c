"""The server's clock is set back, or a primary takes over whose clock is behind: a job's events stay in the order in which they happened
(as test_isolation_claim.py)."""
import pytest

from support.ledger import ledger  # noqa: F401
from support.statements import cancel, reap, retry

pytestmark = pytest.mark.quick
NEWEST = "(select id from job_event order by ts desc limit 1)"


def ahead(ledger):
    """What happened last is of tomorrow, and all that its transaction wrote stays of one. The event's id."""
    ledger.client.transaction(f"update outbox o set due = due from job_event e where e.xmin = o.xmin and e.id = {NEWEST}",
                              "update job set updated_at = updated_at + interval '1 day'",
                              f"update job_event set ts = ts + interval '1 day' where id = {NEWEST}")
    return ledger.sql(f"select {NEWEST}")


def follows(ledger, before, id, status):
    assert ledger.sql(f"select {NEWEST}") != before
    assert ledger.status(id) == status == ledger.sql(f"select next_status::text from job_event where id = {NEWEST}")[0][0]


@pytest.mark.parametrize("how, status", [("complete", "succeeded"), ("bury", "dead_letter"), ("fail", "failed"), ("snooze", "queued"),
                                         ("release", "queued"), ("tell", "running"), ("reap", "failed"), ("cancel", "canceled")])
def test_the_end_of_a_run(ledger, how, status):
    worker, (id,) = ledger.worker(), ledger.jobs()
    rows = worker.transaction(*worker.claim([id]))
    before = ahead(ledger)
    if how == "reap":
        ledger.client.transaction(*reap(worker, started=rows))
    elif how == "cancel":
        ledger.client.transaction(*cancel([id]))
        worker.transaction(*worker.fail(rows))
    elif how == "tell":
        worker.transaction(*worker.tell(rows, "stage"))
    else:
        worker.transaction(*getattr(worker, how)(rows))
    follows(ledger, before, id, status)


@pytest.mark.parametrize("how, status", [("claim", "running"), ("claim_limited", "running"), ("cancel", "canceled"), ("retry", "queued"),
                                         ("due", "queued"), ("take", "queued"), ("log_event", "queued")])
def test_the_way_to_a_run(ledger, how, status):
    type = "limited" if how == "claim_limited" else "plain"
    worker = ledger.worker(types=[type], concurrency=1 if type == "limited" else None)
    (id,) = ledger.failed(worker=worker) if how in ("due", "take") else ledger.jobs(type=type)
    if how == "retry":
        ledger.client.transaction(*cancel([id]))
    before = ahead(ledger)
    steps = {"claim": worker.claim, "claim_limited": worker.claim_limited, "cancel": cancel, "retry": retry, "due": lambda ids: [("due", 10)],
             "take": lambda ids: [("take", ["plain"], 10)], "log_event": lambda ids: [("log_event", *ids, {"note": "seen"})]}
    worker.transaction(*steps[how]([id]))
    follows(ledger, before, id, status)


@pytest.mark.parametrize("how", ["claim", "claim_limited", "complete", "fail", "tell", "cancel", "retry", "due", "take", "reap"])
def test_events_have_the_time_at_which_they_happened(ledger, how):
    """Not the time at which their transaction began, which may have waited for locks since. Within a transaction now() is that."""
    type = "limited" if how == "claim_limited" else "plain"
    worker = ledger.worker(types=[type], concurrency=1 if type == "limited" else None)
    (id,) = ledger.failed(worker=worker) if how in ("due", "take") else ledger.jobs(type=type)
    rows = worker.transaction(*worker.claim([id])) if how in ("complete", "fail", "tell", "reap") else None
    if how == "retry":
        ledger.client.transaction(*cancel([id]))
    steps = {"claim": lambda: worker.claim([id]), "claim_limited": lambda: worker.claim_limited([id]), "complete": lambda: worker.complete(rows),
             "fail": lambda: worker.fail(rows), "tell": lambda: worker.tell(rows, "stage"), "cancel": lambda: cancel([id]),
             "retry": lambda: retry([id]), "due": lambda: [("due", 10)], "take": lambda: [("take", ["plain"], 10)],
             "reap": lambda: reap(worker, started=rows)}
    worker.begin(*steps[how]())
    assert worker.run("select count(*) from job_event where xmin = pg_current_xact_id()::xid and ts > now()") == [{"count": 1}]
    worker.commit()
