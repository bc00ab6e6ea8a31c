"""What must hold in every state, and the state that every job must be able to reach."""
from model.protocol import FAILED, QUEUED, RUNNING, TERMINAL, Broken, Hand


def check(state):
    """The rules of docs/protocol.md, as tests/checker asks them of a ledger."""
    for j, job in enumerate(state.jobs):
        check_job(state, j, job)
    for w, worker in enumerate(state.workers):
        for j, hand in enumerate(worker.hands):
            check_hand(state, w, worker, state.jobs[j], hand)
    if sum(job.permit >= 0 for job in state.jobs) > 1:
        raise Broken("limit: more runs than permits")


def check_job(state, j, job):
    if job.left < 0:
        raise Broken("I5 more attempts than max_attempts")
    if job.status == QUEUED and not job.waiting and job.swept or job.status == FAILED and not job.waiting:
        raise Broken(f"R1 {job.status}, not in waiting, and nobody will look")
    if job.status not in (QUEUED, FAILED) and job.waiting:
        raise Broken(f"I8 {job.status}, and stands in waiting")
    if job.status == RUNNING:
        worker = state.workers[job.worker]
        if worker.row != "alive" or 0 not in worker.hands[j].claims:
            raise Broken("R2 running under nobody: " + ("in no claim of its worker" if worker.row == "alive" else f"its worker is {worker.row}"))
    if job.permit >= 0 and not (job.status == RUNNING and job.worker == job.permit):
        raise Broken("I8 a permit is held for a job that doesn't run there")
    runs = [w for w in state.workers if w.process != "gone" and w.hands[j].run and w.hands[j].run.phase == "started"]
    if len(runs) > 1 and all(w.row == "alive" for w in runs):
        raise Broken("I6 two runs at once, and neither's worker was declared dead")


def check_hand(state, w, worker, job, hand):
    here = job.status == RUNNING and job.worker == w
    if hand.signal and not here:
        raise Broken("I8 a request to stop a job that doesn't run there")
    if hand.claims and not here:
        raise Broken("I8 a claim none of whose jobs runs")


def at_rest(state):
    """Finished, and nothing is left over anywhere."""
    return (all(job.status in TERMINAL and not job.waiting and not job.outbox and not job.record and job.permit < 0 for job in state.jobs)
            and not any(worker.flight or worker.doubt or any(hand != Hand() for hand in worker.hands)
                        for worker in state.workers if worker.process != "gone"))
