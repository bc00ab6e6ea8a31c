"""--check-config and --show-config of every program. No server runs here."""
import json

import pytest

pytestmark = pytest.mark.quick

PROGRAMS = ["heimdex-supervisor", "heimdex-worker", "heimdex-scheduler", "heimdex-submit", "heimdexctl", "heimdex-migrate", "heimdex-broker"]
KAFKA = PROGRAMS[:5]  # those that talk to it, and who starts them

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


@pytest.mark.parametrize("program", KAFKA)
def test_kafka_properties_are_checked(binaries, config, program):
    path = config(BAD)
    done = binaries.run(program, "--config", path, "--check-config", check=False)
    judge = program if program != "heimdex-supervisor" else "heimdex-worker"
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == f"{judge}: {path}:4: kafka.properties: no.such.property: No such configuration property: \"no.such.property\"\n"
    path = config(BAD.replace("no.such.property=1", "compression.codec=lz4"))
    done = binaries.run(program, "--config", path, "--check-config")
    assert (done.stdout, done.stderr) == (f"{program}: configuration ok\n", "")


def test_the_supervisor_without_its_worker(binaries, tmp_path):
    done = binaries.run("heimdex-supervisor", "--check-config", "--bin-dir", tmp_path, check=False)
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr == "heimdex-supervisor: --check-config: heimdex-worker: No such file or directory\n"


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
