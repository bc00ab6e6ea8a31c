"""A fault at each transaction of heimdex-migrate: the same command, given once more, goes on to the same end. Needs a build with failure
points."""
from collections import Counter

import pytest

from support import failpoints, figures
from support.migrations import Chain, Migrate
from support.pgbouncer import Pgbouncer
from support.wait import until

pytestmark = pytest.mark.failpoints
MIGRATE = failpoints.PROGRAMS["migrations"]
POINTS = [point for point in failpoints.declared() if point.program == MIGRATE]
TRY_AGAIN, AWAY = 75, 69
OURS = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'heimdex-migrate'"


@pytest.fixture(autouse=True)
def built_in(binaries):
    if not failpoints.built_in(binaries):
        pytest.skip("these programs have no failure points: HEIMDEX_BIN=build/asan/bin")


# --- situations -------------------------------------------------------------------------------------------------------

class Upgrade:
    """The built-in chain, on an empty database."""
    command, code = ("upgrade", "head"), 0  # the first try's exit code without a fault

    def __init__(self, folder):
        self.chain = Chain(folder)
        self.args = self.write() or ()

    def write(self):
        """The chain; arguments for it."""

    def prepare(self, migrate):
        """What is there before."""

    def first(self, migrate, log, env):
        """The command, in the middle of whatever the situation is. Its exit code."""
        return migrate.binaries.migrate(*self.command, *self.args, env={**migrate.database.env, **env}, check=False).returncode

    def mend(self, migrate):
        """What lets the next try go on."""


class OwnChain(Upgrade):
    def write(self):
        self.chain("a1", "", "create table t (n integer);")
        self.chain("b2", "a1", "alter table t add m integer;")
        return "--chain", self.chain.directory


class Stamp(OwnChain):
    command = ("stamp", "head")


class Check(OwnChain):
    """Which makes a database of its own for it."""
    command = ("check",)

    def prepare(self, migrate):
        migrate("upgrade", "head", *self.args)


class Pooled(OwnChain):
    """Through a proxy that pools by session, which shows another backend than there is."""
    through = None

    def first(self, migrate, log, env):
        return super().first(migrate, log, {**env, **self.through})


class Refused(OwnChain):
    """A statement fails, which the next try runs well."""
    code = 1

    def write(self):
        self.chain("a1", "", "create table t (n integer);")
        self.chain("b2", "a1", "alter table t add m integer;\nselect 1 / (select count(*) from t);")
        return "--chain", self.chain.directory

    def prepare(self, migrate):
        migrate("upgrade", "a1", *self.args)

    def mend(self, migrate):
        migrate.database.sql("insert into t values (1)")


class Second(OwnChain):
    """Another one is at work."""
    code = TRY_AGAIN

    def write(self):
        return *super().write(), "--lock-timeout", "50ms"

    def first(self, migrate, log, env):
        with migrate.database.connect() as other, other.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(hashtext('heimdex-migrate'), hashtext('public'))")
            code = super().first(migrate, log, env)
            other.rollback()
        return code


class Held(OwnChain):
    """Somebody holds a table, until his name has been found out."""

    def prepare(self, migrate):
        migrate("upgrade", "a1", *self.args)

    def first(self, migrate, log, env):
        with migrate.database.connect() as other, other.cursor() as cursor:
            cursor.execute("select from t")
            process = migrate.start(*self.command, *self.args, "--lock-timeout", "60s", **env)
            until(lambda: process.poll() is not None or any(hit.name == "holder.after_commit" for hit in failpoints.hits(log)))
            other.rollback()
        process.communicate(timeout=30)
        return process.returncode


class Interrupted(OwnChain):
    """An upgrade without a transaction was killed while it built an index, which is invalid now."""

    def write(self):
        self.chain("a1", "", "create table t (n integer);")
        self.chain.piecemeal("b2", "a1", "insert into t values (1);\nset work_mem = '7MB';\ncreate index concurrently t_n on t (n);\n"
                                         "insert into t values (2);")
        return "--chain", self.chain.directory

    def prepare(self, migrate):
        migrate("upgrade", "a1", *self.args)
        with migrate.database.connect() as other, other.cursor() as cursor:  # whose snapshot the build waits for
            cursor.execute("insert into t values (3)")
            process = migrate.start("upgrade", "head", *self.args)
            until(lambda: migrate.database.one("select count(*) from pg_index where not indisvalid") == 1)
            process.kill()
            process.communicate()
            until(lambda: migrate.database.one(OURS) == 0)
            other.rollback()


