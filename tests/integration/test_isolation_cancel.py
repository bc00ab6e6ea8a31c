"""What happens when a cancellation meets the end of a run, in whatever order (as test_isolation_claim.py)."""
import pytest

from support.ledger import ids_of, ledger  # noqa: F401
from support.statements import cancel, mutated, reap, retry


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


ENDS = ["fail", "bury", "snooze", "release"]  # all but a success


def as_asked(ledger, id):
    """Canceled, and nothing is left that would run it again or speak of it."""
    assert ledger.transitions(id) == ["queued", "running", "canceled"] and ledger.reasons(id) == []
    assert ledger.sql("select last_error_code, last_error_message from job where id = %s", id) == [("canceled", "asked")]
    assert ledger.sql("select detail_json ->> 'reason' from job_event where job_id = %s and next_status = 'canceled'", id) == [("asked",)]
    assert ledger.sql("select * from signal") == ledger.sql("select * from outbox where kind = 'dead_letter'") == []


@pytest.mark.parametrize("how", ENDS)
def test_a_run_that_ends_by_itself_after_it_was_canceled(ledger, how):
    """Its worker has not seen the request yet: it is carried out all the same, in place of the retry."""
    worker, (id,) = ledger.worker(), ledger.jobs()
    rows = worker.transaction(*worker.claim([id]))
    ledger.client.transaction(*cancel([id]))
    assert ids_of(worker.transaction(*getattr(worker, how)(rows))) == [id]
    as_asked(ledger, id)
    assert ledger.sql("select attempt from job") == [(0 if how == "release" else 1,)]
    assert ledger.client.transaction(*retry([id])) == [{"id": id, "was": "canceled", "stopping": False}]


@pytest.mark.parametrize("how", ENDS)
def test_a_run_that_ends_by_itself_while_it_is_canceled(ledger, how):
    worker, (id,), canceler = ledger.worker(), ledger.jobs(), ledger.session()
    rows = worker.transaction(*worker.claim([id]))
    canceler.begin(*cancel([id]))
    ended = worker.start_transaction(*getattr(worker, how)(rows))
    assert ended.is_blocked()
    canceler.commit()
    assert ids_of(ended.result()) == [id]
    as_asked(ledger, id)


@pytest.mark.parametrize("how", ENDS)
def test_a_cancellation_that_is_undone_beside_an_end(ledger, how):
    worker, (id,), canceler = ledger.worker(), ledger.jobs(), ledger.session()
    rows = worker.transaction(*worker.claim([id]))
    canceler.begin(*cancel([id]))
    ended = worker.start_transaction(*getattr(worker, how)(rows))
    assert ended.is_blocked()
    canceler.rollback()
    assert ids_of(ended.result()) == [id]
    assert ledger.status(id) == {"fail": "failed", "bury": "dead_letter"}.get(how, "queued")


@pytest.mark.parametrize("how", ENDS)
def test_a_cancellation_behind_the_end_of_a_run(ledger, how):
    """What waits again is canceled at once; a dead letter came first."""
    worker, (id,), canceler = ledger.worker(), ledger.jobs(), ledger.session()
    rows, tokens = worker.transaction(*worker.claim([id])), worker.tokens()
    worker.begin(*getattr(worker, how)(rows, claims=tokens))
    canceled = canceler.start_transaction(*cancel([id]))
    assert canceled.is_blocked()
    worker.commit()
    assert canceled.result()[0]["was"] == {"fail": "failed", "bury": "dead_letter"}.get(how, "queued")
    assert (ledger.status(id), ledger.reasons(id)) == ("dead_letter" if how == "bury" else "canceled", [])
    assert ledger.sql("select * from signal") == []


def test_what_a_run_comes_to_before_its_cancellation_is_kept(ledger):
    """A success wins, of whatever kind of handler; and a handler's own word for why it was canceled stays."""
    worker, ids = ledger.worker(), ledger.jobs(2)
    rows = {row["id"]: row for row in worker.transaction(*worker.claim(ids))}
    ledger.client.transaction(*cancel(ids))
    worker.transaction(*worker.settle([rows[ids[0]]], "succeeded", claims=[]))
    worker.transaction(*worker.settle([rows[ids[1]]], "canceled", "canceled", "no need", detail={"reason": "no need"}))
    assert ledger.status(*ids) == ["succeeded", "canceled"] and ledger.sql("select * from signal") == []
    assert ledger.sql("select last_error_message from job where status = 'canceled'") == [("no need",)]


