"""The other units, and what all of them have in common."""
import difflib
from pathlib import Path

import pytest

from support.proxy import Proxy
from support.service import Service
from support.servers import ROOT
from support.wait import until

UNITS = ["heimdex-supervisor.service", "heimdex-supervisor@media.service", "heimdex-migrate.service", "heimdex-broker.service"]


def test_they_are_valid_and_hardened(machine):
    said = machine.run("systemd-analyze", "verify", "--man=no", *UNITS, "heimdex.slice", check=False)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    for unit in UNITS:
        machine.run("systemd-analyze", "security", "--threshold=15", unit)  # fails above 1.5


def test_what_nobody_enabled_does_not_run(machine):
    enabled = {unit: machine.systemctl("is-enabled", unit, check=False).stdout.strip() for unit in UNITS if "@" not in unit}
    assert set(enabled.values()) == {"disabled"}, enabled
    assert machine.systemctl("list-units", "--no-legend", "heimdex*").stdout == ""
    assert machine.systemctl("is-system-running", "--wait").stdout.strip() == "running"


def test_an_instance_differs_by_its_name_alone():
    texts = [(ROOT / "systemd" / name).read_text().splitlines() for name in ("heimdex-supervisor.service", "heimdex-supervisor@.service")]
    added = [line[2:] for line in difflib.ndiff(*texts) if line.startswith("+ ")]
    assert added and all("%i" in line or (line.startswith("#") and "NAME" in line) for line in added), added


def test_the_drop_in_for_handlers_is_valid_in_each_of_its_lines(machine):
    """What is commented out there, line by line; `verify` tells what systemd would ignore."""
    text = next(Path(ROOT).glob("examples/handlers-that-need-more.conf")).read_text()
    settings = [line[1:] for line in text.splitlines() if line.startswith("#") and not line.startswith("# ")]
    assert len(settings) > 10 and "[Service]" in text
    machine.drop_in(UNITS[0], "[Service]\n" + "\n".join(settings) + "\n")
    said = machine.run("systemd-analyze", "verify", "--man=no", UNITS[0], check=False)
    assert (said.stdout, said.stderr) == ("", "")


def test_two_fleets_on_a_host(service, machine, env, postgres, template, jobs):
    """Each with a configuration, a socket, a folder and a password of its own; what happens to one is none of the other's business."""
    other = postgres.create("t_media_" + env["PGDATABASE"][-6:], template=template.name)
    media = Service(machine, {**env, "PGDATABASE": other.name, "HEIMDEX_KAFKA_TOPIC_PREFIX": env["HEIMDEX_KAFKA_TOPIC_PREFIX"] + "m"},
                    unit="heimdex-supervisor@media.service", config="/etc/heimdex/media/heimdex.conf", credential="heimdex.media.pgpassword",
                    socket="/run/heimdex/media/control")
    try:
        service.start()
        media.configure(supervisor={"workers": 1}).start()
        assert "1 worker, " in media.ctl("doctor", HEIMDEX_SUPERVISOR_CONTROL_SOCKET=media.socket, check=False).stdout
        assert "2 workers, " in media.ctl("doctor", check=False).stdout  # of the main fleet
        media.configure(supervisor={"control_socket": media.socket})
        assert "1 worker, " in media.ctl("doctor", check=False).stdout
        assert media.ask(op="status")["instance"] == "media" and service.ask(op="status")["instance"] == "main"
        assert (media.show("Slice"), service.show("Slice")) == ("heimdex.slice", "heimdex.slice")
        machine.systemctl("reload", media.unit)
        assert media.ctl("reload").stdout == "reloaded: nothing has changed\n"
        machine.kill(media.pid)
        until(lambda: media.restarts == 1 and media.active == "active", what="its restart")
        assert service.restarts == 0
        media.stop()
        jobs.wait(jobs.submit("mock_process"), "succeeded")
        service.stop()
    finally:
        machine.off()
        other.drop()


@pytest.fixture
def migrating(machine, env, database):
    """The fleet on an empty database, with heimdex-migrate.service asked for."""
    machine.systemctl("enable", "heimdex-migrate.service")
    return Service(machine, {**env, "PGDATABASE": database.name}).configure()


def test_without_a_schema_it_says_what_to_do(migrating, machine):
    machine.systemctl("disable", "heimdex-migrate.service")
    assert machine.systemctl("start", migrating.unit, check=False).returncode != 0
    assert migrating.show("ActiveState", "ExecMainStatus", "NRestarts") == ["failed", "78", "0"]
    assert any("heimdex-migrate upgrade head" in line for line in migrating.messages())


def test_the_schema_is_made_before_the_fleet_starts(migrating, machine, env, database):
    """Also where PostgreSQL comes late."""
    proxy = Proxy((env["PGHOST"], env["PGPORT"]))
    with proxy:
        proxy.refusing = True
        migrating.configure(postgres={"port": proxy.port}).start_no_block()
        until(lambda: any("trying again" in line for line in machine.messages("heimdex-migrate.service")), what="it waits")
        assert machine.show("heimdex-migrate.service", "ActiveState") == "activating" and migrating.active == "inactive"
        proxy.refusing = False
        migrating.wait_active()
        assert any("Running upgrade" in line for line in machine.messages("heimdex-migrate.service"))
        migrating.stop()
        migrating.start()  # nothing to do this time
        machine.off()


def test_the_embedded_broker(machine):
    machine.write("/etc/systemd/system/heimdex-broker.service.d/port.conf", "[Service]\nEnvironment=HEIMDEX_KAFKA_PORT=0\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("start", "heimdex-broker.service")
    assert machine.show("heimdex-broker.service", "ActiveState", "StatusText") == ["active", "for development only: everything is kept in memory"]
    assert list(machine.processes("heimdex-broker.service").values()) == ["heimdex-broker"]
    machine.systemctl("stop", "heimdex-broker.service")
    assert machine.show("heimdex-broker.service", "Result", "ExecMainStatus") == ["success", "0"]
