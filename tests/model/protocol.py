"""The protocol of docs/protocol.md as a state machine: one job (or two of a limited type), two workers, a scheduler, Kafka, and what can
go wrong. One step is one committed transaction, or one thing that a process does on its own; search.py visits every order of them.

Why a transaction may be one step. What a transaction writes is seen by nobody before its commit, and the rows it locks stay as they are
until then; so all of it might as well happen at the commit. Not so what a statement has *read* before it waited for a lock: its snapshot.
The two statements that go by one, claim.sql and sweep.sql, are two steps each: the snapshot, and the rest with the guards looked at again,
as READ COMMITTED does. Every later statement of a transaction (unwait, answered, permit_free, release behind releasing) has a snapshot of
its own, taken while the job's row is locked, which is that of the commit. Defects give some of them an old one.

A connection may break in a COMMIT: the transaction then hangs in the server, and commits later or not at all, while its client asks.

Fences are told by their age: 0 is the row's own, 1 whatever is older. attempt and max_attempts are told by their difference."""
from typing import NamedTuple

QUEUED, RUNNING, FAILED, SUCCEEDED, DEAD_LETTER, CANCELED = "queued", "running", "failed", "succeeded", "dead_letter", "canceled"
TERMINAL = (SUCCEEDED, DEAD_LETTER, CANCELED)
TRANSITIONS = {(QUEUED, RUNNING), (QUEUED, CANCELED), (RUNNING, SUCCEEDED), (RUNNING, FAILED), (RUNNING, DEAD_LETTER), (RUNNING, CANCELED),
               (RUNNING, QUEUED), (FAILED, QUEUED), (FAILED, CANCELED), (DEAD_LETTER, QUEUED), (CANCELED, QUEUED)}

# A waiting row: (announced, due).
DUE, LATER, UNTOLD, UNTOLD_LATER = "due", "reserved", "to announce", "to announce later"
PASSING = {LATER: DUE, UNTOLD_LATER: UNTOLD}  # what time does to it

# How a run ends. What the worker writes for it: status, where it waits, and what max_attempts - attempt gains.
SUCCESS, ERROR, PERMANENT, SNOOZE, RELEASED, CUT_SHORT, STOPPED = "success", "error", "permanent", "snooze", "released", "cut short", "stopped"


class Job(NamedTuple):
    status: str = QUEUED
    left: int = 2            # max_attempts - attempt
    worker: int = -1         # job.worker
    waiting: str = ""        # its row in waiting
    outbox: bool = False     # a row announces it
    record: bool = False     # an announcement in Kafka that no worker has read
    swept: bool = False      # the sweep's position is past its id
    sweep: str = ""          # a sweep in flight, and what its snapshot says of the job: "queued", "else"
    permit: int = -1         # the worker for which it holds the type's permit


class Run(NamedTuple):
    age: int                 # of its fence
    phase: str               # "claimed", "started" (so says the evidence), or how it ended


class Flight(NamedTuple):
    """A transaction of a worker: an outcome, a claim, or both."""
    job: int
    outcome: Run = None
    claim: bool = False
    free: bool = False       # claim.sql's snapshot: the job can be claimed
    alive: bool = True       # … the worker isn't dead
    waits: bool = False      # … the job has a waiting row
    stop: bool = False       # settle.sql's own snapshot: there is a request to stop
    old: bool = False        # it began before the job's newest event
    server: str = "open"     # "open", "hanging" (its COMMIT was cut), "committed", "rolled back": the last two while its client asks
    orphan: bool = False     # nobody asks
    took: bool = False       # it committed and claimed the job


class Hand(NamedTuple):
    """What a worker has of a job."""
    candidate: str = ""      # "", "record" (its offset isn't stored), "row" (taken from waiting)
    run: Run = None          # claimed or started
    ended: Run = None        # its outcome isn't written yet
    claims: tuple = ()       # ages of its claim rows
    signal: bool = False     # a request to stop it


class Worker(NamedTuple):
    process: str = "up"      # "up", "draining", "gone"
    row: str = "alive"       # "alive", "dead", "none"
    flight: Flight = None
    doubt: Flight = None     # the connection broke in its COMMIT; meanwhile there are others
    hands: tuple = (Hand(),)


