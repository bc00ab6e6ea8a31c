-- Jobs that this worker was told of and can't take stay where those who can will look. The row lock keeps this apart from a claim:
-- a job has a waiting row only while it waits.
-- $1 ids $2 reason
insert into waiting (job_id, type, queue, priority, due, reason)
select j.id, j.type, coalesce((select t.queue from job_type t where t.type = j.type), 'default'), j.priority, clock_timestamp(),
       $2::varchar
  from (select j.id, j.type, j.priority from job j
         where j.id = any($1::uuid[]) and j.status = 'queued' order by j.id for update) as j
on conflict (job_id) do update set reason = excluded.reason where waiting.reason <> excluded.reason and excluded.reason = 'limited'
