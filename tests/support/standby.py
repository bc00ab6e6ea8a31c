"""A second PostgreSQL that follows a first one, as synchronously as an operator who wants no acknowledged job lost would have it."""
import os
import shutil
import signal
import subprocess
import tempfile

import psycopg2

from .servers import ROOT
from .wait import until

BIN = "/usr/lib/postgresql/15/bin"


def _free_port():

    return subprocess.run([str(ROOT / "scripts" / "free-port")], capture_output=True, text=True, check=True).stdout.strip()


class Standby:
    def __init__(self, primary):
        self.primary, self.port = primary, _free_port()
        self.home = tempfile.mkdtemp(prefix="heimdex-standby-", dir="/var/tmp")
        self.data = f"{self.home}/data"
        if os.geteuid() == 0:
            shutil.chown(self.home, "postgres", "postgres")
        admin = {name: primary.admin_env[name] for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD")}
        self._run([f"{BIN}/pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast"], env=admin)
        self._run(["sh", "-c", f"echo \"port = {self.port}\" >>'{self.data}/heimdex.conf'"])
        self._run([f"{BIN}/pg_ctl", "-D", self.data, "-l", f"{self.home}/log", "-s", "-w", "-t", "60", "start"])
        primary.admin("alter system set synchronous_standby_names = '*'")
        primary.admin("select pg_reload_conf()")
        until(lambda: self._ask(primary.admin_env, "select sync_state from pg_stat_replication") == "sync")

    def _run(self, command, env=None):
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] if os.geteuid() == 0 else []
        done = subprocess.run([*user, *command], env={"PATH": os.environ["PATH"], **(env or {})}, cwd="/", stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr

    def _ask(self, env, query):
        connection = psycopg2.connect(host=env["PGHOST"], port=env["PGPORT"], user=env["PGUSER"], password=env["PGPASSWORD"], dbname="postgres")
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(query)
                return cursor.fetchone()[0] if cursor.description else None
        finally:
            connection.close()

    def fall_behind(self):
        """From now on it receives nothing, and nobody's commit waits for it."""
        self.primary.admin("alter system set synchronous_standby_names = ''")
        self.primary.admin("select pg_reload_conf()")
        here = {**self.primary.admin_env, "PGPORT": self.port}
        self._ask(here, "alter system set primary_conninfo = ''")
        self._ask(here, "select pg_reload_conf()")
        until(lambda: self._ask(here, "select count(*) from pg_stat_wal_receiver") == 0)

    def promote(self):
        """It is the primary from now on, and waits for nobody's commit."""
        self._run(["sh", "-c", f"echo \"synchronous_standby_names = ''\" >>'{self.data}/postgresql.auto.conf'"])
        self._run([f"{BIN}/pg_ctl", "-D", self.data, "-s", "-w", "promote"])

    def delete(self):
        try:
            os.kill(int(open(f"{self.data}/postmaster.pid").readline()), signal.SIGQUIT)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            pass
        until(lambda: not os.path.exists(f"{self.data}/postmaster.pid"), 20, "the standby's end")
        shutil.rmtree(self.home, ignore_errors=True)
