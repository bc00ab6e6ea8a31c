"""--check-config and --show-config of every program, and what daemons check at their start. No server runs here."""
import json
import subprocess

import pytest

pytestmark = pytest.mark.quick

PROGRAMS = ["heimdex-supervisor", "heimdex-worker", "heimdex-scheduler", "heimdex-submit", "heimdexctl", "heimdex-migrate", "heimdex-broker"]
KAFKA = PROGRAMS[:5]  # those that talk to it, and who starts them
DAEMONS = PROGRAMS[:3]

BAD = """worker = { slots = 3; };
kafka = {
  properties = [ "acks=all",
                 "no.such.property=1" ];
};
"""


@pytest.fixture
def config(tmp_path):
    def write(text):
        (tmp_path / "heimdex.conf").write_text(text)
        return tmp_path / "heimdex.conf"
    return write


def refused(done, program, path):
    """It told nothing but what is wrong, in one line; what heimdex-supervisor can't judge itself, its workers' program tells."""
    judge = program if program != "heimdex-supervisor" else "heimdex-worker"
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == f"{judge}: {path}:4: kafka.properties: no.such.property: No such configuration property: \"no.such.property\"\n"


@pytest.mark.parametrize("program", KAFKA)
def test_kafka_properties_are_checked(binaries, config, program):
    path = config(BAD)
    refused(binaries.run(program, "--config", path, "--check-config", check=False), program, path)
    path = config(BAD.replace("no.such.property=1", "compression.codec=lz4"))
    done = binaries.run(program, "--config", path, "--check-config")
    assert (done.stdout, done.stderr) == (f"{program}: configuration ok\n", "")


@pytest.mark.parametrize("program", DAEMONS)
def test_daemons_check_at_their_start(binaries, config, program):
    path = config(BAD)
    refused(binaries.run(program, "--config", path, check=False, stdin=subprocess.DEVNULL), program, path)


@pytest.mark.parametrize("args", [["--check-config"], []])
def test_the_supervisor_without_its_worker(binaries, tmp_path, config, args):
    done = binaries.run("heimdex-supervisor", *args, "--config", config(BAD), "--bin-dir", tmp_path, check=False)
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr == "heimdex-supervisor: kafka.properties: heimdex-worker, which checks them: No such file or directory\n"


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_configuration_as_json(binaries, config, program):
    path = config("postgres = { password = \"hidden-word\"; };\nkafka = { brokers = \"b:1\"; };")
    done = binaries.run(program, "--show-config", "--json", "--config", path, env={"HEIMDEX_WORKER_SLOTS": 5})
    document = json.loads(done.stdout)
    assert done.stderr == "" and "hidden-word" not in done.stdout
    assert document["worker.slots"] == {"value": 5, "source": "environment HEIMDEX_WORKER_SLOTS"}
    assert document["kafka.brokers"] == {"value": "b:1", "source": f"{path}:2"}
    assert document["postgres.password"] == {"value": "***", "source": f"{path}:1"}
    assert document["worker.lease"] == {"value": "15s", "source": "default"} and document["handlers"] == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_users_are_not_echoed(binaries, program):
    done = binaries.run(program, "--check-config", env={"KAFKA_BROKERS": "me:hidden-word@broker"}, check=False)
    assert done.returncode == 78 and "Invalid Kafka brokers: ***@broker (" in done.stderr
    assert "hidden-word" not in done.stderr and "me" not in done.stderr.split("brokers: ")[1].split("(")[0]


def test_what_is_not_served_yet_is_said(binaries, config):
    path = config("""handlers = (
 { type = "hook"; url = "http://127.0.0.1:9/"; } );""")
    done = binaries.run("heimdex-supervisor", "--config", path, "--check-config")
    assert done.stderr.splitlines() == [
        f"heimdex-supervisor: warning: {path}:2: handler hook: url: this version serves no jobs by HTTP; they stay queued"]
