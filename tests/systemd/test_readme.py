"""The README's section "On a server", command by command, on a machine of its own without a network."""
import re
import shutil

import pytest

from support.servers import ROOT
from support.wait import until

PACKAGE = "var/cache/heimdex/heimdex.deb"


def commands():
    """Its lines of shell, without what is done on another machine."""
    section = re.search(r"^## On a server\n(.*?)^## ", (ROOT / "README.md").read_text(), re.S | re.M)[1]
    lines = [line for block in re.findall(r"^```sh\n(.*?)^```", section, re.S | re.M) for line in block.splitlines()]
    found = [line for line in lines if line.split("#")[0].strip() and not line.startswith("make ")]
    assert len(found) > 10 and any("credstore" in line for line in found) and any("apt install" in line for line in found) and any("heimdexctl doctor" in line for line in found)
    return found


def want_a_password(machine, password):
    """As a PostgreSQL elsewhere would; the one that `apt install` makes knows users of this host without."""
    machine.run("runuser", "-u", "postgres", "--", "psql", "-qc", f"alter role heimdex password '{password}'")
    machine.run("sh", "-c", "sed -i -E 's/^(local +all +all +)peer$/\\1scram-sha-256/' /etc/postgresql/*/main/pg_hba.conf && systemctl reload postgresql")
    refused = machine.run("runuser", "-u", "heimdex", "--", "psql", "-w", "-c", "select 1", check=False)
    assert "no password supplied" in refused.stderr, refused


@pytest.mark.parametrize("password", [None, "correct horse"])
def test_on_a_server(boot, package, tmp_path, password):
    clone = tmp_path / "clone" / "root/build/deb"  # where `make deb` would have left it
    clone.mkdir(parents=True)
    shutil.copy(package / PACKAGE, clone / "heimdex_0_amd64.deb")
    machine = boot(tmp_path / "clone", alone=True)
    said, exports = {}, ""
    for command in commands():
        if "credstore" in command and not password:
            continue
        if command.startswith("export "):
            exports += command + "; "
            continue
        if command.startswith("install ") and "credstore" in command:
            want_a_password(machine, password)
        if command.startswith("systemctl status"):
            until(lambda: machine.show("heimdex-supervisor", "ActiveState") == "active", 60, "the fleet")
        done = machine.run("sh", "-c", f"cd /root; {exports}{command}", timeout=600, check=False, input=f"{password}\n" if "credstore" in command else "")
        said[command] = done.stdout + done.stderr
        assert done.returncode == 0, f"{command}: exit {done.returncode}\n{said[command]}"
    assert any('"ok": true' in text or '"ok":true' in text for text in said.values()), said  # a job's result
    assert any("it needs a database first" in text for text in said.values())
    assert machine.systemctl("is-system-running").stdout.strip() == "running"
    machine.reboot()
    until(lambda: machine.show("heimdex-supervisor", "ActiveState") == "active", 60, "the fleet after a reboot")
    if password:
        assert machine.run("stat", "-c", "%U:%G %a", "/etc/credstore/heimdex.pgpassword").stdout == "root:root 600\n"
        machine.run("rm", "/etc/credstore/heimdex.pgpassword")  # the administrator's
    machine.run("apt-get", "-q", "-y", "purge", "heimdex", timeout=600)
    assert machine.run("find", "/etc", "/run", "/var/lib", "/usr", "-xdev", "-iname", "*heimdex*", "-not", "-path", "*/deb-systemd-helper-*").stdout == ""
