"""Random faults, one after the other, from one seed: whatever can happen to two fleets, their PostgreSQL and their Kafka, and what heals it."""
import signal
import time
from collections import Counter

import psycopg2

from .process import kill_if_there
from .wait import until

BETWEEN = (0.2, 3.0)  # seconds from one fault's end to the next
LASTING = (0.3, 4.0)  # of those that last


class Weather:
    """fleets: of one database, whose supervisors this starts again as a service manager would. ids(): some jobs' ids."""

    def __init__(self, dice, fleets, postgres, kafka, database, topic, jobs, ids):
        self.dice, self.fleets, self.postgres, self.kafka = dice, fleets, postgres, kafka
        self.database, self.topic, self.jobs, self.ids = database, topic, jobs, ids
        self.counts = Counter()
        faults = {self.worker_killed: 6, self.worker_frozen: 2, self.scheduler_killed: 3, self.scheduler_frozen: 1, self.supervisor_killed: 2,
                  self.supervisor_frozen: 1, self.fleet_drained: 2, self.fleet_stopped_at_once: 1, self.sessions_ended: 3,
                  self.postgres_restarted: 1, self.postgres_crashed: 1, self.postgres_frozen: 2, self.rows_locked: 2, self.kafka_killed: 1,
                  self.kafka_frozen: 2, self.topic_deleted: 1, self.jobs_canceled: 3, self.jobs_retried: 2, self.type_paused: 2}
        self.faults, self.weights = list(faults), list(faults.values())

    def blow(self, until_when):
        """Until time.monotonic() is that."""
        while time.monotonic() < until_when:
            fault = self.dice.choices(self.faults, self.weights)[0]
            print(f"{time.strftime('%H:%M:%S')} {fault.__name__}", flush=True)
            fault()
            self.counts[fault.__name__] += 1
            self.pause(BETWEEN)
            self.tend()

    def pause(self, between):
        time.sleep(self.dice.uniform(*between))

    def tend(self):
        for one in self.fleets:
            if one.process.poll() is not None:
                one.start(wait=False)

    def calm(self):
        """Everything is there again."""
        def ready():
            self.tend()
            return all(one.status()["ready"] for one in self.fleets)
        until(ready, 60, "all fleets are ready")

    # --- processes ---

    def child(self, role):
        """One that runs, or None: there may be none just now, or its supervisor doesn't answer."""
        try:
            children = [c["pid"] for c in self.dice.choice(self.fleets).children(role) if c["pid"] > 0]
        except (OSError, ValueError):
            return None
        return self.dice.choice(children) if children else None

    def signal_child(self, role, signo):
        pid = self.child(role)
        return pid and kill_if_there(pid, signo)

    def worker_killed(self):
        self.signal_child("worker", signal.SIGKILL)

    def worker_frozen(self):
        self.signal_child("worker", signal.SIGSTOP)  # its supervisor ends it

    def scheduler_killed(self):
        self.signal_child("scheduler", signal.SIGKILL)

    def scheduler_frozen(self):
        self.signal_child("scheduler", signal.SIGSTOP)

    def supervisor_killed(self):
        self.dice.choice(self.fleets).kill()

    def supervisor_frozen(self):
        pid = self.dice.choice(self.fleets).process.pid
        if kill_if_there(pid, signal.SIGSTOP):
            self.pause(LASTING)
            kill_if_there(pid, signal.SIGCONT)

    def stop(self, times):
        """TERM, so often; a fleet that is stopped so ends cleanly."""
        one = self.dice.choice(self.fleets)
        if one.process.poll() is not None or not until(lambda: one.status(), 30, "it answers"):
            return
        for _ in range(times):
            kill_if_there(one.process.pid, signal.SIGTERM)
            self.pause((0.05, 0.3))
        code = one.process.wait(60)
        assert code == 0, f"TERM ended a fleet with {code}"

    def fleet_drained(self):
        self.stop(1)

    def fleet_stopped_at_once(self):
        self.stop(2)

    # --- PostgreSQL ---

    def sessions_ended(self):
        self.database.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = current_user"
                          " and pid <> pg_backend_pid()")

    def postgres_ended(self, signo):
        self.database.forget()
        self.postgres.end(signo)
        self.pause(LASTING)
        self.postgres.start()

    def postgres_restarted(self):
        self.postgres_ended(signal.SIGINT)

    def postgres_crashed(self):
        self.postgres_ended(signal.SIGKILL)

    def postgres_frozen(self):
        with self.postgres.frozen():
            self.pause(LASTING)

    def rows_locked(self):
        connection = self.database.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute("select from job where id in (select id from job order by id desc limit 100) for update skip locked")
            self.pause(LASTING)
            connection.rollback()
        except psycopg2.OperationalError:
            pass  # its session was ended: so were its locks
        finally:
            connection.close()

    # --- Kafka ---

    def kafka_killed(self):
        self.kafka.kill()
        self.pause(LASTING)
        self.kafka.ensure_running()

    def kafka_frozen(self):
        with self.kafka.frozen():
            self.pause(LASTING)

    def topic_deleted(self):
        self.kafka.delete_topic(self.topic)

    # --- people ---

    def some(self):
        ids = self.ids()
        return self.dice.sample(ids, min(30, len(ids)))

    def jobs_canceled(self):
        if some := self.some():
            self.jobs.ctl("cancel", *some, check=False)  # most have ended already

    def jobs_retried(self):
        self.jobs.ctl("redrive", "--type", "mock_process", "--limit", 20, check=False)  # there may be none

    def type_paused(self):
        self.jobs.ctl("pause", "logged", check=False)
        self.pause(LASTING)
        until(lambda: self.jobs.ctl("resume", "logged"), 60, "resumed")
