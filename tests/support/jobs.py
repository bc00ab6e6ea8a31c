"""Jobs as their owners see them: submitted by heimdex-submit, looked at in the ledger."""
import json

from .wait import until

TERMINAL = ("succeeded", "canceled", "dead_letter")


class Jobs:
    def __init__(self, binaries, database, env):
        self.binaries, self.database, self.env = binaries, database, env

    def submit(self, type, payload=None, **options):
        """submit("thumbnail", {"n": 1}, priority=5, max_attempts=2): the id."""
        args = [type] + (["--payload", json.dumps(payload)] if payload is not None else [])
        for name, value in options.items():
            args += ["--" + name.replace("_", "-"), value]
        return self.binaries.submit(*args, env=self.env).stdout.strip()

    def batch(self, jobs):
        """jobs: objects of the batch format. Their ids, in order."""
        text = "".join(json.dumps(job) + "\n" for job in jobs)
        return self.binaries.submit("--batch", "-", env=self.env, input=text).stdout.split()

    def ctl(self, *args, **options):
        return self.binaries.ctl(*args, env=self.env, **options)

    def row(self, id):
        text = self.database.one("select heimdex_job_json(j)::text from job j where id = %s", id)
        return json.loads(text)

    def status(self, id):
        return self.database.one("select status::text from job where id = %s", id)

    def events(self, id):
        """(prev, next, detail) in order."""
        return self.database.sql("""select prev_status::text, next_status::text, coalesce(detail_json, '{}') from job_event
                                     where job_id = %s order by ts, id""", id)

    def path(self, id):
        """The statuses it went through."""
        return [next for prev, next, _ in self.events(id) if prev != next]

    def stages(self, id):
        return [detail["stage"] for prev, next, detail in self.events(id) if prev == next and "stage" in detail]

    def result(self, id):
        return self.events(id)[-1][2].get("result")

    def wait(self, ids, statuses=TERMINAL, seconds=30.0):
        """Until all of the jobs are in one of the statuses."""
        ids = [ids] if isinstance(ids, str) else list(ids)
        statuses = [statuses] if isinstance(statuses, str) else list(statuses)

        def arrived():
            left = self.database.sql("""select id::text, status::text, last_error_code from job
                                         where id = any(%s::uuid[]) and not status::text = any(%s)""", ids, statuses)
            assert not left, left[:5]
            return True
        until(arrived, seconds, f"{len(ids)} jobs {'/'.join(statuses)}")

    def wait_for(self, id, condition, seconds=20.0, what=None):
        """Until condition(row) is true; the row."""
        return until(lambda: condition(row := self.row(id)) and row, seconds, what)
