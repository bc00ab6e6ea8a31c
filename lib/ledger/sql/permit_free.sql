-- Behind the completion. A permit whose job runs is the run's, even if an earlier run of the job is completed (again) here.
-- $1 ids of jobs whose run has ended
update permit p set job_id = null, worker = null
 where p.job_id = any($1::uuid[])
   and not exists (select from (select j.worker, j.status from job j where j.id = p.job_id offset 0) as j
                    where j.worker = p.worker and j.status = 'running')
