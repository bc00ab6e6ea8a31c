-- Queued jobs stand in `waiting`, or are younger than the sweep's position; random ids of older releases, which sort behind
-- every UUIDv7, stand in `waiting`. Newest first.
-- $1 type $2 org $3 since $4 limit $5 status (queued)
with bound as materialized (
    select position, heimdex_uuid_floor(clock_timestamp() + interval '1 hour') as newest from sweep
), fresh as materialized (
    select j.id, j.created_at from job j
     where j.id > (select position from bound) and j.id < (select newest from bound) and j.status = $5::text::job_status
       and ($1::varchar is null or j.type = $1::varchar) and ($2::uuid is null or j.org_id = $2::uuid)
       and ($3::timestamptz is null or j.created_at >= $3::timestamptz)
     order by j.id desc limit $4::int4
), waited as materialized (
    select w.job_id as id, j.created_at
      from waiting w cross join lateral (select j.org_id, j.status, j.created_at from job j where j.id = w.job_id offset 0) as j
     where w.job_id <= (select position from bound) and j.status = $5::text::job_status
       and ($1::varchar is null or w.type = $1::varchar) and ($2::uuid is null or j.org_id = $2::uuid)
       and ($3::timestamptz is null or j.created_at >= $3::timestamptz)
     order by w.job_id desc limit $4::int4
), random_ids as materialized (
    select w.job_id as id, j.created_at
      from waiting w cross join lateral (select j.org_id, j.status, j.created_at from job j where j.id = w.job_id offset 0) as j
     where w.job_id >= (select newest from bound) and j.status = $5::text::job_status
       and ($1::varchar is null or w.type = $1::varchar) and ($2::uuid is null or j.org_id = $2::uuid)
       and ($3::timestamptz is null or j.created_at >= $3::timestamptz)
     order by w.job_id desc limit $4::int4
), picked as materialized (
    select id from (select * from fresh union all select * from waited union all select * from random_ids) as all_kinds
     order by created_at desc, id desc limit $4::int4
)
select heimdex_job_json(j)::text as job from picked p join job j on j.id = p.id order by j.created_at desc, j.id desc
