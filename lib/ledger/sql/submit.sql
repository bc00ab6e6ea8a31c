-- Accepts a batch of jobs: rows, their first events, one outbox row for those that are ready, a waiting row for those that
-- are delayed or whose id's time is off the database's clock (the sweep would walk past them).
-- $1 ids (ascending) $2 orgs $3 types $4 payloads $5 priorities $6 keys $7 requested_by $8 max_attempts $9 timeout_ms
-- $10 run_at $11 traceparents
-- ON CONFLICT makes a repeat after an in-doubt commit, and a key that exists, harmless; what came in is returned.
-- A job's first event bears the job's id: a random one for each costs a twentieth of the statement.
with fresh as (
    insert into job (id, org_id, type, payload, priority, idempotency_key, requested_by, max_attempts, timeout_ms, run_at,
                     traceparent, created_at, updated_at)
    select id, org_id, type, coalesce(payload, '{}'), coalesce(priority, 0), key, requested_by, max_attempts, timeout_ms, run_at, traceparent,
           stamp, stamp
      from (select u.*, clock_timestamp() as stamp
              from unnest($1::uuid[], $2::uuid[], $3::varchar[], $4::jsonb[], $5::int4[], $6::varchar[], $7::varchar[],
                          $8::int4[], $9::int8[], $10::timestamptz[], $11::varchar[])
                   as u (id, org_id, type, payload, priority, key, requested_by, max_attempts, timeout_ms, run_at, traceparent)
             order by u.org_id, u.key, u.id) as made
    on conflict do nothing
    returning id, org_id, type, priority, run_at, created_at
), events as (
    insert into job_event (id, job_id, ts, next_status) select id, id, created_at, 'queued' from fresh
), announced as (
    insert into outbox (kind, ids, due)
    select 'announce', array_agg(id), clock_timestamp() + interval '2 s' from fresh
     where run_at is null or run_at <= created_at
    having count(*) > 0
    returning id
), parked as (
    insert into waiting (job_id, type, queue, priority, due, reason, announced)
    select f.id, f.type, coalesce((select t.queue from job_type t where t.type = f.type), 'default'), f.priority,
           coalesce(f.run_at, f.created_at), case when f.run_at > f.created_at then 'delayed' else 'clock' end,
           f.run_at is null or f.run_at <= f.created_at
      from fresh f
     where f.run_at > f.created_at
        or f.id < (select heimdex_uuid_floor(clock_timestamp() - interval '60 s'))
        or f.id > (select heimdex_uuid_floor(clock_timestamp() + interval '60 s'))
), counted as (
    insert into delta (org_id, type, status, count) select org_id, type, 'queued', count(*) from fresh group by 1, 2
)
select f.id, (select a.id from announced a) as outbox_id, f.run_at > f.created_at as delayed from fresh f