class State(NamedTuple):
    jobs: tuple
    workers: tuple
    faults: int              # how many more of FAULTS may happen
    events: tuple = ()       # what the last step recorded: for the trace, not part of the state


# Steps that nobody may rely on: they happen at most State.faults times together, and a job must get on without them.
FAULTS = {"crash", "false death", "cut", "duplicate", "cancel", "retry", "drain", "snooze", "error", "permanent"}
LOSSES = {"lose"}  # as often as it likes; nobody may rely on it either


class Broken(Exception):
    """A rule doesn't hold."""

    step = None  # the step that broke it by itself


def replaced(items, i, item):
    return items[:i] + (item,) + items[i + 1:]


class Ledger:
    """A state being changed. Each method up to `sees` is a statement of lib/ledger/sql of that name."""

    def __init__(self, state, defects):
        self.jobs, self.workers = list(state.jobs), list(state.workers)
        self.faults, self.defects, self.events = state.faults, defects, []

    def state(self):
        return State(tuple(self.jobs), tuple(self.workers), self.faults, tuple(self.events))

    # --- small things

    def job(self, j, **changes):
        self.jobs[j] = self.jobs[j]._replace(**changes)

    def worker(self, w, **changes):
        self.workers[w] = self.workers[w]._replace(**changes)

    def hand(self, w, j, **changes):
        worker = self.workers[w]
        self.workers[w] = worker._replace(hands=replaced(worker.hands, j, worker.hands[j]._replace(**changes)))

    def move(self, j, status, old=False, **changes):
        """The guarded UPDATE and its event, in one transaction."""
        was = self.jobs[j].status
        if (was, status) not in TRANSITIONS:
            raise Broken(f"I4 {was} -> {status} is no transition")
        if old:
            raise Broken(f"I4 the event {was} -> {status} sorts before one that came earlier")
        self.events.append((j, was, status))
        self.job(j, status=status, **changes)
        if "now" in self.defects:
            self.flights(j, lambda flight: flight._replace(old=True))

    def flights(self, j, change):
        for w, worker in enumerate(self.workers):
            if worker.flight and worker.flight.job == j:
                self.worker(w, flight=change(worker.flight))
            if worker.doubt and worker.doubt.job == j:
                self.worker(w, doubt=change(worker.doubt))

    def age_fences(self, j):
        def older(run):
            return run and run._replace(age=1)
        for w, worker in enumerate(self.workers):
            hand = worker.hands[j]
            if hand.run or hand.ended or hand.claims:
                self.hand(w, j, run=older(hand.run), ended=older(hand.ended), claims=tuple(1 for _ in hand.claims))
        self.flights(j, lambda flight: flight._replace(outcome=older(flight.outcome), took=False))

    # --- the worker's statements

    def claimable(self, j, limited):
        """What claim.sql's snapshot says. Of all this only the status is looked at again under the lock."""
        job = self.jobs[j]
        return job.status == QUEUED and job.waiting != UNTOLD_LATER and not (limited and self.permit_held())

    def permit_held(self):
        return any(job.permit >= 0 for job in self.jobs)

    def claim(self, w, flight, limited):
        """claim.sql or claim_limited.sql, then unwait.sql and park.sql. Returns whether it took the job."""
        j, worker = flight.job, self.workers[w]
        alive = flight.alive if "no worker lock" in self.defects else worker.row == "alive"
        free = flight.free if flight.outcome is None else self.claimable(j, limited)
        took = free and alive and self.jobs[j].status == QUEUED and not (limited and self.permit_held())
        if took:
            self.move(j, RUNNING, flight.old, left=self.jobs[j].left - 1, worker=w)
            self.age_fences(j)
            if "no claim row" not in self.defects:
                self.hand(w, j, claims=self.workers[w].hands[j].claims + (0,))
            if limited:
                self.job(j, permit=w)
        self.unwait(j, flight.waits if "unwait in the claim's snapshot" in self.defects else True)
        if limited:
            self.park(j)
        return took

    def unwait(self, j, seen=True):
        if seen and self.jobs[j].status not in (QUEUED, FAILED):
            self.job(j, waiting="")

    def park(self, j):
        """What a worker can't take, for whoever can: reasons limited and busy."""
        job = self.jobs[j]
        if job.status == QUEUED and job.waiting in ("", LATER):
            self.job(j, waiting=DUE)

    def settle(self, w, j, run, old, stop):
        """complete.sql, or settling.sql and settle.sql; then answered, permit_free and claim_done."""
        job = self.jobs[j]
        fence = run.age == 0 or "no fence" in self.defects
        if job.status == RUNNING and fence:
            if run.age != 0 or job.worker != w:
                raise Broken("I3 an older run's outcome took effect")
            self.write(w, j, run.phase, old, stop)
        job = self.jobs[j]
        runs_here = job.status == RUNNING and job.worker == w
        if runs_here and "answered whoever runs" in self.defects and self.workers[w].hands[j].signal:
            raise Broken("a request to cancel was lost: it was answered for an older run")
        if not runs_here:
            self.hand(w, j, signal=False)
        if job.permit >= 0 and not (job.status == RUNNING and job.permit == job.worker):
            self.job(j, permit=-1)
        self.hand(w, j, claims=tuple(age for age in self.workers[w].hands[j].claims if age != run.age))

    def write(self, w, j, phase, old, stop):
        left = self.jobs[j].left
        if phase == ERROR and left <= 0:
            phase = PERMANENT
        asked = self.workers[w].hands[j].signal
        if stop and phase not in (SUCCESS, STOPPED):
            self.move(j, CANCELED, old, left=left + (phase == RELEASED))
            return
        status, waiting, gain = {SUCCESS: (SUCCEEDED, "", 0), STOPPED: (CANCELED, "", 0), PERMANENT: (DEAD_LETTER, "", 0),
                                 ERROR: (FAILED, UNTOLD_LATER, 0), SNOOZE: (QUEUED, UNTOLD_LATER, 1),
                                 RELEASED: (QUEUED, UNTOLD, 1), CUT_SHORT: (QUEUED, UNTOLD, 1)}[phase]
        if asked and phase not in (SUCCESS, STOPPED):
            raise Broken(f"a request to cancel was lost: the job is {status}")
        self.move(j, status, old, left=left + gain, waiting=waiting or self.jobs[j].waiting)

    # --- the scheduler's

    def reap(self, w, evidence):
        """bury_worker.sql, releasing.sql, release.sql."""
        self.worker(w, row="dead")
        for j in range(len(self.jobs)):
            job, hand = self.jobs[j], self.workers[w].hands[j]
            if job.status == RUNNING and job.worker == w and hand.claims:
                self.release(w, j, evidence)
            if self.jobs[j].permit == w:
                self.job(j, permit=-1)
            self.hand(w, j, claims=(), signal=False)

    def release(self, w, j, evidence):
        job, hand = self.jobs[j], self.workers[w].hands[j]
        if not evidence or hand.run and hand.run.age == 0 and hand.run.phase == "started":
            what = "started"
        else:
            what = "ended" if hand.ended and hand.ended.age == 0 and hand.ended.phase != RELEASED else "untouched"
        gain = what != "started"
        if hand.signal:
            self.move(j, CANCELED, left=job.left + (what == "untouched"))
        elif what != "started":
            self.move(j, QUEUED, left=job.left + gain, waiting=UNTOLD)
        elif job.left <= 0:
            self.move(j, DEAD_LETTER)
        else:
            self.move(j, FAILED, waiting=UNTOLD_LATER)

    def announce(self, j):
        self.job(j, outbox=True)

    def due(self, j):
        self.job(j, waiting=DUE)
        if self.jobs[j].status == FAILED:
            self.move(j, QUEUED)
        self.announce(j)

    def take(self, j):
        self.job(j, waiting=LATER)
        if self.jobs[j].status == FAILED:
            self.move(j, QUEUED)

    def sweep(self, j, seen):
        """The second half: what the snapshot saw queued and still is gets a row."""
        job = self.jobs[j]
        if seen == "queued" and job.status == QUEUED and not job.waiting:
            self.job(j, waiting=DUE)
        self.job(j, sweep="", swept=True)

    # --- the operator's

    def cancel(self, j):
        job = self.jobs[j]
        if job.status in (QUEUED, FAILED):
            self.move(j, CANCELED)
            self.unwait(j)
        elif job.status == RUNNING:
            self.hand(job.worker, j, signal=True)

    def retry(self, j):
        self.move(j, QUEUED, left=max(self.jobs[j].left, 0) + 1, waiting=DUE)
        self.announce(j)
