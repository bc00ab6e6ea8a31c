-- A stretch of what waits for its retry, as failed jobs do. `offset 0` keeps the planner from walking through all
-- jobs instead.
-- Rows: what was found, each with how many were looked at and where that ended (null: nothing is left); one row of nulls if none.
-- $1 below $2 above $3 how many to look at $4 type $5 org $6 since $7 until $8 status $9 limit
with reached as materialized (
    select w.job_id as id from waiting w where w.job_id < $1::uuid and w.job_id > $2::uuid and w.reason in ('retry', 'migrated') order by w.job_id desc offset $3::int4 - 1 limit 1
), found as materialized (
    select w.job_id as id, j.created_at
      from waiting w cross join lateral (select j.org_id, j.status, j.created_at from job j where j.id = w.job_id offset 0) as j
     where w.job_id < $1::uuid and w.job_id > $2::uuid and w.job_id >= coalesce((select id from reached), $2::uuid) and w.reason in ('retry', 'migrated')
       and j.status = $8::text::job_status
       and ($4::varchar is null or w.type = $4::varchar) and ($5::uuid is null or j.org_id = $5::uuid)
       and ($6::timestamptz is null or j.created_at >= $6::timestamptz) and ($7::timestamptz is null or j.created_at < $7::timestamptz)
     order by w.job_id desc limit $9::int4
)
select s.looked, (select id from reached) as last, f.id, f.created_at, f.job
  from (select count(*) as looked from waiting w where w.job_id < $1::uuid and w.job_id > $2::uuid and w.job_id >= coalesce((select id from reached), $2::uuid) and w.reason in ('retry', 'migrated')) as s
  left join lateral (select f.id, f.created_at, heimdex_job_json(j)::text as job from found f join job j on j.id = f.id) as f on true
