"""What can happen next: every step of every process in a state, with the state it leads to."""
from model.protocol import (CUT_SHORT, Broken, DEAD_LETTER, CANCELED, DUE, ERROR, FAILED, PASSING, PERMANENT, QUEUED, RELEASED, RUNNING, SNOOZE, STOPPED,
                            SUCCESS, UNTOLD, Flight, Hand, Ledger, Run, Worker)

def steps(state, setup):
    """Yields (name, worker or None, job or None, next state)."""
    for j, job in enumerate(state.jobs):
        yield from kafka(state, setup, j, job)
        yield from scheduler(state, setup, j, job)
        yield from operator(state, setup, j, job)
    for w, worker in enumerate(state.workers):
        yield from life(state, setup, w, worker)
        if worker.flight:
            yield from flight(state, setup, w, worker, worker.flight)
        if worker.doubt:
            yield from doubt(state, setup, w, worker, worker.doubt)
        if worker.process == "gone":
            continue
        for j, hand in enumerate(worker.hands):
            yield from work(state, setup, w, worker, j, hand)


def one(state, setup, name, w, j, change, fault=False):
    """The step, where `change` makes it of a ledger; a fault only while there may be more."""
    if fault and (state.faults == 0 or name not in setup.faults):
        return
    ledger = Ledger(state, setup.defects)
    try:
        change(ledger)
    except Broken as broken:
        broken.step = name, w, j
        raise
    ledger.faults -= fault
    yield name, w, j, ledger.state()


def kafka(state, setup, j, job):
    """Two announcements at once are one: whoever reads it may leave it there (duplicate)."""
    def publish(led, done):
        led.job(j, record=True, outbox=not done)
        if "publishing unwaits" in setup.defects:
            led.job(j, waiting="")
    if job.outbox:
        yield from one(state, setup, "publish and outbox_done", None, j, lambda led: publish(led, True))
        if not job.record:  # its maker died in between, or is slow: the relay takes over
            yield from one(state, setup, "publish", None, j, lambda led: publish(led, False))
    if job.record and setup.lossy:
        yield from one(state, setup, "lose", None, j, lambda led: led.job(j, record=False))


def scheduler(state, setup, j, job):
    if job.waiting in PASSING:
        yield from one(state, setup, "time passes", None, j, lambda led: led.job(j, waiting=PASSING[job.waiting]))
    if job.waiting == UNTOLD:
        yield from one(state, setup, "due", None, j, lambda led: led.due(j))
    if not setup.sweeps or "no sweep" in setup.defects:
        return
    if not job.swept and not job.sweep:
        seen = "queued" if job.status == QUEUED else "else"
        yield from one(state, setup, "sweep: snapshot", None, j, lambda led: led.job(j, sweep=seen))
    elif job.sweep:
        yield from one(state, setup, "sweep", None, j, lambda led: led.sweep(j, job.sweep))


def operator(state, setup, j, job):
    if job.status in (QUEUED, FAILED, RUNNING):
        yield from one(state, setup, "cancel", None, j, lambda led: led.cancel(j), True)
    if job.status in (DEAD_LETTER, CANCELED, FAILED):
        yield from one(state, setup, "retry", None, j, lambda led: led.retry(j), True)


# --- a worker's life

def life(state, setup, w, worker):
    up = worker.process != "gone"
    if up:
        yield from one(state, setup, "crash", w, None, lambda led: end(led, w), True)
        if worker.row == "alive":
            yield from one(state, setup, "false death", w, None, lambda led: led.reap(w, False), True)
        if worker.row == "dead":
            yield from one(state, setup, "notices that it is dead", w, None, lambda led: end(led, w))
        if worker.process == "up":
            yield from one(state, setup, "drain", w, None, lambda led: drain(led, w), True)
        elif not worker.flight and not worker.doubt and not any(hand.run or hand.ended for hand in worker.hands):
            yield from one(state, setup, "sign_off", w, None, lambda led: sign_off(led, w))
    elif worker.row == "alive":
        yield from one(state, setup, "reap", w, None, lambda led: led.reap(w, True))
        if "crash" in setup.faults and any(hand.run or hand.ended for hand in worker.hands):
            yield from one(state, setup, "reap without evidence", w, None, lambda led: led.reap(w, False))
    elif not worker.doubt:
        yield from one(state, setup, "another starts in its place", w, None, lambda led: start_anew(led, w))


