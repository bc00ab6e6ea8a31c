-- Running jobs stand in a claim; one that was released and claimed again may stand in two.
-- $1 type $2 org $3 since $4 limit $5 status (running)
with picked as materialized (
    select distinct u.id, j.created_at
      from claim c cross join unnest(c.ids) as u (id)
     cross join lateral (select j.org_id, j.type, j.status, j.created_at from job j where j.id = u.id offset 0) as j
     where j.status = $5::text::job_status
       and ($1::varchar is null or j.type = $1::varchar) and ($2::uuid is null or j.org_id = $2::uuid)
       and ($3::timestamptz is null or j.created_at >= $3::timestamptz)
     order by j.created_at desc, u.id desc limit $4::int4
)
select heimdex_job_json(j)::text as job from picked p join job j on j.id = p.id order by j.created_at desc, j.id desc
