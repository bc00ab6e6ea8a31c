-- The row; stage and progress of its latest run, and its result, from its events.
-- $1 id
select left(heimdex_job_json(j)::text, -1)
       || ',"stage":' || coalesce(
              (select e.detail_json -> 'stage' from job_event e
                where e.job_id = j.id and e.ts >= coalesce(j.started_at, '-infinity') and e.detail_json ? 'stage'
                order by e.ts desc, e.id desc limit 1)::text, 'null')
       || ',"progress":' || coalesce(
              (select e.detail_json -> 'progress' from job_event e
                where e.job_id = j.id and e.ts >= coalesce(j.started_at, '-infinity') and e.detail_json ? 'progress'
                order by e.ts desc, e.id desc limit 1)::text, 'null')
       || ',"result":' || coalesce(
              (select e.detail_json -> 'result' from job_event e
                where e.job_id = j.id and e.detail_json ? 'result'
                order by e.ts desc, e.id desc limit 1)::text, 'null')
       || '}' as job
  from job j where j.id = $1::uuid
