-- Jobs in dead_letter or canceled: through the index of those that ever had an error code, code by code (there are few codes; the
-- recursion hops from one to the next), the newest of each. A canceled job's code is always `canceled`.
-- $1 type $2 org $3 since $4 limit $5 status
with recursive bound as materialized (
    select heimdex_uuid_floor(clock_timestamp() + interval '1 hour') as newest
), code as (
    (select j.last_error_code as c from job j
      where j.last_error_code >= case when $5::text = 'canceled' then 'canceled' else '' end order by j.last_error_code limit 1)
    union all
    select (select j.last_error_code from job j where j.last_error_code > code.c order by j.last_error_code limit 1)
      from code where code.c is not null and $5::text <> 'canceled'
), picked as materialized (
    select found.id
      from code cross join lateral (
           select both_kinds.* from (
               (select j.id, j.created_at from job j
                 where j.last_error_code = code.c and j.id < (select newest from bound) and j.status = $5::text::job_status
                   and ($1::varchar is null or j.type = $1::varchar) and ($2::uuid is null or j.org_id = $2::uuid)
                   and ($3::timestamptz is null or j.created_at >= $3::timestamptz)
                 order by j.id desc limit $4::int4)
               union all
               (select j.id, j.created_at from job j
                 where j.last_error_code = code.c and j.id >= (select newest from bound) and j.status = $5::text::job_status
                   and ($1::varchar is null or j.type = $1::varchar) and ($2::uuid is null or j.org_id = $2::uuid)
                   and ($3::timestamptz is null or j.created_at >= $3::timestamptz)
                 order by j.id desc limit $4::int4)
           ) as both_kinds limit $4::int4) as found
     where $5::text <> 'canceled' or code.c = 'canceled'
     order by found.created_at desc, found.id desc limit $4::int4
)
select heimdex_job_json(j)::text as job from picked p join job j on j.id = p.id order by j.created_at desc, j.id desc