def test_only_what_was_asked_to_stop_does(ledger):
    """In one batch, with a limit: the others wait for their retry, and all permits come back."""
    worker, ids = ledger.worker(types=["limited"], concurrency=3), ledger.jobs(3, type="limited")
    rows = worker.transaction(*worker.claim_limited(ids))
    ledger.client.transaction(*cancel([ids[1]]))
    worker.transaction(*worker.fail(rows))
    assert ledger.status(*ids) == ["failed", "canceled", "failed"]
    assert [ledger.reasons(id) for id in ids] == [["retry"], [], ["retry"]]
    assert ledger.sql("select count(*) from permit where job_id is not null") == [(0,)]


def test_a_request_to_an_earlier_run_is_not_for_the_next(ledger):
    """An outcome in doubt is sent again while the job runs here again, and has been canceled meanwhile: the request is the new run's."""
    worker, (id,) = ledger.worker(), ledger.jobs()
    first, token = worker.transaction(*worker.claim([id])), worker.tokens()
    steps = worker.snooze(first, claims=token)
    worker.transaction(*steps)
    ledger.now_due()
    second = worker.transaction(*worker.claim([id]))
    ledger.client.transaction(*cancel([id]))
    assert worker.transaction(*steps) == []
    assert worker.run(("signals", worker.id)) == [{"job_id": id, "reason": "asked"}]
    worker.transaction(*worker.fail(second))
    assert (ledger.status(id), ledger.reasons(id)) == ("canceled", [])


@pytest.mark.unchecked
def test_locking_what_is_settled_matters(ledger):
    """Without it the settlement's snapshot is older than the request that it waited for, and the job goes on."""
    worker, (id,), canceler = ledger.worker(), ledger.jobs(), ledger.session()
    rows, token = worker.transaction(*worker.claim([id])), worker.tokens()
    canceler.begin(*cancel([id]))
    ended = worker.start_transaction(*worker.fail(rows, claims=token)[1:])
    assert ended.is_blocked()
    canceler.commit()
    ended.result()
    assert (ledger.status(id), ledger.sql("select * from signal")) == ("failed", [])


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


def test_a_crash_at_the_last_attempt_of_what_was_canceled(ledger):
    """Not a dead letter: a redrive would run what nobody wants."""
    worker, (id,) = ledger.worker(), ledger.jobs(max_attempts=1)
    rows = worker.transaction(*worker.claim([id]))
    ledger.client.transaction(*cancel([id]))
    ledger.client.transaction(*reap(worker, started=rows))
    as_asked(ledger, id)
    assert ledger.sql("select attempt, max_attempts, crash_count from job") == [(1, 1, 1)]


def test_the_reap_of_one_that_was_canceled_among_others(ledger):
    """Whether it had started, had ended, or neither; each by one transition, its permit free."""
    worker, ids = ledger.worker(types=["limited"], concurrency=4), ledger.jobs(4, type="limited")
    rows = {row["id"]: row for row in worker.transaction(*worker.claim_limited(ids))}
    ledger.client.transaction(*cancel(ids[:3]))
    ledger.client.transaction(*reap(worker, started=[rows[ids[0]], rows[ids[3]]], ended=[rows[ids[1]]]))
    for id in ids[:3]:
        as_asked(ledger, id)
    assert ledger.sql("select attempt, max_attempts, crash_count from job order by id") == [(1, 3, 1), (1, 3, 0), (0, 3, 0), (1, 3, 1)]
    assert (ledger.status(ids[3]), ledger.reasons(ids[3])) == ("failed", ["retry"])
    assert ledger.sql("select count(*) from permit where job_id is not null") == [(0,)]


@pytest.mark.unchecked
def test_locking_what_is_released_matters(ledger):
    worker, (id,), canceler, reaper = ledger.worker(), ledger.jobs(), ledger.session(), ledger.session()
    rows = worker.transaction(*worker.claim([id]))
    canceler.begin(*cancel([id]))
    bury, _, release = reap(worker, started=rows)
    reaped = reaper.start_transaction(bury, release)
    assert reaped.is_blocked()
    canceler.commit()
    reaped.result()
    assert ledger.status(id) == "failed" and ledger.sql("select count(*) from signal") == [(1,)]


def test_a_cancellation_behind_the_reap(ledger):
    worker, (id,), canceler, reaper = ledger.worker(), ledger.jobs(), ledger.session(), ledger.session()
    rows = worker.transaction(*worker.claim([id]))
    reaper.begin(*reap(worker, started=rows))
    canceled = canceler.start_transaction(*cancel([id]))
    assert canceled.is_blocked()
    reaper.commit()
    assert canceled.result() == [{"id": id, "was": "failed"}]
    assert (ledger.status(id), ledger.reasons(id), ledger.sql("select * from signal")) == ("canceled", [], [])
