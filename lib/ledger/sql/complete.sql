-- running -> succeeded for a batch, each under its fence. What the fence refuses is not returned: stale, and unchanged.
-- $1 ids (ascending) $2 fences $3 details (null: the one in $4) $5 ids for the events
with done as (
    update job j
       set status = 'succeeded', finished_at = clock_timestamp(),
           updated_at = greatest(clock_timestamp(), j.updated_at + interval '1 microsecond')
      from (select u.id, u.fence, u.detail, u.event_id from unnest($1::uuid[], $2::int4[], $3::jsonb[], $5::uuid[]) as u (id, fence, detail, event_id)
             order by u.id) as x
     where j.id = x.id and j.fence = x.fence and j.status = 'running'
    returning j.id, j.org_id, j.type, j.updated_at, x.detail, x.event_id
), events as (
    insert into job_event (id, job_id, ts, prev_status, next_status, detail_json)
    select coalesce(event_id, gen_random_uuid()), id, updated_at, 'running', 'succeeded', coalesce(detail, $4::jsonb) from done
), counted as (
    insert into delta (org_id, type, status, count)
    select g.org_id, g.type, s.status, s.sign * g.n
      from (select org_id, type, count(*) as n from done group by 1, 2) as g,
           (values ('running'::job_status, -1), ('succeeded'::job_status, 1)) as s (status, sign)
)
select id from done
