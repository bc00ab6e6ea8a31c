"""The ledger's statements as sessions of Heimdex run them, one step at a time: the very files of lib/ledger/sql, prepared under the
settings of lib/pg, in transactions that a test opens, interleaves and ends. Whether a session waits for another is read from
pg_blocking_pids."""
import json
import os
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import psycopg2

ROOT = Path(__file__).resolve().parents[2]
SQL = ROOT / "lib" / "ledger" / "sql"
# The session's settings, read from where the product sets them. Locks are waited for longer: the machine may be slow, the test isn't
# about that.
SETTINGS = dict(re.findall(r"-c (\w+)=((?:\w|\\ )+)", (ROOT / "lib" / "pg" / "pg_keywords.c").read_text().replace("\\\\", "\\")))
SETTINGS.update(lock_timeout="20s", idle_in_transaction_session_timeout="60s")
DEADLINE = 20.0
ORG = "00000000-0000-0000-0000-000000000000"


def text_of(name):
    return (SQL / f"{name}.sql").read_text()


def mutated(name, before, after):
    """A statement's text with one part of it changed; the part must be there."""
    text = text_of(name)
    assert before in text, f"{name}.sql doesn't have {before!r} any more"
    return text.replace(before, after)


def new_id(seconds_ago=0.0):
    """A UUIDv7, as submitters make them."""
    stamp = int((time.time() - seconds_ago) * 1000)
    return str(uuid.UUID(int=(stamp << 80 | 7 << 76 | 2 << 62 | int.from_bytes(os.urandom(9), "big") & ((1 << 62) - 1))))


def _element(value):
    if value is None:
        return "NULL"
    if isinstance(value, (dict, list)):
        value = json.dumps(value)
    if isinstance(value, bool):
        return "t" if value else "f"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def literal(value):
    """A parameter as an untyped literal: the statement's own casts give it its type."""
    if value is None:
        return "null"
    if isinstance(value, (list, tuple)):
        value = "{" + ",".join(map(_element, value)) + "}"
    elif isinstance(value, dict):
        value = json.dumps(value)
    return "'" + str(value).replace("'", "''") + "'"


class Step:
    """Statements on their way in a session."""

    def __init__(self, session, future):
        self.session, self.future = session, future

    def is_blocked(self):
        """Waits until the statement either waits for a lock or is done; True for the first."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if wait([self.future], timeout=0.005).done:
                return False
            if self.session.blockers():
                return True
        raise AssertionError("neither blocked nor done")

    def result(self):
        return self.future.result(DEADLINE)


class Session:
    """One connection in a thread of its own. texts: statements by name that replace the product's."""

    def __init__(self, database, texts=None):
        self.texts = texts or {}
        options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items() if name != "statement_timeout")
        env = database.env
        self.connection = psycopg2.connect(host=env["PGHOST"], port=env["PGPORT"], user=env["PGUSER"], password=env.get("PGPASSWORD"),
                                           dbname=database.name, application_name="session", options=options)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.pid = self.connection.get_backend_pid()
        self.monitor = database
        self.thread = ThreadPoolExecutor(1)
        self.prepared = {}

    def close(self):
        self.thread.shutdown(wait=True)
        self.connection.close()

    def blockers(self):
        return self.monitor.one("select pg_blocking_pids(%s)", self.pid)

    # --- statements: (name, arguments) pairs, or plain SQL texts ---

    def _run(self, step):
        if isinstance(step, str):
            self.cursor.execute(step)
        else:
            name, *arguments = step
            if name not in self.prepared:
                self.cursor.execute(f'prepare "{name}" as {self.texts.get(name) or text_of(name)}')
                self.cursor.execute("select cardinality(parameter_types) from pg_prepared_statements where name = %s", (name,))
                self.prepared[name] = self.cursor.fetchone()[0]
            arguments += [None] * (self.prepared[name] - len(arguments))  # ids for events: the server makes them then
            values = f"({', '.join(map(literal, arguments))})" if arguments else ""
            self.cursor.execute(f'execute "{name}"{values}')
        if not self.cursor.description:
            return self.cursor.rowcount
        names = [column.name for column in self.cursor.description]
        return [dict(zip(names, row)) for row in self.cursor.fetchall()]

    def _run_all(self, steps):
        """The first one's result, whatever locks are taken in front of it."""
        results = [self._run(step) for step in steps]
        return results[1 if steps[0][0] == "settling" and len(steps) > 1 else 0]

    def start(self, *steps):
        """Runs the steps one after the other in the session's thread; the result is the first one's."""
        return Step(self, self.thread.submit(self._run_all, steps))

    def run(self, *steps):
        return self.start(*steps).result()

    def begin(self, *steps):
        """Opens a transaction and runs the steps in it; the result is the first step's."""
        self.run("begin")
        return self.run(*steps) if steps else None

    def commit(self):
        self.run("commit")

    def rollback(self):
        self.run("rollback")

    def transaction(self, *steps):
        """The steps as one transaction, as the product sends them: one pipeline, one Sync."""
        return self.start_transaction(*steps).result()

    def start_transaction(self, *steps):
        def job():
            self._run("begin")
            try:
                result = self._run_all(steps)
            except Exception:
                self._run("rollback")
                raise
            self._run("commit")
            return result
        return Step(self, self.thread.submit(job))


