-- All jobs of a rare type: the index job_ranges says which pages may have one. `offset 0`: no walk in key order instead.
-- Rows as of search_jobs.
-- $1 $2 $3 no matter $4 type $5 org $6 since $7 until $8 status $9 limit
with looked as materialized (
    select j.id, j.status, j.created_at from job j
     where j.type = $4::varchar and ($5::uuid is null or j.org_id = $5::uuid)
       and $1::uuid > $2::uuid and $3::int4 is not null offset 0
), found as materialized (
    select l.id, l.created_at from looked l
     where ($8::text is null or l.status = $8::text::job_status)
       and ($6::timestamptz is null or l.created_at >= $6::timestamptz) and ($7::timestamptz is null or l.created_at < $7::timestamptz)
     order by l.created_at desc, l.id desc limit $9::int4
)
select s.looked, null::uuid as last, f.id, f.created_at, f.job
  from (select count(*) as looked from looked) as s
  left join lateral (select f.id, f.created_at, heimdex_job_json(j)::text as job from found f join job j on j.id = f.id) as f on true
