"""The rules that hold in every committed state of the ledger, and those of a fleet at rest, as queries: each row is a violation.

Names: I1 … I8 of the design, R1 … R4 the four rules of docs/protocol.md, `counts`, `orphan`, `limit`. All run in one snapshot.
`transition` is a temporary table made first: the events of each job in the order of (ts, id), beside what came before."""

# One pass over the events. `claims`: how many claims of the job up to here. `anchor`: the event that wrote the job's row last; an
# event that is merely logged on a terminal job doesn't touch the row.
TRANSITION = """
create temp table transition on commit drop as
select job_id, id, ts, prev, next, detail, writer, n, before, before_ts, last, claims, anchor,
       first_value(detail ->> 'attempt') over (partition by job_id, claims order by n) as claim_attempt,
       first_value(detail ->> 'worker') over (partition by job_id, claims order by n) as claim_worker
  from (select job_id, id, ts, prev_status::text::job_status as prev, next_status::text::job_status as next, detail_json as detail, xmin as writer,
               row_number() over w as n, lag(next_status::text::job_status) over w as before, lag(ts) over w as before_ts,
               lead(ts) over w is null as last,
               count(*) filter (where prev_status = 'queued' and next_status = 'running') over w as claims,
               ts = max(ts) filter (where prev_status is distinct from next_status
                                       or next_status in ('queued', 'running', 'failed')) over (partition by job_id) as anchor
          from job_event
        window w as (partition by job_id order by ts, id)) as e
"""
PREPARE = [TRANSITION, "create index on transition (job_id)", "analyze transition"]

# (prev, next) of every transition there is. The same status twice is a stage, or an event that was merely logged.
ALLOWED = """('queued', 'running'), ('queued', 'canceled'), ('running', 'succeeded'), ('running', 'failed'), ('running', 'dead_letter'),
             ('running', 'canceled'), ('running', 'queued'), ('failed', 'queued'), ('failed', 'canceled'), ('dead_letter', 'queued'),
             ('canceled', 'queued')"""

EVENT = "'job ' || t.job_id || ': event ' || t.id || ' (' || coalesce(t.prev::text, 'null') || ' -> ' || t.next || ')'"

