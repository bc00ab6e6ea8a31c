-- The queued jobs that have waited longest, in the order in which they are to run: those in `waiting`, then the fresh ones.
-- $1 org $2 limit $3 type
with waited as materialized (
    select w.job_id as id, w.priority, j.created_at
      from waiting w cross join lateral (select j.org_id, j.status, j.created_at from job j where j.id = w.job_id offset 0) as j
     where j.status = 'queued'
       and ($1::uuid is null or j.org_id = $1::uuid) and ($3::varchar is null or w.type = $3::varchar)
     order by w.job_id limit $2::int4
), fresh as materialized (
    select j.id, j.priority, j.created_at from job j
     where j.id > (select position from sweep) and j.status = 'queued'
       and ($1::uuid is null or j.org_id = $1::uuid) and ($3::varchar is null or j.type = $3::varchar)
     order by j.id limit $2::int4
), picked as materialized (
    select id from (select * from waited union select * from fresh) as both_kinds
     order by priority desc, created_at, id limit $2::int4
)
select heimdex_job_json(j)::text as job from picked p join job j on j.id = p.id order by j.priority desc, j.created_at, j.id
