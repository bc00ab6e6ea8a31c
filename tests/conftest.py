"""Fixtures of the integration tests: a private PostgreSQL and a real Kafka for the session; a database, a topic prefix and
fleets for each test, which end with the invariant checker. Nothing sleeps for a time: `until` waits for a condition. A run ends with its
figures, which go to the end of the file HX_FIGURES too."""
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from support import figures  # noqa: E402
from support.binaries import Binaries  # noqa: E402
from support.fleet import Fleet  # noqa: E402
from support.jobs import Jobs  # noqa: E402
from support.migrations import Chain, Migrate  # noqa: E402
from support.servers import Kafka, Postgres  # noqa: E402

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and so would all that we start

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config):
    config.addinivalue_line("markers", "quick: part of `make check`, which is to take less than two minutes")
    config.addinivalue_line("markers", "slow: not part of it, though the rest of its module is")
    config.addinivalue_line("markers", "asan: also run with the sanitizer build")
    config.addinivalue_line("markers", "failpoints: needs a build with failure points; not run with the release")
    config.addinivalue_line("markers", "release: not with sanitizers")
    config.addinivalue_line("markers", "sweep: takes long, for make sweep")
    config.addinivalue_line("markers", "unchecked: the test breaks invariants on purpose")


@pytest.fixture(scope="session")
def workdir():
    path = ROOT / "build" / "tests" / str(os.getpid())
    path.mkdir(parents=True, exist_ok=True)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def binaries():
    return Binaries(os.environ.get("HEIMDEX_BIN", str(ROOT / "build" / "bin")))


@pytest.fixture(scope="session")
def postgres(workdir):
    server = Postgres(workdir / "pg")
    yield server
    server.delete()


@pytest.fixture(scope="session")
def kafka_server(workdir):
    server = Kafka(workdir / "kafka")
    yield server
    server.delete()


@pytest.fixture
def kafka(kafka_server):
    kafka_server.ensure_running()
    return kafka_server


@pytest.fixture(scope="session")
def template(postgres, binaries):
    """A migrated database that the tests' own are copied from."""
    database = postgres.create("template_" + uuid.uuid4().hex[:8])
    binaries.migrate("upgrade", "head", env=database.env)
    return database


@pytest.fixture
def database(postgres):
    made = postgres.create("t_" + uuid.uuid4().hex[:12])
    yield made
    made.drop()


@pytest.fixture
def migrated(postgres, template):
    made = postgres.create("t_" + uuid.uuid4().hex[:12], template=template.name)
    yield made
    made.drop()


@pytest.fixture
def migrate(binaries, database):
    """heimdex-migrate on an empty database: migrate("upgrade", "head")."""
    return Migrate(binaries, database)


@pytest.fixture
def chain(tmp_path):
    """A chain of the test's own."""
    return Chain(tmp_path / "chain")


@pytest.fixture
def apply(migrate, chain):
    """heimdex-migrate on the test's own chain: apply() is upgrade head."""
    def run(*args, **options):
        return migrate(*(args or ("upgrade", "head")), "--chain", chain.directory, **options)
    return run


@pytest.fixture
def prefix():
    return "t" + uuid.uuid4().hex[:10]


@pytest.fixture
def env(migrated, kafka, prefix):
    """The environment of every program in a test: this test's database and topics."""
    return {**migrated.env, "KAFKA_BROKERS": kafka.brokers, "HEIMDEX_KAFKA_TOPIC_PREFIX": prefix}


@pytest.fixture
def jobs(binaries, migrated, env):
    return Jobs(binaries, migrated, env)


@pytest.fixture(scope="session")
def logging_handler(workdir):
    """The program tests/handlers/logging-handler.c."""
    program = workdir / "logging-handler"
    subprocess.run(["cc", "-O1", "-o", program, ROOT / "tests" / "handlers" / "logging-handler.c"], check=True)
    return program


@pytest.fixture
def handler_log(logging_handler, tmp_path):
    """What its runs in this test write down. As a handler: exec=[logging_handler, handler_log]."""
    return tmp_path / "handlers.log"


@pytest.fixture
def fleet(request, tmp_path, binaries, migrated, env):
    """Makes fleets: fleet(workers=2, handlers=[…], worker={"lease": "3s"}) starts a supervisor and waits until it is ready. Two
    calls are two instances; binaries: other programs. At the end each is stopped, and the checker looks at what they left, with what a test put into
    fleet.check: acks, finished, handler_log …"""
    made = []

    def make(**options):
        one = Fleet(options.pop("binaries", binaries), tmp_path / f"fleet{len(made)}", {**env, **options.pop("env", {})}, **options)
        made.append(one)
        return one

    make.check = {}
    yield make
    failures = [str(problem) for one in made for problem in one.finish()]
    figures.counts.update({"processes killed": sum(one.killed() for one in made), "faults": 0})
    failures += [f"{one.directory.name}: {line}" for one in made for line in re.findall(".*(?:Sanitizer:|runtime error:).*", one.log())]
    if not request.node.get_closest_marker("unchecked"):
        from checker.check import check_database
        if all(one.exit_code == 0 for one in made):
            make.check.setdefault("stopped", True)
        connection = migrated.connect()
        violations = check_database(connection, **make.check)
        connection.close()
        figures.counts.update({"databases checked": 1, "violations": len(violations)})
        failures += violations
    if failures or getattr(request.node, "failed", False):
        for one in made:
            print(f"--- {one.log_path}\n" + one.log()[-20000:])
    assert not failures, "\n".join(failures)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if outcome.get_result().failed:
        item.failed = True


@pytest.fixture
def figure(request):
    """figure("a host vanished", seconds, 8): a time that the run ends with, beside what is wanted on a quiet machine. It must be below that; or
    below bound, where a busy machine would make it more."""
    def record(what, seconds, wanted, bound=None):
        line = figures.timed(what, seconds, wanted)
        request.node.user_properties.append(("figure", line))
        assert seconds < (bound or wanted), line
    return record


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    yield
    item.user_properties += figures.taken().items()


def _section(terminalreporter, title, lines):
    if lines:
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)


def pytest_terminal_summary(terminalreporter):
    """What tests that passed have measured, which they print, and the figures."""
    passed = [report for report in terminalreporter.stats.get("passed", []) if report.when == "call"]
    _section(terminalreporter, "measured", [line for report in passed for line in report.capstdout.splitlines() if line.strip()])
    ended = [report for reports in terminalreporter.stats.values() for report in reports if getattr(report, "when", None) == "teardown"]
    lines = figures.lines([each for report in ended for each in report.user_properties])
    _section(terminalreporter, "figures", lines)
    if "HX_FIGURES" in os.environ and not hasattr(terminalreporter.config, "workerinput"):  # once, not in each of several processes
        with open(os.environ["HX_FIGURES"], "a") as file:
            file.writelines(f"{line}\n" for line in lines)
