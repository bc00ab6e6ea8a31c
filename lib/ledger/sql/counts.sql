select type, status::text, sum(count)::int8 as count
  from (select type, status, count from job_count union all select type, status, count from delta) as c
 group by type, c.status having sum(count) <> 0 order by type, c.status
