"""What heimdex-migrate check and --autogenerate make of a chain of the test's own: partitions that moved, views in the way, what is rare."""
import json

import pytest


PARTED = """create table pl (k text not null, n integer not null check (n > 0), primary key (k, n)) partition by list (k);
create index pl_n on pl (n);
create table pla (k text not null, n integer not null constraint pl_n_check check (n > 0), primary key (k, n));
create index pla_n_idx on pla (n);
"""
ATTACH = "alter table pl attach partition pla for values in ('a', 'b');"


def generated(migrate, chain, *options):
    return open(json.loads(migrate("revision", "-m", "x", "--autogenerate", "--chain", chain.directory, "--json", *options).stdout)["path"]).read()


@pytest.mark.parametrize("destructive", [(), ("--destructive",)])
@pytest.mark.parametrize("wanted, found, told", [
    (ATTACH, "alter table pl detach partition pla", "partition pla: detached, wanted of pl FOR VALUES IN ('a', 'b')\n"),
    ("", ATTACH, "partition pla: is of pl FOR VALUES IN ('a', 'b'), wanted detached\n"),
    (ATTACH, "alter table pl detach partition pla; alter table pl attach partition pla for values in ('c')",
     "partition pla: is of pl FOR VALUES IN ('c'), wanted of pl FOR VALUES IN ('a', 'b')\n")])
def test_a_partition_that_was_detached_or_attached(migrate, database, chain, wanted, found, told, destructive):
    """Its rows stay: nothing is made, nothing dropped."""
    chain("a1", "", PARTED + wanted)
    migrate("upgrade", "head", "--chain", chain.directory)
    database.sql(found)
    if "'c'" not in found:  # whose row the bounds wanted wouldn't let in
        database.sql("insert into pla values ('a', 1)")
    assert migrate("check", "--chain", chain.directory, fails=1).stdout == told
    text = generated(migrate, chain, *destructive)
    assert "drop" not in text and "create" not in text and "Loses" not in text
    assert ("alter table pl attach partition pla FOR VALUES IN ('a', 'b')" in text.split("-- downgrade")[0]) == bool(wanted)
    before = database.one("select count(*) from pla")
    migrate("upgrade", "head", "--chain", chain.directory)
    assert migrate("check", "--chain", chain.directory).stdout == ""
    assert database.one("select count(*) from pla") == before
    migrate("downgrade", "-1", "--chain", chain.directory)
    assert told in migrate("check", "--chain", chain.directory, fails=1).stdout


def test_a_view_in_the_way_of_a_type(migrate, database, chain):
    chain("a1", "", "create table t (n bigint, m bigint); create view v as select n from t; create materialized view w as select n from t;")
    migrate("upgrade", "head", "--chain", chain.directory)
    database.sql("drop materialized view w")
    database.sql("drop view v")
    database.sql("alter table t alter n type integer, alter m type integer")
    database.sql("create view v as select n from t")
    database.sql("create view u as select m as n from t where n > 0")
    text = generated(migrate, chain).split("-- downgrade")[0]
    assert "made again behind it: view u, v\nalter table t alter column n drop default" in text
    assert "made again behind it: view u\nalter table t alter column m drop default" in text
