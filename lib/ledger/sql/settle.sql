-- running -> anything for a batch, each under its fence: failed (a retry is due later), dead_letter, canceled, queued again
-- (snoozed, or released by a drain), and succeeded. The waiting row, the outbox row and the event go with it.
-- What was asked to stop and ends any other way than by a success is canceled (`stop` is the reason that was given): settling.sql
-- in front of this sees to it that no request is missed.
-- What ends badly always has a code, because lists and redrives find it by that (job_troubled).
-- $1 ids (ascending) $2 fences $3 next statuses $4 error codes $5 error messages $6 details
-- $7 delay in ms until it is due again (failed, queued) $8 reason in waiting $9 added to max_attempts $10 added to attempt $11 worker
with done as (
    update job j
       set status = x.next, attempt = j.attempt + x.add_attempt, max_attempts = j.max_attempts + x.add_max,
           finished_at = case when x.next in ('succeeded', 'canceled', 'dead_letter') then clock_timestamp() end,
           last_error_code = case when x.next = 'canceled' then 'canceled'
                                 when x.next in ('failed', 'dead_letter') then coalesce(x.code, j.last_error_code, 'error')
                                 else coalesce(x.code, j.last_error_code) end,
           last_error_message = coalesce(x.stop, x.message, j.last_error_message),
           updated_at = greatest(clock_timestamp(), j.updated_at + interval '1 microsecond')
      from (select u.id, u.fence, u.code, u.message, u.detail, u.delay_ms, u.reason, u.add_attempt, s.reason as stop,
                   case when s.reason is null then u.next::job_status else 'canceled' end as next,
                   case when s.reason is null then u.add_max else 0 end as add_max
              from unnest($1::uuid[], $2::int4[], $3::text[], $4::varchar[], $5::text[], $6::jsonb[], $7::int8[], $8::varchar[],
                          $9::int4[], $10::int4[])
                   as u (id, fence, next, code, message, detail, delay_ms, reason, add_max, add_attempt)
              left join signal s on s.worker = $11::int4 and s.job_id = u.id and u.next not in ('succeeded', 'canceled')
             order by u.id) as x
     where j.id = x.id and j.fence = x.fence and j.status = 'running'
    returning j.id, j.org_id, j.type, j.status, j.priority, j.attempt, j.updated_at, x.detail, x.delay_ms, x.reason, x.stop,
              x.add_attempt < 0 as untouched
), events as (
    insert into job_event (job_id, ts, prev_status, next_status, detail_json)
    select id, updated_at, 'running', status,
           case when stop is null then detail
                else coalesce(detail, '{}') - '{retry_in_ms,delay_ms,max_attempts}'::text[] || jsonb_build_object('reason', stop)
                     || case when untouched then jsonb_build_object('run', 'untouched', 'attempt', attempt) else '{}' end end
      from done
), parked as (
    insert into waiting (job_id, type, queue, priority, due, reason, announced)
    select d.id, d.type, coalesce((select t.queue from job_type t where t.type = d.type), 'default'), d.priority,
           d.updated_at + coalesce(d.delay_ms, 0) * interval '1 ms',
           case when d.status = 'failed' then 'retry' else coalesce(d.reason, 'released') end, false
      from done d where d.status in ('failed', 'queued')
    on conflict (job_id) do update set due = excluded.due, reason = excluded.reason, announced = false
), buried as (
    insert into outbox (kind, ids, due)
    select 'dead_letter', array_agg(id), clock_timestamp() from done where status = 'dead_letter' having count(*) > 0
), counted as (
    insert into delta (org_id, type, status, count)
    select org_id, type, 'running', -count(*) from done group by 1, 2
    union all
    select org_id, type, status, count(*) from done group by 1, 2, 3
)
select id, status::text from done
