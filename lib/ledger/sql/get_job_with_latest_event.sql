-- $1 job
select heimdex_job_json(j)::text as job,
       (select heimdex_event_json(e)::text from job_event e where e.job_id = j.id order by e.ts desc, e.id desc limit 1) as event
  from job j where j.id = $1::uuid
