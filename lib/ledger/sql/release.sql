-- What a dead worker held goes on elsewhere. By the evidence of what had started:
--   not started         queued again, its attempt given back
--   ended, not written  queued again, with one more attempt allowed: the run is lost, not the job's fault (so is one that
--                       the fleet cut short)
--   started             failed with the way the worker died, a crash counted, due after a backoff; dead_letter when its
--                       attempts are used up, or when it took down more workers than allowed
--   asked to stop       canceled, whichever it was (`stop` is the reason that was given); releasing.sql in front of this sees to
--                       it that no request is missed
-- What the worker printed as it died is told of what had started alone: nothing of it can be the others'.
-- $1 worker $2 ids with evidence $3 their fences $4 true: had ended $5 no evidence: all count as started
-- $6 error code $7 message $8 detail of the death (jsonb object; its reason is that of the events, else: worker died) $9 backoff base ms $10 backoff max ms $11 max crashes
with held as materialized (
    select distinct u.id from claim c cross join unnest(c.ids) as u (id) where c.worker = $1::int4
), known as materialized (
    select u.id, u.fence, u.ended from unnest($2::uuid[], $3::int4[], $4::bool[]) as u (id, fence, ended)
), judged as materialized (
    select j.id, j.fence, s.reason as stop,
           case when $5::bool then 'started'
                when k.id is null then 'untouched' when k.ended then 'ended' else 'started' end as what
      from held h join job j on j.id = h.id left join known k on k.id = j.id and k.fence = j.fence
      left join signal s on s.worker = $1::int4 and s.job_id = j.id
     where j.status = 'running' and j.worker = $1::int4
     order by j.id
), freed as (
    update job j
       set status = case when x.stop is not null then 'canceled'
                         when x.what <> 'started' then 'queued'
                         when j.attempt >= coalesce(j.max_attempts, 1) or j.crash_count >= $11::int4 then 'dead_letter'
                         else 'failed' end::job_status,
           attempt = j.attempt - (x.what = 'untouched')::int4,
           max_attempts = j.max_attempts + (x.what = 'ended' and x.stop is null)::int4,
           crash_count = j.crash_count + (x.what = 'started')::int4,
           last_error_code = case when x.stop is not null then 'canceled' when x.what = 'started' then $6::varchar else j.last_error_code end,
           last_error_message = case when x.stop is not null then x.stop when x.what = 'started' then
                case when j.crash_count >= $11::int4 then 'poison: took down ' || j.crash_count + 1 || ' workers; ' else '' end || $7::text
                else j.last_error_message end,
           finished_at = case when x.stop is not null
                                or x.what = 'started' and (j.attempt >= coalesce(j.max_attempts, 1) or j.crash_count >= $11::int4)
                              then clock_timestamp() end,
           updated_at = greatest(clock_timestamp(), j.updated_at + interval '1 microsecond')
      from judged x
     where j.id = x.id and j.fence = x.fence and j.status = 'running' and j.worker = $1::int4
    returning j.id, j.org_id, j.type, j.status, j.priority, j.attempt, j.crash_count, j.updated_at, x.what, x.stop
), events as (
    insert into job_event (job_id, ts, prev_status, next_status, detail_json)
    select id, updated_at, 'running', status,
           case when what = 'started' then $8::jsonb else $8::jsonb - 'stderr' end
             || jsonb_build_object('reason', coalesce(stop, $8::jsonb ->> 'reason', 'worker died'), 'run', what, 'attempt', attempt, 'crashes', crash_count)
             || case when what = 'started' then jsonb_build_object('error', jsonb_build_object('code', $6::text, 'message', $7::text))
                     else '{}' end
      from freed
), parked as (
    insert into waiting (job_id, type, queue, priority, due, reason, announced)
    select f.id, f.type, coalesce((select t.queue from job_type t where t.type = f.type), 'default'), f.priority,
           f.updated_at + case when f.status = 'failed' then random() * least($10::int8, $9::int8 * 2 ^ least(f.attempt - 1, 40)) else 0 end
                          * interval '1 ms',
           case when f.status = 'failed' then 'retry' else 'released' end, false
      from freed f where f.status in ('failed', 'queued')
    on conflict (job_id) do update set due = excluded.due, reason = excluded.reason, announced = false
), buried as (
    insert into outbox (kind, ids, due)
    select 'dead_letter', array_agg(id), clock_timestamp() from freed where status = 'dead_letter' having count(*) > 0
), unclaimed as (
    delete from claim where worker = $1::int4
), answered as (
    delete from signal where worker = $1::int4
), permitted as (
    update permit set job_id = null, worker = null where worker = $1::int4
), counted as (
    insert into delta (org_id, type, status, count)
    select org_id, type, 'running', -count(*) from freed group by 1, 2
    union all
    select org_id, type, status, count(*) from freed group by 1, 2, 3
)
select count(*) filter (where what = 'started') as started, count(*) filter (where what = 'ended') as ended,
       count(*) filter (where what = 'untouched') as untouched, count(*) filter (where status = 'dead_letter') as buried
  from freed
