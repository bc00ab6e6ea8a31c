-- Behind a release, in the same transaction: what the dead worker had been asked to stop doesn't go on elsewhere. A statement of its
-- own: a request that was being written while the release waited for the job's row is in its snapshot.
-- $1 worker
with asked as (
    delete from signal where worker = $1::int4 returning job_id, reason
), canceled as (
    update job j
       set status = 'canceled', finished_at = clock_timestamp(), last_error_code = 'canceled', last_error_message = x.reason,
           updated_at = greatest(clock_timestamp(), j.updated_at + interval '1 microsecond')
      from (select a.job_id, a.reason, i.status from asked a join job i on i.id = a.job_id
             where i.worker = $1::int4 and i.status in ('queued', 'failed') order by a.job_id) as x
     where j.id = x.job_id and j.status = x.status
    returning j.id, j.org_id, j.type, x.status as was, x.reason, j.updated_at
), events as (
    insert into job_event (job_id, ts, prev_status, next_status, detail_json)
    select id, updated_at, was, 'canceled', jsonb_build_object('reason', reason) from canceled
), unwaited as (
    delete from waiting w using canceled c where w.job_id = c.id
), counted as (
    insert into delta (org_id, type, status, count)
    select org_id, type, was, -count(*) from canceled group by 1, 2, 3
    union all
    select org_id, type, 'canceled', count(*) from canceled group by 1, 2
)
select count(*) as canceled from canceled
