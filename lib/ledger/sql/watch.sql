-- $1 job
select j.status::text,
       (select e.detail_json::text from job_event e where e.job_id = j.id order by e.ts desc, e.id desc limit 1) as detail
  from job j where j.id = $1::uuid
