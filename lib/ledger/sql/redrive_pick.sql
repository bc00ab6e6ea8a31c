-- Dead letters, oldest first, through the index of jobs that have an error code, code by code.
-- $1 type $2 error code $3 finished since $4 until $5 limit
with recursive code as (
    (select j.last_error_code as c from job j
      where j.last_error_code >= coalesce($2::varchar, '') order by j.last_error_code limit 1)
    union all
    select (select j.last_error_code from job j where j.last_error_code > code.c order by j.last_error_code limit 1)
      from code where code.c is not null and $2::varchar is null
)
select found.id, found.type, found.last_error_code as code
  from code cross join lateral (
       select j.id, j.type, j.last_error_code from job j
        where j.last_error_code = code.c and j.status = 'dead_letter'
          and ($1::varchar is null or j.type = $1::varchar)
          and ($3::timestamptz is null or j.finished_at >= $3::timestamptz)
          and ($4::timestamptz is null or j.finished_at < $4::timestamptz)
        order by j.id limit $5::int4) as found
 where $2::varchar is null or code.c = $2::varchar
 order by found.id limit $5::int4
