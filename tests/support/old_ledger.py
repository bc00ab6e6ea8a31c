"""Databases as the predecessor left them: its ledger at either revision, its first table `jobs`, and its workers at work."""
import threading
import time
import uuid

import psycopg2

from checker.check import check_database

ORG = "00000000-0000-0000-0000-000000000000"
MAPPED = {"pending": "queued", "processing": "running", "completed": "succeeded", "failed": "failed"}
STATUSES = ("queued", "running", "succeeded", "failed", "canceled", "dead_letter")

VERSION = """
create table alembic_version (version_num varchar(32) not null, constraint alembic_version_pkc primary key (version_num));
insert into alembic_version values (%s);
"""

# What Alembic renders for 001_job_ledger_init, without its indexes, which are made when the rows are there.
TABLES = """
create table job (
    id uuid default gen_random_uuid() not null, org_id uuid not null, type varchar(100) not null,
    status {job} default 'queued' not null, attempt integer default 0 not null, priority integer default 0 not null,
    idempotency_key varchar(255), requested_by varchar(255), created_at timestamptz default now() not null,
    updated_at timestamptz default now() not null, started_at timestamptz, finished_at timestamptz,
    last_error_code varchar(100), last_error_message text, primary key (id),
    constraint ck_job_status check (status in ('queued', 'running', 'succeeded', 'failed', 'canceled', 'dead_letter')));
create table job_event (
    id uuid not null, job_id uuid not null, ts timestamptz default now() not null, prev_status {event}, next_status {event} not null,
    detail_json jsonb, primary key (id));
"""

INDEXES = """
create unique index uq_job_org_idempotency on job (org_id, idempotency_key) where idempotency_key is not null;
create index idx_job_org_status on job (org_id, status, created_at);
create index idx_job_type_status on job (type, status);
create index idx_job_event_job_ts on job_event (job_id, ts desc);
create index idx_job_event_ts on job_event (ts desc);
alter table job_event add foreign key (job_id) references job (id) on delete cascade;
"""

# Jobs of the last hundred days: of a hundred 92 succeeded, the others are in every other status. Three events each, or as many as
# it takes to get there.
FILL = """
insert into job (id, org_id, type, status, attempt, created_at, updated_at, started_at, finished_at)
select gen_random_uuid(), %(org)s, 'mock_process', status, (status <> 'queued')::int, made, made + interval '3 s',
       case when status not in ('queued', 'canceled') then made + interval '1 s' end,
       case when status in ('succeeded', 'canceled', 'dead_letter') then made + interval '3 s' end
  from (select (case n %% 100 when 0 then 'queued' when 1 then 'running' when 2 then 'failed' when 3 then 'canceled' when 4 then 'dead_letter'
                              else 'succeeded' end)::{job} as status,
               now() - interval '100 days' + n * interval '99 days' / %(jobs)s as made
          from generate_series(1, %(jobs)s) as n) as j;
insert into job_event select gen_random_uuid(), id, case status when 'queued' then updated_at else created_at end, null, 'queued', null from job;
insert into job_event
select gen_random_uuid(), id, case status when 'running' then updated_at else started_at end, 'queued', 'running', '{{"worker": "w1"}}' from job
 where started_at is not null;
insert into job_event
select gen_random_uuid(), id, updated_at, (case status when 'canceled' then 'queued' else 'running' end)::{event}, status::text::{event},
       '{{"stage": "indexing", "progress": 100}}'
  from job where status not in ('queued', 'running');
"""

JOBS = """
create table jobs (id uuid primary key, status varchar, stage varchar, progress int, result jsonb, error text,
                   created_at timestamptz not null default now(), updated_at timestamptz not null default now());
"""


