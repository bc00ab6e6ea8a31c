"""The other units, and what all of them have in common."""
import re
from pathlib import Path

import pytest

from support.proxy import Proxy
from support.service import Service, instance
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


# What an instance has in place of what the main fleet has.
OWN = {
    "Description=Heimdex job fleet": ["Description=Heimdex job fleet %i", "AssertPathExists=/etc/heimdex/%i/heimdex.conf"],
    "ExecStart=/usr/bin/heimdex-supervisor": [
        "Environment=HEIMDEX_CONFIG=/etc/heimdex/%i/heimdex.conf", "Environment=HEIMDEX_SERVICE_INSTANCE=%i",
        "Environment=HEIMDEX_SUPERVISOR_CONTROL_SOCKET=%t/heimdex/%i/control", "ExecStart=/usr/bin/heimdex-supervisor"],
    "LoadCredential=pgpassword:heimdex.pgpassword": ["LoadCredential=pgpassword:heimdex.%i.pgpassword"],
    "LoadCredential=kafka-sasl-password:heimdex.kafka-sasl-password": ["LoadCredential=kafka-sasl-password:heimdex.%i.kafka-sasl-password"],
    "LoadCredential=redis-url:heimdex.redis-url": ["LoadCredential=redis-url:heimdex.%i.redis-url"],
    "RuntimeDirectory=heimdex": ["RuntimeDirectory=heimdex/%i"],
    "StateDirectory=heimdex": ["StateDirectory=heimdex/%i"],
    "WorkingDirectory=%S/heimdex": ["WorkingDirectory=%S/heimdex/%i"],
}


def lines_of(unit):
    return [line for line in (ROOT / "systemd" / unit).read_text().splitlines() if line and not line.startswith("#")]


def test_an_instance_differs_by_its_name_alone():
    wanted = [line for of_main in lines_of("heimdex-supervisor.service") for line in OWN.get(of_main, [of_main])]
    assert sorted(lines_of("heimdex-supervisor@.service")) == sorted(wanted)


def test_each_secret_is_a_credential():
    """By the names under which the programs look for them."""
    names = set(re.findall(r'\.secret_name = "([^"]+)"', (ROOT / "lib/config/table.c").read_text()))
    assert {line.partition("=")[2] for line in lines_of("heimdex-supervisor.service") if line.startswith("LoadCredential=")} == {
        f"{name}:heimdex.{name}" for name in names}


# The supervisor's sandbox is its handlers', who may limit themselves, and its workers', who hide credentials from them. The others run no handlers.
WIDER = {"SystemCallFilter=~@privileged", "SystemCallFilter=landlock_create_ruleset landlock_add_rule landlock_restrict_self"}
CLOSER = {"SystemCallFilter=~@privileged @resources", "ProtectControlGroups=yes", "MemoryDenyWriteExecute=yes"}
CLOSED = {"ProcSubset=pid", "IPAddressDeny=any", "IPAddressAllow=localhost"}


def sandbox_of(unit):
    lines = lines_of(unit)
    return set(lines[lines.index("UMask=0077"):lines.index("[Install]")])


def test_a_sandbox_has_all_its_lines():
    """By those of the others: what one has, all have, but for what is named here. Many a line weighs nothing for systemd-analyze."""
    of_main = sandbox_of("heimdex-supervisor.service")
    assert WIDER < of_main
    assert sandbox_of("heimdex-migrate.service") == of_main - WIDER | CLOSER
    assert sandbox_of("heimdex-broker.service") == of_main - WIDER | CLOSER | CLOSED


def default_seconds(key):
    row, = re.findall(rf'^\| {re.escape(key)}(?:\\\*)? \| "(\d+)s" ', (ROOT / "docs/configuration.md").read_text(), re.M)
    return int(row)


def test_what_becomes_of_an_end(machine):
    """Beside what the tests of behaviour see."""
    for unit in "heimdex-supervisor.service", "heimdex-supervisor@media.service":
        assert machine.show(unit, "Restart", "RestartPreventExitStatus", "RestartUSec") == ["on-failure", "78", "1s"], unit
        assert machine.show(unit, "TimeoutStartUSec", "UMask") == ["infinity", "0077"], unit
        minutes = re.fullmatch(r"(?:(\d+)min)? ?(?:(\d+)s)?", machine.show(unit, "TimeoutStopUSec")).groups("0")
        assert 60 * int(minutes[0]) + int(minutes[1]) > default_seconds("supervisor.drain_timeout") + default_seconds("jobs.kill_grace")


