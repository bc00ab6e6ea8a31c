"""heimdex-scheduler alone, and rows as they would stand in the ledger for it."""
import json
import os
import socket
import subprocess
import time
import uuid

import pytest

from support.wait import until

ORG = "00000000-0000-0000-0000-000000000000"
MACHINE = open("/etc/machine-id").read().strip() if os.path.exists("/etc/machine-id") else open(
    "/proc/sys/kernel/random/boot_id").read().strip().replace("-", "")


class Scheduler:
    def __init__(self, binaries, env, log, args, **options):
        self.log_path = log
        with open(log, "wb") as out:
            self.process = binaries.popen("heimdex-scheduler", *args, env={"HEIMDEX_LOG_FORMAT": "json", **env}, stdin=subprocess.DEVNULL,
                                          stdout=out, stderr=out, **options)

    def events(self, name=None):
        lines = [json.loads(line) for line in open(self.log_path) if line.startswith("{") and line.endswith("\n")]
        return [line for line in lines if name is None or line["event"] == name]

    def ready(self):
        until(lambda: any(line["message"] == "ready" for line in self.events()), what="ready")
        return self

    def with_topics(self):
        until(lambda: any("topics are there" in line["message"] for line in self.events()), what="topics")
        return self

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=20)


@pytest.fixture
def scheduler(binaries, env, tmp_path, request):
    made = []

    def start(*args, extra=None, **options):
        one = Scheduler(binaries, {**env, **(extra or {})}, tmp_path / f"scheduler{len(made)}.log", args, **options)
        made.append(one)
        return one

    yield start
    codes = [one.end() for one in made]
    for one in made:
        print(open(one.log_path, errors="replace").read()[-10000:])
    assert set(codes) <= {0, 78}


def v7(ago_s=0.0):
    """A UUIDv7 made so many seconds ago."""
    ms = int((time.time() - ago_s) * 1000)
    return str(uuid.UUID(int=ms << 80 | 7 << 76 | 2 << 62 | uuid.uuid4().int & (1 << 62) - 1 | (uuid.uuid4().int & 0xFFF) << 64))


def add_job(db, status="queued", ago_s=0.0, **columns):
    """A job as it would stand in the ledger, without outbox or waiting."""
    job = columns.pop("id", None) or v7(ago_s)
    columns = {"id": job, "org_id": ORG, "type": "t", "status": status, **columns}
    db.sql(f"insert into job ({', '.join(columns)}) values ({', '.join(['%s'] * len(columns))})", *columns.values())
    return job


def add_failed(db, due="now()", attempt=1):
    job = add_job(db, "failed", attempt=attempt, max_attempts=5, last_error_code="error")
    db.sql(f"insert into waiting (job_id, type, queue, due, reason, announced) values (%s, 't', 'default', {due}, 'retry', false)", job)
    return job


def add_worker(db, instance, incarnation, host=MACHINE, slot=0, hostname=socket.gethostname()):
    return db.one("insert into worker (host, hostname, instance, slot, incarnation, boot_id, pid, version, types) "
                  "values (%s, %s, %s, %s, %s, 'b', 1, '0', '{t}') returning id", host, hostname, instance, slot, incarnation)


def add_claimed(db, worker, n=1, fence=1):
    jobs = sorted(add_job(db, "running", attempt=1, max_attempts=5, fence=fence, worker=worker) for _ in range(n))
    db.sql("insert into claim (token, worker, ids) values (gen_random_uuid(), %s, %s::uuid[])", worker, jobs)
    return jobs


def status(db, job):
    return db.one("select status::text from job where id = %s", job)


def empty(db, table):
    return db.one(f"select count(*) from {table}") == 0
