"""How PostgreSQL runs the ledger's statements: prepared as sessions of Heimdex prepare them, at every size of the tables.

A statement is often prepared on an empty database and used for weeks, and one sequential scan of `job` in a claim would be
felt by everybody. So the plans are read, not timed: no statement may scan `job`, `job_event` or `waiting` sequentially or
join by hash or merge, the hot ones reach each job by its key, and what they read is bounded by what they return.
"""
import json
import pathlib

import pytest

SQL = pathlib.Path(__file__).resolve().parents[2] / "lib" / "ledger" / "sql"
SESSION = """set plan_cache_mode = force_generic_plan; set enable_hashjoin = off; set enable_mergejoin = off;
             set enable_seqscan = off; set jit = off; set synchronous_commit = off"""
STATEMENTS = sorted(path.stem for path in SQL.glob("*.sql") if path.stem != "schema")  # alembic_version may not be there
HOT = """answered asked backend cancel claim claim_done claim_limited claimed_again complete due find_keys outbox_done park park_paused
         permit_free progress receipt relay_dead relay_jobs relay_take release renew retry settle signals settling releasing submit sweep take
         unwait get_job get_events get_latest_event get_job_with_latest_event watch log_event""".split()

# Jobs :low+1 to :high, 10 ms apart up to now: mostly done, 1 % dead letters, 1 ‰ each failed, queued, canceled, delayed.
FILL = """
create temp table made as
select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(i % 4096), 3, '0') || '8'
        || lpad(to_hex(i), 15, '0'))::uuid as id, at, i,
       case when i % 5000 = 0 then 'rare' else 'common' end as type,
       case when i % 100 = 1 then 'dead_letter' when i % 1000 = 2 then 'failed' when i % 1000 in (3, 5) then 'queued'
            when i % 1000 = 4 then 'canceled' when i > %(high)s - 1000 and i % 3 = 0 then 'running' else 'succeeded' end as status
  from (select i, clock_timestamp() - (%(high)s - i) * interval '10 ms' as at from generate_series(%(low)s + 1, %(high)s) as i) as x;
insert into job (id, org_id, type, status, attempt, max_attempts, fence, worker, created_at, updated_at, started_at, last_error_code)
select id, '00000000-0000-0000-0000-000000000000', type, status::job_status, 1, 5, 1, case when status = 'running' then 1 end,
       at, at, at, case when status in ('dead_letter', 'failed') or i % 50 = 0 then 'error' when status = 'canceled' then status end
  from made;
insert into job_event (job_id, ts, next_status) select id, at, 'queued' from made;
insert into waiting (job_id, type, queue, due, reason, announced)
select id, type, 'default', case when i % 1000 = 3 then now() + interval '1 day' else now() end,
       case when i % 1000 = 3 then 'delayed' when i % 1000 = 5 then 'swept' else 'retry' end, i % 1000 = 5
  from made where status in ('queued', 'failed');
insert into claim (token, worker, ids) select gen_random_uuid(), 1, array_agg(id) from made where status = 'running' having count(*) > 0;
insert into job_type (type) values ('common'), ('rare') on conflict do nothing;
insert into job_count select '00000000-0000-0000-0000-000000000000', type, status::job_status, count(*) from made group by 2, 3
    on conflict (org_id, type, status) do update set count = job_count.count + excluded.count;
update sweep set position = heimdex_uuid_floor(now() - interval '2 min');
drop table made;
"""


def session(database):
    connection = database.connect()
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(SESSION)
    return cursor


def fill(cursor, low, high):
    cursor.execute(FILL.replace("%(low)s", str(low)).replace("%(high)s", str(high)))
    cursor.execute("vacuum analyze")


def prepare(cursor, name):
    cursor.execute(f'prepare "{name}" as {(SQL / (name + ".sql")).read_text()}')
    cursor.execute("select cardinality(parameter_types) from pg_prepared_statements where name = %s", (name,))
    return cursor.fetchone()[0]


def explain(cursor, name, arguments, options="format json"):
    values = f"({', '.join(arguments)})" if arguments else ""
    cursor.execute(f'explain ({options}) execute "{name}"{values}')
    plan = cursor.fetchone()[0]
    return (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]


def nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def big(table):
    return table == "job" or table == "waiting" or table.startswith("job_event")


def complaints(name, plan):
    for node in nodes(plan):
        kind, table = node["Node Type"], node.get("Relation Name", "")
        if kind in ("Hash Join", "Merge Join"):
            yield f"{name}: {kind}"
        if kind == "Seq Scan" and big(table):
            yield f"{name}: sequential scan of {table}"
        if name in HOT and kind in ("Index Scan", "Index Only Scan") and table == "job" and "Index Cond" not in node:
            yield f"{name}: walks through the whole of {node['Index Name']}"


@pytest.fixture
def cursor(migrated):
    cursor = session(migrated)
    yield cursor
    cursor.connection.close()


def test_no_statement_scans_a_big_table(cursor):
    """At 0, 10^4 and 10^6 jobs; statements are prepared once, when the tables are empty."""
    parameters = {name: prepare(cursor, name) for name in STATEMENTS}
    found = []
    before = 0
    for size in (0, 10_000, 1_000_000):
        if size:
            fill(cursor, before, size)
            before = size
        for name in STATEMENTS:
            plan = explain(cursor, name, ["null"] * parameters[name])
            found += [f"{size} jobs: {complaint}" for complaint in complaints(name, plan)]
    assert not found, "\n".join(found)


