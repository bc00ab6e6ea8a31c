-- What an in-doubt claim took, for the worker that had asked for it: only jobs that are still its own.
-- $1 token $2 worker
select j.id, j.org_id, j.type, j.attempt, j.max_attempts, j.fence, j.crash_count, j.priority, j.timeout_ms, j.payload::text,
       j.traceparent
  from claim c cross join unnest(c.ids) as u (id) join job j on j.id = u.id
 where c.token = $1::uuid and j.worker = $2::int4 and j.status = 'running'
