"""Visits every state that a setup can reach, shortest way first, and tells the way to the first one in which a rule doesn't hold, or from
which no way leads to rest without the help of faults."""
from collections import deque
from typing import NamedTuple

from model.protocol import FAULTS, LOSSES, Broken, Hand, Job, State, Worker
from model.rules import at_rest, check
from model.steps import steps


class Setup(NamedTuple):
    jobs: tuple = (Job(outbox=True),)
    fault_count: int = 2
    faults: frozenset = frozenset(FAULTS)
    lossy: bool = True        # Kafka loses announcements
    sweeps: bool = True
    limited: bool = False     # the type has one permit
    defects: frozenset = frozenset()
    least: int = 0            # states that there must be, so that a search that lost its steps doesn't pass for a good one


class Found(NamedTuple):
    states: int
    broken: str = ""
    trace: tuple = ()         # of (name, worker, job, events, state)


def first(setup):
    hands = tuple(Hand() for _ in setup.jobs)
    return State(setup.jobs, (Worker(hands=hands), Worker(hands=hands)), setup.fault_count)


class Names:
    """Small numbers for what states are made of: they compare and hash fast, and equal parts are kept once."""

    def __init__(self):
        self.jobs, self.workers = {}, {}

    def key(self, state):
        """Workers are alike: a state and its mirror image have one key. Returns it, and the state that it stands for."""
        a, b = (self.workers.setdefault(worker, len(self.workers)) for worker in state.workers)
        jobs = state.jobs
        if a > b:
            a, b = b, a
            jobs = tuple(mirrored(job) for job in jobs)
            state = State(jobs, state.workers[::-1], state.faults)
        return (self.jobs.setdefault(jobs, len(self.jobs)), a, b, state.faults), state


def mirrored(job):
    if job.worker < 0 and job.permit < 0:
        return job
    return job._replace(worker=1 - job.worker if job.worker >= 0 else -1, permit=1 - job.permit if job.permit >= 0 else -1)


def search(setup, limit=5_000_000):
    names = Names()
    key, start = names.key(first(setup))
    number, states, came, back = {key: 0}, [start], [None], [[]]
    queue, rest = deque([0]), []
    while queue:
        n = queue.popleft()
        state = states[n]
        if at_rest(state):
            rest.append(n)
        try:
            for name, w, j, after in steps(state, setup):
                key, after = names.key(after)
                m = number.get(key)
                if m is None:
                    check(after)
                    m = number[key] = len(states)
                    states.append(after)
                    came.append(n)
                    back.append([])
                    queue.append(m)
                if name not in FAULTS and name not in LOSSES:
                    back[m].append(n)
        except Broken as broken:
            return Found(len(states), str(broken), trace(setup, names, states, came, n, last=True))
        if len(states) > limit:
            raise MemoryError(f"more than {limit} states")
    return unfinished(setup, names, states, came, back, rest)


def unfinished(setup, names, states, came, back, rest):
    """Is rest within reach of every state?"""
    reached = bytearray(len(states))
    for n in rest:
        reached[n] = 1
    while rest:
        for n in back[rest.pop()]:
            if not reached[n]:
                reached[n] = 1
                rest.append(n)
    stuck = reached.find(0)
    if stuck < 0:
        return Found(len(states))
    return Found(len(states), "I1 stuck: from here the job never comes to an end with nothing left over",
                 trace(setup, names, states, came, stuck))


def trace(setup, names, states, came, n, last=False):
    """The steps from the beginning to state n (last: and the one that breaks a rule there), gone again without mirroring."""
    way = []
    while n:
        way.append(names.key(states[n])[0])
        n = came[n]
    state, told = first(setup), []
    for target in reversed(way):
        name, w, j, state = next(step for step in steps(state, setup) if names.key(step[3])[0] == target)
        told.append((name, w, j, state.events, state))
    if last:
        told.append(breaking(state, setup))
    return tuple(told)


def breaking(state, setup):
    try:
        for name, w, j, after in steps(state, setup):
            at = name, w, j, after.events, after
            check(after)
    except Broken as broken:
        return (*broken.step, (), state) if broken.step else at


def told(found):
    """A trace for people: each step, who took it, what it recorded, and how the job then stands."""
    lines = []
    for i, (name, w, j, events, state) in enumerate(found.trace, 1):
        who = "" if w is None else f"worker {w + 1}: "
        moved = "".join(f"  [{was} -> {now}]" for _, was, now in events)
        lines.append(f"{i:3} {who}{name}{f' (job {j + 1})' if j else ''}{moved}")
        lines.append("      " + "; ".join(standing(state, k) for k in range(len(state.jobs))))
    return "\n".join(lines + ([found.broken] if found.broken else []))


def standing(state, j):
    job = state.jobs[j]
    parts = [job.status, f"{job.left} left"]
    parts += [f"waiting: {job.waiting}"] if job.waiting else []
    parts += [text for text, there in (("outbox", job.outbox), ("record", job.record), ("swept", job.swept)) if there]
    for w, worker in enumerate(state.workers):
        hand = worker.hands[j]
        has = [worker.process] if worker.process != "up" else []
        has += [f"row {worker.row}"] if worker.row != "alive" else []
        has += ["candidate"] if hand.candidate else []
        has += [f"run {hand.run.phase}" + (", older" if hand.run.age else "")] if hand.run else []
        has += [f"outcome {hand.ended.phase}" + (", older" if hand.ended.age else "")] if hand.ended else []
        has += ["claim row"] if hand.claims else []
        has += ["signal"] if hand.signal else []
        has += ["permit"] if job.permit == w else []
        has += [f"transaction {f.server}" for f in (worker.flight, worker.doubt) if f and f.job == j]
        parts += [f"worker {w + 1}: " + ", ".join(has)] if has else []
    return " · ".join(parts)
