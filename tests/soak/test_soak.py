"""A long run: mixed jobs while random faults come and go, ended by the checker. HX_SOAK_SECONDS and HX_SOAK_SEED say how long and which."""
import json
import os
import random
import time

from checker import handler_log as runs_of
from checker.check import check_database
from support.load import Load
from support.mix import make
from support.wait import until
from support.weather import Weather

SECONDS = int(os.environ.get("HX_SOAK_SECONDS") or 3600)
SEED = os.environ.get("HX_SOAK_SEED") or str(random.SystemRandom().randrange(10**9))
RATE = 100  # jobs a second
LOST_WITH_A_TOPIC = 150.0  # seconds until the sweep, which stays two minutes behind now, has found them


def test_soak(fleet, jobs, kafka, postgres, prefix, migrated, logging_handler, handler_log):
    print(f"\nseed {SEED}, {SECONDS} s", flush=True)
    dice, keys = random.Random(SEED), []
    options = {"workers": 2, "worker": {"lease": "4s"}, "handlers": [{"type": "logged", "exec": [logging_handler, handler_log]}],
               "jobs": {"max_attempts": 50, "max_crashes": 50, "backoff_base": "100ms", "backoff_max": "500ms", "kill_grace": "1s"},
               "supervisor": {"restart_backoff_max": "500ms"}}
    fleets = [fleet(**options), fleet(**options)]
    mix = random.Random(f"{SEED} mix")
    with Load(jobs.binaries, jobs.env, lambda: json.dumps(make(mix, len(keys), keys)), RATE, every=0.5) as load:
        weather = Weather(dice, fleets, postgres, kafka, migrated, f"{prefix}.jobs.default", jobs, lambda: load.acks[-300:])
        weather.blow(time.monotonic() + SECONDS)
    calm = time.monotonic()
    weather.calm()
    open_jobs = "select count(*) from job where status not in ('succeeded', 'canceled', 'dead_letter')"
    until(lambda: migrated.one(open_jobs) == 0, LOST_WITH_A_TOPIC, "all jobs have ended")
    connection = migrated.connect()
    until(lambda: not check_database(connection, idle=True), 30, "nothing is left to do")
    connection.close()
    fleet.check.update(acks=sorted(set(load.acks)), finished=True, handler_log=handler_log, idle=True)

    statuses = dict(migrated.sql("select status::text, count(*) from job group by 1"))
    codes = dict(migrated.sql("select last_error_code, count(*) from job where status = 'dead_letter' group by 1"))
    crashes, = migrated.sql("select coalesce(sum(crash_count), 0), coalesce(sum(attempt), 0) from job")
    print(f"seed {SEED}: {len(set(load.acks))} jobs acknowledged, {len(load.failures)} submitters failed; {statuses}; dead letters: {codes}\n"
          f"{crashes[1]} attempts, {crashes[0]} ended by a crash, {sum(map(len, runs_of.read(handler_log)[0].values()))} handler runs\n"
          f"{sum(weather.counts.values())} faults: {dict(weather.counts.most_common())}\n"
          f"all ended {time.monotonic() - calm:.1f} s after the last of them", flush=True)
    assert set(codes) <= {"mock_permanent"}, codes  # nobody loses its budget to the faults
    assert {code for code, _ in load.failures} <= {69, 75}, load.failures[:3]
