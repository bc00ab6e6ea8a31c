-- Takes a batch: queued -> running for the ids that are still free, with the claim row that proves who has them.
-- $1 token $2 worker $3 ids (ascending) $4 max_attempts of each one's handler $5 types handled here
-- $6 members of the event's detail: "worker":"host/instance/slot" $7 ids for the events (made by the client: the server's random
-- numbers cost it more than a tenth of the statement)
-- text[], not varchar[]: an array that has to be cast is cast again for every row.
-- The worker's row is locked first: a reaper that declares it dead either sees this claim, or this claim sees it dead.
-- A record that is delivered twice must not run a job before its time: what is snoozed or delayed is nobody's until it is due.
-- attempt is raised here and lowered again by a release of what had not started.
with alive as materialized (
    select id from worker where id = $2::int4 and not dead for key share
), claimed as (
    update job j
       set status = 'running', fence = j.fence + 1, attempt = j.attempt + 1, worker = $2::int4,
           max_attempts = coalesce(j.max_attempts, x.max_attempts), started_at = clock_timestamp(),
           updated_at = greatest(clock_timestamp(), j.updated_at + interval '1 microsecond')
      from (select u.id, u.max_attempts, u.event_id from unnest($3::uuid[], $4::int4[], $7::uuid[]) as u (id, max_attempts, event_id) order by u.id) as x
     where j.id = x.id and j.status = 'queued' and exists (select from alive)
       and j.type = any($5::text[])
       and not exists (select from waiting w where w.job_id = j.id and not w.announced and w.due > clock_timestamp())
       and j.type <> all ((select coalesce(array_agg(t.type::text), '{}') from job_type t where t.paused)::text[])
    returning j.id, j.org_id, j.type, j.attempt, j.max_attempts, j.fence, j.crash_count, j.priority, j.timeout_ms, j.updated_at,
              j.payload, j.traceparent, x.event_id
), held as (
    insert into claim (token, worker, ids) select $1::uuid, $2::int4, array_agg(id) from claimed having count(*) > 0
), events as (
    insert into job_event (id, job_id, ts, prev_status, next_status, detail_json)
    select coalesce(event_id, gen_random_uuid()), id, updated_at, 'queued', 'running', case when attempt = 1 then (select ('{"attempt":1,' || $6::text || '}')::jsonb) else ('{"attempt":' || attempt || ',' || $6::text || '}')::jsonb end
      from claimed
), counted as (
    insert into delta (org_id, type, status, count)
    select g.org_id, g.type, s.status, s.sign * g.n
      from (select org_id, type, count(*) as n from claimed group by 1, 2) as g,
           (values ('queued'::job_status, -1), ('running'::job_status, 1)) as s (status, sign)
)
select id, org_id, type, attempt, max_attempts, fence, crash_count, priority, timeout_ms, payload::text, traceparent from claimed
