-- An event that changes no status. It moves updated_at, so that the job's events stay in order; a terminal row never changes, so
-- there only the lock and the stamp are its.
-- $1 id $2 detail
with it as materialized (
    select id, status, greatest(clock_timestamp(), updated_at + interval '1 microsecond') as stamp from job where id = $1::uuid for update
), moved as (
    update job j set updated_at = it.stamp from it where j.id = it.id and it.status not in ('succeeded', 'canceled', 'dead_letter')
)
insert into job_event (job_id, ts, prev_status, next_status, detail_json) select id, stamp, status, status, $2::jsonb from it