ALWAYS = [
    ("I2", f"""select {EVENT} || ' leaves a terminal status'
                 from transition t
                where t.prev in ('succeeded', 'canceled', 'dead_letter') and t.next <> t.prev
                  and not coalesce(t.next = 'queued' and t.prev <> 'succeeded' and t.detail ?& array['reason', 'max_attempts'], false)"""),
    ("I2", """select 'job ' || id || ': ' || status || ' with finished_at ' || coalesce(finished_at::text, 'null') from job
               where (status in ('succeeded', 'canceled', 'dead_letter')) <> (finished_at is not null)
                 and (fence > 0 or finished_at is not null or status = 'canceled')"""),
    ("I2", """select 'job ' || id || ': ' || status || ' without an error code: no list finds it' from job
               where status in ('dead_letter', 'canceled') and last_error_code is null"""),

    ("I3", """select 'job ' || j.id || ': fence ' || j.fence || ' after ' || coalesce(c.claims, 0) || ' claims'
                from job j left join (select job_id, max(claims) as claims from transition group by 1) as c on c.job_id = j.id
               where j.fence <> coalesce(c.claims, 0)"""),
    # What a run says carries the attempt and the worker of the claim before it. An older run's words would carry others.
    ("I3", f"""select {EVENT} || ' speaks of attempt ' || (t.detail ->> 'attempt') || ', the claim before it is attempt '
                      || coalesce(t.claim_attempt, 'none')
                 from transition t
                where t.prev = 'running' and t.detail ? 'attempt'
                  and t.detail ->> 'attempt'
                      is distinct from (t.claim_attempt::int - (t.detail ->> 'run' is not distinct from 'untouched')::int)::text"""),
    ("I3", f"""select {EVENT} || ' is of worker ' || (t.detail ->> 'worker') || ', claimed by ' || coalesce(t.claim_worker, 'none')
                 from transition t
                where t.prev = 'running' and t.detail ? 'worker' and not t.detail ? 'run'
                  and t.detail ->> 'worker' is distinct from t.claim_worker"""),

    ("I4", f"select {EVENT} || ' is the first' from transition t where t.n = 1 and (t.prev is not null or t.next <> 'queued')"),
    ("I4", f"""select {EVENT} || ' follows one that ended in ' || t.before
                 from transition t where t.n > 1 and t.prev is distinct from t.before"""),
    ("I4", f"""select {EVENT} || ' is no transition' from transition t
                where t.n > 1 and t.prev <> t.next and t.prev not in ('succeeded', 'canceled', 'dead_letter')
                  and (t.prev::text, t.next::text) not in ({ALLOWED})"""),
    ("I4", f"select {EVENT} || ' has the time of the one before' from transition t where t.ts <= t.before_ts"),
    ("I4", """select 'job ' || j.id || ': ' || j.status || ', its last event says ' || t.next
                from job j join transition t on t.job_id = j.id and t.last where t.next <> j.status"""),
    ("I4", """select 'job ' || j.id || ': updated_at ' || j.updated_at || ', the event that moved it ' || t.ts
                from job j join transition t on t.job_id = j.id and t.anchor where t.ts <> j.updated_at"""),

    ("I5", """select 'job ' || id || ': attempt ' || attempt || ' of ' || max_attempts from job where attempt > max_attempts or attempt < 0"""),
    # A claim counts as an attempt unless the run was given back before it started.
    ("I5", """select 'job ' || j.id || ': attempt ' || j.attempt || ', counted from its events ' || c.attempts
                from job j
                join (select job_id, count(*) filter (where prev = 'queued' and next = 'running')
                             - count(*) filter (where prev = 'running'
                                                  and (detail ->> 'run' = 'untouched'
                                                       or next = 'queued' and not detail ?| array['run', 'max_attempts'])) as attempts
                        from transition group by 1) as c on c.job_id = j.id
               where j.attempt <> c.attempts"""),

    ("I7", """select 'org ' || org_id || ', key ' || idempotency_key || ': jobs ' || string_agg(id::text, ', ' order by id) from job
               where idempotency_key is not null group by org_id, idempotency_key having count(*) > 1"""),

    ("I8", """select 'waiting: job ' || w.job_id || ' is ' || coalesce(j.status::text, 'not there')
                from waiting w left join job j on j.id = w.job_id where j.status is null or j.status not in ('queued', 'failed')"""),
    ("I8", """select 'claim ' || c.token || ' of worker ' || c.worker || case when w.id is null then ', which is gone' else ', which is dead' end
                from claim c left join worker w on w.id = c.worker where w.id is null or w.dead"""),
    ("I8", """select 'claim ' || c.token || ' of worker ' || c.worker || ': none of its jobs runs'
                from claim c
               where cardinality(c.ids) > 0 /* else it is a receipt */
                 and not exists (select from unnest(c.ids) as u (id) join job j on j.id = u.id
                                  where j.status = 'running' and j.worker = c.worker)"""),
    ("I8", """select 'permit ' || p.n || ' of ' || p.type || ': held for job ' || p.job_id || ', which is ' || coalesce(j.status::text, 'not there')
                     || case when j.status = 'running' then ' at another worker' else '' end
                from permit p left join job j on j.id = p.job_id
               where p.job_id is not null and not (coalesce(j.status = 'running', false) and j.worker is not distinct from p.worker)"""),
    ("I8", """select 'permits of ' || type || ' ' || string_agg(n::text, ', ' order by n) || ': all held for job ' || job_id
                from permit where job_id is not null group by type, job_id having count(*) > 1"""),
    ("I8", """select 'signal to worker ' || s.worker || ': job ' || s.job_id || ' is ' || coalesce(j.status::text, 'not there')
                     || case when j.status = 'running' then ' at worker ' || j.worker else '' end
                from signal s left join job j on j.id = s.job_id
               where j.status is distinct from 'running' or j.worker is distinct from s.worker"""),

    ("R1", """select 'job ' || j.id || ': ' || j.status || ', not in waiting'
                     || case when j.status = 'queued' then ', and the sweep is past it' else '' end
                from job j
               where j.status in ('queued', 'failed') and not exists (select from waiting w where w.job_id = j.id)
                 and (j.status = 'failed' or j.id <= (select position from sweep))"""),
    ("R2", """select 'job ' || j.id || ': running at worker ' || coalesce(j.worker::text, 'null')
                     || case when w.id is null then ', which is gone' when w.dead then ', which is dead' else ', in no claim of it' end
                from job j left join worker w on w.id = j.worker
               where j.status = 'running'
                 and (w.id is null or w.dead
                      or not exists (select from (select distinct c.worker, u.id from claim c cross join unnest(c.ids) as u (id)) as held
                                      where held.worker = j.worker and held.id = j.id))"""),
    ("R3", """select 'outbox ' || o.id || ' (' || o.kind || '): there is no ' || case when o.kind = 'quarantine' then 'record ' else 'job ' end || u.id
                from outbox o cross join unnest(o.ids) as u (id)
               where not exists (select from job j where j.id = u.id) and not exists (select from quarantine q where q.id = u.id)"""),
    ("R4", "select 'job ' || j.id || ': has no event' from job j where not exists (select from transition t where t.job_id = j.id)"),
    ("orphan", """select 'job ' || job_id || ': ' || count(*) || ' events of a job that isn''t there' from transition t
                   where not exists (select from job j where j.id = t.job_id) group by job_id"""),
    ("counts", """select 'org ' || org_id || ', ' || type || ', ' || status || ': counted ' || coalesce(c.n, 0) || ', there are ' || coalesce(j.n, 0)
                    from (select org_id, type, status, sum(count) as n
                            from (select * from job_count union all select * from delta) as d group by 1, 2, 3) as c
                    full join (select org_id, type, status, count(*) as n from job group by 1, 2, 3) as j using (org_id, type, status)
                   where coalesce(c.n, 0) <> coalesce(j.n, 0)"""),
    ("limit", """select 'type ' || t.type || ': ' || r.n || ' run, there are ' || p.n || ' permits'
                   from job_type t
                   join (select type, count(*) as n from job where status = 'running' group by 1) as r on r.type = t.type
                   join (select type, count(*) as n from permit group by 1) as p on p.type = t.type
                  where t.concurrency is not null and r.n > p.n"""),
]

