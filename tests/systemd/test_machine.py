"""The machine that the other tests here stand on."""
import os
import signal
import subprocess
import sys
from pathlib import Path

from support.machine import Machine
from support.wait import until


def test_it_boots_a_real_systemd(machine):
    assert machine.systemctl("is-system-running", "--wait").stdout.strip() == "running"
    assert machine.read("/etc/debian_version").startswith("12.")


def test_what_is_written_goes_with_it_and_survives_a_reboot(machine, boot):
    machine.write("/etc/written", "here\n")
    machine.reboot()
    assert machine.read("/etc/written") == "here\n"
    assert boot().run("test", "-e", "/etc/written", check=False).returncode == 1


def test_it_ends_with_whoever_started_it(machine_layers, tmp_path):
    """Also when that is killed."""
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from support.machine import Machine\n"
            "machine = Machine(sys.argv[2], *sys.argv[3:])\n"
            "print(machine.leader, flush=True); sys.stdin.read()")
    tests = str(Path(__file__).parent.parent)
    with subprocess.Popen([sys.executable, "-c", code, tests, tmp_path / "m", *machine_layers], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        leader = int(starter.stdout.readline())
        assert os.readlink(f"/proc/{leader}/exe").endswith("systemd")
        starter.kill()
    until(lambda: not os.path.exists(f"/proc/{leader}"), what="the machine's end")