SITUATIONS = {  # where each transaction comes
    **dict.fromkeys(["session", "record", "record_create", "lock_try", "revision"], Upgrade),
    "stamp": Stamp,
    **dict.fromkeys(["schema_read", "scratch", "scratch_names", "scratch_path"], Check),
    "proxy_pid": Pooled,
    "revision_rollback": Refused,
    "lock_holder": Second,
    "holder": Held,
    **dict.fromkeys(["piecemeal_setting", "piecemeal_note", "piecemeal_finish", "index", "index_drop", "index_invalid"], Interrupted),
}
# Where something was changed; before a transaction is sent it is as after the one before.
CHANGING = [point for point in POINTS if not point.name.endswith("before_send") and point.name.rpartition(".")[0] in
            ("record_create", "revision", "piecemeal_note", "piecemeal_finish", "stamp", "scratch", "index_drop")]


def stem(point):
    return point.name.rpartition(".")[0]


# --- a situation, as often as it is wanted ----------------------------------------------------------------------------

def outcome(migrate):
    """All that the command may leave behind."""
    rows = migrate.database.sql("select * from t order by 1") if "t" in migrate.tables() else []
    scratch = migrate.database.one("select count(*) from pg_database where datname like 'heimdex\\_scratch\\_%'")
    return migrate.version(), migrate.record(), migrate.dump(), rows, scratch


class Stage:
    """Copies of one situation, and what comes of it without a fault."""

    def __init__(self, make, binaries, postgres, folder):
        self.binaries, self.postgres, self.folder, self.tries = binaries, postgres, folder, 0
        self.situation = make(folder / "chain")
        self.template = postgres.create(f"before_{make.__name__.lower()}")
        self.situation.prepare(Migrate(binaries, self.template))
        self.template.forget()
        code, self.hits, self.outcome = self.play()
        assert code == self.situation.code
        self.counts = Counter(hit.name for hit in self.hits)

    def play(self, fail=""):
        """The command on a copy, and again until it is done: the first exit code, the first try's hits, the outcome."""
        self.tries += 1
        database = self.postgres.create(f"{self.template.name}_{self.tries}", template=self.template.name)
        log = self.folder / f"{self.tries}.log"
        migrate = Migrate(self.binaries, database)
        try:
            code = self.situation.first(migrate, log, {"HEIMDEX_FAIL": fail, "HEIMDEX_FAIL_LOG": log})
            until(lambda: database.one(OURS) == 0, what="the server has noticed its end")
            self.situation.mend(migrate)
            migrate(*self.situation.command, *self.situation.args)
            return code, failpoints.hits(log), outcome(migrate)
        finally:
            database.drop()

    def play_with(self, point, action, number):
        figures.fault()
        code, hits, found = self.play(f"{point.name}:{action}@{number}")
        assert [hit.name for hit in hits if hit.action] == [point.name]
        assert code == -9 if action == "kill" else code in (0, AWAY, self.situation.code), f"{action}@{number}: exit {code}"
        assert found == self.outcome, f"{action}@{number}"


@pytest.fixture(scope="module")
def stages(binaries, postgres, tmp_path_factory):
    """stages(stem): where that transaction comes."""
    folder, made = tmp_path_factory.mktemp("stages"), {}
    proxies = Pgbouncer(tmp_path_factory.mktemp("pgbouncer"), postgres.env)

    def get(name):
        make = SITUATIONS[name]
        if make is Pooled and not Pooled.through:
            Pooled.through = proxies.start("session", "ignore_startup_parameters = options")
        if make not in made:
            made[make] = Stage(make, binaries, postgres, folder / make.__name__)
        return made[make]

    yield get
    Pooled.through = None
    proxies.stop()
    for stage in made.values():
        stage.template.drop()


# --- tests ------------------------------------------------------------------------------------------------------------

@pytest.mark.asan
def test_each_point_is_hit(stages):
    assert set(SITUATIONS) == {stem(point) for point in POINTS}
    hit = {hit.name for name in SITUATIONS for hit in stages(name).hits}
    assert hit == {point.name for point in POINTS}


@pytest.mark.asan
@pytest.mark.parametrize("point", CHANGING, ids=lambda point: point.name)
def test_killed_where_something_changes(stages, point):
    """The first time that it comes by."""
    stages(stem(point)).play_with(point, "kill", 1)


@pytest.mark.sweep
@pytest.mark.parametrize("action", ["kill", "error"])
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_each_point(stages, point, action):
    stage = stages(stem(point))
    stage.play_with(point, action, 1)


@pytest.mark.sweep
@pytest.mark.parametrize("point", CHANGING, ids=lambda point: point.name)
def test_killed_each_time_that_something_changes(stages, point):
    stage = stages(stem(point))
    for number in range(2, stage.counts[point.name] + 1):
        stage.play_with(point, "kill", number)
