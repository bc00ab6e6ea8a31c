-- The dead-letter topic's records: one JSON object a job, or a quarantined record.
-- $1 outbox ids
select o.id, j.id::text as key,
       jsonb_build_object('kind', 'job', 'id', j.id, 'org_id', j.org_id, 'type', j.type, 'payload', j.payload, 'attempt', j.attempt,
           'max_attempts', j.max_attempts, 'crash_count', j.crash_count, 'created_at', j.created_at, 'finished_at', j.finished_at,
           'error', jsonb_build_object('code', j.last_error_code, 'message', j.last_error_message))::text as record
  from outbox o cross join unnest(o.ids) as u (id) join job j on j.id = u.id
 where o.id = any($1::int8[]) and o.kind = 'dead_letter' and j.status = 'dead_letter'
union all
select o.id, q.id::text,
       jsonb_build_object('kind', 'record', 'id', q.id, 'topic', q.topic, 'partition', q.partition, 'offset', q."offset",
           'reason', q.reason, 'size', q.size, 'record_base64', encode(q.record, 'base64'))::text
  from outbox o cross join unnest(o.ids) as u (id) join quarantine q on q.id = u.id
 where o.id = any($1::int8[]) and o.kind = 'quarantine'
