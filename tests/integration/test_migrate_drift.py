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


# What the built-in chain doesn't have: what the test's chain makes, what is done by hand, what is told.
RARE = """
create type pair as (a integer, b text);
create type gone as (a integer);
create domain positive as integer not null default 1 constraint more_than_none check (value > 0);
create aggregate total (integer) (sfunc = int4pl, stype = integer, initcond = '0');
create operator === (leftarg = integer, rightarg = integer, function = int4eq);
create table parent (n integer, m integer constraint ck check (m > 0) no inherit);
create table child () inherits (parent);
create rule kept as on delete to parent do instead nothing;
create statistics both_of on n, m from parent;
"""
RARE_DRIFT = {
    "alter type pair alter attribute b type varchar(3)": "type pair: attribute b is character varying(3), wanted text",
    "alter type pair add attribute c integer": "type pair: attribute c is integer, wanted none",
    "alter type pair drop attribute a": "type pair: attribute a missing, wanted integer",
    "drop type gone": "type gone: missing",
    "alter domain positive drop constraint more_than_none": "constraint positive.more_than_none: missing",
    "alter domain positive add constraint few check (value < 9)": "constraint positive.few: unexpected",
    "alter domain positive drop not null": "domain positive: nullability is null, wanted not null",
    "alter domain positive set default 2": "domain positive: default is 2, wanted 1",
    "create domain odd as text": "domain odd: unexpected",
    "drop aggregate total (integer)": "aggregate total(integer): missing",
    "create aggregate product (integer) (sfunc = int4mul, stype = integer)": "aggregate product(integer): unexpected",
    "drop operator === (integer, integer)": "operator === (integer, integer): missing",
    "create operator ==== (leftarg = text, rightarg = text, function = texteq)": "operator ==== (text, text): unexpected",
    "alter table child no inherit parent": "table child: inherits parent missing",
    "alter table parent drop constraint ck, add constraint ck check (m > 0)":
        "constraint parent.ck: is CHECK (m > 0), wanted CHECK (m > 0) NO INHERIT",
    "drop rule kept on parent": "rule parent.kept: missing",
    "create rule more as on update to parent do instead nothing": "rule parent.more: unexpected",
    "drop statistics both_of": "statistics both_of: missing",
    "create statistics others on n, m from child": "statistics others: unexpected",
    "alter table parent replica identity full": "table parent: replica identity is full, wanted none",
}


def test_what_is_rare_is_found_too(migrate, database, chain):
    chain("a1", "", RARE)
    migrate("upgrade", "head", "--chain", chain.directory)
    assert migrate("check", "--chain", chain.directory).stdout == ""
    for done in RARE_DRIFT:
        database.sql(done)
    assert sorted(migrate("check", "--chain", chain.directory, fails=1).stdout.splitlines()) == sorted(RARE_DRIFT.values())
    text = open(json.loads(migrate("revision", "-m", "x", "--autogenerate", "--destructive", "--chain", chain.directory, "--json").stdout)["path"]).read()
    assert "-- No statement does it: aggregate total(integer): missing\n" in text
    migrate("upgrade", "head", "--chain", chain.directory)
    left = [line for line in RARE_DRIFT.values() if line.startswith(("type pair", "aggregate total", "operator === "))]
    assert sorted(line for line in migrate("check", "--chain", chain.directory, fails=1).stdout.splitlines()) == sorted(left)