def test_the_drop_in_for_handlers_is_valid_in_each_of_its_lines(machine):
    """What is commented out there, line by line; `verify` tells what systemd would ignore."""
    text = next(Path(ROOT).glob("examples/handlers-that-need-more.conf")).read_text()
    settings = [line[1:] for line in text.splitlines() if line.startswith("#") and not line.startswith("# ")]
    assert len(settings) > 10 and "[Service]" in text
    machine.drop_in(UNITS[0], "[Service]\n" + "\n".join(settings) + "\n")
    said = machine.run("systemd-analyze", "verify", "--man=no", UNITS[0], check=False)
    assert (said.stdout, said.stderr) == ("", "")


def test_a_fleet_with_a_user_of_its_own(service, machine, env):
    """Its start takes nothing from the main fleet, and neither does that one's next."""
    media = instance("media", machine, {**env, "HEIMDEX_KAFKA_TOPIC_PREFIX": env["HEIMDEX_KAFKA_TOPIC_PREFIX"] + "m"})
    machine.run("useradd", "--system", "--user-group", "--no-create-home", "media")
    machine.drop_in(media.unit, "[Service]\nUser=media\nGroup=media\nSupplementaryGroups=heimdex\n")
    media.configure(supervisor={"workers": 1}).start()
    machine.run("runuser", "-u", "media", "--", "touch", "/var/lib/heimdex/media/file")
    service.start()

    def owners():
        return machine.run("stat", "-c", "%n %U", "/run/heimdex", "/run/heimdex/control", "/run/heimdex/media/control", "/var/lib/heimdex",
                           "/var/lib/heimdex/media", "/var/lib/heimdex/media/file").stdout.splitlines()
    wanted = ["/run/heimdex heimdex", "/run/heimdex/control heimdex", "/run/heimdex/media/control media", "/var/lib/heimdex heimdex",
              "/var/lib/heimdex/media media", "/var/lib/heimdex/media/file media"]
    assert owners() == wanted
    machine.systemctl("restart", service.unit)
    machine.systemctl("restart", media.unit)
    assert owners() == wanted and (service.active, media.active) == ("active", "active")
    media.stop()
    service.stop()


@pytest.mark.parametrize("name", ["control", "mdia"])
def test_a_name_that_is_no_fleets_starts_nothing(service, machine, name):
    """Not even where it is that of a file of the main fleet's: folders would be made in its place."""
    service.start()
    looks = ["stat", "-c", "%n %F %a %U", "/run/heimdex/control", "/run/heimdex", "/var/lib/heimdex"]
    before = machine.run(*looks).stdout
    assert "Assertion failed" in machine.systemctl("start", f"heimdex-supervisor@{name}", check=False).stderr
    assert machine.run(*looks).stdout == before and machine.run("test", "-e", f"/var/lib/heimdex/{name}", check=False).returncode == 1
    service.stop()


def test_two_fleets_on_a_host(service, machine, env, postgres, template, jobs):
    """Each with a configuration, a socket, a folder and a password of its own; what happens to one is none of the other's business."""
    other = postgres.create("t_media_" + env["PGDATABASE"][-6:], template=template.name)
    media = instance("media", machine, {**env, "PGDATABASE": other.name, "HEIMDEX_KAFKA_TOPIC_PREFIX": env["HEIMDEX_KAFKA_TOPIC_PREFIX"] + "m"})
    try:
        service.start()
        media.configure(supervisor={"workers": 1}).start()
        finds = lambda words, **env: until(lambda: words in media.ctl("doctor", check=False, **env).stdout, what=f"doctor says: {words}")
        finds("1 worker, ", HEIMDEX_SUPERVISOR_CONTROL_SOCKET=media.socket)
        finds("2 workers, ")  # of the main fleet
        media.configure(supervisor={"control_socket": media.socket})
        finds("1 worker, ")
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
    migrating.wait_message("heimdex-migrate upgrade head")


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
        until(lambda: any("Running upgrade" in line for line in machine.messages("heimdex-migrate.service")), what="what it did is in the journal")
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
