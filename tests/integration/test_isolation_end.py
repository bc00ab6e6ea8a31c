"""What happens when the end of a run meets another statement of the ledger (as test_isolation_claim.py)."""
import uuid

import pytest

from support.ledger import PEEK, SWEEP, ids_of, ledger  # noqa: F401
from support.statements import mutated, reap


# --- one after the other ---

@pytest.mark.quick
def test_what_took_its_worker_down_comes_back_after_a_pause(ledger):
    """By as much as was drawn: with the same seed twice, the server draws the same."""
    worker, (id,), reaper = ledger.worker(), ledger.jobs(), ledger.session()
    rows = worker.transaction(*worker.claim([id]))
    reaper.run("select setseed(0.4711)::text")
    drawn = reaper.run("select random() as n")[0]["n"]
    reaper.run("select setseed(0.4711)::text")
    reaper.transaction(*reap(worker, started=rows, base_ms=60_000))
    (pause,), = ledger.sql("select extract(epoch from w.due - j.updated_at)::float8 from job j join waiting w on w.job_id = j.id")
    assert 0 < drawn < 1 and pause == pytest.approx(60 * drawn, abs=1e-5)


@pytest.mark.quick
def test_a_worker_signs_off_with_empty_hands_alone(ledger):
    worker, (id,) = ledger.worker(), ledger.jobs()
    rows = worker.transaction(*worker.claim([id]))
    assert worker.transaction(("sign_off", worker.id)) == 0
    assert ledger.sql("select id from worker") == [(worker.id,)]
    worker.transaction(*worker.complete(rows))
    assert worker.transaction(("sign_off", worker.id)) == 1
    assert ledger.sql("select id from worker") == []


# --- complete / reap, older fences ---

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
    assert worker.run(("asked", token)) == [{"committed": True}]
    assert worker.run(("asked", never)) == [{"committed": False}]
    assert worker.run(("backend", worker.pid)) == [{"alive": False}]  # one's own backend doesn't count
    assert worker.run(("backend", ledger.client.pid)) == [{"alive": True}]
    worker.transaction(*worker.complete(rows[:1], claims=[]))
    assert len(worker.run(("claimed_again", token, worker.id))) == 2


def test_what_commits_after_the_look_at_the_backend_is_there_or_asked_for_again(ledger):
    """The question comes in while the old backend still commits: whatever the rows say then, a no is final only behind a dead backend."""
    old, asker, id = ledger.worker(), ledger.session(), ledger.jobs()[0]
    token = str(uuid.uuid4())
    rows = old.transaction(*old.claim([id]))
    old.begin(*old.tell(rows, "extracting"), ("receipt", token, old.id))
    assert asker.begin(("backend", old.pid)) == [{"alive": True}]
    assert asker.run(("asked", token)) == [{"committed": False}]  # so it is asked again
    old.commit()
    assert asker.run(("asked", token)) == [{"committed": True}]
    asker.rollback()
    old.transaction(*old.complete(rows), ("claim_done", [token]))


def test_a_receipt_and_the_reap(ledger):
    """It waits for the reap and is not written, or the reap waits and takes it along: a dead worker leaves none."""
    one, two, reaper = ledger.worker(), ledger.worker(), ledger.session()
    reaper.begin(*reap(one))
    late = one.start_transaction(("receipt", str(uuid.uuid4()), one.id))
    assert late.is_blocked()
    reaper.commit()
    late.result()
    two.begin(("receipt", str(uuid.uuid4()), two.id))
    reaped = reaper.start_transaction(*reap(two))
    assert reaped.is_blocked()
    two.commit()
    reaped.result()
    assert ledger.sql("select * from claim") == []
