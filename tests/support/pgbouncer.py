"""Pooling proxies between programs and their PostgreSQL."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from .wait import until

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "scripts"


def connects(address):
    try:
        socket.create_connection((address["PGHOST"], int(address["PGPORT"])), 1).close()
        return True
    except OSError:
        return False


def reach(folder):
    """Lets another user come to it."""
    for parent in folder.parents:
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 1 and str(parent).startswith(tempfile.gettempdir()):
            parent.chmod(parent.stat().st_mode | 0o011)


class Pgbouncer:
    """In front of all databases of the server that env names; what it needs lies in the folder, below the system's for temporary ones."""

    def __init__(self, folder, env):
        self.folder, self.env, self.started = folder, env, []

    def start(self, mode, *settings):
        """The environment that goes through a new one."""
        port = subprocess.run([str(SCRIPTS / "free-port"), "0"], capture_output=True, text=True, check=True).stdout.strip()
        ini = self.folder / f"{port}.ini"
        users = self.folder / "users.txt"
        users.write_text(f'"{self.env["PGUSER"]}" "{self.env["PGPASSWORD"]}"\n')
        ini.write_text("\n".join([
            "[databases]", f"* = host={self.env['PGHOST']} port={self.env['PGPORT']}", "[pgbouncer]",
            "listen_addr = 127.0.0.1", f"listen_port = {port}", "unix_socket_dir =", "auth_type = plain", f"auth_file = {users}",
            f"pool_mode = {mode}", *settings]) + "\n")
        if os.geteuid() == 0:  # which it refuses to run as
            for path in (self.folder, ini, users):
                shutil.chown(path, "postgres")
            reach(self.folder)
        program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
        as_other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] if os.geteuid() == 0 else []
        self.started.append(subprocess.Popen([*as_other, program, str(ini)], stderr=subprocess.PIPE, text=True))
        through = {"PGHOST": "127.0.0.1", "PGPORT": port}
        until(lambda: connects(through))
        return through

    def stop(self):
        for process in self.started:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=10)
