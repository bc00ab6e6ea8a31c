"""heimdexctl events, and its --follow."""
import json
import re
import signal
import subprocess

import pytest

from support.ctl import NO_SUCH, ask, ctl, settle, submit  # noqa: F401


def test_events_are_the_newest_oldest_first(ask, ctl, migrated):
    migrated.sql("""insert into job_event (job_id, ts, next_status)
        select gen_random_uuid(), now() - interval '2 days' + i * interval '1 us', 'queued' from generate_series(1, 3000) i""")
    migrated.sql("""insert into job_event (job_id, ts, next_status) select gen_random_uuid(), now() - interval '1 day', 'queued'
        from generate_series(1, 500)""")
    job = submit(migrated)
    for n in (1, 2, 400, 1000, 3501):
        wanted = migrated.sql("select id::text from (select * from job_event order by ts desc, id desc limit %s) e order by ts, id", n)
        assert [event["id"] for event in ask("events", "--limit", n)] == [row[0] for row in wanted]
    assert len(ask("events")) == 100
    assert [event["job_id"] for event in ask("events", "--job", job)] == [job]
    assert re.fullmatch(rf"\S+Z  {job}  queued\n", ctl("events", "--limit", 1).stdout)
    nothing = ctl("events", "--job", NO_SUCH, "--json")
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (1, "[]\n", "heimdexctl: events: none\n")


@pytest.fixture
def follower(binaries, migrated):
    made = []

    def start(*args):
        made.append(binaries.popen("heimdexctl", "events", "--follow", *args, env=migrated.env, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True))
        return made[-1]

    yield start
    for one in made:
        one.kill()
        one.wait()
        one.stdout.close()
        one.stderr.close()


def test_follow_shows_each_event_once(follower, migrated):
    before = [submit(migrated) for _ in range(3)]
    follow = follower("--json", "--limit", "2")
    line = lambda: json.loads(follow.stdout.readline())
    assert [line()["job_id"] for _ in range(2)] == before[1:]
    after = [submit(migrated) for _ in range(3)]
    assert [line()["job_id"] for _ in after] == after
    late = migrated.one("""insert into job_event (job_id, ts, next_status) values (gen_random_uuid(), clock_timestamp() - interval '1 s',
        'queued') returning job_id::text""")
    last = submit(migrated)
    assert [line()["job_id"], line()["job_id"]] == [late, last]
    follow.send_signal(signal.SIGINT)
    assert follow.communicate(timeout=10) == ("", "")
    assert follow.returncode == 0


def test_follow_ends_with_its_reader(follower, migrated):
    submit(migrated)
    follow = follower()
    follow.stdout.readline()
    follow.stdout.close()
    assert follow.wait(10) == 0


def test_follow_survives_a_lost_connection(follower, migrated):
    job = submit(migrated)
    follow = follower("--job", job)
    assert "queued" in follow.stdout.readline()
    migrated.sql("""select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'heimdexctl' and datname = current_database()""")
    settle(migrated, job, "running")
    assert "queued -> running" in follow.stdout.readline()
    follow.terminate()
    assert follow.wait(10) == 0
