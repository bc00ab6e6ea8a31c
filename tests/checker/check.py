"""The invariants of Heimdex, checked on a database and on what the handlers and the submitters wrote down. One snapshot, a handful of
set-based queries: 100,000 jobs take seconds. The rules themselves are in rules.py."""
from . import handler_log as handlers
from . import rules


def check_database(connection, acks=None, finished=False, handler_log=None, idle=False, stopped=False, outbox_kept=False,
                   same_transaction=True):
    """Every violation as "RULE what, with ids". acks: ids that were acknowledged; with finished all of them (without acks: all jobs)
    must be terminal. handler_log: path of the handlers' log. idle: nothing is left to do. stopped: every fleet ended by a clean
    stop. outbox_kept: nothing has been published yet. same_transaction: False for a database that came out of a dump."""
    connection.rollback()
    with connection.cursor() as cursor:
        if connection.autocommit:
            cursor.execute("begin")
        cursor.execute("set transaction isolation level repeatable read")
        try:
            return check_transaction(cursor, acks, finished, handler_log, idle, stopped, outbox_kept, same_transaction)
        finally:
            cursor.execute("rollback")
            connection.rollback()


def check_transaction(cursor, acks=None, finished=False, handler_log=None, idle=False, stopped=False, outbox_kept=False,
                      same_transaction=True):
    """The same in the transaction that is open, whose own changes it sees."""
    cursor.execute("set local work_mem = '64MB'; set local jit = off")
    for statement in rules.PREPARE:
        cursor.execute(statement)
    found = _queries(cursor, rules.ALWAYS)
    for wanted, more in ((same_transaction, rules.SAME_TRANSACTION), (outbox_kept, rules.OUTBOX_KEPT), (idle, rules.IDLE),
                         (stopped, rules.STOPPED)):
        if wanted:
            found += _queries(cursor, more)
    found += _acknowledged(cursor, acks, finished)
    if handler_log is not None:
        found += handlers.check(handler_log, cursor)
    return found


def size(connection):
    """How much there is: jobs, events."""
    with connection.cursor() as cursor:
        cursor.execute("select (select count(*) from job), (select count(*) from job_event)")
        return cursor.fetchone()


def _queries(cursor, queries):
    found = []
    for rule, query in queries:
        cursor.execute(query)
        found += [f"{rule} {what}" for what, in cursor]
    return found


def _acknowledged(cursor, acks, finished):
    found = []
    if acks is not None:
        acks = [str(ack) for ack in acks]
        cursor.execute("""select a.id::text from unnest(%s::text[]::uuid[]) as a (id) where not exists (select from job j where j.id = a.id)""",
                       (acks,))
        found += [f"I1 job {job}: acknowledged, and isn't there" for job, in cursor]
    if finished:
        cursor.execute("""select id::text, status::text from job
                           where status not in ('succeeded', 'canceled', 'dead_letter') and (%s::text[] is null or id = any(%s::text[]::uuid[]))""",
                       (acks, acks))
        found += [f"I1 job {job}: still {status}" for job, status in cursor]
    return found
