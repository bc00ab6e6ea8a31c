-- Jobs that this worker was told of and can't take stay where those who can will look. The row lock keeps this apart from a claim:
-- a job has a waiting row only while it waits.
-- A paused type says so, whatever the reason given. What a worker had reserved and couldn't claim or start is free again at
-- once; what has still to wait for its time goes on waiting for that.
-- $1 ids $2 reason
insert into waiting (job_id, type, queue, priority, due, reason)
select j.id, j.type, coalesce(t.queue, 'default'), j.priority, clock_timestamp(), case when t.paused then 'paused' else $2::varchar end
  from (select j.id, j.type, j.priority from job j
         where j.id = any($1::uuid[]) and j.status = 'queued' order by j.id for update) as j
  left join job_type t on t.type = j.type
on conflict (job_id) do update set reason = excluded.reason, due = excluded.due
 where excluded.reason in ('limited', 'paused', 'busy') and (waiting.announced or waiting.due <= excluded.due)
   and (waiting.reason <> excluded.reason or waiting.due > excluded.due)
