-- Stage and progress of running jobs as events, each under its fence; updated_at moves, so that the events stay in order.
-- $1 ids (ascending, each once) $2 fences $3 details
with seen as (
    update job j set updated_at = greatest(clock_timestamp(), j.updated_at + interval '1 microsecond')
      from (select u.id, u.fence, u.detail from unnest($1::uuid[], $2::int4[], $3::jsonb[]) as u (id, fence, detail) order by u.id) as x
     where j.id = x.id and j.fence = x.fence and j.status = 'running'
    returning j.id, j.updated_at, x.detail
)
insert into job_event (job_id, ts, prev_status, next_status, detail_json)
select id, updated_at, 'running', 'running', detail from seen
