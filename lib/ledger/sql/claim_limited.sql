-- The same for one type with a fleet-wide limit: as many jobs as there are free permits, the rest waits for one.
-- $1 token $2 worker $3 ids $4 max_attempts of the handler $5 type $6 members of the event's detail
with alive as materialized (
    select id from worker where id = $2::int4 and not dead for key share
), open as materialized (
    select n from permit p
     where p.type = $5::varchar and p.job_id is null and exists (select from alive)
       and p.n <= (select t.concurrency from job_type t where t.type = $5::varchar and not t.paused)
     order by n limit cardinality($3::uuid[]) for update skip locked
), wanted as materialized (
    select j.id, row_number() over (order by j.priority desc, j.id) as n
      from unnest($3::uuid[]) as u (id) join job j on j.id = u.id
     where j.status = 'queued' and j.type = $5::varchar
       and not exists (select from waiting w where w.job_id = j.id and not w.announced and w.due > clock_timestamp())
), claimed as (
    update job j
       set status = 'running', fence = j.fence + 1, attempt = j.attempt + 1, worker = $2::int4,
           max_attempts = coalesce(j.max_attempts, $4::int4), started_at = clock_timestamp(),
           updated_at = greatest(clock_timestamp(), j.updated_at + interval '1 microsecond')
      from (select w.id from wanted w where w.n <= (select count(*) from open) order by w.id) as x
     where j.id = x.id and j.status = 'queued'
    returning j.id, j.org_id, j.type, j.attempt, j.max_attempts, j.fence, j.crash_count, j.priority, j.timeout_ms, j.updated_at,
              j.payload, j.traceparent
), permitted as (
    update permit p set job_id = c.id, worker = $2::int4
      from (select id, row_number() over () as k from claimed) as c
      join (select n, row_number() over (order by n) as k from open) as o on o.k = c.k
     where p.type = $5::varchar and p.n = o.n
), held as (
    insert into claim (token, worker, ids) select $1::uuid, $2::int4, array_agg(id) from claimed having count(*) > 0
), events as (
    insert into job_event (job_id, ts, prev_status, next_status, detail_json)
    select id, updated_at, 'queued', 'running', ('{"attempt":' || attempt || ',' || $6::text || '}')::jsonb from claimed
), counted as (
    insert into delta (org_id, type, status, count)
    select g.org_id, g.type, s.status, s.sign * g.n
      from (select org_id, type, count(*) as n from claimed group by 1, 2) as g,
           (values ('queued'::job_status, -1), ('running'::job_status, 1)) as s (status, sign)
)
select id, org_id, type, attempt, max_attempts, fence, crash_count, priority, timeout_ms, payload::text, traceparent from claimed
