-- $1 ids of jobs that no longer run
update permit set job_id = null, worker = null where job_id = any($1::uuid[])
