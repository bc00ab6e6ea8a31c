"""README's section "On a server", command by command as it stands there, on a machine where nothing of it is yet."""
import re

from support.machine import ROOT


def commands():
    section = re.search(r"^## On a server\n(.*?)^## ", (ROOT / "README.md").read_text(), re.M | re.S)[1]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def test_on_a_server(boot, package):
    machine = boot(package, own_network=True)  # PostgreSQL and the broker have their usual ports
    machine.run("sh", "-c", "mkdir -p /srv/heimdex/build/deb && cp /var/cache/heimdex/heimdex.deb /srv/heimdex/build/deb/heimdex_0_all.deb")
    said = {}
    for command in commands():
        if command == "make deb":
            continue  # tests/package has it
        check = not command.startswith("systemctl status")  # 3 while it starts
        said[command] = machine.run("sh", "-c", f"cd /srv/heimdex && {command}", check=check, timeout=300).stdout
    assert {"make deb", "systemctl start heimdex-supervisor", "systemctl enable --now --no-block heimdex-supervisor"} <= set(commands())
    [doctor] = [text for command, text in said.items() if command.endswith("heimdexctl doctor")]
    assert [line.split()[0] for line in doctor.splitlines()] == ["ok"] * 7
    [submitted] = [text for command, text in said.items() if "heimdex-submit" in command]
    assert submitted.splitlines()[1] == '{"ok":true,"stages":4}'
    [journal] = [text for command, text in said.items() if command.startswith("journalctl -u")]
    assert "ready" in journal
    id = submitted.splitlines()[0]
    assert machine.run("journalctl", f"HEIMDEX_JOB_ID={id}").stdout.count("heimdex-worker[") >= 1
