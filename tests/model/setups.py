"""What is searched: the design under several circumstances, and each of its defects."""
import gc
from typing import NamedTuple

from model.protocol import DUE, FAULTS, UNTOLD_LATER, Job
from model.search import Setup, search

# Kafka loses nothing, and a worker isn't declared dead while it lives (its claims take nothing then, and their records are read for nothing):
# so nobody needs the sweep.
RELIABLE = dict(lossy=False, sweeps=False, faults=frozenset(FAULTS - {"false death"}))
WAITS = (Job(waiting=DUE, swept=True),)  # nothing to announce, nothing to sweep: fewer states
FEW = frozenset({"crash", "cut", "false death", "cancel"})

DESIGNS = {
    "any two faults": Setup(fault_count=2, least=500_000),
    "a reliable Kafka needs no sweep": Setup(fault_count=1, least=11_000, **RELIABLE),
    "delayed": Setup(jobs=(Job(waiting=UNTOLD_LATER),), fault_count=1, least=34_000),
    "from SQL, behind the sweep": Setup(jobs=(Job(waiting=DUE, outbox=True, swept=True),), fault_count=1, least=8_000),
    "two jobs and one permit": Setup(jobs=WAITS * 2, fault_count=1, faults=FEW, limited=True,
                                     least=150_000),
    "an outcome in doubt, sent again": Setup(WAITS, fault_count=3, faults=frozenset({"cut", "error", "cancel"}), least=50_000),
}


class Defect(NamedTuple):
    """`what` is what the design has and this lacks; `breaks` what the search must say."""
    what: str
    breaks: str
    setup: Setup = Setup()


DEFECTS = {
    "no worker lock": Defect("claim.sql locks its worker's row, and bury_worker.sql waits for it", "R2 running under nobody"),
    "no claim row": Defect("claim.sql writes down what it took, so that the reaper finds it", "R2 running under nobody"),
    "no fence": Defect("an outcome counts only under the fence of its claim", "I3 an older run's outcome",
                       Setup(WAITS, fault_count=2, faults=frozenset({"false death", "cut"}))),
    "now": Defect("an event's time is taken when the row is locked, not when the transaction begins", "I4 the event"),
    "publishing unwaits": Defect("a waiting row goes with the claim, not with the announcement", "R1 queued"),
    "no sweep": Defect("whatever Kafka loses is found by its id", "I1 stuck", Setup(fault_count=0)),
    "offsets stored early": Defect("a record's offset is stored behind the claim's commit", "I1 stuck",
                                   Setup(**{**RELIABLE, "fault_count": 1})),
    "unwait in the claim's snapshot": Defect("unwait.sql is a statement of its own", "I8 running, and stands in waiting"),
    "settle ignores requests": Defect("settle.sql cancels what was asked to stop", "a request to cancel was lost"),
    "settle's own snapshot": Defect("settling.sql locks the job before settle.sql looks for requests", "a request to cancel was lost"),
    "answered whoever runs": Defect("answered.sql leaves requests to the next run alone", "a request to cancel was lost",
                                    Setup(WAITS, fault_count=3, faults=frozenset({"cut", "error", "cancel"}))),
    "asks too early": Defect("a claim in doubt is asked for when the old backend is gone", "I1 stuck", Setup(fault_count=1)),
}


def defective(name):
    return DEFECTS[name].setup._replace(defects=frozenset({name}))


def searched(setup):
    gc.disable()  # nothing here has cycles, and there are millions of tuples
    try:
        return search(setup)
    finally:
        gc.enable()
