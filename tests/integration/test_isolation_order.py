"""Whatever order a batch comes in, and whatever order its rows lie in on disk: they are locked in ascending order of id, so that two batches
over the same jobs wait for each other and end in no deadlock (as test_isolation_claim.py, which has the claims)."""
import pytest

from support.ledger import SWEEP, ledger  # noqa: F401
from support.statements import cancel, new_id, submit

pytestmark = pytest.mark.quick


def begin(ledger, how):
    """Two jobs, of which the younger lies first on disk, and the statement that is to lock both, given the younger first."""
    ids = [new_id(9), new_id(5)]
    for id in reversed(ids):
        ledger.client.transaction(*submit([id]))
    younger_first, worker = ids[::-1], ledger.worker()
    if how in ("complete", "settle", "settling", "progress", "releasing", "due", "take"):
        rows = {row["id"]: row for row in worker.transaction(*worker.claim(ids))}
        fences, nothing, details = [rows[id]["fence"] for id in younger_first], [None, None], [{}, {}]
    if how in ("due", "take"):
        worker.transaction(*worker.fail(list(rows.values())))
        ledger.client.run(f"update waiting set due = due - interval '1 minute' where job_id = '{ids[1]}'")
    if how == "retry":
        for id in younger_first:  # on disk, too, as each leaves a new version of its row
            ledger.client.transaction(*cancel([id]))
    if how == "park_paused":
        ledger.client.run(("pause", "plain", True))
    return ids, worker, {
        "complete": lambda: ("complete", younger_first, fences, details, None, []),
        "settle": lambda: ("settle", younger_first, fences, ["succeeded"] * 2, nothing, nothing, details, [0, 0], nothing, [0, 0], [0, 0], worker.id),
        "settling": lambda: ("settling", younger_first),
        "progress": lambda: ("progress", younger_first, fences, details),
        "releasing": lambda: ("releasing", worker.id),
        "cancel": lambda: ("cancel", younger_first, "asked"),
        "retry": lambda: ("retry", younger_first, "retry"),
        "park": lambda: ("park", younger_first, "busy"),
        "park_paused": lambda: ("park_paused", younger_first),
        "sweep": lambda: SWEEP,
        "due": lambda: ("due", 10),
        "take": lambda: ("take", ["plain"], 10),
    }[how]()


@pytest.mark.parametrize("how", ["complete", "settle", "settling", "progress", "releasing", "cancel", "retry", "park", "park_paused", "sweep", "due", "take"])
def test_rows_are_locked_in_ascending_order(ledger, how):
    (older, younger), worker, step = begin(ledger, how)
    other = ledger.session()
    other.begin(f"select from job where id = '{older}' for update")
    late = worker.start_transaction(step)
    assert late.is_blocked()
    other.run(f"select from job where id = '{younger}' for update nowait")  # the one that waits holds nothing
    other.rollback()
    late.result()
    if how in ("complete", "settle"):
        worker.run("delete from claim")  # goes with them, by a statement of its own