def return_record(led, w, j):
    """Its offset wasn't stored: somebody reads it again."""
    if led.workers[w].hands[j].candidate == "record":
        led.job(j, record=True)
    led.hand(w, j, candidate="")


def end(led, w):
    """The process and all that it had started are gone. What it wrote down stays: its evidence. A transaction of it may hang."""
    led.worker(w, process="gone")
    for j in range(len(led.jobs)):
        return_record(led, w, j)
    flights = led.workers[w].flight, led.workers[w].doubt
    for f in flights:
        if f and f.outcome and not f.orphan and f.outcome.age == 0:
            led.hand(w, f.job, ended=f.outcome)
    hanging = [f._replace(server="hanging", orphan=True) for f in flights if f and f.server in ("open", "hanging")]
    led.worker(w, flight=None, doubt=hanging[0] if hanging else None)


def drain(led, w):
    led.worker(w, process="draining")
    for j in range(len(led.jobs)):
        if not (led.workers[w].flight and led.workers[w].flight.job == j):
            return_record(led, w, j)


def sign_off(led, w):
    for j in range(len(led.jobs)):
        return_record(led, w, j)
    led.worker(w, process="gone", row="none" if not any(hand.claims for hand in led.workers[w].hands) else "alive")


def start_anew(led, w):
    """A new row with a new id: nothing in the ledger may speak of the old one any more (State.rules says so), but for the column of jobs
    that don't run."""
    led.workers[w] = Worker(hands=tuple(Hand(claims=hand.claims, signal=hand.signal) for hand in led.workers[w].hands))
    for j, job in enumerate(led.jobs):
        if job.worker == w and job.status != RUNNING:
            led.job(j, worker=-1)


# --- its transactions

def flight(state, setup, w, worker, f):
    yield from one(state, setup, names(f), w, f.job, lambda led: told(led, w, commit(led, setup, w, "flight")))
    if not worker.doubt:
        hanging = f._replace(server="hanging")
        yield from one(state, setup, "cut", w, f.job, lambda led: led.worker(w, flight=None, doubt=hanging), True)


def doubt(state, setup, w, worker, f):
    if f.server == "hanging":
        yield from one(state, setup, names(f) + ", unheard", w, f.job, lambda led: unheard(led, w, commit(led, setup, w, "doubt")))
        yield from one(state, setup, "the cut transaction is rolled back", w, f.job,
                       lambda led: unheard(led, w, f._replace(server="rolled back")))
    room = not (f.outcome and worker.hands[f.job].ended)  # the queue of outcomes has one place here
    if room and not f.orphan and (f.server != "hanging" or "asks too early" in setup.defects):
        yield from one(state, setup, "asked", w, f.job, lambda led: ask(led, w))


def names(f):
    parts = (["complete" if f.outcome.phase == SUCCESS else f"settle ({f.outcome.phase})"] if f.outcome else []) + (["claim"] if f.claim else [])
    return " and ".join(parts)


def commit(led, setup, w, slot):
    """Everything that the transaction does. Returns it as it is then, its place empty."""
    f = getattr(led.workers[w], slot)
    took = False
    if f.outcome:
        stop = led.workers[w].hands[f.job].signal
        if "settle's own snapshot" in led.defects:
            stop = stop and f.stop
        if "settle ignores requests" in led.defects:
            stop = False
        led.settle(w, f.job, f.outcome, f.old, stop)
    if f.claim:
        took = led.claim(w, f, setup.limited)
    f = getattr(led.workers[w], slot)
    led.worker(w, **{slot: None})
    return f._replace(server="committed", took=took)


def unheard(led, w, f):
    led.worker(w, doubt=None if f.orphan else f)


