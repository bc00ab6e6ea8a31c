"""What a service does that finds another schema than its own: it refuses, and says which command to run; in development it may be told to
run that itself."""
import signal
import subprocess

import pytest

from support.wait import until

CONFIG = """service : {{ instance = "{name}"; environment = "{environment}"; }};
supervisor : {{ workers = 1; control_socket = "{socket}"; }};
log : {{ format = "text"; }};
"""


@pytest.fixture
def supervisor(binaries, database, tmp_path):
    """Starts a supervisor: supervisor("--migrate", environment="dev")."""
    started = []

    def start(*args, environment="local", **env):
        config = tmp_path / "heimdex.conf"
        config.write_text(CONFIG.format(name=database.name, environment=environment, socket=f"/tmp/hx-{database.name}.sock"))
        # Whether there is a Kafka doesn't matter to any of this.
        process = binaries.popen("heimdex-supervisor", "--config", config, *args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True, env={**database.env, "KAFKA_BROKERS": "127.0.0.1:1", **env})
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def refused(process, code):
    log = process.communicate(timeout=60)[1]
    assert process.returncode == code, log
    return log


@pytest.mark.parametrize("environment", ["local", "production"])
def test_no_schema(supervisor, environment, migrate):
    assert "heimdex-migrate upgrade head" in refused(supervisor(environment=environment), 78)
    assert migrate.tables() == []


def test_an_older_schema(supervisor, migrate):
    migrate("upgrade", "+2")
    assert "at 3af4686817cc, this version needs" in refused(supervisor(), 78)


def test_a_newer_schema(supervisor, migrate):
    migrate("upgrade", "head")
    migrate.database.sql("update alembic_version set version_num = 'ffff00000000'")
    log = refused(supervisor(), 78)
    assert "at ffff00000000, which this version doesn't know" in log and "heimdex-migrate downgrade" in log


def test_told_to_migrate(supervisor, migrate):
    process = supervisor("--migrate")
    head = migrate("heads").stdout.split()[0]
    until(lambda: migrate.version() == head)
    until(lambda: migrate.database.one("select count(*) from worker") == 1)
    process.send_signal(signal.SIGTERM)
    assert "Running upgrade  -> 001_job_ledger_init" in refused(process, 0)


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_never_where_it_matters(supervisor, migrate, environment):
    log = refused(supervisor("--migrate", environment=environment), 78)
    assert f"--migrate: service.environment is {environment}" in log and log.count("\n") == 1
    assert migrate.tables() == []


def test_what_the_migration_says_is_what_the_supervisor_says(supervisor):
    log = refused(supervisor("--migrate", PGPASSWORD="wrong"), 77)
    assert "28P01" in log and "wrong" not in log.replace("28P01", "")
