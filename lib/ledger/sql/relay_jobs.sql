-- What is still worth announcing of these ids, and where it travels.
-- $1 outbox ids
select o.id, j.id as job_id, j.type, coalesce(t.queue, 'default') as queue, coalesce(t.announce, 1) as announce, j.priority > 0 as high
  from outbox o cross join unnest(o.ids) as u (id) join job j on j.id = u.id left join job_type t on t.type = j.type
 where o.id = any($1::int8[]) and o.kind = 'announce' and j.status = 'queued'
 order by j.type, high, o.id, j.id
