"""Alembic itself on a database: the tool that operators come from, and may go on using. One version, in an environment of its own that the
first test makes in build/."""
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

PINNED = ["alembic==1.13.3", "SQLAlchemy==2.0.36", "Mako==1.3.5", "MarkupSafe==2.1.5", "typing_extensions==4.12.2", "greenlet==3.1.1"]
BUILD = Path(__file__).resolve().parents[2] / "build" / "tests"

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


@cache
def python():
    """The environment's Python, which has psycopg2 from the system."""
    folder = BUILD / PINNED[0].replace("==", "-")
    if not (folder / "done").exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=BUILD))
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--system-site-packages", str(made)], check=True)
        subprocess.run([str(made / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PINNED], check=True)
        (made / "done").touch()
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return str(folder / "bin" / "python")


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
        done = subprocess.run([python(), "-m", "alembic.config", "-c", str(self.path / "alembic.ini"), *args],
                              env={**os.environ, **self.database.env}, capture_output=True, text=True)
        assert done.returncode == fails, done.stderr
        return done.stdout
