-- Behind a claim: what it left alone because its type is paused. Costs nothing while no type is.
-- $1 ids
insert into waiting (job_id, type, queue, priority, due, reason)
select j.id, j.type, j.queue, j.priority, clock_timestamp(), 'paused'
  from (select j.id, j.type, j.priority, t.queue from job j join job_type t on t.type = j.type and t.paused
         where exists (select from job_type p where p.paused) and j.id = any($1::uuid[]) and j.status = 'queued'
         order by j.id for update of j) as j
on conflict (job_id) do update set reason = 'paused' where waiting.reason <> 'paused'
