-- Failed jobs wait for their retry. Here as in its like: `offset 0` keeps the planner from walking through all jobs instead.
-- $1 type $2 org $3 since $4 limit $5 status (failed)
with picked as materialized (
    select w.job_id
      from waiting w cross join lateral (select j.org_id, j.status, j.created_at from job j where j.id = w.job_id offset 0) as j
     where w.reason in ('retry', 'migrated') and j.status = $5::text::job_status
       and ($1::varchar is null or w.type = $1::varchar) and ($2::uuid is null or j.org_id = $2::uuid)
       and ($3::timestamptz is null or j.created_at >= $3::timestamptz)
     order by w.job_id desc limit $4::int4
)
select heimdex_job_json(j)::text as job from picked p join job j on j.id = p.job_id order by j.created_at desc, j.id desc
