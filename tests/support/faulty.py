"""Two fleets that share one database and one Kafka, with faults armed in their programs; and what surrounds them in real life: a manager
that starts a dead or frozen supervisor again, and people who give their command once more when it failed."""
import json
import os
import signal
import subprocess
import time
import uuid
from pathlib import Path

from checker.check import check_database

from . import failpoints, figures, librdkafka
from .announcement import announcement
from .binaries import clean_env
from .jobs import TERMINAL
from .process import GONE, every, name_of, state_of
from .statements import Session, new_id, submit
from .wait import until

RETRIES = {"backoff_base": "20ms", "backoff_max": "100ms"}
CODES_OF_OUTAGE = (69, 75)  # exit codes that say: again
ERROR_CODES = (69, 70, 75, 78)


class Faulty:
    def __init__(self, fleet, jobs, kafka, prefix, migrated, logging_handler, handler_log, tmp_path, fail=""):
        self.jobs, self.kafka, self.prefix, self.database = jobs, kafka, prefix, migrated
        self.binaries, self.handler_log = jobs.binaries, handler_log
        self.log = tmp_path / "fail.log"
        self.fail_env = {"HEIMDEX_FAIL": fail, "HEIMDEX_FAIL_ONCE": tmp_path / "once", "HEIMDEX_FAIL_LOG": self.log}
        self.env = {**jobs.env, **self.fail_env}
        self.acks, self.rounds = {}, 0
        self.sleep = tmp_path / "go"
        handlers = [{"type": "logged", "exec": [logging_handler, handler_log]},
                    {"type": "limited", "exec": [logging_handler, handler_log], "concurrency": 2},
                    {"type": "long", "exec": ["/bin/sh", "-c", "exec sleep 1000"]},
                    {"type": "sleepy", "exec": ["/bin/sh", "-c", f"[ -e {self.sleep} ] || echo '{{\"snooze\": \"100ms\"}}'"]}]
        self.fleets = [fleet(workers=1, start=False, env=self.fail_env, handlers=handlers, worker={"slots": 8, "lease": "4s"},
                             jobs={"max_crashes": 50, "max_attempts": 50, "kill_grace": "1s", **RETRIES},
                             supervisor={"restart_backoff_max": "200ms"}) for _ in range(2)]
        self.check = fleet.check

    # --- what happened ---

    def hits(self):
        return failpoints.hits(self.log)

    def unfired(self, points):
        fired = {(hit.program, hit.name) for hit in self.hits() if hit.action}
        return [point for point in points if point[:2] not in fired]

    def passed(self, name):
        return any(hit.name == name for hit in self.hits())

    def fired(self):
        return sum(hit.action is not None for hit in self.hits())

    def again(self, point):
        """NAME.ACTION may fire once more."""
        Path(f"{self.fail_env['HEIMDEX_FAIL_ONCE']}.{point}").unlink(missing_ok=True)

    # --- what systemd does ---

    def tend(self):
        """A supervisor that doesn't answer is killed by its watchdog, with the rest of its cgroup; one that is dead is started again."""
        for one in self.fleets:
            if not one.process:
                continue
            if one.process.poll() is None and state_of(one.process.pid) == "T":
                one.kill()
            if one.process.poll() is not None:
                self.end_guards()
                one.start(wait=False)

    def end_guards(self):
        for pid in every():
            try:
                if name_of(pid) == failpoints.GUARD and str(self.log).encode() in Path(f"/proc/{pid}/environ").read_bytes() and state_of(pid) == "T":
                    os.kill(pid, signal.SIGKILL)
            except (*GONE, PermissionError):
                pass

    def until(self, condition, seconds=60, what=None):
        def tended():
            self.tend()
            return condition()
        return until(tended, seconds, what)

    def start(self, in_turn=False):
        """in_turn: the first one's worker has all partitions by the time the second's comes, and gives some away."""
        for number, one in enumerate(self.fleets):
            one.start(wait=False)
            if in_turn and number == 0:
                self.until(self.has_all_partitions, what="a worker alone in its group")
        self.until(lambda: all(one.status()["ready"] for one in self.fleets), 60, "fleets ready")
        if in_turn:
            self.until(lambda: self.passed("poll.revoked"), what="partitions have changed hands")

    def has_all_partitions(self):
        state, assigned = librdkafka.assignments(self.kafka.brokers, f"{self.prefix}.workers")
        return state == "Stable" and len(assigned) == 1 and all(assigned)

    def stop(self):
        """TERM, until each has ended cleanly; one that a fault has ended is started first, as a boot would."""
        for one in self.fleets:
            for _ in range(4):
                if self.stop_once(one) == 0:
                    break
                self.end_guards()
                one.start(wait=False)
                until(lambda: one.status()["ready"], 30, "ready again")
            one.exit_code = one.process.returncode
            assert one.exit_code == 0, f"a clean stop exited with {one.exit_code}"

    def stop_once(self, one):
        def ended():
            if state_of(one.process.pid) == "T":
                one.process.kill()
            return one.process.poll() is not None
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGTERM)
        until(ended, 30, "stopped")
        return one.process.returncode

    # --- what people do ---

    def patiently(self, program, *args, input="", ends=(0,)):
        """Runs a program until it says what it should; killed where it is frozen, and run again where a fault has ended it or PostgreSQL
        was away for it. Its stdout."""
        for _ in range(40):  # a command has points for each of its transactions
            one = subprocess.Popen([self.binaries.path(program), *map(str, args)], env=clean_env(self.env), text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            one.stdin.write(input)
            one.stdin.close()
            self.wait_for_end(one)
            out, err = one.stdout.read(), one.stderr.read()
            one.stdout.close()
            one.stderr.close()
            if one.returncode in ends:
                return out
            assert one.returncode == -signal.SIGKILL or one.returncode in ERROR_CODES, f"{program} {args}: {one.returncode}\n{err}"
        raise AssertionError(f"{program} {args}: {one.returncode} again and again\n{err}")

    def wait_for_end(self, process):
        def ended():
            if state_of(process.pid) == "T":
                process.kill()
            return process.poll() is not None
        self.until(ended, 30, "the program ends")

    def submit(self, lines, expected=("succeeded",)):
        """Each with a key of its own, so that to submit once more is one job all the same. Their ids."""
        for number, line in enumerate(lines):
            line.setdefault("idempotency_key", f"{self.rounds} {len(self.acks)} {number}")
        text = "".join(json.dumps(line) + "\n" for line in lines)
        ids = self.patiently("heimdex-submit", "--batch", "-", input=text).split()
        assert len(ids) == len(lines)
        self.acks.update({id: expected for id in ids})
        return ids

    def ctl(self, *args, ends=(0,)):
        return self.patiently("heimdexctl", *args, ends=ends)

    # --- a round of everything ---

    def load(self):
        """Jobs of each kind, and each thing that can be done to them."""
        self.rounds += 1
        self.sleep.unlink(missing_ok=True)
        mixed = [{"type": "mock_process"}] * 8 + [{"type": "mock_process", "priority": 3}] * 2
        mixed += [{"type": "mock_process", "payload": {"fail": "error", "fail_attempts": 1}}] * 2
        mixed += [{"type": "mock_process", "payload": {"duration_ms": 300}}] * 2
        mixed += [{"type": "logged", "payload": {"sleep_ms": 30}}] * 8
        mixed += [{"type": "logged", "payload": {"fail_attempts": 1}}] * 2
        mixed += [{"type": "limited", "payload": {"sleep_ms": 30}}] * 4
        mixed += [{"type": "sleepy"}]
        lines = [dict(line, idempotency_key=f"mixed {self.rounds} {number}") for number, line in enumerate(mixed)]
        ids = self.submit(lines)
        assert self.submit([dict(line) for line in lines]) == ids
        soon = {"type": "logged", "run_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))}
        self.submit([soon])
        self.acks[self.database.one("select heimdex_submit('mock_process')")] = ("succeeded",)
        self.sleep.touch()

    def garbage(self):
        known = self.database.one("select count(*) from quarantine")
        for record in b"what is this", announcement("mock_process", [new_id()]):
            self.kafka.kcat("-P", "-t", f"{self.prefix}.jobs.default", "-p", "0", "-D", "\x01\x02\x03", input=record)
        self.until(lambda: self.database.one("select count(*) from quarantine") >= known + 2, what="they are quarantined")

    def crash(self):
        """One worker is killed while its handlers run."""
        ids = self.submit([{"type": "logged", "payload": {"sleep_ms": 600}}] * 8)
        self.until(lambda: any(self.jobs.status(id) == "running" for id in ids), what="one runs")
        self.until(lambda: self.fleets[0].kill_worker(), what="a worker is killed")

    def cancel(self):
        id, = self.submit([{"type": "long"}], ("canceled",))
        self.until(lambda: self.jobs.status(id) == "running", what="it runs")
        self.ctl("cancel", id, "--wait", "30s", ends=(0, 1, 75))  # 1: an earlier try has done it
        self.until(lambda: self.jobs.status(id) == "canceled", what="canceled")

    def stale_signal(self):
        """A request to stop what has ended: it was written a moment too late."""
        self.until(lambda: "succeeded" in map(self.jobs.status, self.acks), what="one has ended")
        ended = next(id for id in self.acks if self.jobs.status(id) == "succeeded")
        running, = self.submit([{"type": "long"}], ("canceled",))

        def answered():
            """A worker looks while it runs something; one that dies takes the request with it."""
            if self.passed("answer.after_commit"):
                return not self.database.sql("select from signal where job_id = %s", ended)
            self.database.sql("""with held as materialized (select worker from job where id = %s and status = 'running' for update)
                                 insert into signal (worker, job_id, reason) select worker, %s, 'too late' from held on conflict do nothing""",
                              running, ended)
            return False
        self.until(answered, what="answered")
        self.ctl("cancel", running, ends=(0, 1, 75))
        self.until(lambda: self.jobs.status(running) == "canceled", what="canceled")

    def unknown_claim(self):
        """A claim that its worker doesn't know, as a lost answer would leave it: of a job, and of nothing."""
        session = Session(self.database)
        before = len(self.hits())

        def give():
            """Of a worker that dies, the reaper has them instead, and another gets some."""
            worker, label = self.database.sql("select id, concat_ws('/', hostname, instance, slot) from worker where not dead order by id desc limit 1")[0]
            id, tokens = new_id(), [str(uuid.uuid4()) for _ in range(2)]
            session.transaction(*submit([id], type="mock_process", org=uuid.UUID(int=0)),
                                ("claim", tokens[0], worker, [id], [5], ["mock_process"], f'"worker":"{label}"', []),
                                f"insert into claim (token, worker, ids) select '{tokens[1]}', id, '{{}}' from worker where id = {worker} and not dead")
            self.acks[id] = ("succeeded",)
            self.until(lambda: not self.database.sql("select from claim where token = any(%s::uuid[])", tokens), what="nobody holds them")
            return any(hit.name == "adopt.after_commit" for hit in self.hits()[before:])
        try:
            self.until(give, what="it is taken up")
        finally:
            session.close()

    def operators(self):
        dead, = self.submit([{"type": "mock_process", "payload": {"fail": "permanent"}}], ("dead_letter",))
        self.until(lambda: self.jobs.status(dead) == "dead_letter", what="a dead letter")
        for command in (["status"], ["jobs"], ["job", dead], ["events"], ["workers"], ["pause", "long"], ["resume", "long"],
                        ["retry", dead]):
            self.ctl(*command, ends=(0, 1) if command[0] == "retry" else (0,))
        self.until(lambda: self.jobs.status(dead) == "dead_letter", what="a dead letter again")
        self.ctl("redrive", "--type", "mock_process", ends=(0, 1))
        while not self.passed("watch.after_commit"):
            self.cancel()  # whoever is killed while he waits finds it canceled the next time

        def looked_at_all():
            fired = self.fired()
            self.ctl("doctor", ends=(0, 1))  # which leaves out the rest where an answer takes long
            return fired == self.fired() and self.passed("snapshots.after_commit")
        self.until(looked_at_all, 120, "doctor has looked at all")

    def waiting_submitter(self):
        text = self.patiently("heimdex-submit", "mock_process", "--payload", '{"duration_ms": 100}', "--key", f"waits {self.rounds}", "--wait", "--json")
        self.acks[json.loads(text)["id"]] = ("succeeded",)

    def silent_kafka(self):
        """Fresh jobs that nobody can announce: only a look closer than two minutes behind now finds them."""
        with self.kafka.frozen():
            ids = self.submit([{"type": "mock_process"}] * 5)
            self.until(lambda: {self.jobs.status(id) for id in ids} == {"succeeded"}, 90, "found without Kafka")

    def kill_supervisor(self):
        self.fleets[1].kill()

    def settled(self, seconds=90):
        """Everything has come to its end, and nothing is left to do."""
        connection = self.database.connect()
        try:
            def all_done():
                left = self.database.sql("""select id::text, type, status::text, attempt, last_error_code from job
                                             where id = any(%s::uuid[]) and not status::text = any(%s)""", list(self.acks), list(TERMINAL))
                assert not left, left[:5]
                found = check_database(connection, idle=True)
                assert not found, found[:5]
                return True
            self.until(all_done, seconds, "all jobs have ended")
        finally:
            connection.close()

    def judge(self):
        """After the stop. What the fixture's checker is to look at, and how each job has ended."""
        figures.counts["faults"] += self.fired()
        statuses = dict(self.database.sql("select id::text, status::text from job where id = any(%s::uuid[])", list(self.acks)))
        wrong = {id: statuses.get(id) for id, expected in self.acks.items() if statuses.get(id) not in expected}
        assert not wrong, wrong
        self.check.update(acks=list(self.acks), finished=True, handler_log=self.handler_log, idle=True)
