"""A database with sessions in it that run the ledger's statements step by step: the `ledger` fixture, which ends with the checker."""
import pytest

from checker.check import check_database
from support.statements import Session, Worker, new_id, submit

START = "00000000-0000-0000-0000-000000000000"
SWEEP, PEEK = ("sweep", -60_000, 100, START, True), ("sweep", -60_000, 100, START, False)


class Ledger:
    """A database with sessions in it."""

    def __init__(self, database):
        self.database, self.sessions = database, []
        self.client = self.session()

    def _kept(self, session):
        self.sessions.append(session)
        return session

    def session(self, **texts):
        return self._kept(Session(self.database, texts))

    def worker(self, **options):
        return self._kept(Worker(self.database, slot=len(self.sessions), **options))

    def jobs(self, n=1, announced=True, **options):
        """Submitted: n ids, ascending."""
        ids = sorted(new_id(-1) for _ in range(n))
        self.client.transaction(*submit(ids, **options))
        return ids

    def waiting(self, n=1, reason="swept", **options):
        """Submitted, and in waiting, due."""
        ids = self.jobs(n, **options)
        self.client.transaction(("park", ids, reason))
        return ids

    def failed(self, n=1, worker=None, announced=False):
        """Failed once, and due again. Not announced yet: it is also the scheduler's."""
        ids, worker = self.jobs(n), worker or self.worker()
        worker.transaction(*worker.fail(worker.transaction(*worker.claim(ids))))
        if announced:
            self.client.run("update waiting set announced = true")
        return ids

    def now_due(self):
        """What waits for a time is due, and announced."""
        self.client.run("update waiting set due = clock_timestamp()")
        self.client.run(("due", 1000))

    def sql(self, *args):
        return self.database.sql(*args)

    def status(self, *ids):
        found = [self.database.one("select status::text from job where id = %s", id) for id in ids]
        return found[0] if len(ids) == 1 else found

    def reasons(self, id):
        return [reason for reason, in self.sql("select reason from waiting where job_id = %s", id)]

    def transitions(self, id):
        return [next for next, in self.sql("""select next_status::text from job_event where job_id = %s and prev_status is distinct from next_status
                                              order by ts, id""", id)]

    def held(self):
        """Ids in claim rows by worker."""
        return {(worker, id) for worker, id in self.sql("select worker, unnest(ids)::text from claim")}

    def violations(self):
        connection = self.database.connect()
        try:
            return check_database(connection, outbox_kept=True)
        finally:
            connection.close()


@pytest.fixture
def ledger(request, migrated):
    made = Ledger(migrated)
    yield made
    for session in made.sessions:
        session.close()
    if not request.node.get_closest_marker("unchecked"):
        assert made.violations() == []


def ids_of(rows):
    return sorted(row["id"] for row in rows)
