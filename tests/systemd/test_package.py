"""The package on a machine: installed, upgraded under load, removed, purged."""
import subprocess

import pytest

from support.load import Load
from support.service import Service, instance
from support.wait import until

PACKAGE = "/var/cache/heimdex/heimdex.deb"
NEWER = "/var/cache/heimdex/newer.deb"
# What an installation may change for good: logs, caches, dpkg's own books and what systemd makes of itself.
OTHERS = ("/var/log", "/var/cache", "/var/lib/dpkg", "/var/lib/systemd", "/var/lib/apt", "/tmp", "/var/tmp", "/etc/passwd-", "/etc/group-",
          "/etc/shadow-", "/etc/gshadow-", "/etc/.pwd.lock", "/etc/.updated", "/var/.updated", "/root")


@pytest.fixture
def bare(boot, package):
    """A machine on which nothing of Heimdex was ever installed."""
    return boot(package)


@pytest.fixture(scope="session")
def newer(package, tmp_path_factory):
    """A layer with the same package under a higher version."""
    folder = tmp_path_factory.mktemp("newer")
    tree = folder / "tree"
    subprocess.run(["dpkg-deb", "-R", f"{package}{PACKAGE}", tree], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text("".join(f"Version: {line.split()[1]}+newer\n" if line.startswith("Version:") else line
                               for line in control.read_text().splitlines(True)))
    layer = folder / "layer"
    (layer / "var/cache/heimdex").mkdir(parents=True)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, f"{layer}{NEWER}"], check=True, capture_output=True)
    return layer


def files(machine):
    found = machine.run("find", "/", "-xdev", "-not", "-type", "d", "-printf", "%p %u:%g %m\n", "-o", "-type", "d", "-printf", "%p/ %u:%g %m\n").stdout
    return {line for line in found.splitlines() if not line.startswith(OTHERS)}


def users(machine):
    return [machine.run("getent", kind, "heimdex", check=False).stdout for kind in ("passwd", "group")]


def test_a_first_installation_and_what_it_says_to_do(bare, env, database, postgres):
    said = bare.run("dpkg", "--install", PACKAGE)
    assert "not started, because it needs a database first" in said.stdout + said.stderr
    assert bare.systemctl("list-units", "--no-legend", "heimdex*").stdout == ""
    assert all(users(bare))
    assert bare.run("stat", "-c", "%U:%G %a", "/etc/heimdex/heimdex.conf").stdout == "root:heimdex 640\n"
    assert bare.run("stat", "-c", "%U:%G %a", "/run/heimdex").stdout == "heimdex:heimdex 755\n"
    service = Service(bare, {**env, "PGDATABASE": database.name}).configure()
    assert bare.systemctl("start", service.unit, check=False).returncode != 0
    service.wait_message("heimdex-migrate upgrade head")
    bare.run("runuser", "-u", "heimdex", "--", "env", f"PGPASSWORD={env['PGPASSWORD']}", "heimdex-migrate", "upgrade", "head")
    bare.systemctl("enable", "--now", service.unit)
    service.submit("mock_process", "--wait", "30s")
    service.stop()


def test_an_upgrade_under_load(boot, machine_layers, newer, env, jobs, binaries, migrated):
    """No job is lost, none needs a second attempt, and what the administrator wrote stays."""
    machine = boot(*machine_layers, newer)
    service = Service(machine, env)
    service.configure(handlers=[{"type": "short", "exec": ["/bin/sleep", "0.3"]}], supervisor={"drain_timeout": "30s"}).start()
    before, text = service.pid, machine.read(service.config)
    with Load(binaries, env, '{"type": "mock_process"}') as load:
        long = [jobs.submit("short") for _ in range(20)]
        jobs.wait(long[0], ("running", "succeeded"))
        machine.run("dpkg", "--install", NEWER)
        assert service.active == "active" and service.pid != before
        counted = len(load.acks)
        until(lambda: len(load.acks) > counted, what="load afterwards")
    jobs.wait(long + load.acks, "succeeded", seconds=60)
    assert not load.failures
    assert migrated.sql("select id, attempt from job where attempt <> 1") == []
    assert (service.restarts, machine.read(service.config)) == (0, text)
    service.stop()
    assert not service.processes()


def test_an_upgrade_that_needs_another_schema(boot, machine_layers, newer, env, jobs, binaries, migrated):
    """The fleet isn't ended by new programs that can't work with the schema, though its password is in the credstore alone. Where each of its starts
    brings the schema along, it is restarted."""
    machine = boot(*machine_layers, newer)
    service = Service(machine, env).configure().start()
    head, before = migrated.one("select version_num from alembic_version"), service.pid
    binaries.migrate("downgrade", "-1", env=env)  # the new programs' schema is one ahead
    asked = machine.run("runuser", "-u", "heimdex", "--", "heimdex-migrate", "current", check=False)
    assert asked.returncode != 0 and "password" in asked.stderr
    said = machine.run("dpkg", "--install", NEWER).stderr
    assert f"{service.unit} is not restarted: its schema is another version's: heimdex-migrate upgrade head" in said
    assert (service.active, service.pid) == ("active", before)
    machine.systemctl("enable", "heimdex-migrate.service")
    said = machine.run("dpkg", "--install", NEWER).stderr
    assert "not restarted" not in said and "not ready" not in said
    assert service.active == "active" and service.pid != before
    assert migrated.one("select version_num from alembic_version") == head
    jobs.wait(jobs.submit("mock_process"), "succeeded")
    service.stop()


