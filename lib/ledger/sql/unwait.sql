-- Whatever of these jobs no longer waits loses its waiting row. A statement of its own behind a claim or a cancellation, in the same
-- transaction: its snapshot is taken when that one holds the jobs' row locks, so it sees rows that a sweep made meanwhile.
-- $1 ids
delete from waiting w using job j where w.job_id = any($1::uuid[]) and j.id = w.job_id and j.status not in ('queued', 'failed')
