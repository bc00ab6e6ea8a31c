"""heimdex-migrate on one database, and chains of a test's own."""
import os
import subprocess


class Migrate:
    """The tool on one database."""

    def __init__(self, binaries, database):
        self.binaries, self.database = binaries, database

    def __call__(self, *args, fails=0, **env):
        done = self.binaries.migrate(*args, env={**self.database.env, **env}, check=False)
        assert done.returncode == fails, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *args, **env):
        return self.binaries.popen("heimdex-migrate", *args, env={**self.database.env, **env}, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)

    def version(self, table="alembic_version"):
        if not self.database.sql("select to_regclass(%s) is not null", table)[0][0]:
            return None
        rows = self.database.sql(f"select version_num from {table}")
        assert len(rows) <= 1
        return rows[0][0] if rows else None

    def record(self):
        """What heimdex_migration says: {revision: (state, statements)}."""
        rows = self.database.sql("select revision, state, statements from heimdex_migration")
        return {revision: (state, statements) for revision, state, statements in rows}

    def tables(self):
        rows = self.database.sql("select tablename from pg_tables where schemaname = 'public' order by 1")
        return [name for name, in rows if name not in ("alembic_version", "heimdex_migration")]

    def dump(self):
        """The schema as pg_dump tells it, without the lines that differ from run to run."""
        out = subprocess.run(["pg_dump", "--schema-only"], env={**os.environ, **self.database.env}, check=True,
                             capture_output=True, text=True).stdout
        return [line for line in out.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]

    def psql(self, script):
        """As an operator runs what --sql printed."""
        subprocess.run(["psql", "-q", "-X", "-v", "ON_ERROR_STOP=1"], env={**os.environ, **self.database.env}, check=True,
                       input=script, capture_output=True, text=True)


class Chain:
    """Revisions in a directory: chain(id, parent, upgrade, downgrade) adds one."""

    def __init__(self, path):
        path.mkdir(parents=True)
        self.path, self.directory = path, str(path)

    def __call__(self, revision, parent, upgrade="", downgrade="", name=None, mark=""):
        path = self.path / f"{name or revision}.sql"
        path.write_text(f"-- revision: {revision}\n-- down_revision: {parent}\n-- message: makes {revision}\n{mark}\n"
                        f"-- upgrade\n{upgrade}\n-- downgrade\n{downgrade}\n")
        return path

    def piecemeal(self, revision, parent, upgrade, downgrade=""):
        return self(revision, parent, upgrade, downgrade, mark="-- no-transaction\n")


def running(done):
    return [line for line in done.stderr.splitlines() if line.startswith("Running ")]