def rows_read(plan):
    """Rows that scans of the big tables looked at, whether they returned them or not."""
    return sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0))
               * node["Actual Loops"]
               for node in nodes(plan) if node["Node Type"].endswith("Scan") and big(node.get("Relation Name", "")))


WAITING = [("take", ["'{common}'", "500"]), ("due", ["500"]), ("unwait", ["(select array_agg(job_id) from given)"]),
           ("claim", ["gen_random_uuid()", "1", "(select array_agg(job_id) from given)", "(select array_agg(5) from given)", "'{common}'", "''",
                      "(select array_agg(gen_random_uuid()) from given)"]),
           ("claim_limited", ["gen_random_uuid()", "1", "(select array_agg(job_id) from given)", "5", "'common'", "''"])]


@pytest.mark.parametrize("name, arguments", WAITING, ids=[name for name, _ in WAITING])
def test_a_table_that_has_grown_since_it_was_analysed(cursor, name, arguments):
    """`waiting` had one row when PostgreSQL last looked, and the statement was planned then. Now it has 20,000, all of them due."""
    fill(cursor, 0, 10_000)
    cursor.execute("""truncate waiting; insert into job_type (type, concurrency) values ('common', 400) on conflict (type) do update set concurrency = 400;
                      insert into worker (host, hostname, instance, slot, incarnation, boot_id, pid, version, types)
                      values ('h', 'h', 'i', 0, gen_random_uuid(), 'b', 1, '1', '{common}');
                      insert into permit (type, n) select 'common', n from generate_series(1, 400) as n on conflict do nothing;
                      insert into waiting (job_id, type, queue, due, reason, announced) select gen_random_uuid(), 'common', 'default', now(), 'retry', false""")
    cursor.execute("vacuum analyze waiting")
    cursor.execute("create temp table given (job_id uuid)")
    prepare(cursor, name)
    parameters = arguments if name in ("take", "due") else ["null"] * len(arguments)
    explain(cursor, name, parameters)
    cursor.execute("""insert into waiting (job_id, type, queue, due, reason, announced)
                      select gen_random_uuid(), 'common', 'default', now(), 'retry', false from generate_series(1, 20000)""")
    cursor.execute("insert into given select job_id from waiting order by job_id limit 500")
    values = ", ".join(f"({argument})" if argument.startswith("(select") else argument for argument in arguments)
    cursor.execute("select " + values)
    literals = [cursor.mogrify("%s", (value,)).decode() for value in cursor.fetchone()]
    read = rows_read(explain(cursor, name, literals, "analyze, timing off, format json"))
    assert read < 4_000, f"{read:.0f} rows for 500"


ALL, NOTHING = "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'00000000-0000-0000-0000-000000000000'"
BOUNDED = [  # statement, arguments, rows that it may look at
    ("take", ["'{common,rare}'", "50"], 400),
    ("due", ["50"], 400),
    ("sweep", ["0", "100", "'00000000-0000-0000-0000-000000000000'", "true"], 400),
    ("sweep", ["0", "100", "heimdex_uuid_floor(now() - interval '1 min')", "false"], 400),
    ("search_plan", ["'rare'", "null", "null", "null", "null"], 0),
    *[(f"search_{way}", [ALL, NOTHING, str(look), type, "null", "null", "null", status, "20"], most) for way, look, type, status, most in (
        ("jobs", 20, "null", "null", 100),
        ("jobs", 1000, "'rare'", "'succeeded'", 4_000),
        ("jobs", 1000, "'common'", "null", 4_000),
        ("waiting", 1000, "'common'", "'queued'", 5_000),
        ("retry", 1000, "'nobody''s'", "'failed'", 5_000),
        ("troubled", 1000, "null", "'dead_letter'", 5_000),
        ("troubled", 100, "null", "'canceled'", 1_000),
        ("running", 1, "null", "'running'", 2_000),
        ("type", 1, "'rare'", "null", 40_000))],  # 40 jobs in ranges of 32 pages
    ("redrive_pick", ["null", "'error'", "null", "null", "20"], 400),
    ("redrive_pick", ["null", "null", "null", "null", "20"], 400),
    ("queued_jobs", ["null", "20", "'common'"], 25_000),
    ("counts", [], 0),
    ("events_after", ["now() - interval '10 minutes'", "'00000000-0000-0000-0000-000000000000'", "20"], 25_000),
]


def test_what_is_read_is_bounded_by_what_is_returned(cursor):
    """200,000 jobs, and 50,000 delayed ones that are due tomorrow and in everybody's way."""
    fill(cursor, 0, 200_000)
    cursor.execute("""
        with made as (
            insert into job (id, org_id, type)
            select overlay(overlay(gen_random_uuid()::text placing left(heimdex_uuid_floor(now() - interval '1 minute')::text, 13)
                                   from 1 for 13) placing '7' from 15 for 1)::uuid, '00000000-0000-0000-0000-000000000000', 'common'
              from generate_series(1, 50000)
            returning id)
        insert into waiting (job_id, type, queue, due, reason, announced)
        select id, 'common', 'default', now() + interval '1 day', 'delayed', false from made""")
    cursor.execute("vacuum analyze")
    prepared = set()
    found = []
    for name, arguments, most in BOUNDED:
        if name not in prepared:
            prepare(cursor, name)
            prepared.add(name)
        cursor.execute("begin")
        read = rows_read(explain(cursor, name, arguments, "analyze, timing off, format json"))
        cursor.execute("rollback")
        if read > most:
            found.append(f"{name}({', '.join(arguments)}): {read:.0f} rows, more than {most}")
    assert not found, "\n".join(found)
