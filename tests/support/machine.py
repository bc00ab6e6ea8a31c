"""A booted Debian (scripts/test-machine), as somebody with a root shell on it sees it."""
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from .process import children_of
from .servers import ROOT
from .wait import until

SCRIPT = ROOT / "scripts" / "test-machine"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb",
               "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}


def why_not():
    """Why no machine can be booted here, or None. Where it should work and doesn't, tests fail."""
    if os.geteuid() != 0:
        return "only root can boot a machine"
    tried = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True)
    return None if tried.returncode == 0 else "namespaces and mounts are not allowed here"


def make_root():
    """The folder of the root file system, made when it isn't there."""
    return Path(subprocess.run([SCRIPT, "make"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


class Machine:
    def __init__(self, directory, *layers, alone=False):
        """layers: folders that lie over the root file system, the last one on top. alone: without a network."""
        self.directory = Path(directory)
        self.directory.mkdir(parents=True)
        self.console = self.directory / "console"
        with open(self.console, "wb") as console:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", SCRIPT, "boot", *["--alone"] * alone, self.directory / "memory", *layers],
                                            stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        try:
            self.wait_booted()
        except BaseException:
            self.off()
            raise

    # ---- power ----

    @property
    def leader(self):
        """The pid of its init, out here: the child of nspawn, which is the child of a shell, which is unshare's."""
        pid = self.process.pid
        for _ in range(3):
            pid = children_of(pid)[0]
        return pid

    def wait_booted(self, but=None):
        """Until its boot is over. but: the leader it had before."""
        def booted():
            assert self.process.poll() is None, self.console.read_text()
            assert self.leader != but
            return self.run("systemctl", "is-active", "multi-user.target", check=False).returncode == 0
        until(booted, 120, "the machine's boot")

    def reboot(self):
        before = self.leader
        self.run("systemctl", "reboot", check=False)
        self.wait_booted(but=before)

    def off(self):
        """Like a plug that is pulled."""
        self.process.kill()
        self.process.wait()
        subprocess.run([SCRIPT, "tidy"], check=True)
        shutil.rmtree(self.directory / "memory", ignore_errors=True)

    def keep(self, folder):
        """Copies what was written since it was new, but for what makes a machine itself, into a folder that may be a layer of others."""
        inside = children_of(self.process.pid)[0]  # it sees the folders out here, and the memory
        subprocess.run(["nsenter", "--target", str(inside), "--mount", "cp", "-a", self.directory / "memory" / "upper", folder], check=True)
        for own in "etc/machine-id", "var/log/journal", "var/lib/systemd/random-seed":
            subprocess.run(["rm", "-rf", Path(folder) / own], check=True)

    # ---- a shell ----

    def run(self, *command, check=True, input=None, timeout=180, **env):
        done = subprocess.run(["nsenter", "--target", str(self.leader), "--all", *map(str, command)], env={**ENVIRONMENT, **env}, text=True,
                              input=input or "", capture_output=True, timeout=timeout)
        assert not check or done.returncode == 0, f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def popen(self, *command, **options):
        return subprocess.Popen(["nsenter", "--target", str(self.leader), "--all", *map(str, command)], env=ENVIRONMENT,
                                stdin=subprocess.DEVNULL, text=True, **options)

    def write(self, path, text, mode="0644", owner="root:root"):
        self.run("sh", "-c", 'mkdir -p "${1%/*}" && cat >"$1" && chown "$3" "$1" && chmod "$2" "$1"', "sh", path, mode, owner, input=text)

    def read(self, path):
        return self.run("cat", path).stdout

    # ---- systemd ----

    def systemctl(self, *arguments, **options):
        return self.run("systemctl", *arguments, **options)

    def show(self, unit, *names):
        """One property's value, or a list of several."""
        lines = self.systemctl("show", unit, *(f"--property={name}" for name in names)).stdout.splitlines()
        values = dict(line.split("=", 1) for line in lines)
        return values[names[0]] if len(names) == 1 else [values[name] for name in names]

    def drop_in(self, unit, text):
        self.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
        self.systemctl("daemon-reload")

    def journal(self, *matches):
        """Its entries, as dictionaries."""
        lines = self.run("journalctl", "--quiet", "--all", "--output=json", *matches).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def messages(self, unit):
        return [entry["MESSAGE"] for entry in self.journal(f"--unit={unit}")]

    def processes(self, unit):
        """The processes in the unit's control group, by the numbers they have in there: {pid: comm}."""
        group = self.show(unit, "ControlGroup")
        pids = self.run("sh", "-c", 'cat $(find /sys/fs/cgroup/unified"$1" /sys/fs/cgroup"$1" -name cgroup.procs 2>/dev/null | sort -u) /dev/null 2>/dev/null', "sh",
                        group, check=False).stdout.split() if group else []
        return {int(pid): self.run("cat", f"/proc/{pid}/comm", check=False).stdout.strip() for pid in set(pids)}

    def kill(self, pid, signo=signal.SIGKILL):
        self.run("kill", f"-{int(signo)}", pid)
