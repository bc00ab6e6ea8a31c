-- What waits, by type and reason, and whether anybody is there to take it.
select w.type, w.queue, w.reason, w.count, w.due, coalesce(t.paused, false) as paused,
       exists (select from worker k where not k.dead and w.type = any(k.types)) as handled
  from (select type, queue, reason, count(*) as count, min(due) as due from waiting group by type, queue, reason) as w
  left join job_type t on t.type = w.type
 order by w.type, w.queue, w.reason