# The row and its newest event were written by one transaction. Not so where the database came out of a dump.
SAME_TRANSACTION = [
    ("R4", f"""select {EVENT} || ' was written by transaction ' || t.writer || ', the job''s row by ' || j.xmin
                 from job j join transition t on t.job_id = j.id and t.anchor where j.xmin <> t.writer"""),
]

# Where nobody has published yet: every transition that should travel stands in an outbox row of its own transaction. (What an idle
# worker takes, it claims itself; what is due later, `due` announces.)
OUTBOX_KEPT = [
    ("R3", f"""select {EVENT} || ' wrote no announcement'
                 from transition t join job j on j.id = t.job_id
                where t.next = 'queued'
                  and (t.prev is null and (j.run_at is null or j.run_at <= j.created_at)
                       or t.prev <> 'running' and t.detail ? 'max_attempts')
                  and not exists (select from outbox o where o.xmin = t.writer and o.kind = 'announce' and t.job_id = any(o.ids))"""),
    ("R3", f"""select {EVENT} || ' wrote no dead letter' from transition t
                where t.next = 'dead_letter' and t.prev <> t.next
                  and not exists (select from outbox o where o.xmin = t.writer and o.kind = 'dead_letter' and t.job_id = any(o.ids))"""),
]

# All that can move has moved. What waits for a time, an operator or a host with its handler may wait.
IDLE = [
    ("I8", "select 'outbox ' || id || ' (' || kind || ', ' || cardinality(ids) || ' ids) is left after ' || tries || ' tries' from outbox"),
    ("I8", "select 'claim ' || token || ' of worker ' || worker || ' is left' from claim"),
    ("I8", """select 'waiting: job ' || w.job_id || ' (' || w.reason || ', due ' || w.due || ') is left'
                from waiting w left join job_type t on t.type = w.type
               where w.due <= clock_timestamp() and t.type is not null and not t.paused and w.reason <> 'no_handler'"""),
    ("I8", """select 'job ' || j.id || ': queued, and waits for nothing' from job j
               where j.status = 'queued' and not exists (select from waiting w where w.job_id = j.id)"""),
    ("I8", "select 'job ' || id || ': still running' from job where status = 'running'"),
    ("I8", "select 'permit ' || n || ' of ' || type || ' is held' from permit where job_id is not null"),
    ("I8", "select 'signal to worker ' || worker || ' for job ' || job_id || ' is left' from signal"),
    ("I8", "select 'delta: ' || count(*) || ' rows are not folded' from delta having count(*) > 0"),
]

# Every fleet has ended as asked.
STOPPED = [
    ("I10", "select 'job ' || id || ': still running after the stop' from job where status = 'running'"),
    ("I10", "select 'claim ' || token || ' of worker ' || worker || ' is left after the stop' from claim"),
]
