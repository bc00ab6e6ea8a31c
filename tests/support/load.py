"""A steady load while things break: jobs at a rate, what was acknowledged, and how fast they are done."""
import subprocess
import threading
import time

from .binaries import clean_env


class Load:
    """with Load(binaries, env, line, rate=300) as load: … Batches go through heimdex-submit processes, one after the other, each of which
    may fail; acks are the ids that were printed, whatever came after. line: a line, or a function that makes one. wrap: a command before
    theirs."""

    def __init__(self, binaries, env, line, rate=300, every=0.2, wrap=()):
        self.wrap = wrap
        self.binaries, self.env, self.line, self.rate, self.every = binaries, env, line, rate, every
        self.acks, self.failures, self.stopping = [], [], threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def _run(self):
        line = self.line if callable(self.line) else lambda: self.line
        due = time.monotonic()
        while not self.stopping.is_set():
            text = "".join(line() + "\n" for _ in range(int(self.rate * self.every)))
            done = subprocess.run([*self.wrap, self.binaries.path("heimdex-submit"), "--batch", "-"], input=text, env=clean_env(self.env),
                                  capture_output=True, text=True, timeout=60)
            self.acks += done.stdout.split()
            if done.returncode != 0:
                self.failures.append((done.returncode, done.stderr))
            due = max(due + self.every, time.monotonic())
            self.stopping.wait(due - time.monotonic())


def rate(database, begin, end):
    """Jobs a second that succeeded between two moments of time.time()."""
    n = database.one("""select count(*) from job_event where next_status = 'succeeded' and prev_status = 'running'
                         and ts >= to_timestamp(%s) and ts < to_timestamp(%s)""", begin, end)
    return n / (end - begin)


def recovery(database, before, moment, share=0.9, window=1.0, seconds=30.0):
    """Seconds from the moment until the rate over a window is back to that share of what it was; None: not within that time."""
    stamps = [t for t, in database.sql("""select extract(epoch from ts)::float8 from job_event where next_status = 'succeeded'
                                          and prev_status = 'running' and ts >= to_timestamp(%s) order by 1""", moment)]
    wanted, first = before * share * window, 0
    for last, t in enumerate(stamps):
        while stamps[first] < t - window:
            first += 1
        if last - first + 1 >= wanted:
            return t - moment
        if t - moment > seconds:
            return None
    return None
