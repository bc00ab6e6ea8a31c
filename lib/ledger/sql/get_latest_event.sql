-- $1 job
select heimdex_event_json(e)::text as event from job_event e where e.job_id = $1::uuid order by e.ts desc, e.id desc limit 1