class OldLedger:
    """The ledger at 001_job_ledger_init, or at 3af4686817cc: there with the enum's name, and events of that type or still varchar."""

    def __init__(self, database, revision="3af4686817cc", enum="job_status", events="enum", jobs=0):
        self.database = database
        hardened = revision == "3af4686817cc"
        self.job = enum if hardened else "varchar(50)"
        self.event = enum if hardened and events == "enum" else "varchar(50)"
        labels = ", ".join(f"'{status}'" for status in STATUSES)
        with database.connect() as connection, connection.cursor() as cursor:
            if hardened:
                cursor.execute(f"create type {enum} as enum ({labels})")
            cursor.execute(TABLES.format(job=self.job, event=self.event))
            if jobs:
                cursor.execute(FILL.format(job=self.job, event=self.event), {"org": ORG, "jobs": jobs})
            cursor.execute(INDEXES)
            cursor.execute(VERSION, (revision,))
        connection.close()

    def file_of(self, table):
        """Another one means that the table was copied."""
        return self.database.one("select pg_relation_filenode(%s::regclass)", table)


class OldWorker:
    """The predecessor at work, in a thread: makes jobs, runs them, reads them, as its statements do.
    patience: how long it waits for a lock before it fails. waits: how long each transaction took, in seconds."""

    def __init__(self, database, patience="1s"):
        self.connection = database.connect()
        with self.connection.cursor() as cursor:
            cursor.execute("set lock_timeout = %s", (patience,))
        self.connection.commit()
        self.finished, self.left, self.waits, self.error = [], [], [], None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
        self.connection.close()

    def _run(self):
        try:
            while not self._end.is_set():
                self._one_job(leave=len(self.finished) % 10 == 9)
        except psycopg2.Error as error:
            self.error = error

    def _one_job(self, leave):
        job = str(uuid.uuid4())
        self._do(("insert into job (id, org_id, type) values (%s, %s, 'mock_process')", (job, ORG)),
                 ("insert into job_event (id, job_id, next_status) values (%s, %s, 'queued')", (str(uuid.uuid4()), job)))
        self._move(job, "queued", "running")
        self._do(("select status from job where id = %s", (job,)),
                 ("select next_status from job_event where job_id = %s order by ts desc limit 1", (job,)))
        if leave:  # it fails, and waits for its retry
            self._move(job, "running", "failed")
            self.left.append(job)
        else:
            self._move(job, "running", "succeeded")
        self.finished.append(job)

    def _move(self, job, before, after):
        self._do(("update job set status = %s, updated_at = clock_timestamp(), finished_at = case when %s = 'succeeded' then clock_timestamp() end "
                  "where id = %s returning updated_at", (after, after, job)),
                 ("insert into job_event (id, job_id, ts, prev_status, next_status) select %s, id, updated_at, %s, %s from job where id = %s",
                  (str(uuid.uuid4()), before, after, job)))

    def _do(self, *statements):
        """One transaction."""
        began = time.monotonic()
        with self.connection.cursor() as cursor:
            for statement, parameters in statements:
                cursor.execute(statement, parameters)
        self.connection.commit()
        self.waits.append(time.monotonic() - began)


def make_jobs(database, rows):
    """The first table, with rows of (id, status, stage, progress, result as JSON, error)."""
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(JOBS)
        for n, row in enumerate(rows):
            cursor.execute("insert into jobs values (%s, %s, %s, %s, %s, %s, timestamptz '2024-01-01 00:00:00.123456+00' + %s * interval '1 min', "
                           "timestamptz '2024-01-01 00:00:07.654321+00' + %s * interval '1 min')", (*row, n, n))
    connection.close()


def some_jobs():
    """Each status with and without everything that a row can have."""
    rows = []
    for status in MAPPED:
        rows += [(status, None, None, None, None), (status, "extracting", 0, '{"pages": [1, 2.50], "text": "\\u00e4"}', "it broke: \"badly\"\n"),
                 (status, "indexing", 100, "null", ""), (status, None, 7, "[]", None)]
    return [(str(uuid.uuid4()), *row) for row in rows]


def old_rows(database, columns="*"):
    return database.sql(f"select {columns} from jobs order by id")


def violations(database):
    """Of the invariants, but those that count starts: the predecessor's events tell of starts that its rows don't count."""
    connection = database.connect()
    found = [problem for problem in check_database(connection, same_transaction=False) if not problem.startswith(("I3 ", "I5 "))]
    connection.close()
    return found
