"""Alembic itself, as Debian has it, on a database: the tool that operators come from, and may go on using."""
import os
import subprocess

INI = """[alembic]
script_location = {folder}
file_template = %%(rev)s_%%(slug)s
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = plain
[logger_root]
level = INFO
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = plain
[formatter_plain]
format = %(message)s
"""
ENV = """import logging.config
import os
import sqlalchemy
from alembic import context
logging.config.fileConfig(context.config.config_file_name)
url = sqlalchemy.engine.URL.create("postgresql+psycopg2", os.environ["PGUSER"], os.environ["PGPASSWORD"], os.environ["PGHOST"],
                                   int(os.environ["PGPORT"]), os.environ["PGDATABASE"])
if context.is_offline_mode():
    context.configure(url=url, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with sqlalchemy.create_engine(url).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""


class Alembic:
    def __init__(self, path, database):
        self.database = database
        self.path = path
        self.versions = path / "versions"
        self.versions.mkdir(parents=True)
        (path / "alembic.ini").write_text(INI.format(folder=path))
        (path / "env.py").write_text(ENV)

    def revision(self, revision, parent, upgrade="", downgrade="", doc=None, name=None, extra=""):
        path = self.versions / f"{name or revision}.py"
        path.write_text(f'"""{doc or "makes " + revision}"""\nfrom alembic import op\nrevision = {revision!r}\ndown_revision = {parent!r}\n{extra}\n'
                        f"def upgrade():\n    op.execute({upgrade or 'select 1'!r})\n"
                        f"def downgrade():\n    op.execute({downgrade or 'select 1'!r})\n")
        return path

    def __call__(self, *args, fails=0):
        """PATH of this Python finds no Alembic where the machine has a Python of its own."""
        done = subprocess.run(["/usr/bin/python3", "-m", "alembic.config", "-c", str(self.path / "alembic.ini"), *args],
                              env={**os.environ, **self.database.env}, capture_output=True, text=True)
        assert done.returncode == fails, done.stderr
        return done.stdout
