"""Workers whose slots are all taken by long runs: what else was announced to them must not wait for those."""
import pytest

from support.gate import gate  # noqa: F401
from support.handlers import sh
from support.wait import until


def blocking(gate):
    """One that waits at the gate, and one that ends at once."""
    return [sh("long", gate.sh), {"type": "short", "exec": ["/bin/true"]}]


def fill_slots(jobs, n):
    ids = jobs.batch([{"type": "long"}] * n)
    jobs.wait(ids, "running")
    return ids


def test_full_slots_let_builtins_and_others_go_on(fleet, jobs, migrated, gate):
    options = {"workers": 1, "worker": {"slots": 2}, "handlers": blocking(gate)}
    fleet(**options)
    long = fill_slots(jobs, 2)
    short = jobs.batch([{"type": "short"}] * 60)
    builtin = jobs.batch([{"type": "mock_process"}] * 20)
    jobs.wait(builtin)
    until(lambda: migrated.one("select count(*) from waiting where reason = 'busy'") == 60, what="given back")
    assert "no worker has a free slot" in jobs.ctl("status").stdout
    fleet(**options)
    jobs.wait(short)
    assert {jobs.status(id) for id in long} == {"running"}
    assert {jobs.row(id)["attempt"] for id in short} == {1}
    gate.open()
    jobs.wait(long)
    fleet.check.update(acks=[*long, *short, *builtin], finished=True)


@pytest.mark.quick
def test_what_was_given_back_runs_when_a_slot_is_free(fleet, jobs, migrated, gate):
    fleet(workers=1, worker={"slots": 2}, handlers=blocking(gate))
    long = fill_slots(jobs, 2)
    short = jobs.batch([{"type": "short"}] * 40)
    until(lambda: migrated.one("select count(*) from waiting where reason = 'busy'") == 40, what="given back")
    gate.open()
    jobs.wait([*long, *short])
    fleet.check.update(acks=[*long, *short], finished=True)