def test_an_upgrade_to_programs_that_do_not_know_the_schema(boot, machine_layers, newer, env, migrated):
    """Such as an older version's. They are asked in the unit's environment: what its drop-ins say, and over that its EnvironmentFile=."""
    machine = boot(*machine_layers, newer)
    service = Service(machine, env).configure(postgres={"dbname": "elsewhere"})
    machine.write("/etc/default/heimdex", f"# a comment\nPGDATABASE='{env['PGDATABASE']}'\n")
    machine.drop_in(service.unit, "[Service]\nEnvironment=PGDATABASE=nowhere \"ALSO=some 'words', $HOME\"\n"
                                  "EnvironmentFile=-/etc/default/not-there\nEnvironmentFile=/etc/default/heimdex\n")
    service.start()
    before = service.pid
    migrated.sql("update alembic_version set version_num = 'ffffffffffff'")
    said = machine.run("dpkg", "--install", NEWER).stderr
    assert f"{service.unit} is not restarted: its schema is one that this version doesn't know" in said
    assert (service.active, service.pid) == ("active", before)
    service.stop()


def test_an_upgrade_asks_by_the_file_that_the_unit_names(boot, machine_layers, newer, env):
    """Not by the one that it doesn't read."""
    machine, other = boot(*machine_layers, newer), "/etc/heimdex/other.conf"
    service = Service(machine, env).configure()
    text = machine.read(service.config)
    machine.write(other, text, mode="0640", owner="root:heimdex")
    machine.write(service.config, "no configuration\n", mode="0640", owner="root:heimdex")
    machine.drop_in(service.unit, f"[Service]\nExecStart=\nExecStart=/usr/bin/heimdex-supervisor --config {other}\nEnvironment=PATH=/opt/bin command=x unit=y\n")
    before = service.start().pid
    machine.write(other, "nonsense = 1;\n" + text, mode="0640", owner="root:heimdex")
    said = machine.run("dpkg", "--install", NEWER).stderr
    assert f"{service.unit} is not restarted: heimdex-supervisor: {other}:1: nonsense" in said and service.pid == before
    machine.write(other, text, mode="0640", owner="root:heimdex")
    said = machine.run("dpkg", "--install", NEWER).stderr
    assert "not restarted" not in said and service.active == "active" and service.pid != before
    service.stop()


def test_an_upgrade_of_a_fleet_that_is_stopped_leaves_it_stopped(boot, machine_layers, newer):
    machine = boot(*machine_layers, newer)
    machine.run("dpkg-statoverride", "--update", "--add", "root", "root", "0600", "/etc/heimdex/heimdex.conf")  # the administrator's choice, which stays
    machine.run("dpkg", "--install", NEWER)
    assert machine.systemctl("list-units", "--no-legend", "heimdex*").stdout == ""
    assert machine.run("stat", "-c", "%U:%G %a", "/etc/heimdex/heimdex.conf").stdout == "root:root 600\n"
    assert machine.show("heimdex-supervisor.service", "NeedDaemonReload") == "no"


def test_an_upgrade_and_a_removal_mean_each_instance(boot, machine_layers, newer, env, jobs, migrated):
    machine = boot(*machine_layers, newer)
    fleets = [Service(machine, env), instance("media", machine, env)]
    for one in fleets:
        one.configure(handlers=[{"type": "short", "exec": ["/bin/sleep", "0.5"]}], supervisor={"workers": 1}).start()
    before = [one.pid for one in fleets]
    machine.run("dpkg", "--install", NEWER)
    assert [one.active for one in fleets] == ["active"] * 2 and not set(before) & {one.pid for one in fleets}
    ids = []
    until(lambda: ids.append(jobs.submit("short")) or migrated.one("select count(distinct worker) from claim") == 2, 60, "both run some")
    machine.run("dpkg", "--remove", "heimdex")
    assert migrated.sql("select from worker where not dead") == [] and migrated.sql("select from job where attempt > 1 or status = 'running'") == []
    assert {jobs.status(id) for id in ids} <= {"succeeded", "queued"}  # what had not begun waits for another fleet
    assert not any(one.processes() for one in fleets)


def test_a_purge_leaves_nothing(bare, env, migrated, jobs):
    before = files(bare)
    bare.run("dpkg", "--install", PACKAGE)
    service = Service(bare, env)
    service.configure(handlers=[{"type": "writes", "exec": ["/bin/sh", "-c", "echo x >file; sleep 0.5"]}])
    bare.systemctl("enable", "--now", service.unit)
    failed = instance("media", bare, env).configure(supervisor={"workers": -1})
    bare.systemctl("enable", failed.unit)
    bare.systemctl("start", failed.unit, check=False)
    assert failed.active == "failed"
    id = jobs.submit("writes")
    jobs.wait(id, ("running", "succeeded"))
    bare.run("dpkg", "--remove", "heimdex")  # the fleet drains first
    assert (jobs.status(id), jobs.row(id)["attempt"]) == ("succeeded", 1)
    assert migrated.sql("select from worker where not dead") == []
    assert bare.run("test", "-e", service.config, check=False).returncode == 0
    bare.run("dpkg", "--purge", "heimdex")
    bare.run("rm", "-r", "/etc/credstore")  # the administrator's
    assert files(bare) - before == set()
    assert before - files(bare) == set()
    assert users(bare) == ["", ""]
    assert bare.systemctl("list-units", "--all", "--no-legend", "heimdex*").stdout.strip() == ""