def told(led, w, f):
    """The worker learns what became of it."""
    if f.server == "rolled back":
        if f.outcome:
            led.hand(w, f.job, ended=f.outcome)
        if f.claim and led.workers[w].process == "draining":
            return_record(led, w, f.job)
        return
    if f.claim:
        led.hand(w, f.job, candidate="")  # and its offset is stored: also where it turned out to be a duplicate
    if f.took:
        draining = led.workers[w].process == "draining"
        led.hand(w, f.job, **({"ended": Run(0, RELEASED)} if draining else {"run": Run(0, "claimed")}))


def ask(led, w):
    """asked.sql and claimed_again.sql. Without a claim row it did not happen, as far as anybody can tell; then all is sent again."""
    f = led.workers[w].doubt
    job, hand = led.jobs[f.job], led.workers[w].hands[f.job]
    there = f.took and 0 in hand.claims
    led.worker(w, doubt=f._replace(orphan=True) if f.server == "hanging" else None)
    told(led, w, f._replace(server="committed" if there else "rolled back", took=there and job.status == RUNNING and job.worker == w))


# --- its work

def work(state, setup, w, worker, j, hand):
    job, up = state.jobs[j], worker.process == "up"
    if up and not hand.candidate:
        if job.record:
            # where Kafka loses records, one that isn't read again needs no telling apart
            early = setup.lossy or "offsets stored early" in setup.defects

            def poll(led, leave):
                led.job(j, record=leave)
                led.hand(w, j, candidate="row" if early else "record")
            yield from one(state, setup, "poll", w, j, lambda led: poll(led, False))
            yield from one(state, setup, "duplicate", w, j, lambda led: poll(led, True), True)
        if job.waiting in (DUE, UNTOLD) and not (setup.limited and any(x.permit >= 0 for x in state.jobs)):
            def take(led):
                led.take(j)
                led.hand(w, j, candidate="row")
            yield from one(state, setup, "take", w, j, take)
    if hand.candidate and not hand.run and not worker.flight:
        yield from one(state, setup, "park: busy", w, j, lambda led: park(led, w, j))
    if hand.signal and not hand.run and not hand.ended and not worker.flight and not worker.doubt:
        yield from one(state, setup, "answered", w, j, lambda led: forget(led, w, j))
    if not worker.flight:
        yield from begin(state, setup, w, worker, j, hand)
    if hand.run and not hand.ended:
        yield from run(state, setup, w, worker, j, hand)


def park(led, w, j):
    led.park(j)
    led.hand(w, j, candidate="")


def forget(led, w, j):
    job = led.jobs[j]
    if not (job.status == RUNNING and job.worker == w):
        led.hand(w, j, signal=False)


def begin(state, setup, w, worker, j, hand):
    claims = bool(hand.candidate) and worker.process == "up" and not hand.run
    if not hand.ended and not claims:
        return

    def open_flight(led):
        f = Flight(j, hand.ended, claims, free=claims and not hand.ended and led.claimable(j, setup.limited))
        if "no worker lock" in setup.defects:
            f = f._replace(alive=worker.row == "alive")
        if "unwait in the claim's snapshot" in setup.defects:
            f = f._replace(waits=bool(state.jobs[j].waiting))
        if "settle's own snapshot" in setup.defects:
            f = f._replace(stop=hand.signal)
        led.worker(w, flight=f)
        if hand.ended:
            led.hand(w, j, ended=None)
    yield from one(state, setup, "its transaction begins" if hand.ended else "claim: snapshot", w, j, open_flight)


def run(state, setup, w, worker, j, hand):
    def ends(name, phase, fault=False):
        return one(state, setup, name, w, j, lambda led: led.hand(w, j, run=None, ended=hand.run._replace(phase=phase)), fault)
    if hand.run.phase == "claimed":
        if worker.process == "up":
            yield from one(state, setup, "start", w, j, lambda led: led.hand(w, j, run=hand.run._replace(phase="started")))
        else:
            yield from ends("not started", RELEASED)
        return
    yield from ends("success", SUCCESS)
    for phase in (ERROR, PERMANENT, SNOOZE):
        yield from ends(phase, phase, True)
    if hand.signal:
        yield from ends("stopped as asked", STOPPED)
    if worker.process == "draining":
        yield from ends("cut short", CUT_SHORT)
