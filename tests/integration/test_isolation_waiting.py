"""What happens when jobs come in, wait, and are looked for by several at once (as test_isolation_claim.py)."""
import threading

import psycopg2
import pytest

from support.ledger import PEEK, START, SWEEP, ids_of, ledger  # noqa: F401
from support.statements import ORG, cancel, new_id, retry, submit, text_of

pytestmark = pytest.mark.quick


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
