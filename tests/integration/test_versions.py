"""Two releases side by side, and what becomes of the older one when the schema goes on. Each test ends with the checker."""
import json
import os
import shutil
import signal

import pytest

from support.handlers import QUICK_RETRIES, sh
from support.load import Load
from support.servers import ROOT
from support.versions import another_version, version_of
from support.wait import until

EX_CONFIG = 78
OLDER, NEWER, NEXT = "0.0.1", "9.9.9", "eeee00000001"
OPTIONS = {"handlers": [sh("quick", "exit 0")], "supervisor": {"restart_backoff_max": "500ms"}, "jobs": QUICK_RETRIES}


@pytest.fixture
def load(binaries, env):
    lines = [json.dumps({"type": "mock_process", "payload": {"duration_ms": 20}}), json.dumps({"type": "quick"})]
    turn = iter(range(10**9))
    return Load(binaries, env, lambda: lines[next(turn) % 2], rate=100)


def works(migrated, one):
    """Until some of its workers, as they are now, have ended a job more each."""
    pattern = f"%/{one.sections['service']['instance']}/%"
    since = migrated.one("select now()")
    until(lambda: migrated.one("""select exists (select from job_event where next_status = 'succeeded' and ts > %s and detail_json ->> 'worker' like %s)""",
                               since, pattern), 30, "it ends jobs")


def finish(fleet, jobs, load):
    fleet.check.update(acks=load.acks, finished=True)
    assert not load.failures
    jobs.wait(load.acks, "succeeded", seconds=60)


@pytest.fixture
def upgrade(binaries, migrated, tmp_path):
    """Applies, or takes back, a revision behind the head, as the next release's heimdex-migrate does."""
    chain = tmp_path / "chain"
    shutil.copytree(ROOT / "migrations" / "versions", chain)
    head = binaries.migrate("heads", env=migrated.env).stdout.split()[0]
    (chain / f"{NEXT}_more.sql").write_text(f"-- revision: {NEXT}\n-- down_revision: {head}\n-- message: one column more\n\n-- upgrade\n"
                                            "alter table job add column colour text;\n-- downgrade\nalter table job drop column colour;\n")

    def run(command="upgrade", to="head"):
        binaries.migrate("--chain", chain, command, to, env=migrated.env)
    run.head = head
    return run


def test_two_releases_share_a_schema(fleet, jobs, load, binaries, migrated, tmp_path):
    """Each does its part, each settles deaths of the other, and one becomes the other by a restart."""
    older = another_version(binaries, tmp_path / "older", OLDER)
    one, two = fleet(**OPTIONS), fleet(binaries=older, **OPTIONS)
    with load:
        assert {version for version, in migrated.sql("select distinct version from worker")} == {version_of(binaries), OLDER}
        for each in (one, two):
            works(migrated, each)
            each.kill_worker()
        for each in (one, two):
            until(lambda: each.events("child.died") and len([c for c in each.children("worker") if c["ready"]]) == 2, what="it is whole again")
            works(migrated, each)
        assert two.stop() == 0
        two.binaries = binaries
        two.start()
        works(migrated, two)
        assert {version for version, in migrated.sql("select distinct version from worker where not dead")} == {version_of(binaries)}
    finish(fleet, jobs, load)


def test_a_schema_that_goes_on_under_an_older_fleet(fleet, jobs, load, migrated, upgrade):
    """Its workers go on with it; ones that are started later don't begin, the fleet stays, and is whole again when the schema is its own."""
    one = fleet(**OPTIONS)
    with load:
        works(migrated, one)
        upgrade()
        works(migrated, one)
        one.kill_worker(0)
        until(lambda: [d for d in one.events("child.died") if d["death"].get("exit") == EX_CONFIG], what="the next one refuses to begin")
        refusal = [d for d in one.events("child.died") if d["death"].get("exit") == EX_CONFIG][0]["message"]
        assert f"the database's schema is at {NEXT}, which this version doesn't know, it needs {upgrade.head}" in refusal
        works(migrated, one)
        said = one.change(worker={"slots": 3}).reload(EX_CONFIG)  # no worker can be started with any configuration now
        assert f"can't work with it: the database's schema is at {NEXT}" in said
        works(migrated, one)
        other = fleet(start=False, **OPTIONS).start(wait=False)
        assert other.process.wait(20) == EX_CONFIG and NEXT in other.log()
        upgrade("downgrade", "-1")
        until(lambda: len([c for c in one.children("worker") if c["ready"]]) == 2, what="it is whole again")
        assert one.reload().startswith("reloaded: worker.slots")
        works(migrated, one)
    finish(fleet, jobs, load)


def test_a_rolling_upgrade(fleet, jobs, load, binaries, migrated, upgrade, tmp_path):
    """The schema first, under full load of the old release; then host by host."""
    newer = another_version(binaries, tmp_path / "newer", NEWER, (upgrade.head, NEXT))
    hosts = [fleet(**OPTIONS), fleet(**OPTIONS)]
    with load:
        for host in hosts:
            works(migrated, host)
        upgrade()
        for host in hosts:
            works(migrated, host)
        for host in hosts:
            assert host.stop() == 0
            host.binaries = newer
            host.start()
            for each in hosts:
                works(migrated, each)
        assert {version for version, in migrated.sql("select distinct version from worker where not dead")} == {NEWER}
    finish(fleet, jobs, load)
    assert not [d for host in hosts for d in host.events("child.died") if d["death"].get("exit") != 0]
    for host in hosts:
        assert host.stop() == 0
    upgrade("downgrade", "-1")


def test_programs_that_were_replaced_under_a_running_fleet(fleet, jobs, load, binaries, migrated, tmp_path):
    """What runs goes on; the next worker is another release's, whom this supervisor can't tell its configuration: it says so, here and to
    whoever reloads, until it is restarted."""
    older = another_version(binaries, tmp_path / "bin", OLDER)
    one = fleet(binaries=older, **OPTIONS)
    version = version_of(binaries)
    why = f"written by version {OLDER}, this is {version}"
    with load:
        works(migrated, one)
        another_version(binaries, tmp_path / "bin", version)
        works(migrated, one)
        said = one.change(worker={"slots": 3}).reload(EX_CONFIG)
        assert "can't work with it" in said and why in said
        one.kill_worker(0)
        until(lambda: [d for d in one.events("child.died") if why in d["message"]], what="the next one is another release's")
        works(migrated, one)
        os.kill(one.process.pid, signal.SIGTERM)
        assert one.process.wait(15) == 0
        one.start()
        works(migrated, one)
        assert {v for v, in migrated.sql("select distinct version from worker where not dead")} == {version}
    finish(fleet, jobs, load)
