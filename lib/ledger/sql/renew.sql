-- The lease counter moves, and the answer says whether the worker has been declared dead, and which of its jobs are to stop.
-- $1 worker $2 handlers running $3 lease in ms
with mine as (
    update worker set lease = lease + 1, renewed_at = clock_timestamp(), running = $2::int4, lease_ms = $3::int4
     where id = $1::int4 and not dead returning id
)
select exists (select from mine) as alive
