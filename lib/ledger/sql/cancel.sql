-- Queued and failed jobs are canceled at once; for running ones their worker is asked. The row lock puts this before or after a
-- completion, never beside it.
-- $1 ids $2 reason
with locked as materialized (
    select j.id, j.status, j.worker from job j where j.id = any($1::uuid[]) order by j.id for update
), canceled as (
    update job j
       set status = 'canceled', finished_at = clock_timestamp(), last_error_code = 'canceled', last_error_message = $2::text,
           updated_at = greatest(clock_timestamp(), j.updated_at + interval '1 microsecond')
      from locked l where j.id = l.id and l.status in ('queued', 'failed')
    returning j.id, j.org_id, j.type, l.status as was, j.updated_at
), events as (
    insert into job_event (job_id, ts, prev_status, next_status, detail_json)
    select id, updated_at, was, 'canceled', jsonb_build_object('reason', $2::text) from canceled
), asked as (
    insert into signal (worker, job_id, reason)
    select l.worker, l.id, $2::text from locked l where l.status = 'running'
    on conflict do nothing
), counted as (
    insert into delta (org_id, type, status, count)
    select org_id, type, was, -count(*) from canceled group by 1, 2, 3
    union all
    select org_id, type, 'canceled', count(*) from canceled group by 1, 2
)
select id, status::text as was from locked
