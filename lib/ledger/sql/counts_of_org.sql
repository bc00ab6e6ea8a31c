-- $1 org
select type, status::text, sum(count)::int8 as count
  from (select type, status, count from job_count where org_id = $1::uuid
        union all
        select type, status, count from delta where org_id = $1::uuid) as c
 group by type, c.status having sum(count) <> 0 order by type, c.status
