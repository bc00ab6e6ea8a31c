-- Cancellations of these jobs are answered, one way or the other. A statement of its own behind the completion: a request that
-- was being written meanwhile is in its snapshot. One to a job that runs here is not answered: whoever asks this speaks of an earlier
-- run of it, in an outcome that is sent again.
-- $1 worker $2 ids
delete from signal s
 where s.worker = $1::int4 and s.job_id = any($2::uuid[])
   and not exists (select from (select j.worker, j.status from job j where j.id = s.job_id offset 0) as j
                    where j.worker = s.worker and j.status = 'running')
