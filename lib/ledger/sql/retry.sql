-- dead_letter, canceled and failed jobs are queued again at once. One more attempt is allowed, and the event says so. A running job that was asked to stop answers "try again": it is not canceled yet.
-- $1 ids $2 reason
with locked as materialized (
    select j.id, j.status, j.attempt, j.max_attempts,
           exists (select from signal s where s.worker = j.worker and s.job_id = j.id) as stopping
      from job j where j.id = any($1::uuid[]) order by j.id for update
), revived as (
    update job j
       set status = 'queued', finished_at = null, crash_count = 0,
           max_attempts = case when j.max_attempts is not null then greatest(j.max_attempts, j.attempt) + 1 end,
           updated_at = greatest(clock_timestamp(), j.updated_at + interval '1 microsecond')
      from locked l where j.id = l.id and l.status in ('dead_letter', 'canceled', 'failed')
    returning j.id, j.org_id, j.type, j.priority, j.max_attempts, l.status as was, j.updated_at
), events as (
    insert into job_event (job_id, ts, prev_status, next_status, detail_json)
    select id, updated_at, was, 'queued', jsonb_build_object('reason', $2::text, 'max_attempts', max_attempts) from revived
), parked as (
    insert into waiting (job_id, type, queue, priority, due, reason)
    select r.id, r.type, coalesce((select t.queue from job_type t where t.type = r.type), 'default'), r.priority, clock_timestamp(),
           'redriven'
      from revived r
    on conflict (job_id) do update set due = excluded.due, reason = excluded.reason, announced = true
), announced as (
    insert into outbox (kind, ids, due) select 'announce', array_agg(id), clock_timestamp() from revived having count(*) > 0
), counted as (
    insert into delta (org_id, type, status, count)
    select org_id, type, was, -count(*) from revived group by 1, 2, 3
    union all
    select org_id, type, 'queued', count(*) from revived group by 1, 2
)
select id, status::text as was, stopping from locked
