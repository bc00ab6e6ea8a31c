"""What handlers wrote down about their runs (tests/handlers/logging-handler.c): lines `start JOB TOKEN PID BOOTTIME`, `end …` alike,
and `overlap JOB TOKEN PID BOOTTIME OTHER`, where the handler found another run of its job alive. TOKEN is the fence, BOOTTIME in seconds,
all of one host. A run that was killed has no `end`."""
from collections import defaultdict


class Run:
    def __init__(self, job, token, pid, start):
        self.job, self.token, self.pid, self.start, self.end = job, token, pid, start, None

    def __str__(self):
        return f"run {self.token} (pid {self.pid}, {self.start:.3f} to {'its death' if self.end is None else f'{self.end:.3f}'})"


def read(path):
    """The runs of each job in the order of their starts, and what is wrong with the lines themselves."""
    runs, wrong = defaultdict(list), []
    latest = {}
    with open(path, errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            try:
                what, job, token, pid, time, *rest = line.split()
                key, time = (job, int(token), int(pid)), float(time)
            except ValueError:
                wrong.append(f"I6 line {number} of the handlers' log can't be read: {line.strip()[:100]}")
                continue
            if what == "start":
                latest[key] = Run(job, int(token), int(pid), time)
                runs[job].append(latest[key])
            elif what == "end" and key in latest and latest[key].end is None:
                latest[key].end = time
            elif what == "overlap":
                wrong.append(f"I6 job {job}: run {token} (pid {pid}) began while pid {' '.join(rest)} still ran it")
            else:
                wrong.append(f"I6 line {number} of the handlers' log: {what} without its start: {line.strip()[:100]}")
    for of_job in runs.values():
        of_job.sort(key=lambda run: run.start)
    return runs, wrong


def check(path, cursor):
    runs, found = read(path)
    cursor.execute("""select j.id::text, j.type, j.status::text, j.attempt, j.fence from job j
                       where j.type in (select distinct type from job where id = any(%s::text[]::uuid[]))""", (list(runs),))
    jobs = {row[0]: row[1:] for row in cursor}
    for job, of_job in runs.items():
        if job not in jobs:
            found.append(f"I5 job {job}: ran, and isn't there")
            continue
        _, _, attempt, fence = jobs[job]
        if len(of_job) > fence:
            found.append(f"I5 job {job}: {len(of_job)} starts, {fence} claims")
        if len(of_job) > attempt:
            found.append(f"I5 job {job}: {len(of_job)} starts, attempt {attempt}")
        found += [f"I3 job {job}: {run} has a fence that was never given" for run in of_job if run.token > fence]
        for earlier, later in zip(of_job, of_job[1:]):
            if later.token <= earlier.token:
                found.append(f"I3 job {job}: {later} began after {earlier}")
        longest = None
        for run in of_job:
            if longest and longest.end > run.start:
                found.append(f"I6 job {job}: {run} began during {longest}")
            if run.end is not None and (longest is None or run.end > longest.end):
                longest = run
    for job, (type_, status, _, fence) in jobs.items():
        if status == "succeeded" and not any(run.token == fence and run.end is not None for run in runs.get(job, ())):
            found.append(f"I5 job {job}: succeeded, and its handler ({type_}) never came to the end of run {fence}")
    return found
