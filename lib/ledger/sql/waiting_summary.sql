-- What waits, by type and reason, and whether anybody is there to take it.
-- A row may have been parked by a host without a handler while others have one: then that isn't why it waits.
select w.type, w.queue,
       case when w.reason = 'no_handler' and h.handled then case when t.concurrency is null then 'released' else 'limited' end
            else w.reason end as reason,
       w.count, w.due, coalesce(t.paused, false) as paused,
       h.handled
  from (select type, queue, reason, count(*) as count, min(due) as due from waiting group by type, queue, reason) as w
  left join job_type t on t.type = w.type
 cross join lateral (select exists (select from worker k where not k.dead and w.type = any(k.types)) as handled) as h
 order by w.type, w.queue, w.reason
