-- A stretch of the jobs that ever had an error code, for those in dead_letter or canceled. The index is in order within each code, so
-- as many are looked at as are younger than the place that each code would reach with its share of them. There are few codes; the
-- recursion hops from one to the next. A canceled job's code is always `canceled`.
-- Rows: what was found, each with how many were looked at and where that ended (null: nothing is left); one row of nulls if none.
-- $1 below $2 above $3 how many to look at $4 type $5 org $6 since $7 until $8 status $9 limit
with recursive code as (
    (select j.last_error_code as c from job j
      where j.last_error_code >= case when $8::text = 'canceled' then 'canceled' else '' end order by j.last_error_code limit 1)
    union all
    select (select j.last_error_code from job j where j.last_error_code > code.c order by j.last_error_code limit 1)
      from code where code.c is not null and $8::text <> 'canceled'
), each as materialized (
    select c, greatest(10, $3::int4 / count(*) over ()) as share from code where c is not null and ($8::text <> 'canceled' or c = 'canceled')
), reached as materialized (
    select j.id
      from each e cross join lateral (
           select j.id from job j where j.last_error_code = e.c and j.id < $1::uuid and j.id > $2::uuid
            order by j.id desc offset e.share - 1 limit 1) as j
     order by j.id desc limit 1
), found as materialized (
    select j.id, j.created_at
      from each e cross join lateral (
           select j.id, j.created_at from job j
            where j.last_error_code = e.c and j.id < $1::uuid and j.id > $2::uuid and j.id >= coalesce((select id from reached), $2::uuid)
              and j.status = $8::text::job_status
              and ($4::varchar is null or j.type = $4::varchar) and ($5::uuid is null or j.org_id = $5::uuid)
              and ($6::timestamptz is null or j.created_at >= $6::timestamptz) and ($7::timestamptz is null or j.created_at < $7::timestamptz)
            order by j.id desc limit $9::int4) as j
     order by j.id desc limit $9::int4
)
select s.looked, (select id from reached) as last, f.id, f.created_at, f.job
  from (select count(*) as looked
          from each e cross join lateral (
               select from job j where j.last_error_code = e.c and j.id < $1::uuid and j.id > $2::uuid and j.id >= coalesce((select id from reached), $2::uuid)) as j) as s
  left join lateral (select f.id, f.created_at, heimdex_job_json(j)::text as job from found f join job j on j.id = f.id) as f on true
