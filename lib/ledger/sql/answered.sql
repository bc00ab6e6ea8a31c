-- Cancellations of these jobs are answered, one way or the other. A statement of its own behind the completion: a request that
-- was being written meanwhile is in its snapshot.
-- $1 worker $2 ids
delete from signal where worker = $1::int4 and job_id = any($2::uuid[])