# --- the statements that make one operation, as lib/ledger adds them to a transaction ---

def submit(ids, type="plain", keys=None, priority=0, max_attempts=None, run_at=None, org=ORG):
    n = len(ids)
    pairs = sorted(zip(ids, keys or [None] * n))
    return [("submit", [i for i, _ in pairs], [org] * n, [type] * n, [{}] * n, [priority] * n, [key for _, key in pairs], ["test"] * n,
             [max_attempts] * n, [None] * n, [run_at] * n, [None] * n)]


def cancel(ids, reason="asked"):
    return [("cancel", sorted(ids), reason), ("unwait", sorted(ids))]


def retry(ids, reason="retry"):
    return [("retry", sorted(ids), reason)]


class Worker(Session):
    """A session that is registered as a worker, with the transactions a worker sends."""

    def __init__(self, database, types=("plain",), texts=None, slot=0, host="host", instance="test", concurrency=None):
        super().__init__(database, texts)
        n = len(types)
        self.types, self.label = list(types), f"{host}/{instance}/{slot}"
        self.id = self.transaction(
            ("register_worker", host, host, instance, slot, str(uuid.uuid4()), "boot", 1, "test", self.types),
            ("register_types", self.types, ["default"] * n, [1] * n, [concurrency] * n, [5] * n, [{}] * n))[0]["id"]

    def claim(self, ids, token=None):
        ids = sorted(ids)
        return [("claim", token or str(uuid.uuid4()), self.id, ids, [3] * len(ids), self.types, f'"worker":"{self.label}"', []),
                ("unwait", ids), ("park_paused", ids)]

    def claim_limited(self, ids, type="limited", token=None):
        ids = sorted(ids)
        return [("claim_limited", token or str(uuid.uuid4()), self.id, ids, 3, type, f'"worker":"{self.label}"'),
                ("unwait", ids), ("park", ids, "limited")]

    def tokens(self):
        return [row["token"] for row in self.run(("claims_of", self.id))]

    def _remains(self, jobs, claims):
        """What a completion takes along. claims: the tokens whose last jobs these are; None: all of the worker's."""
        ids = [job["id"] for job in jobs]
        steps = [("answered", self.id, ids), ("permit_free", ids)]
        claims = self.tokens() if claims is None else claims
        return steps + ([("claim_done", claims)] if claims else [])

    def complete(self, jobs, claims=None):
        """jobs: rows of a claim, which have id, fence and attempt."""
        jobs = sorted(jobs, key=lambda job: job["id"])
        return [("complete", [job["id"] for job in jobs], [job["fence"] for job in jobs],
                 [{"attempt": job["attempt"], "worker": self.label, "result": {}} for job in jobs], None, []), *self._remains(jobs, claims)]

    def settle(self, jobs, status, code=None, message=None, delay_ms=0, reason=None, add_max=0, add_attempt=0, detail=None, claims=None):
        jobs, n = sorted(jobs, key=lambda job: job["id"]), len(jobs)
        details = [{"attempt": job["attempt"], "worker": self.label, **(detail or {})} for job in jobs]
        ids, fences = [job["id"] for job in jobs], [job["fence"] for job in jobs]
        return [("settling", ids), ("settle", ids, fences, [status] * n, [code] * n, [message] * n, details, [delay_ms] * n,
                 [reason] * n, [add_max] * n, [add_attempt] * n, self.id), *self._remains(jobs, claims)]

    def fail(self, jobs, delay_ms=0, claims=None):
        return self.settle(jobs, "failed", "error", "as asked", delay_ms, "retry", claims=claims)

    def bury(self, jobs, claims=None):
        return self.settle(jobs, "dead_letter", "error", "for good", claims=claims)

    def snooze(self, jobs, delay_ms=0, claims=None):
        return self.settle(jobs, "queued", delay_ms=delay_ms, reason="snoozed", add_max=1,
                           detail={"reason": "snoozed", "max_attempts": 4}, claims=claims)

    def release(self, jobs, claims=None):
        """Claimed and not started: back untouched, as a drain does it."""
        return self.settle(jobs, "queued", reason="released", add_attempt=-1, detail={"reason": "drain"}, claims=claims)

    def tell(self, jobs, stage):
        jobs = sorted(jobs, key=lambda job: job["id"])
        return [("progress", [job["id"] for job in jobs], [job["fence"] for job in jobs],
                 [{"stage": stage, "attempt": job["attempt"]} for job in jobs])]


def reap(worker, started=(), ended=(), no_evidence=False, code="SIGKILL", base_ms=0, max_crashes=3):
    """started, ended: rows of a claim with evidence that they did."""
    jobs = [(job, False) for job in started] + [(job, True) for job in ended]
    return [("bury_worker", worker.id), ("releasing", worker.id),
            ("release", worker.id, [job["id"] for job, _ in jobs], [job["fence"] for job, _ in jobs], [over for _, over in jobs], no_evidence,
             code, f"the worker died by {code}", {"worker": worker.label}, base_ms, base_ms, max_crashes)]

