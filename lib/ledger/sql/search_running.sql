-- All running jobs: they stand in a claim; one that was released and claimed again may stand in two.
-- Rows as of search_jobs.
-- $1 below $2 above $3 nothing $4 type $5 org $6 since $7 until $8 status (running) $9 limit
with looked as materialized (
    select distinct u.id from claim c cross join unnest(c.ids) as u (id) where u.id < $1::uuid and u.id > $2::uuid and $3::int4 is not null
), found as materialized (
    select l.id, j.created_at
      from looked l cross join lateral (select j.org_id, j.type, j.status, j.created_at from job j where j.id = l.id offset 0) as j
     where j.status = $8::text::job_status
       and ($4::varchar is null or j.type = $4::varchar) and ($5::uuid is null or j.org_id = $5::uuid)
       and ($6::timestamptz is null or j.created_at >= $6::timestamptz) and ($7::timestamptz is null or j.created_at < $7::timestamptz)
     order by j.created_at desc, l.id desc limit $9::int4
)
select s.looked, null::uuid as last, f.id, f.created_at, f.job
  from (select count(*) as looked from looked) as s
  left join lateral (select f.id, f.created_at, heimdex_job_json(j)::text as job from found f join job j on j.id = f.id) as f on true
