"""Fleet-wide limits when several workers claim, and everything at once (as test_isolation_claim.py)."""
import random
import threading
import uuid

import psycopg2
import pytest

from support.ledger import PEEK, SWEEP, ids_of, ledger  # noqa: F401
from support.statements import cancel, mutated, reap, retry
from support.wait import until

pytestmark = pytest.mark.quick


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


def test_priorities_do_not_decide_whose_row_is_locked_first(ledger):
    """They decide who gets a permit. Rows are locked in the order of ids, as by everybody: or two batches would end in a deadlock."""
    worker, other, ids = ledger.worker(types=["limited"], concurrency=2), ledger.session(), ledger.jobs(2, type="limited")
    ledger.client.run(f"update job set priority = 1 where id = '{ids[1]}'")
    other.begin(*cancel(ids[:1]))
    late = worker.start_transaction(*worker.claim_limited(ids))
    assert late.is_blocked()
    other.run(*cancel(ids[1:]))  # would be a deadlock if the claim held it
    other.commit()
    assert late.result() == []


def test_permits_that_are_being_given_back_are_not_taken_yet(ledger):
    options = {"types": ["limited"], "concurrency": 2}
    one, two, ids = ledger.worker(**options), ledger.worker(**options), ledger.jobs(4, type="limited")
    rows = one.transaction(*one.claim_limited(ids[:2]))
    one.begin(*one.complete(rows))
    assert two.transaction(*two.claim_limited(ids[2:])) == []
    one.commit()
    assert len(two.transaction(*two.claim_limited(ids[2:]))) == 2


@pytest.mark.parametrize("how", ["complete", "fail", "release"])
@pytest.mark.parametrize("lost", ["the worker", "the commit"])
def test_a_permit_is_its_runs_own(ledger, how, lost):
    """An older run of the job is completed once more, because it was taken away, or because the commit was in doubt: the permit is the
    new run's, and stays."""
    options = {"types": ["limited"], "concurrency": 1}
    old, new, (first, second) = ledger.worker(**options), ledger.worker(**options), ledger.jobs(2, type="limited")
    rows, tokens = old.transaction(*old.claim_limited([first])), old.tokens()
    if lost == "the worker":
        ledger.client.transaction(*reap(old))
    else:
        old.transaction(*old.snooze(rows, claims=tokens))
        ledger.now_due()
    running = new.transaction(*new.claim_limited([first]))
    assert ids_of(running) == [first]
    assert old.transaction(*getattr(old, how)(rows, claims=tokens)) == []
    assert permits(ledger) == (1, 1)
    assert new.transaction(*new.claim_limited([second])) == []
    new.transaction(*new.complete(running))
    assert permits(ledger) == (0, 1)


def test_a_worker_that_registers_leaves_permits_that_are_held(ledger):
    options = {"types": ["limited"], "concurrency": 1}
    one, (first, second) = ledger.worker(**options), ledger.jobs(2, type="limited")
    rows = one.transaction(*one.claim_limited([first]))
    held = ledger.sql("select * from permit where job_id is not null")
    two = ledger.worker(**options)
    assert ledger.sql("select * from permit where job_id is not null") == held and len(held) == 1
    assert two.transaction(*two.claim_limited([second])) == []
    one.transaction(*one.complete(rows))
    assert permits(ledger) == (0, 1)


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
